"""Refused objects: another chance for what S3 or KMS did not hand over, spaced and bounded.

Belongs here: when and how often an object is asked for again. Does not belong here: what a refusal means
(`s3.refusals`), reading.

A part's membership never changes, so the refused row stays, marked ``retried``, and a new row of the same object waits
for a new part.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.schema import ObjectState, objects

__all__ = ["KEPT_COLUMNS", "RETRIES", "RETRY_MARK", "Retries", "next_try", "requeue_refused"]

#: Stands before the number of another try at the end of a version.
RETRY_MARK = "~"
#: Columns of an object that every later try of it has as well.
KEPT_COLUMNS = (
    "source",
    "bucket",
    "key",
    "name",
    "etag",
    "version_id",
    "size",
    "storage_class",
    "last_modified",
    "hour",
    "late",
    "listed",
    "notified_at",
)
_PAGE = 500


@dataclass(frozen=True)
class Retries:
    """How often, and after what waits, an object is asked for again.

    Attributes:
        tries: at most.
        first_seconds: wait before the first; each further wait is twice the one before.
        longest_seconds: no wait is longer.
    """

    tries: int
    first_seconds: float
    longest_seconds: float

    def wait(self, number: int) -> float:
        """Seconds before try ``number``, which counts from 1."""
        return min(self.first_seconds * 2 ** min(number - 1, 40), self.longest_seconds)


_DAY = 86_400.0
_PERMISSION = Retries(12, 60, 2 * _DAY)  # three days in all: time to mend a policy
#: State → its retries. Together they are bounded; `s3sentinel backfill` asks at once whatever they say.
RETRIES: dict[ObjectState, Retries] = {
    ObjectState.DENIED: _PERMISSION,
    ObjectState.KMS_DENIED: _PERMISSION,
    ObjectState.BROKEN: _PERMISSION,
    ObjectState.THROTTLED: Retries(40, 30, 3_600),
    # A restore takes minutes to two days; somebody has to ask for it first.
    ObjectState.ARCHIVED: Retries(60, 3_600, _DAY),
}


def next_try(state: ObjectState, tries: int, tried_for: str | None, now: int) -> int | None:
    """When an object that has just been refused is asked for again on its own.

    Args:
        state: what it was refused for.
        tries: how often it was asked for again on its own, because of ``tried_for``.
        tried_for: the state that these tries were made for; another state starts anew.
        now: the present, microseconds.

    Returns:
        An instant in microseconds; None when its tries are used up, or asking again is of no use.
    """
    retries = RETRIES.get(state)
    number = (tries if tried_for == state.value else 0) + 1
    if retries is None or number > retries.tries:
        return None
    return now + round(retries.wait(number) * 1_000_000)


def requeue_refused(
    ledger: Ledger,
    source: str,
    first_hour: str,
    last_hour: str = "9999",
    *,
    at_once: bool = False,
    keys: Collection[tuple[str, str]] | None = None,
    matches: Callable[[str], bool] | None = None,
) -> int:
    """Gives refused objects of some hours another chance, as new rows for a new part.

    Args:
        ledger: the ledger.
        source: the source's name.
        first_hour: objects of earlier hours stay as they are.
        last_hour: so do those of later ones.
        at_once: do not wait, and do not count the try: somebody asked, or the cause is known to be gone.
        keys: only these (bucket, key).
        matches: only objects whose key it is true for.

    Returns:
        How many objects were queued again.
    """
    refused = sa.select(objects).where(
        objects.c.source == source,
        objects.c.hour >= first_hour,
        objects.c.hour <= last_hour,
        objects.c.id > sa.bindparam("after"),
        objects.c.state.in_([state.value for state in RETRIES]),
    )
    if not at_once:
        refused = refused.where(objects.c.ask_at <= ledger.now())
    if keys is not None:
        refused = refused.where(objects.c.key.in_({key for _, key in keys}))
    page = refused.order_by(objects.c.id).limit(_PAGE)
    queued = after = 0
    while True:
        with ledger.read() as connection:
            if connection.execute(page, {"after": after}).first() is None:
                return queued
        with ledger.write() as connection:
            ledger.guard(connection, source)
            rows = connection.execute(page, {"after": after}).all()
            for row in rows:
                wanted = keys is None or (row.bucket, row.key) in keys
                if wanted and (matches is None or matches(row.key)):
                    _queue(connection, row, ledger.now(), counted=not at_once)
                    queued += 1
            after = rows[-1].id if rows else after


def _queue(connection: Connection, row: sa.Row[Any], now: int, *, counted: bool) -> None:
    """Puts another row of the object in place of a refused one."""
    version, _, serial = row.version.partition(RETRY_MARK)
    before = row.tries if row.tried_for == row.state else 0
    connection.execute(
        sa.update(objects).where(objects.c.id == row.id).values(state=ObjectState.RETRIED.value, ask_at=None)
    )
    connection.execute(
        sa.insert(objects).values(
            {column: getattr(row, column) for column in KEPT_COLUMNS}
            | {
                "version": f"{version}{RETRY_MARK}{int(serial or 0) + 1}",
                "tries": before + 1 if counted else before,
                "tried_for": row.state,
                "discovered_at": now,
                "state": ObjectState.LISTED.value,
            }
        )
    )
