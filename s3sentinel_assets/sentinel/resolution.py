"""Resolution: what became of the batches nobody knows the outcome of.

Belongs here: the sweep over ``unknown`` batches. Does not belong here: ordinary sending (``delivery``) or the query
itself (``query``).

Found in the workspace, every event of it → accepted. Absent is a proof only if the client's time-out and the bound have
passed *and* a batch that was sent later to the same table is visible; then the batch goes out again with the same
``BatchId_CF`` and event ids and the next ``Attempt_CF``, so that a first copy that turns up after all is recognised and
de-duplicated. Anything else stays unknown, and is reported again and again once it is a day old.

A table on a cheaper plan, where each query is billed by what it scans, is asked only when the answer can settle the
batch either way, and then 1, 2, 4, 8 … hours later; in a time range that just holds the rows in question and those of a
few batches that were sent next.
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
from s3sentinel_assets.ledger.schema import BatchState, Stage
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.sentinel.client import SentinelClient
from s3sentinel_assets.sentinel.delivery import DeliverySummary, deliver_part
from s3sentinel_assets.sentinel.packing import LAST_ATTEMPT
from s3sentinel_assets.sentinel.query import Found, WorkspaceQuery, billed_by_scan
from s3sentinel_assets.sentinel.time_range import merged, time_range
from s3sentinel_assets.store import Store

__all__ = ["ResolutionSummary", "resolve_unknown"]

#: A batch that is absent after so many attempts is for a human.
MAX_RESENDS = LAST_ATTEMPT - 1

#: Unknown for longer than this is no delay any more.
_TOO_LONG = timedelta(days=1)
#: So many of them are named one by one.
_NAMED = 20
#: Of a cheaper table, batches that were sent later and are looked for as well.
_WITNESSES = 3
#: Sweeps come every hour.
_SWEEP = timedelta(hours=1)


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
                resent = _resolve_part(ledger, store, query, settings, held, part_id, now, summary)
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
    store: Store,
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
    summary.still_unknown += len(doubted)
    resent = 0
    for table in sorted({batch.table_name for batch in doubted}):
        mine = [batch for batch in doubted if batch.table_name == table]
        if billed_by_scan(table):
            if not _due(mine, settings, now or utc_now()):
                continue
            found, later = _search(ledger, store, query, table, mine)
        else:
            found, later = _ask(ledger, query, table, mine)
        visible = max((_sent_at(batch) for batch in later if batch.id in found), default=None)
        for batch in mine:
            held_there = found.get(batch.id)
            if held_there is not None:
                _found(ledger, held, batch, held_there, summary)
            elif _surely_absent(batch, visible, settings, now or utc_now()):
                resent += _send_again(ledger, held, batch, summary)
    return resent


def _ask(ledger: Ledger, query: WorkspaceQuery, table: str, mine: list[Batch]) -> tuple[dict[str, Found], list[Batch]]:
    """What the workspace holds of the batches and of some that were sent later; and these."""
    since = min(map(_sent_at, mine))
    with ledger.read() as connection:
        later = later_accepted(connection, table, to_micros(since))
    return query.count_batches(table, [batch.id for batch in [*mine, *later]], since=since), later


def _search(
    ledger: Ledger, store: Store, query: WorkspaceQuery, table: str, mine: list[Batch]
) -> tuple[dict[str, Found], list[Batch]]:
    """The same of a table where queries are billed: few later batches, and the time ranges that hold all the rows."""
    with ledger.read() as connection:
        after = later_accepted(connection, table, to_micros(max(map(_sent_at, mine))), _WITNESSES)
        # The first ones: what was sent long after would make the range long.
        later = sorted(after, key=_sent_at)[:_WITNESSES]
        wanted = [*mine, *later]
        parsed = latest_stages(connection, list({batch.part_id for batch in wanted}), Stage.PARSED)
    ranges = []
    for batch in wanted:
        sent = _sent_at(batch)
        ranges.append((time_range(store, parsed.get(batch.part_id), table, sent, sent), [batch.id]))
    found: dict[str, Found] = {}
    for span, ids in merged(ranges):
        found |= query.count_batches(table, ids, time_range=span)
    return found, later


def _patience(settings: SentinelSettings) -> timedelta:
    """How long after the sending a batch that is absent is absent for good."""
    return timedelta(
        seconds=settings.connect_timeout_seconds + settings.read_timeout_seconds, minutes=settings.unknown_bound_minutes
    )


def _due(mine: list[Batch], settings: SentinelSettings, now: datetime) -> bool:
    """Whether a sweep asks about batches in a table where that is billed: 0, 1, 2, 4, 8 … hours past the patience."""
    waited = now - max(map(_sent_at, mine)) - _patience(settings)
    if waited < timedelta():
        return False
    hours = timedelta()
    while (following := max(hours * 2, timedelta(hours=1))) <= waited:
        hours = following
    return waited < hours + _SWEEP


def _sent_at(batch: Batch) -> datetime:
    if batch.sent_at is None:
        raise ValueError(f"batch {batch.id} is {batch.state} but was never sent")
    return from_micros(batch.sent_at)


def _surely_absent(batch: Batch, visible: datetime | None, settings: SentinelSettings, now: datetime) -> bool:
    sent = _sent_at(batch)
    return now >= sent + _patience(settings) and visible is not None and visible > sent


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
