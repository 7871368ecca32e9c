"""Parquet: rows as NDJSON, streamed batch by batch.

Belongs here: opening the file and bounding what is decoded at once. Does not belong here: how values are written
(``ndjson``). Parquet needs random access, so the file is kept on disk while it is read.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.containers.errors import ContainerError, CorruptContainer, TruncatedContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.ndjson import to_ndjson
from s3sentinel_assets.containers.source import Source, cut
from s3sentinel_assets.containers.spool import Spooled

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["decode_parquet", "is_parquet"]

_MAGIC, _ENCRYPTED_MAGIC = b"PAR1", b"PARE"
_SHORTEST = 12
_FOOTER_LIMIT = 64 << 20
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
        LimitExceeded: ``spool_limit``; ``decompression_bomb`` by what the file says about itself.
    """
    with layer.spooling.spool(source) as file:
        if file.failure is not None:
            raise file.failure
        _check_end(file)
        yield from _rows(file, layer)
        layer.facts.members = 1


def _check_end(file: Spooled) -> None:
    end = file.read(max(0, file.size - 8), 8)
    if end[4:] == _ENCRYPTED_MAGIC:
        raise _encrypted()
    if file.size < _SHORTEST or end[4:] != _MAGIC:
        raise TruncatedContainer(
            "truncated_parquet", "the Parquet file does not end with its footer, without which it cannot be read"
        )
    footer = int.from_bytes(end[:4], "little")
    if footer > min(file.size - _SHORTEST, _FOOTER_LIMIT):
        raise CorruptContainer("corrupt_parquet", f"the Parquet footer cannot have {footer:,} bytes")


def _encrypted() -> CorruptContainer:
    return CorruptContainer("encrypted_parquet", "the Parquet file is encrypted; write it without modular encryption")


def _damaged(error: BaseException, rows: int) -> ContainerError:
    text = " ".join(str(error).split())[:300]
    if "crypt" in text:
        return _encrypted()
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


def _declared(metadata: "pq.FileMetaData") -> int:
    """The fewest bytes of JSON that the file can decode to."""
    groups = (metadata.row_group(at) for at in range(metadata.num_row_groups))
    return _LEAST_VALUE * sum(group.column(at).num_values for group in groups for at in range(group.num_columns))


def _batch_rows(opened: "pq.ParquetFile") -> int:
    """Rows to decode at once: fewer where there are many columns, or many values a row."""
    metadata = opened.metadata
    names = sum(len(opened.schema.column(at).path) + 16 for at in range(len(opened.schema)))
    declared = _declared(metadata) // max(metadata.num_rows, 1)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(names, 8 * declared, 1)))


def _rows(file: Spooled, layer: Layer) -> Iterator[bytes]:
    import polars as pl
    import pyarrow as pa

    failures = (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, OverflowError, KeyError)
    rows = 0
    try:
        opened = _open(file)
        metadata = opened.metadata
        layer.expect(_declared(metadata))
        batches = opened.iter_batches(batch_size=_batch_rows(opened), use_threads=False) if metadata.num_columns else ()
        for batch in batches:
            for part in _bounded(_renamed(batch)):
                lines = _lines(part)
                rows += part.num_rows
                yield from cut(lines)
    except failures as error:
        raise _damaged(error, rows) from error


def _lines(batch: "pa.RecordBatch") -> bytes:
    import polars as pl
    import pyarrow as pa

    # Damaged offsets or text would bring down whoever reads them.
    batch.validate(full=True)
    columns = []
    for column in batch.columns:
        columns.append(column.storage if isinstance(column.type, pa.BaseExtensionType) else column)
    frame = pl.DataFrame(pa.RecordBatch.from_arrays(columns, batch.schema.names))
    return to_ndjson(frame)


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
