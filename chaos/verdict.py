"""The verdict: what the workspace and the ledger hold in the end, against the events that were made.

Belongs here: questions, counts, and which copies are within the bound. Does not belong here: how it came to that
(``storm``).
"""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from chaos.storm import Tally
from chaos.world import SOURCE, TABLE, World
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.pipeline import proofs

__all__ = ["Verdict", "judge", "shown_in_time"]

_POLL_SECONDS = 0.2
#: How long to wait, beyond the longest delay, until the workspace shows what it has stored.
_SLACK_SECONDS = 15.0


@dataclass
class Verdict:
    """What came of it, in events unless said otherwise.

    Attributes:
        events: made.
        rows: in the workspace.
        lost: not in the workspace.
        doubled: there more than once, by copies that each showed within time-outs and bound of their send.
        late: there more than once because a copy showed later than that.
        reported: rows that the product's own check calls doubled.
        once: rows of the shipped function ``AWSCloudTrail_Once``.
        accepted: rows the ledger calls accepted.
        problems: what must not be, in sentences.
    """

    events: int
    rows: int
    lost: int
    doubled: int
    late: int
    reported: int = 0
    once: int = 0
    accepted: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def extra_rows(self) -> int:
        """Rows that are copies of another."""
        return self.rows - (self.events - self.lost)


def judge(world: World, tally: Tally, longest_delay: float) -> Verdict:
    """Waits until the workspace shows what it has stored, and compares.

    Args:
        world: after the calm.
        tally: knows when what was sent.
        longest_delay: of the rows, seconds.
    """
    shown = _shown(world, longest_delay + _SLACK_SECONDS)
    copies: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in shown:
        copies[row["AwsEventId"]].append(row)
    doubled = late = 0
    for rows in copies.values():
        if len(rows) > 1:
            in_time = sum(shown_in_time(row, tally, world.patience_seconds) for row in rows)
            doubled += in_time > 1
            late += in_time <= 1
    verdict = Verdict(len(world.events), len(shown), len(world.events - copies.keys()), doubled, late)
    if strange := len(copies.keys() - world.events):
        verdict.problems.append(f"{strange} events in the workspace were never made")
    if len({(row["AwsEventId"], row["EventId_CF"]) for row in shown}) != len(copies):
        verdict.problems.append("an event has more than one EventId_CF")
    if len({row["EventId_CF"] for row in shown}) != len(copies):
        verdict.problems.append("two events share an EventId_CF")
    if len(shown) != world.stored_rows():
        verdict.problems.append(f"the workspace stored {world.stored_rows()} rows and shows {len(shown)}")
    if verdict.lost:
        verdict.problems.append(f"{verdict.lost} events are lost")
    if doubled:
        verdict.problems.append(f"{doubled} events are doubled within the bound")
    _ask_product(world, verdict)
    return verdict


def _shown(world: World, seconds: float) -> list[dict[str, Any]]:
    """Every row, once there are as many as were stored; what there is when time is up."""
    until = time.monotonic() + seconds
    while _count(world, TABLE) < world.stored_rows() and time.monotonic() < until:
        threading.Event().wait(_POLL_SECONDS)
    return world.runtime.query.run(
        f"{TABLE} | extend At_ = ingestion_time() | project AwsEventId, EventId_CF, BatchId_CF, Attempt_CF, At_"
    )


def _count(world: World, table: str) -> int:
    return int(world.runtime.query.run(f"{table} | count")[0]["Count"])


def shown_in_time(row: dict[str, Any], tally: Tally, patience_seconds: float) -> bool:
    """Whether a copy showed within time-outs and bound of the last send before it.

    Args:
        row: with ``BatchId_CF``, ``Attempt_CF`` (none in a first attempt) and ``At_``, from when queries see it.
        tally: knows the sends; a copy without one is in time, so that nothing is excused by mistake.
        patience_seconds: time-outs and bound together.
    """
    shown = to_micros(row["At_"])
    sends = tally.sends.get((row["BatchId_CF"], int(row["Attempt_CF"] or 1)), [])
    sent = max((instant for instant in sends if instant <= shown), default=shown)
    return shown - sent <= patience_seconds * 1e6


def _ask_product(world: World, verdict: Verdict) -> None:
    """What ledger, check and function say; each must say the truth."""
    agree = True
    for hour in world.hours_with_parts():
        proof = proofs.prove_hour(world.runtime, SOURCE, hour)
        agree &= proof.agrees
        verdict.accepted += proof.account.accepted
        counts = proof.report.counts
        verdict.reported += counts.get("found", 0) - counts.get("distinct_events", 0)
        if proof.account.verdict != "complete":
            verdict.problems.append(f"the account of {hour} is {proof.account.verdict}")
    verdict.once = _count(world, f"{TABLE}_Once")
    if verdict.accepted != verdict.events:
        verdict.problems.append(f"the ledger calls {verdict.accepted} of {verdict.events} events accepted")
    if verdict.reported != verdict.extra_rows:
        verdict.problems.append(f"the check reports {verdict.reported} doubled rows, there are {verdict.extra_rows}")
    if agree and verdict.extra_rows:
        verdict.problems.append("the proofs of all hours agree with the workspace, which holds copies")
    if not agree and not verdict.extra_rows and not verdict.lost:
        verdict.problems.append("the proof of an hour does not agree with the workspace, which holds every event once")
    if verdict.once != verdict.events - verdict.lost:
        verdict.problems.append(f"{TABLE}_Once shows {verdict.once} of {verdict.events - verdict.lost} events")
    if world.open_batches():
        verdict.problems.append(f"batches are left open: {world.open_batches()}")
