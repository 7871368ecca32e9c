"""Temporary files: bounded, without a name, and gone whatever happens."""

import gzip
import io
import tempfile
from collections.abc import Generator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from s3sentinel_assets.containers import ContainerError, ReadFailure, decode
from tests.containers.packing import LINES, breaking, unpack, zipped


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": range(50_000)}), file)
    return file.getvalue()


SPOOLED = {"zip": zipped(LINES, LINES), "parquet": parquet(), "zip in zip": zipped(zipped(LINES), LINES)}
every = pytest.mark.parametrize("stored", SPOOLED.values(), ids=SPOOLED)


@pytest.fixture
def files(monkeypatch):
    """All temporary files that are made."""
    made, original = [], tempfile.TemporaryFile

    def recording(*args, **options):
        made.append(original(*args, **options))
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", recording)
    return made


@every
def test_files_are_gone_at_the_end_and_have_no_name_before(stored, files, tmp_path):
    seen = []
    for _ in decode([stored], ratio_limit=1_000, bytes_limit=1 << 30, spool_folder=str(tmp_path)):
        seen += list(tmp_path.iterdir())
    assert files
    assert all(file.closed for file in files)
    assert seen == []


@every
def test_files_are_gone_when_the_reader_stops_early(stored, files):
    decoded = decode([stored], ratio_limit=1_000, bytes_limit=1 << 30)
    assert isinstance(decoded, Generator)
    assert next(decoded)
    assert not all(file.closed for file in files)
    decoded.close()
    assert files
    assert all(file.closed for file in files)


@every
@pytest.mark.parametrize("options", [{"spool_limit": 100}, {"bytes_limit": 1_000}, {}])
def test_files_are_gone_after_a_failure(stored, files, options):
    done = unpack(stored if options else breaking(stored[:-10]), **options)
    assert isinstance(done.error, ContainerError | ReadFailure)
    assert all(file.closed for file in files)
    assert files


@every
def test_disk_is_bounded(stored):
    size = len(stored)
    assert unpack(stored, spool_limit=size - 1).reason == "spool_limit"
    assert unpack(stored, spool_limit=3 * size).error is None


def test_files_of_members_that_are_done_do_not_count():
    inner = [zipped(LINES) for _ in range(10)]
    stored = zipped(*inner)
    assert unpack(stored, spool_limit=len(stored) + 2 * len(inner[0])).error is None


def test_a_full_disk_leaves_the_object_for_later(monkeypatch):
    class Full(io.FileIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full("/dev/null", "w"))
    done = unpack(SPOOLED["zip"])
    assert isinstance(done.error, ReadFailure)
    assert done.error.again
    assert "TMPDIR" in done.error.reason
    assert "No space left" in done.error.reason


def test_a_passing_read_failure_is_raised_without_decoding_what_will_be_read_again():
    done = unpack(breaking(SPOOLED["zip"], state="throttled"))
    assert (done.data, done.reason) == (b"", "throttled")


def test_what_was_spooled_before_the_object_vanished_counts():
    done = unpack(breaking(SPOOLED["zip"]))
    assert done.reason == "vanished"
    assert done.data == LINES + LINES


def test_nothing_is_spooled_for_what_can_be_streamed(files):
    assert unpack(gzip.compress(gzip.compress(LINES))).data == LINES
    assert files == []
