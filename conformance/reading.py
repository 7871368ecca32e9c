"""Reading sample files.

Belongs here: what several folders need: JSON lines, expected fields from a table of names. Does not belong here: any
one folder.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conformance.model import Expected

__all__ = [
    "VrlCase",
    "by_place",
    "cut",
    "expected",
    "flat",
    "json_lines",
    "logstash_messages",
    "panther_events",
    "vrl_cases",
]


def json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """The values of a file of JSON lines, each with its id: its own, else file and line number."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            value = json.loads(line)
            own = value.get("id") if isinstance(value, dict) else None
            yield f"{path.name}:{number}" + (f" {own}" if own else ""), value


def expected(
    values: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    row: int = 0,
    normalise: Literal["native", "asim"] = "native",
) -> tuple[Expected, ...]:
    """The fields among ``values`` that ``columns`` ties to a column of ours, as expectations."""
    return tuple(
        Expected(name, columns[name], value, row, normalise) for name, value in values.items() if name in columns
    )


@dataclass(frozen=True)
class VrlCase:
    """A test or documented example of a parsing function of Vector's remap language.

    Attributes:
        id: file, line and name.
        content: what is parsed.
        arguments: of the function.
        good: whether it parses.
        fields: the expected fields.
    """

    id: str
    content: str
    arguments: Mapping[str, Any]
    good: bool
    fields: Mapping[str, Any]


def vrl_cases(path: Path) -> Iterator[VrlCase]:
    """The cases of a file of Vector's tests. Expected values that are still Rust text are read as far as possible."""
    for name, value in json_lines(path):
        content, arguments = value.get("input"), value.get("args") or {}
        if content is None:
            content, *others = _literals(value.get("vrl_source", "")) or [None]
            arguments = {"format": others[0]} if others else {}
        if not isinstance(content, str):
            continue
        fields = value.get("expected")
        if isinstance(fields, dict) and "_rust" in fields:
            fields = _from_rust(fields["_rust"])
        elif isinstance(fields, str) and value["result"] == "ok":
            fields = json.loads(fields) if fields.startswith("{") else {}
        yield VrlCase(name, content, arguments, value["result"] == "ok", fields if isinstance(fields, dict) else {})


_LITERAL = re.compile(r"""s'((?:[^'\\]|\\.)*)'|("(?:[^"\\]|\\.)*")""", re.DOTALL)
_RUST_KEY = re.compile(r"(?<=[{,\s])([A-Za-z_][A-Za-z0-9_]*)\s*:(?=\s)")


def _literals(source: str) -> list[str]:
    """The text literals of a program: ``s'…'`` as it stands, ``"…"`` with its escapes undone."""
    found = []
    for raw, quoted in _LITERAL.findall(source):
        if not quoted:
            found.append(raw.replace("\\'", "'").replace("\\\\", "\\"))
            continue
        text = re.sub(r"\\\n\s*", "", quoted)
        try:
            found.append(json.loads(text.replace("\n", "\\n").replace("\\'", "'")))
        except ValueError:
            continue
    return found


def _from_rust(text: str) -> dict[str, Any]:
    """``value!({type: "http"})`` as an object; empty when it is more than literals."""
    inner = text.removeprefix("value!(").rstrip().removesuffix(")")
    inner = re.sub(r",(\s*[}\]])", r"\1", _RUST_KEY.sub(r'"\1":', inner))
    try:
        value = json.loads(inner)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def logstash_messages(path: Path) -> Iterator[tuple[str, str, str]]:
    """(id, pattern, message) of a file of Logstash's pattern tests."""
    for name, value in json_lines(path):
        yield name, value["pattern"], value["message"]


def panther_events(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, event) of a file of Panther's rule tests, without the fields that Panther adds (``p_…``)."""
    for name, value in json_lines(path):
        event = {key: inner for key, inner in value["event"].items() if not key.startswith("p_")}
        yield f"{name} {value['rule']}", event


def flat(event: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """An event's values by dotted name, objects themselves among them."""
    found: dict[str, Any] = {}
    for key, value in event.items():
        found[prefix + key] = value
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
    return found


def cut(line: str) -> list[str]:
    """A line of fields cut by the shell's rules, brackets taken for quotes: another way than the parser's own."""
    text = re.sub(r"\[([^\]]*)\]", r'"\1"', line.replace("\\", "\\\\"))
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters, lexer.quotes = " ", True, "", '"'
    return list(lexer)


def by_place(
    values: Sequence[str],
    names: Sequence[str],
    columns: Mapping[str, str],
    *,
    row: int = 0,
    nothing: str = "-",
    normalise: Literal["native", "asim"] = "native",
) -> tuple[Expected, ...]:
    """Fields by their place in a line, as expectations; ``nothing`` is no value."""
    named = {name: None if value == nothing else value for name, value in zip(names, values, strict=False)}
    return expected(named, columns, row=row, normalise=normalise)
