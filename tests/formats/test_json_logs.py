"""The base of the JSON formats: shapes of content, unknown fields, drift, strays, and an account of every record."""

import json
import sys
from datetime import UTC, datetime
from typing import ClassVar

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import registry
from s3sentinel_assets.formats.json_logs import (
    NULL,
    Inner,
    JsonParser,
    any_time,
    count_keys,
    epoch_milliseconds,
    epoch_seconds,
    iso_time,
    named_values,
    peek,
    per_distinct,
)
from s3sentinel_assets.formats.json_logs.decoding import LEARNED_FIELDS
from s3sentinel_assets.formats.json_logs.records import BrokenRecord, JsonSplitter, RecordRun
from s3sentinel_assets.formats.mapping import TableMapping, constant, field
from tests.formats.parsing import parse

# ---- two formats made for these tests; they borrow a table


class Actor(msgspec.Struct, gc=False, rename="camel"):
    user_name: str | None = None
    tags: msgspec.Raw = NULL


class Part(msgspec.Struct, gc=False):
    size: int | None = None
    note: str | None = None


class Visit(msgspec.Struct, gc=False, rename="camel"):
    event_time: str | None = None
    visit_id: str | None = None
    port: int | None = None
    score: float | None = None
    good: bool | None = None
    actor: Actor | None = None
    request: msgspec.Raw = NULL
    part: msgspec.Raw = NULL
    dotted: str | None = msgspec.field(default=None, name="id.orig_h")


class VisitParser(JsonParser):
    name: ClassVar[str] = "visit"
    title: ClassVar[str] = "a visit"
    Record = Visit
    inside: ClassVar = {"part": Part}
    wrappers: ClassVar = ("Records", "visits")
    required: ClassVar = ("eventTime", ("visitId", "request"))
    telling: ClassVar = ("eventTime", "visitId", "port", "request")
    telling_enough: ClassVar[int] = 2
    context_keys: ClassVar = ("group",)
    keep_text: ClassVar[bool] = True
    unplaced: ClassVar = ("score", "actor.tags")
    envelope_marks: ClassVar = (b'"detail"',)
    native: ClassVar = (
        TableMapping(
            "AWSWAF",
            {
                "RequestId": field("visitId"),
                "ResponseCodeSent": field("port"),
                "FormatVersion": field("score"),
                "Action": field("good"),
                "HttpSourceName": field("actor.userName"),
                "Headers": field("actor.tags"),
                "HttpRequest": field("request"),
                "Labels": field("part"),
                "Uri": field("part.size"),
                "Args": field("part.note"),
                "ClientIp": field("id.orig_h"),
                "RuleGroupId": field("_context.group"),
                "RuleGroupList": field("_text"),
            },
            {"principal": constant("someone")},
        ),
    )

    def time(self, frame):
        return iso_time(frame["eventTime"])

    def unwrap(self, text):
        outer = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        if "detail" not in outer:
            return None
        inner = msgspec.json.decode(outer["detail"], type=list[msgspec.Raw])
        return [Inner(bytes(one), {"group": "g"}) for one in inner]


class Errand(msgspec.Struct, gc=False):
    at: msgspec.Raw = NULL
    errand: str | None = None


class ErrandParser(JsonParser):
    name: ClassVar[str] = "errand"
    title: ClassVar[str] = "an errand"
    Record = Errand
    required: ClassVar = ("errand",)
    telling: ClassVar = ("at", "errand")
    telling_enough: ClassVar[int] = 2
    native: ClassVar = (TableMapping("AWSVPCFlow", {"AzId": field("errand")}, {"principal": constant("someone")}),)

    def time(self, frame):
        return any_time(frame["at"])


@pytest.fixture(autouse=True)
def _formats(monkeypatch):
    for parser in (VisitParser, ErrandParser):
        monkeypatch.setitem(registry.FORMATS, parser.name, f"{__name__}:{parser.__name__}")
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())
    yield
    registry.format_parser.cache_clear()


def _this_module():
    module = type(sys)(__name__)
    module.VisitParser, module.ErrandParser = VisitParser, ErrandParser
    return module


def visit(number=0, **changes):
    """A visit; a change to ``...`` leaves a field out."""
    made = {
        "eventTime": f"2026-11-23T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "visitId": f"v-{number}",
        "port": 443,
        "request": {"path": f'/é,]}}\\"{{["}}\n{{" {number}', "list": [{"a": 1}, {"a": 2}]},
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def text_of(record):
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def wrapped(*records, key="Records"):
    return b'{"%s":[%s]}' % (key.encode(), b",".join(map(text_of, records)))


def on_lines(*records):
    return b"\n".join(map(text_of, records))


def of(*contents, **options):
    return parse(*contents, format="visit", **options)


def ids(parsed):
    return parsed.rows["RequestId"].to_list()


# ---- shapes of content

TWO = [visit(0), visit(1)]
SHAPES = {
    "wrapped": wrapped(*TWO),
    "wrapped otherwise": wrapped(*TWO, key="visits"),
    "wrapped and indented": json.dumps({"version": 1, "visits": TWO, "more": {"x": []}}, indent=2).encode(),
    "lines": on_lines(*TWO),
    "lines with CRLF and blank ones": b"\r\n\r\n".join(map(text_of, TWO)) + b"\r\n \r\n",
    "glued": b"".join(map(text_of, TWO)),
    "glued with spaces": b" \t ".join(map(text_of, TWO)),
    "indented in a row": b"\n".join(json.dumps(record, indent=2).encode() for record in TWO),
    "indented and glued": b"".join(json.dumps(record, indent=2).encode() for record in TWO),
    "array": json.dumps(TWO).encode(),
    "arrays on lines": b"\n".join(json.dumps([record]).encode() for record in TWO),
    "wrapped on lines": b"\n".join(map(wrapped, TWO)),
    "wrapped and glued": wrapped(TWO[0]) + wrapped() + wrapped(TWO[1], key="visits"),
    "wrapped beside bare": wrapped(TWO[0]) + b"\n" + text_of(TWO[1]),
    "wrapped twice in one": b'{"Records":[' + text_of(TWO[0]) + b'],"visits":[' + text_of(TWO[1]) + b"]}",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\r\n "])
def test_shapes(shape, start):
    for step in (65_536, 7):
        parsed = of(start + SHAPES[shape], step=step)
        assert ids(parsed) == ["v-0", "v-1"]
        assert [json.loads(text) for text in parsed.rows["HttpRequest"]] == [record["request"] for record in TWO]
        assert parsed.rows["_flags"].null_count() == parsed.rows["ExtraFields_CF"].null_count() == 2
        assert parsed.report.state == "read"


def test_one_object_is_one_record():
    assert ids(of(text_of(visit(5)))) == ["v-5"]


def test_formats_without_wrappers_take_an_object_for_a_record():
    content = b'{"at":1767225600,"errand":"e","Records":[{"at":1,"errand":"inner"}]}'
    parsed = parse(content, format="errand")
    assert parsed.rows["AzId"].to_list() == ["e"]
    assert json.loads(parsed.rows["ExtraFields_CF"][0]) == {"Records": [{"at": 1, "errand": "inner"}]}


@pytest.mark.parametrize("shape", ["lines", "glued", "array", "wrapped", "indented"])
def test_long_content_is_read_within_a_window(shape, monkeypatch):
    records = [visit(number, request={"n": number, "x": "}{" * (number % 7)}) for number in range(700)]
    content = {
        "lines": on_lines(*records),
        "glued": b"".join(map(text_of, records)),
        "array": json.dumps(records).encode(),
        "wrapped": wrapped(*records),
        "indented": b"\n".join(json.dumps(record, indent=1).encode() for record in records),
    }[shape]
    splitter = JsonSplitter(VisitParser.wrappers, window=1 << 14)
    runs = list(splitter.split(content[at : at + 5_000] for at in range(0, len(content), 5_000)))
    assert [json.loads(bytes(value)) for run in runs for value in run.values] == records
    assert all(
        content[run.offset(index) :].startswith(bytes(value)) for run in runs for index, value in enumerate(run.values)
    )
    assert max(len(run.source) for run in runs) <= 1 << 16
    assert len(runs) < 60


def test_a_damaged_line_in_long_content_costs_only_itself():
    lines = [text_of(visit(number)) for number in range(2_000)]
    lines[1_200] = lines[1_200][:-30]
    content = b"\n".join(lines)
    splitter = JsonSplitter(VisitParser.wrappers, window=1 << 14)
    found = list(splitter.split(content[at : at + 5_000] for at in range(0, len(content), 5_000)))
    assert sum(len(run.values) for run in found if isinstance(run, RecordRun)) == 1_999
    broken = [piece for piece in found if isinstance(piece, BrokenRecord)]
    assert [piece.data for piece in broken] == [lines[1_200]]
    assert content[broken[0].offset :].startswith(lines[1_200])
    assert len(found) < 200


def test_a_long_record_is_read():
    big = "x" * (10 << 20)
    parsed = of(on_lines(visit(0), visit(1, request={"big": big}), visit(2)), step=1 << 20)
    assert ids(parsed) == ["v-0", "v-1", "v-2"]
    assert len(parsed.rows["HttpRequest"][1]) == len(big) + 10


def test_a_record_longer_than_four_windows_is_one_reject():
    content = on_lines(visit(0), visit(1, request="x" * 50_000), visit(2))
    splitter = JsonSplitter((), window=4_096)
    found = list(splitter.split(content[at : at + 512] for at in range(0, len(content), 512)))
    assert sum(isinstance(piece, BrokenRecord) for piece in found) == 1
    assert sum(len(piece.values) for piece in found if isinstance(piece, RecordRun)) == 2


@pytest.mark.parametrize("shape", ["wrapped", "lines", "glued", "array", "indented in a row"])
def test_content_cut_anywhere_keeps_every_whole_record_before_the_cut(shape):
    content = SHAPES[shape]
    for cut in range(40, len(content) - 3, 11):
        parsed = of(content[:cut])
        rows = ids(parsed) if parsed.report.rows else []
        assert rows == ["v-0", "v-1"][: len(rows)]
        assert parsed.report.rejected == (parsed.report.state != "read")
        if content[:cut].count(b"v-1"):
            assert rows[:1] == ["v-0"]


@pytest.mark.parametrize("damage", [b'{"eventTime":"1","a":[1}', b'{"eventTime":"1","a":"', b"}}", b"{{{", b"\x00\xff"])
@pytest.mark.parametrize("shape", ["wrapped", "lines", "glued"])
def test_damage_costs_no_record_around_it(damage, shape):
    good = [text_of(visit(number)) for number in range(4)]
    start, between, end = {
        "wrapped": (b'{"Records":[', b",", b"]}"),
        "lines": (b"", b"\n", b"\n"),
        "glued": (b"", b"", b""),
    }[shape]
    content = start + between.join([good[0], good[1], damage, good[2], good[3]]) + end
    parsed = of(content)
    assert ids(parsed) == ["v-0", "v-1", "v-2", "v-3"]
    assert parsed.report.rejected >= 1
    for offset, data in parsed.rejects.select("offset", "data").rows():
        assert content[offset:].startswith(data)


@pytest.mark.parametrize(
    "noise", [b"{\n" * 6_000, b'{"eventTime":\n' * 6_000, b'{"a":"\n' * 6_000, b"[" * 50_000, b'"' * 3_000]
)
@pytest.mark.parametrize("start", [text_of(visit(0)) + b"\n", b"[" + text_of(visit(0)) + b","])
def test_content_that_never_ends_a_record_is_read_once_not_once_for_each(noise, start):
    parsed = of(start + noise)
    assert ids(parsed) == ["v-0"]


# ---- columns


def test_every_kind_of_field_becomes_a_column():
    record = visit(
        7,
        score=1.5,
        good=True,
        actor={"userName": "ann", "tags": ["x"], "unknown": 1},
        part={"size": 5, "note": "n"},
        **{"id.orig_h": "10.0.0.1"},
    )
    row = of(text_of(record)).rows.row(0, named=True)
    assert row["TimeGenerated"] == datetime(2026, 11, 23, 10, 0, 7, tzinfo=UTC)
    expected = {
        "RequestId": "v-7",
        "ResponseCodeSent": 443,
        "FormatVersion": "1.5",
        "Action": "true",
        "HttpSourceName": "ann",
        "Headers": '["x"]',
        "Labels": '{"size":5,"note":"n"}',
        "Uri": "5",
        "Args": "n",
        "ClientIp": "10.0.0.1",
        "RuleGroupId": None,
        "ExtraFields_CF": '{"score":1.5,"actor.tags":["x"]}',
        "_flags": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert row["RuleGroupList"].encode() == text_of(record)


def test_absent_and_null_fields_are_null():
    nothing = dict.fromkeys(("port", "score", "good", "actor", "part", "id.orig_h"))
    for record in (visit(0, **nothing), visit(0, port=...)):
        row = of(text_of(record)).rows.row(0, named=True)
        for column in ("ResponseCodeSent", "FormatVersion", "Action", "HttpSourceName", "Headers", "Labels", "Uri"):
            assert row[column] is None
        assert row["ExtraFields_CF"] is row["_flags"] is None


def test_raw_fields_are_kept_byte_for_byte():
    odd = rb'{ "a" :	1e2,"b": 12345678901234567890 ,"a":"\u00e9"}'
    content = text_of(visit(0, request="QQ")).replace(b'"QQ"', odd)
    assert of(content).rows["HttpRequest"][0] == odd.decode()


# ---- unknown fields


def test_unknown_fields_are_kept_in_the_order_of_their_names():
    parsed = of(
        on_lines(
            visit(0),
            visit(1, zebra=[1, {"x": "é"}], apple="a"),
            visit(2, apple=None, mango=2.50),
            visit(3),
            visit(4, zebra="z", **{'od"d\n': 1, "with`tick": 2, "%b": 3}),
        )
    )
    assert parsed.rows["ExtraFields_CF"].to_list() == [
        None,
        '{"apple":"a","zebra":[1,{"x":"é"}]}',
        '{"apple":null,"mango":2.5}',
        None,
        '{"%b":3,"od\\"d\\n":1,"with`tick":2,"zebra":"z"}',
    ]
    assert parsed.rows["_flags"].null_count() == 5


def test_what_is_kept_does_not_depend_on_the_neighbours():
    odd = visit(1, new=1, port="x", other={"a": []})
    alone = of(text_of(odd))
    among = of(on_lines(visit(0, other=1, **{f"k{n}": n for n in range(10)}), odd, visit(2, new=5)))
    assert among.rows["ExtraFields_CF"][1] == alone.rows["ExtraFields_CF"][0] == '{"new":1,"other":{"a":[]}}'
    assert among.rows["_flags"][1] == alone.rows["_flags"][0] == 'drift:port="x"'


def test_more_unknown_fields_than_are_learned_are_kept_all_the_same():
    records = [visit(number, **{f"key{number:04d}": number, "same": True}) for number in range(3 * LEARNED_FIELDS)]
    kept = of(on_lines(*records)).rows["ExtraFields_CF"].to_list()
    assert [json.loads(text) for text in kept] == [
        {f"key{number:04d}": number, "same": True} for number in range(3 * LEARNED_FIELDS)
    ]


# ---- drift


@pytest.mark.parametrize(
    ("name", "written", "column", "value", "flag"),
    [
        ("visitId", b"5", "RequestId", "5", None),
        ("visitId", b"true", "RequestId", "true", None),
        ("visitId", b'{"a":[1]}', "RequestId", '{"a":[1]}', "drift:visitId"),
        ("port", b'"443"', "ResponseCodeSent", 443, None),
        ("port", b"443.0", "ResponseCodeSent", 443, None),
        ("port", b"1e2", "ResponseCodeSent", 100, None),
        ("port", b'"0443"', "ResponseCodeSent", None, 'drift:port="0443"'),
        ("port", b"1.5", "ResponseCodeSent", None, "drift:port=1.5"),
        ("port", b"true", "ResponseCodeSent", None, "drift:port=true"),
        ("port", b"[]", "ResponseCodeSent", None, "drift:port=[]"),
        ("port", b"9223372036854775808", "ResponseCodeSent", None, "drift:port=9223372036854775808"),
        ("port", b"1" + 50 * b"0", "ResponseCodeSent", None, "drift:port=1" + 50 * "0"),
        ("port", b"4294967296", "ResponseCodeSent", None, "ResponseCodeSent_overflow=4294967296"),
        ("port", b"NaN", "ResponseCodeSent", None, "not_finite=NaN"),
        ("score", b'"1.5"', "FormatVersion", "1.5", None),
        ("score", b"1e999", "FormatVersion", None, "drift:score=1e999"),
        ("score", b'"inf"', "FormatVersion", None, 'drift:score="inf"'),
        ("score", b"-Infinity", "FormatVersion", None, "not_finite=-Infinity"),
        ("good", b'"TRUE"', "Action", "true", None),
        ("good", b"1", "Action", None, "drift:good=1"),
        ("actor", b'"ann"', "HttpSourceName", None, 'drift:actor="ann"'),
        ("actor", b'{"userName":[1]}', "HttpSourceName", "[1]", "drift:actor.userName"),
        ("part", b'{"size":18446744073709551616}', "Uri", None, "drift:part.size=18446744073709551616"),
        ("part", b'{"size":"x"}', "Labels", '{"size":"x"}', 'drift:part.size="x"'),
        ("part", b"[1]", "Labels", "[1]", "drift:part=[1]"),
        ("request", b'{"a":NaN,"b":"NaN"}', "HttpRequest", '{"a":null,"b":"NaN"}', "not_finite=NaN"),
        ("new", b"NaN", "ExtraFields_CF", '{"new":null}', "not_finite=NaN"),
        ("request", rb'"\ud800x"', "HttpRequest", '"\\ufffdx"', "lone_surrogate"),
        ("visitId", rb'"\ud800x"', "RequestId", "\ufffdx", "lone_surrogate"),
        ("visitId", rb'"\ud83d\ude00"', "RequestId", "\U0001f600", None),
        ("visitId", b'"a\xff"', "RequestId", "a\ufffd", "invalid_utf8"),
        ("request", b'"a\xff"', "HttpRequest", '"a\ufffd"', "invalid_utf8"),
        ("new", b'"a\xff"', "ExtraFields_CF", '{"new":"a\ufffd"}', "invalid_utf8"),
        ("part", b'{"note":"a\xff"}', "Args", "a\ufffd", "invalid_utf8"),
        ("visitId", b'"x","visitId":"y"', "RequestId", "y", None),
    ],
)
def test_drift_keeps_the_record_and_says_what_changed(name, written, column, value, flag):
    odd = text_of(visit(1, **{name: "QQ"})).replace(b'"QQ"', written)
    parsed = of(text_of(visit(0)) + b"\n" + odd + b"\n" + text_of(visit(2)))
    assert parsed.report.rows == 3
    assert parsed.rows["_flags"].to_list() == [None, flag, None]
    assert parsed.rows[column][1] == value


def test_64_bit_numbers_are_exact():
    content = text_of(visit(0, request={"n": 9223372036854775807}, part={"size": -(2**63)}))
    row = of(content).rows.row(0, named=True)
    assert (row["HttpRequest"], row["Uri"]) == ('{"n":9223372036854775807}', "-9223372036854775808")


def test_nesting_is_kept_or_quarantined_never_fatal():
    deep = b"[" * 500 + b"]" * 500
    abyss = b"[" * 100_000 + b"]" * 100_000
    lines = [text_of(visit(number, request="QQ")) for number in range(3)]
    content = lines[0].replace(b'"QQ"', deep) + b"\n" + lines[1].replace(b'"QQ"', abyss) + b"\n" + lines[2]
    parsed = of(content)
    assert ids(parsed) == ["v-0", "v-2"]
    assert parsed.rows["HttpRequest"][0] == deep.decode()
    assert parsed.reasons() == [(1, "too_deep")]


@pytest.mark.parametrize("value", [b"01", b"tru", b"'x'", b"1.", b'"\x01"'])
def test_a_record_that_is_not_json_is_quarantined_alone(value):
    content = wrapped(visit(0), visit(1, visitId="QQ"), visit(2)).replace(b'"QQ"', value)
    parsed = of(content)
    assert ids(parsed) == ["v-0", "v-2"]
    assert parsed.reasons() == [(1, "bad_json")]
    assert content[parsed.rejects["offset"][0] :].startswith(parsed.rejects["data"][0])


# ---- records of other formats


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (visit(1, eventTime=...), "not_visit"),
        (visit(1, eventTime=None), "not_visit"),
        (visit(1, visitId=..., request=...), "not_visit"),
        (visit(1, visitId=None, request=None), "not_visit"),
        ({}, "not_visit"),
        (5, "not_an_object"),
        ([], "not_an_object"),
        (visit(1, eventTime="soon"), "no_event_time"),
        (visit(1, eventTime="2200-01-01T00:00:00Z"), "no_event_time"),
    ],
)
def test_a_record_that_is_none_is_quarantined_alone(record, reason):
    content = wrapped(visit(0), record, visit(2))
    parsed = of(content)
    assert parsed.rows["_ordinal"].to_list() == [0, 2]
    assert parsed.reasons() == [(1, reason)]
    assert json.loads(parsed.rejects["data"][0]) == record
    assert content[parsed.rejects["offset"][0] :].startswith(parsed.rejects["data"][0])


def test_one_of_several_fields_is_enough():
    assert of(on_lines(visit(0, visitId=...), visit(1, request=None))).report.rows == 2


def test_strays_become_records_of_their_own_format():
    errands = [{"at": 1767225600 + number, "errand": f"e-{number}"} for number in range(2)]
    content = on_lines(visit(0), visit(1), errands[0], visit(2), {"neither": 1}, errands[1])
    parsed = parse(content)
    rows = {frame.format: frame.rows for frame in parsed.frames}
    assert rows["visit"]["RequestId"].to_list() == ["v-0", "v-1", "v-2"]
    assert rows["errand"].select("_ordinal", "AzId").rows() == [(2, "e-0"), (5, "e-1")]
    assert parsed.reasons() == [(4, "not_visit")]


def test_an_envelope_gives_its_records_and_their_context():
    outer = {"source": "x", "detail": [visit(1), visit(2, port="bad"), {"neither": 1}]}
    content = on_lines(visit(0), outer, {"detail": []}, visit(3), visit(4, request={"detail": 1}), {"detail": 5})
    parsed = of(content)
    assert ids(parsed) == ["v-0", "v-1", "v-2", "v-3", "v-4"]
    assert parsed.rows["RuleGroupId"].to_list() == [None, "g", "g", None, None]
    assert parsed.reasons() == [(3, "not_visit"), (6, "not_visit")]
    assert content[parsed.rejects["offset"][0] :].startswith(b'{"neither":1}')


def test_many_small_objects_make_one_frame():
    parsed = of(*(on_lines(visit(number, new=number % 2 or ...)) for number in range(50)))
    assert len(parsed.frames) == 1
    assert ids(parsed) == [f"v-{number}" for number in range(50)]
    assert parsed.rows["_object"].to_list() == list(range(50))


# ---- detection


def test_only_the_records_own_keys_count():
    keys = VisitParser.telling
    assert count_keys(on_lines(visit(0)), keys) == 4
    assert count_keys(wrapped(visit(0)), keys, ("Records",)) == 4
    assert count_keys(json.dumps([{"x": visit(0)}]).encode(), keys) == 0
    assert count_keys(text_of({"x": 'y","visitId":"z'}), keys) == 0
    assert count_keys(b"visitId port", keys) == 0


def test_peeking_stops_where_the_bytes_do():
    content = text_of(visit(0))
    for end in range(len(content)):
        for record in peek(content[:end]):
            for name, text in record.items():
                assert text_of(visit(0)[name]).startswith(text)
    assert len(peek(on_lines(*(visit(number) for number in range(9))))) == 3


def test_formats_are_told_apart_by_their_keys():
    assert VisitParser.sniff(on_lines(visit(0)), "").confidence > 0.9
    assert VisitParser.sniff(b'{"eventTime":"x"}', "").confidence == 0.4
    assert VisitParser.sniff(b'{"other":{"eventTime":1,"port":2}}', "").confidence < 0.1
    assert VisitParser.sniff(b"2 123 eni-1", "").confidence == 0


# ---- times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"2026-01-01T00:00:00.5Z"', datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
        ("1767225600.25", datetime(2026, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("1.7672256E9", datetime(2026, 1, 1, tzinfo=UTC)),
        ("1767225600123", datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)),
        ('"1767225600123"', datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)),
        ("1767225600123456", datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("1767225600123456789", datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-1", None),
        ("9" * 30, None),
        ("1e300", None),
        ("null", None),
        ('"soon"', None),
        ("{}", None),
        (None, None),
    ],
)
def test_times_in_any_unit(text, expected):
    assert any_time(pl.Series([text], dtype=pl.String))[0] == expected
    mixed = any_time(pl.Series([text, '"2026-01-01T00:00:00Z"', "1767225600123"], dtype=pl.String))
    assert mixed.to_list() == [expected, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 123_000, UTC)]


def test_numbers_out_of_range_are_no_times():
    end = 7_258_118_400
    expected = [datetime(1970, 1, 1, tzinfo=UTC), None, None, None, None]
    assert epoch_seconds(pl.Series([0, -1, end, 2**62, None])).to_list() == expected
    assert epoch_seconds(pl.Series([0.0, -1.0, float(end), 1e300, None])).to_list() == expected
    assert epoch_milliseconds(pl.Series([0, -1, end * 1_000, 2**62, None])).to_list() == expected
    assert epoch_milliseconds(pl.Series([1.5])).to_list() == [datetime(1970, 1, 1, 0, 0, 0, 1_500, tzinfo=UTC)]


# ---- lists of named values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"name":"Host","value":"a"},{"name":"User-Agent","value":"b"}]', "b"),
        ('[{"name":"user-agent","value":"b"}]', "b"),
        ('[ { "name" : "USER-AGENT" , "value" : "b" } ]', "b"),
        ('[{"value":"b","name":"User-Agent"}]', "b"),
        ('[{"name":"User-Agent","other":1,"value":"b"}]', "b"),
        ('[{"name":"User-Agent","value":"first"},{"name":"user-agent","value":"second"}]', "first"),
        ('[{"name":"User-Agent","value":"q\\"\\u00e9\\\\"}]', 'q"é\\'),
        ('[{"name":"\\u0055ser-Agent","value":"b"}]', "b"),
        ('[{"name":"X","value":"{\\"name\\":\\"User-Agent\\",\\"value\\":\\"no\\"}"}]', None),
        ('[{"name":"X","value":"User-Agent"}]', None),
        ('[{"name":"User-Agent","value":5}]', "5"),
        ('[{"name":"User-Agent","value":null}]', None),
        ('[{"name":"User-Agent"}]', None),
        ('{"User-Agent":"b"}', None),
        ("[]", None),
        (None, None),
    ],
)
def test_named_values(text, expected):
    frame = named_values(pl.Series([None, text], dtype=pl.String), ("User-Agent", "x-none"))
    assert frame.rows() == [(None, None), (expected, None)]


headers = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["host", "Host", "x"]), "value": st.text(max_size=8)}), max_size=4
)


@settings(max_examples=40, deadline=None)
@given(st.lists(headers, min_size=1, max_size=5), st.booleans())
def test_named_values_are_those_that_json_has(lists, ascii_only):
    texts = pl.Series([json.dumps(entries, ensure_ascii=ascii_only) for entries in lists])
    expected = [next((e["value"] for e in entries if e["name"].lower() == "host"), None) for entries in lists]
    assert named_values(texts, ("host",))["host"].to_list() == expected


def test_a_text_that_many_have_is_computed_with_once():
    seen = []
    frame = per_distinct(
        pl.Series(["a", None, "b", "a"]), lambda text: (seen.append(text), text * 2)[1:], {"made": pl.String()}
    )
    assert (frame["made"].to_list(), seen) == (["aa", None, "bb", "aa"], ["a", "b"])
    assert per_distinct(pl.Series([None, None], dtype=pl.String), lambda text: (text,), {"x": pl.String()}).height == 2


# ---- properties

texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
records = st.fixed_dictionaries(
    {},
    optional={
        "eventTime": st.just("2026-01-01T00:00:00Z") | values,
        "visitId": values,
        "port": values,
        "score": values,
        "good": values,
        "actor": values | st.fixed_dictionaries({"userName": values, "tags": values}),
        "part": values | st.fixed_dictionaries({"size": values, "note": values}),
        "request": values,
        "new": values,
        "detail": values | st.just([visit(0)]),
    },
) | st.dictionaries(texts, values, max_size=3)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(records | values, min_size=1, max_size=5),
    st.sampled_from(["lines", "glued", "array", "visits"]),
    st.data(),
)
def test_whatever_is_in_the_records_every_one_is_accounted_for(items, shape, data):
    content = {
        "lines": lambda: on_lines(visit(0), *items),
        "glued": lambda: b"".join(map(text_of, [visit(0), *items])),
        "array": lambda: json.dumps([visit(0), *items]).encode(),
        "visits": lambda: wrapped(visit(0), *items, key="visits"),
    }[shape]()
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.sampled_from(b'{}[]",:\\ \n\x00\xffa1'))
    parse(content, format="visit")  # the account is checked inside
    parse(bytes(damaged), format="visit", step=data.draw(st.integers(1, 300)))


@settings(max_examples=40, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"[", b'{"Records":[', on_lines(visit(0)), wrapped(visit(0))[:-2]])
)
def test_any_bytes_are_accounted_for(noise, start):
    parse(start + noise, format="visit")
    parse(start + noise)


@settings(max_examples=15, deadline=None)
@given(st.lists(records, min_size=1, max_size=4))
def test_a_record_comes_out_the_same_among_others_and_alone(items):
    chosen = [
        visit(number) | {name: value for name, value in item.items() if name != "detail"}
        for number, item in enumerate(items)
    ]
    together = of(wrapped(*chosen))
    alone = [of(wrapped(record)) for record in chosen]
    columns = ["RequestId", "ResponseCodeSent", "HttpSourceName", "HttpRequest", "Uri", "ExtraFields_CF", "_flags"]
    rows = [row for parsed in alone if parsed.report.rows for row in parsed.rows.select(columns).rows()]
    assert (together.rows.select(columns).rows() if together.report.rows else []) == rows
