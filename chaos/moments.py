"""The moments of delivery at which a worker may die, and hooks in the product's own seams that tell of them.

Belongs here: names of moments, and where in the code they are. Does not belong here: what is done when one is reached
(``worker``, tests).

The hooks hold on to what every delivery must pass: the transactions of the ledger, the change of a batch's state, the
request and its body, the query. The product is not changed for it, and runs as it does anywhere.
"""

import contextlib
import enum
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

__all__ = ["PHASES", "Moment", "Sent", "phase_of", "sweeping", "watch"]


class Moment(enum.StrEnum):
    """Where a worker is; the value is what people read."""

    STARTED = "started"
    PLANNING = "writing bodies"
    PLAN_WRITTEN = "plan written, not committed"
    PLANNED = "plan committed"
    CLAIMING = "sending noted, not committed"
    CLAIMED = "sending committed, nothing sent"
    ON_THE_WIRE = "body partly sent"
    WAITING = "body sent, no answer"
    ANSWERED = "answered, nothing noted"
    SETTLING = "outcome noted, not committed"
    SETTLED = "outcome committed"
    TAKING_OVER = "sweep: taking over, not committed"
    ASKING = "sweep: before the query"
    ASKED = "sweep: query answered, nothing noted"
    RESOLVING = "sweep: verdict noted, not committed"
    RESOLVED = "sweep: verdict committed"
    RESENDING = "sweep: sending again"
    FINISHED = "finished"


#: Phase → its moments, in order of a batch's life.
PHASES = {
    "planning": (Moment.STARTED, Moment.PLANNING, Moment.PLAN_WRITTEN, Moment.PLANNED),
    "sending": (Moment.CLAIMING, Moment.CLAIMED, Moment.ON_THE_WIRE),
    "waiting for an answer": (Moment.WAITING,),
    "between answer and commit": (Moment.ANSWERED, Moment.SETTLING),
    "after the commit": (Moment.SETTLED,),
    "resolving sweep": (
        Moment.TAKING_OVER,
        Moment.ASKING,
        Moment.ASKED,
        Moment.RESOLVING,
        Moment.RESOLVED,
        Moment.RESENDING,
    ),
}

#: What a sweep does when it sends again; told as `Moment.RESENDING`.
_OF_A_SEND = frozenset(
    (*PHASES["sending"], *PHASES["waiting for an answer"], *PHASES["between answer and commit"], Moment.SETTLED)
)

#: Bodies leave in pieces of so many bytes, so that some are cut in the middle.
_PIECE = 512


class Sent(NamedTuple):
    """A send that the ledger knows of: told with `Moment.CLAIMED`, before the first byte leaves."""

    batch_id: str
    attempt: int
    sent_at: int


_here = threading.local()
_in_sweep = threading.Event()


def phase_of(moment: Moment) -> str:
    """The phase a moment belongs to; ``finished`` after the last."""
    return next((phase for phase, moments in PHASES.items() if moment in moments), "finished")


@contextlib.contextmanager
def sweeping() -> Iterator[None]:
    """Whatever is sent within the block is sent by a sweep."""
    _in_sweep.set()
    try:
        yield
    finally:
        _in_sweep.clear()


def watch(told: Callable[[Moment, Sent | None], None]) -> None:
    """Hooks ``told`` into this process, for the rest of its life; call it once.

    Args:
        told: called at each moment, from whichever thread reached it, with the send for `Moment.CLAIMED`.
    """

    def tell(moment: Moment, sent: Sent | None = None) -> None:
        told(Moment.RESENDING if _in_sweep.is_set() and moment in _OF_A_SEND else moment, sent)

    _watch_ledger(tell)
    _watch_batches()
    _watch_plans(tell)
    _watch_requests(tell)
    _watch_queries(tell)


def _watch_ledger(tell: Callable[..., None]) -> None:
    from s3sentinel_assets.ledger.engine import Ledger

    write = Ledger.write

    @contextlib.contextmanager
    def watched(self: Ledger) -> Iterator[Any]:
        _here.pending = None
        with write(self) as connection:
            yield connection
            pending, _here.pending = _here.pending, None
            if pending:
                tell(pending[0])
        if pending:
            tell(pending[1], pending[2])

    Ledger.write = watched  # type: ignore[method-assign]


def _note(before_commit: Moment, after_commit: Moment | None = None, sent: Sent | None = None) -> None:
    """Says what the transaction of this thread is about."""
    _here.pending = (before_commit, after_commit or before_commit, sent)


def _watch_batches() -> None:
    import sqlalchemy as sa

    from s3sentinel_assets.ledger import batches
    from s3sentinel_assets.ledger.schema import BatchState, batch

    change = batches._change

    def watched(
        connection: Any, held: Any, batch_id: str, states: Any, values: dict[str, Any], *more: Any, **named: Any
    ) -> None:
        change(connection, held, batch_id, states, values, *more, **named)
        if values.get("state") == BatchState.SENDING.value:
            attempt = connection.execute(sa.select(batch.c.attempt).where(batch.c.id == batch_id)).scalar_one()
            _note(Moment.CLAIMING, Moment.CLAIMED, Sent(batch_id, attempt, values["sent_at"]))
        elif BatchState.UNKNOWN in states:
            _note(Moment.RESOLVING, Moment.RESOLVED)
        else:
            _note(Moment.SETTLING, Moment.SETTLED)

    batches._change = watched


def _watch_plans(tell: Callable[..., None]) -> None:
    from s3sentinel_assets.sentinel import packing, plan, resolution

    make_batch_id, commit_plan, suspend = packing.make_batch_id, plan.commit_plan, resolution.suspend_sending

    def named(*parts: object) -> str:
        tell(Moment.PLANNING)
        return make_batch_id(*parts)

    def committed(*arguments: Any, **named: Any) -> int:
        stage_id = commit_plan(*arguments, **named)
        _note(Moment.PLAN_WRITTEN, Moment.PLANNED)
        return stage_id

    def taken_over(*arguments: Any, **named: Any) -> int:
        taken = suspend(*arguments, **named)
        _note(Moment.TAKING_OVER)
        return taken

    packing.make_batch_id, plan.commit_plan, resolution.suspend_sending = named, committed, taken_over


def _watch_requests(tell: Callable[..., None]) -> None:
    from s3sentinel_assets.sentinel import client

    upload, read = client.SentinelClient.upload, client._Body.read

    def uploaded(self: Any, *arguments: Any, **named: Any) -> Any:
        outcome = upload(self, *arguments, **named)
        tell(Moment.ANSWERED)
        return outcome

    def piecewise(self: Any, size: int | None = -1, /) -> bytes:
        if size is None or size <= _PIECE:
            return read(self, size)
        piece = read(self, _PIECE)
        tell(Moment.ON_THE_WIRE if piece else Moment.WAITING)
        return piece

    client.SentinelClient.upload, client._Body.read = uploaded, piecewise  # type: ignore[method-assign]


def _watch_queries(tell: Callable[..., None]) -> None:
    from s3sentinel_assets.sentinel.query import WorkspaceQuery

    count_batches = WorkspaceQuery.count_batches

    def asked(self: Any, *arguments: Any, **named: Any) -> Any:
        tell(Moment.ASKING)
        found = count_batches(self, *arguments, **named)
        tell(Moment.ASKED)
        return found

    WorkspaceQuery.count_batches = asked  # type: ignore[method-assign]
