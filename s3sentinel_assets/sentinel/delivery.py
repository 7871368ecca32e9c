"""Delivery: carrying out a part's plan, and writing down every outcome before the next step.

Belongs here: which batch is sent when, by which thread, and what its outcome does to it. Does not belong here: making
the plan (``plan``), reading answers (``client``), unknown batches (``resolution``: a run never sends those again).

Around every request there are two short transactions, both fenced by the part's lease: ``sending`` is committed before
the first byte leaves, the outcome after the answer. Whatever dies in between leaves ``sending``, and the next worker
of the part turns that into ``unknown``.

A refused body (400) is halved like one that is too large, down to the row at fault. A row is given up only on proof
that rule and stream are right: they took another batch in this run, or since the batch the row comes from was first
refused. Without that proof the batch stays in ``retry``, and is tried again should the proof turn up in the same run.
"""

import concurrent.futures
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.batches import (
    OPEN_STATES,
    Batch,
    batches_by_id,
    batches_of_part,
    begin_sending,
    count_batches,
    settle_batch,
    supersede_batch,
    suspend_sending,
)
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import Lease
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.bodies import load_raw, split_batch
from s3sentinel_assets.sentinel.client import Outcome, SentinelClient, Verdict
from s3sentinel_assets.sentinel.plan import compress
from s3sentinel_assets.sentinel.refusals import Refusals
from s3sentinel_assets.sentinel.retry import backoff_delay
from s3sentinel_assets.store import Store

__all__ = ["DeliveryProgress", "DeliverySummary", "deliver_part"]

#: So many batches in a row with nothing accepted between them, and the run stops: the fault is not theirs.
_FUTILE_IN_A_ROW = 3

_SETTLED = {
    Verdict.ACCEPTED: BatchState.ACCEPTED,
    Verdict.RETRY: BatchState.RETRY,
    Verdict.STOP: BatchState.RETRY,
    Verdict.UNKNOWN: BatchState.UNKNOWN,
}


@dataclass(frozen=True)
class DeliveryProgress:
    """Told after every settled batch."""

    batch: Batch
    state: BatchState
    batches_left: int


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
        settings: threads, attempts, waits.
        on_progress: called after every settled batch, from upload threads, one call at a time.

    Returns:
        The summary; batches may be left in ``retry`` (``problem`` says why) or ``unknown``.

    Raises:
        UserError: sign-in, role, rule, stream, store or ledger need mending; open batches stay open.
        LeaseLostError: another worker took over the part; this one has written nothing since.
    """
    with ledger.write() as connection:
        suspend_sending(connection, held, part_id, ledger.now())
    with ledger.read() as connection:
        batches = batches_of_part(connection, part_id)
    waiting = [batch for batch in batches if batch.state in OPEN_STATES]
    refusals = Refusals(ledger, batches)
    run = _Run(ledger, store, client, held, settings, iter(waiting), len(waiting), on_progress, refusals)
    if waiting:
        run.drain_in_threads(min(settings.upload_threads, len(waiting)))
    with ledger.read() as connection:
        states = count_batches(connection, [part_id])
    return DeliverySummary(
        part_id=part_id,
        accepted_batches=run.done["batches"],
        accepted_rows=run.done["rows"],
        raw_bytes=run.done["raw_bytes"],
        wire_bytes=run.done["wire_bytes"],
        requests=run.done["requests"],
        batches=states,
        problem=run.problem or run.refusals.left_open(),
    )


@dataclass
class _Run:
    """One run over a part: the threads share it, ``lock`` guards what changes."""

    ledger: Ledger
    store: Store
    client: SentinelClient
    held: Lease
    settings: SentinelSettings
    waiting: Iterator[Batch]
    left: int
    on_progress: Callable[[DeliveryProgress], None] | None
    refusals: Refusals
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    futile: int = 0
    problem: str | None = None

    def drain_in_threads(self, threads: int) -> None:
        """Works until nothing is left or somebody stops the run; raises what stopped it."""
        with concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix=self.held.name) as pool:
            workers = [pool.submit(self._drain) for _ in range(threads)]
            try:
                concurrent.futures.wait(workers)
            finally:
                # Also when the caller is interrupted: requests under way are settled, no new ones begin.
                self.stop.set()
        for worker in workers:
            worker.result()

    def _drain(self) -> None:
        finished = False
        try:
            while (batch := self._next()) is not None:
                # Neighbours before pieces: what a lone row is judged by should be known before it is judged.
                family = deque([batch])
                while family and not self.stop.is_set():
                    family.extend(self._send(family.popleft()))
            finished = True
        finally:
            if not finished:
                self.stop.set()

    def _next(self) -> Batch | None:
        with self.lock:
            if self.stop.is_set():
                return None
            return next(self.waiting, None) or self.refusals.next_aside()

    def _send(self, batch: Batch) -> list[Batch]:
        """Sends one batch until it is settled; gives its children if it had to be split."""
        body = self._body(batch)
        accepted_before = self.done["batches"]
        for failures in range(1, self.settings.max_attempts + 1):
            self.client.pause.wait(self.stop)
            if self.stop.is_set():
                return []
            request_id = str(uuid.uuid4())
            with self.ledger.write() as connection:
                begin_sending(connection, self.held, batch.id, request_id, self.ledger.now())
            outcome = self.client.upload(batch.dcr_id, batch.stream, body, request_id)
            if outcome.verdict is Verdict.TOO_LARGE:
                return self._too_large(batch, request_id, outcome)
            if outcome.verdict is Verdict.REFUSED:
                return self._refused(batch, request_id, outcome)
            self._settle(batch, request_id, outcome, len(body))
            if outcome.verdict is not Verdict.RETRY:
                return []
            if failures == self.settings.max_attempts:
                self._exhausted(outcome, accepted_before)
            else:
                self._wait(failures, outcome)
        return []

    def _refused(self, batch: Batch, request_id: str, outcome: Outcome) -> list[Batch]:
        """Halves a refused batch, gives a lone row up, or sets the batch aside; gives the children to send."""
        try:
            load_raw(self.store, batch)
        except UserError as error:  # the fault is ours: a damaged file is no reason to give rows up
            stop = Outcome(Verdict.STOP, outcome.status, outcome.error, remedy=str(error))
            self._settle(batch, request_id, stop, 0)
        proved = self.refusals.proved(batch)
        children: list[Batch] = []
        if batch.rows > 1 and self.refusals.may_halve(batch, proved=proved):
            children = self._split(batch, outcome)
            self._count_request(settled=False)
        elif proved:
            self._give_up(batch, request_id, outcome, "refused")
        else:
            later = Outcome(Verdict.RETRY, outcome.status, outcome.error)
            self._settle(batch, request_id, later, 0)
        with self.lock:
            self.refusals.add(batch, children, outcome, aside=not (proved or children))
            problem = self.refusals.endless(batch, proved=proved)
            if problem is not None:
                self.problem = self.problem or problem
                self.stop.set()
                if not proved:
                    raise UserError(problem)
        return children

    def _body(self, batch: Batch) -> bytes:
        """The gzip body to send; from the second attempt on every row carries the number."""
        if batch.attempt == 1:
            body = self.store.read_range(batch.uri, batch.offset, batch.length)
            if len(body) != batch.length:
                raise UserError(f"stage file {self.store.path(batch.uri)} is too short; restore it from a backup")
            return body
        return compress(packing.restamp(load_raw(self.store, batch), batch.id, batch.id, batch.attempt))

    def _settle(self, batch: Batch, request_id: str, outcome: Outcome, wire_bytes: int) -> None:
        state = _SETTLED[outcome.verdict]
        with self.ledger.write() as connection:
            settle_batch(
                connection,
                self.held,
                batch,
                request_id,
                state,
                status=outcome.status,
                error=outcome.error,
                now=self.ledger.now(),
            )
        with self.lock:
            self.done["requests"] += 1
            if outcome.verdict is Verdict.ACCEPTED:
                self.done.update(batches=1, rows=batch.rows, raw_bytes=batch.raw_bytes, wire_bytes=wire_bytes)
                self.futile = 0
                self.refusals.accepted(batch)
            elif outcome.verdict is Verdict.UNKNOWN:
                self.futile += 1
                if self.futile >= _FUTILE_IN_A_ROW:
                    self.problem = self._sentence(outcome)
                    self.stop.set()
            if outcome.verdict is not Verdict.RETRY:
                self.left -= 1
            if self.on_progress is not None:
                self.on_progress(DeliveryProgress(batch, state, self.left))
        if outcome.verdict is Verdict.STOP:
            raise UserError(outcome.remedy or outcome.error or f"{self.settings.ingestion_endpoint} cannot be used")

    def _sentence(self, outcome: Outcome) -> str:
        said = f"answered {outcome.status}" if outcome.status else "could not be reached or gave no answer"
        return (
            f"{self.settings.ingestion_endpoint} {said} again and again ({outcome.error}); what was not sent stays "
            "planned, run the hour again later"
        )

    def _exhausted(self, outcome: Outcome, accepted_before: int) -> None:
        """No attempts left: the batch waits for a later run, and so do the others if none of them got through."""
        with self.lock:
            self.problem = self.problem or self._sentence(outcome)
            if self.done["batches"] == accepted_before:
                self.stop.set()

    def _wait(self, failures: int, outcome: Outcome) -> None:
        delay = backoff_delay(
            failures,
            outcome.retry_after,
            base=self.settings.backoff_seconds,
            limit=self.settings.backoff_limit_seconds,
        )
        if outcome.status in (429, 503):
            self.client.pause.extend(delay)  # the rule is throttled, not this request: all threads wait
        else:
            self.stop.wait(delay)

    def _too_large(self, batch: Batch, request_id: str, outcome: Outcome) -> list[Batch]:
        if batch.rows > 1:
            self._count_request(settled=False)
            return self._split(batch, outcome)
        self._give_up(batch, request_id, outcome, "row_too_large")
        return []

    def _count_request(self, *, settled: bool) -> None:
        with self.lock:
            self.done["requests"] += 1
            self.left -= settled

    def _give_up(self, batch: Batch, request_id: str, outcome: Outcome, reason: str) -> None:
        """The batch, a lone row, becomes a dead letter."""
        with self.ledger.write() as connection:
            settle_batch(
                connection,
                self.held,
                batch,
                request_id,
                BatchState.DEAD,
                status=outcome.status,
                error=outcome.error,
                now=self.ledger.now(),
                reason=reason,
            )
        self._count_request(settled=True)
        if self.on_progress is not None:
            with self.lock:
                self.on_progress(DeliveryProgress(batch, BatchState.DEAD, self.left))

    def _split(self, batch: Batch, outcome: Outcome) -> list[Batch]:
        """Two children in place of the batch; their bodies are in the store before the ledger names them."""
        children = split_batch(self.store, batch)
        with self.ledger.write() as connection:
            supersede_batch(
                connection,
                self.held,
                batch,
                children,
                status=outcome.status,
                error=outcome.error,
                now=self.ledger.now(),
            )
        with self.ledger.read() as connection:
            found = batches_by_id(connection, [child.id for child in children])
        with self.lock:
            self.left += len(found) - 1
        return found
