"""The local workspace: an honest stand-in for the Log Analytics workspace behind Sentinel, on loopback, over TLS.

Belongs here: the sign-in, ingestion and query services as the real ones behave at their edges, and the faults a test
can switch on. Does not belong here: anything the product imports; the product reaches it only through the Azure
clients.
"""

from s3sentinel_assets.local.workspace.identity import CLIENT_ID, DCR_ID, TENANT_ID, WORKSPACE_ID
from s3sentinel_assets.local.workspace.process import LocalWorkspace, WorkspaceError, start_workspace

__all__ = [
    "CLIENT_ID",
    "DCR_ID",
    "TENANT_ID",
    "WORKSPACE_ID",
    "LocalWorkspace",
    "WorkspaceError",
    "start_workspace",
]
