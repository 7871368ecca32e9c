"""HTTP details the routes share: bodies, canned answers, refusals, dropped connections.

Belongs here: what knows starlette and nothing of the services. Does not belong here: routes (``app``) and sockets
(``server``).
"""

import functools
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.faults import Reply

__all__ = ["Disconnect", "bounded_body", "canned_answer", "guarded", "no_such_path"]


class Disconnect(Exception):  # noqa: N818 - not an error but a wish of the test
    """Drop the connection instead of answering."""


def guarded(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turns refusals into answers and the wish to disconnect into a dropped connection."""

    @functools.wraps(handler)
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return error.response()
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is left to read it
        except Disconnect:
            request.scope["state"]["transport"].abort()
            return Response(status_code=503)

    return guarded


async def bounded_body(request: Request, limit: int) -> tuple[bytes, int]:
    """The body up to one byte over ``limit``, and its true size; what is beyond is read and thrown away."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        if size <= limit:
            pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[: limit + 1], size


def canned_answer(reply: Reply) -> Response:
    """The answer that a fault ordered."""
    if reply.status == 204:
        return Response(status_code=204)
    headers = {} if reply.retry_after is None else {"Retry-After": f"{reply.retry_after}"}
    return ApiError(reply.status, reply.code, f"An injected fault: status {reply.status}.", headers=headers).response()


async def no_such_path(_request: Request, _error: Exception) -> Response:
    """404 for a path or method the services do not have."""
    return ApiError(404, "PathNotFoundError", "The requested path does not exist").response()
