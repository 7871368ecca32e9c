"""The stand-in for Azure Resource Manager: the workspace, its tables and data collection rules, to be read only.

Belongs here: what a GET of these answers. Does not belong here: who may ask (``auth``), the routes (``app``).

Whatever subscription, resource group and names are asked for, the answer is the local workspace with its catalogue,
whose one rule takes every table. A file ``management.json`` in the data directory answers instead where it is: an
object of resource id → body, or ``{"status": 403, "code": "…", "message": "…"}`` for a refusal. What it does not name
is not there.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from s3sentinel_assets.local.workspace.definitions import SYSTEM_COLUMNS, Catalogue
from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.identity import Identity
from s3sentinel_assets.tables import TableSchema

__all__ = ["MANAGEMENT_FILE", "Management"]

#: The file's name.
MANAGEMENT_FILE = "management.json"

_PATH = re.compile(
    r"(?P<group>/subscriptions/[^/]+/resourceGroups/[^/]+)/providers/"
    r"(?:Microsoft\.Insights/dataCollectionRules/(?P<rule>[^/]+)"
    r"|Microsoft\.OperationalInsights/workspaces/(?P<workspace>[^/]+)(?:/tables/(?P<table>[^/]+))?)",
    re.IGNORECASE,
)
_VERSIONS = {
    "rule": ("2022-06-01", "2023-03-11", "2024-03-11"),
    "workspace": ("2022-10-01", "2023-09-01", "2025-02-01", "2025-07-01"),
}
_TABLE_TYPES = {"bool": "boolean", "datetime": "dateTime"}
_STREAM_TYPES = {"bool": "boolean", "guid": "string"}


class Management:
    """Answers reads.

    Args:
        folder: the workspace's data directory.
        catalogue: its tables and streams.
        identity: its ids.
    """

    def __init__(self, folder: Path, catalogue: Catalogue, identity: Identity) -> None:
        self._file = folder / MANAGEMENT_FILE
        self._catalogue = catalogue
        self._identity = identity

    def answer(self, path: str, version: str | None, address: str) -> Mapping[str, Any]:
        """The body of a resource.

        Args:
            path: the resource's id.
            version: the api-version asked for.
            address: that the workspace serves at.

        Raises:
            ApiError: 400, 404, or what the file says.
        """
        found = _PATH.fullmatch(path)
        if found is None:
            raise ApiError(404, "InvalidResourceType", f"The resource type of '{path}' could not be found.")
        known = _VERSIONS["rule" if found["rule"] else "workspace"]
        if version not in known:
            raise ApiError(
                400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid. Known: {', '.join(known)}."
            )
        stored = self._stored()
        if stored is not None:
            return _from_file(stored, path)
        if found["rule"]:
            return self._rule(path, found["group"], found["rule"], address)
        if not found["table"]:
            return {"id": path, "name": found["workspace"], "properties": {"customerId": self._identity.workspace_id}}
        table = self._catalogue.tables.get(found["table"])
        if table is None:
            raise ApiError(404, "ResourceNotFound", f"The table '{found['table']}' was not found.")
        return {"id": path, "name": table.name, "properties": {"plan": table.plan, "schema": _schema(table)}}

    def _stored(self) -> dict[str, Any] | None:
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(content, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ApiError(500, "InternalServerError", f"{self._file}: {error}") from None

    def _rule(self, path: str, group: str, name: str, address: str) -> dict[str, Any]:
        streams = {
            stream: self._catalogue.tables[table]
            for stream, table in self._catalogue.streams.items()
            if self._catalogue.tables[table].own_columns
        }
        workspace = f"{group}/providers/Microsoft.OperationalInsights/workspaces/local"
        return {
            "id": path,
            "name": name,
            "kind": "Direct",
            "location": "local",
            "properties": {
                "immutableId": self._identity.dcr_id,
                "endpoints": {"logsIngestion": address},
                "streamDeclarations": {
                    stream: {"columns": _columns(table.writable, _STREAM_TYPES)} for stream, table in streams.items()
                },
                "destinations": {"logAnalytics": [{"name": "workspace", "workspaceResourceId": workspace}]},
                "dataFlows": [
                    {
                        "streams": [stream],
                        "destinations": ["workspace"],
                        "transformKql": "source",
                        "outputStream": f"{'Custom' if table.name.endswith('_CL') else 'Microsoft'}-{table.name}",
                    }
                    for stream, table in streams.items()
                ],
            },
        }


def _from_file(stored: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    body = next((body for name, body in stored.items() if name.casefold() == path.casefold()), None)
    if body is None:
        raise ApiError(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
    if "status" in body:
        raise ApiError(body["status"], body.get("code", "Error"), body.get("message", "Ordered by the file."))
    return body


def _schema(table: TableSchema) -> dict[str, Any]:
    custom = table.name.endswith("_CL")
    mine, others = (table.writable, {}) if custom else (table.own_columns, table.columns)
    system = dict.fromkeys(SYSTEM_COLUMNS, "string")
    return {
        "name": table.name,
        "columns": _columns(mine, _TABLE_TYPES),
        "standardColumns": _columns({**others, **system}, _TABLE_TYPES),
    }


def _columns(columns: Mapping[str, str], types: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": types.get(kind, kind)} for name, kind in columns.items()]
