"""``make-series``: one array of values for each group, with a place for every step of time.

Belongs here: its clauses, and the summarize it becomes. Does not belong here: functions over series.

The rows are counted into numbered slots, the slots of a group become arrays, and the arrays are filled up with the
default: three stages that the translator knows, with three helper functions of ``kql_library``.
"""

from collections.abc import Sequence

from s3sentinel_assets.local.workspace.kql_errors import HERE, bad_query
from s3sentinel_assets.local.workspace.kql_tokens import Token, call_at, parts, render, solid

__all__ = ["make_series"]

CLAUSES = ("on", "from", "to", "in", "step", "by")


def make_series(tokens: Sequence[Token]) -> str:
    """The stages for what follows ``make-series``.

    Raises:
        ApiError: 400; a clause is missing or not understood.
    """
    clauses = _clauses(tokens)
    axis = render(clauses["on"]).strip()
    if "in" in clauses:
        call = call_at(clauses["in"], next((i for i, t in enumerate(clauses["in"]) if t.text == "range"), 0))
        if not call or len(call[0]) != 3:
            raise bad_query("SemanticError", f"make-series needs 'in range(start, stop, step)' {HERE}")
        start, stop, step = (f"({render(argument).strip()})" for argument in call[0])
        # This spelling counts in multiples of the step, and includes its end.
        start = f"bin({start}, {step})"
        count = f"__slots_through({stop}, {start}, {step})"
        within = f"__slot({axis}, {start}, {step}) < {count}"
    elif "from" in clauses and "to" in clauses and "step" in clauses:
        start, stop, step = (f"({render(clauses[name]).strip()})" for name in ("from", "to", "step"))
        count = f"__slots({stop}, {start}, {step})"
        within = f"{axis} < {stop}"
    else:
        raise bad_query("SemanticError", f"make-series needs 'from', 'to' and 'step' {HERE}")
    series = [_aggregate(part) for part in parts(clauses["values"], ",")]
    groups = [_group(part) for part in parts(clauses.get("by", []), ",") if solid(part)]
    by = "".join(f", {text}" for _, text in groups)
    names = ", ".join(name for name, _ in groups)
    values = ", ".join(f"{name} = {call}" for name, call, _ in series)
    # In an array each, because a list leaves nulls out.
    lists = ", ".join(f"{name} = make_list(pack_array({name}))" for name, _, _ in series)
    some = "" if "nonempty" in clauses else "| where array_length(__at) > 0 "
    filled = ", ".join(f"{name} = __values(__at, {name}, {count}, {default})" for name, _, default in series)
    return (
        f"where {axis} >= {start} and {within} "
        f"| summarize {values} by __at = __slot({axis}, {start}, {step}){by} "
        f"| where isnotnull(__at) | summarize __at = make_list(__at), {lists}{' by ' + names if names else ''} {some}"
        f"| extend {filled}, {axis} = __times({start}, {step}, {count}) "
        f"| project {', '.join([*(name for name, _ in groups), *(name for name, _, _ in series), axis])}"
    )


def _clauses(tokens: Sequence[Token]) -> dict[str, list[Token]]:
    depth = 0
    found: dict[str, list[Token]] = {"values": []}
    current = "values"
    for token in tokens:
        if token.kind == "sign":
            depth += (token.text in "([{") - (token.text in ")]}")
        if depth == 0 and token.kind == "name" and token.text in CLAUSES and token.text not in found:
            current = token.text
            found[current] = []
        else:
            found[current].append(token)
    kind = solid(found["values"])[:3]
    if [token.text for token in kind] == ["kind", "=", "nonempty"]:
        found["nonempty"] = []
        found["values"] = found["values"][found["values"].index(kind[2]) + 1 :]
    if "on" not in found or not solid(found["values"]):
        raise bad_query("SyntaxError", "make-series needs an aggregate and 'on' a column")
    return found


def _aggregate(tokens: Sequence[Token]) -> tuple[str, str, str]:
    """Name, call and default of one value of the series."""
    flat = list(tokens)
    default = "0"
    at = next((i for i, token in enumerate(flat) if token.text == "default" and token.kind == "name"), None)
    if at is not None:
        default = render(flat[at + 1 :]).strip().lstrip("=").strip()
        flat = flat[:at]
    pieces = parts(flat, "=")
    if len(pieces) == 2:
        return render(pieces[0]).strip(), render(pieces[1]).strip(), default
    call = solid(flat)
    argument = call[2].text if len(call) == 4 and call[2].kind == "name" else ""
    return f"{call[0].text}_{argument}", render(flat).strip(), default


def _group(tokens: Sequence[Token]) -> tuple[str, str]:
    pieces = parts(tokens, "=")
    text = render(tokens).strip()
    if len(pieces) == 2:
        return render(pieces[0]).strip(), text
    if len(solid(tokens)) != 1:
        raise bad_query("SemanticError", f"make-series: give the group '{text}' a name {HERE}")
    return text, text
