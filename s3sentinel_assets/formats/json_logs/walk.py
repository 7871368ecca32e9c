"""Walking through JSON content that is long, cut, damaged or made of several documents.

Belongs here: the state of one such walk — where in which array it stands, when to read on, where to take up again after
damage. Does not belong here: content that is good JSON as a whole (``records`` splits that in one go).
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from s3sentinel_assets.formats.json_logs.scan import INCOMPLETE, MISMATCH, skip, value_end
from s3sentinel_assets.formats.json_logs.starts import RecordStarts, start_like
from s3sentinel_assets.formats.rejects import REJECT_DATA_BYTES

__all__ = ["BOM", "BrokenRecord", "RecordRun", "Walk"]

BOM = b"\xef\xbb\xbf"
_BETWEEN = re.compile(rb"[ \t\r\n,]*")
_LINE_START = re.compile(rb"\n(?=[\[{])")
# Where a long buffer may be cut; the piece before it is then proven by decoding it.
_SEAM = re.compile(rb"\}\s*,\s*(?=\{)")
# The boundary of two documents, and where a record may begin when nothing else tells.
_DOCUMENT_SEAM = re.compile(rb"\}\s*(?=\{)")
_NEXT_DOCUMENT = re.compile(rb"(?<=\})\s*\{")
_NEXT_ELEMENT = re.compile(rb"(?<=\})\s*,?\s*\{")
_SEAM_STRETCH = 64 << 10
_SEAM_TRIES = 16
_SMALL_STRETCH = 4 << 10
_DOCUMENT_SEAMS = 4
_RUN_RECORDS = 2_000
_KEYS_BEFORE_ARRAY = 64
# AWS caps an event at 256 KB.
_LONG_RECORD = 512 << 10
# Where a record is known to be open for so long, that is taken for _LONG_RECORD.
_KNOWN_OPEN = 64 << 10
# Windows that a record may span.
_LONGEST_RECORD = 4
# Bytes kept when a resync has to read on, so that a record's beginning is found across the boundary.
_OVERLAP = 256


@dataclass(frozen=True)
class RecordRun:
    """Consecutive whole records.

    Attributes:
        values: each record's JSON text.
        source: the bytes they were cut from.
        base: decoded offset of ``source``.
    """

    values: Sequence[bytes | msgspec.Raw]
    source: bytes
    base: int

    def offset(self, index: int) -> int:
        """Decoded byte offset of the record at ``index``; reckoned only when one must be named."""
        return self._offsets[index]

    def has_any(self, marks: tuple[bytes, ...]) -> bool:
        """Whether one of ``marks`` is in ``source``; looked for once, however many batches the run becomes."""
        if marks not in self._marks:
            self._marks[marks] = any(mark in self.source for mark in marks)
        return self._marks[marks]

    @functools.cached_property
    def _marks(self) -> dict[tuple[bytes, ...], bool]:
        return {}

    @functools.cached_property
    def _offsets(self) -> list[int]:
        found, floor = [], 0
        for value in self.values:
            text = bytes(value)
            start = self.source.find(text, floor)
            found.append(self.base + start)
            floor = start + len(text)
        return found


@dataclass(frozen=True)
class BrokenRecord:
    """A stretch that is no whole record.

    Attributes:
        data: its bytes.
        offset: decoded offset.
        tail: whether the content ends with it.
        detail: half a sentence.
    """

    data: bytes
    offset: int
    tail: bool
    detail: str


class Shape(Protocol):
    """What a walk must know of the content's format."""

    opening: re.Pattern[bytes]  # the wrapper key and its opening bracket
    wraps: bool  # whether there is such a key
    record_start: re.Pattern[bytes] | None  # the beginning of a record; None: like the records before
    window: int  # bytes held at once

    def decode_array(self, text: bytes) -> Sequence[msgspec.Raw] | None:
        """The elements of an array's inside, None when it is not well-formed."""
        ...

    def documents(self, text: bytes) -> Sequence[bytes | msgspec.Raw] | None:
        """The records of documents in a row; None when they must be walked through."""
        ...


class Walk:
    """One walk, from the first byte to the last."""

    def __init__(self, shape: Shape, data: bytes, more: Iterator[bytes], *, whole: bool) -> None:
        """Prepares a walk over ``data`` and then ``more``; ``whole`` says that nothing more comes."""
        self._shape = shape
        self._data = data
        self._more = more
        self._base = 0  # decoded offset of data[0]
        self._at = len(BOM) if data.startswith(BOM) else 0
        self._ended = whole
        self._in_array = False
        self._in_envelope = False
        self._no_stretch_before = 0  # decoded offset
        self._starts = RecordStarts(shape.record_start)
        self._longest = _LONGEST_RECORD * shape.window
        self._document_bytes = shape.window  # taken as documents at once; less after damage
        self._no_documents_before = 0  # decoded offset

    def run(self) -> Iterator[RecordRun | BrokenRecord]:
        """Yields runs of whole records and broken stretches, in order and without overlap."""
        while self._at_something():
            run = None if self._in_array or self._in_envelope else self._documents()
            if run is None:
                if self._structure():
                    continue
                run = self._stretch() if self._in_array else None
            if run is not None:
                self._starts.learn(run.values)
                yield run
                continue
            for piece in self._scan():
                if isinstance(piece, RecordRun):
                    self._starts.learn(piece.values)
                yield piece
                if isinstance(piece, BrokenRecord) and piece.tail:
                    return
        if self._in_array or self._in_envelope:
            yield BrokenRecord(
                b"", self._base + len(self._data), tail=True, detail="the JSON text stops before its end"
            )

    def _at_something(self) -> bool:
        """Moves over spaces and commas, reading on as needed; False at the end of the content."""
        while True:
            self._at = skip(self._data, self._at, _BETWEEN)
            if self._at < len(self._data):
                return True
            if self._ended:
                return False
            self._read_on()

    def _read_on(self) -> None:
        """Drops what has been used and takes in up to another window."""
        held = [self._data[self._at :]]
        self._base += self._at
        self._at = size = 0
        for chunk in self._more:
            held.append(chunk)
            size += len(chunk)
            if size >= self._shape.window:
                break
        else:
            self._ended = True
        self._data = b"".join(held)

    def _structure(self) -> bool:
        """Moves over one piece of what surrounds records; False when a record is here."""
        data, at = self._data, self._at
        if self._in_array:
            if data[at] != ord("]"):
                return False
            self._at, self._in_array = at + 1, False
        elif self._in_envelope:
            self._behind_array()
        elif data.startswith(BOM, at):
            self._at = at + len(BOM)
        elif data[at] == ord("["):
            self._at, self._in_array = at + 1, True
        elif data[at] == ord("{") and self._shape.wraps and (opening := self._find_opening(at)):
            self._at, self._in_array, self._in_envelope = opening.end(), True, True
        else:
            return False
        return True

    def _behind_array(self) -> None:
        """In an envelope, after its array: other keys, perhaps another array of records, then the closing brace."""
        data, at = self._data, self._at
        opening = self._shape.opening.match(data, at)
        if opening:
            self._at, self._in_array = opening.end(), True
        elif data[at] == ord("}"):
            self._at, self._in_envelope = at + 1, False
        elif data[at] == ord(":"):
            self._at = at + 1
        else:
            end = value_end(data, at, final=self._ended)
            if end > at:
                self._at = end
            elif self._ended or end == MISMATCH or len(data) - at > self._shape.window:
                self._in_envelope = False  # no envelope after all: what is here will be judged as a record
            else:
                self._read_on()

    def _find_opening(self, at: int) -> re.Match[bytes] | None:
        """The opening of an envelope's array; keys and values before it are stepped over."""
        data, position = self._data, skip(self._data, at + 1)
        for _ in range(_KEYS_BEFORE_ARRAY):
            opening = self._shape.opening.match(data, position)
            if opening:
                return opening
            for expected in (b'"', b":", None):
                if position >= len(data) or (expected and data[position : position + 1] != expected):
                    return None
                end = position + 1 if expected == b":" else self._complete_end(data, position)
                if end < 0:
                    return None
                position = skip(data, end, _BETWEEN)
        return None

    def _complete_end(self, data: bytes, position: int) -> int:
        """Where the value at ``position`` ends, if it ends in what is held."""
        if self._starts.open_to(self._base, position) >= len(data):
            return INCOMPLETE
        end = value_end(data, position, final=False)
        if end == INCOMPLETE and data[position] in b"{[":
            self._starts.note_open(data, self._base, position, len(data))
        return end

    def _documents(self) -> RecordRun | None:
        """A long run of documents at once, cut at a likely boundary; shorter ones after damage."""
        if self._base + self._at < self._no_documents_before or self._data[self._at] != ord("{"):
            return None
        # What is left may be the beginning of a long document: that is no damage.
        if len(self._data) - self._at < max(_SMALL_STRETCH, self._document_bytes // 2) and not self._ended:
            self._read_on()
        data, at = self._data, self._at
        while True:
            limit = min(len(data), at + self._document_bytes)
            floor = max(at, limit - _SEAM_STRETCH)
            seams = [match.start() + 1 for match in _DOCUMENT_SEAM.finditer(data, floor, min(len(data), limit + 1))]
            ends = [limit] if self._ended and limit == len(data) else []
            for end in ends + seams[: -_DOCUMENT_SEAMS - 1 : -1]:
                values = self._shape.documents(data[at:end])
                if values:
                    self._at = end
                    self._document_bytes = min(self._shape.window, 4 * self._document_bytes)
                    return RecordRun(values, data[at:end], self._base + at)
            self._document_bytes //= 16
            if self._document_bytes < _SMALL_STRETCH:
                self._document_bytes = _SMALL_STRETCH
                self._no_documents_before = self._base + at + _SMALL_STRETCH
                return None

    def _stretch(self) -> RecordRun | None:
        """A long run of records at once: cut at a likely seam near the end, proven by decoding what is before it."""
        if self._base + self._at < self._no_stretch_before:
            return None
        if len(self._data) - self._at < _SMALL_STRETCH and not self._ended:
            self._read_on()
        data, at = self._data, self._at
        floor = max(at, len(data) - _SEAM_STRETCH)
        starts = [match.start() for match in self._starts.pattern.finditer(data, floor)] if self._starts.pattern else []
        seams = [data.rfind(b",", floor, start) for start in reversed(starts)]
        seams += [match.start() + 1 for match in reversed(list(_SEAM.finditer(data, floor)))]
        ends = [data.rfind(b"]", floor)] if self._ended else []
        for end in (ends + seams)[:_SEAM_TRIES]:
            values = self._shape.decode_array(data[at:end]) if end > at else None
            if values:
                self._at = end
                return RecordRun(values, data[at:end], self._base + at)
        self._no_stretch_before = self._base + len(data)
        return None

    def _scan(self) -> Iterator[RecordRun | BrokenRecord]:
        """Records one by one: up to a run's length, the end of what is held, or the first broken stretch."""
        values: list[bytes] = []
        data, start = self._data, self._at
        end = 0
        while len(values) < _RUN_RECORDS:
            self._at = skip(data, self._at, _BETWEEN)
            if self._at >= len(data) or (self._in_array and data[self._at] == ord("]")):
                break
            bracketed = data[self._at] in b"{["
            # Between documents only an object or an array can be a record; a bare word there is damage.
            end = self._record_end(data, self._at) if bracketed or self._in_array else MISMATCH
            if end < 0:
                break
            values.append(data[self._at : end])
            self._at = end
            if not self._in_array:
                break
        if values:
            yield RecordRun(values, data[start : self._at], self._base + start)
        elif not self._ended and end != MISMATCH and len(data) - self._at < self._longest:
            self._read_on()
        else:
            yield self._resync(end)

    def _record_end(self, data: bytes, at: int) -> int:
        """Where the record at ``at`` ends; MISMATCH when it seems to swallow the records after it."""
        starts, base = self._starts, self._base
        open_to = starts.open_to(base, at)
        near = at + _LONG_RECORD
        if near < len(data):
            if open_to < at + _KNOWN_OPEN:
                end = value_end(data, at, final=False, stop=near)
                if end != INCOMPLETE:
                    return end
                open_to = starts.note_open(data, base, at, near)
            # A lost quote turns text and structure about for all that follows: do not read on to the end for it.
            if starts.pattern and (start := starts.find(starts.pattern, data, base, at + 1)) and start < open_to:
                return MISMATCH
        if open_to >= len(data):
            return INCOMPLETE
        end = value_end(data, at, final=self._ended)
        if end == INCOMPLETE:
            starts.note_open(data, base, at, len(data))
        return end

    def _resync(self, problem: int) -> BrokenRecord:
        """The broken stretch from here to the next likely record, or to the end of the content."""
        offset, kept = self._base + self._at, self._data[self._at : self._at + REJECT_DATA_BYTES + 1]
        search_from = self._at + 1
        likely = self._starts.pattern or start_like(kept)
        patterns = [likely or (_NEXT_ELEMENT if self._in_array else _NEXT_DOCUMENT)]
        patterns += [] if self._in_array else [_LINE_START]
        while True:
            starts = [self._starts.find(pattern, self._data, self._base, search_from) for pattern in patterns]
            found = [start for start in starts if start is not None]
            if found or self._ended:
                break
            self._at = max(search_from, len(self._data) - _OVERLAP)
            self._read_on()
            search_from = 0
        self._at = min(found, default=len(self._data))
        detail = "brackets do not pair up" if problem == MISMATCH else "the JSON text stops inside a record"
        length = self._base + self._at - offset
        return BrokenRecord(kept[:length].rstrip(b" \t\r\n,"), offset, tail=not found, detail=detail)
