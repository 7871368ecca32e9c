"""Refused objects: another chance for what S3 or KMS did not hand over, spaced and bounded.

Belongs here: when and how often an object is asked for again. Does not belong here: what a refusal means
(`s3.refusals`), reading.

A part's membership never changes, so the refused row stays, marked ``retried``, and a new row of the same object waits
for a new part.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.schema import ObjectState, objects

__all__ = ["RETRIES", "Retries", "requeue_refused"]

_RETRY_MARK = "~"


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


def requeue_refused(
    ledger: Ledger,
    source: str,
    first_hour: str,
    last_hour: str = "9999",
    *,
    at_once: bool = False,
    keys: Collection[tuple[str, str]] | None = None,
) -> int:
    """Gives refused objects of some hours another chance, as new rows for a new part.

    Args:
        ledger: the ledger.
        source: the source's name.
        first_hour: objects of earlier hours stay as they are.
        last_hour: so do those of later ones.
        at_once: do not wait, and do not count tries: somebody asked, or the cause is known to be gone.
        keys: only these (bucket, key).

    Returns:
        How many objects were queued again.
    """
    refused = sa.select(objects).where(
        objects.c.source == source,
        objects.c.hour >= first_hour,
        objects.c.hour <= last_hour,
        objects.c.state.in_([state.value for state in RETRIES]),
    )
    if keys is not None:
        refused = refused.where(objects.c.key.in_({key for _, key in keys}))
    now, queued = ledger.now(), 0
    with ledger.read() as connection:
        if connection.execute(refused.limit(1)).first() is None:
            return 0
    with ledger.write() as connection:
        ledger.guard(connection, source)
        for row in connection.execute(refused).all():
            if keys is not None and (row.bucket, row.key) not in keys:
                continue
            tries = int(row.version.partition(_RETRY_MARK)[2] or 0) + 1
            if not at_once and not _due(row, tries, now):
                continue
            connection.execute(sa.update(objects).where(objects.c.id == row.id).values(state=ObjectState.RETRIED.value))
            connection.execute(sa.insert(objects).values(_again(row, tries, now)))
            queued += 1
    return queued


def _due(row: sa.Row[Any], tries: int, now: int) -> bool:
    retries = RETRIES[ObjectState(row.state)]
    return tries <= retries.tries and now - row.discovered_at >= retries.wait(tries) * 1_000_000


def _again(row: sa.Row[Any], tries: int, now: int) -> dict[str, Any]:
    kept = (
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
    return {column: getattr(row, column) for column in kept} | {
        "version": f"{row.version.partition(_RETRY_MARK)[0]}{_RETRY_MARK}{tries}",
        "discovered_at": now,
        "state": ObjectState.LISTED.value,
    }
