"""Zip files: every member, in the order of the directory; what cannot be read is named."""

import io
import struct
import zipfile

import pytest

from s3sentinel_assets.containers import CorruptContainer, LimitExceeded, TruncatedContainer
from tests.containers.packing import LINES, unpack, zipped

PARTS = [b"".join(LINES.splitlines(keepends=True)[at : at + 300]) for at in range(0, 1_500, 300)]


def test_members_do_not_run_together():
    assert unpack(zipped(b"a\nb", b"c\n", b"", b"d", b"\n", b"e")).data == b"a\nb\nc\nd\n\ne"


def test_folders_and_what_macos_adds_are_no_content():
    stored = zipped(("logs/", b""), ("logs/a", b"1\n"), ("__MACOSX/logs/._a", b"\0\5\x16\7"), ("logs/.DS_Store", b"x"))
    done = unpack(stored)
    assert (done.data, done.facts.members) == (b"1\n", 1)


def test_the_directory_is_the_truth():
    """A member that is not in it was deleted."""
    first, second = zipped(("a", b"gone\n")), zipped(("b", b"kept\n"))
    local = first[: first.index(b"PK\x01\x02")]
    at = second.index(b"PK\x01\x02")
    directory = bytearray(second[at:])
    directory[42:46] = struct.pack("<I", len(local))
    end = directory.index(b"PK\x05\x06")
    directory[end + 16 : end + 20] = struct.pack("<I", len(local) + at)
    done = unpack(local + second[:at] + bytes(directory))
    assert (done.data, done.error) == (b"kept\n", None)


def test_an_archive_without_members_is_empty():
    done = unpack(zipped())
    assert (done.data, done.error, done.facts.containers) == (b"", None, ["zip"])


def test_a_comment_that_looks_like_an_end_record_confuses_nobody():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"1\n")
        archive.comment = b"PK\x05\x06" + bytes(18) + b" and more"
    assert unpack(file.getvalue()).data == b"1\n"


@pytest.mark.parametrize("forced", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_zip64_is_read(forced):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(66_000 if not forced else 3):  # more than 65,535 need the wide end record
            with archive.open(str(number), "w", force_zip64=forced) as member:
                member.write(b"%d\n" % number)
    done = unpack(file.getvalue())
    assert done.error is None
    assert done.data.splitlines() == [b"%d" % number for number in range(66_000 if not forced else 3)]


def test_an_encrypted_member_is_named_and_the_others_are_read():
    stored = bytearray(zipped(("a.log", b"1\n"), ("secret.log", b"2\n"), ("c.log", b"3\n")))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = stored.index(magic, stored.index(magic) + 1)
        stored[at + flags] |= 1
    done = unpack(bytes(stored))
    assert (done.data, done.reason) == (b"1\n3\n", "encrypted_zip")
    assert "secret.log" in str(done.error)


@pytest.mark.parametrize(("method", "name"), [(9, "deflate64"), (12, "bzip2"), (14, "LZMA"), (77, "number 77")])
def test_an_unknown_method_is_named_and_the_others_are_read(method, name):
    stored = bytearray(zipped(("a.log", b"1\n"), ("b.log", b"2\n")))
    for magic, field in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = stored.index(magic)
        stored[at + field] = method
    done = unpack(bytes(stored))
    assert (done.data, done.reason) == (b"2\n", "zip_method")
    assert "a.log" in str(done.error)
    assert name in str(done.error)


def test_a_wrong_checksum_stops_behind_its_member():
    stored = bytearray(zipped(*PARTS, method=zipfile.ZIP_STORED))
    at = stored.index(PARTS[2])
    stored[at] ^= 1
    done = unpack(bytes(stored))
    assert isinstance(done.error, CorruptContainer)
    assert done.reason == "zip_checksum"
    assert len(done.data) == len(b"".join(PARTS[:3]))
    assert "2.log" in str(done.error)


@pytest.mark.parametrize("stream", [False, True])
def test_an_archive_without_its_directory_is_read_by_its_local_headers(stream):
    stored = zipped(*PARTS, stream=stream)
    done = unpack(stored[: stored.index(b"PK\x01\x02")])
    assert isinstance(done.error, TruncatedContainer)
    assert (done.data, done.reason, done.facts.members) == (b"".join(PARTS), "truncated_zip", 5)


def test_a_stored_member_whose_end_nothing_tells_is_not_guessed():
    stored = zipped(b"1\n", stream=True, method=zipfile.ZIP_STORED)
    done = unpack(stored[: stored.index(b"PK\x01\x02")])
    assert (done.data, done.reason) == (b"", "truncated_zip")


def test_two_archives_put_together_lose_nothing_silently():
    done = unpack(zipped(b"1\n") + zipped(b"2\n"))
    assert done.data == b"1\n"
    assert isinstance(done.error, TruncatedContainer)


def test_an_entry_that_leads_nowhere_is_corrupt():
    stored = bytearray(zipped(b"1\n", b"2\n"))
    at = stored.index(b"PK\x01\x02", stored.index(b"PK\x01\x02") + 1)
    stored[at + 42] ^= 8
    done = unpack(bytes(stored))
    assert (done.data, done.reason) == (b"1\n", "corrupt_zip")


def test_a_directory_of_nothing_but_entries_needs_no_memory():
    """Entries that all name one member: small on disk, but decoded again and again."""
    stored = zipped(b"x" * 1_000)
    at, end = stored.index(b"PK\x01\x02"), stored.index(b"PK\x05\x06")
    entries = 20_000
    directory = stored[at:end] * entries
    record = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, entries, entries, len(directory), at, 0)
    bomb = stored[:at] + directory + record
    done = unpack(bomb, ratio_limit=5)
    assert isinstance(done.error, LimitExceeded)
    assert done.reason == "decompression_bomb"
