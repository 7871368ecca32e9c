"""Copies: objects whose very bytes were read before under the same name.

Belongs here: finding them. Does not belong here: what is done about them (`pipeline.parse_commit`).

Replication, a change of storage class or encryption by copying in place, and backups under another prefix all make new
objects of old bytes. Their events must not go out twice, also where events have no id of their own.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.parts import never_delivered
from s3sentinel_assets.ledger.quarantine import was_retried
from s3sentinel_assets.ledger.schema import ObjectState, objects, quarantine

__all__ = ["Candidate", "find_copies"]

_DATE = re.compile(r"\d{8}|\d{4}-\d{2}-\d{2}")
_TIME_TOKEN = re.compile(r"\d{8}T\d{4,6}Z?")
_TOKEN = re.compile(r"[0-9A-Za-z]{8,}")


@dataclass(frozen=True)
class Candidate:
    """An object that has been read.

    Attributes:
        object_id: the ledger's id.
        bucket: the bucket.
        key: the key.
        sha256: of its stored bytes.
        records: records read.
        quarantined: of these, not parsed.
    """

    object_id: int
    bucket: str
    key: str
    sha256: str
    records: int
    quarantined: int

    @property
    def name(self) -> str:
        """The last segment of its key."""
        return self.key.rpartition("/")[2]


def _is_unique(name: str) -> bool:
    """Whether no second file of the world has this name: a date and a random token, as AWS's log writers make them.

    Two files called app.log, or app_20261120T1005Z.log, with the same bytes may well be the logs of two hosts.
    """
    tokens = [token for token in _TOKEN.findall(name) if not token.isdigit() and not token.isalpha()]
    return _DATE.search(name) is not None and any(not _TIME_TOKEN.fullmatch(token) for token in tokens)


def _same_log(left: Candidate, right: Candidate) -> bool:
    """Whether equal bytes under these keys are one log: the same object again, or a copy that kept a unique name.

    One that gave less, read under a lower limit or by an older parser, does not stand for one that gives more.
    """
    if left.records != right.records or left.quarantined > right.quarantined:
        return False
    if (left.bucket, left.key) == (right.bucket, right.key):
        return True
    return left.name == right.name and _is_unique(left.name)


def _still_quarantined() -> sa.ColumnElement[int]:
    """Records of an object that are in quarantine now, retries of them counted in."""
    again, rejecting = objects.alias("retry"), objects.alias("rejecting")

    def later(row: sa.FromClause) -> sa.ColumnElement[bool]:
        # A row that read the whole object in a retry is followed by those with the same origin.
        same = sa.and_(row.c.retry_of == objects.c.retry_of, row.c.id > objects.c.id)
        return sa.or_(row.c.retry_of == objects.c.id, same)

    rejected_again = (
        sa.select(sa.func.coalesce(sa.func.sum(again.c.quarantined), 0))
        .where(later(again))
        .correlate(objects)
        .scalar_subquery()
    )
    retried = (
        sa.select(sa.func.coalesce(sa.func.sum(quarantine.c.records), 0))
        .join(rejecting, rejecting.c.id == quarantine.c.object_id)
        .where(sa.or_(rejecting.c.id == objects.c.id, later(rejecting)), was_retried())
        .correlate(objects)
        .scalar_subquery()
    )
    now = sa.cast(objects.c.quarantined + rejected_again - retried, sa.BigInteger)
    return sa.case((objects.c.quarantined > 0, now), else_=objects.c.quarantined)  # others need no look


def find_copies(
    connection: Connection, sources: Collection[str], read: Sequence[Candidate], start: str = ""
) -> dict[int, int]:
    """Which of the objects just read repeat another one.

    Args:
        connection: to the ledger.
        sources: whose objects count: those that deliver to the same table.
        read: the objects just read, in order; the first of several equal ones is none.
        start: the first hour that is delivered: what was only learned from before it does not count.

    Returns:
        Object id → the id of the object it repeats.
    """
    earlier: dict[str, list[Candidate]] = {}
    hashes = sorted({candidate.sha256 for candidate in read})
    mine = {candidate.object_id for candidate in read}
    for at in range(0, len(hashes), 400):
        rows = connection.execute(
            sa.select(
                objects.c.id,
                objects.c.bucket,
                objects.c.key,
                objects.c.sha256,
                objects.c.records,
                _still_quarantined(),
            )
            .where(
                objects.c.sha256.in_(hashes[at : at + 400]),
                objects.c.source.in_(sources),
                # What was cut off by a limit may be read further the next time.
                objects.c.state == ObjectState.READ.value,
                ~never_delivered(objects.c.part_id, start),
            )
            .order_by(objects.c.id)
        )
        for row in rows:
            if row.id not in mine:
                earlier.setdefault(row.sha256, []).append(Candidate(*row))
    copies: dict[int, int] = {}
    for candidate in read:
        known = earlier.setdefault(candidate.sha256, [])
        first = next((other for other in known if _same_log(other, candidate)), None)
        if first is None:
            known.append(candidate)
        else:
            copies[candidate.object_id] = first.object_id
    return copies
