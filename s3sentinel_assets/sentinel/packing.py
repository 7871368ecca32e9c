"""Packing: which rows share a request body, and the bytes of that body.

Belongs here: the exact cut by bytes (and by time span), batch ids, stamping and splitting bodies. Does not belong here:
rendering rows (``render``), files and the ledger (``plan``), sending (``delivery``).

A body is ``[`` + stamped rows joined by commas + ``]``; a stamped row is ``{"BatchId_CF":"<id>"`` + tail + ``}``.
The id has a fixed length, so sizes are exact before the id is known, and the id may depend on the cut.
"""

import hashlib
import string
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

__all__ = [
    "ATTEMPT_BYTES",
    "AUXILIARY_SPAN_MICROS",
    "BATCH_ID_LENGTH",
    "LAST_ATTEMPT",
    "ROW_OPENING",
    "Cut",
    "Packer",
    "body",
    "body_size",
    "halve",
    "join_tails",
    "make_batch_id",
    "most_tail_bytes",
    "restamp",
    "rows_size",
    "tails_of",
]

#: Every row carries the id: 14 letters and digits hold 83 bits, for which hex would need 21.
BATCH_ID_LENGTH = 14
_ID_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

#: How a row begins. No value may have this in it unescaped: bodies are taken apart by it.
ROW_OPENING = '{"BatchId_CF":"'

#: Attempt numbers have one digit, so that a body's size does not depend on them.
LAST_ATTEMPT = 9

#: What an attempt number adds to a row.
ATTEMPT_BYTES = len(',"Attempt_CF":2')

#: A call to a table on the Auxiliary plan may not span more TimeGenerated than this.
AUXILIARY_SPAN_MICROS = 30 * 60 * 1_000_000


def make_batch_id(*parts: object) -> str:
    """The id for what ``parts`` name: the same parts give the same id, always."""
    text = "\x1f".join(str(part) for part in parts)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    characters = []
    for _ in range(BATCH_ID_LENGTH):
        number, index = divmod(number, len(_ID_ALPHABET))
        characters.append(_ID_ALPHABET[index])
    return "".join(characters)


def _stamp(batch_id: str, attempt: int) -> str:
    resend = f',"Attempt_CF":{attempt}' if attempt > 1 else ""
    return f'{ROW_OPENING}{batch_id}"{resend}'


#: Bytes that a row may need beside its tail: the stamp, a brace and a comma (the first row's is free). Room for the
#: attempt number is always kept: else a full body sent again would no longer fit, and would have to become other
#: batches.
_ROW_OVERHEAD = len(_stamp("0" * BATCH_ID_LENGTH, LAST_ATTEMPT)) + len("},")


def body_size(tail_bytes: int, rows: int) -> int:
    """The exact size of a body sent again, of ``rows`` ≥ 1 rows whose tails have ``tail_bytes`` bytes together.

    A first attempt has `ATTEMPT_BYTES` less a row.
    """
    return tail_bytes + rows * _ROW_OVERHEAD + 1


def most_tail_bytes(limit: int) -> int:
    """The longest tail whose row fits a body of ``limit`` bytes alone."""
    return limit - body_size(0, 1)


def rows_size(tail_bytes: pl.Series) -> int:
    """The bytes that first-attempt rows add to bodies, from the bytes of their tails."""
    return int(tail_bytes.sum()) + len(tail_bytes) * (_ROW_OVERHEAD - ATTEMPT_BYTES)


def body(tails: pl.Series, batch_id: str, attempt: int = 1) -> bytes:
    """The request body of these rows: a JSON array, UTF-8."""
    stamp = _stamp(batch_id, attempt)
    # As bytes from the start: a Python string of them would be decoded, and encoded again.
    rows: bytes = tails.str.join("}," + stamp).cast(pl.Binary).item()
    return b"".join((b"[", stamp.encode(), rows, b"}]"))


def tails_of(raw: bytes, batch_id: str) -> list[bytes]:
    """The row tails of a first-attempt body.

    Raises:
        ValueError: this is no such body.
    """
    stamp = _stamp(batch_id, 1).encode()
    if not (raw.startswith(b"[" + stamp) and raw.endswith(b"}]")):
        raise ValueError(f"not the body of batch {batch_id}")
    # This can only open a row: quotes inside texts are escaped, and no JSON value has it (see ``json_values``).
    return raw[1 + len(stamp) : -2].split(b"}," + stamp)


def restamp(raw: bytes, batch_id: str, new_id: str, attempt: int) -> bytes:
    """A first-attempt body with another batch id or attempt number."""
    return join_tails(tails_of(raw, batch_id), new_id, attempt)


def join_tails(tails: list[bytes], batch_id: str, attempt: int = 1) -> bytes:
    """As `body`, from single tails."""
    stamp = _stamp(batch_id, attempt).encode()
    return b"[" + stamp + (b"}," + stamp).join(tails) + b"}]"


def halve(tails: list[bytes]) -> int:
    """Where to cut ≥ 2 rows so that both sides have about the same bytes and at least one row."""
    half = sum(map(len, tails)) / 2
    seen = 0
    for index, tail in enumerate(tails):
        seen += len(tail)
        if seen >= half:
            return min(index + 1, len(tails) - 1)
    return len(tails) - 1


@dataclass(frozen=True)
class Cut:
    """Rows ``[start, end)`` of the part that go into one body; ``too_large``: a lone row that fits none."""

    start: int
    end: int
    tails: pl.Series
    too_large: bool = False


class Packer:
    """Cuts a stream of rows into the fullest bodies that keep order, size and span.

    Feed slices to `add`, then call `finish`; the cut does not depend on how the rows were sliced.

    Args:
        limit: most bytes of a body in any attempt, brackets and commas included.
        start: number of the first row.
        span_micros: most time between the rows of a body; the rows must then come sorted by time.
    """

    def __init__(self, limit: int, start: int = 0, span_micros: int | None = None) -> None:
        self._limit = limit
        self._span = span_micros
        self._row = start
        self._tails = pl.Series("tail", [], dtype=pl.String)
        self._times = pl.Series("time", [], dtype=pl.Int64)

    @property
    def next_row(self) -> int:
        """The number after the last row seen."""
        return self._row + len(self._tails)

    def add(self, tails: pl.Series, times: pl.Series | None = None) -> Iterator[Cut]:
        """Takes rows and gives every cut that later rows cannot change.

        Args:
            tails: from `render.render_rows`, shape (n,).
            times: microseconds, shape (n,); needed when a span was given.
        """
        self._tails = tails if self._tails.is_empty() else pl.concat([self._tails, tails])
        if self._span is not None:
            if times is None or len(times) != len(tails):
                raise ValueError("a packer with a span needs the time of every row")
            self._times = pl.concat([self._times, times])
        yield from self._cut(last=False)

    def finish(self) -> Iterator[Cut]:
        """Gives the cuts of the rows that are left."""
        yield from self._cut(last=True)

    def _cut(self, *, last: bool) -> Iterator[Cut]:
        count = len(self._tails)
        sizes = self._tails.str.len_bytes().cast(pl.Int64) + _ROW_OVERHEAD
        totals = sizes.cum_sum()
        capacity = self._limit - 1  # both brackets, less the comma that the first row does not need
        oversize = (sizes > capacity).arg_true().to_list()
        start = 0
        for barrier in [*oversize, count]:
            while start < barrier:
                end = min(self._end(start, totals, capacity), barrier)
                if end == count and not last:
                    break
                yield Cut(self._row + start, self._row + end, self._tails.slice(start, end - start))
                start = end
            if start == barrier < count:
                yield Cut(self._row + barrier, self._row + barrier + 1, self._tails.slice(barrier, 1), too_large=True)
                start = barrier + 1
        self._tails = self._tails.slice(start)
        self._times = self._times.slice(start)
        self._row += start

    def _end(self, start: int, totals: pl.Series, capacity: int) -> int:
        """The end of the longest body that begins at row ``start``; at least one row."""
        before = totals[start - 1] if start else 0
        end = int(totals.search_sorted(before + capacity, side="right"))
        if self._span is not None:
            end = min(end, int(self._times.search_sorted(self._times[start] + self._span, side="right")))
        return max(end, start + 1)
