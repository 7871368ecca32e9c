"""Signing in to Microsoft Entra ID: the configured credential as an azure-identity object.

Belongs here: reading secrets at the moment of use and choosing the credential class. Does not belong here: scopes and
requests (``sentinel``), AWS access (``s3``).

Secrets travel from their file or variable straight into azure-identity; no message, ``repr`` or attribute here holds
one.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from s3sentinel_assets.config import Credential, SentinelSettings
from s3sentinel_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

__all__ = ["azure_credential", "ca_bundle", "proxies_of"]


def ca_bundle(settings: SentinelSettings) -> str | bool:
    """What ``connection_verify`` wants: the configured CA file, else True for the system's authorities.

    Raises:
        ConfigurationError: the file is not there.
    """
    if settings.ca_file is None:
        return True
    if not settings.ca_file.is_file():
        raise ConfigurationError(
            f"sentinel.ca_file: {settings.ca_file} is not there; start the stand-ins with `s3sentinel local`, or "
            "remove the key to trust the system's authorities"
        )
    return str(settings.ca_file)


def proxies_of(settings: SentinelSettings) -> dict[str, str] | None:
    """What ``proxies`` of an Azure client wants: the configured proxy, else None for the environment's.

    For https alone, as all of Azure is. Managed identity asks a plain http address of the machine itself, which no
    proxy can reach.

    Raises:
        ConfigurationError: it is no address of a proxy. The text does not repeat it, since it may hold a password.
    """
    if settings.proxy is None:
        return None
    try:
        parts = urlsplit(settings.proxy.get_secret_value())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, say
        usable = False
    if not usable:
        raise ConfigurationError(
            "sentinel.proxy: is not the address of a proxy; write http://host:port, or http://user:password@host:port "
            "with special characters percent-encoded"
        )
    return {"https": settings.proxy.get_secret_value()}


def azure_credential(settings: SentinelSettings) -> "TokenCredential":
    """The credential that ``sentinel.credential`` describes; a new one, with an empty token cache, at every call.

    Raises:
        ConfigurationError: a field or file the kind needs is missing.
    """
    import azure.identity as identity

    chosen = settings.credential
    common: dict[str, Any] = {"connection_verify": ca_bundle(settings)}
    proxies = proxies_of(settings)
    if proxies is not None:
        common["proxies"] = proxies
    # Waiting longer is the callers' business: they have back-off of their own, and a user at the screen.
    directory = common | {"authority": settings.authority or _authority(settings), "retry_total": 1}
    # Only the MSAL based ones know instance discovery; the others never do it.
    discovery = {"disable_instance_discovery": not settings.instance_discovery}
    match chosen.kind:
        case "client_secret":
            tenant, client = _required(chosen, "tenant_id"), _required(chosen, "client_id")
            return identity.ClientSecretCredential(tenant, client, _client_secret(chosen), **directory, **discovery)
        case "certificate":
            tenant, client = _required(chosen, "tenant_id"), _required(chosen, "client_id")
            return _certificate_credential(tenant, client, chosen, directory | discovery)
        case "workload_identity":
            known = {"tenant_id": chosen.tenant_id, "client_id": chosen.client_id}
            known["token_file_path"] = str(_file(chosen, "token_file")) if chosen.token_file else None
            return _workload_identity_credential(known, directory | discovery)
        case "managed_identity":
            return identity.ManagedIdentityCredential(client_id=chosen.client_id, **common)
        case "default":
            return identity.DefaultAzureCredential(
                managed_identity_client_id=chosen.client_id,
                workload_identity_client_id=chosen.client_id,
                **({"workload_identity_tenant_id": chosen.tenant_id} if chosen.tenant_id else {}),
                **directory,
                **discovery,
            )


def _authority(settings: SentinelSettings) -> str:
    from azure.identity import AzureAuthorityHosts

    hosts = {
        "public": AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
        "usgov": AzureAuthorityHosts.AZURE_GOVERNMENT,
        "china": AzureAuthorityHosts.AZURE_CHINA,
    }
    return f"https://{hosts[settings.cloud]}"


def _required(credential: Credential, name: str) -> str:
    value = getattr(credential, name)
    if not value:
        raise ConfigurationError(f"sentinel.credential.{name}: is missing; kind {credential.kind} needs it")
    return value


def _file(credential: Credential, name: str) -> Path:
    path: Path | None = getattr(credential, name)
    if path is None:
        raise ConfigurationError(f"sentinel.credential.{name}: is missing; kind {credential.kind} needs it")
    if not path.is_file():
        raise ConfigurationError(
            f"sentinel.credential.{name}: {path} is not there; create the file or correct the path"
        )
    return path


def _client_secret(credential: Credential) -> str:
    if credential.client_secret is not None:
        return credential.client_secret.get_secret_value()
    if credential.client_secret_file is None:
        raise ConfigurationError(
            "sentinel.credential: kind client_secret needs client_secret_file, or the secret itself in the environment "
            "variable S3SENTINEL_SENTINEL__CREDENTIAL__CLIENT_SECRET"
        )
    path = _file(credential, "client_secret_file")
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(
            f"sentinel.credential.client_secret_file: {path} cannot be read ({cause}); correct the file or "
            "its permissions"
        ) from None
    if not secret:
        raise ConfigurationError(f"sentinel.credential.client_secret_file: {path} is empty; write the secret into it")
    return secret


def _certificate_credential(
    tenant: str, client: str, credential: Credential, options: dict[str, Any]
) -> "TokenCredential":
    from azure.identity import CertificateCredential

    path = _file(credential, "certificate_file")
    try:
        return CertificateCredential(tenant, client, str(path), **options)
    except (OSError, ValueError):
        # Not chained: what a parser says about a private key may quote it.
        raise ConfigurationError(
            f"sentinel.credential.certificate_file: {path} holds no usable certificate with its private key; "
            "it must be PEM or PKCS12 without a password"
        ) from None


def _workload_identity_credential(known: dict[str, str | None], options: dict[str, Any]) -> "TokenCredential":
    from azure.identity import WorkloadIdentityCredential

    try:
        return WorkloadIdentityCredential(**{name: value for name, value in known.items() if value}, **options)
    except ValueError:
        missing = ", ".join(name.removesuffix("_path") for name, value in known.items() if not value)
        raise ConfigurationError(
            f"sentinel.credential: kind workload_identity needs {missing}, here or in the environment variables that "
            "the platform sets (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE)"
        ) from None
