"""The stand-in for Microsoft Entra ID: discovery documents, the token endpoint and the check of bearer tokens.

Belongs here: who may talk to the workspace. Does not belong here: what they may do there; roles are faults of the
services (``faults``), because a missing role is what tests want to see.

Tokens look opaque. They carry audience, issue time and expiry under a keyed digest, so that they outlive a restart.
"""

import base64
import binascii
import hashlib
import hmac
import time
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import msgspec

from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.identity import Identity

__all__ = ["INGESTION_AUDIENCES", "MANAGEMENT_AUDIENCES", "QUERY_AUDIENCES", "TokenError", "TokenService"]

INGESTION_AUDIENCES = ("https://monitor.azure.com", "https://monitor.azure.us", "https://monitor.azure.cn")
QUERY_AUDIENCES = (
    "https://api.loganalytics.io",
    "https://api.loganalytics.us",
    "https://api.loganalytics.azure.cn",
    "https://api.loganalytics.azure.com",
)
MANAGEMENT_AUDIENCES = (
    "https://management.azure.com",
    "https://management.usgovcloudapi.net",
    "https://management.chinacloudapi.cn",
)


class TokenError(Exception):
    """The token endpoint refuses. ``error`` is the OAuth error word, ``number`` the AADSTS number."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.number = number
        self.text = text

    def body(self) -> dict[str, Any]:
        """The refusal as Entra writes it."""
        trace, correlation = str(uuid4()), str(uuid4())
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        return {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self.text} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {stamp}",
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.number}",
        }


class _Claims(msgspec.Struct):
    """What a token says."""

    aud: str
    iat: float
    exp: float
    nonce: str


class TokenService:
    """Issues and checks tokens for one registered client.

    Args:
        identity: tenant and client ids.
        client_secret: the client's secret.
        key: signs the tokens.
    """

    def __init__(self, identity: Identity, client_secret: str, key: str) -> None:
        self._identity = identity
        self._secret = client_secret.encode()
        self._key = key.encode()
        #: Tokens issued before this instant (epoch seconds) are refused; moved by the ``expire_tokens`` fault.
        self.valid_from = 0.0
        #: The service's own address, an accepted query audience: clients ask for their endpoint's by default.
        self.own_address = ""

    def discovery(self, base_url: str, tenant: str) -> dict[str, Any]:
        """The OpenID configuration of ``tenant``.

        Raises:
            TokenError: unknown tenant.
        """
        self._check_tenant(tenant)
        root = f"{base_url}/{self._identity.tenant_id}"
        return {
            "issuer": f"{root}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{root}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "code id_token", "token id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "scopes_supported": ["openid"],
            "tenant_region_scope": "NA",
        }

    def instances(self, base_url: str) -> dict[str, Any]:
        """The instance discovery document, which names this server as the only authority."""
        host = base_url.removeprefix("https://")
        return {
            "tenant_discovery_endpoint": f"{base_url}/{self._identity.tenant_id}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def issue(self, tenant: str, form: bytes, lifetime: float) -> dict[str, Any]:
        """Answers a client-credentials request.

        Args:
            tenant: from the path.
            form: the URL-encoded body.
            lifetime: seconds until the token expires.

        Raises:
            TokenError: wrong tenant, grant, client, secret or scope.
        """
        self._check_tenant(tenant)
        fields = {name: values[0] for name, values in parse_qs(form.decode("utf-8", "replace")).items()}
        for name in ("grant_type", "client_id", "scope"):
            if name not in fields:
                text = f"The request body must contain the following parameter: '{name}'."
                raise TokenError(400, "invalid_request", 900144, text)
        if fields["grant_type"] != "client_credentials":
            raise TokenError(
                400,
                "unsupported_grant_type",
                70003,
                f"The app requested an unsupported grant type '{fields['grant_type']}'.",
            )
        client = fields["client_id"]
        if client != self._identity.client_id:
            raise TokenError(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client}' was not found in the directory '{self._identity.tenant_id}'.",
            )
        if not hmac.compare_digest(fields.get("client_secret", "").encode(), self._secret):
            raise TokenError(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client}'.",
            )
        audience = self._audience(fields["scope"])
        return {
            "token_type": "Bearer",
            "expires_in": int(lifetime),
            "ext_expires_in": int(lifetime),
            "access_token": self._sign(audience, lifetime),
        }

    def check(self, authorization: str | None, audiences: tuple[str, ...]) -> None:
        """Lets a request with a good bearer token for one of ``audiences`` pass.

        Raises:
            ApiError: 401; the token is missing, forged, expired, revoked or for something else.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("No bearer token was presented.")
        claims = self._verify(token.strip())
        if claims is None:
            raise _unauthorized("The presented token is malformed or its signature is invalid.")
        now = time.time()
        if claims.exp <= now or claims.iat < self.valid_from:
            raise _unauthorized("The presented token has expired.")
        if claims.aud not in audiences:
            raise _unauthorized(f"The audience '{claims.aud}' of the presented token is not valid for this resource.")

    def _check_tenant(self, tenant: str) -> None:
        if tenant.lower() not in (self._identity.tenant_id.lower(), "organizations", "common"):
            raise TokenError(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")

    def _audience(self, scope: str) -> str:
        # Clients may add the OpenID scopes; the one resource among them decides.
        resources = [word for word in scope.split() if word.startswith("https://")]
        known = (*INGESTION_AUDIENCES, *QUERY_AUDIENCES, *MANAGEMENT_AUDIENCES, self.own_address)
        audience = resources[0].removesuffix("/.default").rstrip("/") if len(resources) == 1 else ""
        if not audience or not resources[0].endswith("/.default"):
            raise TokenError(
                400,
                "invalid_scope",
                70011,
                f"The provided value for the input parameter 'scope' is not valid: {scope}.",
            )
        if audience not in known:
            raise TokenError(
                400,
                "invalid_resource",
                500011,
                f"The resource principal named {audience} was not found in the tenant named s3sentinel local.",
            )
        return audience

    def _sign(self, audience: str, lifetime: float) -> str:
        now = time.time()
        payload = msgspec.json.encode(_Claims(audience, now, now + lifetime, uuid4().hex))
        return ".".join(
            base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (payload, self._digest(payload))
        )

    def _verify(self, token: str) -> _Claims | None:
        payload, _, digest = token.partition(".")
        try:
            content = base64.b64decode(payload + "=" * (-len(payload) % 4), b"-_", validate=True)
            given = base64.b64decode(digest + "=" * (-len(digest) % 4), b"-_", validate=True)
            if not hmac.compare_digest(given, self._digest(content)):
                return None
            return msgspec.json.decode(content, type=_Claims)
        except (ValueError, binascii.Error):  # not ASCII, not base64, not claims
            return None

    def _digest(self, payload: bytes) -> bytes:
        return hmac.new(self._key, payload, hashlib.sha256).digest()


def _unauthorized(message: str) -> ApiError:
    # No claims challenge: the real one carries none for these, and clients must not try again by themselves.
    return ApiError(
        401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )
