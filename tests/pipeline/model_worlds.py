"""A ledger with days of small made-up events, parsed, scored and learned, for tests of models: no S3, no workspace."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from s3sentinel_assets.config import Config
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger.leases import hold_lease
from s3sentinel_assets.ledger.schema import Stage, part
from s3sentinel_assets.ledger.stages import StageFile, commit_stage
from s3sentinel_assets.ml import learned_columns, update
from s3sentinel_assets.pipeline.runtime import Runtime
from tests.ml.worlds import ACCOUNT, MODELS, World, frame, hours

__all__ = ["History", "config_in", "strange_events"]

#: A burst of calls nobody here ever makes.
_STORY = (
    "iam:CreateUser",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "sts:GetFederationToken",
    "s3:PutBucketPolicy",
)


def config_in(folder: Path, **models) -> Config:
    """A configuration below a folder, with shipped models and a few stories."""
    shipped = folder / "models"
    if not shipped.exists():
        shutil.copytree(MODELS, shipped)
        (shipped / "champions.json").unlink(missing_ok=True)  # these tests begin with the plain sum
        (shipped / "stories.json").write_text(json.dumps({"about": "", "stories": _stories()}))
        # A dozen principals have a few dozen principal-hours a day; the shipped budgets are for hundreds.
        rules = [{"priority": "high", "event_hours_per_day": 0.2}, {"priority": "medium", "event_hours_per_day": 0.5}]
        tables = {"default": [{"priority": "low"}], "cloudtrail": [*rules, {"priority": "low"}]}
        (shipped / "priority.json").write_text(json.dumps({"labelled": ["cloudtrail"], "tables": tables}))
    settings = {
        "train_days": 8,
        "evaluate_days": 2,
        "min_training_days": 4,
        "min_principals": 5,
        "min_verdicts": 10,
        **models,
    }
    return Config(
        data_dir=folder / "data",
        models_dir=shipped,
        start=datetime(2026, 11, 1, tzinfo=UTC),
        sentinel={
            "ingestion_endpoint": "https://127.0.0.1:1",
            "workspace_id": "00000000-0000-4000-8000-000000000001",
            "dcr_id": "dcr-1",
        },
        sources={"trail": {"bucket": "logs", "prefix": "AWSLogs/{account}/CloudTrail/", "format": "cloudtrail"}},
        models=settings,
    )


def _stories() -> list[dict]:
    return [
        {
            "id": f"story-{number}",
            "technique": technique,
            "steps": [
                {"at": 20 * place, "call": action, "read_only": False}
                for place, action in enumerate(_STORY[number:] + _STORY[:number])
            ],
        }
        for number, technique in enumerate(("T1136", "T1098", "T1550"))
    ]


def strange_events(world: World, hour: str, principal: str, count: int = 25) -> list[dict]:
    """What an intruder does in a principal's name."""
    return [
        world.call(
            hour,
            10 + place * 0.5,
            principal,
            f"{_STORY[place % 5].split(':')[0]}:Odd{place}{hour[8:13]}",
            source_ip=f"203.{int(hour[8:10])}.{place}.9",
            user_agent="curl/8.0",
            error=None if place % 2 else "AccessDenied",
        )
        for place in range(count)
    ]


class History:
    """Hours of events in a ledger.

    Attributes:
        runtime: over it.
        world: makes the events.
    """

    def __init__(self, folder: Path, **models) -> None:
        self.runtime = Runtime(config_in(folder, **models))
        self.world = World(seed=3)
        self._state = None
        self._state_id: int | None = None

    def run(self, days: int, first_day: int = 0, *, add=None, keep=lambda rows: rows, scored=True) -> list[str]:
        """Adds three hours of each day. ``add(hour)`` gives further events, ``keep(rows)`` takes some away."""
        keys = [key for key in hours(first_day, days) if key[11:13] in ("02", "09", "14")]
        for hour in keys:
            rows = keep(self.world.hour(hour))
            self.add_hour(hour, frame(rows + (add(hour) if add else [])), scored=scored)
        return keys

    def add_hour(self, hour: str, batch: pl.DataFrame, *, urgent: pl.Series | None = None, scored: bool = True) -> None:
        """One part, its scores (all low but the urgent ones), and the state after it."""
        runtime = self.runtime
        with runtime.ledger.write() as connection:
            values = {"source": "trail", "hour": hour, "created_at": 1, "late": False, "objects": 1, "bytes": 1}
            part_id = connection.execute(part.insert().values(**values).returning(part.c.id)).scalar_one()
        self._stage(part_id, hour, Stage.PARSED, "entities", batch)
        if scored:
            urgent = urgent if urgent is not None else pl.Series([False]).new_from_index(0, batch.height)
            priority = urgent.to_frame("u").select(
                pl.when("u").then(pl.lit("high")).otherwise(pl.lit("low")).alias("Priority_CF")
            )
            self._stage(part_id, hour, Stage.SCORED, "scores", priority)
        model = runtime.model("cloudtrail")
        learned = [batch.select(learned_columns("cloudtrail"))]
        self._state = update(self._state, learned, hour, format="cloudtrail", model=model)
        with runtime.store.create(f"trail/{hour}/state", ".parquet") as writer:
            self._state.to_parquet(writer.path)
        with hold_lease(runtime.ledger, "state:trail", "test", 60) as held, runtime.ledger.write() as connection:
            self._state_id = ledger_states.commit_state(
                connection,
                held,
                values={
                    "source": "trail",
                    "hour": hour,
                    "generation": 1,
                    "based_on": self._state_id,
                    "gap_hours": 0,
                    "uri": writer.finished.uri,
                    "sha256": writer.finished.sha256,
                    "keys": self._state.keys,
                    "events": batch.height,
                    "parts": 1,
                    "code_version": "test",
                    "sealed_at": 1,
                },
                part_ids=[part_id],
            )

    def _stage(self, part_id: int, hour: str, which: Stage, kind: str, content: pl.DataFrame) -> None:
        runtime = self.runtime
        with runtime.store.create(f"trail/{hour}/{which.value}", ".parquet") as writer:
            content.write_parquet(writer.path)
        stored = writer.finished
        file = StageFile(kind, stored.uri, stored.sha256, stored.size, content.height, 0, "cloudtrail")
        with hold_lease(runtime.ledger, f"test:{part_id}", "test", 60) as held, runtime.ledger.write() as connection:
            commit_stage(
                connection,
                held,
                part_id=part_id,
                which=which,
                generation=1,
                code_version="test",
                files=[file],
                counts={},
                seconds=0.0,
                now=1,
            )

    @property
    def account(self) -> str:
        return ACCOUNT
