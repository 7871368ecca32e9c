"""Where records begin in damaged JSON content, and which of them are known to have no end.

Belongs here: what a record's beginning looks like, looking for one, and remembering what was found, so that content
that begins ever new records and ends none is read once and not once for each. Does not belong here: the walk
(``walk``).
"""

import re
from collections.abc import Sequence

import msgspec

from s3sentinel_assets.formats.json_logs.scan import open_brackets

__all__ = ["RecordStarts", "start_like"]

_FIRST_KEY = re.compile(rb'\s*\{\s*("(?:[^"\\]|\\.){0,100}")\s*:')
_OPEN_REMEMBERED = 1 << 20
_LINE_END = ord("\n")


def start_like(record: bytes) -> re.Pattern[bytes] | None:
    """What a record that begins like this one begins with: its first key; None where it has none."""
    key = _FIRST_KEY.match(record)
    return re.compile(rb"\{\s*" + re.escape(key[1]) + rb"\s*:") if key else None


class RecordStarts:
    """Beginnings of records in one object.

    Positions are given with the buffer and its decoded offset ``base``, as the buffer moves on; what is remembered are
    decoded offsets.

    Attributes:
        pattern: matches the beginning of a record; None when that is not known yet.
    """

    def __init__(self, pattern: re.Pattern[bytes] | None) -> None:
        """``pattern``: as the format knows it; None: to be learned."""
        self.pattern = pattern
        self._open: dict[int, int] = {}  # a record's beginning → nothing closes it before
        self._searched: dict[re.Pattern[bytes], tuple[int, int | None, int]] = {}  # → from, found, end of the buffer

    def learn(self, records: Sequence[bytes | msgspec.Raw]) -> None:
        """Records mostly begin with the same key; where the format does not say with which, the first one tells."""
        if self.pattern is None and records:
            self.pattern = start_like(bytes(records[0]))

    def find(self, pattern: re.Pattern[bytes], data: bytes, base: int, position: int) -> int | None:
        """Where ``pattern`` is found at or behind ``position``; what was found last time is not looked for again."""
        wanted, ends = base + position, base + len(data)
        searched_from, found, searched_to = self._searched.get(pattern, (ends, None, -1))
        if searched_from > wanted or searched_to != ends or (found is not None and found < wanted):
            match = pattern.search(data, position)
            found = base + match.start() if match else None
            self._searched[pattern] = wanted, found, ends
        return None if found is None else found - base

    def open_to(self, base: int, at: int) -> int:
        """The position up to which nothing is known to close the record at ``at``."""
        return self._open.get(base + at, 0) - base

    def note_open(self, data: bytes, base: int, at: int, stop: int) -> int:
        """Remembers that nothing before ``stop`` closes the record at ``at``, and those inside it; returns ``stop``."""
        if len(self._open) > _OPEN_REMEMBERED:
            self._open.clear()
        for position in open_brackets(data, at, stop):
            if data[position - 1] == _LINE_END or (self.pattern and self.pattern.match(data, position)):
                self._open[base + position] = base + stop
        return stop
