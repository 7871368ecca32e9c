"""The footer of a Parquet file: what it says about its size, or that it cannot be."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3sentinel_assets.containers.parquet_footer import FooterError, read_footer

TABLE = pa.table({"x": range(1_000), "y": [["a", "b"], []] * 500, "z": [{"k": True}, None] * 500})


def footer_of(**options) -> tuple[bytes, pq.FileMetaData]:
    file = io.BytesIO()
    pq.write_table(TABLE, file, row_group_size=300, **options)
    stored = file.getvalue()
    return stored[-8 - int.from_bytes(stored[-8:-4], "little") : -8], pq.ParquetFile(file).metadata


@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_it_says_what_the_library_says(version):
    data, metadata = footer_of(version=version, write_page_index=True, compression="zstd")
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    columns = [group.column(at) for group in groups for at in range(group.num_columns)]
    found = read_footer(data)
    assert (found.rows, found.encrypted) == (1_000, False)
    assert found.values == sum(column.num_values for column in columns) == 3_500
    assert found.uncompressed == sum(column.total_uncompressed_size for column in columns)


def test_a_footer_cut_short_is_none():
    data, _ = footer_of()
    for cut in range(len(data)):
        with pytest.raises(FooterError):
            read_footer(data[:cut])


@given(st.binary(max_size=200))
@example(b"\x19" + b"\xfc\xff\xff\xff\xff\x0f" + b"\x19" * 5_000)
@example(b"\x1c" * 5_000)
@example(b"\x49\xf1\xff\xff\xff\xff\x7f")
def test_any_bytes_are_a_footer_or_refused(data):
    try:
        found = read_footer(data)
    except FooterError:
        return
    assert min(found.rows, found.values, found.uncompressed) >= 0
