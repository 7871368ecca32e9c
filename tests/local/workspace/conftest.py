"""One workspace process for the whole folder, and the real Azure clients that talk to it."""

import gzip
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.monitor.ingestion import LogsIngestionClient
from azure.monitor.query import LogsQueryClient

from s3sentinel_assets.local.workspace import LocalWorkspace, start_workspace
from s3sentinel_assets.tables import TableSchema

SYSTEM = ("TenantId", "Type", "SourceSystem", "_BilledSize", "_IsBillable")
EVERY_TYPE = {
    "TimeGenerated": "datetime",
    "Id": "string",
    "Count": "int",
    "Bytes": "long",
    "Score": "real",
    "Ok": "bool",
    "Seen": "datetime",
    "More": "dynamic",
    "Key": "guid",
}
TYPED = TableSchema("Typed_CL", "Analytics", EVERY_TYPE, {"Extra_CF": "string"}, SYSTEM)
AUXILIARY = TableSchema(
    "Cheap_CL",
    "Auxiliary",
    {"TimeGenerated": "datetime", "Id": "string", "Count": "int", "More": "dynamic"},
    {},
    SYSTEM,
)


class Clients:
    """Real clients with no retries of their own, so that one call is one request."""

    def __init__(self, workspace: LocalWorkspace, secret: str | None = None) -> None:
        self.workspace = workspace
        self.credential = ClientSecretCredential(
            workspace.tenant_id,
            workspace.client_id,
            secret or workspace.client_secret_file.read_text().strip(),
            authority=workspace.url,
            disable_instance_discovery=True,
            connection_verify=str(workspace.ca_file),
        )
        verify = {"connection_verify": str(workspace.ca_file), "retry_total": 0}
        self.ingestion = LogsIngestionClient(workspace.url, self.credential, **verify)
        self.queries = LogsQueryClient(
            self.credential, endpoint=workspace.url, audience="https://api.loganalytics.io", **verify
        )

    def send(
        self,
        rows: Any,
        table: str = "Typed_CL",
        *,
        stream: str | None = None,
        dcr: str | None = None,
        zipped: bool = True,
        **options: Any,
    ) -> None:
        body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
        self.ingestion.upload(
            dcr or self.workspace.dcr_id,
            stream or f"Custom-{table}",
            BytesIO(gzip.compress(body) if zipped else body),  # type: ignore[arg-type]
            **options,
        )

    def refused(self, rows: Any, table: str = "Typed_CL", **options: Any) -> tuple[int, str, str, Any]:
        """Sends, expects a refusal and gives its status, code, message and headers."""
        with pytest.raises(HttpResponseError) as caught:
            self.send(rows, table, **options)
        response = caught.value.response
        assert response is not None
        error = json.loads(response.text())["error"]
        assert response.headers["x-ms-error-code"] == error["code"]
        return response.status_code, error["code"], error["message"], response.headers

    def ask(self, kql: str, timespan: Any = None) -> list[list[Any]]:
        result = self.queries.query_workspace(self.workspace.workspace_id, kql, timespan=timespan)
        return [list(row) for row in result.tables[0].rows]  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkspace]:
    with start_workspace(
        tmp_path_factory.mktemp("workspace"),
        tables=[TYPED, AUXILIARY],
        streams={"Custom-Other": "Typed_CL"},
        extra_dcr_ids=["dcr-requests", "dcr-bytes"],
    ) as workspace:
        yield workspace


@pytest.fixture(scope="session")
def shared_clients(shared_workspace: LocalWorkspace) -> Clients:
    return Clients(shared_workspace)


@pytest.fixture
def workspace(shared_workspace: LocalWorkspace) -> Iterator[LocalWorkspace]:
    """The shared process; switches are put back after each test."""
    yield shared_workspace
    shared_workspace.clear_faults()


@pytest.fixture
def clients(workspace: LocalWorkspace, shared_clients: Clients) -> Clients:
    return shared_clients


@pytest.fixture
def new_clients(workspace: LocalWorkspace) -> Any:
    """Makes clients with an empty token cache."""
    return lambda **options: Clients(workspace, **options)


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> str:
    """An id of this test's own rows."""
    return request.node.name


@pytest.fixture
def clients_for() -> Any:
    """Makes clients for any workspace."""
    return Clients
