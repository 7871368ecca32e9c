"""Sending the batches of a part that go to one data collection rule: each until it is settled, or cannot be now.

Belongs here: what the outcome of a request does to its batch, and to those that wait behind it. Does not belong here:
reading answers (``client``), when a request may go (``traffic``), what a refusal proves (``refusals``), the part as a
whole (``delivery``).

Around every request there are two short transactions, both fenced by the part's lease: ``sending`` is committed before
the first byte leaves, the outcome after the answer. Whatever dies in between leaves ``sending``, and the next worker
of the part turns that into ``unknown``.
"""

import threading
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.batches import Batch, batches_by_id, begin_sending, settle_batch, supersede_batch
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import Lease
from s3sentinel_assets.ledger.rates import pause_rule
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.bodies import load_raw, split_batch
from s3sentinel_assets.sentinel.client import Outcome, SentinelClient, Verdict
from s3sentinel_assets.sentinel.plan import compress
from s3sentinel_assets.sentinel.progress import Tally
from s3sentinel_assets.sentinel.refusals import Refusals
from s3sentinel_assets.sentinel.retry import backoff_delay
from s3sentinel_assets.sentinel.traffic import RuleTraffic
from s3sentinel_assets.store import Store

__all__ = ["RuleSender"]

_SETTLED = {
    Verdict.ACCEPTED: BatchState.ACCEPTED,
    Verdict.RETRY: BatchState.RETRY,
    Verdict.STOP: BatchState.RETRY,
    Verdict.UNKNOWN: BatchState.UNKNOWN,
}
#: What an outcome says about the service's load; the others say nothing.
_SUCCEEDED = {Verdict.ACCEPTED: True, Verdict.RETRY: False, Verdict.UNKNOWN: False}


@dataclass(eq=False)
class RuleSender:
    """One run over the batches of a part that go to one rule: its threads share it, ``lock`` guards what changes.

    Attributes:
        stop: set when nothing more shall begin; ends every wait.
        problem: why batches were left open, if they were: one sentence.
    """

    ledger: Ledger
    store: Store
    client: SentinelClient
    held: Lease
    settings: SentinelSettings
    traffic: RuleTraffic
    waiting: Iterator[Batch]
    refusals: Refusals
    tally: Tally
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    accepted: int = 0
    problem: str | None = None

    def drain(self) -> None:
        """Works until nothing is left or somebody sets ``stop``; what it raises stops the other threads, too.

        Raises:
            UserError: something needs mending.
            LeaseLostError: another worker took over the part.
        """
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
        admission = self.traffic.admit(self.stop)
        if admission is None:
            return []
        if admission.wait:
            self._end(admission.problem)
            return []
        try:
            return self._attempts(batch, 1 if admission.probe else self.settings.max_attempts)
        finally:
            if admission.probe:
                self.traffic.breaker.undecided()  # changes nothing where the batch told more

    def _attempts(self, batch: Batch, attempts: int) -> list[Batch]:
        body = self._body(batch)
        accepted_before = self.accepted
        for failures in range(1, attempts + 1):
            request_id = str(uuid.uuid4())
            outcome = self._request(batch, body, request_id)
            if outcome is None:
                return []
            if outcome.verdict is Verdict.TOO_LARGE:
                return self._too_large(batch, request_id, outcome)
            if outcome.verdict is Verdict.REFUSED:
                return self._refused(batch, request_id, outcome)
            delay = self._delay(failures, outcome)
            self._settle(batch, request_id, outcome, len(body), delay)
            if outcome.verdict is not Verdict.RETRY:
                return []
            if failures == attempts:
                self._exhausted(outcome, accepted_before)
            elif not _throttled(outcome):  # else all threads wait, and this one with them
                self.stop.wait(delay)
        return []

    def _request(self, batch: Batch, body: bytes, request_id: str) -> Outcome | None:
        """One request, when it may go; None if the run stops before that."""
        slot = self.traffic.slots.take(self.stop)
        if slot is None:
            return None
        succeeded = None
        try:
            may_go = self.traffic.begin(
                self.ledger,
                self.settings,
                batch.raw_bytes,
                self.stop,
                lambda connection: begin_sending(connection, self.held, batch.id, request_id, self.ledger.now()),
            )
            if not may_go:
                return None
            outcome = self.client.upload(batch.dcr_id, batch.stream, body, request_id)
            succeeded = _SUCCEEDED.get(outcome.verdict)
        finally:
            self.traffic.slots.give_back(slot, succeeded)
        return outcome

    def _body(self, batch: Batch) -> bytes:
        """The gzip body to send; from the second attempt on every row carries the number."""
        if batch.attempt == 1:
            body = self.store.read_range(batch.uri, batch.offset, batch.length)
            if len(body) != batch.length:
                raise UserError(f"stage file {self.store.path(batch.uri)} is too short; restore it from a backup")
            return body
        return compress(packing.restamp(load_raw(self.store, batch), batch.id, batch.id, batch.attempt))

    def _delay(self, failures: int, outcome: Outcome) -> float:
        return backoff_delay(
            failures,
            outcome.retry_after,
            base=self.settings.backoff_seconds,
            limit=self.settings.backoff_limit_seconds,
        )

    def _settle(self, batch: Batch, request_id: str, outcome: Outcome, wire_bytes: int = 0, delay: float = 0.0) -> None:
        """Writes an outcome down; where the service throttles the rule, everybody's pause with it."""
        state = _SETTLED[outcome.verdict]
        with self.ledger.write() as connection:
            now = self.ledger.now()
            if _throttled(outcome) and outcome.retry_after is not None:
                pause_rule(connection, batch.dcr_id, now + int(delay * 1e6))
            settle_batch(
                connection,
                self.held,
                batch,
                request_id,
                state,
                status=outcome.status,
                error=outcome.error,
                now=now,
            )
        if _throttled(outcome):
            self.traffic.pause.extend(delay)  # the rule is throttled, not this request
        if outcome.verdict is Verdict.ACCEPTED:
            self.traffic.breaker.accepted()
            with self.lock:
                self.accepted += 1
                self.refusals.accepted(batch)
        elif outcome.verdict is Verdict.UNKNOWN:
            problem = self._sentence(outcome)
            if self.traffic.breaker.futile(problem):
                self._end(problem)
        self.tally.settled(batch, state, wire_bytes)
        if outcome.verdict is Verdict.STOP:
            raise UserError(outcome.remedy or outcome.error or f"{self.settings.ingestion_endpoint} cannot be used")

    def _sentence(self, outcome: Outcome) -> str:
        said = f"answered {outcome.status}" if outcome.status else "could not be reached or gave no answer"
        return (
            f"{self.settings.ingestion_endpoint} {said} again and again ({outcome.error}); what was not sent stays "
            "planned, run the hour again later"
        )

    def _end(self, problem: str | None) -> None:
        with self.lock:
            self.problem = self.problem or problem
        self.stop.set()

    def _exhausted(self, outcome: Outcome, accepted_before: int) -> None:
        """No attempts left: the batch waits for a later run, and so do the others if none of them got through."""
        problem = self._sentence(outcome)
        with self.lock:
            self.problem = self.problem or problem
            alone = self.accepted == accepted_before
        if alone and self.traffic.breaker.futile(problem, surely=True):
            self.stop.set()

    def _refused(self, batch: Batch, request_id: str, outcome: Outcome) -> list[Batch]:
        """Halves a refused batch, gives a lone row up, or sets the batch aside; gives the children to send."""
        try:
            load_raw(self.store, batch)
        except UserError as error:  # the fault is ours: a damaged file is no reason to give rows up
            self._settle(batch, request_id, Outcome(Verdict.STOP, outcome.status, outcome.error, remedy=str(error)))
        proved = self.refusals.proved(batch)
        children: list[Batch] = []
        if batch.rows > 1 and self.refusals.may_halve(batch, proved=proved):
            children = self._split(batch, outcome)
        elif proved:
            self._give_up(batch, request_id, outcome, "refused")
        else:
            self._settle(batch, request_id, Outcome(Verdict.RETRY, outcome.status, outcome.error))
        with self.lock:
            self.refusals.add(batch, children, outcome, aside=not (proved or children))
            problem = self.refusals.endless(batch, proved=proved)
            if problem is not None:
                self.problem = self.problem or problem
                self.stop.set()
                if not proved:
                    raise UserError(problem)
        return children

    def _too_large(self, batch: Batch, request_id: str, outcome: Outcome) -> list[Batch]:
        if batch.rows > 1:
            return self._split(batch, outcome)
        self._give_up(batch, request_id, outcome, "row_too_large")
        return []

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
        self.tally.settled(batch, BatchState.DEAD)

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
        self.tally.halved(len(found))
        return found


def _throttled(outcome: Outcome) -> bool:
    """Whether the service asks everybody to wait."""
    return outcome.verdict is Verdict.RETRY and outcome.status in (429, 503)
