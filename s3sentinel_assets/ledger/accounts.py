"""The accounts of an hour: every record read is accepted, pending, unknown, dead-lettered, quarantined or filtered.

Computed from the ledger alone. What the workspace says it holds is added by the proof.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.hours import is_sealed
from s3sentinel_assets.ledger.objects import REFUSED
from s3sentinel_assets.ledger.quarantine import retried_records
from s3sentinel_assets.ledger.schema import (
    BatchState,
    ObjectState,
    Stage,
    batch,
    dead_letter,
    objects,
    part,
    proof,
    stage,
)
from s3sentinel_assets.ledger.schema import (
    hour as hour_table,
)

__all__ = [
    "Account",
    "CheckReport",
    "Proof",
    "accepted_batches",
    "account_of_hour",
    "hours_to_prove",
    "record_proof",
]

_REFUSED = tuple(state.value for state in REFUSED)


@dataclass(frozen=True)
class Account:
    """The accounts of one source and hour, in records unless said otherwise.

    Attributes:
        objects: object versions listed.
        unread_objects: of these, not read yet.
        refused_objects: of these, gone or denied.
        late_objects: of these, discovered after the seal.
        records: read = rows + quarantined + filtered.
        rows: parsed rows that are to be delivered.
        accepted: rows in batches the workspace has accepted.
        unknown: rows in batches whose outcome is not known.
        dead: rows the workspace refuses for good.
        pending: rows in no final batch yet.
        quarantined: records that could not be parsed.
        filtered: records left out by a named rule (duplicates of one event).
        bytes: size of the objects in S3.
        decoded_bytes: size of what was decoded from them.
        sealed: whether the hour is sealed.
    """

    source: str
    hour: str
    objects: int
    unread_objects: int
    refused_objects: int
    late_objects: int
    records: int
    rows: int
    accepted: int
    unknown: int
    dead: int
    quarantined: int
    filtered: int
    bytes: int
    decoded_bytes: int
    sealed: bool

    @property
    def pending(self) -> int:
        """Rows that are neither accepted nor unknown nor dead."""
        return self.rows - self.accepted - self.unknown - self.dead

    @property
    def balanced(self) -> bool:
        """Whether every record is in exactly one place."""
        return self.records == self.rows + self.quarantined + self.filtered and self.pending >= 0

    @property
    def verdict(self) -> str:
        """``complete``, ``complete with exceptions``, ``pending`` or ``unbalanced``."""
        if not self.balanced:
            return "unbalanced"
        if self.pending or self.unknown or self.unread_objects:
            return "pending"
        if self.quarantined or self.dead or self.refused_objects:
            return "complete with exceptions"
        return "complete"


@dataclass
class CheckReport:
    """The outcome of one check of one hour: the numbers, and a sentence for each thing that is wrong."""

    passed: bool
    counts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Proof:
    """An account with what the workspace itself holds.

    Attributes:
        account: the hour's account.
        found: rows the workspace holds of the hour's accepted batches; None where it could not be asked.
        made_at: when it was asked.
        report: the comparison batch by batch; totals alone would let a doubled batch hide a missing one.
    """

    account: Account
    found: int | None
    made_at: int
    report: CheckReport = field(default_factory=lambda: CheckReport(passed=False))

    @property
    def agrees(self) -> bool:
        """Whether the workspace holds exactly what it accepted, batch by batch and each event once."""
        return self.report.passed and self.found == self.account.accepted


def _sum(column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)


def _rows_of_batches(connection: Connection, source: str, hour: str, states: Collection[BatchState]) -> int:
    return connection.execute(
        sa.select(_sum(batch.c.row_end - batch.c.row_start))
        .join(part, part.c.id == batch.c.part_id)
        .where(part.c.source == source, part.c.hour == hour, batch.c.state.in_([state.value for state in states]))
    ).scalar_one()


def account_of_hour(connection: Connection, source: str, hour: str) -> Account:
    """Adds up one hour of a source.

    Rejected records that were read again count once: with the row that took them up.
    """
    of_hour = (objects.c.source == source, objects.c.hour == hour, objects.c.state != ObjectState.RETRIED.value)
    whole = objects.c.retry_of.is_(None)
    parsed = sa.exists().where(stage.c.part_id == objects.c.part_id, stage.c.stage == Stage.PARSED.value)
    totals = connection.execute(
        sa.select(
            _sum(sa.case((whole, 1), else_=0)).label("objects"),
            _sum(objects.c.records).label("records"),
            _sum(objects.c.rows).label("rows"),
            _sum(objects.c.quarantined).label("quarantined"),
            _sum(objects.c.filtered).label("filtered"),
            _sum(sa.case((whole, objects.c.size), else_=0)).label("bytes"),
            _sum(sa.case((whole, objects.c.decoded_bytes), else_=0)).label("decoded_bytes"),
            _sum(sa.case((objects.c.state.in_(_REFUSED), 1), else_=0)).label("refused"),
            _sum(sa.case((parsed, 0), else_=1)).label("unread"),
            _sum(sa.case((sa.and_(objects.c.late, whole), 1), else_=0)).label("late"),
        ).where(*of_hour)
    ).one()
    retried = retried_records(connection, source, hour, hour).get(hour, 0)
    dead = connection.execute(
        sa.select(_sum(dead_letter.c.rows)).where(dead_letter.c.source == source, dead_letter.c.hour == hour)
    ).scalar_one()
    return Account(
        source=source,
        hour=hour,
        objects=totals.objects,
        unread_objects=totals.unread,
        refused_objects=totals.refused,
        late_objects=totals.late,
        records=totals.records - retried,
        rows=totals.rows,
        accepted=_rows_of_batches(connection, source, hour, [BatchState.ACCEPTED]),
        unknown=_rows_of_batches(connection, source, hour, [BatchState.UNKNOWN, BatchState.SENDING]),
        dead=dead,
        quarantined=totals.quarantined - retried,
        filtered=totals.filtered,
        bytes=totals.bytes,
        decoded_bytes=totals.decoded_bytes,
        sealed=is_sealed(connection, source, hour),
    )


def accepted_batches(connection: Connection, source: str, hour: str) -> dict[str, dict[str, int]]:
    """Accepted batches of the hour: table → {batch id: rows}."""
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(
        sa.select(batch.c.table_name, batch.c.id, batch.c.row_end - batch.c.row_start)
        .join(part, part.c.id == batch.c.part_id)
        .where(part.c.source == source, part.c.hour == hour, batch.c.state == BatchState.ACCEPTED.value)
        .order_by(batch.c.part_id, batch.c.position)
    ):
        found.setdefault(row[0], {})[row[1]] = row[2]
    return found


def record_proof(connection: Connection, made: Proof) -> None:
    """Appends a proof; earlier ones stay."""
    account = made.account
    connection.execute(
        sa.insert(proof).values(
            source=account.source,
            hour=account.hour,
            made_at=made.made_at,
            sealed=account.sealed,
            objects=account.objects,
            records=account.records,
            accepted=account.accepted,
            pending=account.pending,
            unknown=account.unknown,
            dead=account.dead,
            quarantined=account.quarantined,
            filtered=account.filtered,
            found=made.found,
            agrees=made.agrees,
            verdict=account.verdict,
        )
    )


def hours_to_prove(connection: Connection, source: str) -> list[str]:
    """Hours whose newest proof does not show the present, oldest first.

    That is: there is none, or it does not agree, or was made before the hour was sealed or a batch of it was settled.
    """
    newest = (
        sa.select(proof.c.hour, sa.func.max(proof.c.id).label("id"))
        .where(proof.c.source == source)
        .group_by(proof.c.hour)
        .subquery()
    )
    settled = (
        sa.select(part.c.hour, sa.func.max(batch.c.settled_at).label("at"))
        .join(batch, batch.c.part_id == part.c.id)
        .where(part.c.source == source)
        .group_by(part.c.hour)
        .subquery()
    )
    hours = sa.select(part.c.hour).distinct().where(part.c.source == source).subquery()
    rows = connection.execute(
        sa.select(hours.c.hour)
        .outerjoin(newest, newest.c.hour == hours.c.hour)
        .outerjoin(proof, proof.c.id == newest.c.id)
        .outerjoin(settled, settled.c.hour == hours.c.hour)
        .outerjoin(hour_table, sa.and_(hour_table.c.source == source, hour_table.c.hour == hours.c.hour))
        .where(
            sa.or_(
                proof.c.id.is_(None),
                proof.c.agrees.is_not(True),
                proof.c.made_at < settled.c.at,
                proof.c.made_at < hour_table.c.sealed_at,
            )
        )
        .order_by(hours.c.hour)
    )
    return list(rows.scalars())
