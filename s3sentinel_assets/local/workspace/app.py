"""The local workspace behind its socket: the routes, and the faults acted out.

Belongs here: which request goes where, counters, the order of checks of an upload. Does not belong here: the rules of
the services (``auth``, ``ingestion``, ``query``) and listening (``server``).
"""

import asyncio
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from s3sentinel_assets.local.workspace.auth import (
    INGESTION_AUDIENCES,
    MANAGEMENT_AUDIENCES,
    QUERY_AUDIENCES,
    TokenError,
    TokenService,
)
from s3sentinel_assets.local.workspace.certificates import ensure_certificates
from s3sentinel_assets.local.workspace.definitions import Catalogue, read_tables, write_tables
from s3sentinel_assets.local.workspace.errors import ApiError, json_response
from s3sentinel_assets.local.workspace.faults import Faults, Statistics, take_reply
from s3sentinel_assets.local.workspace.identity import Identity, WorkspaceFiles
from s3sentinel_assets.local.workspace.ingestion import CALL_LIMIT, RAW_LIMIT_OBSERVED, Ingestion, Upload
from s3sentinel_assets.local.workspace.management import Management
from s3sentinel_assets.local.workspace.plumbing import Disconnect, bounded_body, canned_answer, guarded, no_such_path
from s3sentinel_assets.local.workspace.query import DEFAULT_SECONDS, Query, QueryApi
from s3sentinel_assets.local.workspace.storage import Storage
from s3sentinel_assets.tables import TableSchema

__all__ = ["Options", "WorkspaceApp"]

#: Bytes that a search would be billed for. The service tells them only in LAQueryLogs (ScannedGB).
SCANNED_HEADER = "x-local-scanned-bytes"
API_VERSIONS = ("2021-11-01-preview", "2023-01-01", "2023-04-01-preview")


@dataclass(frozen=True)
class Options:
    """How to run a workspace.

    Attributes:
        data_dir: its data directory.
        port: TCP port on 127.0.0.1; 0: a free one.
        identity: the ids it answers to.
        extra_dcr_ids: further DCRs with the same streams.
        tables: tables beside the shipped ones; None: those kept from last time.
        streams: further streams → table, with ``tables``.
    """

    data_dir: Path
    port: int = 0
    identity: Identity = field(default_factory=Identity)
    extra_dcr_ids: tuple[str, ...] = ()
    tables: Iterable[TableSchema] | None = None
    streams: Mapping[str, str] = field(default_factory=dict)


class WorkspaceApp:
    """Everything behind the socket.

    Args:
        options: see `Options`.

    Raises:
        UserError: the data directory cannot be used.
    """

    def __init__(self, options: Options) -> None:
        self.files = WorkspaceFiles(options.data_dir)
        self.files.prepare()
        ensure_certificates(self.files)
        if options.tables is not None or options.streams:
            write_tables(self.files.tables, tuple(options.tables or ()), options.streams)
        catalogue: Catalogue = read_tables(self.files.tables)
        identity = options.identity
        self._workspace_id = identity.workspace_id
        self.faults = Faults()
        self.statistics = Statistics()
        self.tokens = TokenService(
            identity, self.files.read(self.files.client_secret), self.files.read(self.files.token_key)
        )
        self._control_token = self.files.read(self.files.control_token)
        self.storage = Storage(self.files.database, catalogue, identity.workspace_id)
        dcr_ids = (identity.dcr_id, *options.extra_dcr_ids)
        self._ingestion = Ingestion(dcr_ids, catalogue, self.storage, self.statistics)
        self._query = QueryApi(self.storage, catalogue)
        self._management = Management(options.data_dir, catalogue, identity)
        self.url = ""

    def asgi(self) -> Starlette:
        """The ASGI application."""
        routes = [
            ("/common/discovery/instance", ["GET"], self._instances),
            ("/{tenant}/v2.0/.well-known/openid-configuration", ["GET"], self._discovery),
            ("/{tenant}/oauth2/v2.0/token", ["POST"], self._token),
            ("/dataCollectionRules/{dcr}/streams/{stream}", ["POST"], self._upload),
            ("/v1/workspaces/{workspace}/query", ["POST"], self._run_query),
            ("/v1/workspaces/{workspace}/search", ["POST"], self._run_query),
            ("/v1/$batch", ["POST"], self._run_batch),
            ("/subscriptions/{rest:path}", ["GET"], self._manage),
            ("/_control/faults", ["GET", "POST", "DELETE"], self._control_faults),
            ("/_control/rows", ["DELETE"], self._control_rows),
            ("/_control/stats", ["GET"], self._control_stats),
        ]
        return Starlette(
            routes=[Route(path, guarded(handler), methods=methods) for path, methods, handler in routes],
            exception_handlers={404: no_such_path, 405: no_such_path},
        )

    async def _instances(self, _request: Request) -> Response:
        return json_response(self.tokens.instances(self.url))

    async def _discovery(self, request: Request) -> Response:
        try:
            return json_response(self.tokens.discovery(self.url, request.path_params["tenant"]))
        except TokenError as error:
            return json_response(error.body(), error.status)

    async def _token(self, request: Request) -> Response:
        try:
            canned = take_reply(self.faults.respond_token)
            if canned:
                response = canned_answer(canned)
            else:
                form, _ = await bounded_body(request, 65_536)
                tenant = request.path_params["tenant"]
                response = json_response(self.tokens.issue(tenant, form, self.faults.token_lifetime_seconds))
        except TokenError as error:
            response = json_response(error.body(), error.status)
        self.statistics.token[response.status_code] += 1
        return response

    async def _upload(self, request: Request) -> Response:
        try:
            response = await self._take_upload(request)
        except ApiError as error:
            response = error.response()
        except Disconnect:
            self.statistics.disconnected += 1
            raise
        self.statistics.ingestion[response.status_code] += 1
        return response

    async def _take_upload(self, request: Request) -> Response:
        faults = self.faults
        dcr, stream = request.path_params["dcr"], request.path_params["stream"]
        body, size = await bounded_body(request, CALL_LIMIT if faults.wire_limit else RAW_LIMIT_OBSERVED)
        canned = take_reply(faults.respond, stream)
        if canned:
            return canned_answer(canned)
        if faults.take("disconnect_next"):
            raise Disconnect
        self.tokens.check(request.headers.get("authorization"), INGESTION_AUDIENCES)
        if request.query_params.get("api-version") not in API_VERSIONS:
            raise ApiError(400, "InvalidApiVersion", "The api-version query parameter is missing or not supported.")
        self._ingestion.authorise(dcr, stream, faults)
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise ApiError(415, "UnsupportedMediaType", "The content type must be application/json.")
        upload = Upload(
            dcr_id=dcr,
            stream=stream,
            body=body,
            wire_bytes=size,
            encoding=request.headers.get("content-encoding", "").strip().lower(),
            request_id=request.headers.get("x-ms-client-request-id", ""),
        )
        raw = self._ingestion.admit(upload, faults)
        drop = faults.take("accept_then_drop_next")
        await run_in_threadpool(self._ingestion.store, upload, raw, faults, drop)
        if faults.slow_seconds:
            await asyncio.sleep(faults.slow_seconds)
        if faults.take("store_then_disconnect_next"):
            raise Disconnect
        return Response(status_code=204)

    async def _run_query(self, request: Request) -> Response:
        try:
            canned = take_reply(self.faults.respond_query)
            if canned:
                response = canned_answer(canned)
            else:
                self._may_query(request, request.path_params["workspace"])
                body, _ = await bounded_body(request, CALL_LIMIT)
                prefer = request.headers.get("prefer", "")
                if request.url.path.endswith("/search"):
                    response = await self._search(body, request.query_params.get("timespan"), prefer)
                else:
                    response = await self._answer(body, prefer)
        except ApiError as error:
            response = error.response()
        self.statistics.query[response.status_code] += 1
        return response

    async def _run_batch(self, request: Request) -> Response:
        body, _ = await bounded_body(request, CALL_LIMIT)
        try:
            requests = msgspec.json.decode(body, type=_Batch).requests
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return ApiError(400, "BadArgumentError", f"The request body is not a batch: {error}").response()
        responses = []
        for one in requests:
            try:
                self._may_query(request, one.workspace)
                answer = await self._answer(bytes(one.body), one.headers.get("Prefer", ""))
            except ApiError as error:
                answer = error.response()
            self.statistics.query[answer.status_code] += 1
            responses.append({"id": one.id, "status": answer.status_code, "body": msgspec.Raw(bytes(answer.body))})
        return json_response({"responses": responses})

    def _may_query(self, request: Request, workspace: str) -> None:
        self.tokens.check(request.headers.get("authorization"), (*QUERY_AUDIENCES, self.tokens.own_address))
        if self.faults.forbid_query:
            raise ApiError(
                403,
                "InsufficientAccessError",
                "The provided credentials have insufficient access to perform the requested operation",
            )
        if workspace != self._workspace_id:
            raise ApiError(404, "WorkspaceNotFoundError", f"The workspace '{workspace}' could not be found")

    async def _answer(self, body: bytes, prefer: str) -> Response:
        result = await run_in_threadpool(self._query.run, _query(body), _wait_seconds(prefer))
        return await run_in_threadpool(json_response, result.document())

    async def _search(self, body: bytes, timespan: str | None, prefer: str) -> Response:
        """Of tables on cheaper plans: the time span stands in the address; a header of our own tells what is billed."""
        query = Query(_query(body).query, timespan)
        result = await run_in_threadpool(self._query.search, query, _wait_seconds(prefer))
        headers = {SCANNED_HEADER: str(result.scanned)}
        return await run_in_threadpool(json_response, result.document(), 200, headers)

    async def _manage(self, request: Request) -> Response:
        self.tokens.check(request.headers.get("authorization"), MANAGEMENT_AUDIENCES)
        version = request.query_params.get("api-version")
        return json_response(self._management.answer(request.url.path, version, self.url))

    def _control(self, request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, self._control_token.encode()):
            raise ApiError(401, "InvalidControlToken", f"The control token is in {self.files.control_token}.")

    async def _control_faults(self, request: Request) -> Response:
        self._control(request)
        if request.method == "DELETE":
            self.faults = Faults()
        elif request.method == "POST":
            body, _ = await bounded_body(request, CALL_LIMIT)
            try:
                patch = msgspec.json.decode(body, type=dict[str, Any])
                if patch.pop("expire_tokens", False):
                    self.tokens.valid_from = time.time()
                self.faults = self.faults.changed(patch)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise ApiError(400, "InvalidFault", str(error)) from None
        return json_response(msgspec.to_builtins(self.faults))

    async def _control_rows(self, request: Request) -> Response:
        self._control(request)
        await run_in_threadpool(self.storage.forget)
        return json_response({})

    async def _control_stats(self, request: Request) -> Response:
        self._control(request)
        return json_response(self.statistics.snapshot() | {"scanned_bytes": dict(self._query.scanned)})


class _BatchRequest(msgspec.Struct):
    id: str
    workspace: str
    body: msgspec.Raw
    headers: dict[str, str] = {}


class _Batch(msgspec.Struct):
    requests: list[_BatchRequest]


def _query(body: bytes) -> Query:
    try:
        return msgspec.json.decode(body, type=Query)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "BadArgumentError", f"The request body is not a query: {error}") from None


def _wait_seconds(prefer: str) -> float:
    for part in prefer.split(","):
        name, _, value = part.strip().partition("=")
        if name == "wait" and value.isdigit():
            return float(value)
    return DEFAULT_SECONDS
