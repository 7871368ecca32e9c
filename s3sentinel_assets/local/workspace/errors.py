"""How the local workspace refuses a request: a status, a code and a message in the services' own body shapes.

Belongs here: the exception and its two renderings. Does not belong here: the decision to refuse (``auth``,
``ingestion``, ``query``).
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

__all__ = ["ApiError", "json_response"]


class ApiError(Exception):
    """A refusal.

    Attributes:
        status: HTTP status.
        code: the service's error code; also sent as ``x-ms-error-code``.
        message: the text for people.
        headers: further headers, such as ``Retry-After``.
        details: keys to add beside code and message, such as ``innererror``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.details = dict(details or {})

    def body(self) -> dict[str, Any]:
        """The error document."""
        return {"error": {"code": self.code, "message": self.message, **self.details}}

    def response(self) -> Response:
        """The refusal as an HTTP response."""
        return json_response(self.body(), self.status, {"x-ms-error-code": self.code, **self.headers})


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``content`` as a JSON response."""
    return Response(
        msgspec.json.encode(content), status_code=status, headers=dict(headers or {}), media_type="application/json"
    )
