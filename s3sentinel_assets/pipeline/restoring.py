"""States whose file is damaged or lost: made again from what the ledger says they were made of.

Belongs here: which states of a chain have to be made again, and in which order. Does not belong here: making one
(``learning``), when that is done (``states``).

A state made again is equal to the lost one, bit for bit, so whatever was made from it stays true.
"""

import logging

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger.leases import Lease
from s3sentinel_assets.ledger.states import SealedState
from s3sentinel_assets.pipeline.histories import read_history, suffix_of, write_histories
from s3sentinel_assets.pipeline.learning import learn_again
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["restore", "unreadable"]

_log = logging.getLogger(__name__)

#: So many states in a row are made again at most: eight days of whole ones, with their hours.
_MOST = 200


def unreadable(runtime: Runtime, sealed: SealedState) -> str:
    """Why a state cannot be read; "" if it can."""
    from s3sentinel_assets.ml import ScoringUnavailable

    try:
        read_history(runtime.ledger, runtime.store, sealed)
    except (OSError, ScoringUnavailable, UserError) as error:
        return str(error)
    return ""


def restore(runtime: Runtime, sealed: SealedState, held: Lease) -> list[str]:
    """Makes a state that cannot be read again, and before it those that it is made from, as far as they are broken.

    Args:
        runtime: connections.
        sealed: the state.
        held: the lease under which the source's states are made.

    Returns:
        A sentence for each that was made again.

    Raises:
        ScoringUnavailable: a state that would be needed was given up by housekeeping.
        UserError: what it was made of is not there any more; the text says what.
        LeaseLostError: another worker makes states now.
    """
    broken = [sealed]
    while before := _broken_before(runtime, broken[-1]):
        if len(broken) >= _MOST:
            raise UserError(
                f"more than {_MOST} states before {sealed.source} {sealed.hour} cannot be read; restore them"
            )
        broken.append(before)
    return [told for each in reversed(broken) if (told := _again(runtime, each, held))]


def _broken_before(runtime: Runtime, sealed: SealedState) -> SealedState | None:
    """The state that this one was made from, if it cannot be read either."""
    if sealed.based_on is None:
        return None
    with runtime.ledger.read() as connection:
        before = ledger_states.state_by_id(connection, sealed.based_on)
    return before if before is not None and before.uri and unreadable(runtime, before) else None


def _again(runtime: Runtime, sealed: SealedState, held: Lease) -> str:
    why = unreadable(runtime, sealed)
    if not why:
        return ""  # what it builds on was made again
    states, source = learn_again(runtime, sealed.id), runtime.source(sealed.source)
    with runtime.store.create(f"{sealed.source}/{sealed.hour}/state", suffix_of(source)) as writer:
        write_histories(writer.path, source, states)
    stored = writer.finished
    with runtime.ledger.write() as connection:
        ledger_states.replace_state_file(connection, held, sealed.id, stored.uri, stored.sha256)
    _log.warning("the state of %s %s was made again: %s", sealed.source, sealed.hour, why)
    return f"the state of {sealed.hour} could not be read and was made again ({why})"
