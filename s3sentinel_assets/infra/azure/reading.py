"""Azure as it is today: workspace, tables and data collection rules, read through Azure Resource Manager.

Sources: REST reference of ``dataCollectionRules``, ``workspaces`` and ``workspaces/tables`` (learn.microsoft.com).

Belongs here: requests, and the sentences for their failures. Does not belong here: what should be there (``rules``),
comparing (``comparison``). Nothing here changes anything.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.infra.azure.resources import RULE_TYPE, RULE_VERSION, TABLE_VERSION, WORKSPACE_TYPE
from s3sentinel_assets.security.credentials import azure_credential, ca_bundle, proxies_of

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.exceptions import AzureError
    from azure.core.rest import HttpRequest, HttpResponse

__all__ = ["AzureReader"]

#: Address of Azure Resource Manager, which is also what a token is for.
_MANAGEMENT = {
    "public": "https://management.azure.com",
    "usgov": "https://management.usgovcloudapi.net",
    "china": "https://management.chinacloudapi.cn",
}
_ERROR_TEXT = 300
#: Codes of a 404 that mean more than that the resource asked for is missing.
_PARENTS = {
    "resourcegroupnotfound": "sentinel.azure.resource_group",
    "subscriptionnotfound": "sentinel.azure.subscription_id",
    "invalidsubscriptionid": "sentinel.azure.subscription_id",
    "parentresourcenotfound": "sentinel.azure.workspace_name",
}


class AzureReader:
    """Reads one workspace and what belongs to it.

    Args:
        settings: the ``sentinel`` section.

    Raises:
        ConfigurationError: ``sentinel.azure`` does not say where the resources are, or the credential is not usable.
    """

    def __init__(self, settings: SentinelSettings) -> None:
        azure = settings.azure
        for name in ("subscription_id", "resource_group", "workspace_name"):
            if not getattr(azure, name):
                raise ConfigurationError(
                    f"sentinel.azure.{name} is missing; name the subscription, resource group and workspace to read "
                    "what is there"
                )
        self._settings = settings
        self._endpoint = settings.management_endpoint or _MANAGEMENT[settings.cloud]
        self._group = "/".join(
            ("/subscriptions", _quoted(azure.subscription_id), "resourceGroups", _quoted(azure.resource_group))
        )
        self._workspace = f"{self._group}/providers/{WORKSPACE_TYPE}/{_quoted(azure.workspace_name)}"
        self._client: PipelineClient[HttpRequest, HttpResponse] = self._connect()

    @property
    def workspace_id(self) -> str:
        """The workspace's resource id."""
        return self._workspace

    def workspace(self) -> dict[str, Any]:
        """The workspace.

        Raises:
            UserError: it cannot be read, or is not there.
        """
        found = self._get(self._workspace, TABLE_VERSION)
        if found is None:
            azure = self._settings.azure
            raise UserError(
                f"there is no workspace {azure.workspace_name} in resource group {azure.resource_group}; check "
                "sentinel.azure.workspace_name, or that the signed-in identity may see it"
            )
        return found

    def table(self, name: str) -> dict[str, Any] | None:
        """A table of the workspace; None: there is none.

        Raises:
            UserError: it cannot be read.
        """
        return self._get(f"{self._workspace}/tables/{_quoted(name)}", TABLE_VERSION)

    def rule(self, name: str) -> dict[str, Any] | None:
        """A data collection rule of the resource group; None: there is none.

        Raises:
            UserError: it cannot be read.
        """
        return self._get(f"{self._group}/providers/{RULE_TYPE}/{_quoted(name)}", RULE_VERSION)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _connect(self) -> "PipelineClient[HttpRequest, HttpResponse]":
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, HeadersPolicy, ProxyPolicy, RetryPolicy

        settings = self._settings
        scope = f"{_MANAGEMENT[settings.cloud]}/.default"
        # No policy for redirects: a token goes to the address that was asked for, and nowhere else.
        policies = [
            HeadersPolicy({"Accept": "application/json"}),
            RetryPolicy(retry_total=2, retry_backoff_max=10),  # reading changes nothing
            BearerTokenCredentialPolicy(azure_credential(settings), scope),
        ]
        if (proxies := proxies_of(settings)) is not None:
            policies.insert(0, ProxyPolicy(proxies=proxies))
        return PipelineClient(
            self._endpoint,
            policies=policies,
            connection_verify=ca_bundle(settings),
            connection_timeout=settings.connect_timeout_seconds,
            read_timeout=settings.read_timeout_seconds,
        )

    def _get(self, path: str, version: str) -> dict[str, Any] | None:
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        request = HttpRequest("GET", self._endpoint + path, params={"api-version": version})
        try:
            response = self._client.send_request(request)
        except AzureError as error:
            raise UserError(self._unreachable(error)) from error
        try:
            body = response.json()
        except ValueError:
            body = None
        if response.status_code == 200 and isinstance(body, dict):
            return body
        code, message = _error_of(body)
        if response.status_code == 404 and body is not None and code.casefold() not in _PARENTS:
            return None
        raise UserError(self._remedy(response.status_code, code, message, path))

    def _remedy(self, status: int, code: str, message: str, path: str) -> str:
        settings = self._settings
        client = settings.credential.client_id or "the signed-in identity"
        said = f"{code}: {message}" if code else "no reason given"
        match status:
            case 401:
                return (
                    f"{self._endpoint} refuses the token of {client} ({said}); check sentinel.cloud, "
                    "sentinel.management_endpoint and that the tenant is the subscription's"
                )
            case 403:
                return (
                    f"{client} may not read {path} ({said}); give it the role Monitoring Reader on resource group "
                    f"{settings.azure.resource_group}, or sign in as somebody who has it"
                )
            case 404 if code:
                return f"{path} is not there ({said}); check {_PARENTS[code.casefold()]}"
            case _:
                return (
                    f"{self._endpoint} answered {status} to {path} ({said}); check sentinel.management_endpoint, the "
                    "network and proxies"
                )

    def _unreachable(self, error: "AzureError") -> str:
        from azure.core.exceptions import ClientAuthenticationError

        text = " ".join(str(getattr(error, "message", None) or error).split())[:_ERROR_TEXT]
        credential = self._settings.credential
        if isinstance(error, ClientAuthenticationError):
            return (
                f"sign-in for Azure Resource Manager failed for {credential.client_id or 'the default identity'} "
                f"({text}); check sentinel.credential (kind {credential.kind}) and sentinel.cloud"
            )
        return (
            f"Azure Resource Manager cannot be asked at {self._endpoint} ({text}); check "
            "sentinel.management_endpoint and the network"
        )


def _quoted(name: str | None) -> str:
    return quote(name or "", safe="")


def _error_of(body: Any) -> tuple[str, str]:
    """Code and message of an error document, one line; empty where there is none."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or ""), " ".join(str(error.get("message") or "").split())[:_ERROR_TEXT]
