"""Progress of a run over a part: what its threads have done, counted in one place.

Belongs here: the counts and telling them. Does not belong here: what a batch's state means or how it comes about
(``sending``).
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from s3sentinel_assets.ledger.batches import Batch
from s3sentinel_assets.ledger.schema import BatchState

__all__ = ["DeliveryProgress", "Tally"]


@dataclass(frozen=True)
class DeliveryProgress:
    """Told after every settled batch."""

    batch: Batch
    state: BatchState
    batches_left: int


@dataclass
class Tally:
    """What a run over a part has done so far; its senders and their threads share it.

    Attributes:
        left: batches not yet settled.
        on_progress: called after every settled batch, one call at a time.
        done: batches, rows, raw_bytes and wire_bytes that were accepted; requests.
    """

    left: int
    on_progress: Callable[[DeliveryProgress], None] | None = None
    done: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settled(self, batch: Batch, state: BatchState, wire_bytes: int = 0) -> None:
        """A request was made, and its batch is in ``state`` now."""
        with self._lock:
            self.done["requests"] += 1
            if state is BatchState.ACCEPTED:
                self.done.update(batches=1, rows=batch.rows, raw_bytes=batch.raw_bytes, wire_bytes=wire_bytes)
            if state is not BatchState.RETRY:
                self.left -= 1
            if self.on_progress is not None:
                self.on_progress(DeliveryProgress(batch, state, self.left))

    def halved(self, children: int) -> None:
        """A request was made, and its batch has become so many others."""
        with self._lock:
            self.done["requests"] += 1
            self.left += children - 1
