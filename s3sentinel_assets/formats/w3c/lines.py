r"""What a W3C extended log says of itself, and its lines → fields.

Source: W3C, "Extended Log File Format", sections "Format" and "Directives" (www.w3.org/TR/WD-logfile).

Belongs here: directives (lines that begin with ``#``) and cutting. Does not belong here: what fields mean
(``columns``).

Blanks stand between fields, one or several, or a tab: two blanks are not a field without a value, which is ``-``. Else
a line with a blank too many and a field too few would shift. IIS writes ``+`` for a blank in a value; other writers put
such values in double quotes, with a quote in them doubled.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from s3sentinel_assets.formats.line_logs import BadLine, Fields, read_fields
from s3sentinel_assets.formats.w3c.columns import TELLING, WEB_FIELDS, field_name

__all__ = ["Directives", "cut_lines", "is_web_log", "read_directive", "read_lines", "stated_fields"]

_NOTHING = "-"
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d))?")
_DIRECTIVE = re.compile(r"#\s*([A-Za-z-]+):\s*(.*)")
_TOKEN = re.compile(r'"((?:[^"]|"")*)"(?=\s|$)|(\S+)')
_COMMENT = re.compile(r"\s+//.*")


@dataclass(frozen=True)
class Directives:
    """What holds for the lines that follow.

    Attributes:
        names: of the fields, as `columns.field_name` writes them; empty: no line has said so.
        date: of lines that have a time alone, such as ``2013-07-30``; None where lines have a date or nothing says.
        since: time of day of the first such line.
        software: what wrote the log.
    """

    names: tuple[str, ...] = ()
    date: str | None = None
    since: str | None = None
    software: str | None = None

    @property
    def dated(self) -> bool:
        """Whether lines have a date of their own."""
        return "date" in self.names or "date-local" in self.names


def stated_fields(names: Sequence[str]) -> tuple[str, ...]:
    """Field names of a ``#Fields:`` line or of settings as raw columns; a repeated one has its place appended."""
    plain = [field_name(name) for name in names]
    return tuple(name if plain.index(name) == at else f"{name}-{at}" for at, name in enumerate(plain))


def read_directive(line: bytes, now: Directives) -> Directives | None:
    """What holds behind a line that begins with ``#``; None: it is a record."""
    if not line.startswith(b"#"):
        return None
    match = _DIRECTIVE.match(line.decode(errors="replace"))
    if match is None:
        return now
    name, value = match[1].lower(), match[2].strip()
    if name == "fields":
        stated = replace(now, names=stated_fields(value.split()))
        return replace(stated, date=None, since=None) if stated.dated else stated
    if name in ("date", "start-date") and not now.dated:
        found = _DATE.search(value)
        return replace(now, date=found[1], since=found[2]) if found else now
    if name == "software":
        return replace(now, software=_COMMENT.sub("", value)[:200] or None)
    return now


def is_web_log(names: Sequence[str]) -> bool:
    """Whether fields are those of a log of requests."""
    return not TELLING.isdisjoint(names) and sum(name in WEB_FIELDS for name in names) >= 2


def read_lines(data: bytes, lines: int, names: tuple[str, ...]) -> pl.DataFrame | None:
    """All lines at once as String columns; None when any line needs a closer look."""
    separator = "\t" if b"\t" in data[: data.find(b"\n") + 1] else " "
    split = separator.encode()
    if separator == " " and b"  " in data:
        return None
    quoted = data.startswith(b'"') or split + b'"' in data or b'\n"' in data
    frame = read_fields(
        data, lines, Fields(names, required=len(names)), separator=separator, quoted=quoted, escapes=False
    )
    # Fields behind the named ones: a blank too many somewhere, so which is which?
    return frame if frame is not None and frame.width == len(names) else None


def cut_lines(lines: Sequence[str], names: tuple[str, ...]) -> tuple[pl.DataFrame, list[int], list[BadLine]]:
    """Lines one by one.

    Returns:
        A String column for each field, null for ``-`` and empty text, a row for each line with the right number of
        fields; the index of each row's line; the other lines.
    """
    rows, good, bad = list[list[str | None]](), list[int](), list[BadLine]()
    for index, line in enumerate(lines):
        fields = _cut(line, len(names))
        if len(fields) == len(names):
            rows.append([None if text in (_NOTHING, "") else text for text in fields])
            good.append(index)
        elif not names:
            bad.append(BadLine(index, "no_header", "no #Fields line and no settings say which fields the line has"))
        else:
            bad.append(BadLine(index, "field_count", f"the line has {len(fields)} fields; {len(names)} are expected"))
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row"), good, bad


def _cut(line: str, expected: int) -> list[str]:
    separator = "\t" if "\t" in line else " "
    plain = line.rstrip().split(separator) if line.endswith(" ") else line.split(separator)
    if '"' not in line and len(plain) == expected and (separator == "\t" or "" not in plain):
        return plain
    if separator == "\t":
        return [_unquoted(text) for text in plain]
    return [bare if inner is None else inner.replace('""', '"') for inner, bare in _tokens(line)]


def _tokens(line: str) -> list[tuple[str | None, str]]:
    return [(match[1], match[2]) for match in _TOKEN.finditer(line)]


def _unquoted(text: str) -> str:
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text
