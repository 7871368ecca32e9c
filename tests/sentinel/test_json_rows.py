"""Rows as JSON: whatever way the columns go, each row says exactly what is in it."""

import json
import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3sentinel_assets.sentinel import json_rows
from s3sentinel_assets.sentinel.json_rows import encode_rows

SCHEMA = {
    "Id": pl.String(),
    "Text": pl.String(),
    "Other": pl.String(),
    "Long": pl.Int64(),
    "Int": pl.Int32(),
    "Yes": pl.Boolean(),
    "Time": pl.Datetime("us", "UTC"),
    "Real": pl.Float64(),
    "Score": pl.Float64(),
    "Last": pl.String(),
}
JUMP = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)

plain = st.sampled_from(["", "a", "ok ok", "é", "漢字", "😀", "\x7f", "\u2028", "/", "x" * 40])
nasty = st.sampled_from(['"', "\\", '\\"', "\n", "\x00", "\x1f", '","Text":"', '{"BatchId_CF":"', "\\u0000", "a\tb"])
texts = st.one_of(st.none(), plain, nasty, st.text(max_size=12))
moments = st.one_of(
    st.none(),
    st.integers(0, 3).map(lambda seconds: JUMP + timedelta(seconds=seconds)),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
)
records = st.fixed_dictionaries(
    {
        "Id": st.sampled_from(["a", "b", "c"]),
        "Text": texts,
        "Other": texts,
        "Long": st.none() | st.integers(-(2**63), 2**63 - 1),
        "Int": st.none() | st.integers(-(2**31), 2**31 - 1),
        "Yes": st.none() | st.booleans(),
        "Time": moments,
        "Real": st.none() | st.floats(),
        "Score": st.none() | st.floats(0, 700) | st.floats(-1e12, 1e12) | st.sampled_from([0.47, 3.55, math.nan]),
        "Last": texts,
    }
)


def said(frame: pl.DataFrame, **options) -> list[dict]:
    """What the rows say; members in order, none twice."""

    def members(pairs):
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    tails = encode_rows(frame, hundredths=("Score",), **options)
    assert len(tails) == frame.height and tails.null_count() == 0
    assert all(tail.startswith(",") and min(tail) >= " " for tail in tails)
    return [json.loads("{" + tail[1:] + "}", object_pairs_hook=members) for tail in tails]


def expected(row: dict, *, six_decimals: bool) -> dict:
    found = {}
    for name, value in row.items():
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        if isinstance(value, datetime):
            decimals = f".{value.microsecond:06}" if value.microsecond or six_decimals else ""
            value = f"{value.year:04}{value:-%m-%dT%H:%M:%S}{decimals}Z"
        found[name] = pytest.approx(value, abs=0.0051, rel=1e-12) if name == "Score" else value
    return found


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(records, min_size=1, max_size=10), six_decimals=st.booleans(), apart=st.booleans())
@example(rows=[{"Id": "a", "Score": 656.0}, {"Id": "a", "Score": -0.0}], six_decimals=False, apart=False)
@example(rows=[{"Id": "a", "Real": 0.0}, {"Id": "a", "Real": -0.0}], six_decimals=False, apart=False)
@example(rows=[{"Id": "a"}] * 3, six_decimals=False, apart=False)
@example(rows=[{"Id": "a", "Text": '"'}] * 3, six_decimals=False, apart=False)
@example(rows=[{"Id": "a", "Score": 1.0}] * 20 + [{"Id": "a", "Last": "\\"}], six_decimals=False, apart=True)
def test_every_value_survives_and_nulls_are_left_out(rows, six_decimals, apart):
    frame = pl.DataFrame(rows, schema=SCHEMA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "_FEW_ROWS", 1 if apart else 1_000)
        found = said(frame, six_decimals=six_decimals)
        alone = [
            encode_rows(frame[row], hundredths=("Score",), six_decimals=six_decimals)[0] for row in range(len(rows))
        ]
        assert encode_rows(frame, hundredths=("Score",), six_decimals=six_decimals).to_list() == alone
    for event, row in zip(found, frame.iter_rows(named=True), strict=True):
        wanted = expected(row, six_decimals=six_decimals)
        assert list(event) == list(wanted)
        assert event == wanted


def test_unusual_rows_return_to_their_places():
    count = 5_000
    frame = pl.DataFrame({"Id": [str(number) for number in range(count)]}).with_columns(
        Rare=pl.when(pl.int_range(count) % 97 == 3).then(pl.col("Id")),
        Common=pl.when(pl.int_range(count) % 89 != 5).then(pl.col("Id")),
    )
    unusual = json_rows._unusual_rows(frame)
    assert unusual is not None and unusual.sum() > 50  # so the test means something
    found = [json.loads("{" + tail[1:] + "}") for tail in encode_rows(frame)]
    assert found == [{name: v for name, v in row.items() if v is not None} for row in frame.iter_rows(named=True)]


def test_text_is_written_alike_with_and_without_the_encoder():
    every = [chr(code) for code in [*range(0x20, 0xD800, 7), *range(0xE000, 0x10FFFF, 601)] if chr(code) not in '"\\']
    alone = encode_rows(pl.DataFrame({"Text": every}))
    assert encode_rows(pl.DataFrame({"Text": [*every, '"']})).head(len(every)).equals(alone)
    assert [json.loads("{" + tail[1:] + "}")["Text"] for tail in alone] == every


def test_scores_have_two_decimals_and_no_noughts():
    values = [0.0, 1.0, 0.5, 0.47, 3.55, 13.95, 655.35, 655.36, 1e6, 0.123456789, -0.5, 99.999, -0.001]
    wanted = ["0", "1", "0.5", "0.47", "3.55", "13.95", "655.35", "655.36", "1000000", "0.12", "-0.5", "100", "0"]
    for rows in ([*range(len(values))], *([row] for row in range(len(values)))):
        frame = pl.DataFrame({"Score": [values[row] for row in rows]})
        assert encode_rows(frame, hundredths=("Score",)).to_list() == [f',"Score":{wanted[row]}' for row in rows]


def test_every_hundredth_is_looked_up_as_it_would_be_written():
    frame = pl.DataFrame({"Score": [number / 100 for number in range(0, 65_536, 3)]})
    texts = encode_rows(frame, hundredths=("Score",))
    assert [float(text.removeprefix(',"Score":')) for text in texts] == frame["Score"].to_list()
    assert max(map(len, texts)) == len(',"Score":655.35')


def test_instants_of_many_days_are_written_out():
    times = [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), JUMP, None]
    tails = encode_rows(pl.DataFrame({"Id": ["a"] * 4, "Time": times}, schema_overrides={"Time": SCHEMA["Time"]}))
    assert [json.loads("{" + tail[1:] + "}").get("Time") for tail in tails] == [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-10-31T23:59:59Z",
        None,
    ]


@pytest.mark.parametrize("score", [1.7e308, -1.7e308])
def test_a_score_that_overflows_in_hundredths_is_still_a_number(score: float) -> None:
    frame = pl.DataFrame({"Id": ["a", "b"], "Score": [score, 0.5]})
    assert [json.loads("{" + tail[1:] + "}")["Score"] for tail in encode_rows(frame, hundredths=("Score",))] == [
        score,
        0.5,
    ]


@pytest.mark.parametrize("kind", [pl.String(), pl.Float64(), pl.Boolean()])
def test_rows_with_nothing_in_them_are_empty(kind: pl.DataType) -> None:
    frame = pl.DataFrame({"Id": [None, None]}, schema={"Id": kind})
    assert encode_rows(frame).to_list() == ["", ""]


def test_a_lone_column_may_have_nulls() -> None:
    assert encode_rows(pl.DataFrame({"Id": [1, None, 2]})).to_list() == [',"Id":1', "", ',"Id":2']


def test_json_columns_are_written_as_they_are() -> None:
    values = ['{"a":"b"}', None, "[1]", '"x"']
    frame = pl.DataFrame({"Id": ["a", "b", "c", "d"], "More": values, "Last": ['"', None, "y", "z"]})
    tails = encode_rows(frame, json=("More",)).to_list()
    assert [json.loads("{" + tail[1:] + "}").get("More") for tail in tails] == [{"a": "b"}, None, [1], "x"]
    assert tails == [encode_rows(frame[row], json=("More",))[0] for row in range(4)]
    # One value in all rows, and nulls in most of many.
    frame = pl.DataFrame({"Id": range(2_000)}).with_columns(
        More=pl.lit('{"a":1}'), Rare=pl.when(pl.int_range(2_000) % 50 == 0).then(pl.lit("[2]"))
    )
    found = [json.loads("{" + tail[1:] + "}") for tail in encode_rows(frame, json=("More", "Rare", "Absent"))]
    assert [event["More"] for event in found] == [{"a": 1}] * 2_000
    assert [event.get("Rare") for event in found] == [[2] if row % 50 == 0 else None for row in range(2_000)]
