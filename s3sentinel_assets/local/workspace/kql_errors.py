"""How the query API refuses a query.

Belongs here: the body's shape, and the translator's complaints in its words. Does not belong here: what is refused
(the passes beside this).
"""

import re
from typing import Any

from s3sentinel_assets.local.workspace.errors import ApiError

__all__ = ["HERE", "bad_query", "unknown_function", "unresolved", "unsupported"]

HERE = "in the local workspace"
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def bad_query(code: str, message: str, **details: Any) -> ApiError:
    """400 in the query API's shape. ``code``: ``SyntaxError`` or ``SemanticError``."""
    headline = {"SyntaxError": "A recognition error occurred in the query."}.get(code, "A semantic error occurred.")
    number = {"SyntaxError": "SYN0002"}.get(code, "SEM0100")
    inner = {"code": code, "message": headline, "innererror": {"code": number, "message": message, **details}}
    return ApiError(400, "BadArgumentError", "The request had some invalid properties", details={"innererror": inner})


def unresolved(name: str) -> ApiError:
    """A table that does not exist, as Log Analytics says it."""
    return bad_query("SemanticError", f"Failed to resolve table or column expression named '{name}'")


def unknown_function(name: str) -> ApiError:
    """A function that does not exist here, as Log Analytics says it."""
    return bad_query("SemanticError", f"Unknown function: '{name}' ({HERE})")


def unsupported(construct: str, hint: str | None) -> ApiError:
    """What the translator cannot do, by the name the user wrote it with."""
    kind, _, name = construct.partition(":")
    if kind in ("function", "aggregate") and name and "DuckDB mapping" in (hint or ""):
        return unknown_function(name)
    if construct.endswith("Operator"):
        name = _WORDS.sub("-", construct.removesuffix("Operator")).lower()
        return bad_query("SemanticError", f"The operator '{name}' is not available {HERE}")
    because = f": {hint}" if hint and "this wave" not in hint and "Wave" not in hint else ""
    return bad_query("SemanticError", f"'{construct}' is not available {HERE}{because}")
