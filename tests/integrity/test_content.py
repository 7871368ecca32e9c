"""Hash of the content, and the one gzip member that CloudTrail writes."""

import gzip
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.integrity import Reason, object_problem, read_content

TEXT = b'{"Records":[' + b'{"eventVersion":"1.09"},' * 5_000 + b"{}]}"
ONE = gzip.compress(TEXT, mtime=0)


def read(stored: bytes, step: int = 1 << 16, limit: int = 1 << 30):
    return read_content([stored[at : at + step] for at in range(0, len(stored), step)], limit=limit)


@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
def test_the_decoded_content_is_hashed(step):
    content = read(ONE, step)
    assert (content.sha256, content.size) == (hashlib.sha256(TEXT).hexdigest(), len(TEXT))
    assert (content.members, content.problem) == (1, None)


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_an_appended_member_is_hashed_and_told(step):
    content = read(ONE + gzip.compress(b"more", mtime=0), step)
    assert (content.members, content.problem) == (2, Reason.MORE_THAN_ONE_MEMBER)
    assert content.sha256 == hashlib.sha256(TEXT + b"more").hexdigest()


def test_an_appended_empty_member_changes_no_hash_and_is_told():
    content = read(ONE + gzip.compress(b"", mtime=0))
    assert content.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert content.problem is Reason.MORE_THAN_ONE_MEMBER


@pytest.mark.parametrize("extra", [b"\0", b"\0" * 5_000, b"x", b"\x1f", b"\x1f\x8b", ONE[:20], b"{}"])
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_anything_behind_the_member_is_told(extra, step):
    assert read(ONE + extra, step).problem is Reason.TRAILING_BYTES


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        (b"", Reason.NOT_GZIP),
        (TEXT, Reason.NOT_GZIP),
        (zlib.compress(TEXT), Reason.NOT_GZIP),
        (ONE[:-1], Reason.CORRUPT_GZIP),
        (ONE[:15], Reason.CORRUPT_GZIP),
        (ONE[:-8] + b"\0" * 8, Reason.CORRUPT_GZIP),
    ],
)
def test_what_is_no_whole_gzip_file_is_told(stored, problem):
    assert read(stored).problem is problem


def test_a_bomb_ends_at_the_limit():
    content = read(gzip.compress(bytes(50_000_000), mtime=0), limit=1_000_000)
    assert content.problem is Reason.TOO_LARGE
    assert content.size <= 1_000_000 + (1 << 20)


@given(st.binary(max_size=3_000), st.integers(1, 100))
def test_any_content_in_any_chunks_is_hashed(text, step):
    content = read(gzip.compress(text, mtime=0), step)
    assert (content.sha256, content.problem) == (hashlib.sha256(text).hexdigest(), None)


@given(st.binary(max_size=100))
def test_no_bytes_do_harm(stored):
    assert read(stored, 3).stored <= len(stored)


def test_what_the_parser_saw_tells_the_same():
    assert object_problem(["gzip"], 1) is None
    assert object_problem(["gzip"], 2) is Reason.MORE_THAN_ONE_MEMBER
    assert object_problem(["gzip"], 1, extra_bytes=True) is Reason.TRAILING_BYTES
    assert object_problem(["gzip"], 1, cut=True) is Reason.TRAILING_BYTES
    assert object_problem(["gzip"], 0, cut=True) is Reason.CORRUPT_GZIP
    assert object_problem(["gzip", "gzip"], 1) is Reason.NOT_GZIP
    assert object_problem([], 0) is Reason.NOT_GZIP
    assert object_problem(["zstd"], 1) is Reason.NOT_GZIP
