"""Pins: what a part's scoring reads is chosen once, written down, and read again whenever it is scored.

Belongs here: choosing state, counters, catalogue and models of a part, and reading what a pin names. Does not belong
here: scoring (``scoring``), the rows of the ledger (`ledger.states`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger.catalogues import SealedCatalogue, catalogue_by_id, newest_catalogue
from s3sentinel_assets.ledger.leases import Lease
from s3sentinel_assets.ledger.parts import Part, parts_of_hour
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import latest_stage, latest_stages
from s3sentinel_assets.pipeline.histories import read_counters, read_history, scored_families
from s3sentinel_assets.pipeline.kept_models import keep_models, kept_model, version_of
from s3sentinel_assets.pipeline.roll_up import STANDING_HOURS
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.stages import StageFile
    from s3sentinel_assets.ml import Counters, EntityState
    from s3sentinel_assets.ml.scoring.model import ScoringModel

__all__ = ["Pinned", "pin_part"]

_GENERATION = 1


@dataclass(frozen=True)
class Pinned:
    """What a part is scored with.

    Attributes:
        pin: as recorded.
        models: by format.
        state: the state; None if there was none.
        catalogue: the catalogue of texts; None if there was none.
        counters: the file of counters that another part left; None if none had.
        standing: the file with what the hour's principals had come to before this part; None at its start.
    """

    pin: ledger_states.ScorePin
    models: "dict[str, ScoringModel]"
    state: ledger_states.SealedState | None
    catalogue: SealedCatalogue | None
    counters: "StageFile | None"
    standing: "StageFile | None"

    def histories(self, runtime: Runtime, source: str) -> "tuple[Mapping[str, EntityState], dict[str, Counters]]":
        """The states and counters by log family.

        Raises:
            ScoringUnavailable: one is damaged or something else.
            UserError: a file is missing or damaged.
        """
        store, left = runtime.store, self.counters
        states = read_history(runtime.ledger, store, self.state).states if self.state else {}
        if self.pin.counters_part_id is None:
            return states, {}
        if left is None:
            raise UserError(f"the counters that part {self.pin.counters_part_id} left are not in the ledger any more")
        path = store.checked_path(left.uri, left.sha256)
        return states, read_counters(path, scored_families(runtime.source(source)))


def pin_part(runtime: Runtime, part: Part, held: Lease, models: "dict[str, ScoringModel]") -> Pinned:
    """The recorded pin and its models, or a new one with the present models.

    A pin whose models are not to be had any more gets the present ones: nothing has been scored by it yet, or the
    result is gone.

    Raises:
        LeaseLostError: another worker took the part over.
    """
    version = keep_models(runtime, models) if models else ""
    with runtime.ledger.write() as connection:
        pin = ledger_states.pin_of(connection, part.id, _GENERATION)
        if pin is None:
            pin = _new_pin(connection, part, version)
            ledger_states.record_pin(connection, held, part.id, _GENERATION, pin, runtime.ledger.now())
        elif pin.model_version != version:
            kept = {name: kept_model(runtime, pin.model_version, name) for name in models}
            found = {name: model for name, model in kept.items() if model is not None}
            if version_of(found) == pin.model_version:
                models = found
            else:
                ledger_states.change_pinned_model(connection, held, part.id, _GENERATION, version)
                pin = replace(pin, model_version=version)
        return Pinned(
            pin,
            models,
            ledger_states.state_by_id(connection, pin.state_id) if pin.state_id else None,
            catalogue_by_id(connection, pin.catalogue_id) if pin.catalogue_id else None,
            *_left(connection, part, pin),
        )


def _new_pin(connection: Connection, part: Part, model_version: str) -> ledger_states.ScorePin:
    """The newest sealed state before the hour, and the last counters left in it, else those of the hour before.

    Of the hour before only what is recent counts (`Counters.for_hour`).
    """
    before = shift_hour(part.hour, -1)
    state = ledger_states.newest_state(connection, part.source, before)
    catalogue = newest_catalogue(connection, part.source, part.hour[:10])
    left = _last_counters(connection, part, part.hour) or _last_counters(connection, part, before)
    return ledger_states.ScorePin(
        state_id=state.id if state else None,
        counters_uri=left[1] if left else None,
        counters_part_id=left[0] if left else None,
        model_version=model_version,
        catalogue_id=catalogue.id if catalogue else None,
    )


def _last_counters(connection: Connection, part: Part, hour: str) -> tuple[int, str] | None:
    """The part of the hour that was scored last, and the counters it left.

    Not the last one in ledger order: one that could be parsed late is scored after those behind it. A part that went
    out unscored left none; the chain goes on from the last one that did.
    """
    others = [other.id for other in parts_of_hour(connection, part.source, hour) if other.id != part.id]
    scored = sorted(latest_stages(connection, others, Stage.SCORED).values(), key=lambda result: result.id)
    left = [(result.part_id, file.uri) for result in scored for file in result.files_of("counters")]
    return left[-1] if left else None


def _left(
    connection: Connection, part: Part, pin: ledger_states.ScorePin
) -> "tuple[StageFile | None, StageFile | None]":
    """The counters that the pin names, and what their part left of its hour's principals, if that is this hour."""
    if pin.counters_part_id is None:
        return None, None
    scored = latest_stage(connection, pin.counters_part_id, Stage.SCORED)
    if scored is None:
        return None, None
    same = any(other.id == pin.counters_part_id for other in parts_of_hour(connection, part.source, part.hour))
    kinds = "counters", STANDING_HOURS
    counters, standing = (next(iter(scored.files_of(kind)), None) for kind in kinds)
    return counters, standing if same else None
