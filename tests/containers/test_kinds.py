"""What holds for every container: whole ones decode byte for byte, bad ones say so after what they hold."""

import gc
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.containers import (
    CONTAINERS,
    ContainerError,
    CorruptContainer,
    ReadFailure,
    TruncatedContainer,
    recognise,
)
from tests.containers.packing import KINDS, LINES, Kind, breaking, pieces, unpack

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
# Empty content makes no block at all in Hadoop's format.
TEXT = LINES[:3_000]
NOISE = random.Random(5).randbytes(300_000)


def test_every_container_of_the_table_is_tried_here_or_by_itself():
    assert {kind.name for kind in KINDS.values()} | {"parquet"} == {container.name for container in CONTAINERS}


@every_kind
@pytest.mark.parametrize("step", [1, 13, 65_536, 1 << 22])
def test_a_member_decodes_whatever_the_chunks(kind: Kind, step):
    done = unpack(kind.pack(TEXT), step)
    assert (done.data, done.error) == (TEXT, None)
    assert (done.facts.containers, done.facts.members, done.facts.padding) == ([kind.name], 1, False)


@every_kind
@pytest.mark.parametrize("data", [LINES, NOISE, b"x", bytes(3 << 20)], ids=["lines", "noise", "a byte", "zeros"])
def test_large_and_small_content_comes_in_bounded_pieces(kind: Kind, data):
    done = unpack(kind.pack(data))
    assert done.error is None
    assert done.data == data
    assert done.longest <= 1 << 20


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.joins], ids=lambda kind: kind.name)
@pytest.mark.parametrize("step", [7, 65_536])
def test_all_members_decode(kind: Kind, step):
    done = unpack(kind.pack(TEXT) + kind.pack(b"second") + kind.pack(TEXT), step)
    assert (done.data, done.error) == (TEXT + b"second" + TEXT, None)
    # Hadoop's format has nothing that starts a member.
    assert done.facts.members == (1 if kind.name == "snappy_hadoop" else 3)


@every_kind
def test_no_content_is_no_error(kind: Kind):
    done = unpack(kind.pack(b""))
    assert (done.data, done.error) == (b"", None)


@every_kind
@pytest.mark.parametrize("content", [TEXT, NOISE[:2_000]], ids=["text", "noise"])
def test_truncation_at_any_byte_yields_a_prefix_and_says_so(kind: Kind, content):
    stored = kind.pack(content)
    plain = silent = 0
    for cut in range(len(stored)):
        done = unpack(stored[:cut], 997)
        if not done.facts.containers:  # too little to be recognised: it stays what it is
            assert (done.data, done.error) == (stored[:cut], None)
            plain += 1
        else:
            assert content.startswith(done.data)
            silent += done.error is None
            assert done.error is None or isinstance(done.error, TruncatedContainer), cut
            assert done.reason in (None, f"truncated_{kind.name}")
    assert plain <= (len(stored) if kind.name == "snappy_hadoop" else 14)
    assert silent <= (2 if kind.silent_cuts else 0)


@every_kind
def test_most_of_a_truncated_container_is_still_decoded(kind: Kind):
    stored = kind.pack(NOISE + LINES)
    done = unpack(stored[: len(NOISE) - 10_000])
    assert isinstance(done.error, TruncatedContainer)
    # bzip2 decodes blocks of 900 kB as one, old lz4 blocks of 8 MB.
    assert len(done.data) > (-1 if kind.name == "bzip2" or kind is KINDS["lz4 legacy"] else 150_000)
    assert NOISE.startswith(done.data)


@every_kind
def test_damage_in_the_middle_keeps_what_came_before_it(kind: Kind):
    stored = bytearray(kind.pack(NOISE + LINES))
    stored[200_000:200_064] = bytes(byte ^ 0xFF for byte in stored[200_000:200_064])
    done = unpack(bytes(stored))
    if kind.checked:
        assert isinstance(done.error, CorruptContainer | TruncatedContainer)
        assert done.reason in {f"corrupt_{kind.name}", f"truncated_{kind.name}", f"{kind.name}_checksum"}
    # Blocks of bzip2 have 900 kB, and those of old lz4 8 MB.
    if kind.name != "bzip2":
        assert NOISE.startswith(done.data[:100_000])
        assert len(done.data) >= (0 if kind is KINDS["lz4 legacy"] else 100_000)


@pytest.mark.parametrize(
    ("name", "reason", "back"),
    [
        ("gzip", "gzip_checksum", 5),
        ("zstd", "zstd_checksum", 1),
        ("bzip2", "corrupt_bzip2", 3),
        ("xz", "corrupt_xz", 30),
        ("lz4", "lz4_checksum", 1),
    ],
)
def test_a_wrong_checksum_at_the_end_takes_nothing_back(name, reason, back):
    stored = bytearray(KINDS[name].pack(LINES))
    stored[-back] ^= 0x10
    done = unpack(bytes(stored))
    assert done.reason == reason
    assert done.data == LINES


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz", "lzma", "lz4", "zip"])
@pytest.mark.parametrize("tail", [b"junk", b"more\nlines\n" * 5_000])
def test_bytes_behind_the_last_member_are_reported(name, tail):
    done = unpack(KINDS[name].pack(TEXT) + tail)
    assert (done.data, done.reason) == (TEXT, "trailing_bytes")
    assert (done.facts.members, done.facts.padding) == (1, True)


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz", "lzma", "lz4", "zip"])
@pytest.mark.parametrize("padding", [1, 4, 60_000])
def test_zeros_behind_the_last_member_are_no_content_but_are_told(name, padding):
    done = unpack(KINDS[name].pack(TEXT) + bytes(padding))
    assert (done.data, done.error) == (TEXT, None)
    assert (done.facts.members, done.facts.padding) == (1, True)


@every_kind
@pytest.mark.parametrize("cut", [0, 1, 5, 40, 1_000, 100_000, 290_000, None])
def test_a_read_failure_passes_through_untouched(kind: Kind, cut):
    stored = kind.pack(NOISE)[:cut]
    done = unpack(breaking(stored))
    assert isinstance(done.error, ReadFailure)
    assert done.error.state == "vanished"
    if done.facts.containers:
        assert NOISE.startswith(done.data)
    else:
        assert done.data == stored


@every_kind
def test_a_read_failure_behind_damage_explains_the_damage(kind: Kind):
    stored = bytearray(kind.pack(NOISE))
    stored[200_000:200_064] = bytes(byte ^ 0xFF for byte in stored[200_000:200_064])
    for step in (1_000, 1 << 20):
        chunks = breaking(bytes(stored), step)
        if unpack(chunks).reason != "vanished":
            # Not met yet: whoever reads on meets it.
            with pytest.raises(ReadFailure):
                list(chunks)


@every_kind
@pytest.mark.parametrize("limit", [1, 1_000, 70_000, 100_000])
def test_no_more_bytes_than_allowed(kind: Kind, limit):
    done = unpack(kind.pack(LINES), bytes_limit=limit)
    assert done.reason == "too_many_bytes"
    assert len(done.data) <= limit
    assert LINES.startswith(done.data)


@every_kind
def test_the_stored_bytes_behind_an_error_can_still_be_read(kind: Kind):
    """The checksum of an object covers all of it, whatever becomes of its container."""
    stored = bytearray(kind.pack(NOISE))
    stored[20_000:20_064] = bytes(byte ^ 0xFF for byte in stored[20_000:20_064])
    read = []
    chunks = (read.append(chunk) or chunk for chunk in pieces(bytes(stored) + b"\x07" * 50_000, 1_000))
    assert unpack(chunks, bytes_limit=200_000).error is not None
    gc.collect()
    for _ in chunks:
        pass
    assert b"".join(read) == bytes(stored) + b"\x07" * 50_000


members = st.lists(st.binary(min_size=1, max_size=3_000), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([kind for kind in KINDS.values() if kind.joins]), members, st.integers(1, 5_000))
def test_round_trip_of_many_members(kind, contents, step):
    stored = b"".join(map(kind.pack, contents))
    done = unpack(stored, step)
    whole = b"".join(contents)
    if recognise(whole) is None:
        assert (done.data, done.error) == (whole, None)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(KINDS.values())), st.binary(min_size=20, max_size=600), st.data())
def test_damage_never_escapes_as_another_error(kind, content, data):
    stored = bytearray(kind.pack(content))
    for _ in range(data.draw(st.integers(1, 3))):
        stored[data.draw(st.integers(0, len(stored) - 1))] = data.draw(st.integers(0, 255))
    done = unpack(bytes(stored), data.draw(st.integers(1, 700)), bytes_limit=5_000)
    assert done.error is None or isinstance(done.error, ContainerError)
    assert len(done.data) <= 5_000


HEADS = [kind.pack(b"abc" * 50)[:length] for kind in KINDS.values() for length in (4, 10, 20)] + [
    b"PAR1\x15", b"PARE\x15", b"\x50\x2a\x4d\x18\x02\0\0\0", b"",
]  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=400), st.integers(1, 300), st.integers(0, 2_000))
def test_random_bytes_raise_nothing_else_and_stay_within_the_limit(head, tail, step, limit):
    done = unpack(head + tail, step, bytes_limit=limit)
    assert done.error is None or isinstance(done.error, ContainerError)
    assert len(done.data) <= limit
    if not done.facts.containers and done.error is None:
        assert done.data == head + tail
