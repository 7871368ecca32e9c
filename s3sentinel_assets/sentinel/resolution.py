"""Resolution: what became of the batches nobody knows the outcome of.

Belongs here: the sweep over ``unknown`` batches. Does not belong here: ordinary sending (``delivery``) or the query
itself (``query``).

Found in the workspace, every event of it → accepted. Absent is a proof only if the client's time-out and the bound have
passed *and* a batch that was sent later to the same table is visible; then the batch goes out again with the same
``BatchId_CF`` and event ids and the next ``Attempt_CF``, so that a first copy that turns up after all is recognised and
de-duplicated. Anything else stays unknown, and is reported again and again once it is a day old.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger.batches import (
    Batch,
    batches_of_part,
    delivery_lease,
    later_accepted,
    parts_in_doubt,
    resolve_batch,
    suspend_sending,
    unknown_since,
)
from s3sentinel_assets.ledger.engine import Ledger, from_micros, to_micros
from s3sentinel_assets.ledger.leases import Lease, hold_lease, worker_name
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel.client import SentinelClient
from s3sentinel_assets.sentinel.delivery import DeliverySummary, deliver_part
from s3sentinel_assets.sentinel.packing import LAST_ATTEMPT
from s3sentinel_assets.sentinel.query import Found, WorkspaceQuery
from s3sentinel_assets.store import Store

__all__ = ["ResolutionSummary", "resolve_unknown"]

#: A batch that is absent after so many attempts is for a human.
MAX_RESENDS = LAST_ATTEMPT - 1

#: Unknown for longer than this is no delay any more.
_TOO_LONG = timedelta(days=1)
#: So many of them are named one by one.
_NAMED = 20


@dataclass
class ResolutionSummary:
    """What a sweep found, in batches unless said otherwise.

    Attributes:
        accepted: found whole in the workspace.
        resent: proved absent and sent again (how that ended is in ``deliveries``).
        still_unknown: neither found nor proved absent.
        partial: of these, found in part.
        extra_rows: copies beyond the first that the workspace holds of accepted batches.
        busy_parts: parts another worker is sending.
        problems: sentences for the user.
        deliveries: the runs that sent again.
    """

    accepted: int = 0
    resent: int = 0
    still_unknown: int = 0
    partial: int = 0
    extra_rows: int = 0
    busy_parts: int = 0
    problems: list[str] = field(default_factory=list)
    deliveries: list[DeliverySummary] = field(default_factory=list)


def resolve_unknown(
    ledger: Ledger,
    store: Store,
    client: SentinelClient,
    query: WorkspaceQuery,
    settings: SentinelSettings,
    now: datetime | None = None,
    *,
    source: str | None = None,
    lease_seconds: float = 120,
) -> ResolutionSummary:
    """Settles every unknown batch that can be settled, part by part, each under its lease.

    Also takes over batches left in ``sending`` by a worker that is gone. A query or delivery that fails is reported in
    ``problems`` and leaves its batches as they are.

    Args:
        ledger: knows the batches.
        store: holds the bodies.
        client: sends again.
        query: asks the workspace.
        settings: time-outs and bound.
        now: the present; tests pass another.
        source: only this source's batches; None: all.
        lease_seconds: life of the parts' leases between renewals.
    """
    summary = ResolutionSummary()
    with ledger.read() as connection:
        part_ids = parts_in_doubt(connection, ledger.now(), source)
    owner = worker_name()
    for part_id in part_ids:
        with hold_lease(ledger, delivery_lease(part_id), owner, lease_seconds) as held:
            if held is None:
                summary.busy_parts += 1
                continue
            try:
                resent = _resolve_part(ledger, query, settings, held, part_id, now, summary)
                if resent:
                    summary.deliveries.append(deliver_part(ledger, store, client, held, part_id, settings))
            except UserError as error:
                summary.problems.append(str(error))
            except LeaseLostError:
                summary.busy_parts += 1
    summary.problems += _unknown_too_long(ledger, now or utc_now(), source)
    return summary


def _unknown_too_long(ledger: Ledger, now: datetime, source: str | None) -> list[str]:
    """A sentence for each batch that has been unknown for more than a day, whatever the reason."""
    with ledger.read() as connection:
        old, count = unknown_since(connection, to_micros(now - _TOO_LONG), source, limit=_NAMED)
    sentences = [
        f"batch {batch.id} of table {batch.table_name} ({batch.rows} rows, part {batch.part_id}) has been unknown "
        f"since {_sent_at(batch):%Y-%m-%d %H:%M} UTC; query the table for BatchId_CF == '{batch.id}' and "
        f"DCRLogErrors for ClientRequestId {batch.request_id}"
        for batch in old
    ]
    if count > len(old):
        sentences.append(f"{count - len(old)} more batches have been unknown for more than a day")
    return sentences


def _resolve_part(
    ledger: Ledger,
    query: WorkspaceQuery,
    settings: SentinelSettings,
    held: Lease,
    part_id: int,
    now: datetime | None,
    summary: ResolutionSummary,
) -> int:
    """Settles the unknown batches of one part; gives how many are to be sent again."""
    with ledger.write() as connection:
        suspend_sending(connection, held, part_id, ledger.now())
    with ledger.read() as connection:
        doubted = batches_of_part(connection, part_id, [BatchState.UNKNOWN])
        tables = sorted({batch.table_name for batch in doubted})
        earliest = {table: min(_sent_at(b) for b in doubted if b.table_name == table) for table in tables}
        later = {table: later_accepted(connection, table, to_micros(since)) for table, since in earliest.items()}
    summary.still_unknown += len(doubted)
    resent = 0
    for table, since in earliest.items():
        mine = [batch for batch in doubted if batch.table_name == table]
        found = query.count_batches(table, [batch.id for batch in [*mine, *later[table]]], since=since)
        visible = max((_sent_at(batch) for batch in later[table] if batch.id in found), default=None)
        for batch in mine:
            held_there = found.get(batch.id)
            if held_there is not None:
                _found(ledger, held, batch, held_there, summary)
            elif _surely_absent(batch, visible, settings, now or utc_now()):
                resent += _send_again(ledger, held, batch, summary)
    return resent


def _sent_at(batch: Batch) -> datetime:
    if batch.sent_at is None:
        raise ValueError(f"batch {batch.id} is {batch.state} but was never sent")
    return from_micros(batch.sent_at)


def _surely_absent(batch: Batch, visible: datetime | None, settings: SentinelSettings, now: datetime) -> bool:
    patience = timedelta(
        seconds=settings.connect_timeout_seconds + settings.read_timeout_seconds, minutes=settings.unknown_bound_minutes
    )
    sent = _sent_at(batch)
    return now >= sent + patience and visible is not None and visible > sent


def _found(ledger: Ledger, held: Lease, batch: Batch, there: Found, summary: ResolutionSummary) -> None:
    # Rows alone prove nothing: half a batch stored twice has as many.
    if there.events != batch.rows:
        summary.partial += 1
        summary.problems.append(
            f"the workspace holds {there.rows} rows of batch {batch.id} with {there.events} different events, and the "
            f"batch has {batch.rows}; it stays unknown, look for "
            f"the reason in DCRLogErrors (ClientRequestId {batch.request_id})"
        )
        return
    with ledger.write() as connection:
        resolve_batch(connection, held, batch, BatchState.ACCEPTED, error=None, now=ledger.now())
    summary.accepted += 1
    summary.still_unknown -= 1
    summary.extra_rows += there.rows - batch.rows


def _send_again(ledger: Ledger, held: Lease, batch: Batch, summary: ResolutionSummary) -> int:
    if batch.attempt > MAX_RESENDS:
        summary.problems.append(
            f"batch {batch.id} was sent {batch.attempt} times and the workspace does not hold it; it stays "
            "unknown, check "
            "the data collection rule and its DCRLogErrors"
        )
        return 0
    with ledger.write() as connection:
        resolve_batch(
            connection, held, batch, BatchState.RETRY, error="absent from the workspace; sent again", now=ledger.now()
        )
    summary.resent += 1
    summary.still_unknown -= 1
    return 1
