"""Parsing a case as a user would, and comparing its rows with what is expected.

Belongs here: that, and when two values are the same. Does not belong here: samples (``folders``), printing.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl

from conformance.model import Case, Expected, Outcome
from s3sentinel_assets.formats import ObjectInput, ObjectReport, ParseOptions, PartParser

__all__ = ["run_case", "same"]


def run_case(case: Case) -> Outcome:
    """Parses a case, into native tables and, where fields of ASIM are expected, into these."""
    outcome = Outcome(case)
    report, rejects, rows = _parse(case, "native")
    formats = {case.format, *case.several}
    outcome.rows, outcome.quarantined = report.rows, report.rejected
    if not case.valid:
        outcome.parsed = report.rows == 0
        if not outcome.parsed:
            outcome.problems.append(f"broken content became {report.rows} rows")
        return outcome
    found = set((report.format or "").split("+"))
    if not found <= formats or case.format not in found:
        outcome.problems.append(f"taken for {report.format or 'nothing'}, not {'+'.join(sorted(formats))}")
    outcome.problems += [f"record {position}: {reason}: {detail}" for position, reason, detail in rejects]
    if case.records is not None and report.rows != case.records:
        outcome.problems.append(f"{report.rows} rows, not {case.records}")
    outcome.parsed = not outcome.problems and report.rows > 0
    if not report.rows and not outcome.problems:
        outcome.problems.append("no row")
    by_kind = {"native": rows}
    if any(expected.normalise == "asim" for expected in case.expected):
        by_kind["asim"] = _parse(case, "asim")[2]
    for expected in case.expected:
        problem = _compare(expected, by_kind[expected.normalise])
        if problem is None:
            outcome.right += 1
        else:
            outcome.problems.append(problem)
    return outcome


def _parse(
    case: Case, normalise: Literal["native", "asim"]
) -> tuple[ObjectReport, list[tuple[int, str, str]], list[dict[str, Any]]]:
    settings = case.settings
    options = ParseOptions(normalise=normalise, fields=settings.fields, time_zone=settings.time_zone)
    parser = PartParser("auto" if case.detected else case.format, options)
    identity = hashlib.sha256(case.id.encode()).hexdigest()[:20]
    made = ObjectInput(0, case.key, identity, lambda: iter((case.content,)), arrived=settings.arrived)
    rows: list[dict[str, Any]] = []
    for frame in parser.frames([made]):
        entities = frame.entities.select(pl.all().name.prefix("entity."))
        rows += frame.rows.hstack(entities).to_dicts()
    rows.sort(key=lambda row: row["_ordinal"])
    rejects = [tuple(row) for row in parser.rejects.select("position", "reason", "detail").iter_rows()]
    return parser.reports[0], rejects, rows  # type: ignore[return-value]


def _compare(expected: Expected, rows: list[dict[str, Any]]) -> str | None:
    """None when the field is right, else a sentence."""
    if expected.row >= len(rows):
        return f"{expected.field}: there is no row {expected.row}"
    found = _look_up(rows[expected.row], expected.column)
    if same(found, expected.value):
        return None
    return f"{expected.field}: {expected.column} is {found!r}, not {expected.value!r}"


def _look_up(row: dict[str, Any], column: str) -> Any:
    name, *path = [column] if column.startswith("entity.") else column.split(".")
    if name not in row:
        raise KeyError(f"no column {name}")
    value = row[name]
    if path and isinstance(value, str):
        value = json.loads(value)
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _instants(value: Any) -> Iterator[datetime]:
    if isinstance(value, datetime):
        yield value if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, str):
        try:
            made = datetime.fromisoformat(value)
        except ValueError:
            return
        yield made if made.tzinfo else made.replace(tzinfo=UTC)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        for scale in (1, 1e3, 1e6):
            if 0 < value / scale < 7e9:
                yield datetime.fromtimestamp(value / scale, UTC)


def same(found: Any, wanted: Any) -> bool:
    """Whether two values say the same, whatever their types: ``"80"`` and 80, a JSON text and its object, two times."""
    if wanted is None or wanted == "":
        return found is None or found == ""
    if found is None:
        return False
    if isinstance(found, datetime):
        # A publisher who writes no fraction may have cut it.
        whole = isinstance(wanted, str) and "." not in wanted
        tolerance = 1.0 if whole and found.microsecond != 0 else 1e-3
        return any(0 <= (found - each).total_seconds() + 5e-4 < tolerance + 5e-4 for each in _instants(wanted))
    if isinstance(wanted, bool) or isinstance(found, bool):
        return str(found).lower() == str(wanted).lower()
    if isinstance(wanted, dict | list) and isinstance(found, str):
        try:
            return bool(json.loads(found) == wanted)
        except ValueError:
            return False
    if str(found) == str(wanted):
        return True
    if isinstance(found, dict | list) or isinstance(wanted, dict | list):
        return bool(found == wanted)
    try:
        return float(found) == float(wanted)
    except (TypeError, ValueError):
        return False
