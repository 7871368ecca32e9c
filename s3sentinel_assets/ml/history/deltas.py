"""Files that say what changed in a state since a whole one: an hour touches few of the keys.

Belongs here: making, writing and reading them. Does not belong here: when a state is kept whole (the pipeline).

What is read from a whole state and its changes is the state itself, bit for bit: counts are kept as of the hour that
touched them last (``fading``), so what is not in the changes is as it was.
"""

import polars as pl

from s3sentinel_assets.ml.history.fading import remaining
from s3sentinel_assets.ml.history.merging import KEY, merged
from s3sentinel_assets.ml.history.snapshots import Sink, Source, read_snapshot, write_snapshot
from s3sentinel_assets.ml.history.state import STATE_SCHEMA, EntityState, hour_number
from s3sentinel_assets.ml.parameters import ScoringUnavailable

__all__ = ["StateChanges", "changes_since", "with_changes"]

_KIND = "entity state changes"
_NAMES = ("hour", "format", "events", "half_life_hours", "drop_below", "crowded_out", "whole")


class StateChanges:
    """What changed in a state since a whole one.

    Attributes:
        frame: ``STATE_SCHEMA``: the rows touched since, and with a count of 0 those that are gone though they have not
            faded.
        values: those of the state's file, and ``whole``: the hour of the whole one.
    """

    def __init__(self, frame: pl.DataFrame, values: dict[str, str]) -> None:
        self.frame, self.values = frame, values

    @property
    def format(self) -> str:
        """Log family."""
        return self.values["format"]

    def to_parquet(self, path: Sink) -> None:
        """Writes the changes to a path or binary file."""
        write_snapshot(self.frame, path, _KIND, self.values)

    @classmethod
    def from_parquet(cls, path: Source) -> "StateChanges":
        """Reads changes from a path, binary file or bytes.

        Raises:
            ScoringUnavailable: they are damaged or something else.
        """
        return cls(*read_snapshot(path, _KIND, STATE_SCHEMA, _NAMES))


def changes_since(state: EntityState, whole: EntityState) -> StateChanges | None:
    """What changed since ``whole``; None where every row did, because counts fade faster or slower than before."""
    if state.format != whole.format or whole.hour >= state.hour:
        raise ValueError(f"the state of {state.hour} does not build on that of {whole.hour}")
    if (state.half_life_hours, state.drop_below) != (whole.half_life_hours, whole.drop_below):
        return None
    touched = state.stored.filter(pl.col("last_hour") > hour_number(whole.hour))
    gone = _alive(whole, state).join(state.stored, on=KEY, how="anti").with_columns(count=pl.lit(0.0))
    return StateChanges(pl.concat([touched, gone]).sort(KEY).rechunk(), state.values | {"whole": whole.hour})


def with_changes(whole: EntityState, changes: StateChanges) -> EntityState:
    """The state that ``changes`` were made of.

    Raises:
        ScoringUnavailable: they were made against another whole state.
    """
    if (changes.values["whole"], changes.format) != (whole.hour, whole.format):
        raise ScoringUnavailable(
            f"the changes build on the {changes.format} state of {changes.values['whole']}, not on that of {whole.hour}"
        )
    state = EntityState.of(changes.frame, changes.values)
    # What is gone bears a count of 0 in the changes.
    stored = merged(_alive(whole, state), changes.frame).filter(pl.col("count") > 0.0)
    return EntityState.of(stored.rechunk(), changes.values)


def _alive(whole: EntityState, state: EntityState) -> pl.DataFrame:
    """The rows of ``whole`` that have not faded by the hour of ``state``."""
    rows = whole.stored
    left = remaining(rows["count"], rows["last_hour"], hour_number(state.hour), state.half_life_hours)
    return rows.filter(left >= state.drop_below)
