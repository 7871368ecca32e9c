"""Objects of lines → frames, whatever the lines hold.

Belongs here: cutting decoded bytes into lines, header lines, gathering the lines of many small files that are parsed
alike, choosing between the fast and the careful way, quarantine and strays. Does not belong here: what a line means.

Lines end with LF or CRLF; a BOM at the start and blank lines are skipped. A line longer than a block is rejected as one
record (``line_too_long``). Bytes that are not UTF-8 are replaced by U+FFFD and flagged ``invalid_utf8``.
"""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import ClassVar, Generic, Literal, TypeVar

import polars as pl

from s3sentinel_assets.formats.frames import FLAGS, OBJECT, ORDINAL, null_column
from s3sentinel_assets.formats.frames import flags as join_flags
from s3sentinel_assets.formats.instants import EVENT_YEARS
from s3sentinel_assets.formats.line_logs.quotes import count_byte
from s3sentinel_assets.formats.line_logs.stretches import HeldLines, ParsedLines, in_order
from s3sentinel_assets.formats.mapping import TIME, to_frames
from s3sentinel_assets.formats.model import FormatParser, ParsedFrame, ParseOptions, Reading, Stray, Strays
from s3sentinel_assets.formats.rejects import REJECT_DATA_BYTES

__all__ = ["BadLine", "CarefulLines", "LineParser"]

BOM = b"\xef\xbb\xbf"
_BLOCK = 8 << 20
_LF = ord("\n")

Layout = TypeVar("Layout", bound=Hashable)


@dataclass(frozen=True)
class BadLine:
    """A line that no row can be made of.

    Attributes:
        index: its place among the lines given.
        reason: slug, such as ``field_count``.
        detail: one sentence.
        stray: whether it may be a line of another format.
    """

    index: int
    reason: str
    detail: str
    stray: bool = True


@dataclass(frozen=True)
class CarefulLines:
    """Lines parsed one by one.

    Attributes:
        frame: a row for each good line, columns as the fast way makes them; may have ``_flags``.
        good: the index of each row's line, ascending.
        bad: the other lines.
    """

    frame: pl.DataFrame
    good: Sequence[int]
    bad: Sequence[BadLine] = ()


class LineParser(FormatParser, Generic[Layout]):
    """A format with one record a line.

    A *layout* is what must be known to read a line: mostly the order of fields, which a header line may state. Raw
    columns have the same type whatever the layout.

    A format says, beside what `FormatParser` asks: `first_layout`, `parse_all`, `parse_each`, `time`, and where it has
    header or comment lines `header`; `prepare` adds computed columns.
    """

    family: ClassVar[Literal["lines", "json"]] = "lines"
    #: Whether the raw column ``_line`` shall hold each line's text.
    keep_line: ClassVar[bool] = False
    #: Whether `parse_all` itself gives None where a header or comment stands among the lines.
    finds_headers: ClassVar[bool] = False

    def __init__(
        self, options: ParseOptions | None = None, strays: Strays | None = None, *, block: int = _BLOCK
    ) -> None:
        """Prepares to parse; ``block``: decoded bytes parsed at once, and the longest line."""
        super().__init__(options, strays)
        self._block = block
        self._held: dict[Layout, list[HeldLines]] = {}  # by layout: files of several layouts often take turns
        self._held_bytes = 0
        self._numbers = count()
        self._layouts: dict[int, Layout] = {}  # of each object, as its last parsed line left it
        self._parsed: list[ParsedLines] = []
        self._identities: dict[int, str] = {}

    @abstractmethod
    def first_layout(self, reading: Reading) -> Layout:
        """The layout of an object before any header line."""

    def header(self, line: bytes, layout: Layout) -> Layout | None:  # noqa: ARG002 - for formats that have headers
        """The layout that holds behind ``line`` if it is a header or a comment; None: it is a record."""
        return None

    def may_have_header(self, data: bytes) -> bool:  # noqa: ARG002
        """Whether `header` should be asked about the lines of ``data``; must be cheap, and wrong in one way only."""
        return False

    @abstractmethod
    def parse_all(self, data: bytes, lines: int, layout: Layout) -> pl.DataFrame | None:
        """All lines at once, the fast way.

        Args:
            data: whole lines, each ending in LF.
            lines: how many.
            layout: of all of them.

        Returns:
            A row for each line; None when any line may be bad or needs flags.
        """

    @abstractmethod
    def parse_each(self, lines: Sequence[str], layout: Layout) -> CarefulLines:
        """Lines among which some may be bad."""

    @abstractmethod
    def time(self, frame: pl.DataFrame, layout: Layout) -> pl.Series:
        """When each record happened, Datetime(us, UTC); null where that cannot be told."""

    def no_time(self, frame: pl.DataFrame, row: int) -> str:  # noqa: ARG002
        """Why the record in ``row`` has no time, as a sentence."""
        return f"the line has no time {EVENT_YEARS}"

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the columns that mappings need and lines do not have as such."""
        return raw

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's lines; see `FormatParser.read`."""
        self._identities[reading.object_id] = reading.identity
        self._layouts[reading.object_id] = self.first_layout(reading)
        offset, first = 0, True
        begun: list[bytes] = []  # of a line whose end has not come yet
        size = 0
        for chunk in chunks:
            end = chunk.rfind(b"\n") + 1
            if not end:
                # Of a line that is too long, only what quarantine keeps is held.
                begun += [chunk] if size <= self._block else []
                size += len(chunk)
                continue
            start = 0
            if size:
                start = chunk.find(b"\n") + 1
                if size + start > self._block:
                    begun += [chunk[:start]] if size <= self._block else []
                    self._too_long(reading, offset, b"".join(begun), size + start - 1)
                    offset, begun, size, first = offset + size + start, [], 0, False
                else:
                    start = 0
            if start < end:
                pieces, whole = (*begun, memoryview(chunk)[start:end]), size + end - start
                self._add(reading, offset, pieces, count_byte(pieces[-1], _LF), start=first)
                offset, first = offset + whole, False
            rest = chunk[end:]
            begun, size = ([rest] if rest else []), len(rest)
            yield
        last = b"".join(begun)
        if reading.cut:
            self._parse_all_held()  # counts the lines, so that the lost tail comes after them
            # A line that the cut may have shortened is never taken for a good one.
            reading.lose_tail(offset, *reading.cut, last)
        elif size > self._block:
            self._too_long(reading, offset, last, size)
        elif last.strip():
            self._add(reading, offset, (last, b"\n"), 1, start=first)
        yield

    def _too_long(self, reading: Reading, offset: int, data: bytes, size: int) -> None:
        self._parse_all_held()
        detail = f"the line has {size:,} bytes; at most {self._block:,} are read as one"
        kept = data[: REJECT_DATA_BYTES + 1].rstrip(b"\r\n")
        reading.reject(reading.count(1), offset, "line_too_long", detail, kept)

    def _add(
        self, reading: Reading, offset: int, pieces: tuple[bytes | memoryview, ...], lines: int, *, start: bool
    ) -> None:
        """Holds whole lines for parsing; the first ones of an object may begin with BOM and headers."""
        layout = self._layouts[reading.object_id]
        size = sum(map(len, pieces))
        self.pending_bytes += size
        if start:
            data = b"".join(pieces)
            begin = len(BOM) if data.startswith(BOM) else 0
            while begin < len(data):
                end = data.find(b"\n", begin) + 1
                line = data[begin : end - 1].rstrip(b"\r")
                if line.strip():
                    stated = self.header(line, layout)
                    if stated is None:
                        break
                    reading.header += line + b"\n"
                    layout = stated
                begin = end
            pieces, lines = (memoryview(data)[begin:],), lines - data.count(b"\n", 0, begin)
            offset, size = offset + begin, size - begin
            self._layouts[reading.object_id] = layout
        if size:
            held = HeldLines(reading, next(self._numbers), offset, pieces, lines)
            self._held.setdefault(layout, []).append(held)
            self._held_bytes += size
        if self._held_bytes >= self._block:
            self._parse_all_held()

    def _parse_all_held(self) -> None:
        for layout in list(self._held):
            self._parse_held(layout)

    def _parse_held(self, layout: Layout) -> None:
        """Parses what is held of one layout: all of it at once, else stretch by stretch, else line by line."""
        held = self._held.pop(layout, [])
        self._held_bytes -= sum(lines.size for lines in held)
        if not held or self._parse_together(held, layout):
            return
        # An object may change the layout in its middle; that holds for its own later lines only.
        now: dict[int, Layout] = {}
        for lines in held:
            object_id = lines.reading.object_id
            current = now.get(object_id, layout)
            if len(held) == 1 or not self._parse_together([lines], current):
                current = self._parse_slowly(lines, current)
            now[object_id] = current
        self._layouts |= now

    def _parse_together(self, held: list[HeldLines], layout: Layout) -> bool:
        """Parses lines that are good throughout; False, with nothing done, when they may not be."""
        data = b"".join(piece for lines in held for piece in lines.pieces)
        if not self.finds_headers and self.may_have_header(data):
            return False
        if b"\r" in data:  # one byte is found ten times faster than two
            data = data.replace(b"\r\n", b"\n")
        total = sum(lines.count for lines in held)
        frame = self.parse_all(data, total, layout)
        if frame is None or frame.height != total:
            return False
        time = self.time(frame, layout)
        if time.null_count():
            return False
        places = pl.DataFrame(
            [(lines.reading.object_id, lines.reading.count(lines.count), lines.count) for lines in held],
            schema=dict.fromkeys((OBJECT, ORDINAL, "count"), pl.Int64()),
            orient="row",
        ).select(
            pl.col(OBJECT).repeat_by("count").explode(),
            pl.int_ranges(ORDINAL, pl.col(ORDINAL) + pl.col("count")).explode().alias(ORDINAL),
        )
        made = frame.with_columns(time.alias(TIME), null_column(pl.String(), total).alias(FLAGS)).hstack(places)
        if self.keep_line:
            made = made.with_columns(pl.Series("_line", data.decode().split("\n")[:-1], dtype=pl.String))
        self._parsed.append(ParsedLines(made, [(lines.number, lines.count) for lines in held]))
        return True

    def _parse_slowly(self, held: HeldLines, layout: Layout) -> Layout:
        """Lines among which some may be bad, blank or headers; gives the layout that holds at their end."""
        data = b"".join(held.pieces)
        reading, headers, at = held.reading, self.may_have_header(data), held.offset
        now, told = layout, b""  # what the next line is to be read by, and the headers that said so
        lines, offsets = list[bytes](), list[int]()
        for line in data.split(b"\n")[:-1]:
            text = line.removesuffix(b"\r")
            blank = not text or text.isspace()
            stated = self.header(text, now) if headers and not blank else None
            if stated is not None:
                told += text + b"\n" if stated != now or not reading.header else b""
                now = stated
            elif not blank:
                # Files put together say the same again and again: that parts no lines.
                if now != layout:
                    self._parse_picked(held, lines, offsets, layout)
                    lines, offsets, layout = [], [], now
                    _tell(reading, told)
                elif not reading.header:
                    _tell(reading, told)
                told = b""
                lines.append(text)
                offsets.append(at)
            at += len(line) + 1
        self._parse_picked(held, lines, offsets, layout)
        _tell(reading, told)
        return now

    def _parse_picked(self, held: HeldLines, lines: list[bytes], offsets: list[int], layout: Layout) -> None:
        if not lines:
            return
        reading = held.reading
        first = reading.count(len(lines))
        bad = self._keep_good(reading, held.number, lines, range(first, first + len(lines)), layout)
        refused = [
            (line, Stray(first + line.index, offsets[line.index], lines[line.index], line.reason, line.detail))
            for line in bad
        ]
        strays = [stray for line, stray in refused if line.stray]
        left = [*self.offer_strays(reading, strays)] if strays else []
        left += [stray for line, stray in refused if not line.stray]
        for stray in sorted(left, key=lambda stray: stray.ordinal):
            reading.reject(stray.ordinal, stray.offset, stray.reason, stray.detail, stray.data)

    def _keep_good(
        self, reading: Reading, number: int, lines: Sequence[bytes], ordinals: Sequence[int], layout: Layout
    ) -> list[BadLine]:
        """Keeps the rows of the lines that are good; gives the others."""
        texts, mended = _decoded(lines)
        found = self.parse_each(texts, layout)
        bad, good, frame = list(found.bad), list(found.good), found.frame
        if FLAGS not in frame.columns:
            frame = frame.with_columns(null_column(pl.String(), frame.height).alias(FLAGS))
        time = self.time(frame, layout) if frame.height else pl.Series([], dtype=pl.Datetime("us", "UTC"))
        frame = frame.with_columns(time.alias(TIME))
        if time.null_count():
            bad += [
                BadLine(good[row], "no_event_time", self.no_time(frame, row), stray=False)
                for row in time.is_null().arg_true()
            ]
            good = [index for index, timed in zip(good, time.is_not_null(), strict=True) if timed]
            frame = frame.filter(time.is_not_null())
        if good:
            if mended:
                told = pl.Series("told", ["invalid_utf8" if index in mended else None for index in good], pl.String())
                frame = frame.with_columns(told).with_columns(join_flags(pl.col(FLAGS), pl.col("told")).alias(FLAGS))
                frame = frame.drop("told")
            added = [
                pl.Series(OBJECT, [reading.object_id], dtype=pl.Int64).new_from_index(0, len(good)),
                pl.Series(ORDINAL, [ordinals[index] for index in good], dtype=pl.Int64),
            ]
            if self.keep_line:
                added.append(pl.Series("_line", [texts[index] for index in good], dtype=pl.String))
            self._parsed.append(ParsedLines(frame.hstack(added), [(number, len(good))]))
        return sorted(bad, key=lambda line: line.index)

    def adopt(self, reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:
        """Takes the lines that are of this format; see `FormatParser.adopt`."""
        self._identities[reading.object_id] = reading.identity
        ordinals = [stray.ordinal for stray in strays]
        lines = [stray.data for stray in strays]
        layout = self.first_layout(reading)
        if self._adopt_all(reading, lines, ordinals, layout):
            return ()
        bad = self._keep_good(reading, next(self._numbers), lines, ordinals, layout)
        left = {line.index for line in bad}
        self.pending_bytes += sum(len(stray.data) for index, stray in enumerate(strays) if index not in left)
        return [strays[index] for index in sorted(left)]

    def _adopt_all(self, reading: Reading, lines: Sequence[bytes], ordinals: Sequence[int], layout: Layout) -> bool:
        """Takes lines that are good throughout, the fast way; False, with nothing done, when they may not be."""
        data = b"\n".join(lines) + b"\n"
        if b"\r" in data or data.count(b"\n") != len(lines) or (not self.finds_headers and self.may_have_header(data)):
            return False
        frame = self.parse_all(data, len(lines), layout)
        if frame is None or frame.height != len(lines):
            return False
        time = self.time(frame, layout)
        if time.null_count():
            return False
        made = frame.with_columns(
            time.alias(TIME),
            null_column(pl.String(), len(lines)).alias(FLAGS),
            pl.Series(OBJECT, [reading.object_id], dtype=pl.Int64).new_from_index(0, len(lines)),
            pl.Series(ORDINAL, ordinals, dtype=pl.Int64),
        )
        if self.keep_line:
            made = made.with_columns(pl.Series("_line", data.decode().split("\n")[:-1], dtype=pl.String))
        self._parsed.append(ParsedLines(made, [(next(self._numbers), len(lines))]))
        self.pending_bytes += len(data)
        return True

    def take(self) -> list[ParsedFrame]:
        """The rows gathered since the last call; see `FormatParser.take`."""
        self._parse_all_held()
        parsed, self._parsed = self._parsed, []
        self.pending_bytes = 0
        if not parsed:
            return []
        raw = in_order(parsed)
        del parsed
        return to_frames(self.name, self.mappings, self.prepare(raw), self._identities)


def _tell(reading: Reading, told: bytes) -> None:
    """Keeps header lines with the rejects to come, as many as one of these can hold."""
    if len(reading.header) <= REJECT_DATA_BYTES:
        reading.header += told


def _decoded(lines: Sequence[bytes]) -> tuple[list[str], set[int]]:
    """The lines as text, and the indices of those that were not UTF-8."""
    texts, mended = list[str](), set[int]()
    with suppress(UnicodeDecodeError):
        texts = b"\n".join(lines).decode().split("\n")
        if len(texts) == len(lines):  # a stray may have line ends in it
            return texts, mended
    texts = []
    for index, line in enumerate(lines):
        try:
            texts.append(line.decode())
        except UnicodeDecodeError:
            texts.append(line.decode(errors="replace"))
            mended.add(index)
    return texts, mended
