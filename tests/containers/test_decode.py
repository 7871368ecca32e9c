"""Containers: every gzip that gzip readers accept decodes, every other one says what is wrong after what it holds."""

import gzip
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.containers import (
    ContainerError,
    CorruptContainer,
    LimitExceeded,
    ReadFailure,
    TruncatedContainer,
    decode,
    recognise,
)

LINES = b"".join(b"line %d of a log\n" % number for number in range(20_000))


def run(data: bytes, step: int = 65_536, ratio_limit: int = 1_000, bytes_limit: int = 1 << 30):
    """All that decodes, and the error after it."""
    pieces = []
    chunks = (data[at : at + step] for at in range(0, len(data), step))
    try:
        for piece in decode(chunks, ratio_limit=ratio_limit, bytes_limit=bytes_limit):
            pieces.append(piece)
    except ContainerError as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


@pytest.mark.parametrize("data", [b"", b"a", b"plain text\n", b"\x1f", LINES])
def test_plain_bytes_pass_through(data):
    assert run(data) == (data, None)


@pytest.mark.parametrize("step", [1, 7, 65_536, 1 << 22])
@pytest.mark.parametrize("members", [1, 2, 5])
def test_gzip_members_decode_whatever_the_chunks(members, step):
    text = LINES[:5_000]
    assert run(gzip.compress(text) * members, step) == (text * members, None)


def test_zero_padding_behind_and_between_members_is_no_data():
    member = gzip.compress(b"abc")
    assert run(member + bytes(700) + member + bytes(100_000)) == (b"abcabc", None)


@pytest.mark.parametrize("step", [1, 65_536])
def test_optional_header_fields_are_skipped(step):
    body = zlib.compress(b"abc", wbits=-15)
    trailer = struct.pack("<II", zlib.crc32(b"abc"), 3)
    header = b"\x1f\x8b\x08" + bytes([2 | 4 | 8 | 16]) + bytes(6) + b"\x05\x00extra" + b"name\0" + b"comment\0" + b"hc"
    assert run(header + body + trailer, step) == (b"abc", None)


def test_an_empty_member_decodes_to_nothing():
    assert run(gzip.compress(b"")) == (b"", None)


def test_truncation_at_any_byte_yields_a_prefix_and_says_so():
    data = gzip.compress(LINES[:3_000])
    for cut in range(2, len(data)):
        decoded, error = run(data[:cut])
        assert LINES.startswith(decoded)
        assert isinstance(error, TruncatedContainer), cut
        assert error.reason == "truncated_gzip"


def test_truncation_between_members_cannot_be_told_and_inside_the_second_keeps_the_first():
    first, second = gzip.compress(LINES[:3_000]), gzip.compress(LINES[3_000:6_000])
    assert run(first) == (LINES[:3_000], None)
    decoded, error = run(first + second[:20])
    assert decoded.startswith(LINES[:3_000])
    assert isinstance(error, TruncatedContainer)


def test_a_wrong_checksum_keeps_what_was_decoded():
    data = bytearray(gzip.compress(LINES))
    data[-6] ^= 1
    decoded, error = run(bytes(data))
    assert decoded == LINES
    assert isinstance(error, CorruptContainer)
    assert error.reason == "gzip_checksum"


def test_a_wrong_length_is_corrupt():
    data = bytearray(gzip.compress(LINES))
    data[-1] ^= 1
    _, error = run(bytes(data))
    assert isinstance(error, CorruptContainer)
    assert error.reason == "gzip_checksum"


def test_damage_in_the_middle_keeps_nearly_all_before_it():
    noisy = random.Random(3).randbytes(150_000) + LINES
    data = bytearray(gzip.compress(noisy))
    data[160_000:160_064] = bytes(64)
    decoded, error = run(bytes(data))
    assert isinstance(error, CorruptContainer | TruncatedContainer)
    assert len(decoded) > 80_000
    assert noisy.startswith(decoded[:80_000])


@pytest.mark.parametrize("tail", [b"junk", b"\x1f", b"\x00\x00junk", b"\x1f\x8b\x07"])
def test_bytes_behind_the_last_member_are_reported(tail):
    decoded, error = run(gzip.compress(b"abc") + tail)
    assert decoded == b"abc"
    assert isinstance(error, CorruptContainer)


def test_a_bomb_is_stopped_early():
    bomb = gzip.compress(bytes(64 << 20))
    decoded, error = run(bomb, ratio_limit=100)
    assert isinstance(error, LimitExceeded)
    assert error.reason == "decompression_bomb"
    assert len(decoded) < 10 << 20


def test_a_small_object_may_compress_very_well():
    data = gzip.compress(bytes(1 << 20))
    assert run(data, ratio_limit=10)[1] is None


@pytest.mark.parametrize("data", [LINES, gzip.compress(LINES)])
def test_no_more_bytes_than_allowed(data):
    decoded, error = run(data, bytes_limit=100_000)
    assert isinstance(error, LimitExceeded)
    assert error.reason == "too_many_bytes"
    assert len(decoded) <= 100_000


def test_a_read_failure_passes_through_after_what_came_before():
    def chunks():
        yield LINES[:100]
        raise ReadFailure("vanished", "the object was replaced")

    pieces = []
    with pytest.raises(ReadFailure) as caught:
        for piece in decode(chunks(), ratio_limit=100, bytes_limit=1 << 20):
            pieces.append(piece)
    assert b"".join(pieces) == LINES[:100]
    assert caught.value.state == "vanished"


def test_content_decides_not_the_name():
    found = recognise(gzip.compress(b""))
    assert found is not None
    assert found.name == "gzip"
    assert recognise(b"version account-id") is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=3_000), min_size=1, max_size=4), st.integers(1, 5_000), st.integers(0, 9))
def test_round_trip(members, step, level):
    data, whole = b"".join(gzip.compress(member, level) for member in members), b"".join(members)
    if recognise(whole) is None:  # else that is peeled, too
        assert run(data, step) == (whole, None)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.data())
def test_damage_never_escapes_as_another_error(content, data):
    stored = bytearray(gzip.compress(content))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] = data.draw(st.integers(0, 255))
    run(bytes(stored), step=16)
