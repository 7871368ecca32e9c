"""Containers in containers: peeled layer by layer, with every failure kept apart."""

import gzip
import io
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from s3sentinel_assets.containers import CorruptContainer, ReadFailure, TruncatedContainer
from tests.containers.packing import KINDS, LINES, breaking, unpack, zipped, zstd_frame

ROWS = [{"a": number, "b": f"text {number}"} for number in range(5_000)]


def parquet(rows=ROWS) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def test_cloudwatch_logs_through_firehose_are_gzip_in_gzip():
    """CloudWatch Logs packs each record, Firehose joins them and packs them again."""
    records = [json.dumps({"messageType": "DATA_MESSAGE", "number": number}).encode() for number in range(50)]
    done = unpack(gzip.compress(b"".join(map(gzip.compress, records))), 100)
    assert (done.data, done.error) == (b"".join(records), None)
    # Members are those of the outermost.
    assert (done.facts.containers, done.facts.members) == (["gzip", "gzip"], 1)


@pytest.mark.parametrize("step", [50, 65_536])
def test_a_zip_of_gz_files_plain_files_and_parquet_files_gives_all_their_records(step):
    stored = zipped(("a.gz", gzip.compress(b"one\ntwo")), ("b.log", b"three"), ("c.bin", parquet(ROWS[:2])), b"four\n")
    done = unpack(stored, step)
    assert done.error is None
    first, second = (json.dumps(row, separators=(",", ":")).encode() for row in ROWS[:2])
    assert done.data.splitlines() == [b"one", b"two", b"three", first, second, b"four"]
    assert (done.facts.containers, done.facts.members) == (["zip", "gzip"], 4)


@pytest.mark.parametrize("name", ["gzip", "zstd", "zip", "snappy_hadoop"])
def test_parquet_inside_a_container_is_read(name):
    done = unpack(KINDS[name].pack(parquet()))
    assert [json.loads(line) for line in done.data.splitlines()] == ROWS
    assert done.facts.containers == [KINDS[name].name, "parquet"]


def test_damage_of_the_outer_container_comes_after_what_the_inner_one_gives():
    inner = gzip.compress(LINES, 1)
    outer = bytearray(gzip.compress(inner))
    outer[-6] ^= 1
    done = unpack(bytes(outer))
    assert done.data == LINES
    assert isinstance(done.error, CorruptContainer)
    assert done.reason == "gzip_checksum"


def test_the_outer_container_cut_short_is_what_is_told():
    stored = zstd_frame(gzip.compress(LINES, 1))
    done = unpack(stored[:-5])
    assert isinstance(done.error, TruncatedContainer)
    assert done.reason == "truncated_zstd"
    assert LINES.startswith(done.data)


def test_damage_of_the_inner_container_is_told_as_its_own():
    done = unpack(gzip.compress(zstd_frame(LINES)[:-9]))
    assert done.reason == "truncated_zstd"
    assert LINES.startswith(done.data)


def test_a_zip_inside_gzip_that_was_cut_is_still_read_as_far_as_it_goes():
    lines = random.Random(7).randbytes(100_000).hex("\n", 20).encode() + b"\n"
    members = [lines[at : at + 20_500] for at in range(0, len(lines), 20_500)]
    stored = gzip.compress(zipped(*members), 1)
    done = unpack(stored[: len(stored) // 2])
    assert done.reason == "truncated_gzip"
    assert len(done.data) > 80_000
    assert lines.startswith(done.data)


@pytest.mark.parametrize("state", ["vanished", "broken"])
def test_a_read_failure_passes_through_all_layers(state):
    stored = zstd_frame(zipped(gzip.compress(LINES)))
    done = unpack(breaking(stored, state=state))
    assert isinstance(done.error, ReadFailure)
    assert done.error.state == state


def test_a_plain_text_inside_stays_as_it_is():
    done = unpack(gzip.compress(b"BZh is how a text may start"))
    assert (done.data, done.facts.containers) == (b"BZh is how a text may start", ["gzip"])
