"""Stretches of lines on their way to columns, and rows of several field orders back in the order of their lines.

Belongs here: what is held and how it is put together again. Does not belong here: reading objects, parsing lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

import polars as pl

from s3sentinel_assets.formats.model import Reading

__all__ = ["HeldLines", "ParsedLines", "in_order"]


@dataclass(frozen=True)
class HeldLines:
    """Whole lines of one object.

    Attributes:
        reading: the object.
        number: place among all lines that this parser has seen.
        offset: decoded offset of the first byte.
        pieces: the bytes, ending in a line end.
        count: how many lines.
    """

    reading: Reading
    number: int
    offset: int
    pieces: tuple[bytes | memoryview, ...]
    count: int

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(map(len, self.pieces))


@dataclass(frozen=True)
class ParsedLines:
    """Good lines as columns.

    Attributes:
        frame: the columns.
        spans: for each stretch of rows, in order: `HeldLines.number` and the number of rows.
    """

    frame: pl.DataFrame
    spans: list[tuple[int, int]]


def in_order(parsed: list[ParsedLines]) -> pl.DataFrame:
    """All rows in the order of their lines, in one chunk: Polars copies several whenever they are queried."""
    numbers = [number for part in parsed for number, _ in part.spans]
    frames = [part.frame for part in parsed]
    if numbers != sorted(numbers):
        stretches = [stretch for part in parsed for stretch in _stretches(part)]
        frames = [frame for _, frame in sorted(stretches, key=itemgetter(0))]
    return pl.concat(frames, how="diagonal", rechunk=True) if len(frames) > 1 else frames[0].rechunk()


def _stretches(part: ParsedLines) -> Iterator[tuple[int, pl.DataFrame]]:
    """The rows of ``part`` cut where lines of other parts may come between, each with its first number."""
    first, start, at = part.spans[0][0], 0, 0
    expected = first
    for number, rows in part.spans:
        if number > expected:
            yield first, part.frame.slice(start, at - start)
            first, start = number, at
        expected, at = number + 1, at + rows
    yield first, part.frame.slice(start)
