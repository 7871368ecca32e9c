"""The query client: KQL against the workspace, and how many rows of which batch it holds.

Belongs here: azure-monitor-query and the sentences for its failures. Does not belong here: what the counts mean for a
batch (``resolution``, the checks).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.security.credentials import azure_credential, ca_bundle

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

__all__ = ["Found", "WorkspaceQuery"]

_PUBLIC_ENDPOINT = "https://api.loganalytics.io"
_ENDPOINTS = {
    "public": _PUBLIC_ENDPOINT,
    "usgov": "https://api.loganalytics.us",
    "china": "https://api.loganalytics.azure.cn",
}
#: Ids in one query: with 2,000 rows a batch the inner summarize stays far below the service's limits.
_IDS_PER_QUERY = 50
#: The clocks of sender and service may differ by this much.
_CLOCK_MARGIN = timedelta(hours=1)
_ERROR_TEXT = 400


@dataclass(frozen=True)
class Found:
    """What the workspace holds of one batch: rows, and distinct events among them (fewer when there are copies)."""

    rows: int
    events: int


class WorkspaceQuery:
    """Asks one Log Analytics workspace; one instance may be shared by threads.

    Args:
        settings: the ``sentinel`` section.

    Raises:
        ConfigurationError: the credential or CA file is not usable.
    """

    def __init__(self, settings: SentinelSettings) -> None:
        from azure.monitor.query import LogsQueryClient

        self._settings = settings
        audience = _ENDPOINTS[settings.cloud]
        endpoint = settings.query_endpoint if settings.query_endpoint != _PUBLIC_ENDPOINT else audience
        self._endpoint = endpoint
        self._client = LogsQueryClient(
            azure_credential(settings),
            endpoint=endpoint,
            audience=audience,
            connection_verify=ca_bundle(settings),
            connection_timeout=settings.connect_timeout_seconds,
            # A query changes nothing, so the SDK may repeat it.
            retry_on_methods=["POST"],
            retry_total=2,
            retry_backoff_max=10,
        )

    def run(self, kql: str, timespan: timedelta | tuple[datetime, datetime] | None = None) -> list[dict[str, Any]]:
        """Runs a query.

        Args:
            kql: one tabular query.
            timespan: of TimeGenerated; None: no bound beside the query's own.

        Returns:
            The first table's rows, by column name.

        Raises:
            UserError: the query failed or gave only part of the result; the text says what to mend.
        """
        from azure.core.exceptions import AzureError
        from azure.monitor.query import LogsQueryPartialResult

        try:
            result = self._client.query_workspace(self._settings.workspace_id, kql, timespan=timespan)
        except AzureError as error:
            raise UserError(self._remedy(error)) from error
        if isinstance(result, LogsQueryPartialResult):
            cause = result.partial_error.message if result.partial_error else "no reason given"
            raise UserError(f"the workspace gave only part of the result ({cause}); ask for less at a time")
        if not result.tables:
            return []
        table = result.tables[0]
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    def count_batches(
        self, table: str, batch_ids: Collection[str], *, since: datetime | None = None
    ) -> dict[str, Found]:
        """How much of each batch the workspace holds now; batches it knows nothing of are left out.

        Args:
            table: the table they went to.
            batch_ids: ``BatchId_CF`` values.
            since: when the first of them was sent; keeps the query from reading the whole table.

        Raises:
            UserError: the workspace could not be asked.
        """
        ids = sorted(set(batch_ids))
        received = ""
        if since is not None:
            received = f"| where ingestion_time() >= datetime({_kql_instant(since - _CLOCK_MARGIN)})\n"
        found: dict[str, Found] = {}
        for start in range(0, len(ids), _IDS_PER_QUERY):
            wanted = ", ".join(f'"{batch_id}"' for batch_id in ids[start : start + _IDS_PER_QUERY])
            # Two steps instead of dcount(), which is an estimate.
            rows = self.run(
                f"{table}\n{received}| where BatchId_CF in ({wanted})\n"
                "| summarize Copies = count() by BatchId_CF, EventId_CF\n"
                "| summarize Rows = sum(Copies), Events = count() by BatchId_CF"
            )
            found.update({row["BatchId_CF"]: Found(int(row["Rows"]), int(row["Events"])) for row in rows})
        return found

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _remedy(self, error: "AzureError") -> str:
        from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

        settings = self._settings
        text = " ".join(str(getattr(error, "message", None) or error).split())[:_ERROR_TEXT]
        client = settings.credential.client_id or "the signed-in identity"
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if status == 404:
            return f"{self._endpoint} knows no workspace {settings.workspace_id}; check sentinel.workspace_id"
        if status == 403:
            return (
                f"{client} may not query workspace {settings.workspace_id}; give it the role Log Analytics "
                "Reader on the "
                "workspace"
            )
        if status == 400:
            return f"the workspace refuses the query: {text}"
        if isinstance(error, ClientAuthenticationError):
            return (
                f"sign-in for queries failed for {client} ({text}); check sentinel.credential "
                f"(kind {settings.credential.kind}) and sentinel.cloud"
            )
        return (
            f"the workspace cannot be queried at {self._endpoint} ({text}); check sentinel.query_endpoint "
            "and the network"
        )


def _kql_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
