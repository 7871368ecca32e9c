"""Our way: the product's own stages on a ledger of its own, with nothing replaced but S3, which gives files.

Belongs here: putting the objects into the ledger and driving the stages. Does not belong here: measuring (``clock``).
"""

import contextlib
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.clock import StageClock
from benchmarks.inputs import HISTORY, InputSet, Source
from benchmarks.job import MODELS, Job
from s3sentinel_assets.config import Config
from s3sentinel_assets.ledger import hours as ledger_hours
from s3sentinel_assets.ledger.objects import SeenObject
from s3sentinel_assets.ledger.parts import assign_parts
from s3sentinel_assets.ledger.seen import record_seen
from s3sentinel_assets.pipeline import delivery, parsing, scoring, states
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["BUCKET", "FileRuntime", "bench_config", "list_inputs", "prepare", "run"]

BUCKET = "bench"
_CLIENT = "00000000-0000-4000-8000-00000000000b"
_TENANT = "00000000-0000-4000-8000-00000000000a"
_PREFIX = {
    "cloudtrail": "AWSLogs/{account}/CloudTrail/{region}/",
    "vpc_flow": "AWSLogs/{account}/vpcflowlogs/{region}/",
}


def bench_config(source: Source, home: Path, endpoint: str, ca_file: Path | None, rule: str, **limits: int) -> Config:
    """The configuration of a job: defaults, but for the addresses."""
    sentinel = {
        "ingestion_endpoint": endpoint,
        "authority": endpoint,
        "instance_discovery": False,
        "ca_file": ca_file,
        "workspace_id": _CLIENT,
        "dcr_id": rule,
        "credential": {
            "kind": "client_secret",
            "tenant_id": _TENANT,
            "client_id": _CLIENT,
            "client_secret": "bench",
        },
    }
    return Config.model_validate(
        {
            "data_dir": home,
            "models_dir": MODELS,
            "start": datetime.fromisoformat(f"{HISTORY[0][:10]}T00:00:00+00:00"),
            "sentinel": sentinel,
            "sources": {source: {"bucket": BUCKET, "prefix": _PREFIX[source], "format": source}},
            "limits": limits,
        }
    )


class _Files:
    """As much of an S3 client as reading objects needs; the bodies are files."""

    def __init__(self, inputs: InputSet) -> None:
        self._paths = {entry.key: (inputs.folder / entry.file, entry.size) for entry in inputs.objects}

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
        path, size = self._paths[Key]
        return {"ContentLength": size, "Body": path.open("rb")}


class FileRuntime(Runtime):
    """A runtime whose S3 is a folder."""

    def __init__(self, config: Config, inputs: InputSet) -> None:
        super().__init__(config)
        self._files = _Files(inputs)

    def s3(self, source: str) -> Any:  # noqa: ARG002 - the signature is the base's
        """The folder."""
        return self._files


def list_inputs(runtime: Runtime, inputs: InputSet) -> None:
    """Records the objects in the ledger, as a listing would, and puts them into parts."""
    seen = (
        SeenObject(BUCKET, entry.key, entry.etag, entry.etag, entry.size, datetime.fromisoformat(entry.last_modified))
        for entry in inputs.objects
    )
    record_seen(runtime.ledger, inputs.source, seen)
    limits = runtime.config.limits
    assign_parts(
        runtime.ledger,
        inputs.source,
        inputs.hour,
        max_bytes=limits.part_compressed_bytes,
        max_objects=limits.part_objects,
    )


@contextlib.contextmanager
def _stages_timed(clock: StageClock) -> Iterator[None]:
    import polars as pl

    from s3sentinel_assets.ledger.engine import Ledger
    from s3sentinel_assets.ml.scoring import score as scoring
    from s3sentinel_assets.pipeline.patterns import PatternRun
    from s3sentinel_assets.pipeline.roll_up import RollUp
    from s3sentinel_assets.sentinel import delivery as sending
    from s3sentinel_assets.sentinel import plan
    from s3sentinel_assets.store import Store, files

    functions: dict[str, list[tuple[Any, str]]] = {
        "model": [(scoring, "score")],
        "patterns": [(PatternRun, "add_patterns"), (PatternRun, "stage_files")],
        "roll_up": [(RollUp, "summary"), (RollUp, "add"), (RollUp, "stage_files")],
        "pack": [(plan, "plan_part")],
        "upload": [(sending, "deliver_part")],
        "files": [
            (pl.DataFrame, "write_parquet"),
            (pl, "read_parquet"),
            (Store, "checked_path"),
            (Store, "read_range"),
            (files, "_flush"),
        ],
    }
    with clock.attached(functions), clock.attached({"ledger": [(Ledger, "write"), (Ledger, "read")]}, managers=True):
        yield


def _all_seen(clock: StageClock, job: Job) -> None:
    """A stage that was never entered was not without cost: the benchmark no longer finds it.

    Raises:
        RuntimeError: such a stage.
    """
    wanted = {"pack", "upload", "files", "ledger", "patterns"} | ({"model", "roll_up"} if job.scored else set())
    if missed := sorted(wanted - clock.entries.keys()):
        raise RuntimeError(f"the stages {', '.join(missed)} were not seen; adapt benchmarks/ours.py to the code")


def prepare(job: Job) -> None:
    """A ledger that is there already, as in production; with the history, if the job scores."""
    if job.history is not None:
        shutil.copytree(job.history / "home", job.home)
        return
    config = bench_config(job.inputs.source, job.home, job.endpoint, job.ca_file, job.rule)
    job.home.mkdir(parents=True)
    with contextlib.closing(FileRuntime(config, job.inputs)) as runtime:
        runtime.ledger.now()


def run(job: Job, clock: StageClock) -> None:
    """Parses, scores, delivers and learns the hour."""
    inputs = job.inputs
    source, hour = inputs.source, inputs.hour
    limits = {} if job.part_bytes is None else {"part_compressed_bytes": job.part_bytes}
    config = bench_config(source, job.home, job.endpoint, job.ca_file, job.rule, **limits)
    with contextlib.closing(FileRuntime(config, inputs)) as runtime, _stages_timed(clock):
        with clock.stage("list"), clock.stage("ledger"):
            list_inputs(runtime, inputs)
        with clock.stage("parse"):
            parsed = parsing.parse_hour(runtime, source, hour)
        with clock.stage("score"):
            scored = scoring.score_hour(runtime, source, hour)
        with clock.stage("send"):
            delivered = delivery.deliver_hour(runtime, source, hour)
        if job.scored:
            with clock.stage("state"):
                ledger_hours.seal(runtime.ledger, source, hour)
                states.advance_state(runtime, source, hour)
        _all_seen(clock, job)
        problems = [*parsed.problems, *delivered.problems, *(scored.problems if job.scored else ())]
    if problems:
        raise RuntimeError(f"{source} {hour} did not go through: {problems[0]}")
