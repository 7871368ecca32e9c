"""The WSGI application: moto behind a thin layer that mirrors to disk, sets LastModified and injects faults.

Belongs here: what happens to one request, and the control endpoint. Does not belong here: the rules of the faults
(``faults``), the files (``mirror``) and listening on a port (``server``).
"""

import datetime
import hmac
import io
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from s3sentinel_assets.local.aws.faults import ERRORS, KEYS_ACTION, Fault, FaultTable, error_body, spoiled
from s3sentinel_assets.local.aws.mirror import Mirror
from s3sentinel_assets.local.aws.public_keys import list_public_keys

__all__ = ["CONTROL_PATH", "LAST_MODIFIED_METADATA", "LOOPBACK", "LocalAwsApplication"]

LOOPBACK = "127.0.0.1"
#: No bucket can have this name, so the path is free.
CONTROL_PATH = "/_local/faults"
#: The user metadata by which a seeded object says when it was "modified".
LAST_MODIFIED_METADATA = "local-last-modified"

_HEADER = f"x-amz-meta-{LAST_MODIFIED_METADATA}"
_ENVIRON_HEADER = "HTTP_" + _HEADER.upper().replace("-", "_")
_CUSTOMER = "x-amz-server-side-encryption-customer-"
_CUSTOMER_KEY_MD5 = "HTTP_" + (_CUSTOMER + "key-MD5").upper().replace("-", "_")
_MUTATIONS = {"PUT", "POST", "DELETE"}

StartResponse = Callable[..., Any]
Environ = dict[str, Any]


def parse_instant(text: str) -> datetime.datetime:
    """An ISO 8601 instant with its offset → naive UTC in whole seconds, which is how moto keeps LastModified.

    Raises:
        ValueError: not an instant, or one without an offset.
    """
    instant = datetime.datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    return instant.astimezone(datetime.UTC).replace(microsecond=0, tzinfo=None)


class LocalAwsApplication:
    """The WSGI application.

    Args:
        mirror: keeps the disk equal to memory.
        token: what the control endpoint asks for.
        folder: where the public keys of CloudTrail are kept; None: it has none.
    """

    def __init__(self, mirror: Mirror, token: str, folder: Path | None = None) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._mirror = mirror
        self._token = token
        self._folder = folder
        self._faults = FaultTable()
        # One request at a time inside moto: its stores are not made for concurrent changes, and nobody may see an
        # object between its arrival and the setting of its LastModified.
        self._lock = threading.Lock()
        self._began: dict[str, datetime.datetime] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "surrogateescape")
        if path == CONTROL_PATH:
            return self._control(environ, start_response)
        if path.startswith("/moto-api"):  # unauthenticated switches of moto; ours are behind the token
            return _answer(start_response, "404 Not Found", b"", "text/plain")
        if environ.get("HTTP_X_AMZ_TARGET", "").endswith(".ListPublicKeys"):  # moto has no such operation
            return self._public_keys(environ, start_response)
        bucket, _, key = path.lstrip("/").partition("/")
        operation = _operation(environ, key)
        if self._owned_by_another(environ, bucket):
            status, body = error_body("access_denied", operation, bucket, key)
            _drain(environ)
            return _answer(start_response, status, b"" if operation == "head" else body, "application/xml")
        if role := _role_to_assume(environ):
            operation, key = "assume_role", role
        about = _listed_prefix(environ) if operation == "list" else key
        fault = self._faults.take(operation, bucket, about, _access_key(environ), ranged="HTTP_RANGE" in environ)
        if fault is not None and fault.kind in ERRORS:
            status, body = error_body(fault.kind, operation, bucket, key)
            _drain(environ)
            return _answer(start_response, status, b"" if operation == "head" else body, "application/xml")
        if operation in ("get", "head") and (refused := _wrong_customer_key(environ, bucket, key)):
            status, body = refused
            return _answer(start_response, status, b"" if operation == "head" else body, "application/xml")
        if fault is not None and fault.kind == "range_ignored":
            del environ["HTTP_RANGE"]
        status, headers, body = self._run(environ, bucket, "" if operation == "assume_role" else key)
        if fault is not None:
            headers, body = spoiled(fault, headers, body)
        start_response(status, headers)
        if fault is not None and fault.kind in ("broken_body", "stalled_body"):
            return self._break_off(fault, body)
        return [body]

    @staticmethod
    def _owned_by_another(environ: Environ, bucket: str) -> bool:
        """Whether the caller expects another account to own the bucket; moto does not look at that."""
        from moto.s3.models import s3_backends

        expected = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
        return bool(expected) and s3_backends.bucket_accounts.get(bucket, ("", expected))[1] != expected

    def _run(self, environ: Environ, bucket: str, key: str) -> tuple[str, list[tuple[str, str]], bytes]:
        """Lets moto answer, then brings LastModified and the disk in line."""
        environ["wsgi.input"] = io.BytesIO(_drain(environ))
        _name_checksum(environ)
        if header := environ.get(_ENVIRON_HEADER):
            try:
                parse_instant(header)
            except ValueError as error:
                message = f"metadata {LAST_MODIFIED_METADATA}: {escape(str(error))}"
                text = f"<Error><Code>InvalidArgument</Code><Message>{message}</Message></Error>"
                return "400 Bad Request", [("Content-Type", "application/xml")], text.encode()
        captured: list[Any] = []

        def capture(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], Any]:
            captured[:] = [status, headers]
            return lambda _data: None

        customer_key = environ.get(_CUSTOMER_KEY_MD5)
        with self._lock:
            chunks = self._moto(environ, capture)
            body = b"".join(chunks)
            if close := getattr(chunks, "close", None):
                close()
            status, headers = captured
            if bucket and environ["REQUEST_METHOD"] in _MUTATIONS and status.startswith("2") and _is_s3(environ):
                self._after_change(environ, bucket, key, body)
        if customer_key and key:
            headers = [*headers, *(((_CUSTOMER + "algorithm"), "AES256"), ((_CUSTOMER + "key-MD5"), customer_key))]
        return status, headers, body

    def _after_change(self, environ: Environ, bucket: str, key: str, body: bytes) -> None:
        from moto.s3.models import s3_backends

        query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if not key:
            self._mirror.sync_bucket(bucket)
            if "delete" in query:  # many keys at once
                self._mirror.sync_keys(bucket)
            return
        method = environ["REQUEST_METHOD"]
        if method == "POST" and "uploads" in query:
            upload = body.partition(b"<UploadId>")[2].partition(b"</UploadId>")[0].decode()
            self._began[upload] = datetime.datetime.now(datetime.UTC).replace(microsecond=0, tzinfo=None)
            return
        if method == "PUT" and "partNumber" in query:
            return
        if method != "DELETE" and bucket in s3_backends.bucket_accounts:
            partition, account = s3_backends.bucket_accounts[bucket]
            stored = s3_backends[account][partition].get_bucket(bucket).keys.get(key)
            began = self._began.pop(query.get("uploadId", [""])[0], None)
            wanted = stored.metadata.get(_HEADER) if stored is not None and hasattr(stored, "metadata") else None
            if method == "PUT" and stored is not None:
                stored.sse_customer_key_md5 = environ.get(_CUSTOMER_KEY_MD5)
            if stored is not None and (wanted or began):
                stored.last_modified = parse_instant(wanted) if wanted else began
        self._mirror.sync_key(bucket, key)

    def _break_off(self, fault: Fault, body: bytes) -> Iterator[bytes]:
        """Sends the first bytes only; then the connection breaks, or stays silent until the faults are replaced."""
        released = self._faults.release()
        yield body[: fault.after_bytes]
        if fault.kind == "stalled_body":
            released.wait()
        raise ConnectionAbortedError("fault: the connection breaks here")

    def _public_keys(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """CloudTrail's ``ListPublicKeys``; a fault on the operation ``keys`` denies it."""
        request = json.loads(_drain(environ) or b"{}")
        kind = "application/x-amz-json-1.1"
        if self._faults.take("keys", "", "") is not None:
            refusal = {"__type": "AccessDeniedException", "Message": "not authorized to perform: " + KEYS_ACTION}
            return _answer(start_response, "400 Bad Request", json.dumps(refusal).encode(), kind)
        answer = list_public_keys(self._folder, request) if self._folder else {"PublicKeyList": []}
        return _answer(start_response, "200 OK", json.dumps(answer).encode(), kind)

    def _control(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """``GET`` reports the rules in force, ``PUT`` replaces them with a JSON array."""
        offered = environ.get("HTTP_AUTHORIZATION", "")
        if environ.get("REMOTE_ADDR") != LOOPBACK or not hmac.compare_digest(
            offered.encode("latin-1", "replace"), f"Bearer {self._token}".encode()
        ):
            return _answer(start_response, "403 Forbidden", b'{"error": "wrong or missing control token"}')
        if environ["REQUEST_METHOD"] == "PUT":
            try:
                faults = [Fault.from_json(entry) for entry in json.loads(_drain(environ))]
            except (TypeError, ValueError) as error:
                return _answer(start_response, "400 Bad Request", json.dumps({"error": str(error)}).encode())
            self._faults.replace(faults)
        return _answer(start_response, "200 OK", json.dumps(self._faults.report()).encode())


def _operation(environ: Environ, key: str) -> str:
    method = environ["REQUEST_METHOD"]
    if not key:
        return "list" if method == "GET" else "other"
    return {"GET": "get", "HEAD": "head", "PUT": "put", "POST": "put", "DELETE": "delete"}.get(method, "other")


def _access_key(environ: Environ) -> str:
    """The id of the key that signed the request; empty where none did."""
    return environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition("/")[0]


def _role_to_assume(environ: Environ) -> str:
    """The ARN in a request to STS that assumes a role; empty for any other request. The body stays readable."""
    if environ["REQUEST_METHOD"] != "POST" or environ.get("PATH_INFO") != "/":
        return ""
    body = _drain(environ)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    form = urllib.parse.parse_qs(body.decode("utf-8", "replace"))
    return form.get("RoleArn", [""])[0] if form.get("Action", [""])[0].startswith("AssumeRole") else ""


def _name_checksum(environ: Environ) -> None:
    """Names the algorithm of a checksum that comes without, as S3 allows; moto would forget the checksum."""
    prefix, algorithm = "HTTP_X_AMZ_CHECKSUM_", "HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"
    given = [name.removeprefix(prefix) for name in environ if name.startswith(prefix)]
    if environ["REQUEST_METHOD"] == "PUT" and algorithm not in environ:
        for name in given:
            if name not in ("ALGORITHM", "MODE", "TYPE"):
                environ[algorithm] = name


def _listed_prefix(environ: Environ) -> str:
    return urllib.parse.parse_qs(environ.get("QUERY_STRING", "")).get("prefix", [""])[0]


def _wrong_customer_key(environ: Environ, bucket: str, key: str) -> tuple[str, bytes] | None:
    """Status and body where an object was put with a customer's key (SSE-C) and the request has not that key.

    Nothing is encrypted here; only the key's MD5 is compared.
    """
    from moto.s3.models import s3_backends

    if bucket not in s3_backends.bucket_accounts:
        return None
    partition, account = s3_backends.bucket_accounts[bucket]
    stored = s3_backends[account][partition].get_bucket(bucket).keys.get(key)
    expected, offered = getattr(stored, "sse_customer_key_md5", None), environ.get(_CUSTOMER_KEY_MD5)
    if not expected and offered and stored is not None:
        message = "The encryption parameters are not applicable to this object."
        return "400 Bad Request", f"<Error><Code>InvalidRequest</Code><Message>{message}</Message></Error>".encode()
    if not expected or hmac.compare_digest(expected.encode(), (offered or "").encode("latin-1")):
        return None
    if offered:
        status, code, message = "403 Forbidden", "AccessDenied", "The key given is not the one it was encrypted with."
    else:
        status, code = "400 Bad Request", "InvalidRequest"
        message = "The object was stored using a form of Server Side Encryption. The right parameters must be given."
    return status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def _is_s3(environ: Environ) -> bool:
    """Whether the request is signed for S3, or not signed in a header at all (a presigned URL)."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    return "/s3/" in authorization or not authorization


def _drain(environ: Environ) -> bytes:
    length = environ.get("CONTENT_LENGTH")
    if length:
        return environ["wsgi.input"].read(int(length))
    return environ["wsgi.input"].read() if environ.get("wsgi.input_terminated") else b""


def _answer(start_response: StartResponse, status: str, body: bytes, kind: str = "application/json") -> list[bytes]:
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
