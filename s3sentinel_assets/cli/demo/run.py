"""The demo's run: seed, bring every hour up to date through Dagster, deliver what came late, and count.

Belongs here: the order of events. Does not belong here: what is seeded (``local.generator``) or done (``pipeline``).
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from s3sentinel_assets.cli.demo.integrity import DemoDigests, IntegrityResult, count_integrity
from s3sentinel_assets.hours import hour_key, hour_start, shift_hour, utc_now

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.accounts import Proof
    from s3sentinel_assets.local.generator import DigestObject, Expected, Scenario, SeedObject
    from s3sentinel_assets.local.laptop import Laptop
    from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["DemoResult", "HourResult", "run_demo"]

_GRACE_MINUTES = 15
_SEED = 7


@dataclass(frozen=True)
class HourResult:
    """One source and hour as counted, beside what the generator says it must be."""

    proof: "Proof"
    expected: "Expected"
    seconds: float

    @property
    def differences(self) -> list[str]:
        """What does not agree, one sentence each."""
        account, wanted = self.proof.account, self.expected
        pairs = {
            "objects": (account.objects, wanted.objects),
            "records": (account.records, wanted.records),
            "quarantined": (account.quarantined, wanted.quarantined),
            "filtered": (account.filtered, wanted.filtered),
            "delivered": (account.accepted, wanted.delivered),
            "found": (self.proof.found, wanted.delivered),
        }
        where = f"{account.source} {account.hour}"
        return [
            f"{where}: {name} is {counted}, the generator made {made}"
            for name, (counted, made) in pairs.items()
            if counted != made
        ]


@dataclass
class DemoResult:
    """Everything the report shows."""

    home: Path
    hours: list[HourResult] = field(default_factory=list)
    anomalies: list[dict[str, Any]] = field(default_factory=list)
    quarantine: list[tuple[str, str, int]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    integrity: IntegrityResult = field(default_factory=IntegrityResult)
    runs: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every number agrees and every run went well."""
        return not (self.problems or self.integrity.problems or any(hour.differences for hour in self.hours))


def run_demo(home: Path, count: int, scale: float) -> DemoResult:
    """Runs the demo below ``home``.

    Args:
        home: an empty folder.
        count: how many hours of logs.
        scale: factor on the number of events.
    """
    from s3sentinel_assets.local.generator import Generator, Scenario
    from s3sentinel_assets.local.laptop import BUCKET, start_laptop
    from s3sentinel_assets.sentinel.kql import write_functions

    began = time.monotonic()
    last = shift_hour(hour_key(utc_now() - timedelta(minutes=_GRACE_MINUTES)), -1)
    hours = [shift_hour(last, -back) for back in range(count - 1, -1, -1)]
    scenario = Scenario(Generator(seed=_SEED, scale=scale), hours)
    result = DemoResult(home)
    with _progress() as progress, contextlib.ExitStack() as stack:
        starting = progress.add_task("starting a local S3 and a local workspace", total=None)
        start = hour_start(hours[0]).isoformat()
        laptop = stack.enter_context(
            start_laptop(home, start=start, grace_minutes=_GRACE_MINUTES, models_dir=str(_models_dir()))
        )
        write_functions(laptop.workspace.ca_file.parent / "functions")
        progress.update(starting, total=1, completed=1)
        logs = list(scenario.objects())
        digests = DemoDigests(laptop.aws, scenario, BUCKET)
        _seed(laptop, logs, progress, "writing logs into the bucket")
        _seed(laptop, digests.hourly(logs), progress, "and CloudTrail's digests")
        _work(laptop, scenario, digests, result, progress)
    result.seconds = time.monotonic() - began
    return result


def _models_dir() -> Path:
    """The model definitions of this checkout."""
    return Path(str(resources.files("s3sentinel_assets"))).parent / "models"


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def _seed(
    laptop: "Laptop", made: "Sequence[SeedObject] | Sequence[DigestObject]", progress: Progress, title: str
) -> None:
    from s3sentinel_assets.local.generator import seed
    from s3sentinel_assets.local.laptop import BUCKET

    task = progress.add_task(title, total=len(made))
    seed(laptop.aws.client(), BUCKET, made, progress=lambda _: progress.advance(task))


def _work(laptop: "Laptop", scenario: "Scenario", digests: DemoDigests, result: DemoResult, progress: Progress) -> None:
    from s3sentinel_assets.backfill import folder_instance, run_hours
    from s3sentinel_assets.definitions import build_defs
    from s3sentinel_assets.local.generator import SOURCES
    from s3sentinel_assets.pipeline.runtime import Runtime
    from s3sentinel_assets.pipeline.work import touched_hours

    runtime = Runtime(laptop.config())
    defs = build_defs(runtime.config, runtime)
    with _dagster_home(laptop.home), folder_instance() as instance, contextlib.closing(runtime):

        def bring_up(sources: Sequence[str], first: str, last: str, title: str) -> None:
            task = progress.add_task(title, total=None)

            def step(wave: Any) -> None:
                progress.update(task, total=wave.total, completed=wave.done, description=f"{title}: {wave.source}")
                result.problems.extend(wave.problems)
                result.runs += 1

            run_hours(defs, instance, sources, first, last, step, trigger="demo")

        names = list(SOURCES)
        bring_up(names, scenario.hours[0], scenario.hours[-1], "list, parse, score, deliver")
        late = list(scenario.late_objects())
        _seed(laptop, late, progress, "late objects arrive")
        _seed(laptop, digests.late(late), progress, "and CloudTrail's digest of them")
        for name in names:
            for hour in touched_hours(runtime, name).hours:
                bring_up([name], hour, hour, "deliver what came late")
        _count(runtime, scenario, result, progress)
        result.integrity = count_integrity(runtime, scenario, digests)


@contextlib.contextmanager
def _dagster_home(home: Path) -> Iterator[None]:
    """A Dagster home of the demo's own, with the settings of this checkout."""
    folder = home / "dagster"
    folder.mkdir(exist_ok=True)
    settings = yaml.safe_load((_models_dir().parent / "dagster.yaml").read_text(encoding="utf-8"))
    for place in (settings["storage"]["sqlite"], settings["local_artifact_storage"]["config"]):
        place["base_dir"] = str(folder / Path(place["base_dir"]).name)
    # Runs of this process would otherwise have its terminal, progress bars and all, redirected into files.
    settings["compute_logs"] = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    before = {name: os.environ.get(name) for name in ("DAGSTER_HOME", "S3SENTINEL_CONFIG")}
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["S3SENTINEL_CONFIG"] = str(home / "s3sentinel.yaml")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _count(runtime: "Runtime", scenario: "Scenario", result: DemoResult, progress: Progress) -> None:
    from s3sentinel_assets.ledger.quarantine import quarantine_of_hour
    from s3sentinel_assets.pipeline.proofs import prove_hour

    expected = scenario.expected(late=True)
    task = progress.add_task("asking the workspace what it holds", total=len(expected))
    for (source, hour), wanted in sorted(expected.items()):
        result.hours.append(HourResult(prove_hour(runtime, source, hour), wanted, _seconds(runtime, source, hour)))
        with runtime.ledger.read() as connection:
            result.quarantine += [
                (key, reason, records) for key, reason, records, _ in quarantine_of_hour(connection, source, hour)
            ]
        progress.advance(task)
    for hour in result.hours:
        result.problems += hour.differences
    result.anomalies = runtime.query.run(_TOP)


_COLUMNS = "Time = EventTime_CF, Priority = Priority_CF, Score = AnomalyScore_CF, Reasons = Reasons_CF"
_TOP = f"""
union
  (AWSCloudTrail | where isnotempty(Reasons_CF)
   | project {_COLUMNS}, Source = 'cloudtrail', What = EventName,
     Who = coalesce(UserIdentityUserName, SessionIssuerUserName, UserIdentityArn)),
  (AWSVPCFlow | where isnotempty(Reasons_CF)
   | project {_COLUMNS}, Source = 'vpc_flow', Who = InterfaceId, What = strcat(Action, ' to ', DstAddr, ':', DstPort))
| extend Rank = case(Priority == 'critical', 0, Priority == 'high', 1, 2)
| order by Rank asc, Score desc
| take 10
"""


def _seconds(runtime: "Runtime", source: str, hour: str) -> float:
    """Time the stages of the hour's parts took."""
    from s3sentinel_assets.ledger.parts import parts_of_hour
    from s3sentinel_assets.ledger.schema import Stage
    from s3sentinel_assets.ledger.stages import latest_stages

    with runtime.ledger.read() as connection:
        parts = [part.id for part in parts_of_hour(connection, source, hour)]
        return sum(result.seconds for stage in Stage for result in latest_stages(connection, parts, stage).values())
