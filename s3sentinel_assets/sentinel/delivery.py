"""Delivery: carrying out a part's plan, rule by rule, and telling what came of it.

Belongs here: who sends which batches of a part, with how many threads, and the summary. Does not belong here: making
the plan (``plan``), what an outcome does to its batch (``sending``), unknown batches (``resolution``: a run never sends
those again).

The batches of each data collection rule have threads of their own: while one rule is throttled, broken or not to be
sent to, the others go on. Only a lost lease stops all.

A refused body (400) is halved like one that is too large, down to the row at fault. A row is given up only on proof
that rule and stream are right: they took another batch in this run, or since the batch the row comes from was first
refused. Without that proof the batch stays in ``retry``, and is tried again should the proof turn up in the same run.
"""

import concurrent.futures
from collections.abc import Callable, Collection
from dataclasses import dataclass

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.batches import (
    OPEN_STATES,
    Batch,
    batches_of_part,
    count_batches,
    suspend_sending,
)
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import Lease
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel.client import SentinelClient
from s3sentinel_assets.sentinel.progress import DeliveryProgress, Tally
from s3sentinel_assets.sentinel.refusals import Refusals
from s3sentinel_assets.sentinel.sending import RuleSender
from s3sentinel_assets.store import Store

__all__ = ["DeliveryProgress", "DeliverySummary", "deliver_part"]


@dataclass(frozen=True)
class DeliverySummary:
    """What a run did for a part, and where its batches stand now.

    Attributes:
        part_id: the part.
        accepted_batches: accepted in this run.
        accepted_rows: rows in them.
        raw_bytes: JSON bytes in them.
        wire_bytes: gzip bytes in them.
        requests: requests made, repeats included.
        batches: state → (batches, rows), all batches of the part after the run.
        problem: why batches were left open, if any were: one sentence.
    """

    part_id: int
    accepted_batches: int
    accepted_rows: int
    raw_bytes: int
    wire_bytes: int
    requests: int
    batches: dict[BatchState, tuple[int, int]]
    problem: str | None = None

    @property
    def done(self) -> bool:
        """Whether every batch of the part has come to its end."""
        final = (BatchState.ACCEPTED, BatchState.DEAD, BatchState.SUPERSEDED)
        return all(state in final for state in self.batches)


def deliver_part(
    ledger: Ledger,
    store: Store,
    client: SentinelClient,
    held: Lease,
    part_id: int,
    settings: SentinelSettings,
    on_progress: Callable[[DeliveryProgress], None] | None = None,
) -> DeliverySummary:
    """Sends what the part's plan still has to send.

    Args:
        ledger: knows the plan.
        store: holds the bodies.
        client: shared by all parts of the process.
        held: the lease `ledger.batches.delivery_lease` of the part.
        part_id: the part.
        settings: threads, attempts, waits and rates.
        on_progress: called after every settled batch, from upload threads, one call at a time.

    Returns:
        The summary; batches may be left in ``retry`` or ``planned`` (``problem`` says why) or ``unknown``.

    Raises:
        UserError: sign-in, role, rule, stream, store or ledger need mending; open batches stay open.
        LeaseLostError: another worker took over the part; this one has written nothing since.
    """
    with ledger.write() as connection:
        suspend_sending(connection, held, part_id, ledger.now())
    with ledger.read() as connection:
        batches = batches_of_part(connection, part_id)
    tally = Tally(sum(batch.state in OPEN_STATES for batch in batches), on_progress)
    senders: dict[RuleSender, int] = {}
    for dcr_id, mine in _by_rule(batches).items():
        waiting = [batch for batch in mine if batch.state in OPEN_STATES]
        if waiting:
            sender = RuleSender(
                ledger,
                store,
                client,
                held,
                settings,
                client.traffic(dcr_id),
                iter(waiting),
                Refusals(ledger, mine),
                tally,
            )
            senders[sender] = min(settings.upload_threads, len(waiting))
    if senders:
        _drain(senders, held.name)
    with ledger.read() as connection:
        states = count_batches(connection, [part_id])
    problems = [sender.problem or sender.refusals.left_open() for sender in senders]
    return DeliverySummary(
        part_id=part_id,
        accepted_batches=tally.done["batches"],
        accepted_rows=tally.done["rows"],
        raw_bytes=tally.done["raw_bytes"],
        wire_bytes=tally.done["wire_bytes"],
        requests=tally.done["requests"],
        batches=states,
        problem=next((problem for problem in problems if problem), None),
    )


def _by_rule(batches: Collection[Batch]) -> dict[str, list[Batch]]:
    rules: dict[str, list[Batch]] = {}
    for batch in batches:
        rules.setdefault(batch.dcr_id, []).append(batch)
    return rules


def _drain(senders: dict[RuleSender, int], name: str) -> None:
    """Runs each sender with its number of threads until all have ended; raises what stopped them."""

    def work(sender: RuleSender) -> None:
        try:
            sender.drain()
        except UserError:
            raise  # one rule's trouble
        except BaseException:
            stop_all()
            raise

    def stop_all() -> None:
        for sender in senders:
            sender.stop.set()

    with concurrent.futures.ThreadPoolExecutor(sum(senders.values()), thread_name_prefix=name) as pool:
        workers = [pool.submit(work, sender) for sender, threads in senders.items() for _ in range(threads)]
        try:
            concurrent.futures.wait(workers)
        finally:
            # Also when the caller is interrupted: requests under way are settled, no new ones begin.
            stop_all()
    failures = [error for worker in workers if (error := worker.exception()) is not None]
    # Whoever lost the part need not mend anything.
    for error in sorted(failures, key=lambda failure: isinstance(failure, UserError)):
        raise error
