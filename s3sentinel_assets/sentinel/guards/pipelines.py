"""Which tables a query reads, and which of their rows reach the first step that needs more than one row.

Belongs here: following every table through let statements, functions, unions, joins and brackets. Does not belong here:
conditions (``conditions``), single operators (``stages``), what is done with the result (``extract``).

Two rules keep this safe. Where a table's name stands in a place that is not understood, the whole table is needed.
Where a name may be that of a function saved in the workspace, every table is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from s3sentinel_assets.sentinel.guards.known import (
    Let,
    Names,
    Stage,
    assignment,
    constants,
    function_of,
    is_scalar,
    is_word,
    let_statement,
    may_be_table,
    stages_of,
)
from s3sentinel_assets.sentinel.guards.kql_text import (
    Group,
    KqlTextError,
    Node,
    Token,
    constant,
    name_of,
    read,
    render,
    split,
    walk,
)
from s3sentinel_assets.sentinel.guards.names import FUNCTIONS, WORDS, is_asim_parser, is_other_table
from s3sentinel_assets.sentinel.guards.needs import rows_needed
from s3sentinel_assets.sentinel.guards.sql import TRUE, Sql
from s3sentinel_assets.sentinel.guards.stages import (
    join_operand,
    keyword,
    union_operands,
)

__all__ = ["Reading", "Workspace", "readings"]

_MOST_STEPS = 20_000
_MOST_DEPTH = 60
_NO_TABLE = ("print", "range", "datatable", "externaldata")
_ELSEWHERE = ("workspace", "app", "resource", "cluster", "database", "adx", "arg", "table")
#: What stands in the brackets behind one of these may be a table without any sign of it.
_TAKES_TABLE = ("materialize", "toscalar", "view", "ipv4_lookup", "ipv6_lookup")
_TAKES_LIST = ("in", "~", "has_any", "has_all")
_OPERATORS = WORDS - {"union", "search", "find", "print"}


@dataclass(frozen=True)
class Workspace:
    """What names mean in the workspace.

    Attributes:
        tables: the tables that s3sentinel fills → column → type (``system``: filled by the service).
        functions: saved functions → their body.
        others: further tables, filled by others.
    """

    tables: Mapping[str, Mapping[str, str]]
    functions: Mapping[str, str] = field(default_factory=dict[str, str])
    others: Collection[str] = ()


@dataclass(frozen=True)
class Reading:
    """One place where a query reads a table.

    Attributes:
        table: its name.
        where: holds for every row that the query may look at from here.
        why: what could not be used, or why every row is needed.
    """

    table: str
    where: Sql
    why: tuple[str, ...] = ()


def readings(query: str, workspace: Workspace) -> list[Reading]:
    """Every place where ``query`` reads one of the workspace's tables, in no particular order.

    A query that cannot be read counts as one that reads all of them.
    """
    reader = _Reader(workspace)
    try:
        nodes = read(query)
        reader.learn_names(nodes)
        reader.statements(nodes, {})
    except KqlTextError as error:
        reader.every_table(f"the query {error}")
    return list(dict.fromkeys(reader.found))


class _Reader:
    def __init__(self, workspace: Workspace) -> None:
        self.found: list[Reading] = []
        self._workspace = workspace
        self._tables = {name.casefold(): name for name in workspace.tables}
        self._columns = {column for columns in workspace.tables.values() for column in columns}
        self._made: set[str] = set()
        self._aliases: set[str] = set()
        self._seen: set[tuple[object, ...]] = set()
        self._saved: dict[str, Let] = {}
        self._steps = self._depth = 0

    def learn_names(self, nodes: Sequence[Node]) -> None:
        """Notes the columns that the query makes and the names it gives by ``as``."""
        tokens = list(walk(nodes))
        for index, (token, after) in enumerate(tokens):
            if token.kind == "name" and after == "=":
                self._made.add(token.text)
            if token.text == "as" and token.kind == "name" and index + 1 < len(tokens):
                self._aliases.add(tokens[index + 1][0].text)

    def every_table(self, why: str) -> None:
        for table in self._workspace.tables:
            self._need(table, TRUE, [why])

    def statements(self, nodes: Sequence[Node], known: Names, suffix: tuple[Stage, ...] = ()) -> None:
        """The statements of a query, or of a function's body. ``suffix``: stages that follow the last one."""
        parts = [part for part in split(nodes, ";") if part]
        for number, part in enumerate(parts):
            word, _ = keyword(part)
            if word == "let" and (bound := let_statement(part)):
                name, value = bound
                known = {**known, name: Let(value, known, constant(value, constants(known)))}
            elif word in ("set", "alias", "restrict"):
                self._expression(part, known)
            elif word == "declare":
                names = {token.text: None for token, following in walk(part) if following == ":"}
                known = {**known, **names}
                self._expression(part, known)
            else:
                last = number == len(parts) - 1
                self._pipeline(stages_of(part, known) + (suffix if last else ()))

    def _pipeline(self, stages: tuple[Stage, ...]) -> None:
        if stages in self._seen:
            return
        self._seen.add(stages)
        self._steps += 1
        self._depth += 1
        if self._steps > _MOST_STEPS or self._depth > _MOST_DEPTH:
            raise KqlTextError("is too long or its functions call each other")
        self._source(stages[0], stages[1:])
        self._depth -= 1

    def _source(self, stage: Stage, rest: tuple[Stage, ...]) -> None:
        nodes, known = stage.nodes, stage.known
        word, after = keyword(nodes)
        name = name_of(nodes)
        call = nodes[1] if len(nodes) == 2 and isinstance(nodes[1], Group) and nodes[1].opening == "(" else None
        if name is not None:
            self._named(name, known, rest)
        elif len(nodes) == 1 and isinstance(nodes[0], Group) and nodes[0].opening == "(":
            self._pipeline(stages_of(nodes[0].items, known) + rest)
        elif word == "union":
            self._union(nodes[after:], known, rest)
            self._rest(rest)
        elif call is not None and isinstance(nodes[0], Token) and nodes[0].text == "materialize":
            self._pipeline(stages_of(call.items, known) + rest)
        elif call is not None and word and word not in _OPERATORS:
            self._call(word, call, known, rest)
        else:
            self._unusual(word, nodes, known)
            self._expression(nodes, known)
            self._rest(rest)

    def _unusual(self, word: str, nodes: Sequence[Node], known: Names) -> None:
        """A source that is neither a name nor a call."""
        if word in ("search", "find"):
            self._search(word, nodes, known)
        elif not (word.partition("-")[0] in (*_OPERATORS, *_NO_TABLE) or is_scalar(nodes)):
            self.every_table(f"'{render(nodes, 40)}' is not understood where a table is expected")

    def _search(self, word: str, nodes: Sequence[Node], known: Names) -> None:
        """``search in (T, U) …``; anything else looks into every table."""
        listed = nodes[2] if len(nodes) > 2 and is_word(nodes[1], "in") else None
        names = [name_of(part) for part in split(listed.items, ",")] if isinstance(listed, Group) else [None]
        if None in names:
            self.every_table(f"{word} looks into every table")
        for name in names:
            if name is not None:
                self._named(name, known, ())

    def _named(self, name: str, known: Names, rest: tuple[Stage, ...]) -> None:
        """A source that is a name."""
        if name in known:
            self._bound(known[name], rest)
        elif name in self._workspace.functions:
            self._saved_function(name, rest)
        elif (table := self._table_of(name)) is not None:
            self._table(table, rest)
        elif not (name in self._aliases or name in FUNCTIONS or name in WORDS or self._is_other(name)):
            self._unknown(name)
        self._rest(rest)

    def _call(self, name: str, call: Group, known: Names, rest: tuple[Stage, ...]) -> None:
        """A source that is a call."""
        if name in known:
            self._bound(known[name], rest)
        elif name in self._workspace.functions:
            self._saved_function(name, rest)
        elif (table := self._table_of(name)) is not None:
            self._table(table, rest)
        elif name in _ELSEWHERE:
            self._elsewhere(name, call, rest)
        elif name not in FUNCTIONS:
            self._unknown(name)
        self._brackets(name, call, known)
        self._rest(rest)

    def _elsewhere(self, name: str, call: Group, rest: tuple[Stage, ...]) -> None:
        value = constant(call.items, {}) if name == "table" else None
        if isinstance(value, str):
            self._named(value, {}, rest)
        else:
            self.every_table(f"{name}({render(call.items, 30)}) may name any table")

    def _unknown(self, name: str) -> None:
        kind = "a parser of ASIM, which unites tables" if is_asim_parser(name) else "not known and may read any table"
        self.every_table(f"{name} is {kind}")

    def _is_other(self, name: str) -> bool:
        return name in self._workspace.others or is_other_table(name)

    def _table_of(self, name: str) -> str | None:
        """The table behind its own name or that of the shipped function that leaves out copies."""
        return self._tables.get(name.casefold()) or self._tables.get(name.casefold().removesuffix("_once"))

    def _bound(self, let: Let | None, rest: tuple[Stage, ...]) -> None:
        """What a let statement's name stands for, as the source of a pipeline."""
        if let is None:
            return
        function = function_of(let.value)
        if function is not None:
            parameters, body = function
            known = {**let.known, **dict.fromkeys(parameters)}
            self._body(let, body, known, rest)
            return
        let.stages = let.stages or stages_of(let.value, let.known)
        if let.literal is None:
            self._pipeline(let.stages + rest)

    def _body(self, let: Let, body: tuple[Node, ...], known: Names, rest: tuple[Stage, ...]) -> None:
        if (let, rest) in self._seen:
            return
        self._seen.add((let, rest))
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise KqlTextError("is too long or its functions call each other")
        self.statements(body, known, rest)
        self._depth -= 1

    def _saved_function(self, name: str, rest: tuple[Stage, ...]) -> None:
        if name not in self._saved:
            nodes = read(self._workspace.functions[name])
            self.learn_names(nodes)
            self._saved[name] = Let(nodes, {})
        let = self._saved[name]
        self._body(let, let.value, {}, rest)

    def _union(self, rest: Sequence[Node], known: Names, suffix: tuple[Stage, ...]) -> None:
        operands = union_operands(rest)
        if operands.column:
            suffix = (Stage((Token("name", "extend"), *assignment(operands.column)), {}), *suffix)
        for operand in operands.tables:
            self._pipeline(stages_of(operand, known) + suffix)
        for pattern in operands.patterns:
            for table in self._workspace.tables:
                if fnmatchcase(table.casefold(), pattern.casefold()):
                    self._need(table, TRUE, [f"union of {pattern}"])
            for let in known.values():
                if let is not None and let.value and is_word(let.value[0], "view"):
                    self._bound(let, ())

    def _rest(self, stages: tuple[Stage, ...]) -> None:
        """What the stages behind a source read themselves."""
        for place, stage in enumerate(stages):
            if (stage, *stages[place + 1 :], "rest") in self._seen:
                continue
            self._seen.add((stage, *stages[place + 1 :], "rest"))
            word, after = keyword(stage.nodes)
            if word == "union":
                self._union(stage.nodes[after:], stage.known, stages[place + 1 :])
            elif word in ("join", "lookup"):
                operand, others = join_operand(stage.nodes[after:])
                self._pipeline(stages_of(operand, stage.known))
                self._expression(others, stage.known)
            else:
                self._expression(stage.nodes, stage.known)

    def _table(self, table: str, stages: tuple[Stage, ...]) -> None:
        where, unused = rows_needed(self._workspace.tables[table], stages, self._workspace.functions)
        self._need(table, where, unused)

    def _expression(self, nodes: Sequence[Node], known: Names) -> None:
        """Finds what an expression reads: pipelines in brackets, names, calls."""
        for index, node in enumerate(nodes):
            before = nodes[index - 1] if index else None
            word = before.text if isinstance(before, Token) else ""
            if isinstance(node, Group):
                self._brackets(word, node, known)
            elif node.kind == "name":
                following = nodes[index + 1] if index + 1 < len(nodes) else None
                called = isinstance(following, Group) and following.opening == "("
                self._mention(node.text, known, called=called, member=word == ".")

    def _brackets(self, word: str, group: Group, known: Names) -> None:
        """What stands in brackets behind ``word``."""
        if group.opening == "[" and (name := name_of([group])) and self._table_of(name):
            self._mention(name, known, called=False, member=False)
        if group.opening == "{" and any(is_word(node, text) for node in group.items for text in (";", "|")):
            self.statements(group.items, known)
            return
        parts = split(group.items, ",")
        takes = word in _TAKES_TABLE or (word in _TAKES_LIST and len(parts) == 1)
        for part in parts:
            name = name_of(part)
            column = name is None or name in self._columns or name in self._made
            table = len(split(part, "|")) > 1 or keyword(part)[0] in ("union", "search", "find")
            if table or (takes and not column and name not in ("true", "false")):
                self._pipeline(stages_of(part, known))
            elif takes and len(part) == 1 and isinstance(part[0], Group):
                self._brackets(word, part[0], known)  # further brackets around it
            else:
                self._expression(part, known)

    def _mention(self, name: str, known: Names, *, called: bool, member: bool) -> None:
        """A name in an expression."""
        if name in known and not member:
            let = known[name]
            if let is not None and (let, "mention") not in self._seen:
                self._seen.add((let, "mention"))
                self._value(let)
        elif (table := self._table_of(name)) is not None and name not in self._workspace.functions:
            self._need(table, TRUE, ["it is named where its rows cannot be followed"])
        elif name in self._workspace.functions and (called or name not in self._columns | self._made):
            self._saved_function(name, ())
        elif called and not member and (name in _ELSEWHERE or not (name in FUNCTIONS or name in WORDS)):
            self._unknown(name)

    def _value(self, let: Let) -> None:
        """A let statement's value where it is used in an expression."""
        if let.literal is not None:
            return
        if function_of(let.value) is not None or len(split(let.value, "|")) > 1 or may_be_table(let.value):
            self._bound(let, ())
        else:
            self._expression(let.value, let.known)

    def _need(self, table: str, where: Sql, why: Sequence[str]) -> None:
        self.found.append(Reading(table, where, tuple(dict.fromkeys(why))))
