"""Refusals: whether a 400 is the rows' fault or the set-up's.

Belongs here: the proof that rule and stream are right, and the limits without it. Does not belong here: requests,
halving and what becomes of a batch (``delivery``).

The service says why it refused a body, but not in words one can rely on. What can be relied on: it takes other bodies
for the same stream. Only those count that were sent in this run, or since the planned batch was first refused: a rule
that was right last week may be wrong today.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from s3sentinel_assets.ledger.batches import Batch, accepted_since
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel.client import Outcome

__all__ = ["REFUSED", "Refusals"]

#: The answers that refuse a body's content.
REFUSED = (400, 422)

#: So many refusals of one stream in a row stop a run. Without proof it is the set-up's fault; 16 lets all eighths of
#: one batch be tried. With proof a body may be bad from end to end, or the rule have broken a moment ago.
_MOST_UNPROVED = 16
_MOST_PROVED = 64

#: Without proof a batch is halved so often at most: an outage of days must not grind a part to single rows.
_UNPROVED_HALVINGS = 3


class Refusals:
    """The refusals of one run over a part. Not locked: the run's lock guards all but `proved` and `may_halve`.

    Args:
        ledger: knows what was accepted.
        batches: all of the part, as the run finds them; ancestors tell when a piece's rows were first refused.
    """

    def __init__(self, ledger: Ledger, batches: Collection[Batch]) -> None:
        self._ledger = ledger
        self._began = ledger.now()
        self._batches = {batch.id: batch for batch in batches}
        self._halved = {b.id for b in batches if b.state is BatchState.SUPERSEDED and b.status in REFUSED}
        self._taken: set[tuple[str, str]] = set()
        self._in_a_row: Counter[tuple[str, str]] = Counter()
        self._aside: list[Batch] = []
        self._said: dict[tuple[str, str], str] = {}

    def proved(self, batch: Batch) -> bool:
        """Whether rule and stream of a refused batch are known to be right."""
        if _target(batch) in self._taken:
            return True
        refused = (one.sent_at for one in self._line(batch) if one.status in REFUSED and one.sent_at is not None)
        since = min([self._began, *refused])
        with self._ledger.read() as connection:
            return accepted_since(connection, batch.dcr_id, batch.stream, since)

    def may_halve(self, batch: Batch, *, proved: bool) -> bool:
        """Whether halving a refused batch of ≥ 2 rows can still tell something."""
        return proved or sum(one.id in self._halved for one in self._line(batch)) < _UNPROVED_HALVINGS

    def add(self, batch: Batch, children: Collection[Batch], outcome: Outcome, *, aside: bool) -> None:
        """Notes a refusal, the batch's children, and whether it waits for proof."""
        self._in_a_row[_target(batch)] += 1
        self._said[_target(batch)] = f"{outcome.status}: {outcome.error}"
        self._batches.update((one.id, one) for one in (batch, *children))
        if children:
            self._halved.add(batch.id)
        if aside:
            self._aside.append(batch)

    def accepted(self, batch: Batch) -> None:
        """Notes that a batch was taken."""
        self._taken.add(_target(batch))
        self._in_a_row[_target(batch)] = 0

    def next_aside(self) -> Batch | None:
        """A batch that waited for proof and now has it; each is given once."""
        for place, batch in enumerate(self._aside):
            if _target(batch) in self._taken:
                return self._aside.pop(place)
        return None

    def endless(self, batch: Batch, *, proved: bool) -> str | None:
        """The sentence for the user if the batch's stream has been refused too often in a row."""
        if self._in_a_row[_target(batch)] < (_MOST_PROVED if proved else _MOST_UNPROVED):
            return None
        return self._sentence(batch)

    def left_open(self) -> str | None:
        """The sentence for the user if batches were refused and nothing proved that it is their fault."""
        return self._sentence(self._aside[0]) if self._aside else None

    def _sentence(self, batch: Batch) -> str:
        said = self._said[_target(batch)]
        return (
            f"data collection rule {batch.dcr_id} refuses what is sent to its stream {batch.stream} ({said}); compare "
            "the rule's columns for that stream and its transformation with the table's; nothing was given up "
            "without proof, run the hour again then"
        )

    def _line(self, batch: Batch) -> Iterator[Batch]:
        """The batch, the one it was halved from, and so on up to the planned one."""
        current: Batch | None = batch
        while current is not None:
            yield current
            current = self._batches.get(current.parent_id) if current.parent_id else None


def _target(batch: Batch) -> tuple[str, str]:
    return batch.dcr_id, batch.stream
