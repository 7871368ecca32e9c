"""A row that a human edited: every column checked against the table, and written as it goes on the wire.

Belongs here: JSON text → checked values → JSON members, and cutting a row that is too large. Does not belong here:
files of such rows (``letter_files``), what becomes of them (``mending``), how parsed rows are written (``render``,
whose form this keeps).

The workspace drops what it does not understand without a word: a column it does not know, a number of the wrong size.
So nothing goes out here that it would drop.
"""

import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec
import polars as pl

from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.json_values import as_json
from s3sentinel_assets.sentinel.reject_lines import HEADER
from s3sentinel_assets.sentinel.render import FIELD_LIMIT_BYTES, FLAG_SEPARATOR
from s3sentinel_assets.tables import TableSchema

__all__ = ["EditedRow", "RowError", "cut_row", "read_row", "row_size", "split_line", "write_row"]

#: Column → a text, still to be quoted, or a value as JSON.
EditedRow = dict[str, str | bytes]

_STAMPED = ("BatchId_CF", "Attempt_CF")
#: Texts that a cut would make worthless.
_NEVER_CUT = ("EventId_CF", "Flags_CF", "SourceEventId")
_FLAGS = "Flags_CF"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_SHOWN = 40

_Line = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RowError(Exception):
    """What is wrong with a row, naming the columns; the caller says where the row stands."""


def split_line(line: bytes) -> tuple[int, dict[str, msgspec.Raw]]:
    """The id of the dead letter that a line is of, and its columns as they are written.

    Raises:
        RowError: the line is no such row.
    """
    try:
        row = _Line.decode(line.decode())
        pairs = json.loads(line, object_pairs_hook=list)
    except UnicodeDecodeError as error:
        raise RowError(f"byte {error.start} is not UTF-8") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RowError(f"this is no JSON object on one line ({error})") from error
    if twice := next((name for name, times in Counter(name for name, _ in pairs).items() if times > 1), None):
        raise RowError(f"column {twice} stands twice")
    raw = row.pop(HEADER, None)
    letter = None if raw is None else msgspec.json.decode(raw)
    if type(letter) is not int:
        raise RowError(f"{HEADER}, the number of the dead letter, is missing; export the rows again")
    return letter, row


def read_row(columns: Mapping[str, msgspec.Raw], schema: TableSchema, *, long_values: bool = False) -> EditedRow:
    """Checks every column of a row; nulls are left out.

    Args:
        columns: as they were written.
        schema: the table's.
        long_values: take texts that are too long for a field; `cut_row` must be called then.

    Raises:
        RowError: what is wrong, column by column.
    """
    row: EditedRow = {}
    problems: list[str] = []
    for name, raw in columns.items():
        try:
            value = _value(name, bytes(raw), schema)
        except RowError as error:
            problems.append(str(error))
            continue
        if value is None:
            continue
        size = len(value.encode() if isinstance(value, str) else value)
        if size > FIELD_LIMIT_BYTES and (not long_values or name in _NEVER_CUT):
            problems.append(
                f"column {name} has {size:,} bytes, a field may have {FIELD_LIMIT_BYTES:,}; shorten it or use --cut"
            )
        row[name] = value
    if problems:
        raise RowError("; ".join(problems))
    return row


def write_row(row: EditedRow) -> bytes:
    """The row's tail: its members as JSON, each behind a comma."""
    return b"".join(
        b',"' + name.encode() + b'":' + (msgspec.json.encode(value) if isinstance(value, str) else value)
        for name, value in row.items()
    )


def row_size(tail: bytes) -> int:
    """The bytes of a body of this row alone, in any attempt."""
    return packing.body_size(len(tail), 1)


def cut_row(row: EditedRow, limit: int) -> tuple[EditedRow, list[str]]:
    """Cuts the longest texts of a row, all to one length, so that it fits a body; ``Flags_CF`` says which.

    Args:
        row: the row.
        limit: most bytes of a body.

    Returns:
        The row, and the columns that were cut: none where it fits as it is.

    Raises:
        RowError: it does not fit even with all its texts cut.
    """
    longest = max((_length(value) for value in row.values()), default=0)
    if longest <= FIELD_LIMIT_BYTES and row_size(write_row(row)) <= limit:
        return row, []
    # More bytes kept never make a row smaller, but for the flags: so the length found is checked, not trusted.
    low, high = 0, min(longest, FIELD_LIMIT_BYTES)
    while low < high:
        middle = (low + high + 1) // 2
        if row_size(write_row(_cut_to(row, middle)[0])) <= limit:
            low = middle
        else:
            high = middle - 1
    shorter, names = _cut_to(row, low)
    if (size := row_size(write_row(shorter))) > limit:
        raise RowError(f"the row has {size:,} bytes even with all its texts cut, a request may have {limit:,}")
    return shorter, names


def _cut_to(row: EditedRow, length: int) -> tuple[EditedRow, list[str]]:
    shorter, names = dict(row), list[str]()
    for name, value in row.items():
        if name in _NEVER_CUT or _length(value) <= length:
            continue
        # JSON that lost its end is a text.
        data = value.encode() if isinstance(value, str) else value
        shorter[name] = data[:length].decode(errors="ignore")
        names.append(name)
    had = row.get(_FLAGS, "")
    flags = (had if isinstance(had, str) else "").split(FLAG_SEPARATOR)
    flags += [flag for flag in (f"truncated:{name}" for name in names) if flag not in flags]
    if names:
        shorter[_FLAGS] = FLAG_SEPARATOR.join(flag for flag in flags if flag)
    return shorter, names


def _length(value: str | bytes) -> int:
    """Bytes of what can be cut: a text, or JSON with something inside."""
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if value[:1] in b"{[" else 0


def _value(name: str, raw: bytes, schema: TableSchema) -> str | bytes | None:
    kind = schema.writable.get(name)
    if name in _STAMPED:
        raise RowError(f"column {name} is stamped when the row is sent; leave it out")
    if kind is None:
        raise RowError(_unknown(name, schema))
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RowError(f"column {name} holds no JSON value that can be sent ({error})") from error
    if value is None:
        return None
    checked = _CHECKS[kind](value, raw)
    if checked is None:
        shown = msgspec.json.encode(value).decode() if not isinstance(value, int) else str(value)
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
        raise RowError(f"column {name} takes {_TAKES[kind]}, not {shown}")
    if kind == "datetime" and schema.plan == "Auxiliary" and isinstance(checked, bytes) and b"." not in checked:
        return checked[:-2] + b'.000000Z"'
    return checked


def _unknown(name: str, schema: TableSchema) -> str:
    if name in schema.system_columns:
        return f"column {name} is filled by the service; leave it out"
    folded = {known.casefold(): known for known in schema.writable}
    near = difflib.get_close_matches(name.casefold(), folded, 1)
    hint = f"; is {folded[near[0]]} meant?" if near else ""
    return f"table {schema.name} has no column {name}, the workspace would drop it{hint}"


def _text(value: object, _raw: bytes) -> str | bytes | None:
    return value if isinstance(value, str) else None


def _dynamic(value: object, raw: bytes) -> str | bytes | None:
    if isinstance(value, str):
        return value
    text = as_json(pl.Series([raw.decode()])).item()
    return msgspec.json.decode(text) if text.startswith('"') else text.encode()


def _flag(value: object, raw: bytes) -> bytes | None:
    return raw if isinstance(value, bool) else None


def _whole(bits: int) -> Callable[[object, bytes], bytes | None]:
    bound = 1 << (bits - 1)
    return lambda value, raw: raw if type(value) is int and -bound <= value < bound else None


def _real(value: object, raw: bytes) -> bytes | None:
    if type(value) is int:
        return raw if abs(value) < 1 << 1023 else None
    return raw if isinstance(value, float) else None


def _instant(value: object, _raw: bytes) -> bytes | None:
    """An instant as `render` writes it: UTC, with six decimals where it has any."""
    if not (isinstance(value, str) and _INSTANT.fullmatch(value)):
        return None
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or one outside the calendar
        return None
    written = moment.replace(tzinfo=None).isoformat()  # decimals only where there are any
    return f'"{written}Z"'.encode()


_CHECKS: dict[str, Callable[[object, bytes], "str | bytes | None"]] = {
    "string": _text,
    "guid": _text,
    "dynamic": _dynamic,
    "bool": _flag,
    "int": _whole(32),
    "long": _whole(64),
    "real": _real,
    "datetime": _instant,
}
_TAKES = {
    "string": "a text",
    "guid": "a text",
    "dynamic": "a JSON value",
    "bool": "true or false",
    "int": "a whole number of 32 bits",
    "long": "a whole number of 64 bits",
    "real": "a number",
    "datetime": "an instant with its zone, such as 2026-11-20T07:00:00Z",
}
