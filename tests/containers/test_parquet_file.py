"""Parquet: every row a line of JSON, every value as it was."""

import base64
import io
import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.containers import ContainerError, CorruptContainer, TruncatedContainer
from tests.containers.packing import unpack


def written(table: pa.Table, **options) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def rows(stored: bytes) -> list[dict]:
    done = unpack(stored)
    assert done.error is None
    assert (done.facts.containers, done.facts.members) == (["parquet"], 1)
    assert done.data.endswith(b"\n") or not done.data
    return [json.loads(line) for line in done.data.splitlines()]


def column(*values, type: pa.DataType | None = None, **options) -> list:  # noqa: A002 - Arrow's word
    return [row["x"] for row in rows(written(pa.table({"x": pa.array(values, type)}), **options))]


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_rows_of_all_groups_come_in_order(compression, version):
    table = pa.table({"n": range(30_000), "text": [f"row {n % 100}" for n in range(30_000)]})
    found = rows(written(table, compression=compression, version=version, row_group_size=7_000))
    assert found == table.to_pylist()


def test_whole_numbers_are_exact():
    edges = [2**63 - 1, -(2**63), 2**53 + 1, 0, None]
    assert column(*edges, type=pa.int64()) == edges
    assert column(2**64 - 1, type=pa.uint64()) == [2**64 - 1]


def test_times_are_iso_8601_in_utc():
    at = datetime(2026, 11, 23, 10, 0, 1, 250_000, UTC).replace(tzinfo=None)
    for unit in ("ms", "us", "ns"):
        assert column(at, None, type=pa.timestamp(unit)) == ["2026-11-23T10:00:01.250Z", None]
    assert column(at.replace(tzinfo=UTC), type=pa.timestamp("us", "UTC")) == ["2026-11-23T10:00:01.250Z"]
    assert column(at.replace(tzinfo=UTC), type=pa.timestamp("us", "Europe/Berlin")) == ["2026-11-23T10:00:01.250Z"]
    assert column(at.replace(hour=0, second=0, microsecond=0), type=pa.timestamp("ms")) == ["2026-11-23T00:00:00Z"]
    table = pa.table({"x": pa.array([at], pa.timestamp("ns"))})
    assert rows(written(table, use_deprecated_int96_timestamps=True)) == [{"x": "2026-11-23T10:00:01.250Z"}]
    assert column(date(2026, 11, 23), type=pa.date32()) == ["2026-11-23"]
    assert column(time(10, 30), type=pa.time64("us")) == ["10:30:00"]
    assert column(timedelta(seconds=3), type=pa.duration("ms")) == ["PT3S"]


def test_a_time_that_no_calendar_has_stays_a_number():
    far = [2**62, -(2**62), 253_402_300_799_999, 253_402_300_800_000]
    found = column(*far, type=pa.timestamp("ms"))
    assert found == [str(2**62), str(-(2**62)), "9999-12-31T23:59:59.999Z", "253402300800000"]
    assert column(2**31 - 1, -(2**31), 0, type=pa.date32()) == [str(2**31 - 1), str(-(2**31)), "1970-01-01"]
    assert column(-1, 2**62, type=pa.timestamp("ns"))[0] == "1969-12-31T23:59:59.999999999Z"


def test_bytes_are_text_where_they_are_and_base64_with_a_mark_where_not():
    found = column("é\n".encode(), b"\xff\x00", b"", None, type=pa.binary())
    assert found == ["é\n", "base64:" + base64.b64encode(b"\xff\x00").decode(), "", None]
    assert column(b"ab", b"\xff\xfe", type=pa.binary(2)) == ["ab", "base64://4="]


def test_other_types():
    assert column(Decimal("123456789012345678901234.5600"), type=pa.decimal128(28, 4)) == [
        "123456789012345678901234.5600"
    ]
    assert column(1.5, math.nan, math.inf, None, type=pa.float64()) == [1.5, None, None, None]
    assert column(True, False, None, type=pa.bool_()) == [True, False, None]
    assert column(None, None, type=pa.null()) == [None, None]
    assert column("a", "b", "a", type=pa.dictionary(pa.int32(), pa.string())) == ["a", "b", "a"]
    assert column("a", None, type=pa.large_string()) == ["a", None]


def test_nested_values_are_kept():
    at = datetime(2026, 11, 23, tzinfo=UTC).replace(tzinfo=None)
    inner = pa.struct([("time", pa.timestamp("ms")), ("raw", pa.binary()), ("n", pa.list_(pa.int64()))])
    value = {"time": at, "raw": b"\xff", "n": [1, None]}
    nested = {"time": "2026-11-23T00:00:00Z", "raw": "base64:/w==", "n": [1, None]}
    assert column(value, None, type=inner) == [nested, None]
    assert column([value, None], [], None, type=pa.list_(inner)) == [[nested, None], [], None]
    assert column([at, None], type=pa.list_(pa.timestamp("us"))) == [["2026-11-23T00:00:00Z", None]]


def test_maps_are_objects():
    assert column([("k", "v"), ("k", "w"), ("n", None)], [], None, type=pa.map_(pa.string(), pa.string())) == [
        {"k": "w", "n": None},
        {},
        None,
    ]
    at = datetime(2026, 11, 23, tzinfo=UTC).replace(tzinfo=None)
    inner = pa.map_(pa.binary(), pa.timestamp("ms"))
    found = column([(7, [(b"\xff", at)])], type=pa.map_(pa.int64(), inner))
    assert found == [{"7": {"base64:/w==": "2026-11-23T00:00:00Z"}}]
    assert column([[("k", at)]], type=pa.list_(inner)) == [[{"k": "2026-11-23T00:00:00Z"}]]


def test_a_text_that_is_no_utf_8_is_kept_and_marked():
    binary = pa.array([b"ok", b"\xff\xfe"], pa.binary())
    stored = written(pa.table({"x": pa.Array.from_buffers(pa.string(), 2, binary.buffers())}))
    assert [row["x"] for row in rows(stored)] == ["ok", "base64://4="]


def test_files_without_rows_or_columns():
    assert rows(written(pa.table({"x": pa.array([], pa.int64())}))) == []
    assert rows(written(pa.table({}))) == []


def test_a_name_that_comes_twice_keeps_both_values():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"])
    assert rows(written(table)) == [{"x": 1, "x_1": 2}]


def test_very_many_columns_and_very_long_texts_come_in_bounded_pieces():
    wide = pa.table({f"column_{n}": [n] * 300 for n in range(3_000)})
    done = unpack(written(wide))
    assert done.error is None
    assert done.data.count(b"\n") == 300
    assert done.longest <= 1 << 20
    long = unpack(written(pa.table({"x": ["é" * 100_000] * 200})))
    assert long.error is None
    assert long.data.count(b"\n") == 200


def test_a_file_cut_anywhere_is_truncated():
    stored = written(pa.table({"x": range(100)}))
    for cut in range(16, len(stored)):
        done = unpack(stored[:cut])
        assert isinstance(done.error, TruncatedContainer), cut
        assert (done.data, done.reason) == (b"", "truncated_parquet")


def test_rows_before_the_damage_are_kept():
    table = pa.table({"x": [f"{n:08d}" for n in range(40_000)]})
    stored = bytearray(written(table, row_group_size=10_000, compression="zstd", use_dictionary=False))
    at = len(stored) * 5 // 8
    stored[at : at + 500] = bytes(500)
    done = unpack(bytes(stored))
    assert isinstance(done.error, CorruptContainer)
    assert done.reason == "corrupt_parquet"
    found = [json.loads(line)["x"] for line in done.data.splitlines()]
    assert len(found) >= 20_000
    assert found == [f"{n:08d}" for n in range(len(found))]


def test_page_checksums_are_verified():
    stored = bytearray(
        written(pa.table({"x": range(1_000)}), write_page_checksum=True, compression="none", use_dictionary=False)
    )
    stored[3_000] ^= 1
    assert unpack(bytes(stored)).reason == "corrupt_parquet"


def test_a_footer_that_cannot_be_is_corrupt():
    stored = written(pa.table({"x": [1]}))
    assert unpack(stored[:-8] + b"\xff\xff\xff\x7fPAR1").reason == "corrupt_parquet"
    assert unpack(stored[:-8] + b"\x05\0\0\0PAR1").reason == "corrupt_parquet"


def test_an_encrypted_file_says_so():
    stored = written(pa.table({"x": [1]}))
    done = unpack(b"PARE" + stored[4:-4] + b"PARE")
    assert isinstance(done.error, CorruptContainer)
    assert done.reason == "encrypted_parquet"


values = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
texts = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=30))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(values, texts, st.lists(texts, max_size=3)), max_size=40), st.integers(1, 3_000))
def test_what_goes_in_comes_out(records, step):
    table = pa.table(
        {
            "n": pa.array([n for n, _, _ in records], pa.int64()),
            "text": pa.array([text for _, text, _ in records], pa.string()),
            "list": pa.array([many for _, _, many in records], pa.list_(pa.string())),
        }
    )
    done = unpack(written(table), step)
    assert done.error is None
    assert [json.loads(line) for line in done.data.split(b"\n")[:-1]] == table.to_pylist()


SMALL = written(pa.table({"x": range(20), "y": ["a", "b"] * 10, "z": [[1], None] * 10}))


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_damage_never_escapes_as_another_error(data):
    stored = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 3))):
        stored[data.draw(st.integers(4, len(stored) - 1))] = data.draw(st.integers(0, 255))
    done = unpack(bytes(stored), bytes_limit=1 << 20)
    assert done.error is None or isinstance(done.error, ContainerError)
    assert len(done.data) <= 1 << 20
