"""A local workspace's data directory without its process handle: its running server, or its file.

Belongs here: finding out whether a server runs for a directory, and asking the file when none does. Does not belong
here: serving (``server``).
"""

import socket
from pathlib import Path
from typing import Any

from s3sentinel_assets.config import Credential, SentinelSettings
from s3sentinel_assets.local.workspace.definitions import read_tables
from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.identity import Identity, WorkspaceFiles
from s3sentinel_assets.local.workspace.query import Query, QueryApi
from s3sentinel_assets.local.workspace.storage import Storage

__all__ = ["LocalQueryError", "local_settings", "query_file"]


class LocalQueryError(Exception):
    """The query was refused; the text says why."""


def local_settings(folder: Path) -> SentinelSettings | None:
    """How to reach the server that runs for ``folder``; None when none listens."""
    files = WorkspaceFiles(folder)
    try:
        url = files.address.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    host, _, port = url.removeprefix("https://").partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    except (OSError, ValueError):  # left behind by a server that was killed
        return None
    identity = Identity()
    return SentinelSettings(
        ingestion_endpoint=url,
        query_endpoint=url,
        workspace_id=identity.workspace_id,
        dcr_id=identity.dcr_id,
        authority=url,
        ca_file=files.ca,
        instance_discovery=False,
        credential=Credential(
            kind="client_secret",
            tenant_id=identity.tenant_id,
            client_id=identity.client_id,
            client_secret_file=files.client_secret,
        ),
    )


def query_file(
    folder: Path, kql: str, timespan: str | None, *, search: bool = False
) -> tuple[list[str], list[list[Any]]]:
    """Asks the file of ``folder`` directly, read-only.

    Args:
        folder: the data directory.
        kql: the query.
        timespan: ISO 8601 interval for ``TimeGenerated``.
        search: ask as tables on cheaper plans are asked.

    Returns:
        Column names and rows.

    Raises:
        LocalQueryError: the query is wrong.
        UserError: there is no workspace, or a process has it open.
    """
    files = WorkspaceFiles(folder)
    catalogue = read_tables(files.tables)
    storage = Storage(files.database, catalogue, Identity().workspace_id, read_only=True)
    try:
        api = QueryApi(storage, catalogue)
        result = (api.search if search else api.run)(Query(kql, timespan))
    except ApiError as error:
        outer = error.details.get("innererror", {})
        inner = outer.get("innererror") or outer
        raise LocalQueryError(inner.get("message", error.message)) from None
    finally:
        storage.close()
    return result.columns, result.rows
