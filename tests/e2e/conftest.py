"""Local AWS and local workspace as processes, and helpers that bring an hour up to date through the pipeline itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from s3sentinel_assets.hours import hour_key, hour_start, shift_hour, utc_now
from s3sentinel_assets.local.aws import LocalAws, start_aws
from s3sentinel_assets.local.laptop import BUCKET, Laptop, laptop_on
from s3sentinel_assets.local.workspace import LocalWorkspace, start_workspace
from s3sentinel_assets.pipeline import delivery, discovery, parsing, proofs, scoring, states
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.tables import load_schema


@dataclass
class World:
    """A laptop with a bucket, and one runtime over it."""

    laptop: Laptop
    runtime: Runtime
    s3: Any

    def put(self, key: str, body: bytes, at: datetime) -> None:
        metadata = {"local-last-modified": at.isoformat()}
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)

    def bring_up(self, source: str, hour: str, runtime: Runtime | None = None) -> None:
        """Everything the assets of one hour do, without the state."""
        runtime = runtime or self.runtime
        discovery.discover(runtime, source, [hour])
        parsing.parse_hour(runtime, source, hour)
        scoring.score_hour(runtime, source, hour)
        delivery.deliver_hour(runtime, source, hour)

    def close_hour(self, source: str, hour: str) -> None:
        states.seal_hour(self.runtime, source, hour)
        states.advance_state(self.runtime, source, hour)

    def account(self, source: str, hour: str):
        return proofs.account_hour(self.runtime, source, hour)

    def rows(self, kql: str) -> list[dict[str, Any]]:
        return self.runtime.query.run(kql)


@pytest.fixture(scope="session")
def now() -> datetime:
    return utc_now()


@pytest.fixture(scope="session")
def hours(now: datetime) -> list[str]:
    """Six closed hours, oldest first."""
    return [shift_hour(hour_key(now), -back) for back in range(7, 1, -1)]


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory):
    """One local AWS and one local workspace for all tests of a process: starting them takes longer than most tests."""
    folder = tmp_path_factory.mktemp("stand-ins")
    twins = [load_schema("AWSCloudTrail_Auxiliary_CL")]
    with start_aws(folder / "aws") as aws, start_workspace(folder / "workspace", tables=twins) as workspace:
        yield aws, workspace


def _empty(aws: LocalAws, workspace: LocalWorkspace) -> None:
    """Makes running stand-ins as good as new."""
    aws.set_faults()
    client, sqs = aws.client(), aws.client("sqs")
    for bucket in client.list_buckets()["Buckets"]:
        name = bucket["Name"]
        for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                client.delete_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"])
        client.delete_bucket(Bucket=name)
    for url in sqs.list_queues().get("QueueUrls", ()):
        sqs.delete_queue(QueueUrl=url)
    workspace.clear_faults()
    workspace.forget_rows()


@pytest.fixture
def make_world(tmp_path, hours, stand_ins) -> Callable[..., World]:
    """Makes a world on the shared stand-ins, empty at first; one a test."""
    import contextlib

    with contextlib.ExitStack() as stack:

        def make(**overrides: Any) -> World:
            _empty(*stand_ins)
            settings = {"start": hour_start(hours[0]).isoformat(), "grace_minutes": 0, **overrides}
            laptop = laptop_on(tmp_path / "home", *stand_ins, **settings)
            client = laptop.aws.client()
            client.create_bucket(Bucket=BUCKET)
            runtime = Runtime(laptop.config())
            stack.callback(runtime.close)
            return World(laptop, runtime, client)

        yield make


@pytest.fixture
def world(make_world) -> World:
    return make_world()


@pytest.fixture
def minute() -> Callable[[str, int], datetime]:
    """The instant some minutes into an hour."""
    return lambda hour, minutes: hour_start(hour) + timedelta(minutes=minutes)
