"""The file of rows that fit no body: one row a line, headed by where the row belongs.

Belongs here: writing and reading such a line. Does not belong here: when a row fits no body (``packing``), which dead
letter a line is of (``dead_rows``).

A line is ``{"_dead_letter":{"row":7,"table":…,"dcr_id":…,"stream":…,"kind":"rows","route":null},"EventId_CF":…}``.
Files of earlier plans have no header: in them rows come in order, and none was routed.
"""

from dataclasses import dataclass

import msgspec

from s3sentinel_assets.ledger.schema import BatchKind

__all__ = ["HEADER", "RowTarget", "members", "read_reject_line", "reject_line"]

#: What stands before the columns of a row that is kept in a file.
HEADER = "_dead_letter"

_Line = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class RowTarget:
    """Where a row goes: table, stream and rule, as what, and sent there by which routing rule."""

    table: str
    dcr_id: str
    stream: str
    kind: BatchKind = BatchKind.ROWS
    route: str | None = None


class _Header(msgspec.Struct):
    row: int
    table: str
    dcr_id: str
    stream: str
    kind: str
    route: str | None


def reject_line(tail: str, row: int, target: RowTarget) -> bytes:
    """The line of a row, with its line end.

    Args:
        tail: from `render.render_rows`.
        row: its number, as its dead letter has it.
        target: where it would have gone.
    """
    header = _Header(row, target.table, target.dcr_id, target.stream, target.kind.value, target.route)
    return b'{"' + HEADER.encode() + b'":' + msgspec.json.encode(header) + tail.encode() + b"}\n"


def read_reject_line(line: bytes) -> tuple[int | None, RowTarget | None, bytes]:
    """The row's number, its target and its tail; None where the line has no header.

    Raises:
        ValueError: this is no such line.
    """
    try:
        row = _Line.decode(line)
        raw = row.pop(HEADER, None)
        header = None if raw is None else msgspec.json.decode(raw, type=_Header)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    if header is None:
        return None, None, members(row)
    target = RowTarget(header.table, header.dcr_id, header.stream, BatchKind(header.kind), header.route)
    return header.row, target, members(row)


def members(row: dict[str, msgspec.Raw]) -> bytes:
    """The tail of a row: every member as it was written, behind a comma."""
    return b"".join(b"," + msgspec.json.encode(name) + b":" + bytes(value) for name, value in row.items())
