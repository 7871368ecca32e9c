"""What a state learns: the events of its parts without the urgent ones, and what earlier states had left out.

Belongs here: gathering that from the ledger, for a new state and for one made before, and the states that come of it.
Does not belong here: when a state is made and how it is recorded (``states``), what is urgent (``held``).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger.held import held_of_state
from s3sentinel_assets.ledger.parts import Part
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.pipeline.held import Holding, LeftOut, Release, hold_urgent, left_out_of, release_due
from s3sentinel_assets.pipeline.histories import History, read_history, scored_families
from s3sentinel_assets.pipeline.kept_models import keep_models, kept_model, version_of
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.stages import StageFile
    from s3sentinel_assets.ml import EntityState, ScoringModel

__all__ = ["Learned", "learn", "learn_again"]

#: Between the models' version and the limit on keys, where the limit changed the state.
_LIMITED = "~"


@dataclass
class Learned:
    """A state as it was made.

    Attributes:
        states: by log family.
        code_version: the models' versions, and the limit on keys where it mattered.
        previous: what it was made from.
        holding: what it left out.
        release: what it learned of what earlier ones had left out.
    """

    states: "dict[str, EntityState]"
    code_version: str
    previous: History
    holding: Holding = field(default_factory=Holding)
    release: Release = field(default_factory=Release)


def learn(
    runtime: Runtime, source: str, hour: str, parts: Sequence[Part], newest: ledger_states.SealedState | None
) -> Learned:
    """Makes the states of an hour.

    A source of one format always has one, a mixed source one for each family that it has had any event of.

    Raises:
        ScoringUnavailable: the state before is damaged.
        UserError: a stage file is missing or damaged, or a model is wrong.
    """
    families = scored_families(runtime.source(source))
    previous = read_history(runtime.ledger, runtime.store, newest) if newest else History()
    ids = [part.id for part in parts]
    with runtime.ledger.read() as connection:
        parsed = latest_stages(connection, ids, Stage.PARSED)
        scored = latest_stages(connection, ids, Stage.SCORED)
    holding = hold_urgent(runtime, hour, parts, parsed, scored, families)
    release = release_due(runtime, source, hour, newest, families)
    files = [(part.id, file) for part in parts if part.id in parsed for file in parsed[part.id].files_of("entities")]
    met = {*previous.states, *(file.format for _, file in files), *release.learned}
    met |= set(families) if len(families) == 1 else set()
    models = {name: runtime.model(name) for name in families if name in met}
    limit = runtime.config.limits.state_keys // len(families)
    states = _update(runtime, hour, previous, models, files, holding.left_out, release.batches, limit)
    version = keep_models(runtime, models)
    if any(state.crowded_out for state in states.values()):
        version += f"{_LIMITED}{limit}"
    return Learned(states, version, previous, holding, release)


def learn_again(runtime: Runtime, state_id: int) -> "dict[str, EntityState]":
    """The states that a sealed state holds, made again from what the ledger says they were made of.

    They are equal to the stored ones, bit for bit, as long as the state before and the parts' files are there.

    Raises:
        ScoringUnavailable: the state before is damaged or was given up.
        UserError: there is no such state; its model was not kept; a stage file is missing or damaged.
    """
    with runtime.ledger.read() as connection:
        sealed = ledger_states.state_by_id(connection, state_id)
        if sealed is None:
            raise UserError(f"the ledger has no state {state_id}")
        before = ledger_states.state_by_id(connection, sealed.based_on) if sealed.based_on else None
        parts = ledger_states.parts_learned_by(connection, state_id)
        parsed = latest_stages(connection, parts, Stage.PARSED)
        left_out, learned = held_of_state(connection, state_id)
    families = scored_families(runtime.source(sealed.source))
    previous = read_history(runtime.ledger, runtime.store, before) if before else History()
    files = [(part, file) for part in parts for file in parsed[part].files_of("entities")]
    version, _, limit = sealed.code_version.partition(_LIMITED)
    models = {name: found for name in families if (found := _model_of(runtime, version, name)) is not None}
    if version_of(models) != version:
        raise UserError(f"the model {version} of state {state_id} ({sealed.source} {sealed.hour}) was not kept")
    release = Release()
    for row in learned:
        release.learned[row.format].append(row)
    out = left_out_of(runtime, left_out)
    return _update(runtime, sealed.hour, previous, models, files, out, release.batches, int(limit) if limit else None)


def _model_of(runtime: Runtime, version: str, log_format: str) -> "ScoringModel | None":
    kept = kept_model(runtime, version, log_format)
    if kept is None and (present := runtime.model(log_format)).version == version:
        return present
    return kept


def _update(
    runtime: Runtime,
    hour: str,
    previous: History,
    models: "dict[str, ScoringModel]",
    files: "Sequence[tuple[int, StageFile]]",
    left_out: LeftOut,
    released: Callable[[Runtime, str, Sequence[str]], Iterable[pl.DataFrame]],
    max_keys: int | None,
) -> "dict[str, EntityState]":
    from s3sentinel_assets.ml import learned_columns, update

    states = {}
    for family, model in models.items():
        columns = learned_columns(family)

        def batches(family: str = family, columns: Sequence[str] = columns) -> Iterator[pl.DataFrame]:
            for part_id, file in files:
                if file.format == family:
                    yield _read(runtime, file, columns, left_out.get((part_id, file.ordinal)))
            yield from released(runtime, family, columns)

        states[family] = update(
            previous.states.get(family), batches(), hour, format=family, model=model, max_keys=max_keys
        )
    return states


def _read(runtime: Runtime, file: "StageFile", columns: Sequence[str], left_out: pl.Series | None) -> pl.DataFrame:
    frame = pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256), columns=list(columns))
    if left_out is None:
        return frame
    return frame.with_row_index("_row").filter(~pl.col("_row").is_in(left_out.implode())).drop("_row")
