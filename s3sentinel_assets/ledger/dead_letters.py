"""Dead letters: rows that Sentinel refuses, kept with reason and position so that they can be mended or sent again.

Belongs here: recording, finding, dropping and taking back. Does not belong here: what that does to a batch
(``batches``).

``uri`` names a stage file: of rows that never fitted a body as NDJSON, else of the gzip bodies the batch came from.
A dropped letter is one that a human gave up: its rows stay dead in the account, and nothing takes it up any more
unless it is named by its id.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import storable
from s3sentinel_assets.ledger.schema import dead_letter, part

__all__ = [
    "DeadLetter",
    "DeadLetters",
    "KeptLetter",
    "LetterFilter",
    "count_dead_letters",
    "dead_letters_of_hour",
    "drop_letters",
    "find_letters",
    "record_dead_letters",
    "take_back_dead_letters",
    "take_back_letter",
]

_IDS_PER_QUERY = 500  # both databases limit the parameters of a query


@dataclass(frozen=True)
class DeadLetter:
    """Rows ``[row_start, row_end)`` of a part that cannot be delivered; ``batch_id``: None where no batch held them."""

    part_id: int
    batch_id: str | None
    row_start: int
    row_end: int
    reason: str
    detail: str | None
    uri: str | None

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.row_end - self.row_start


@dataclass(frozen=True, kw_only=True)
class KeptLetter(DeadLetter):
    """A dead letter as the ledger has it. Instants in microseconds; ``dropped_at``: None while nobody gave it up."""

    id: int
    source: str
    hour: str
    created_at: int
    dropped_at: int | None
    dropped_by: str | None
    dropped_because: str | None


_FIELDS = tuple(KeptLetter.__dataclass_fields__)


def _kept(row: sa.Row[Any]) -> KeptLetter:
    return KeptLetter(**{name: getattr(row, name) for name in _FIELDS})


@dataclass(frozen=True)
class LetterFilter:
    """Which dead letters are meant; None or empty: any.

    Attributes:
        source: of this source.
        hour: of this hour.
        reason: dead for this reason, such as ``refused``.
        ids: with these ids.
        with_dropped: dropped ones as well; those that ``ids`` names always are.
        part_id: of this part.
    """

    source: str | None = None
    hour: str | None = None
    reason: str | None = None
    ids: frozenset[int] = frozenset()
    with_dropped: bool = False
    part_id: int | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """All but the ids, which may be too many for one query."""
        columns = dead_letter.c
        wanted = {
            columns.source: self.source,
            columns.hour: self.hour,
            columns.reason: self.reason,
            columns.part_id: self.part_id,
        }
        found = [column == value for column, value in wanted.items() if value is not None]
        if not self.with_dropped and not self.ids:
            found.append(columns.dropped_at.is_(None))
        return found

    def queries(self) -> Iterator[list[sa.ColumnElement[bool]]]:
        """The conditions, a list for each query that is needed."""
        if not self.ids:
            yield self.conditions()
            return
        ids = sorted(self.ids)
        for start in range(0, len(ids), _IDS_PER_QUERY):
            yield [*self.conditions(), dead_letter.c.id.in_(ids[start : start + _IDS_PER_QUERY])]


def record_dead_letters(connection: Connection, letters: Iterable[DeadLetter], now: int) -> None:
    """Records dead letters in the transaction that settles their rows."""
    letters = list(letters)
    if not letters:
        return
    parts = sorted({letter.part_id for letter in letters})
    homes: dict[int, tuple[str, str]] = {
        row.id: (row.source, row.hour)
        for row in connection.execute(sa.select(part.c.id, part.c.source, part.c.hour).where(part.c.id.in_(parts)))
    }
    rows: list[dict[str, Any]] = [
        asdict(letter)
        | {
            "rows": letter.rows,
            "source": homes[letter.part_id][0],
            "hour": homes[letter.part_id][1],
            "created_at": now,
        }
        for letter in letters
    ]
    connection.execute(sa.insert(dead_letter), rows)


def dead_letters_of_hour(connection: Connection, source: str, hour: str) -> list[DeadLetter]:
    """The dead letters of one source and hour, in order."""
    rows = connection.execute(
        sa.select(dead_letter)
        .where(dead_letter.c.source == source, dead_letter.c.hour == hour)
        .order_by(dead_letter.c.id)
    )
    return [_letter(row) for row in rows]


def find_letters(connection: Connection, wanted: LetterFilter, limit: int | None = None) -> list[KeptLetter]:
    """The dead letters that are meant, by source, hour, part and rows; at most ``limit``."""
    order = (
        dead_letter.c.source,
        dead_letter.c.hour,
        dead_letter.c.part_id,
        dead_letter.c.row_start,
        dead_letter.c.id,
    )
    found = [
        _kept(row)
        for conditions in wanted.queries()
        for row in connection.execute(sa.select(dead_letter).where(*conditions).order_by(*order).limit(limit))
    ]
    found.sort(key=lambda letter: (letter.source, letter.hour, letter.part_id, letter.row_start, letter.id))
    return found[:limit]


def _letter(row: sa.Row[Any]) -> DeadLetter:
    return DeadLetter(row.part_id, row.batch_id, row.row_start, row.row_end, row.reason, row.detail, row.uri)


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters of one source, hour and reason, counted.

    Attributes:
        letters: how many.
        rows: rows in them.
        lone_rows: of these, rows that fitted no batch and so cannot be requeued.
        detail: what the service said to one of them.
        dropped_rows: of ``rows``, those that somebody gave up.
    """

    source: str
    hour: str
    reason: str
    letters: int
    rows: int
    lone_rows: int
    detail: str | None
    dropped_rows: int = 0


def count_dead_letters(
    connection: Connection, source: str | None = None, hour: str | None = None, reason: str | None = None
) -> list[DeadLetters]:
    """What is dead, dropped or not, by source, hour and reason, in that order; None: any."""
    rows = dead_letter.c.rows
    lone = sa.case((dead_letter.c.batch_id.is_(None), rows), else_=0)
    dropped = sa.case((dead_letter.c.dropped_at.is_not(None), rows), else_=0)
    keys = (dead_letter.c.source, dead_letter.c.hour, dead_letter.c.reason)
    found = connection.execute(
        sa.select(
            *keys,
            sa.func.count(),
            sa.cast(sa.func.sum(rows), sa.BigInteger),
            sa.cast(sa.func.sum(lone), sa.BigInteger),
            sa.func.max(dead_letter.c.detail),
            sa.cast(sa.func.sum(dropped), sa.BigInteger),
        )
        .where(*LetterFilter(source, hour, reason, with_dropped=True).conditions())
        .group_by(*keys)
        .order_by(*keys)
    )
    return [DeadLetters(*row) for row in found]


def take_back_dead_letters(
    connection: Connection, part_id: int, reason: str | None = None, ids: Collection[int] = ()
) -> list[KeptLetter]:
    """Removes the part's dead letters that have a batch, in the transaction that reopens these batches.

    Args:
        connection: a writing one.
        part_id: the part.
        reason: only those with this reason; None: any.
        ids: only these, and then dropped ones as well; empty: all that nobody gave up.

    Returns:
        What was removed.
    """
    # One statement finds and removes: between two of them somebody else might drop a letter.
    removed = [
        _kept(row)
        for conditions in LetterFilter(reason=reason, ids=frozenset(ids), part_id=part_id).queries()
        for row in connection.execute(
            sa.delete(dead_letter).where(*conditions, dead_letter.c.batch_id.is_not(None)).returning(dead_letter)
        )
    ]
    return sorted(removed, key=lambda letter: letter.id)


def take_back_letter(connection: Connection, letter: KeptLetter) -> bool:
    """Removes one dead letter, in the transaction that plans its rows anew.

    Returns:
        Whether it was there still, and not dropped meanwhile.
    """
    same = dead_letter.c.dropped_at.is_not_distinct_from(letter.dropped_at)
    return connection.execute(sa.delete(dead_letter).where(dead_letter.c.id == letter.id, same)).rowcount == 1


def drop_letters(
    connection: Connection, letters: Collection[KeptLetter], dropped_by: str, because: str, now: int
) -> list[KeptLetter]:
    """Marks dead letters as given up; those that were changed since they were found are left alone.

    Returns:
        What was marked.
    """
    if not letters:
        return []
    # An id alone may have come to name another letter: SQLite gives those of the newest rows away again.
    same = set(find_letters(connection, LetterFilter(ids=frozenset(letter.id for letter in letters))))
    wanted = LetterFilter(ids=frozenset(letter.id for letter in letters if letter in same))
    if not wanted.ids:
        return []
    values = {
        "dropped_at": now,
        "dropped_by": (storable(dropped_by) or "")[:255],
        "dropped_because": storable(because),
    }
    marked = [
        _kept(row)
        for conditions in wanted.queries()
        for row in connection.execute(
            sa.update(dead_letter)
            .where(*conditions, dead_letter.c.dropped_at.is_(None))
            .values(values)
            .returning(dead_letter)
        )
    ]
    return sorted(marked, key=lambda letter: letter.id)
