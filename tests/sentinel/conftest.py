"""One local workspace for the tests of this folder: real TLS, real Azure clients."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.local.workspace.process import LocalWorkspace, start_workspace
from s3sentinel_assets.sentinel.client import SentinelClient
from s3sentinel_assets.sentinel.query import WorkspaceQuery
from s3sentinel_assets.tables import load_schema
from tests.sentinel.worlds import World, sentinel_settings


@pytest.fixture(scope="session")
def running_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkspace]:
    twins = [load_schema("AWSCloudTrail_Auxiliary_CL")]
    with start_workspace(tmp_path_factory.mktemp("workspace"), tables=twins) as workspace:
        yield workspace


@pytest.fixture
def workspace(running_workspace: LocalWorkspace) -> LocalWorkspace:
    running_workspace.clear_faults()
    return running_workspace


@pytest.fixture
def settings(workspace: LocalWorkspace) -> SentinelSettings:
    return sentinel_settings(workspace.sentinel_settings())


@pytest.fixture
def client(settings: SentinelSettings) -> Iterator[SentinelClient]:
    made = SentinelClient(settings)
    yield made
    made.close()


@pytest.fixture
def query(settings: SentinelSettings) -> Iterator[WorkspaceQuery]:
    made = WorkspaceQuery(settings)
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.ledger.close()
