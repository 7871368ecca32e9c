"""A rule's query as it would have been asked at another moment.

Belongs here: ``now()`` and ``ago()``, and the placeholders of hunting queries. Does not belong here: the span of
``TimeGenerated``, which travels with the request.

The rewriting happens before the query is sent, so it means the same to Azure and to the local workspace. It looks at
names and brackets outside strings and comments only.
"""

import re
from datetime import UTC, datetime

from s3sentinel_assets.errors import UserError

__all__ = ["at_moment"]

_MOST_DEPTH = 100

_PIECE = re.compile(
    r"""//[^\n]*
      |[hH]?@"(?:[^"]|"")*"|[hH]?@'(?:[^']|'')*'|[hH]?"(?:\\.|[^"\\\n])*"|[hH]?'(?:\\.|[^'\\\n])*'|```.*?```|~~~.*?~~~
      |\d[\w.]*|[A-Za-z_$][\w]*|\s+|.""",
    re.VERBOSE | re.DOTALL,
)


def at_moment(query: str, moment: datetime, start: datetime, *, arrived: bool = False) -> str:
    """``query`` with every ``now()`` and ``ago()`` counted from ``moment``.

    Args:
        query: the KQL.
        moment: aware; also what ``{{EndTimeISO}}`` stands for.
        start: what ``{{StartTimeISO}}`` stands for.
        arrived: take every row as one that arrived just then: ``ingestion_time()`` is ``moment``, too.

    Raises:
        UserError: its brackets are nested too deeply.
    """
    query = query.replace("{{StartTimeISO}}", _iso(start)).replace("{{EndTimeISO}}", _iso(moment))
    pieces = [match.group() for match in _PIECE.finditer(query)]
    calls = ("now", "ago", "ingestion_time") if arrived else ("now", "ago")
    return "".join(_counted(pieces, 0, len(pieces), _brackets(pieces), f"datetime({_iso(moment)})", calls))


def _counted(
    pieces: list[str], start: int, end: int, closing: dict[int, int], moment: str, calls: tuple[str, ...]
) -> list[str]:
    """The pieces from ``start`` to ``end``; ``closing``: of each bracket that opens, where it closes."""
    result: list[str] = []
    index = start
    while index < end:
        piece = pieces[index]
        opening = _next_solid(pieces, index + 1) if piece in calls and _is_call(result) else end
        last = closing.get(opening)
        if last is None or last >= end:
            result.append(piece)
            index += 1
            continue
        inside = _counted(pieces, opening + 1, last, closing, moment, calls)
        # Without comments: the bracket that is put behind the argument would be a part of the last one.
        argument = "".join(" " if part.startswith("//") else part for part in inside).strip()
        if piece == "ago":
            result.append(f"({moment} - ({argument}))")
        else:
            result.append(f"({moment} + ({argument}))" if argument else moment)
        index = last + 1
    return result


def _is_call(before: list[str]) -> bool:
    """Whether what comes next can be a call: a member of some value (``x.now``) is none."""
    last = next((piece for piece in reversed(before) if not piece.isspace() and not piece.startswith("//")), "")
    return last not in (".", "let")


def _next_solid(pieces: list[str], index: int) -> int:
    while index < len(pieces) and (pieces[index].isspace() or pieces[index].startswith("//")):
        index += 1
    return index


def _brackets(pieces: list[str]) -> dict[int, int]:
    """Of each round bracket that opens, where it closes.

    Raises:
        UserError: they are nested too deeply for any parser.
    """
    closing: dict[int, int] = {}
    opened: list[int] = []
    for index, piece in enumerate(pieces):
        if piece == "(":
            opened.append(index)
            if len(opened) > _MOST_DEPTH:
                raise UserError(f"the query has more than {_MOST_DEPTH} brackets in each other")
        elif piece == ")" and opened:
            closing[opened.pop()] = index
    return closing


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
