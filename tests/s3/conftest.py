"""A local S3 on loopback, one for the tests of this folder, and a bucket of its own for each test."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3sentinel_assets.config import AwsAccess, SourceSettings
from s3sentinel_assets.local.aws import LAST_MODIFIED_METADATA, LocalAws, start_aws
from s3sentinel_assets.s3 import credentials
from s3sentinel_assets.s3.session import s3_client

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with start_aws(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def access(local_aws: LocalAws) -> AwsAccess:
    return AwsAccess(
        endpoint_url=local_aws.url, credentials_file=local_aws.credentials_file, backoff_seconds=0, max_attempts=2
    )


class Bucket(SimpleNamespace):
    """A bucket with what the tests do to it."""

    name: str
    client: Any
    access: AwsAccess

    def put(self, key: str, body: bytes = b"x", last_modified: str | None = None, **options: Any) -> str:
        """Puts an object and returns its ETag."""
        metadata = {LAST_MODIFIED_METADATA: last_modified} if last_modified else {}
        response = self.client.put_object(Bucket=self.name, Key=key, Body=body, Metadata=metadata, **options)
        return response["ETag"].strip('"')

    def source(self, prefix: str) -> SourceSettings:
        return SourceSettings(name="test", bucket=self.name, prefix=prefix, format="cloudtrail")


@pytest.fixture
def bucket(local_aws: LocalAws, access: AwsAccess) -> Iterator[Bucket]:
    client = s3_client(access)
    name = f"logs-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    yield Bucket(name=name, client=client, access=access)
    local_aws.set_faults()


class Clock:
    """The time that credentials go by; it moves when a test says so."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(credentials, "_now", clock)
    return clock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder's empty ``.aws``, where the default chain looks."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    folder = tmp_path / ".aws"
    folder.mkdir()
    return folder
