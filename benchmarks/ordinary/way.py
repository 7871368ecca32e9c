"""The ordinary way from files to the workspace, in four steps."""

import hashlib
import pickle
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks.clock import StageClock
from benchmarks.inputs import InputObject
from benchmarks.job import DICTIONARIES, MODELS, Job
from benchmarks.ordinary.cloudtrail import read_cloudtrail
from benchmarks.ordinary.event import Event
from benchmarks.ordinary.judging import Recent
from benchmarks.ordinary.keys import Keys, keys_of, left_out
from benchmarks.ordinary.memory import Memory
from benchmarks.ordinary.scoring import score_events
from benchmarks.ordinary.vpc_flow import read_vpc_flow
from s3sentinel_assets.ml.scoring.model import load_model

__all__ = ["run"]

_BUCKET = "bench"
_TABLES = {"cloudtrail": "AWSCloudTrail", "vpc_flow": "AWSVPCFlow"}
_TENANT = "00000000-0000-4000-8000-00000000000a"
_HELD = ("critical", "high")
_CLIENT = "00000000-0000-4000-8000-00000000000b"


def _identity(entry: InputObject) -> str:
    """Stands for the object in event ids, as our way has it."""
    return hashlib.sha256("\0".join((_BUCKET, entry.key, entry.etag)).encode()).hexdigest()[:20]


def _read(job: Job) -> Iterator[Event]:
    for entry in job.inputs.objects:
        file = job.inputs.folder / entry.file
        if job.inputs.source == "cloudtrail":
            yield from read_cloudtrail(file)
        else:
            yield from read_vpc_flow(file, _identity(entry))


def _score(job: Job, events: list[Event]) -> tuple[Memory, list[Keys], dict[str, Recent]]:
    """Puts the score columns into the rows.

    Returns:
        What was known before, the events to learn (urgent ones are not), and who stood out lately.
    """
    source = job.inputs.source
    model = load_model(MODELS, source)
    with (job.history_folder / DICTIONARIES).open("rb") as file:
        learnt = pickle.load(file)  # noqa: S301 - our own file
    memory = Memory(source, learnt["tables"], job.inputs.hour, model.parameters)
    lately: dict[str, Recent] = {name: defaultdict(dict, learnt[name]) for name in ("recent", "recent_sensitive")}
    wanted, counted = [], []
    for event in sorted(events, key=lambda event: (event.time, event.event_id)):
        if flag := left_out(event, source):
            priority = "unknown" if flag == "no_principal" else "low"
            event.row |= {"AnomalyScore_CF": 0.0, "Confidence_CF": 0.0, "Priority_CF": priority, "Flags_CF": flag}
        else:
            wanted.append((event, keys_of(event, source)))
    for event, keys, columns in score_events(wanted, model, memory, *lately.values()):
        event.row |= columns
        if columns["Priority_CF"] not in _HELD:
            counted.append(keys)
    return memory, counted, lately


def _learn(job: Job, memory: Memory, counted: list[Keys], lately: dict[str, Recent]) -> None:
    learnt = {"tables": memory.after(counted), **{name: dict(table) for name, table in lately.items()}}
    with (job.home / DICTIONARIES).open("wb") as file:
        pickle.dump(learnt, file)


def _upload(job: Job, rows: list[dict[str, Any]]) -> None:
    from azure.identity import ClientSecretCredential
    from azure.monitor.ingestion import LogsIngestionClient

    verify = str(job.ca_file)
    credential = ClientSecretCredential(
        _TENANT,
        _CLIENT,
        "bench",
        authority=job.endpoint,
        disable_instance_discovery=True,
        connection_verify=verify,
    )
    with LogsIngestionClient(job.endpoint, credential, connection_verify=verify) as client:
        client.upload(job.rule, f"Custom-{_TABLES[job.inputs.source]}", rows)  # pyright: ignore[reportArgumentType]


def run(job: Job, clock: StageClock) -> None:
    """Parses, scores, delivers and learns the hour."""
    with clock.stage("parse"):
        events = list(_read(job))
    if job.scored:
        with clock.stage("score"):
            learning = _score(job, events)
        with clock.stage("state"):
            _learn(job, *learning)
    else:
        for event in events:
            event.row |= {"Priority_CF": "unknown", "Flags_CF": "unscored"}
    with clock.stage("send"):
        _upload(job, [event.row for event in events])
