"""A small world: ledger, store and one planned part, against a workspace."""

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from s3sentinel_assets.config import Destination, SentinelSettings
from s3sentinel_assets.ledger.batches import Batch, batches_of_part, delivery_lease
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import hold_lease, take_lease, worker_name
from s3sentinel_assets.ledger.schema import Stage, part
from s3sentinel_assets.ledger.stages import StageFile, StageResult, commit_stage, latest_stage
from s3sentinel_assets.sentinel.client import SentinelClient
from s3sentinel_assets.sentinel.delivery import DeliverySummary, deliver_part
from s3sentinel_assets.sentinel.plan import PlannedBodies, commit_plan, plan_part
from s3sentinel_assets.store import Store
from tests.sentinel.frames import cloudtrail, scores_frame

HOUR = "2026-11-01-13:00"
#: Part ids are part of batch ids, so no two parts that meet in one workspace may share one, over all test processes.
part_ids = itertools.count(os.getpid() * 1_000 + 1)


def sentinel_settings(section: dict[str, Any], **changes: Any) -> SentinelSettings:
    """Settings for tests: quick waits, small bodies."""
    quick = {
        "backoff_seconds": 0.01,
        "backoff_limit_seconds": 0.05,
        "max_attempts": 3,
        "max_batch_bytes": 10_000,
        "connect_timeout_seconds": 5,
        "read_timeout_seconds": 20,
        "unknown_bound_minutes": 0,
    }
    return SentinelSettings(**section | quick | changes)


@dataclass
class World:
    """One ledger and store; make parts with `plan`, send them with `deliver`."""

    folder: Path
    ledger: Ledger = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(f"sqlite:///{self.folder / 'ledger.db'}")
        self.store = Store(self.folder / "store")

    def stage(
        self, part_id: int, which: Stage, frames: list[pl.DataFrame], kind: str, table: str | None
    ) -> StageResult:
        """Commits frames as a stage."""
        files = []
        for ordinal, frame in enumerate(frames):
            with self.store.create(f"cloudtrail/{HOUR}/{which}", ".parquet") as writer:
                frame.write_parquet(writer.path)
            stored = writer.stored
            assert stored is not None
            files.append(StageFile(kind, stored.uri, stored.sha256, stored.size, frame.height, ordinal, None, table))
        held = take_lease(self.ledger, f"{which}:{part_id}", worker_name(), 60)
        assert held is not None
        with self.ledger.write() as connection:
            commit_stage(
                connection,
                held,
                part_id=part_id,
                which=which,
                generation=1,
                code_version="1",
                files=files,
                counts={},
                seconds=0.0,
                now=self.ledger.now(),
            )
        with self.ledger.read() as connection:
            result = latest_stage(connection, part_id, which)
        assert result is not None
        return result

    def part(self, hour: str = HOUR) -> int:
        """A new part."""
        part_id = next(part_ids)
        with self.ledger.write() as connection:
            connection.execute(
                sa.insert(part).values(
                    id=part_id,
                    source="cloudtrail",
                    hour=hour,
                    created_at=self.ledger.now(),
                    late=False,
                    objects=1,
                    bytes=1,
                )
            )
        return part_id

    def draft(
        self,
        part_id: int,
        settings: SentinelSettings,
        rows: list[pl.DataFrame],
        scores: list[pl.DataFrame] | None = None,
        table: str = "AWSCloudTrail",
    ) -> PlannedBodies:
        """Stages rows (and scores) and plans them, without committing the plan."""
        parsed = self.stage(part_id, Stage.PARSED, rows, "rows", table)
        scored = None if scores is None else self.stage(part_id, Stage.SCORED, scores, "scores", None)
        folder = f"cloudtrail/{HOUR}/planned"
        return plan_part(self.store, folder, parsed, scored, lambda name: Destination(table=name), settings)

    def commit(self, planned: PlannedBodies) -> None:
        """Commits a plan."""
        held = take_lease(self.ledger, f"plan:{planned.part_id}", worker_name(), 60)
        assert held is not None
        with self.ledger.write() as connection:
            commit_plan(connection, held, planned, generation=1, seconds=0.0, now=self.ledger.now())

    def plan(self, settings: SentinelSettings, rows: pl.DataFrame | int = 100, seed: int | None = None) -> int:
        """A part with a committed plan; gives its id."""
        part_id = self.part()
        frame = cloudtrail(rows, seed or part_id) if isinstance(rows, int) else rows
        self.commit(self.draft(part_id, settings, [frame], [scores_frame(frame.height)]))
        return part_id

    def deliver(
        self, client: SentinelClient, settings: SentinelSettings, part_id: int, **options: Any
    ) -> DeliverySummary:
        """Delivers a part under its lease."""
        with hold_lease(self.ledger, delivery_lease(part_id), worker_name(), 30) as held:
            assert held is not None
            return deliver_part(self.ledger, self.store, client, held, part_id, settings, **options)

    def batches(self, part_id: int) -> list[Batch]:
        """The part's batches."""
        with self.ledger.read() as connection:
            return batches_of_part(connection, part_id)

    def states(self, part_id: int) -> list[str]:
        """Their states, in order of rows."""
        return [batch.state.value for batch in self.batches(part_id)]
