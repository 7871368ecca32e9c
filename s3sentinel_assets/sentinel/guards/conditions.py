"""The condition of a ``where`` as SQL that holds for every row that may pass it.

Belongs here: AND, OR, NOT, finding column, operator and literal. Does not belong here: what an operator means for a
type (``comparisons``) and which ``where`` reads a table (``pipelines``).

What cannot be read is taken for possibly true, and under a NOT for possibly false: so it widens what it stands in, an
OR or a NOT as well as an AND.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from s3sentinel_assets.sentinel.guards.comparisons import Bounds, Operand, compare, emptiness, mirrored
from s3sentinel_assets.sentinel.guards.kql_text import Group, Node, Scalar, Token, constant, name_of, render, split
from s3sentinel_assets.sentinel.guards.sql import FALSE, TRUE, Sql, all_of, any_of

__all__ = ["Columns", "Condition"]

Constants = Mapping[str, Scalar | tuple[Scalar | None, ...]]

#: Columns whose value in the workspace may differ from the one a row has when it is routed.
UNSETTLED = frozenset(("TimeGenerated", "EventTime_CF", "BatchId_CF", "Attempt_CF", "Flags_CF"))
_TIMES = ("TimeGenerated", "ingestion_time", "ago", "now", "EventTime_CF")

_EMPTINESS = ("isempty", "isnotempty", "notempty", "isnull", "isnotnull", "notnull")
_SIGNS = ("==", "!=", "=~", "!~", "<", "<=", ">", ">=")
_LISTS = ("in", "has_any", "has_all")
_WORDS = frozenset(
    """
    in has has_cs has_any has_all hasprefix hasprefix_cs hassuffix hassuffix_cs contains contains_cs startswith
    startswith_cs endswith endswith_cs matches between
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Columns:
    """What names mean at some place of a pipeline.

    Attributes:
        kinds: the table's columns → Log Analytics type; ``system`` for those that the service fills.
        changed: name → the column it stands for now; None: something made by the query.
        closed: whether only names in ``changed`` are there.
    """

    kinds: Mapping[str, str]
    changed: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    closed: bool = False

    def find(self, name: str) -> str | None:
        """The table's column that ``name`` stands for; None: none does."""
        found = self.changed.get(name, None if self.closed else name)
        return found if found in self.kinds else None

    def knows(self, name: str) -> bool:
        """Whether ``name`` may be a column here, and so no constant of that name."""
        return name in self.kinds or name in self.changed

    def assigned(self, names: Mapping[str, str | None]) -> "Columns":
        """With further names."""
        return Columns(self.kinds, {**self.changed, **names}, self.closed)

    def only(self, names: Mapping[str, str | None]) -> "Columns":
        """With these names and no others."""
        return Columns(self.kinds, names, closed=True)


class Condition:
    """Reads the conditions of one ``where``.

    Args:
        columns: what names mean there.
        constants: the query's constants.

    Attributes:
        unused: the parts that could not be read.
    """

    def __init__(self, columns: Columns, constants: Constants) -> None:
        self._columns = columns
        self._constants = {name: value for name, value in constants.items() if not columns.knows(name)}
        self.unused: list[str] = []

    def possible(self, nodes: Sequence[Node], *, value: bool = True) -> Sql:
        """SQL that holds wherever the condition may be ``value``."""
        while len(nodes) == 1 and isinstance(nodes[0], Group) and nodes[0].opening == "(":
            nodes = nodes[0].items
        for word, join in (("or", any_of if value else all_of), ("and", all_of if value else any_of)):
            parts = split(nodes, word)
            if len(parts) > 1:
                return join([self.possible(part, value=value) for part in parts])
        if len(nodes) == 2 and _text(nodes[0]) == "not" and isinstance(nodes[1], Group) and nodes[1].opening == "(":
            return self.possible(nodes[1].items, value=not value)
        bounds = self._leaf(nodes)
        found = TRUE if bounds is None else bounds.true if value else bounds.false
        if found == TRUE and not _is_time(nodes) and constant(nodes, {}) is None:
            self.unused.append(render(nodes))
        return found

    def _leaf(self, nodes: Sequence[Node]) -> Bounds | None:
        if len(nodes) == 1 and _text(nodes[0]) in ("true", "false"):
            return Bounds(TRUE, FALSE) if _text(nodes[0]) == "true" else Bounds(FALSE, TRUE)
        if len(nodes) == 2 and _text(nodes[0]) in _EMPTINESS and isinstance(nodes[1], Group):
            operand = self._operand(nodes[1].items)
            return operand and emptiness(_text(nodes[0]), operand)
        operand = self._operand(nodes)
        if operand is not None:
            return compare(operand, "==", [True]) if operand.kind == "bool" else None
        for place, node in enumerate(nodes):
            text = _text(node)
            if text in _SIGNS:
                return self._signed(nodes[:place], text, nodes[place + 1 :])
            if text == "!" or text in _WORDS:
                return self._worded(nodes[:place], nodes[place:])
        return None

    def _signed(self, left: Sequence[Node], sign: str, right: Sequence[Node]) -> Bounds | None:
        operand, value = self._operand(left), constant(right, self._constants)
        if operand is None and (turned := mirrored(sign)):
            operand, value, sign = self._operand(right), constant(left, self._constants), turned
        if operand is None or value is None or isinstance(value, tuple):
            return None
        if sign in ("!=", "!~"):
            bounds = compare(operand, "==" if sign == "!=" else "=~", [value])
            return bounds and bounds.swapped()
        return compare(operand, sign, [value])

    def _worded(self, left: Sequence[Node], right: Sequence[Node]) -> Bounds | None:
        """``column [!]word[~] literal``; ``right`` begins with the word."""
        operand = self._operand(left)
        negated = _text(right[0]) == "!"
        words = right[1:] if negated else right
        if operand is None or len(words) < 2 or _text(words[0]) not in _WORDS:
            return None
        operator, rest = _text(words[0]), words[1:]
        if _text(rest[0]) == "~":
            operator, rest = operator + "~", rest[1:]
        elif operator == "matches" and _text(rest[0]) == "regex":
            operator, rest = "matches regex", rest[1:]
        values = self._values(operator.removesuffix("~"), rest)
        if values is None or operator == "matches" or (operator.endswith("~") and operator != "in~"):
            return None
        bounds = compare(operand, operator, values)
        return bounds.swapped() if bounds is not None and negated else bounds

    def _values(self, operator: str, nodes: Sequence[Node]) -> list[Scalar | None] | None:
        if len(nodes) == 1 and isinstance(nodes[0], Group) and operator in (*_LISTS, "between"):
            if nodes[0].opening != "(":
                return None
            parts = split(nodes[0].items, ".." if operator == "between" else ",")
            if operator == "between":
                ends = [constant(part, self._constants) for part in parts]
                return None if len(ends) != 2 else [None if isinstance(end, tuple) else end for end in ends]
            return [value for part in parts for value in self._elements(part)]
        if operator in _LISTS:
            return self._elements(nodes)
        value = constant(nodes, self._constants)
        return None if value is None or isinstance(value, tuple) else [value]

    def _elements(self, nodes: Sequence[Node]) -> list[Scalar | None]:
        value = constant(nodes, self._constants)
        return list(value) if isinstance(value, tuple) else [value]

    def _operand(self, nodes: Sequence[Node]) -> Operand | None:
        """The table's column that ``nodes`` are, as it is or in tolower(), toupper() or tostring()."""
        name = name_of(nodes)
        if name is not None:
            found = self._columns.find(name)
            kind = self._columns.kinds[found] if found else ""
            return Operand(found, kind) if found and found not in UNSETTLED and kind != "system" else None
        if nodes and isinstance(nodes[-1], Group) and nodes[-1].opening == "(" and len(nodes) <= 2:
            inner = self._operand(nodes[-1].items)
            function = _text(nodes[0]) if len(nodes) == 2 else ""
            if inner is None or not function:
                return inner
            if inner.kind == "string" and function in ("tolower", "toupper"):
                return Operand(inner.name, inner.kind, function.removeprefix("to"))
            if inner.kind == "string" and function == "tostring":
                return inner
        return None


def _text(node: Node) -> str:
    return node.text if isinstance(node, Token) and node.kind != "string" else ""


def _is_time(nodes: Sequence[Node]) -> bool:
    return any(
        token.kind == "name" and token.text in _TIMES
        for node in nodes
        for token in ([node] if isinstance(node, Token) else _flat(node))
    )


def _flat(group: Group) -> list[Token]:
    found: list[Token] = []
    for item in group.items:
        found += [item] if isinstance(item, Token) else _flat(item)
    return found
