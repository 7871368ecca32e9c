"""VPC flow logs as JSON lines, which is what Parquet files decode to → the text lines they would have been.

Belongs here: that translation, column by column, so that the same flows become the same rows whichever way they were
stored. Does not belong here: reading text lines. Field names may have ``_`` for ``-``. A line that is no JSON object,
or has a value that no text line can hold (one with a space, a nested one), goes through as it is, for quarantine.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain

import polars as pl

from s3sentinel_assets.formats.frames import null_column
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.model import Reading
from s3sentinel_assets.formats.vpc_flow.fields import FIELDS, read_header

__all__ = ["as_text", "count_known", "starts_object"]

_NOTHING = "-"
_TIMES = ("start", "end")
_BOM = b"\xef\xbb\xbf"
_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
_SPACE = r"\s"
# Lines that types are taken from at first.
_SAMPLED = 100


def starts_object(data: bytes) -> bool:
    """Whether the first thing in ``data`` is a JSON object."""
    return _OBJECT.match(data) is not None


def count_known(line: bytes) -> int:
    """How many flow log fields a JSON line has; 0 when it is not one of a VPC flow log."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return 0
    if not isinstance(record, dict):
        return 0
    order = read_header(" ".join(map(_field, record)).encode())
    return len(order.fields) - len(order.unplaced) if order else 0


def _field(name: str) -> str:
    """``name`` as AWS writes it in text; what no header can hold is changed, as no column waits for it."""
    field = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return field if field[:1].isalpha() else f"x-{field}".strip("-")


def as_text(chunks: Iterable[bytes], reading: Reading, block: int) -> Iterator[bytes]:
    """Text lines for JSON lines; anything else as it is.

    Args:
        chunks: an object's decoded bytes.
        reading: the object; tells at the end whether its last line is whole.
        block: bytes, about, to translate at once.
    """
    chunks = iter(chunks)
    head = b""
    for chunk in chunks:
        head += chunk
        if head.removeprefix(_BOM).strip() or len(head) > block:
            break
    if not starts_object(head):
        yield from chain((head,), chunks) if head else chunks
        return
    header = b""
    begun, size = [], 0
    for chunk in chain((head.removeprefix(_BOM),), chunks):
        begun.append(chunk)
        size += len(chunk)
        if size < block:
            continue
        data = b"".join(begun)
        end = data.rfind(b"\n") + 1
        if end:
            header, text = _translate(data[:end], header)
            yield text
        else:
            # A line without an end is handed on, and rejected, rather than held for ever.
            yield data
            end = size
        begun, size = [data[end:]], len(data) - end
    whole, line_end, last = b"".join(begun).rpartition(b"\n")
    if not reading.cut:
        whole, line_end, last = whole + line_end + last, b"\n" if last else b"", b""
    yield _translate(whole + line_end, header)[1] + last


def _translate(data: bytes, header: bytes) -> tuple[bytes, bytes]:
    """Whole JSON lines as text.

    Args:
        data: the lines.
        header: the header that holds before them; empty before the first.

    Returns:
        The header that holds behind them; the text, with headers where the fields change.
    """
    filled = [line for line in data.split(b"\n") if line.strip()]
    if not filled:
        return header, b""
    found = _as_columns(b"\n".join(filled), len(filled))
    if found is not None:
        stated, lines = found
        return stated, lines if stated == header else stated + lines
    if len(filled) == 1:
        return header, filled[0] + b"\n"
    # Halves: a few bad lines among many cost little.
    middle = len(filled) // 2
    header, first = _translate(b"\n".join(filled[:middle]), header)
    header, second = _translate(b"\n".join(filled[middle:]), header)
    return header, first + second


def _as_columns(data: bytes, count: int) -> tuple[bytes, bytes] | None:
    """Header and text lines; None when a line may be bad."""
    frame = _read(data, count)
    if frame is None:
        return None
    names = [_field(name) for name in frame.columns]
    header = " ".join(names).encode() + b"\n"
    if read_header(header) is None:
        return None
    columns = [_texts(column, name) for column, name in zip(frame, names, strict=True)]
    if any(column is None for column in columns):
        return None
    texts = pl.DataFrame([column.alias(str(at)) for at, column in enumerate(columns) if column is not None])
    lines = texts.write_csv(include_header=False, separator=" ", null_value=_NOTHING, quote_style="never")
    return header, lines.encode()


def _read(data: bytes, count: int) -> pl.DataFrame | None:
    """The lines as columns; None when they are not as many JSON objects."""
    # Types from the first lines: several times faster than from all of them. A value of another type is an error then,
    # but a field that is not among them would be lost. Quotes and colons tell: every line has all fields, if only null.
    frame = _read_typed(data, _SAMPLED)
    if (
        frame is None
        or frame.height != count
        or data.count(b'":') != count * frame.width
        or data.count(b'":null') != sum(column.null_count() for column in frame)
    ):
        frame = _read_typed(data, None)
    return None if frame is None or frame.height != count else frame


def _read_typed(data: bytes, sampled: int | None) -> pl.DataFrame | None:
    try:
        return pl.read_ndjson(io.BytesIO(data), infer_schema_length=sampled)
    except pl.exceptions.PolarsError:
        return None


def _texts(column: pl.Series, field: str) -> pl.Series | None:
    """A column as a text line can hold it; None when it cannot."""
    if field not in FIELDS:
        # Only its name is told; what no column waits for must not do a line any harm.
        return null_column(pl.String(), column.len())
    if column.dtype.is_nested():
        return None
    if column.dtype != pl.String:
        return column
    if column.str.contains(_SPACE).any():
        return None
    if field in _TIMES and column.str.contains(":", literal=True).any():
        seconds = parse_iso8601(column).dt.epoch("s").cast(pl.String)
        column = seconds.zip_with(seconds.is_not_null(), column)
    return column.set(column == "", None)
