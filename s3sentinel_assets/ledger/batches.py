"""Batches: the life of every upload, one guarded transition a function.

Belongs here: the states and who may change them. Does not belong here: bodies, requests and what an answer means
(``sentinel``).

``planned`` → ``sending`` → ``accepted`` | ``retry`` | ``unknown`` | ``dead`` | ``superseded``; ``retry`` → ``sending``;
``unknown`` → ``accepted`` | ``retry`` (only by the sweep that asked the workspace); ``dead`` → ``retry`` |
``superseded`` (only at a human's word). Every change checks the part's lease in the same transaction, so a worker that
lost its part changes nothing.
"""

import functools
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.errors import LeaseLostError
from s3sentinel_assets.ledger.dead_letters import (
    DeadLetter,
    KeptLetter,
    record_dead_letters,
    take_back_dead_letters,
    take_back_letter,
)
from s3sentinel_assets.ledger.leases import Lease, check_lease
from s3sentinel_assets.ledger.schema import BatchKind, BatchState, batch, lease, part

__all__ = [
    "OPEN_STATES",
    "Batch",
    "PlannedBatch",
    "accepted_since",
    "batches_by_id",
    "batches_of_kind",
    "batches_of_part",
    "begin_sending",
    "count_batches",
    "delivery_lease",
    "insert_batches",
    "later_accepted",
    "parts_in_doubt",
    "replace_dead_letter",
    "requeue_dead_batches",
    "resolve_batch",
    "settle_batch",
    "supersede_batch",
    "suspend_sending",
    "unknown_since",
]

#: What a run may send.
OPEN_STATES = (BatchState.PLANNED, BatchState.RETRY)

_ERROR_LENGTH = 1_000


@dataclass(frozen=True)
class PlannedBatch:
    """One upload as planned.

    ``row_start`` and ``row_end`` count over the whole part; ``raw_bytes`` and ``sha256`` are of the uncompressed body
    at ``[offset, offset + length)`` of the file ``uri``, which carries no attempt number. ``route`` names the routing
    rule that sent the rows to this table.
    """

    id: str
    part_id: int
    parent_id: str | None
    dcr_id: str
    stream: str
    table_name: str
    position: int
    row_start: int
    row_end: int
    uri: str
    offset: int
    length: int
    raw_bytes: int
    sha256: str
    attempt: int = 1
    kind: BatchKind = BatchKind.ROWS
    route: str | None = None

    @property
    def rows(self) -> int:
        """How many rows it carries."""
        return self.row_end - self.row_start


@dataclass(frozen=True, kw_only=True)
class Batch(PlannedBatch):
    """An upload and what has become of it. Instants in microseconds."""

    stage_id: int
    state: BatchState
    tries: int
    request_id: str | None
    lease_epoch: int | None
    sent_at: int | None
    settled_at: int | None
    status: int | None
    error: str | None


_FIELDS = tuple(Batch.__dataclass_fields__)


def _batch(row: sa.Row[Any]) -> Batch:
    values: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    values["state"] = BatchState(row.state)
    values["kind"] = BatchKind(row.kind)
    return Batch(**values)


def delivery_lease(part_id: int) -> str:
    """The name of the lease that guards all batches of a part."""
    return f"deliver:{part_id}"


def insert_batches(connection: Connection, batches: Iterable[PlannedBatch], stage_id: int, now: int) -> None:
    """Records planned batches in the transaction that commits their plan."""
    rows: list[dict[str, Any]] = [
        asdict(planned)
        | {
            "kind": planned.kind.value,
            "stage_id": stage_id,
            "state": BatchState.PLANNED.value,
            "tries": 0,
            "planned_at": now,
        }
        for planned in batches
    ]
    if rows:
        connection.execute(sa.insert(batch), rows)


def batches_of_part(connection: Connection, part_id: int, states: Collection[BatchState] | None = None) -> list[Batch]:
    """The part's batches in order of their rows."""
    query = sa.select(batch).where(batch.c.part_id == part_id)
    if states is not None:
        query = query.where(batch.c.state.in_([state.value for state in states]))
    return [_batch(row) for row in connection.execute(query.order_by(batch.c.row_start, batch.c.position, batch.c.id))]


def batches_of_kind(connection: Connection, source: str, first: str, last: str, kind: BatchKind) -> list[Batch]:
    """The batches of a kind that parts of the hours from ``first`` to ``last`` carry, in ledger order."""
    query = (
        sa.select(batch)
        .join(part, part.c.id == batch.c.part_id)
        .where(part.c.source == source, part.c.hour.between(first, last), batch.c.kind == kind.value)
        .order_by(part.c.id, batch.c.row_start, batch.c.position, batch.c.id)
    )
    return [_batch(row) for row in connection.execute(query)]


def batches_by_id(connection: Connection, batch_ids: Collection[str]) -> list[Batch]:
    """A few batches by their ids, in order of their rows."""
    query = sa.select(batch).where(batch.c.id.in_(list(batch_ids)))
    return [_batch(row) for row in connection.execute(query.order_by(batch.c.row_start, batch.c.id))]


def count_batches(connection: Connection, part_ids: Collection[int]) -> dict[BatchState, tuple[int, int]]:
    """State → (batches, rows) over the parts."""
    rows = connection.execute(
        sa.select(
            batch.c.state,
            sa.func.count(),
            sa.cast(sa.func.sum(batch.c.row_end - batch.c.row_start), sa.BigInteger),
        )
        .where(batch.c.part_id.in_(list(part_ids)))
        .group_by(batch.c.state)
    )
    return {BatchState(state): (count, total) for state, count, total in rows}


def _change(
    connection: Connection,
    held: Lease,
    batch_id: str,
    states: Collection[BatchState],
    values: dict[str, Any],
    request_id: str | None = None,
    *,
    another_try: bool = False,
) -> None:
    check_lease(connection, held)
    statement = _change_statement(
        tuple(state.value for state in states), tuple(values), request_id is not None, another_try
    )
    which = {"which_batch": batch_id} | ({"which_request": request_id} if request_id is not None else {})
    if connection.execute(statement, which | {f"new_{name}": value for name, value in values.items()}).rowcount != 1:
        raise LeaseLostError(f"batch {batch_id} was changed by another worker")


@functools.cache
def _change_statement(
    states: tuple[str, ...], names: tuple[str, ...], of_request: bool, another_try: bool
) -> sa.Update:
    """The update of a batch in one of the states; there are a handful of them, and every batch needs two."""
    statement = sa.update(batch).where(batch.c.id == sa.bindparam("which_batch"), batch.c.state.in_(states))
    if of_request:
        statement = statement.where(batch.c.request_id == sa.bindparam("which_request"))
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
    if another_try:
        values["tries"] = batch.c.tries + 1
    return statement.values(**values)


def begin_sending(connection: Connection, held: Lease, batch_id: str, request_id: str, now: int) -> None:
    """``planned`` or ``retry`` → ``sending``; must be committed before the first byte is sent.

    Raises:
        LeaseLostError: the part is not ours any more.
    """
    values = {
        "state": BatchState.SENDING.value,
        "request_id": request_id,
        "lease_epoch": held.epoch,
        "sent_at": now,
        "settled_at": None,
    }
    _change(connection, held, batch_id, OPEN_STATES, values, another_try=True)


def settle_batch(
    connection: Connection,
    held: Lease,
    sent: Batch,
    request_id: str,
    state: BatchState,
    *,
    status: int | None,
    error: str | None,
    now: int,
    reason: str = "refused",
) -> None:
    """``sending`` → ``accepted``, ``retry``, ``unknown`` or ``dead``; a dead batch becomes a dead letter at once.

    Raises:
        LeaseLostError: the part is not ours any more.
    """
    error = error[:_ERROR_LENGTH] if error else None
    values = {"state": state.value, "status": status, "error": error, "settled_at": now}
    _change(connection, held, sent.id, [BatchState.SENDING], values, request_id)
    if state is BatchState.DEAD:
        letter = DeadLetter(sent.part_id, sent.id, sent.row_start, sent.row_end, reason, error, sent.uri)
        record_dead_letters(connection, [letter], now)


def supersede_batch(
    connection: Connection,
    held: Lease,
    parent: Batch,
    children: Iterable[PlannedBatch],
    *,
    status: int | None,
    error: str | None,
    now: int,
) -> None:
    """Replaces a batch by children that carry exactly its rows; their bodies must already be in the store.

    Raises:
        LeaseLostError: the part is not ours any more.
    """
    children = list(children)
    if [(child.row_start, child.row_end) for child in children] != _gapless(parent, children):
        raise ValueError(f"the children of batch {parent.id} do not carry exactly its rows")
    error = error[:_ERROR_LENGTH] if error else None
    values = {"state": BatchState.SUPERSEDED.value, "status": status, "error": error, "settled_at": now}
    _change(connection, held, parent.id, [BatchState.SENDING, *OPEN_STATES], values)
    insert_batches(connection, children, parent.stage_id, now)


def _gapless(parent: Batch | KeptLetter, children: list[PlannedBatch]) -> list[tuple[int, int]]:
    ends = [child.row_end for child in children]
    return list(zip([parent.row_start, *ends[:-1]], [*ends[:-1], parent.row_end], strict=True))


def suspend_sending(connection: Connection, held: Lease, part_id: int, now: int) -> int:
    """``sending`` → ``unknown`` for whatever an earlier worker of the part left behind.

    Call it only where no thread of the caller is sending for this part.

    Returns:
        How many batches.

    Raises:
        LeaseLostError: the part is not ours any more.
    """
    check_lease(connection, held)
    return connection.execute(
        sa.update(batch)
        .where(batch.c.part_id == part_id, batch.c.state == BatchState.SENDING.value)
        .values(
            state=BatchState.UNKNOWN.value,
            settled_at=now,
            error="the worker that sent it did not live to see the answer",
        )
    ).rowcount


def resolve_batch(
    connection: Connection, held: Lease, doubted: Batch, state: BatchState, *, error: str | None, now: int
) -> None:
    """``unknown`` → ``accepted`` (found in the workspace) or ``retry`` (absent; the next attempt).

    Raises:
        LeaseLostError: the part is not ours any more.
    """
    if state not in (BatchState.ACCEPTED, BatchState.RETRY):
        raise ValueError(f"an unknown batch cannot become {state}")
    attempt = doubted.attempt + (state is BatchState.RETRY)
    values = {"state": state.value, "attempt": attempt, "error": error, "settled_at": now}
    _change(connection, held, doubted.id, [BatchState.UNKNOWN], values)


def requeue_dead_batches(
    connection: Connection,
    held: Lease,
    part_id: int,
    *,
    reason: str | None = None,
    now: int,
    ids: Collection[int] = (),
    on_taken: Callable[[list[KeptLetter]], None] | None = None,
) -> tuple[int, int]:
    """``dead`` → ``retry``: the part's dead batches may be sent again, and their dead letters go.

    Both in the caller's transaction, so that no row is ever in two places or in none. The attempt stays: what was
    refused was never stored.

    Args:
        connection: a writing one.
        held: the part's lease.
        part_id: the part.
        reason: only dead letters with this reason; None: all.
        now: the present.
        ids: only these dead letters, also if they were dropped; empty: all that were not.
        on_taken: called with the letters that were taken back, if there were any.

    Returns:
        How many batches and how many rows.

    Raises:
        LeaseLostError: the part is not ours any more.
    """
    check_lease(connection, held)
    letters = take_back_dead_letters(connection, part_id, reason, ids)
    for letter in letters:
        error = f"sent again on request; before: {letter.detail or letter.reason}"[:_ERROR_LENGTH]
        values = {"state": BatchState.RETRY.value, "error": error, "settled_at": now}
        _change(connection, held, letter.batch_id or "", [BatchState.DEAD], values)
    if letters and on_taken is not None:
        on_taken(letters)
    return len(letters), sum(letter.rows for letter in letters)


def replace_dead_letter(
    connection: Connection,
    held: Lease,
    letter: KeptLetter,
    children: Iterable[PlannedBatch],
    *,
    stage_id: int,
    now: int,
) -> None:
    """Plans the mended rows of a dead letter, which goes; a dead batch that held them becomes ``superseded``.

    All in the caller's transaction, so that no row is ever in two places or in none; the children's bodies must
    already be in the store.

    Args:
        connection: a writing one.
        held: the part's lease.
        letter: the dead letter.
        children: batches that carry exactly its rows.
        stage_id: the plan that the rows are of.
        now: the present.

    Raises:
        LeaseLostError: the part is not ours any more, or the letter was taken back meanwhile.
    """
    check_lease(connection, held)
    children = list(children)
    if [(child.row_start, child.row_end) for child in children] != _gapless(letter, children):
        raise ValueError(f"the mended batches of dead letter {letter.id} do not carry exactly its rows")
    if not take_back_letter(connection, letter):
        raise LeaseLostError(f"dead letter {letter.id} was taken back by another worker")
    if letter.batch_id is not None:
        error = f"mended on request; before: {letter.detail or letter.reason}"[:_ERROR_LENGTH]
        values = {"state": BatchState.SUPERSEDED.value, "error": error, "settled_at": now}
        _change(connection, held, letter.batch_id, [BatchState.DEAD], values)
    insert_batches(connection, children, stage_id, now)


def parts_in_doubt(connection: Connection, now: int, source: str | None = None) -> list[int]:
    """Parts with ``unknown`` batches, or with ``sending`` ones whose worker holds no lease any more.

    Args:
        connection: to the ledger.
        now: the present, as the ledger stores it.
        source: only this source's parts; None: all.
    """
    of_source = sa.true() if source is None else part.c.source == source
    live = (
        sa.exists()
        .where(lease.c.name == sa.literal("deliver:") + sa.cast(batch.c.part_id, sa.String), lease.c.expires_at > now)
        .correlate(batch)
    )
    return list(
        connection.execute(
            sa.select(batch.c.part_id)
            .join(part, part.c.id == batch.c.part_id)
            .where(
                of_source,
                sa.or_(
                    batch.c.state == BatchState.UNKNOWN.value,
                    sa.and_(batch.c.state == BatchState.SENDING.value, ~live),
                ),
            )
            .distinct()
            .order_by(batch.c.part_id)
        ).scalars()
    )


def later_accepted(connection: Connection, table_name: str, sent_after: int, limit: int = 10) -> list[Batch]:
    """Accepted batches of a table sent after an instant: the earliest and the latest ``limit`` of them."""
    query = (
        sa.select(batch)
        .where(
            batch.c.table_name == table_name, batch.c.state == BatchState.ACCEPTED.value, batch.c.sent_at > sent_after
        )
        .limit(limit)
    )
    rows = [
        *connection.execute(query.order_by(batch.c.sent_at, batch.c.id)),
        *connection.execute(query.order_by(batch.c.sent_at.desc(), batch.c.id)),
    ]
    return list({row.id: _batch(row) for row in rows}.values())


def accepted_since(connection: Connection, dcr_id: str, stream: str, since: int) -> bool:
    """Whether a batch that was sent to this stream of this rule at ``since`` or later was accepted."""
    query = sa.select(batch.c.id).where(
        batch.c.state == BatchState.ACCEPTED.value,
        batch.c.dcr_id == dcr_id,
        batch.c.stream == stream,
        batch.c.sent_at >= since,
    )
    return connection.execute(query.limit(1)).first() is not None


def unknown_since(
    connection: Connection, sent_before: int, source: str | None = None, *, limit: int
) -> tuple[list[Batch], int]:
    """The oldest ``limit`` batches that are unknown and were sent before an instant, and how many there are in all."""
    old = sa.and_(
        batch.c.state == BatchState.UNKNOWN.value,
        batch.c.sent_at < sent_before,
        sa.true() if source is None else part.c.source == source,
    )
    home = part.c.id == batch.c.part_id
    count = connection.execute(sa.select(sa.func.count()).select_from(batch).join(part, home).where(old)).scalar_one()
    rows = connection.execute(
        sa.select(batch).join(part, home).where(old).order_by(batch.c.sent_at, batch.c.id).limit(limit)
    )
    return [_batch(row) for row in rows], count
