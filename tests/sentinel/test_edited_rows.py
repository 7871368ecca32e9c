"""Edited rows: what the workspace would drop or change is refused with the column's name; the rest is unchanged."""

import dataclasses
import json

import msgspec
import polars as pl
import pytest

from s3sentinel_assets.sentinel.edited_rows import RowError, cut_row, read_row, row_size, split_line, write_row
from s3sentinel_assets.sentinel.packing import ROW_OPENING, join_tails, make_batch_id, tails_of
from s3sentinel_assets.sentinel.render import render_rows
from s3sentinel_assets.tables import load_schema
from tests.sentinel.frames import cloudtrail, rows_frame, scores_frame

FLOW, TRAIL, WAF = (load_schema(name) for name in ("AWSVPCFlow", "AWSCloudTrail", "AWSWAF"))


def line(text):
    return split_line(text.encode() if isinstance(text, str) else text)


def written(schema, text, **options):
    """The members that a row with these columns goes out with."""
    _, columns = line('{"_dead_letter":1,' + text + "}")
    return write_row(read_row(columns, schema, **options)).decode()


@pytest.mark.parametrize(
    ("schema", "frame"),
    [
        (TRAIL, cloudtrail(20, 4).with_columns(UserAgent=pl.lit('ä"\\\n\u2028\x1b<\U0001f600>'))),
        (
            WAF,
            rows_frame(
                [{"EventId_CF": "e", "HttpRequest": '{"a":[1,{"b":null}],"c":1e5}', "Labels": "no JSON"}], "AWSWAF"
            ),
        ),
    ],
)
def test_a_row_that_nobody_edited_goes_out_byte_for_byte(schema, frame):
    for plan in ("Analytics", "Auxiliary"):
        planned = dataclasses.replace(schema, plan=plan)
        for tail in render_rows(frame, scores_frame(frame.height), planned):
            assert written(planned, tail[1:]) == tail


@pytest.mark.parametrize(
    ("schema", "text", "problem"),
    [
        (TRAIL, '"useragent":"x"', "table AWSCloudTrail has no column useragent.*is UserAgent meant"),
        (TRAIL, '"Quark":"x"', "no column Quark, the workspace would drop it$"),
        (TRAIL, '"TenantId":"x"', "column TenantId is filled by the service"),
        (TRAIL, '"BatchId_CF":"x"', "column BatchId_CF is stamped"),
        (TRAIL, '"Attempt_CF":2', "column Attempt_CF is stamped"),
        (TRAIL, '"UserAgent":7', "column UserAgent takes a text, not 7"),
        (TRAIL, '"UserAgent":{"a":1}', "column UserAgent takes a text"),
        (TRAIL, '"ReadOnly":"true"', "column ReadOnly takes true or false"),
        (TRAIL, '"ReadOnly":1', "column ReadOnly takes true or false"),
        (FLOW, '"SrcPort":2147483648', "column SrcPort takes a whole number of 32 bits, not 2147483648"),
        (FLOW, '"SrcPort":-2147483649', "column SrcPort takes"),
        (FLOW, '"SrcPort":"443"', 'column SrcPort takes a whole number of 32 bits, not "443"'),
        (FLOW, '"SrcPort":443.0', "column SrcPort takes"),
        (FLOW, '"SrcPort":true', "column SrcPort takes"),
        (FLOW, '"Bytes":9223372036854775808', "column Bytes takes a whole number of 64 bits"),
        (FLOW, '"Bytes":' + "9" * 400, "column Bytes takes a whole number of 64 bits, not 9{40}…"),
        (TRAIL, '"AnomalyScore_CF":"1"', "column AnomalyScore_CF takes a number"),
        (TRAIL, '"AnomalyScore_CF":1e999', "column AnomalyScore_CF holds no JSON value"),
        (TRAIL, '"AnomalyScore_CF":1' + "0" * 400, "column AnomalyScore_CF takes a number"),
        (TRAIL, '"EventTime_CF":1700000000', "column EventTime_CF takes an instant"),
        (TRAIL, '"EventTime_CF":"2026-11-20"', "column EventTime_CF takes an instant"),
        (TRAIL, '"EventTime_CF":"2026-11-20T07:00:00"', "column EventTime_CF takes an instant with its zone"),
        (TRAIL, '"EventTime_CF":"2026-02-30T07:00:00Z"', "column EventTime_CF takes an instant"),
        (TRAIL, '"EventTime_CF":"0001-01-01T00:00:00+01:00"', "column EventTime_CF takes an instant"),
        (TRAIL, '"EventTime_CF":"2026-11-20T07:00:00.1234567Z"', "column EventTime_CF takes an instant"),
        (TRAIL, f'"UserAgent":"{"ä" * 32_769}"', "column UserAgent has 65,538 bytes, a field may have 65,536"),
        (WAF, f'"HttpRequest":{{"a":"{"x" * 65_536}"}}', "column HttpRequest has 65,544 bytes"),
        (TRAIL, '"ReadOnly":1,"Quark":1,"EventName":"x"', "ReadOnly.*; .*Quark"),
    ],
)
def test_what_the_workspace_would_lose_is_refused(schema, text, problem):
    with pytest.raises(RowError, match=problem):
        written(schema, text)


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (
            FLOW,
            '"SrcPort": 2147483647 , "Bytes":-9223372036854775808',
            ',"SrcPort":2147483647,"Bytes":-9223372036854775808',
        ),
        (TRAIL, '"UserAgent":null,"EventName":"\\u00e4\\/"', ',"EventName":"ä/"'),
        (TRAIL, '"EventTime_CF":"2026-11-20T08:00:00+01:00"', ',"EventTime_CF":"2026-11-20T07:00:00Z"'),
        (TRAIL, '"EventTime_CF":"2026-11-20T07:00:00.5Z"', ',"EventTime_CF":"2026-11-20T07:00:00.500000Z"'),
        (TRAIL, '"AnomalyScore_CF":1', ',"AnomalyScore_CF":1'),
        (TRAIL, f'"UserAgent":"{"x" * 65_536}"', f',"UserAgent":"{"x" * 65_536}"'),
        (WAF, '"HttpRequest":[1, {"a":12345678901234567890123}]', ',"HttpRequest":[1, {"a":12345678901234567890123}]'),
        (WAF, '"HttpRequest":"text"', ',"HttpRequest":"text"'),
    ],
)
def test_what_it_takes_is_written_as_the_plan_writes(schema, text, expected):
    assert written(schema, text) == expected


def test_an_auxiliary_table_gets_six_decimals():
    auxiliary = dataclasses.replace(TRAIL, plan="Auxiliary")
    text = '"EventTime_CF":"2026-11-20T07:00:00Z"'
    assert written(auxiliary, text) == ',"EventTime_CF":"2026-11-20T07:00:00.000000Z"'


def test_no_value_can_look_like_the_beginning_of_a_row():
    deep = "[" * 80 + "]" * 80
    forged = f'"HttpRequest":{ROW_OPENING}x"}},"Labels":{deep},"EventId_CF":"e"'
    tail = written(WAF, forged)
    assert ROW_OPENING not in tail
    batch_id = make_batch_id("b")
    body = join_tails([tail.encode()], batch_id)
    assert tails_of(body, batch_id) == [tail.encode()]
    assert json.loads(body)[0]["HttpRequest"] == '{"BatchId_CF":"x"}'
    assert json.loads(body)[0]["Labels"] == deep


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"_dead_letter":1', "no JSON object"),
        ("[1]", "no JSON object"),
        ('{"_dead_letter":1} {}', "no JSON object"),
        ('{"_dead_letter":1,"a":NaN}', "no JSON object"),
        ('{"_dead_letter":1,"a":"\\ud800"}', "no JSON object"),
        ('{"_dead_letter":1,"a":' + "[" * 100_000, "no JSON object"),
        (b'{"_dead_letter":1,"a":"\xff"}', "byte 23 is not UTF-8"),
        ('{"EventName":"x"}', "_dead_letter, the number of the dead letter, is missing"),
        ('{"_dead_letter":"1"}', "_dead_letter"),
        ('{"_dead_letter":true}', "_dead_letter"),
        ('{"_dead_letter":1,"a":1,"b":2,"a":3}', "column a stands twice"),
    ],
)
def test_a_line_that_is_no_row_is_refused(text, problem):
    with pytest.raises(RowError, match=problem):
        line(text)


def wide(**texts):
    return read_row(
        {name: msgspec.Raw(msgspec.json.encode(text)) for name, text in texts.items()}, WAF, long_values=True
    )


def test_the_longest_texts_are_cut_to_one_length():
    row = wide(
        EventId_CF="e" * 900,
        HttpSourceId="short",
        Headers={"a": "b" * 3_000},
        HttpSourceName="ä" * 2_000,
        Labels="\n" * 2_500,
        Flags_CF="unscored",
    )
    shorter, names = cut_row(row, 8_000)
    assert names == ["Headers", "HttpSourceName", "Labels"]
    assert shorter["Flags_CF"] == "unscored;" + ";".join(f"truncated:{name}" for name in names)
    assert (shorter["EventId_CF"], shorter["HttpSourceId"]) == (row["EventId_CF"], row["HttpSourceId"])
    # A dynamic value that lost its end goes out as a text.
    assert shorter["Headers"].startswith('{"a":"bbb')
    lengths = [len(shorter[name].encode()) for name in names]
    assert max(lengths) - min(lengths) <= 1
    assert 8_000 - 30 < row_size(write_row(shorter)) <= 8_000
    assert json.loads(b"{" + write_row(shorter)[1:] + b"}")["HttpSourceName"] == "ä" * (lengths[1] // 2)
    assert cut_row(shorter, 8_000) == (shorter, [])
    assert cut_row(row, 20_000) == (row, [])


def test_a_text_that_is_too_long_for_a_field_is_cut_though_the_row_would_fit():
    shorter, names = cut_row(wide(EventId_CF="e", HttpSourceName="x" * 70_000), 1_000_000)
    assert names == ["HttpSourceName"] and len(shorter["HttpSourceName"]) == 65_536
    assert shorter["Flags_CF"] == "truncated:HttpSourceName"
    with pytest.raises(RowError, match="EventId_CF has"):
        wide(EventId_CF="e" * 70_000)


def test_a_row_that_is_too_large_without_its_texts_is_refused():
    with pytest.raises(RowError, match="even with all its texts cut, a request may have 2,000"):
        cut_row(wide(EventId_CF="e" * 3_000, HttpSourceName="x" * 500), 2_000)
