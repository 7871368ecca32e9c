"""The pass over operators: stages of a pipeline that become stages the translator knows.

Belongs here: finding the stages, and one small function an operator. Does not belong here: operators with a language of
their own (``kql_search``, ``kql_series``).

| stage | becomes |
|---|---|
| ``mv-expand todynamic(X)`` | ``mv-expand X = todynamic(X)`` |
| ``mv-apply X = e on (where …)`` | ``mv-expand`` and ``where``; ``extend`` too |
| ``extend (A, B) = f(x)`` | one column with the result, then its parts |
| ``project-keep A`` | ``project A`` |
| ``project-reorder A`` | nothing; the answer's columns are ordered at the end |
| ``summarize percentiles(X, 5, 95)`` | one ``percentile`` each |
| ``distinct *``, ``search``, ``where * has "x"`` | the columns themselves |
| ``sample``, ``top-hitters``, ``serialize``, ``as`` | ``take``, ``summarize``, ``extend``, nothing |
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from s3sentinel_assets.local.workspace.kql_errors import HERE, bad_query
from s3sentinel_assets.local.workspace.kql_search import ROW_TEXT, search_tables, searched
from s3sentinel_assets.local.workspace.kql_series import make_series
from s3sentinel_assets.local.workspace.kql_tokens import (
    Token,
    call_at,
    keyword,
    next_solid,
    parts,
    render,
    solid,
    tokenise,
)

__all__ = ["leading_columns", "rewrite_operators"]

#: Operators that neither add nor remove a column.
PRESERVING = {"where", "filter", "take", "limit", "sort", "order", "top", "sample", "as", "serialize", "search"}
ORDER_KEEPING = PRESERVING | {"extend", "render"}


@dataclass
class Stage:
    """One stage.

    Attributes:
        rest: what follows the operator's name.
        before: the stages before it, rewritten.
        schema: table → columns.
    """

    rest: list[Token]
    before: list[list[Token]]
    schema: Mapping[str, Sequence[str]]
    text: str = field(init=False)

    def __post_init__(self) -> None:
        # Without comments: what is put behind them would be lost.
        self.rest = [Token("space", " ") if token.kind == "space" else token for token in self.rest]
        self.text = render(self.rest).strip()

    def columns(self, operator: str) -> Sequence[str]:
        """The columns that come in, where they are those of a table.

        Raises:
            ApiError: 400; they are not.
        """
        source = solid(self.before[0]) if self.before else []
        plain = len(source) == 1 and source[0].text in self.schema
        if plain and all(keyword(stage)[0] in PRESERVING or _is_row_text(stage) for stage in self.before[1:]):
            return self.schema[source[0].text]
        raise bad_query("SemanticError", f"'{operator}' is available only directly after a table {HERE}")


def rewrite_operators(tokens: Sequence[Token], schema: Mapping[str, Sequence[str]]) -> list[Token]:
    """Rewrites every pipeline, those in brackets first."""
    opened: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == "sign" and token.text in "([{":
            opened.append([token])
        elif token.kind == "sign" and token.text in ")]}" and len(opened) > 1:
            bracket, *inner = opened.pop()
            opened[-1] += [bracket, *_statements(inner, schema), token]
        else:
            opened[-1].append(token)
    while len(opened) > 1:  # never closed; the parser says so
        unclosed = opened.pop()
        opened[-1] += unclosed
    return _statements(opened[0], schema)


def leading_columns(tokens: Sequence[Token]) -> list[str]:
    """What a ``project-reorder`` at the end of the query puts first: names, perhaps with ``*``."""
    statements = [statement for statement in parts(tokens, ";") if solid(statement)]
    for stage in reversed(parts(statements[-1], "|")) if statements else ():
        word, after = keyword(stage)
        if word == "project-reorder":
            return [render(part).split()[0] for part in parts(stage[after:], ",") if solid(part)]
        if word not in ORDER_KEEPING:
            break
    return []


def _statements(tokens: Sequence[Token], schema: Mapping[str, Sequence[str]]) -> list[Token]:
    """Rewrites the pipelines of one level; brackets within are done."""
    result: list[Token] = []
    for number, statement in enumerate(parts(tokens, ";")):
        if number:
            result.append(Token("sign", ";"))
        result += _pipeline(statement, schema)
    return result


def _pipeline(statement: list[Token], schema: Mapping[str, Sequence[str]]) -> list[Token]:
    head: list[Token] = []
    if keyword(statement)[0] == "let" and (equals := _position(statement, "=")) is not None:
        head, statement = statement[: equals + 1], statement[equals + 1 :]
    stages: list[list[Token]] = []
    for number, stage in enumerate(parts(statement, "|")):
        stages += _stage(stage, number, stages, schema)
    joined = [token for stage in stages for token in (Token("sign", "|"), *stage)][1:]
    return head + joined


def _stage(
    stage: list[Token], number: int, before: list[list[Token]], schema: Mapping[str, Sequence[str]]
) -> list[list[Token]]:
    word, after = keyword(stage)
    change = OPERATORS.get(word) if number else SOURCES.get(word)
    if change is None or (not number and not _is_search(stage, after)):
        return [stage]
    text = change(Stage(stage[after:], before, schema))
    if text is None:
        return [stage]
    lead = render(stage[: next_solid(stage, 0)])
    trail = " " if stage[-1].kind == "space" else ""
    return parts(tokenise(f"{lead}{text}{trail}"), "|") if text else []


def _is_search(stage: Sequence[Token], after: int) -> bool:
    """Whether ``search`` begins a query here and is not the name of a column in some bracket."""
    index = next_solid(stage, after)
    return index < len(stage) and (stage[index].kind in ("string", "name") or stage[index].text in ("(", "*"))


def _is_row_text(stage: Sequence[Token]) -> bool:
    """Whether the stage makes or drops the text of all columns, for a search before this one."""
    flat = solid(stage)
    return len(flat) > 1 and flat[0].text in ("extend", "project") and ROW_TEXT in (flat[1].text, flat[-1].text)


def _position(tokens: Sequence[Token], sign: str) -> int | None:
    return next((index for index, token in enumerate(tokens) if token.text == sign), None)


def _mv_expand(stage: Stage) -> str | None:
    """Names an unnamed ``todynamic(X)`` after its column."""
    flat = solid(stage.rest)
    if len(flat) < 4 or flat[0].text not in ("todynamic", "parse_json") or flat[1].text != "(":
        return None
    single = flat[2].kind == "name" and flat[3].text == ")"
    member = len(flat) > 4 and flat[4].text in (".", "[")
    return f"mv-expand {flat[2].text} = {stage.text}" if single and not member else None


def _mv_apply(stage: Stage) -> str:
    at = next((i for i, t in enumerate(stage.rest) if t.text == "on" and call_at(stage.rest, i)), None)
    call = call_at(stage.rest, at) if at is not None else None
    if at is None or call is None:
        raise bad_query("SyntaxError", "mv-apply needs 'on ( … )'")
    inner = parts([token for part in call[0] for token in (*part, Token("sign", ","))][:-1], "|")
    other = [keyword(part)[0] for part in inner if keyword(part)[0] not in ("where", "extend")]
    if other:
        raise bad_query(
            "SemanticError", f"mv-apply with '{other[0] or render(inner[0]).strip()}' is not available {HERE}"
        )
    return f"mv-expand {render(stage.rest[:at]).strip()} | " + " | ".join(render(part).strip() for part in inner)


def _extend(stage: Stage) -> str | None:
    """``(A, B) = f(x)``: the result first, then its parts."""
    pieces = [parts(part, "=") for part in parts(stage.rest, ",")]
    tuples = [solid(piece[0])[:1] == [Token("sign", "(")] and len(piece) == 2 for piece in pieces]
    if not any(tuples):
        return None
    # All values are of the columns that came in, so all are computed before any column changes.
    values: list[str] = []
    named: list[str] = []
    whole: list[str] = []
    for number, (piece, is_tuple) in enumerate(zip(pieces, tuples, strict=True)):
        if is_tuple:
            whole.append(f"__parts_{number}")
            values.append(f"{whole[-1]} = {render(piece[1]).strip()}")
            names = [token.text for token in solid(piece[0]) if token.kind == "name"]
            named += [f"{name} = {whole[-1]}[{index}]" for index, name in enumerate(names)]
        else:
            values.append("=".join(render(part) for part in piece).strip())
    return f"extend {', '.join(values)} | extend {', '.join(named)} | project-away {', '.join(whole)}"


def _project_keep(stage: Stage) -> str:
    if "*" in stage.text:
        raise bad_query("SemanticError", f"project-keep with a wildcard is not available {HERE}")
    return f"project {stage.text}"


def _summarize(stage: Stage) -> str | None:
    index = _position(stage.rest, "percentiles")
    if index is None:
        return None
    call = call_at(stage.rest, index)
    before = solid(stage.rest[:index])
    if call is None or (before and before[-1].text not in (",", ")")):
        raise bad_query("SemanticError", f"percentiles() with a name of its own is not available {HERE}")
    value, *ranks = (render(argument).strip() for argument in call[0])
    label = value if value.isidentifier() else ""
    each = ", ".join(f"percentile_{label}_{rank.replace('.', '_')} = percentile({value}, {rank})" for rank in ranks)
    return f"summarize {render(stage.rest[:index])}{each}{render(stage.rest[call[1] :])}"


def _distinct(stage: Stage) -> str | None:
    return "distinct " + ", ".join(stage.columns("distinct *")) if stage.text == "*" else None


def _where(stage: Stage) -> str | None:
    flat = solid(stage.rest)
    starred = any(
        token.text == "*" and (index == 0 or flat[index - 1].text in ("and", "or", "(", "not"))
        for index, token in enumerate(flat)
    )
    return searched(stage.rest, stage.columns("where *")) if starred else None


def _search(stage: Stage) -> str:
    return searched(stage.rest, stage.columns("search"))


def _serialize(stage: Stage) -> str:
    return f"extend {stage.text}" if stage.text else ""


def _sample_distinct(stage: Stage) -> str:
    count, _, column = stage.text.partition(" of ")
    return f"distinct {column} | take {count}"


def _top_hitters(stage: Stage) -> str:
    count, _, column = stage.text.partition(" of ")
    column, _, weight = column.partition(" by ")
    total, value = (
        (f"approximate_sum_{weight}", f"sum({weight})") if weight else (f"approximate_count_{column}", "count()")
    )
    return f"summarize {total} = {value} by {column} | top {count} by {total}"


def _nothing(_stage: Stage) -> str:
    return ""


def _source_search(stage: Stage) -> str:
    return search_tables(stage.rest, stage.schema)


OPERATORS: dict[str, Callable[[Stage], str | None]] = {
    "mv-expand": _mv_expand,
    "mvexpand": _mv_expand,
    "mv-apply": _mv_apply,
    "extend": _extend,
    "project-keep": _project_keep,
    "project-reorder": _nothing,
    "summarize": _summarize,
    "distinct": _distinct,
    "where": _where,
    "search": _search,
    "make-series": lambda stage: make_series(stage.rest),
    "serialize": _serialize,
    "sample": lambda stage: f"take {stage.text}",
    "sample-distinct": _sample_distinct,
    "top-hitters": _top_hitters,
    "as": _nothing,
}
SOURCES: dict[str, Callable[[Stage], str | None]] = {"search": _source_search}
