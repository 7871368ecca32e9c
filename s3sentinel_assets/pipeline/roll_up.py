"""What the principals of an hour come to, handed on from part to part beside the counters.

Belongs here: files and their order. Does not belong here: what is summed up and when a row is made
(`ml.priority.entity_hours`), planning the rows (``sentinel.plan``), the closing rows (``hour_rows``).

Delivery never waits for this: where it fails, the part goes out without rows of its principals, what was known before
is handed on, and it is counted.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.ledger.parts import Part
from s3sentinel_assets.ledger.stages import StageFile
from s3sentinel_assets.pipeline.failures import tolerated
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

if TYPE_CHECKING:
    from s3sentinel_assets.ml.scoring.model import ScoringModel

__all__ = ["ENTITY_HOURS", "STANDING_HOURS", "WHY_WITHOUT", "RollUp", "roll_up_columns"]

#: Kinds of stage files: what is known of each principal of the hour, and the rows to send that this part made.
STANDING_HOURS, ENTITY_HOURS = "standing_hours", "entity_hours"
_NEEDED = ("account", "principal", "principal_type", "event_id", "time", "action", "source_ip", "user_agent", "service")
#: Count of the stage that says why a part has no such rows.
WHY_WITHOUT = "why_without_entity_hours"


def roll_up_columns(scored: Sequence[str]) -> list[str]:
    """The columns of the entity view that scores or the roll-up need."""
    return [name for name in ENTITY_SCHEMA if name in scored or name in _NEEDED]


class RollUp:
    """The roll-up of one part."""

    def __init__(self, runtime: Runtime, part: Part, standing: StageFile | None) -> None:
        """Prepares.

        Args:
            runtime: connections.
            part: the part that is scored.
            standing: what the part before it left; None at the start of an hour.
        """
        self._runtime, self._part, self._before = runtime, part, standing
        self._known: pl.DataFrame | None = None
        self._rows: list[pl.DataFrame] = []
        self._why = ""

    def summary(self, batch: pl.DataFrame, scores: pl.DataFrame, model: "ScoringModel", table: str) -> pl.DataFrame:
        """What one file says of each principal. Never raises for what is in the file: then it says nothing."""
        from s3sentinel_assets.ml.priority.entity_hours import empty_entity_hours, summarise

        part = self._part
        with tolerated() as trouble:
            return summarise(batch, scores, model, source=part.source, source_table=table, hour=part.hour)
        self._why = trouble.why
        return empty_entity_hours()

    def add(self, summaries: Sequence[pl.DataFrame]) -> None:
        """Takes in what files of the part say, in order."""
        from s3sentinel_assets.ml.priority.entity_hours import advance

        with tolerated() as trouble:
            known = self._standing() if self._known is None else self._known
            rows = []
            for summary in summaries:
                known, risen = advance(known, summary)
                rows.append(risen)
            self._known = known
            self._rows += rows
        self._why = trouble.why or self._why

    def stage_files(self) -> list[StageFile]:
        """What is known now, and the rows that this part made, written now."""
        if self._known is None:
            # Nothing came, or nothing could be made of it: what was known is handed on as it is.
            return [self._before] if self._before else []
        files = [self._write(STANDING_HOURS, self._known)]
        rows = pl.concat(self._rows) if self._rows else None
        if rows is not None and rows.height:
            from s3sentinel_assets.ml.priority.entity_hours import with_escalation_times

            files.append(self._write(ENTITY_HOURS, with_escalation_times(rows, self._known)))
        return files

    @property
    def counts(self) -> dict[str, int | float | str]:
        """For the ledger and the UI."""
        counts: dict[str, int | float | str] = {"entity_hour_rows": sum(frame.height for frame in self._rows)}
        if self._why:
            counts[WHY_WITHOUT] = self._why
        return counts

    def _standing(self) -> pl.DataFrame | None:
        if self._before is None:
            return None
        return pl.read_parquet(self._runtime.store.checked_path(self._before.uri, self._before.sha256))

    def _write(self, kind: str, frame: pl.DataFrame) -> StageFile:
        part = self._part
        with self._runtime.store.create(f"{part.source}/{part.hour}/scored", ".parquet") as writer:
            frame.write_parquet(writer.path, compression="zstd", statistics=False)
        stored = writer.finished
        return StageFile(kind, stored.uri, stored.sha256, stored.size, frame.height)
