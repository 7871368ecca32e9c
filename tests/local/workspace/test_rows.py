"""The exact and the mending way through give the same rows, whatever the values."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.rows import RowReader
from s3sentinel_assets.tables import TableSchema, load_schema, table_names

COLUMNS = {
    "TimeGenerated": "datetime",
    "Text": "string",
    "Int": "int",
    "Long": "long",
    "Real": "real",
    "Flag": "bool",
    "When": "datetime",
    "More": "dynamic",
}
READER = RowReader(TableSchema("T_CL", "Analytics", COLUMNS, {}, ()))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
good_rows = st.fixed_dictionaries(
    {},
    optional={
        "TimeGenerated": instants,
        "Text": st.none() | st.text(),
        "Int": st.none() | st.integers(-(2**31), 2**31 - 1),
        "Long": st.none() | st.integers(-(2**63), 2**63 - 1),
        "Real": st.none() | st.floats(-1e9, 1e9) | st.integers(-100, 100),
        "Flag": st.none() | st.booleans(),
        "When": st.none() | instants,
        "More": documents,
    },
)
any_rows = st.dictionaries(st.sampled_from([*COLUMNS, "Unknown", "text"]), documents, max_size=6)


@given(st.lists(good_rows, max_size=8))
@settings(max_examples=150, deadline=None)
def test_both_ways_agree_on_good_rows(rows: list[dict[str, Any]]) -> None:
    exact = READER.read(json.dumps(rows).encode(), NOW)
    # One unknown column sends the whole body the other way.
    mended = READER.read(json.dumps([*rows, {"Unknown": 1}]).encode(), NOW)
    assert_frame_equal(exact.frame, mended.frame.head(len(rows)))
    assert "values_nulled" not in mended.counts
    assert exact.frame.height == len(rows)


@given(st.lists(any_rows | documents, max_size=8))
@settings(max_examples=150, deadline=None)
def test_no_document_breaks_the_reader(rows: list[Any]) -> None:
    read = READER.read(json.dumps(rows).encode(), NOW)
    objects = [row for row in rows if isinstance(row, dict)]
    assert read.frame.height == len(objects)
    assert read.counts.get("rows_rejected", 0) == len(rows) - len(objects)
    unknown = sum(name not in COLUMNS for row in objects for name in row)
    assert read.counts.get("values_dropped", 0) == unknown
    assert read.frame.schema["TimeGenerated"] == pl.Datetime("us")
    assert read.frame["TimeGenerated"].null_count() == 0
    assert read.frame["Text"].null_count() == 0


@given(st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        READER.read(body, NOW)
    except ApiError as error:
        assert error.status == 400


@pytest.mark.parametrize(
    ("offset", "kept"),
    [
        (timedelta(days=2), True),
        (timedelta(days=2, microseconds=1), False),
        (-timedelta(days=1), True),
        (-timedelta(days=1, microseconds=1), False),
    ],
)
def test_the_edges_of_time(offset: timedelta, kept: bool) -> None:
    read = READER.read(json.dumps([{"TimeGenerated": (NOW - offset).isoformat()}]).encode(), NOW)
    assert read.frame["TimeGenerated"].item() == ((NOW - offset) if kept else NOW).replace(tzinfo=None)
    assert read.counts.get("times_replaced", 0) == (not kept)


def test_every_shipped_table_can_be_read() -> None:
    for name in table_names():
        read = RowReader(load_schema(name)).read(b"[{}]", NOW)
        assert read.frame.height == 1
