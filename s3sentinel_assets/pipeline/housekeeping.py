"""Housekeeping: stage files that no commit ever named are deleted, and states that nothing will read again.

The first are left by killed workers and by files that were rewritten before their commit. Of the others the ledger
keeps the row; it first gives up the file's name, and then the file is one that nothing names.
"""

from datetime import timedelta

import sqlalchemy as sa

from s3sentinel_assets.hours import shift_hour, utc_now
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.named_files import named_files
from s3sentinel_assets.ledger.schema import score_pin
from s3sentinel_assets.pipeline.kept_models import FOLDER
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["give_up_states", "sweep_store"]

# A part's files wait for its one commit; nothing that is worked on is ever this old.
_ORPHAN_SECONDS = 24 * 3_600
#: One whole state a day is kept so long: models are trained and compared on these days.
TRAINING_DAYS = 90


def sweep_store(runtime: Runtime, older_than_seconds: float = _ORPHAN_SECONDS) -> list[str]:
    """Gives up states that are not needed any more, and deletes orphaned stage files.

    Args:
        runtime: the runtime.
        older_than_seconds: age from which a file that the ledger does not name is an orphan.

    Returns:
        The uris deleted.
    """
    for source in runtime.config.sources:
        give_up_states(runtime, source)

    def known() -> set[str]:
        with runtime.ledger.read() as connection:
            named = named_files(connection)
        # Models are few and small, and a pin of any age may name one.
        models = runtime.store.root / FOLDER
        return named | {path.relative_to(runtime.store.root).as_posix() for path in models.rglob("*")}

    return runtime.store.sweep(known, older_than_seconds)


def give_up_states(runtime: Runtime, source: str) -> list[int]:
    """Gives up the files of states that nothing will read again.

    Kept are: the newest one; those of the look-back window (``deep_look_back_days``) before it, from which late parts
    are scored; those that a part was pinned to during that time; a whole one a day for 90 days; and the whole ones that
    any of these build on.

    Returns:
        The ids of the states.
    """
    look_back = timedelta(days=runtime.config.deep_look_back_days)
    with runtime.ledger.write() as connection:
        runtime.ledger.guard(connection, source)
        states = ledger_states.states_of(connection, source)
        if not states:
            return []
        newest = states[-1].hour
        recent, training = (shift_hour(newest, -24 * days) for days in (look_back.days, TRAINING_DAYS))
        pinned = set(
            connection.execute(
                sa.select(score_pin.c.state_id).where(score_pin.c.pinned_at >= to_micros(utc_now() - look_back))
            ).scalars()
        )
        daily = {state.hour[:10]: state.id for state in reversed(states) if state.whole_id is None}
        kept = [
            state
            for state in states
            if state.hour >= recent
            or state.id in pinned
            or (state.hour >= training and daily.get(state.hour[:10]) == state.id)
        ]
        needed = {state.id for state in kept} | {state.whole_id for state in kept}
        given_up = [state.id for state in states if state.id not in needed]
        ledger_states.forget_states(connection, given_up)
    return given_up
