"""The engine for logs of lines, seen through a format as small as can be."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats.line_logs import DelimitedParser, Fields, read_fields, split_fields
from s3sentinel_assets.formats.line_logs.quotes import count_byte, pair_up, pairing_lines, surely_cut
from s3sentinel_assets.formats.mapping import TableMapping, derived, field
from s3sentinel_assets.formats.model import Reading, Stray, Verdict

FIELDS = Fields(("time", "name", "text"), required=2)


class SmallParser(DelimitedParser):
    """Lines of a second, a name and perhaps a text; ``#fields`` lines may say another order."""

    name, title, fields = "small", "a small log", FIELDS
    keep_line = True
    native = (
        TableMapping(
            "Syslog",
            {
                "SyslogMessage": field("text"),
                "ProcessName": field("name"),
                "HostName": derived("the line", pl.col("_line")),
            },
            {"principal": field("name")},
        ),
    )

    @classmethod
    def sniff(cls, head, key):
        return Verdict(cls.share_of_lines(head)[0], "")

    def may_have_header(self, data):
        return b"#" in data

    def header(self, line, layout):
        if not line.startswith(b"#fields "):
            return None
        return Fields(tuple(line.decode().split()[1:]), required=2)

    def shape(self, frame):
        return pl.col("time").str.contains(r"^\d+$")

    def time(self, frame, layout):
        seconds = frame["time"].cast(pl.Int64, strict=False)
        return (seconds.set(seconds > 2_000_000_000, None) * 1_000_000).cast(pl.Datetime("us", "UTC"))


class Told(Reading):
    """An object that remembers what it was told."""

    def __init__(self, number: int = 0, cut: tuple[str, str] | None = None) -> None:
        self.object_id, self.identity, self.key, self.arrived = number, f"{number:016x}", "k", None
        self._cut, self.counted, self.rejects, self.tail = cut, 0, list[tuple[int, int | None, str, bytes]](), b""

    @property
    def cut(self):
        return self._cut

    def count(self, records):
        self.counted += records
        return self.counted - records

    def reject(self, ordinal, offset, reason, detail, data):
        self.rejects.append((ordinal, offset, reason, data))

    def lose_tail(self, offset, reason, detail, data):
        self.tail = data
        self.reject(self.count(1), offset, reason, detail, data)

    def remark(self, note):
        raise AssertionError(note)


def read(*contents: bytes, step: int = 65_536, cut: tuple[str, str] | None = None, **options):
    """The readings of contents, and all rows: (object, ordinal, name, text, flags)."""
    parser = SmallParser(**options)
    readings = [Told(number, cut) for number in range(len(contents))]
    for reading, content in zip(readings, contents, strict=True):
        for _ in parser.read(reading, (content[at : at + step] for at in range(0, len(content), step))):
            pass
    frames = parser.take()
    assert parser.take() == []
    columns = ("_object", "_ordinal", "ProcessName", "SyslogMessage", "_flags")
    rows = [row for frame in frames for row in frame.rows.select(columns).rows()]
    for reading in readings:
        ordinals = [row[1] for row in rows if row[0] == reading.object_id]
        assert ordinals == sorted(ordinals)
        assert sorted(ordinals + [reject[0] for reject in reading.rejects]) == list(range(reading.counted))
    return readings, rows


def names(content: bytes, **options):
    return [row[2] for row in read(content, **options)[1]]


@pytest.mark.parametrize(
    "content",
    [
        b"1 a x\n2 b\n3 c z\n",
        b"1 a x\n2 b\n3 c z",
        b"1 a x\r\n2 b\r\n3 c z\r\n",
        b"1 a x\r\n2 b\n3 c z\r\n",
        b"\xef\xbb\xbf1 a x\n2 b\n3 c z\n",
        b"\xef\xbb\xbf\r\n\r\n1 a x\n2 b\n3 c z\n",
        b"\n\n1 a x\n \t\n2 b\n\n\n3 c z\n\n",
        b"#fields time name text\n1 a x\n2 b\n3 c z\n",
        b"1 a x\n#fields time text name\n2 - b\n#fields name time text\nc 3 z\n",
    ],
)
def test_lines_however_they_end_and_arrive(content):
    for step in (65_536, 1, 7):
        (reading,), rows = read(content, step=step)
        assert [row[2:] for row in rows] == [("a", "x", None), ("b", None, None), ("c", "z", None)]
        assert (reading.counted, reading.rejects) == (3, [])


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\r\n \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"#fields time name\n"]
)
def test_nothing(content):
    assert read(content)[0][0].counted == 0


def test_a_line_of_countless_fields_is_no_new_version():
    (reading,), rows = read(
        b"1 a x" + b" y" * 90 + b"\n2 b x" + b" y" * 5_000 + b'\n3 c x "' + b' "' * 2_001 + b"\n4 d\n"
    )
    assert [row[2] for row in rows] == ["a", "d"]
    assert [(ordinal, reason) for ordinal, _, reason, _ in reading.rejects] == [(1, "field_count"), (2, "field_count")]


def test_a_bad_line_is_rejected_alone_with_its_bytes_and_offset():
    (reading,), rows = read(b"1 a\nbad\r\n\n3 c\nx d\n2000000001 e\n4 f\n")
    assert [row[1] for row in rows] == [0, 2, 5]
    assert reading.rejects == [
        (1, 4, "field_count", b"bad"),
        (3, 14, "not_small", b"x d"),
        (4, 18, "no_event_time", b"2000000001 e"),
    ]


def test_a_lone_carriage_return_is_part_of_its_line():
    (reading,), rows = read(b"1 a x\ry\n2 b\n")
    assert [row[3] for row in rows] == ["x\ry", None]
    assert reading.counted == 2


def test_bytes_that_are_no_utf8_are_told_of():
    rows = read(b"1 a \xff\xfe\n2 b \xc3\xa9\n3 c \x00\n")[1]
    assert [row[3:] for row in rows] == [("��", "invalid_utf8"), ("é", None), ("\x00", None)]


@pytest.mark.parametrize("step", [65_536, 3_000])
@pytest.mark.parametrize("end", [b"\n2 b\n", b"\n2 b", b"", b"\n"])
def test_a_line_longer_than_a_block_is_one_reject(step, end):
    content = b"1 a\n" + b"x" * 70_000 + end
    (reading,), rows = read(content, step=step, block=10_000)
    assert [row[2] for row in rows] == (["a", "b"] if b"2 b" in end else ["a"])
    ((ordinal, offset, reason, data),) = reading.rejects
    assert (ordinal, offset, reason) == (1, 4, "line_too_long")
    assert data.startswith(b"xxx") and len(data) <= 70_000


@pytest.mark.parametrize("step", [1, 5, 17, 100])
def test_whether_a_line_is_too_long_does_not_depend_on_how_it_arrives(step):
    (reading,), rows = read(b"1 a\n1 " + b"b" * 97 + b"\n1 " + b"c" * 98 + b"\n1 d\n", step=step, block=100)
    assert [row[1] for row in rows] == [0, 1, 3]
    assert [(reject[0], reject[2]) for reject in reading.rejects] == [(2, "line_too_long")]


def test_the_tail_of_a_cut_object_is_never_taken_for_good():
    (reading,), rows = read(b"1 a x\n2 b y", cut=("truncated_gzip", "cut"))
    assert [row[2] for row in rows] == ["a"]
    assert (reading.tail, reading.rejects) == (b"2 b y", [(1, 6, "truncated_gzip", b"2 b y")])


def test_small_objects_of_one_layout_are_parsed_together_and_keep_their_order(monkeypatch):
    calls = list[int]()
    original = SmallParser.parse_all
    monkeypatch.setattr(
        SmallParser,
        "parse_all",
        lambda self, data, lines, layout: (calls.append(lines), original(self, data, lines, layout))[1],
    )
    swapped = b"#fields name time\n"
    contents = [b"%d a\n" % n if n % 2 else swapped + b"b %d\n" % n for n in range(60)]
    _, rows = read(*contents)
    assert [row[:3] for row in rows] == [(n, 0, "a" if n % 2 else "b") for n in range(60)]
    assert calls == [30, 30]


def test_a_bad_object_among_good_ones_harms_no_other():
    readings, rows = read(b"1 a\n", b"bad\n", b"\n2 b\n", b"#fields name time\n1\n", b"3 c\n")
    assert [row[:3] for row in rows] == [(0, 0, "a"), (2, 0, "b"), (4, 0, "c")]
    assert [[reject[2] for reject in reading.rejects] for reading in readings] == [
        [],
        ["field_count"],
        [],
        ["field_count"],
        [],
    ]


def test_strays_are_offered_and_adopted_under_their_ordinals():
    offered = list[Stray]()

    def take_some(reading, strays):
        offered.extend(strays)
        return strays[1:]

    parser, other = SmallParser(strays=take_some), SmallParser()
    reading = Told()
    list(parser.read(reading, [b"1 a\nx b\ny c\n2000000001 d\n2 e\n"]))
    assert len(parser.take()[0].rows) == 2
    assert [(stray.ordinal, stray.data, stray.offset) for stray in offered] == [(1, b"x b", 4), (2, b"y c", 8)]
    assert [reject[:3] for reject in reading.rejects] == [(2, 8, "not_small"), (3, 12, "no_event_time")]
    left = other.adopt(
        reading, [Stray(7, 70, b"3 f", "r", "d"), Stray(9, 90, b"z", "r", "d"), Stray(11, 1, b"4 g", "r", "d")]
    )
    assert [stray.ordinal for stray in left] == [9]
    assert other.pending_bytes > 0
    assert other.take()[0].rows["_ordinal"].to_list() == [7, 11]


def test_the_text_of_lines_is_kept_either_way():
    parser = SmallParser()
    list(parser.read(Told(), [b'1 a "x y"\r\n2 b\n']))
    fast = parser.take()[0].rows["HostName"].to_list()
    list(parser.read(Told(), [b'1 a "x y"\r\n2 b\nbad\n']))
    assert fast == parser.take()[0].rows["HostName"].to_list() == ['1 a "x y"', "2 b"]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 60), st.integers(20, 200))
def test_any_bytes_are_accounted_for(content, step, block):
    read(content, b"1 a\n" + content, step=step, block=block)


TEXTS = st.text('ab -"\\\t', max_size=12)


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=16))
def test_the_fast_way_says_what_the_careful_way_says(texts):
    lines = [f"{n} {text}" for n, text in enumerate(texts)]
    data = "".join(line + "\n" for line in lines).encode()
    fast = read_fields(data, len(lines), FIELDS)
    if fast is not None:
        assert pair_up(data)
        columns = [*FIELDS.names, *(f"_spare{place}" for place in range(20))]
        for row, line in zip(fast.rows(named=True), lines, strict=True):
            by_hand = dict(zip(columns, split_fields(line), strict=False))
            assert {name: text for name, text in row.items() if text is not None} == {
                name: text for name, text in by_hand.items() if text not in ("", "-")
            }
    alone = [SmallParser().parse_each([line], FIELDS).frame for line in lines]
    together = SmallParser().parse_each(lines, FIELDS).frame
    for name in FIELDS.names:
        assert together[name].to_list() == [value for frame in alone for value in frame[name]]


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_quotes_are_judged_alike_one_by_one_and_together(texts):
    good = pairing_lines(pl.Series(texts, dtype=pl.String)).to_list()
    assert good == [pair_up(f"{text}\n".encode()) for text in texts]
    assert all(surely_cut(text) for text, fits in zip(texts, good, strict=True) if fits)
    assert all(good) <= pair_up("".join(f"{text}\n" for text in texts).encode())


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('a "b c" d', ["a", "b c", "d"]),
        ('a "b "c" d" e', ["a", 'b "c', 'd"', "e"]),
        (r'a "b \" c" d', ["a", r"b \" c", "d"]),
        ('a "b c', ["a", "b c"]),
        ("a  b ", ["a", "", "b", ""]),
        ('"" ""', ["", ""]),
        ("", [""]),
    ],
)
def test_cutting_by_hand(line, fields):
    assert split_fields(line) == fields


def test_hostile_quotes_take_no_time():
    for line in ('"a ' * 50_000, 'a "b" ' * 50_000 + '"', '"\\" ' * 50_000, 'x "' * 50_000 + "\\"):
        split_fields(line)
        surely_cut(line)


@pytest.mark.parametrize(("allowed", "fits"), [((), True), ((2,), True), ((0, 2, 4), True), ((4,), False)])
def test_how_many_quotes_a_line_may_have(allowed, fits):
    assert pair_up(b'a "b"\n"c" d\n', allowed=allowed) is fits
    assert pair_up(b'a "b"\n"c" "d"\n', allowed=(2,)) is False
    assert count_byte(b'a "b"\n', ord('"')) == 2


def test_a_required_field_may_hold_nothing_but_must_be_there():
    for lines in (["1 -", "2 -"], ["1 - x", "2 - -"], ["1 - -", "2 -"]):
        frame = read_fields("".join(line + "\n" for line in lines).encode(), 2, FIELDS)
        assert frame is not None
        assert frame["name"].to_list() == [None, None]
    assert read_fields(b"1 a\n2\n", 2, FIELDS) is None
    assert read_fields(b"1 - x\n2\n", 2, FIELDS) is None


def test_more_fields_than_the_first_line_has():
    frame = read_fields(b"1 a\n2 b c d e\n3 c - -\n", 3, FIELDS)
    assert frame is not None
    assert frame.rows() == [("1", "a", None, None, None), ("2", "b", "c", "d", "e"), ("3", "c", None, None, None)]
    many = b"1 a" + b" x" * 40 + b"\n"
    assert names(many * 20) == ["a"] * 20


def test_the_share_of_lines_leaves_out_one_that_was_cut():
    assert SmallParser.share_of_lines(b"1 a\n2 b\nx") == (1.0, 2)
    assert SmallParser.share_of_lines(b"1 a\nx y\n") == (0.5, 2)
    assert SmallParser.share_of_lines(b"\xef\xbb\xbf1 a") == (1.0, 1)
    assert SmallParser.share_of_lines(b"\n\n") == (0.0, 0)
