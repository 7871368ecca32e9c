"""Reading sample files.

Belongs here: what several folders need: JSON lines, expected fields from a table of names. Does not belong here: any
one folder.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conformance.model import Expected

__all__ = ["VrlCase", "expected", "json_lines", "vrl_cases"]


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
        content = value.get("input")
        if content is None:
            content = _literal(value.get("vrl_source", ""))
        if not isinstance(content, str):
            continue
        fields = value.get("expected")
        if isinstance(fields, dict) and "_rust" in fields:
            fields = _from_rust(fields["_rust"])
        elif isinstance(fields, str) and value["result"] == "ok":
            fields = json.loads(fields) if fields.startswith("{") else {}
        yield VrlCase(
            name, content, value.get("args") or {}, value["result"] == "ok", fields if isinstance(fields, dict) else {}
        )


_RAW_LITERAL = re.compile(r"s'((?:[^'\\]|\\.)*)'", re.DOTALL)
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_RUST_KEY = re.compile(r"(?<=[{,\s])([A-Za-z_][A-Za-z0-9_]*)\s*:(?=\s)")


def _literal(source: str) -> str | None:
    """The first text literal of a program: ``s'…'`` as it stands, ``"…"`` with its escapes undone."""
    raw, quoted = _RAW_LITERAL.search(source), _LITERAL.search(source)
    if raw and (not quoted or raw.start() < quoted.start()):
        return raw[1].replace("\\'", "'").replace("\\\\", "\\")
    if quoted is None:
        return None
    text = re.sub(r"\\\n\s*", "", quoted[0])
    try:
        return json.loads(text.replace("\n", "\\n").replace("\\'", "'"))
    except ValueError:
        return None


def _from_rust(text: str) -> dict[str, Any]:
    """``value!({type: "http"})`` as an object; empty when it is more than literals."""
    inner = text.removeprefix("value!(").rstrip().removesuffix(")")
    inner = re.sub(r",(\s*[}\]])", r"\1", _RUST_KEY.sub(r'"\1":', inner))
    try:
        value = json.loads(inner)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
