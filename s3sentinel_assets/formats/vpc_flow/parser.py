"""VPC flow log files → lines → frames.

Belongs here: recognising the format, headers, cutting into lines, quarantining bad ones. Does not belong here: the
table's columns (``columns``) and the entities (``entities``).

Without a header a file has the default fields of version 2. A header in the middle (files joined together) is obeyed.
Lines of many small files with one field order are parsed together.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.frames import FLAGS, OBJECT, ORDINAL
from s3sentinel_assets.formats.model import FormatParser, ParsedFrame, Reading, Verdict
from s3sentinel_assets.formats.vpc_flow.columns import to_rows
from s3sentinel_assets.formats.vpc_flow.entities import to_entities
from s3sentinel_assets.formats.vpc_flow.fields import DEFAULT_ORDER, FieldOrder, default_order, read_header
from s3sentinel_assets.formats.vpc_flow.lines import parse_fast, parse_lines

__all__ = ["VpcFlowParser"]

_BOM = b"\xef\xbb\xbf"
_BLOCK = 8 << 20
_LINE_END = ord("\n")
_DIGIT = re.compile(rb"[0-9]")


@dataclass(frozen=True)
class _Lines:
    """Whole lines of one object.

    Attributes:
        reading: the object.
        offset: decoded offset of the first byte.
        data: the bytes, ending in a line end.
    """

    reading: Reading
    offset: int
    data: bytes


class VpcFlowParser(FormatParser):
    """Parses VPC flow logs in text form."""

    name: ClassVar[str] = "vpc_flow"
    title: ClassVar[str] = "a VPC flow log"
    table: ClassVar[str] = "AWSVPCFlow"

    def __init__(self, *, block: int = _BLOCK) -> None:
        """``block``: decoded bytes parsed at once."""
        super().__init__()
        self._block = block
        self._order = default_order()
        self._held: list[_Lines] = []
        self._held_bytes = 0
        self._frames: list[pl.DataFrame] = []
        self._identities: dict[int, str] = {}

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """A header line of known fields, or lines with the shape of the default fields."""
        lines = head.removeprefix(_BOM).split(b"\n")
        whole = [line for line in (lines[:-1] or lines) if line.strip()]
        if not whole:
            return Verdict(0.0, "it has no line")
        order = read_header(whole[0])
        if order is not None:
            return Verdict(0.99, f"a header with {len(order.fields) - len(order.unplaced)} flow log fields")
        shaped = sum(_default_shape(line.split()) for line in whole[:50])
        if shaped:
            share = shaped / len(whole[:50])
            return Verdict(0.4 + 0.5 * share, f"{shaped} of {len(whole[:50])} lines have the default 14 fields")
        if len(lines) == 1 and read_header(lines[0].rpartition(b" ")[0]):
            return Verdict(0.5, "a header cut short")
        return Verdict(0.0, "neither a header of flow log fields nor lines with the default 14 fields")

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's lines; see `FormatParser.read`."""
        self._identities[reading.object_id] = reading.identity
        offset, first = 0, True
        held: list[bytes] = []
        size = 0
        for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size < self._block and not first:
                continue
            data = b"".join(held)
            end = data.rfind(b"\n") + 1
            if not end and size < self._block:
                continue
            # A line without an end is cut, and rejected, rather than held for ever.
            end = end or size
            whole = data[:end] if data[end - 1] == _LINE_END else data[:end] + b"\n"
            self._add(reading, offset, whole, start=first)
            held, size, offset, first = [data[end:]], size - end, offset + end, False
            yield
        rest = b"".join(held)
        end = rest.rfind(b"\n") + 1
        whole, last = rest[:end], rest[end:]
        if last and not reading.cut:
            whole, last = rest + b"\n", b""
        if whole:
            self._add(reading, offset, whole, start=first)
        if reading.cut:
            self._parse_held()  # counts the lines, so that the lost tail comes after them
            # A line that the cut may have shortened is never taken for a good one.
            reading.lose_tail(offset + end, *reading.cut, last)
        yield

    def _switch(self, order: FieldOrder) -> None:
        if order != self._order:
            self._parse_held()
            self._order = order

    def _add(self, reading: Reading, offset: int, data: bytes, *, start: bool) -> None:
        """Holds whole lines for parsing; the first ones of an object may begin with BOM and header."""
        self.pending_bytes += len(data)
        if start:
            skipped = len(_BOM) if data.startswith(_BOM) else 0
            while data[skipped : skipped + 1] in (b"\n", b"\r"):
                skipped += 1
            end = data.find(b"\n", skipped) + 1
            order = read_header(data[skipped:end])
            self._switch(order or default_order())
            if order is not None:
                _remark_unplaced(reading, order)
                skipped = end
            data, offset = data[skipped:], offset + skipped
        if data:
            self._held.append(_Lines(reading, offset, data))
            self._held_bytes += len(data)
        if self._held_bytes >= self._block:
            self._parse_held()

    def _parse_held(self) -> None:
        """Parses what is held: all of it at once, else object by object, else line by line."""
        held, self._held, self._held_bytes = self._held, [], 0
        if not held or self._parse_together(held, self._order):
            return
        # An object may change the order in its middle; that holds for its own later lines only.
        orders: dict[int, FieldOrder] = {}
        for lines in held:
            order = orders.get(lines.reading.object_id, self._order)
            if len(held) == 1 or not self._parse_together([lines], order):
                order = self._parse_slowly(lines, order)
            orders[lines.reading.object_id] = order
        self._order = orders[held[-1].reading.object_id]

    def _parse_together(self, held: list[_Lines], order: FieldOrder) -> bool:
        """Parses lines that are good throughout; False, with nothing done, when they may not be."""
        counts = [lines.data.count(b"\n") for lines in held]
        frame = parse_fast(b"".join(lines.data for lines in held), sum(counts), order)
        if frame is None:
            return False
        spans = [(lines.reading, lines.reading.count(count), count) for lines, count in zip(held, counts, strict=True)]
        self._keep(
            frame.with_columns(pl.lit(None, dtype=pl.String).alias(FLAGS)),
            pl.concat([_repeated(reading.object_id, count) for reading, _, count in spans]),
            pl.concat([pl.int_range(first, first + count, dtype=pl.Int64, eager=True) for _, first, count in spans]),
        )
        return True

    def _keep(self, frame: pl.DataFrame, objects: pl.Series, ordinals: pl.Series) -> None:
        self._frames.append(frame.with_columns(objects.alias(OBJECT), ordinals.alias(ORDINAL)))

    def _parse_slowly(self, lines: _Lines, order: FieldOrder) -> FieldOrder:
        """Lines among which some may be bad, blank or headers; gives the order that holds at their end."""
        kept: list[bytes] = []
        offsets: list[int] = []
        at = lines.offset
        for line in lines.data.split(b"\n")[:-1]:
            # Headers are rare, and their names hold no digits: look closely at few lines.
            stated = read_header(line) if not _DIGIT.search(line) or b"srcaddr" in line else None
            if stated is not None:
                self._parse_picked(lines.reading, kept, offsets, order)
                kept, offsets, order = [], [], stated
                _remark_unplaced(lines.reading, stated)
            elif line.strip():
                kept.append(line)
                offsets.append(at)
            at += len(line) + 1
        self._parse_picked(lines.reading, kept, offsets, order)
        return order

    def _parse_picked(self, reading: Reading, lines: list[bytes], offsets: list[int], order: FieldOrder) -> None:
        if not lines:
            return
        first = reading.count(len(lines))
        frame, good, bad = parse_lines(lines, order)
        for line in bad:
            reading.reject(first + line.index, offsets[line.index], line.reason, line.detail, lines[line.index])
        if good:
            self._keep(frame, _repeated(reading.object_id, len(good)), pl.Series(good, dtype=pl.Int64) + first)

    def take(self) -> ParsedFrame | None:
        """The rows gathered since the last call; see `FormatParser.take`."""
        self._parse_held()
        frames, self._frames = self._frames, []
        self.pending_bytes = 0
        if not frames:
            return None
        # One chunk: Polars copies frames of several chunks whenever they are queried.
        raw = pl.concat(frames, how="diagonal", rechunk=True)
        del frames
        rows = to_rows(raw, self._identities)
        return ParsedFrame(self.name, self.table, rows, to_entities(rows))


def _repeated(object_id: int, count: int) -> pl.Series:
    return pl.repeat(object_id, count, dtype=pl.Int64, eager=True)


def _remark_unplaced(reading: Reading, order: FieldOrder) -> None:
    if order.unplaced:
        reading.remark(f"{len(order.unplaced)} fields have no column in the table: {', '.join(order.unplaced)}")


def _default_shape(fields: list[bytes]) -> bool:
    """Whether the fields of a line could be those of version 2."""
    return (
        len(fields) == len(DEFAULT_ORDER)
        and fields[0].isdigit()
        and fields[2].startswith(b"eni-")
        and fields[13] in (b"OK", b"NODATA", b"SKIPDATA")
    )
