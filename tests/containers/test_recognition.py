"""Content decides, never the name; and what is no container is left as it is."""

import gzip
import json
import lzma

import pytest

from s3sentinel_assets.containers import Facts, decode, recognise
from tests.containers.packing import (
    KINDS,
    LINES,
    lz4_frame,
    skippable,
    snappy_hadoop,
    snappy_raw,
    unpack,
    zstd_frame,
)

JSON = json.dumps({"Records": [{"eventName": "GetObject"}]}).encode()


def read_file(path, **options):
    """An object as its name would have it, read by content."""
    facts = Facts()
    stored = iter([path.read_bytes()])
    return b"".join(decode(stored, ratio_limit=100, bytes_limit=1 << 20, facts=facts, **options)), facts


def test_a_gz_that_is_plain_is_read(tmp_path):
    path = tmp_path / "trail.json.gz"
    path.write_bytes(JSON)
    assert read_file(path) == (JSON, Facts([], 0, False))


def test_a_log_that_is_gzip_is_read(tmp_path):
    path = tmp_path / "flows.log"
    path.write_bytes(gzip.compress(JSON))
    assert read_file(path) == (JSON, Facts(["gzip"], 1, False))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_recognised_by_its_first_bytes(name):
    kind = KINDS[name]
    found = recognise(kind.pack(LINES)[:70_000])
    assert found is not None
    assert found.name == kind.name


@pytest.mark.parametrize("size", range(20))
def test_nothing_shorter_than_a_signature_is_taken_for_a_container(size):
    for byte in (0, 0x1F, 0x28, 0x50, 0x5D, 0xFF, ord("B"), ord("P"), ord("{")):
        data = bytes([byte]) * size
        done = unpack(data)
        assert (done.data, done.error, done.facts) == (data, None, Facts([], 0, False))


def test_a_zero_byte_object_has_no_content():
    assert unpack(b"").data == b""
    assert unpack(iter(())).error is None
    assert unpack(iter([b"", b""])).facts == Facts([], 0, False)


@pytest.mark.parametrize(
    "text",
    [
        b"BZh the log of a bzip2 wrapper\n",
        b"BZh91 is how it begins\n",
        b"PK means primary key, and this is a log\n",
        b"PK\x03\x04",
        b"PAR1 is where the ball went\n",
        b"PAR1\nPAR1\tx\r\n",
        b"PAR1",
        b"] a line that starts like a .lzma file\n" * 3,
        b"]" * 40,
        b"7zXZ\n",
        b"\xfe\xff\x00{\x00}",
        b"\xef\xbb\xbf{}",
        b"\x00\x00\x00\x05\x00\x00\x00\x07hello, no snappy block",
        b"\x00\x00\x00\x00\x00\x00\x00\x00" * 8,
        bytes(100),
        "日本語のログ\n".encode("utf-16-be"),
        b'\x00{\x00"\x00a\x00"\x00:\x001\x00}\x00\n',
    ],
)
def test_texts_that_look_a_little_like_a_container_stay_as_they_are(text):
    done = unpack(text)
    assert (done.data, done.error, done.facts.containers) == (text, None, [])


def test_hadoop_snappy_needs_plausible_lengths_and_a_block_that_decodes():
    raw = snappy_raw(JSON)
    head = len(JSON).to_bytes(4) + len(raw).to_bytes(4)
    assert unpack(head + raw).data == JSON
    for broken in (
        len(JSON).to_bytes(4) + (len(raw) + 1).to_bytes(4) + raw,  # the chunk is longer than what is there
        (len(JSON) - 1).to_bytes(4) + len(raw).to_bytes(4) + raw,  # decodes to more than its block
        head + raw[:1] + bytes([raw[1] ^ 0xFF]) + raw[2:],  # does not decode
        head[:-1] + b"\0",
    ):
        assert unpack(broken).facts.containers == []
        assert unpack(broken).data == broken


def test_hadoop_snappy_is_recognised_whatever_the_chunks_and_however_big_the_first_block():
    stored = snappy_hadoop(LINES, block=1 << 20, chunk=1 << 20)
    for step in (3, 65_536):
        assert unpack(stored, step).data == LINES


def test_skippable_frames_come_first_in_files_of_pzstd():
    text = LINES[:999]
    stored = skippable(b"\x12\0\0\0") + zstd_frame(text) + skippable(bytes(300_000), 0x5F) + zstd_frame(text)
    done = unpack(stored)
    assert (done.data, done.error) == (text + text, None)
    assert (done.facts.containers, done.facts.members) == (["zstd"], 2)


def test_lz4_behind_skippable_frames_is_lz4():
    done = unpack(skippable(b"x" * 100_000) + skippable(b"") + lz4_frame(JSON))
    assert (done.data, done.facts.containers, done.facts.members) == (JSON, ["lz4"], 1)


def test_skippable_frames_alone_have_no_content():
    done = unpack(skippable(b"abc") * 3)
    assert (done.data, done.error, done.facts.members) == (b"", None, 0)
    assert unpack(skippable(b"abc")[:-1]).reason == "truncated_zstd"


@pytest.mark.parametrize("preset", [0, 6, 9])
def test_lzma_of_every_usual_strength_is_recognised(preset):
    stored = lzma.compress(JSON, lzma.FORMAT_ALONE, preset=preset)
    assert (unpack(stored).data, unpack(stored).facts.containers) == (JSON, ["lzma"])


def test_the_published_samples_of_both_snappy_formats():
    # A stored chunk of "abcd" with its masked checksum, as the reference implementations' tests have it.
    framed = b"\xff\x06\x00\x00sNaPpY" + b"\x01\x08\x00\x00" + b"\x68\x10\xe6\xb6" + b"abcd"
    assert unpack(framed).data == b"abcd"
    padded = framed + b"\xfe\x03\0\0pad" + b"\x80\x01\0\0x" + framed
    assert unpack(padded, 1).data == b"abcdabcd"
    assert unpack(framed[:-1] + b"e").reason == "snappy_checksum"
    assert unpack(framed + b"\x02\x01\0\0x").reason == "corrupt_snappy"  # chunks that must not be skipped
    # Lengths decoded and stored; a literal of five bytes.
    assert unpack(b"\0\0\0\x05\0\0\0\x07\x05\x10hello").data == b"hello"
