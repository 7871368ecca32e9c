"""Parquet: rows as NDJSON, streamed batch by batch.

Belongs here: opening the file and bounding what is decoded at once. Does not belong here: how values are written
(``ndjson``). Parquet needs random access, so the file is kept on disk while it is read.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.containers.errors import ContainerError, CorruptContainer, TruncatedContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.ndjson import to_ndjson
from s3sentinel_assets.containers.parquet_footer import Footer, FooterError, read_footer
from s3sentinel_assets.containers.source import Source, cut
from s3sentinel_assets.containers.spool import Spooled

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["decode_parquet", "is_parquet"]

_MAGIC, _ENCRYPTED_MAGIC = b"PAR1", b"PARE"
_SHORTEST = 12
_FOOTER_LIMIT = 16 << 20
_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 8_192
_BUFFER = 1 << 20
# In JSON, the least that a value takes: itself and a comma.
_LEAST_VALUE = 2
_TEXT_CONTROLS = b"\t\n\r\f\x1b"


def is_parquet(head: bytes) -> bool:
    """Whether ``head`` starts a Parquet file: what follows the signature is binary, which no text has so early."""
    return head[:4] in (_MAGIC, _ENCRYPTED_MAGIC) and any(
        byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head[4:16]
    )


def decode_parquet(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all rows of all row groups, in order.

    Yields:
        NDJSON.

    Raises:
        TruncatedContainer: ``truncated_parquet``, the file has no end; nothing of it can be read.
        CorruptContainer: ``corrupt_parquet``, after the rows before the damage; ``encrypted_parquet``.
        LimitExceeded: ``spool_limit``; ``decompression_bomb`` and ``too_many_bytes`` by what the footer says.
    """
    with layer.spooling.spool(source) as file:
        if file.failure is not None:
            raise file.failure
        footer = _footer(file)
        layer.expect(max(_LEAST_VALUE * footer.values, footer.uncompressed))
        yield from _rows(file, footer)
        layer.facts.members = 1


def _footer(file: Spooled) -> Footer:
    end = file.read(max(0, file.size - 8), 8)
    if end[4:] == _ENCRYPTED_MAGIC:
        raise _encrypted()
    if file.size < _SHORTEST or end[4:] != _MAGIC:
        raise TruncatedContainer(
            "truncated_parquet", "the Parquet file does not end with its footer, without which it cannot be read"
        )
    size = int.from_bytes(end[:4], "little")
    if size > min(file.size - _SHORTEST, _FOOTER_LIMIT):
        raise CorruptContainer("corrupt_parquet", f"the Parquet footer cannot have {size:,} bytes")
    try:
        footer = read_footer(file.read(file.size - 8 - size, size))
    except FooterError as error:
        raise CorruptContainer("corrupt_parquet", f"the Parquet footer is damaged: {error}") from error
    if footer.encrypted:
        raise _encrypted()
    return footer


def _encrypted() -> CorruptContainer:
    return CorruptContainer("encrypted_parquet", "the Parquet file is encrypted; write it without modular encryption")


def _damaged(error: BaseException, rows: int) -> ContainerError:
    text = " ".join(str(error).split())[:300]
    return CorruptContainer("corrupt_parquet", f"the Parquet file is damaged after {rows:,} rows: {text}")


def _open(file: Spooled) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    options: dict[str, Any] = {"buffer_size": _BUFFER, "pre_buffer": False, "page_checksum_verification": True}
    opened = pq.ParquetFile(file.file, **options)
    # Text stays in its dictionary: a small file may repeat a long text very often.
    texts = [
        column.path
        for column in (opened.schema.column(at) for at in range(len(opened.schema)))
        if column.physical_type == "BYTE_ARRAY" and column.max_repetition_level == 0
    ]
    return pq.ParquetFile(file.file, metadata=opened.metadata, read_dictionary=texts, **options)


def _batch_rows(opened: "pq.ParquetFile", footer: Footer) -> int:
    """Rows to decode at once: fewer where there are many columns, or many values a row."""
    names = sum(len(opened.schema.column(at).path) + 16 for at in range(len(opened.schema)))
    values = footer.values // max(footer.rows, 1)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(names, 16 * values, 1)))


def _rows(file: Spooled, footer: Footer) -> Iterator[bytes]:
    import polars as pl
    import pyarrow as pa

    # A panic of Polars is no ordinary exception, but damaged values may well bring one about.
    failures = (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)
    rows = 0
    try:
        opened = _open(file)
        size = _batch_rows(opened, footer)
        # Group by group: a batch that reached into a damaged group would take good rows with it.
        for group in range(opened.metadata.num_row_groups if opened.metadata.num_columns else 0):
            for batch in opened.iter_batches(size, row_groups=[group], use_threads=False):
                for part in _bounded(_renamed(batch)):
                    lines = to_ndjson(_checked(part))
                    rows += part.num_rows
                    yield from cut(lines)
    except failures as error:
        raise _damaged(error, rows) from error


def _checked(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """``batch`` with what it is made of checked: text that is no UTF-8 would bring down whoever takes it for text."""
    import pyarrow as pa

    columns = [column.storage if isinstance(column, pa.ExtensionArray) else column for column in batch.columns]
    checked = pa.RecordBatch.from_arrays(columns, batch.schema.names)
    try:
        checked.validate(full=True)
    except pa.ArrowInvalid:
        checked = pa.RecordBatch.from_arrays([_as_bytes(column) for column in columns], batch.schema.names)
        checked.validate(full=True)
    return checked


def _as_bytes(column: "pa.Array") -> "pa.Array":
    """``column`` with text, also nested text, as bytes."""
    import pyarrow as pa

    plain = column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
    return plain.cast(_bytes_type(plain.type))


def _bytes_type(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.binary()
    if pa.types.is_large_string(kind):
        return pa.large_binary()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_bytes_type(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_bytes_type(kind.value_type)))
    if pa.types.is_map(kind):
        return pa.map_(_bytes_type(kind.key_type), _bytes_type(kind.item_type))
    return kind


def _renamed(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Names made different where a file has one twice, as JSON cannot hold both."""
    names = batch.schema.names
    if len(set(names)) == len(names):
        return batch
    return batch.rename_columns([n if names.index(n) == at else f"{n}_{at}" for at, n in enumerate(names)])


def _bounded(batch: "pa.RecordBatch") -> Iterator["pa.RecordBatch"]:
    """``batch`` in slices that stay small when their dictionaries are written out."""
    if batch.num_rows > 1 and _written_out(batch) > 2 * _BATCH_BYTES:
        middle = batch.num_rows // 2
        yield from _bounded(batch.slice(0, middle))
        yield from _bounded(batch.slice(middle))
    elif batch.num_rows:
        yield batch


def _written_out(batch: "pa.RecordBatch") -> int:
    import pyarrow as pa
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made when it is imported
    total = 0
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray):
            lengths = compute.binary_length(column.dictionary)
            total += compute.sum(lengths.take(column.indices)).as_py() or 0
        else:
            total += column.nbytes
    return total
