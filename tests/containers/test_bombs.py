"""A little that decodes to very much is stopped, before it fills memory or disk."""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zlib

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from s3sentinel_assets.containers import ContainerError, Facts, decode
from tests.containers.packing import KINDS, skippable, snappy_raw, unpack, zipped, zstd_frame

ZEROS = bytes(32 << 20)


def deflated_zeros(mebibytes: int) -> bytes:
    """gzip of zeros, made without holding them."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(mebibytes)) + packer.flush()


def hadoop_zeros(mebibytes: int) -> bytes:
    chunk = snappy_raw(bytes(1 << 20))
    return ((1 << 20).to_bytes(4) + len(chunk).to_bytes(4) + chunk) * mebibytes


def table(rows: int, text: str = "a text that is in the dictionary once") -> bytes:
    file = io.BytesIO()
    text_column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text])
    pq.write_table(pa.table({"text": text_column}), file, compression="zstd")
    return file.getvalue()


def long_list() -> bytes:
    """One row, which no batch can be smaller than."""
    file = io.BytesIO()
    values = pa.ListArray.from_arrays([0, 5_000_000], pa.nulls(5_000_000, pa.int64()))
    pq.write_table(pa.table({"x": values}), file, compression="zstd")
    return file.getvalue()


BOMBS = {
    "gzip": lambda: gzip.compress(ZEROS),
    "zstd": lambda: zstd_frame(ZEROS),
    "bzip2": lambda: bz2.compress(ZEROS),
    "xz": lambda: lzma.compress(ZEROS, preset=0),
    "lzma": lambda: lzma.compress(ZEROS, lzma.FORMAT_ALONE, preset=0),
    "lz4": lambda: lz4.frame.compress(ZEROS, block_size=7),
    "lz4 legacy": lambda: KINDS["lz4 legacy"].pack(ZEROS),
    "snappy": lambda: KINDS["snappy"].pack(ZEROS[: 16 << 20]),
    "snappy_hadoop": lambda: hadoop_zeros(32),
    "zip": lambda: zipped(ZEROS),
    "zip of many": lambda: zipped(*[ZEROS[: 1 << 20]] * 32),
    "parquet": lambda: table(2_000_000),
    "parquet, a long text": lambda: table(20_000, "x" * 20_000),
    "parquet, a long list": long_list,
    "gzip in gzip": lambda: gzip.compress(deflated_zeros(512)),
    "zstd in zstd": lambda: zstd_frame(zstd_frame(ZEROS)),
    "gzip in zip": lambda: zipped(gzip.compress(gzip.compress(ZEROS))),
    "parquet in gzip": lambda: gzip.compress(table(2_000_000)),
}


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    return {name: make() for name, make in BOMBS.items()}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_stopped_without_filling_memory(bombs, name):
    stored = bombs[name]
    ratio = 2 if name == "snappy" else 15 if name == "snappy_hadoop" else 100
    unpack(table(10))  # what is imported late does not count
    pool = pa.default_memory_pool()
    most = max(pool.max_memory(), pool.bytes_allocated() + (32 << 20))
    tracemalloc.start()
    done = unpack_discarding(stored, ratio_limit=ratio)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert done.reason == "decompression_bomb"
    assert done.length <= max(1 << 20, ratio * len(stored))
    assert peak < 40 << 20
    assert pool.max_memory() <= most


class unpack_discarding:  # noqa: N801 - used like the function beside it
    """`unpack` without keeping what comes."""

    def __init__(self, stored: bytes, *, ratio_limit: int) -> None:
        self.length, self.reason, self.facts = 0, None, Facts()
        try:
            for piece in decode(iter([stored]), ratio_limit=ratio_limit, bytes_limit=8 << 30, facts=self.facts):
                self.length += len(piece)
        except ContainerError as error:
            self.reason = error.reason


def test_the_ratio_is_that_of_all_layers_together(bombs):
    """100,000 to 1 in two layers, each of which is harmless for itself at 1,100 to 1."""
    stored = bombs["gzip in gzip"]
    assert (512 << 20) / len(stored) > 100_000
    assert unpack_discarding(stored, ratio_limit=1_100).reason == "decompression_bomb"


def test_a_middle_layer_cannot_fill_the_disk():
    """A zip inside gzip that is nothing but padding: little comes of it, but it would have to be spooled."""
    padded = zipped(("a", b"small")) + bytes(32 << 20)
    stored = gzip.compress(padded)
    assert unpack(stored, ratio_limit=100).reason == "decompression_bomb"
    assert unpack(stored, spool_limit=4 << 20).reason == "spool_limit"


def test_a_middle_layer_that_is_thrown_away_counts_too():
    stored = gzip.compress(skippable(bytes(32 << 20)) + zstd_frame(b"x"))
    assert unpack(stored, ratio_limit=100).reason == "decompression_bomb"


def test_the_same_bytes_may_serve_many_members_of_a_zip_file_and_still_count():
    inner = bytes(1 << 20)
    stored = zipped(*[inner] * 20)
    assert unpack(stored, ratio_limit=900).reason in (None, "decompression_bomb")
    assert unpack(stored, bytes_limit=5 << 20).reason == "too_many_bytes"


def test_a_window_that_needs_too_much_memory_is_refused_before_it_is_taken():
    # A frame header that asks for a window of 2 GiB.
    header = b"\x28\xb5\x2f\xfd" + bytes([0, (31 - 10) << 3])
    assert unpack(header + b"\x01\0\0").reason == "zstd_window"


def test_a_dictionary_that_needs_too_much_memory_is_refused():
    huge = {"id": lzma.FILTER_LZMA2, "dict_size": 256 << 20, "preset": 0}
    stored = bytearray(lzma.compress(b"x" * 100, filters=[{**huge, "dict_size": 1 << 20}]))
    # The size of the dictionary is one byte of the block header, whose checksum follows.
    at = stored.index(b"\x21\x01") + 2
    stored[at] = 37  # 3 GiB or so
    header = stored[12 : 12 + 4 * (stored[12] + 1)]
    header[-4:] = zlib.crc32(bytes(header[:-4])).to_bytes(4, "little")
    stored[12 : 12 + len(header)] = header
    assert unpack(bytes(stored)).reason == "xz_memory"


def test_too_many_layers_are_refused():
    text = b"line\n"
    for _ in range(3):
        text = gzip.compress(text)
    assert unpack(text).data == b"line\n"
    assert unpack(text).facts.containers == ["gzip"] * 3
    assert unpack(gzip.compress(text)).reason == "nested_too_deep"


def test_a_quiet_log_may_compress_very_well():
    for name in ("gzip", "zstd", "bzip2", "xz", "lz4", "zip"):
        assert unpack(KINDS[name].pack(bytes(1 << 20)), ratio_limit=10).error is None
