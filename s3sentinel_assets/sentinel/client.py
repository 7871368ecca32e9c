"""The ingestion client: one request for one body, and what its outcome means for the rows.

Belongs here: azure-monitor-ingestion, sign-in, the reading of answers. Does not belong here: what happens to a batch
then (``delivery``), durations (``retry``).

The API has no idempotency key, so the one question after a failure is *could the rows have been stored?*

* **204**: accepted. Any other 2xx is no answer of this API (a proxy, a captive portal): unknown.
* **Nothing of the body was sent** (DNS, refused, TLS handshake, no token): surely not stored, try again. Exception
  types cannot tell: a TLS connection cut after the request arrives as the same error as a failed handshake. So the body
  itself notes whether a byte of it was read for sending.
* **408, 429**: the gateway refuses before it takes the body: try again, after Retry-After.
* **503 with Retry-After**: a deliberate refusal with an appointment, as the gateway sends under load: try again. A
  **503 without** it is also what proxies say when the upstream broke in the middle of a request: unknown.
* **500, 502, 504**, time-outs, resets, lost or unreadable answers: something behind the gateway may have taken the
  rows: unknown. A sweep asks the workspace before anything is sent again; that costs minutes, a blind retry costs
  duplicates.
* **401**: refused before the body is looked at; a new token once (also past the credential's own cache), then stop.
* **403, 404** and whatever else says that the *set-up* is wrong: stop, the rows stay pending: it is not their fault.
* **413**: the body is too large: split.
* **400, 422** that name the rule, the stream or the form of the request: the set-up again: stop. Any other **400, 422**
  refuses this body; which of its rows are at fault, and whether they are at all, is for ``delivery`` to find out.
"""

import enum
import io
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.security.credentials import azure_credential, ca_bundle, proxies_of
from s3sentinel_assets.sentinel.retry import parse_retry_after
from s3sentinel_assets.sentinel.traffic import RuleTraffic

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError
    from azure.monitor.ingestion import LogsIngestionClient

__all__ = ["Outcome", "SentinelClient", "Verdict"]

_SCOPES = {
    "public": "https://monitor.azure.com/.default",
    "usgov": "https://monitor.azure.us/.default",
    "china": "https://monitor.azure.cn/.default",
}
_ERROR_TEXT = 400
#: As many as a rule may have threads; with several rules in a part there are more, and some connect anew.
_KEPT_CONNECTIONS = 64
#: User and password of an address, as errors of a proxy may quote it.
_USER_INFO = re.compile(r"(?<=//)[^/\s]*@")

# The service's codes are documented nowhere in full, so its words decide. A fault of the set-up that is read as one of
# the rows is found out later (nothing else is accepted either); the other way round the hour stays red until somebody
# looks. Neither loses rows.
_SET_UP = re.compile(
    r"^\(?\w*(stream|dcr|dce|datacollection|immutableid|apiversion|contentencoding|contenttype|mediatype)\w*[:)]"
    r"|data ?collection ?(rule|endpoint)|immutable ?id|api-version"
    r"|\bstream\b.{0,200}\b(not (configured|found|declared|defined)|unknown|does not exist)",
    re.IGNORECASE,
)


class Verdict(enum.StrEnum):
    """What an outcome means for the rows."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # surely not stored; the same request may be made again
    UNKNOWN = "unknown"  # perhaps stored; ask the workspace first
    TOO_LARGE = "too_large"
    REFUSED = "refused"  # surely not stored; this body is not taken as it is
    STOP = "stop"  # surely not stored, and no other request will fare better until somebody mends something


@dataclass(frozen=True)
class Outcome:
    """How one request ended.

    Attributes:
        verdict: what it means for the rows.
        status: HTTP status, if there was an answer.
        error: what the service or the network said, one line, no secrets.
        retry_after: seconds the service asks to wait.
        remedy: for `Verdict.STOP`: the sentence for the user.
    """

    verdict: Verdict
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    remedy: str | None = None


class _Body(io.BytesIO):
    """A request body that knows whether any of it may be on the wire."""

    sent = False

    def read(self, size: int | None = -1, /) -> bytes:
        # The SDK reads two bytes to recognise gzip before anything is connected.
        if size is None or size < 0 or size > 2:
            self.sent = True
        return super().read(size)


class SentinelClient:
    """Uploads to one logs ingestion endpoint; one instance serves many threads.

    Args:
        settings: the ``sentinel`` section.

    Raises:
        ConfigurationError: the credential or CA file is not usable.
    """

    def __init__(self, settings: SentinelSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._generation = 0
        self._client = self._connect()
        self._traffic: dict[str, RuleTraffic] = {}

    def traffic(self, dcr_id: str) -> RuleTraffic:
        """What holds uploads to a data collection rule back; the same for all threads, parts and runs."""
        with self._lock:
            if dcr_id not in self._traffic:
                self._traffic[dcr_id] = RuleTraffic(dcr_id, self._settings)
            return self._traffic[dcr_id]

    def upload(self, dcr_id: str, stream: str, body: bytes, request_id: str) -> Outcome:
        """Sends one gzip body, once (twice only if the first answer is 401).

        Args:
            dcr_id: immutable id of the data collection rule.
            stream: of that rule, such as ``Custom-AWSCloudTrail``.
            body: gzip of a JSON array.
            request_id: sent as ``x-ms-client-request-id``; ``DCRLogErrors`` names it.
        """
        with self._lock:
            client, generation = self._client, self._generation
        outcome = self._send(client, dcr_id, stream, body, request_id)
        if outcome.status != 401:
            return outcome
        try:
            fresh = self._reconnect(generation)
        except ConfigurationError as error:  # the secret's file is gone, say; the 401 still means "not stored"
            return Outcome(Verdict.STOP, 401, outcome.error, remedy=str(error))
        return self._send(fresh, dcr_id, stream, body, request_id)

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            self._client.close()

    def _connect(self) -> "LogsIngestionClient":
        import requests
        from azure.core.pipeline.transport import RequestsTransport
        from azure.monitor.ingestion import LogsIngestionClient
        from requests.adapters import HTTPAdapter

        settings = self._settings
        verify = ca_bundle(settings)
        credential = azure_credential(settings)
        # A session of our own: the default one keeps ten connections, whatever the number of threads.
        session = requests.Session()
        session.mount("https://", HTTPAdapter(pool_maxsize=_KEPT_CONNECTIONS))
        # Proxies and authorities in the environment are looked up here: requests would do it again for every body, at a
        # fifth of what sending it costs. It would also put a password from ~/.netrc in the place of the token.
        found = session.merge_environment_settings(
            settings.ingestion_endpoint, proxies_of(settings) or {}, None, verify, None
        )
        session.proxies.update(found["proxies"])
        session.trust_env = False
        return LogsIngestionClient(
            settings.ingestion_endpoint,
            credential,
            credential_scopes=[_SCOPES[settings.cloud]],
            transport=RequestsTransport(
                session=session,
                connection_verify=found["verify"],
                connection_timeout=settings.connect_timeout_seconds,
                read_timeout=settings.read_timeout_seconds,
            ),
            # Counting and waiting are ours (``delivery``): the SDK repeats some failures that may have stored the rows.
            retry_total=0,
            retry_connect=0,
            retry_read=0,
            retry_status=0,
            permit_redirects=False,
        )

    def _reconnect(self, generation: int) -> "LogsIngestionClient":
        """A client that has no token yet; made once, whichever thread saw the 401 first."""
        with self._lock:
            if self._generation == generation:
                self._client = self._connect()  # the old one is not closed: other threads may be using it
                self._generation += 1
            return self._client

    def _send(self, client: "LogsIngestionClient", dcr_id: str, stream: str, body: bytes, request_id: str) -> Outcome:
        from azure.core.exceptions import AzureError, HttpResponseError

        content = _Body(body)
        try:
            client.upload(dcr_id, stream, content, headers={"x-ms-client-request-id": request_id})
        except AzureError as error:
            if not content.sent:
                return self._not_sent(error)
            if isinstance(error, HttpResponseError) and error.response is not None and error.status_code:
                return self._answered(error, dcr_id, stream)
            return Outcome(Verdict.UNKNOWN, error=_one_line(error))
        return Outcome(Verdict.ACCEPTED, 204)

    def _not_sent(self, error: "AzureError") -> Outcome:
        """The request never left: sign-in or connection."""
        from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError

        text = _one_line(error)
        host = self._settings.ingestion_endpoint
        if "CERTIFICATE_VERIFY_FAILED" in text:
            remedy = (
                f"the certificate of {host} or of the sign-in server is not trusted; set sentinel.ca_file to its "
                "authority"
            )
            return Outcome(Verdict.STOP, error=text, remedy=remedy)
        # azure-identity wraps network failures on the way to the token in authentication errors.
        network = isinstance(error.__cause__, (ServiceRequestError, ServiceResponseError))
        if isinstance(error, ClientAuthenticationError) and not network:
            credential = self._settings.credential
            remedy = (
                f"sign-in to Microsoft Entra ID failed for client {credential.client_id} in tenant "
                f"{credential.tenant_id} "
                f"({text}); check sentinel.credential (kind {credential.kind})"
            )
            return Outcome(Verdict.STOP, error=text, remedy=remedy)
        return Outcome(Verdict.RETRY, error=text)

    def _answered(self, error: "HttpResponseError", dcr_id: str, stream: str) -> Outcome:
        """The server answered with something else than 204."""
        status = error.status_code or 0
        text = _service_text(error)
        headers = getattr(error.response, "headers", {})
        retry_after = parse_retry_after(headers.get("Retry-After"))
        if status == 413:
            return Outcome(Verdict.TOO_LARGE, status, text)
        if status in (400, 422) and not _SET_UP.search(text):
            return Outcome(Verdict.REFUSED, status, text)
        if status in (408, 429) or (status == 503 and retry_after is not None):
            return Outcome(Verdict.RETRY, status, text, retry_after)
        if status >= 500 or 200 <= status < 300:
            return Outcome(Verdict.UNKNOWN, status, text)
        return Outcome(Verdict.STOP, status, text, remedy=self._remedy(status, text, dcr_id, stream))

    def _remedy(self, status: int, text: str, dcr_id: str, stream: str) -> str:
        host = self._settings.ingestion_endpoint
        client = self._settings.credential.client_id or "the signed-in identity"
        match status:
            case 401:
                return (
                    f"{host} refuses a fresh token of {client} ({text}); check sentinel.cloud and that the tenant is "
                    "the one "
                    "of the workspace"
                )
            case 403:
                return (
                    f"{client} may not send to data collection rule {dcr_id}; give it the role Monitoring Metrics "
                    "Publisher on "
                    "that rule (a new assignment takes up to 30 minutes)"
                )
            case 404:
                return (
                    f"{host} knows no data collection rule {dcr_id} with stream {stream}; check "
                    "sentinel.ingestion_endpoint, "
                    "sentinel.dcr_id and the source's destination.stream"
                )
            case 400 | 422:
                return (
                    f"{host} answered {status} ({text}) to stream {stream} of data collection rule {dcr_id}; check "
                    "that the rule declares that stream, sentinel.dcr_id and the source's destination.stream; nothing "
                    "was given up, run the hour again then"
                )
            case _:
                return (
                    f"{host} answered {status} ({text}), which a logs ingestion endpoint never does; check the "
                    "address and proxies"
                )


def _one_line(error: Any) -> str:
    text = str(getattr(error, "message", None) or error)
    return _USER_INFO.sub("", " ".join(text.split()))[:_ERROR_TEXT]


def _service_text(error: "HttpResponseError") -> str:
    """``Code: message`` of the service's error document where there is one."""
    code = getattr(error.error, "code", None)
    message = getattr(error.error, "message", None)
    if code and message:
        return " ".join(f"{code}: {message}".split())[:_ERROR_TEXT]
    return _one_line(error)
