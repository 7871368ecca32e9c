"""The accounts of an hour: every record read is accepted, pending, unknown, dead-lettered, quarantined or filtered.

Belongs here: the account of one hour, from the ledger alone, and the shapes of checks and proofs. Does not belong here:
recording proofs and when they are due (``proofs``), what the workspace says it holds (`pipeline.proofs`).
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.filtered import filtered_by_rules
from s3sentinel_assets.ledger.hours import is_sealed
from s3sentinel_assets.ledger.objects import REFUSED
from s3sentinel_assets.ledger.quarantine import retried_records
from s3sentinel_assets.ledger.schema import (
    BatchKind,
    BatchState,
    ObjectState,
    Stage,
    batch,
    dead_letter,
    objects,
    part,
    stage,
)

__all__ = [
    "AcceptedBatch",
    "Account",
    "CheckReport",
    "Proof",
    "accepted_batches",
    "account_of_hour",
    "request_ids",
]

_OPEN = (BatchState.PLANNED, BatchState.SENDING, BatchState.RETRY, BatchState.UNKNOWN)
_OF_ROWS = batch.c.kind == BatchKind.ROWS.value

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
        rows: parsed rows that are to be delivered, without those that a routing rule left out.
        accepted: rows in batches the workspace has accepted.
        unknown: rows in batches whose outcome is not known.
        dead: rows the workspace refuses for good.
        pending: rows in no final batch yet.
        quarantined: records that could not be parsed.
        filtered: records left out by a named rule: duplicates of one event, and what routing rules drop.
        bytes: size of the objects in S3.
        decoded_bytes: size of what was decoded from them.
        sealed: whether the hour is sealed.
        filtered_by: routing rule → rows it left out; the rest of ``filtered`` is duplicates.
        other_open: batches without a final outcome that carry no rows of the account (texts too long for a field,
            events sent once more to a better table).
        other_dead: rows of such batches that the workspace refuses for good.
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
    filtered_by: dict[str, int] = field(default_factory=dict)
    other_open: int = 0
    other_dead: int = 0

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
        if self.pending or self.unknown or self.unread_objects or self.other_open:
            return "pending"
        if self.quarantined or self.dead or self.other_dead or self.refused_objects:
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
        found: rows the workspace holds of the hour's accepted batches; None where it was not asked for all of them.
        made_at: when it was asked.
        report: the comparison batch by batch; totals alone would let a doubled batch hide a missing one.
        listed: objects that the newest whole listing of the hour showed; None: none has covered it.
        log_errors: rows of ``DCRLogErrors`` about the hour's requests; None: it could not be asked.
    """

    account: Account
    found: int | None
    made_at: int
    report: CheckReport = field(default_factory=lambda: CheckReport(passed=False))
    listed: int | None = None
    log_errors: int | None = None

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
        .where(part.c.source == source, part.c.hour == hour, _OF_ROWS)
        .where(batch.c.state.in_([state.value for state in states]))
    ).scalar_one()


def _other_open(connection: Connection, source: str, hour: str) -> int:
    return connection.execute(
        sa.select(sa.func.count())
        .select_from(batch)
        .join(part, part.c.id == batch.c.part_id)
        .where(part.c.source == source, part.c.hour == hour, ~_OF_ROWS)
        .where(batch.c.state.in_([state.value for state in _OPEN]))
    ).scalar_one()


def _dead(connection: Connection, source: str, hour: str) -> tuple[int, int]:
    """Dead rows of the account, and of other batches. A row that fits no batch is one of the account."""
    ours = sa.func.coalesce(batch.c.kind, BatchKind.ROWS.value) == BatchKind.ROWS.value
    row = connection.execute(
        sa.select(
            _sum(sa.case((ours, dead_letter.c.rows), else_=0)), _sum(sa.case((ours, 0), else_=dead_letter.c.rows))
        )
        .select_from(dead_letter)
        .outerjoin(batch, batch.c.id == dead_letter.c.batch_id)
        .where(dead_letter.c.source == source, dead_letter.c.hour == hour)
    ).one()
    return row[0], row[1]


def account_of_hour(connection: Connection, source: str, hour: str) -> Account:
    """Adds up one hour of a source.

    Rejected records that were read again count once: with the row that took them up. Only batches that carry rows of
    the account count as accepted, unknown or dead; others are told apart.
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
    dead, other_dead = _dead(connection, source, hour)
    rules = filtered_by_rules(connection, source, hour, hour).get(hour, {})
    left_out = {rule: entry.rows for rule, entry in sorted(rules.items()) if entry.rows}
    return Account(
        source=source,
        hour=hour,
        objects=totals.objects,
        unread_objects=totals.unread,
        refused_objects=totals.refused,
        late_objects=totals.late,
        records=totals.records - retried,
        rows=totals.rows - sum(left_out.values()),
        accepted=_rows_of_batches(connection, source, hour, [BatchState.ACCEPTED]),
        unknown=_rows_of_batches(connection, source, hour, [BatchState.UNKNOWN, BatchState.SENDING]),
        dead=dead,
        quarantined=totals.quarantined - retried,
        filtered=totals.filtered + sum(left_out.values()),
        bytes=totals.bytes,
        decoded_bytes=totals.decoded_bytes,
        sealed=is_sealed(connection, source, hour),
        filtered_by=left_out,
        other_open=_other_open(connection, source, hour),
        other_dead=other_dead,
    )


@dataclass(frozen=True)
class AcceptedBatch:
    """An accepted batch that carries rows of the account. ``sent_at`` in microseconds."""

    id: str
    part_id: int
    rows: int
    sent_at: int


def accepted_batches(connection: Connection, source: str, hour: str) -> dict[str, list[AcceptedBatch]]:
    """Accepted batches of the hour that carry rows of the account: table → batches, part by part."""
    found: dict[str, list[AcceptedBatch]] = {}
    for row in connection.execute(
        sa.select(
            batch.c.table_name,
            batch.c.id,
            batch.c.part_id,
            batch.c.row_end - batch.c.row_start,
            sa.func.coalesce(batch.c.sent_at, batch.c.planned_at),
        )
        .join(part, part.c.id == batch.c.part_id)
        .where(part.c.source == source, part.c.hour == hour, batch.c.state == BatchState.ACCEPTED.value, _OF_ROWS)
        .order_by(batch.c.part_id, batch.c.position)
    ):
        found.setdefault(row[0], []).append(AcceptedBatch(*row[1:]))
    return found


def request_ids(connection: Connection, source: str, hour: str) -> tuple[list[str], int | None]:
    """The last request of each batch of the hour that was sent, of any kind, and when the first went out."""
    rows = connection.execute(
        sa.select(batch.c.request_id, batch.c.sent_at)
        .join(part, part.c.id == batch.c.part_id)
        .where(part.c.source == source, part.c.hour == hour, batch.c.request_id.is_not(None))
        .order_by(batch.c.part_id, batch.c.position)
    ).all()
    return [row.request_id for row in rows], min((row.sent_at for row in rows if row.sent_at), default=None)
