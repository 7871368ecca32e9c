"""VPC flow log files → lines → frames.

Belongs here: recognising the format, headers, cutting into lines, quarantining bad ones. Does not belong here: the
table's columns (``columns``) and the entities (``entities``).

JSON lines, which Parquet files decode to, are turned into text lines first (``json_lines``).

Without a header a file has the default fields of version 2. A header in the middle (files joined together) is obeyed.
Lines of many small files with one field order are parsed together.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import ClassVar, Literal

import polars as pl

from s3sentinel_assets.formats.frames import FLAGS, OBJECT, ORDINAL, null_column
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import FormatParser, ParsedFrame, ParseOptions, Reading, Strays, Verdict
from s3sentinel_assets.formats.vpc_flow.columns import to_rows
from s3sentinel_assets.formats.vpc_flow.entities import to_entities
from s3sentinel_assets.formats.vpc_flow.fields import DEFAULT_ORDER, FieldOrder, default_order, read_header
from s3sentinel_assets.formats.vpc_flow.json_lines import as_text, count_known, starts_object
from s3sentinel_assets.formats.vpc_flow.lines import parse_fast, parse_lines
from s3sentinel_assets.formats.line_logs.stretches import HeldLines, ParsedLines, in_order

__all__ = ["VpcFlowParser"]

_BOM = b"\xef\xbb\xbf"
_BLOCK = 8 << 20
_DIGIT = re.compile(rb"[0-9]")


class VpcFlowParser(FormatParser):
    """Parses VPC flow logs: text, Parquet, JSON lines."""

    name: ClassVar[str] = "vpc_flow"
    title: ClassVar[str] = "a VPC flow log"
    family: ClassVar[Literal["lines", "json"]] = "lines"
    native: ClassVar[tuple[TableMapping, ...]] = (TableMapping("AWSVPCFlow", {}, {}),)

    def __init__(
        self, options: ParseOptions | None = None, strays: Strays | None = None, *, block: int = _BLOCK
    ) -> None:
        """``block``: decoded bytes parsed at once."""
        super().__init__(options, strays)
        self._block = block
        self._held: dict[FieldOrder, list[HeldLines]] = {}  # by order: files of several orders often take turns
        self._held_bytes = 0
        self._numbers = count()
        self._order, self._object_id = default_order(), 0  # of the object being read
        self._parsed: list[ParsedLines] = []
        self._identities: dict[int, str] = {}

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """A header line of known fields, or lines with the shape of the default fields."""
        lines = head.removeprefix(_BOM).split(b"\n")
        filled = (line for line in (lines[:-1] or lines) if line.strip())
        first = next(filled, None)
        if first is None:
            return Verdict(0.0, "it has no line")
        if starts_object(first):
            known = count_known(first)
            return Verdict(0.98 if known else 0.0, f"JSON lines with {known} flow log fields")
        order = read_header(first)
        if order is not None:
            return Verdict(0.99, f"a header with {len(order.fields) - len(order.unplaced)} flow log fields")
        whole = [first, *islice(filled, 49)]
        shaped = sum(_default_shape(line.split()) for line in whole)
        if shaped:
            share = shaped / len(whole)
            return Verdict(0.4 + 0.5 * share, f"{shaped} of {len(whole)} lines have the default 14 fields")
        if len(lines) == 1 and read_header(lines[0].rpartition(b" ")[0]):
            return Verdict(0.5, "a header cut short")
        return Verdict(0.0, "neither a header of flow log fields nor lines with the default 14 fields")

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's lines; see `FormatParser.read`."""
        self._identities[reading.object_id] = reading.identity
        self._order, self._object_id = default_order(), reading.object_id
        offset, first = 0, True
        chunks = as_text(chunks, reading, self._block)
        begun: list[bytes] = []  # of a line whose end has not come yet
        size = 0
        for chunk in chunks:
            end = chunk.rfind(b"\n") + 1
            if not end:
                begun.append(chunk)
                size += len(chunk)
                if size < self._block:
                    continue
                # A line without an end is cut, and rejected, rather than held for ever.
                pieces, whole, rest, lines = (*begun, b"\n"), size, b"", 1
            else:
                pieces, whole, rest = (*begun, memoryview(chunk)[:end]), size + end, chunk[end:]
                lines = chunk.count(b"\n", 0, end)
            self._add(reading, offset, pieces, lines, start=first)
            begun, size, offset, first = [rest] if rest else [], len(rest), offset + whole, False
            yield
        last = b"".join(begun)
        if last and not reading.cut:
            self._add(reading, offset, (last, b"\n"), 1, start=first)
        if reading.cut:
            self._parse_held(self._order)  # counts the lines, so that the lost tail comes after them
            # A line that the cut may have shortened is never taken for a good one.
            reading.lose_tail(offset, *reading.cut, last)
        yield

    def _add(
        self, reading: Reading, offset: int, pieces: tuple[bytes | memoryview, ...], lines: int, *, start: bool
    ) -> None:
        """Holds whole lines for parsing; the first ones of an object may begin with BOM and header."""
        size = sum(map(len, pieces))
        self.pending_bytes += size
        if start:
            data = b"".join(pieces)
            begin = _after_blank(data)
            end = data.find(b"\n", begin) + 1
            order = read_header(data[begin:end])
            if order is not None:
                self._order, begin = order, end
                _remark_unplaced(reading, order)
            pieces, lines = (memoryview(data)[begin:],), lines - data.count(b"\n", 0, begin)
            offset, size = offset + begin, size - begin
        if size:
            held = HeldLines(reading, next(self._numbers), offset, pieces, lines)
            self._held.setdefault(self._order, []).append(held)
            self._held_bytes += size
        if self._held_bytes >= self._block:
            self._parse_all()

    def _parse_all(self) -> None:
        for order in list(self._held):
            self._parse_held(order)

    def _parse_held(self, order: FieldOrder) -> None:
        """Parses what is held of one order: all of it at once, else stretch by stretch, else line by line."""
        held = self._held.pop(order, [])
        self._held_bytes -= sum(len(piece) for lines in held for piece in lines.pieces)
        if not held or self._parse_together(held, order):
            return
        # An object may change the order in its middle; that holds for its own later lines only.
        orders: dict[int, FieldOrder] = {}
        for lines in held:
            now = orders.get(lines.reading.object_id, order)
            if len(held) == 1 or not self._parse_together([lines], now):
                now = self._parse_slowly(lines, now)
            orders[lines.reading.object_id] = now
        self._order = orders.get(self._object_id, self._order)

    def _parse_together(self, held: list[HeldLines], order: FieldOrder) -> bool:
        """Parses lines that are good throughout; False, with nothing done, when they may not be."""
        total = sum(lines.count for lines in held)
        frame = parse_fast(b"".join(piece for lines in held for piece in lines.pieces), total, order)
        if frame is None:
            return False
        places = pl.DataFrame(
            [(lines.reading.object_id, lines.reading.count(lines.count), lines.count) for lines in held],
            schema=dict.fromkeys((OBJECT, ORDINAL, "count"), pl.Int64()),
            orient="row",
        ).select(
            pl.col(OBJECT).repeat_by("count").explode(),
            pl.int_ranges(ORDINAL, pl.col(ORDINAL) + pl.col("count")).explode().alias(ORDINAL),
        )
        unflagged = null_column(pl.String(), total).alias(FLAGS)
        self._keep(frame.hstack([unflagged, *places]), order, [(lines.number, lines.count) for lines in held])
        return True

    def _keep(self, frame: pl.DataFrame, order: FieldOrder, spans: list[tuple[int, int]]) -> None:
        self._parsed.append(ParsedLines(frame.drop(order.unplaced) if order.unplaced else frame, spans))

    def _parse_slowly(self, lines: HeldLines, order: FieldOrder) -> FieldOrder:
        """Lines among which some may be bad, blank or headers; gives the order that holds at their end."""
        kept: list[bytes] = []
        offsets: list[int] = []
        at = lines.offset
        for line in b"".join(lines.pieces).split(b"\n")[:-1]:
            # Headers are rare, and their names hold no digits: look closely at few lines.
            stated = read_header(line) if not _DIGIT.search(line) or b"srcaddr" in line else None
            if stated is not None:
                self._parse_picked(lines, kept, offsets, order)
                kept, offsets, order = [], [], stated
                _remark_unplaced(lines.reading, stated)
            elif line.strip():
                kept.append(line)
                offsets.append(at)
            at += len(line) + 1
        self._parse_picked(lines, kept, offsets, order)
        return order

    def _parse_picked(self, source: HeldLines, lines: list[bytes], offsets: list[int], order: FieldOrder) -> None:
        if not lines:
            return
        reading = source.reading
        first = reading.count(len(lines))
        frame, good, bad = parse_lines(lines, order)
        for line in bad:
            reading.reject(first + line.index, offsets[line.index], line.reason, line.detail, lines[line.index])
        if good:
            objects = pl.Series(OBJECT, [reading.object_id], dtype=pl.Int64).new_from_index(0, len(good))
            ordinals = pl.Series(ORDINAL, good, dtype=pl.Int64) + first
            self._keep(frame.hstack([objects, ordinals]), order, [(source.number, len(good))])

    def take(self) -> list[ParsedFrame]:
        """The rows gathered since the last call; see `FormatParser.take`."""
        self._parse_all()
        parsed, self._parsed = self._parsed, []
        self.pending_bytes = 0
        if not parsed:
            return []
        raw = in_order(parsed)
        del parsed
        rows = to_rows(raw, self._identities)
        return [ParsedFrame(self.name, self.mappings[0].table, rows, to_entities(rows))]


def _after_blank(data: bytes) -> int:
    """Where the first line begins, behind a BOM and blank lines."""
    begin = len(_BOM) if data.startswith(_BOM) else 0
    while data[begin : begin + 1] in (b"\n", b"\r"):
        begin += 1
    return begin


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
