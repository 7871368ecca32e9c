"""The query client: KQL against the workspace, and how many rows of which batch it holds.

Belongs here: azure-monitor-query and the sentences for its failures. Does not belong here: what the counts mean for a
batch (``resolution``, the checks), in which time range a cheaper table is asked (``time_range``) and when (the checks).

A table on the Basic or Auxiliary plan is asked through another address, ``/search``, which azure-monitor-query 2.0 does
not offer; its pipeline (sign-in, retries, trust) sends the request all the same. Sources: "Query data in Basic and
Auxiliary tables" (learn.microsoft.com), of 2026-09 and of 2024-07: the time range is a parameter of the address, a time
filter in the text does not replace it, each query is billed for all that the table took in during that range, and a
user may run two at a time. The newer text allows full KQL, the older one a single table without joins or functions of
one's own but with all aggregations: what is asked here keeps to the older.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.security.credentials import azure_credential, ca_bundle, proxies_of
from s3sentinel_assets.tables import load_schema
from s3sentinel_assets.tables.tiers import CHEAP_PLANS

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

__all__ = ["Found", "LogErrors", "WorkspaceQuery", "billed_by_scan"]

_PUBLIC_ENDPOINT = "https://api.loganalytics.io"
_ENDPOINTS = {
    "public": _PUBLIC_ENDPOINT,
    "usgov": "https://api.loganalytics.us",
    "china": "https://api.loganalytics.azure.cn",
}
#: Ids in one query: with 2,000 rows a batch the inner summarize stays far below the service's limits.
_IDS_PER_QUERY = 50
#: The same where each query is billed: as few queries as the length of the text allows.
_IDS_PER_SEARCH = 1_000
_REQUESTS_PER_QUERY = 200
#: So many messages of DCRLogErrors are shown.
_MESSAGES = 3
#: The clocks of sender and service may differ by this much.
_CLOCK_MARGIN = timedelta(hours=1)
_ERROR_TEXT = 400


@dataclass(frozen=True)
class Found:
    """What the workspace holds of one batch: rows, and distinct events among them (fewer when there are copies)."""

    rows: int
    events: int


@dataclass(frozen=True)
class LogErrors:
    """Rows of ``DCRLogErrors`` about some requests: how many, and the first messages. They may quote a log."""

    number: int
    messages: tuple[str, ...] = ()


def billed_by_scan(table: str) -> bool:
    """Whether queries of the table are billed by what they scan: it is on a plan below Analytics."""
    return load_schema(table).plan in CHEAP_PLANS


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
            proxies=proxies_of(settings),
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

    def search(self, kql: str, time_range: tuple[datetime, datetime]) -> list[dict[str, Any]]:
        """Runs a query of one table on the Basic or Auxiliary plan. It is billed by what the table has in the range.

        Args:
            kql: one table, and operators on it.
            time_range: of TimeGenerated; aware.

        Returns:
            The first table's rows, by column name; the values as they stand in the answer's JSON.

        Raises:
            UserError: as of `run`.
        """
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        start, end = (_kql_instant(instant) for instant in time_range)
        request = HttpRequest(
            "POST",
            f"/workspaces/{self._settings.workspace_id}/search",
            params={"timespan": f"{start}/{end}"},
            json={"query": kql},
        )
        try:
            # A query that may have run is not repeated: each is billed.
            response = self._client.send_request(request, retry_read=0)
            answer = response.json()
        except AzureError as error:
            raise UserError(self._remedy(error)) from error
        except ValueError as error:
            raise UserError(self._sentence(None, "the answer is not JSON")) from error
        if response.status_code != 200:
            raise UserError(self._sentence(response.status_code, _innermost(answer.get("error") or {})))
        if partial := answer.get("error"):
            raise UserError(
                f"the workspace gave only part of the result ({_innermost(partial)}); ask for less at a time"
            )
        tables = answer.get("tables") or [{"columns": [], "rows": []}]
        names = [column["name"] for column in tables[0]["columns"]]
        return [dict(zip(names, row, strict=True)) for row in tables[0]["rows"]]

    def count_batches(
        self,
        table: str,
        batch_ids: Collection[str],
        *,
        since: datetime | None = None,
        time_range: tuple[datetime, datetime] | None = None,
    ) -> dict[str, Found]:
        """How much of each batch the workspace holds now; batches it knows nothing of are left out.

        Args:
            table: the table they went to.
            batch_ids: ``BatchId_CF`` values.
            since: when the first of them was sent; keeps the query from reading the whole table.
            time_range: where the ``TimeGenerated`` of their rows lies, for a table whose queries are billed by what
                they scan (`billed_by_scan`); without it such a table is not asked.

        Raises:
            UserError: the workspace could not be asked.
            ValueError: such a table, and no time range.
        """
        ids = sorted(set(batch_ids))
        if billed_by_scan(table):
            if time_range is None:
                raise ValueError(f"queries of {table} are billed by what they scan: they need a time range")
            return self._search_batches(table, ids, time_range)
        received = ""
        if since is not None:
            received = f"| where ingestion_time() >= datetime({_kql_instant(since - _CLOCK_MARGIN)})\n"
        found: dict[str, Found] = {}
        for chunk in _chunks(ids, _IDS_PER_QUERY):
            found |= _counted(self.run(_counting(table, chunk, received)))
        return found

    def _search_batches(self, table: str, ids: list[str], time_range: tuple[datetime, datetime]) -> dict[str, Found]:
        found: dict[str, Found] = {}
        for chunk in _chunks(ids, _IDS_PER_SEARCH):
            found |= _counted(self.search(_counting(table, chunk), time_range))
        return found

    def log_errors(self, request_ids: Collection[str], since: datetime | None = None) -> LogErrors:
        """What data collection rules reported about requests that they had accepted: ``DCRLogErrors``.

        A rule writes there only with a diagnostic setting, some minutes later, and mutes errors that repeat
        ("Monitor and troubleshoot DCR data collection", learn.microsoft.com): no rows are no proof.

        Args:
            request_ids: ``x-ms-client-request-id`` of the requests.
            since: when the first was sent.

        Raises:
            UserError: the table cannot be asked; it may not exist in the workspace.
        """
        recent = "" if since is None else f"| where TimeGenerated >= datetime({_kql_instant(since - _CLOCK_MARGIN)})\n"
        number, messages = 0, []
        for chunk in _chunks(sorted(set(request_ids)), _REQUESTS_PER_QUERY):
            about = f"DCRLogErrors\n{recent}| where ClientRequestId in ({_quoted(chunk)})\n"
            [counted] = self.run(f"{about}| count")
            number += int(counted["Count"])
            if counted["Count"] and len(messages) < _MESSAGES:
                rows = self.run(f"{about}| top {_MESSAGES} by TimeGenerated asc | project Message")
                messages += [str(row["Message"]) for row in rows]
        return LogErrors(number, tuple(dict.fromkeys(messages))[:_MESSAGES])

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _remedy(self, error: "AzureError") -> str:
        from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

        text = str(getattr(error, "message", None) or error)
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if isinstance(error, ClientAuthenticationError) and status not in (400, 403, 404):
            status = 401
        return self._sentence(status, text)

    def _sentence(self, status: int | None, said: str) -> str:
        """What failed and what to mend.

        Args:
            status: of the answer; 401 also where signing in failed; None: there was none.
            said: the service's or the client's words.
        """
        settings = self._settings
        text = " ".join(said.split())[:_ERROR_TEXT]
        client = settings.credential.client_id or "the signed-in identity"
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
        if status == 401:
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


def _innermost(error: dict[str, Any]) -> str:
    text = str(error.get("message") or error.get("code") or "no reason given")
    inner = error.get("innererror") or next(iter(error.get("details") or ()), None)
    return _innermost(inner) if isinstance(inner, dict) and inner.get("message") else text


def _quoted(values: Collection[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def _chunks(values: Sequence[str], size: int) -> list[Sequence[str]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _counting(table: str, batch_ids: Collection[str], condition: str = "") -> str:
    # Two steps instead of dcount(), which is an estimate.
    return (
        f"{table}\n{condition}| where BatchId_CF in ({_quoted(batch_ids)})\n"
        "| summarize Copies = count() by BatchId_CF, EventId_CF\n"
        "| summarize Rows = sum(Copies), Events = count() by BatchId_CF"
    )


def _counted(rows: list[dict[str, Any]]) -> dict[str, Found]:
    return {row["BatchId_CF"]: Found(int(row["Rows"]), int(row["Events"])) for row in rows}
