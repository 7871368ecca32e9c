"""JSON lines of flat records → columns: what Parquet files decode to, and what some services write themselves.

Belongs here: for formats whose usual lines are text and whose fields are the same in either. Does not belong here:
formats that are JSON by nature (``json_logs``).
"""

import io
import json
import re

import polars as pl

__all__ = ["read_rows", "record_of", "starts_object", "value_text"]

_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
# Lines that types are taken from at first.
_SAMPLED = 100


def starts_object(data: bytes) -> bool:
    """Whether the first thing in ``data`` is a JSON object."""
    return _OBJECT.match(data) is not None


def read_rows(data: bytes, lines: int) -> pl.DataFrame | None:
    """Lines as columns, named and typed as they are; None when they are not as many JSON objects."""
    # Types from the first lines: several times faster than from all of them. A value of another type is an error then,
    # but a field that is not among them would be lost. Quotes and colons tell: every line has all fields, if only null.
    frame = _read(data, _SAMPLED)
    if (
        frame is None
        or frame.height != lines
        or data.count(b'":') != lines * frame.width
        or data.count(b'":null') != sum(column.null_count() for column in frame)
    ):
        frame = _read(data, None)
    return None if frame is None or frame.height != lines else frame


def _read(data: bytes, sampled: int | None) -> pl.DataFrame | None:
    try:
        return pl.read_ndjson(io.BytesIO(data), infer_schema_length=sampled)
    except pl.exceptions.PolarsError:
        return None


def record_of(line: str | bytes) -> dict[str, object] | None:
    """The record that one line holds; None when it is no JSON object."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def value_text(value: object, nothing: str) -> str | None:
    """A value as a text line would have it, a nested one as JSON; None for null, ``nothing`` and empty text."""
    if value is None or isinstance(value, str):
        return None if value in (None, "", nothing) else value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
