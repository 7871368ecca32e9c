"""A rule's query as it would have been asked at another moment.

Belongs here: ``now()`` and ``ago()``, and the placeholders of hunting queries. Does not belong here: the span of
``TimeGenerated``, which travels with the request.

The rewriting happens before the query is sent, so it means the same to Azure and to the local workspace. It looks at
names and brackets outside strings and comments only.
"""

import re
from datetime import UTC, datetime

__all__ = ["at_moment"]

_PIECE = re.compile(
    r"""//[^\n]*
      |[hH]?@"(?:[^"]|"")*"|[hH]?@'(?:[^']|'')*'|[hH]?"(?:\\.|[^"\\\n])*"|[hH]?'(?:\\.|[^'\\\n])*'|```.*?```
      |\d[\w.]*|[A-Za-z_$][\w]*|\s+|.""",
    re.VERBOSE | re.DOTALL,
)


def at_moment(query: str, moment: datetime, start: datetime) -> str:
    """``query`` with every ``now()`` and ``ago()`` counted from ``moment``.

    Args:
        query: the KQL.
        moment: aware; also what ``{{EndTimeISO}}`` stands for.
        start: what ``{{StartTimeISO}}`` stands for.
    """
    query = query.replace("{{StartTimeISO}}", _iso(start)).replace("{{EndTimeISO}}", _iso(moment))
    return "".join(_counted([match.group() for match in _PIECE.finditer(query)], f"datetime({_iso(moment)})"))


def _counted(pieces: list[str], moment: str) -> list[str]:
    result: list[str] = []
    index = 0
    while index < len(pieces):
        piece = pieces[index]
        end = _closing(pieces, index) if piece in ("now", "ago") and _is_call(result) else None
        if end is None:
            result.append(piece)
            index += 1
            continue
        argument = "".join(_counted(pieces[_opening(pieces, index) + 1 : end], moment)).strip()
        if piece == "ago":
            result.append(f"({moment} - ({argument}))")
        else:
            result.append(f"({moment} + ({argument}))" if argument else moment)
        index = end + 1
    return result


def _is_call(before: list[str]) -> bool:
    """Whether what comes next can be a call: a member of some value (``x.now``) is none."""
    last = next((piece for piece in reversed(before) if not piece.isspace()), "")
    return last not in (".", "let")


def _opening(pieces: list[str], index: int) -> int:
    index += 1
    while index < len(pieces) and pieces[index].isspace():
        index += 1
    return index


def _closing(pieces: list[str], index: int) -> int | None:
    """The position of the bracket that ends the call at ``index``; None where there is no call."""
    opening = _opening(pieces, index)
    if opening >= len(pieces) or pieces[opening] != "(":
        return None
    depth = 0
    for position in range(opening, len(pieces)):
        depth += (pieces[position] == "(") - (pieces[position] == ")")
        if depth == 0:
            return position
    return None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
