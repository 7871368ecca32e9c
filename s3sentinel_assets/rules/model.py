"""One rule, as Sentinel's YAML schema has it.

Belongs here: the fields that matter for a run, and the sentences for those that are wrong. Does not belong here: files
(``loading``) and running (``running``).
"""

import difflib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

__all__ = ["Rule", "RuleError", "parse_rule"]

_SPAN = re.compile(
    r"(?:(?P<number>\d{1,9})(?P<unit>[smhd])"
    r"|P(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})S)?)?)",
    re.IGNORECASE | re.ASCII,
)
ISO_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TRIGGERS: dict[str, Callable[[int, int], bool]] = {
    "gt": operator.gt,
    "lt": operator.lt,
    "eq": operator.eq,
    "ne": operator.ne,
}
_TRIGGER_NAMES = {"greaterthan": "gt", "lessthan": "lt", "equal": "eq", "notequal": "ne"}
_KINDS = {"scheduled": "Scheduled", "nrt": "NRT", "hunting": "Hunting", "huntingquery": "Hunting"}
_LONGEST = timedelta(days=14)
#: A workspace keeps nothing for longer.
_ABSURD = timedelta(days=12 * 366)
#: Near-real-time rules look at the last minute, every minute.
_NRT = timedelta(minutes=1)
_SEVERITIES = ("Informational", "Low", "Medium", "High")
#: Everything the published schema has; other names are most likely slips.
_FIELDS = {
    "id", "name", "displayname", "description", "description-detailed", "severity", "status", "enabled", "kind",
    "version", "requireddataconnectors", "queryfrequency", "queryperiod", "triggeroperator", "triggerthreshold",
    "tactics", "relevanttechniques", "subtechniques", "techniques", "tags", "query", "entitymappings",
    "sentinelentitiesmappings", "customdetails", "alertdetailsoverride", "eventgroupingsettings",
    "incidentconfiguration", "suppressionduration", "suppressionenabled", "metadata", "alertruletemplatename",
    "templateversion", "datatypes",
}  # fmt: skip


class RuleError(Exception):
    """A rule cannot be run as it is written. The text is a part of a sentence: '<file>: <text>'."""


@dataclass(frozen=True)
class Rule:
    """One rule or hunting query.

    Attributes:
        file: where it was read.
        id: its GUID, or empty.
        name: its name.
        kind: ``Scheduled``, ``NRT`` or ``Hunting``.
        severity: its severity, or empty.
        query: the KQL, unchanged.
        frequency: how often Sentinel runs it; None for a hunting query.
        period: how far it looks back; None for a hunting query.
        trigger: ``gt``, ``lt``, ``eq`` or ``ne``.
        threshold: how many rows it is compared with.
        notes: what is odd but does not keep it from running.
    """

    file: str
    id: str
    name: str
    kind: str
    severity: str
    query: str
    frequency: timedelta | None = None
    period: timedelta | None = None
    trigger: str = "gt"
    threshold: int = 0
    notes: tuple[str, ...] = ()

    def fires(self, rows: int) -> bool:
        """Whether so many rows make an alert. A hunting query makes none; for it any row counts."""
        return _TRIGGERS[self.trigger](rows, self.threshold)


def parse_rule(file: str, content: Any) -> Rule:
    """The rule in a YAML document.

    Raises:
        RuleError: it is no rule, or a field that a run needs is missing or wrong.
    """
    if not isinstance(content, dict):
        raise RuleError("is not a rule: the file holds no fields")
    fields = {str(name).lower(): value for name, value in content.items()}
    for name in ("id", "name", "displayname", "severity", "kind", "queryfrequency", "queryperiod", "triggeroperator"):
        if isinstance(fields.get(name), (dict, list)):
            raise RuleError(f"has more than one value in the field '{name}', which takes one")
    query = fields.get("query")
    if not isinstance(query, str) or not query.strip():
        raise RuleError("has no query; add the field 'query' with the rule's KQL")
    notes = [_slip(str(name)) for name in content if str(name).lower() not in _FIELDS]
    kind = _kind(fields)
    severity = str(fields.get("severity") or "")
    if severity and severity.capitalize() not in _SEVERITIES:
        notes.append(f"severity '{severity}' is none of {', '.join(_SEVERITIES)}")
    frequency, period = (_NRT, _NRT) if kind == "NRT" else (None, None)
    if kind == "Scheduled":
        frequency, period = _span(fields, "queryFrequency"), _span(fields, "queryPeriod")
        if period < frequency:
            notes.append("queryPeriod is shorter than queryFrequency, so some events are never looked at")
        if period > _LONGEST:
            notes.append("queryPeriod is longer than the 14 days Sentinel allows")
    return Rule(
        file=file,
        id=str(fields.get("id") or ""),
        name=" ".join(str(fields.get("name") or fields.get("displayname") or file).split()),
        kind=kind,
        severity=severity,
        query=query,
        frequency=frequency,
        period=period,
        trigger=_trigger(fields),
        threshold=_threshold(fields),
        notes=tuple(notes),
    )


def _slip(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), _FIELDS, 1, 0.8)
    return f"unknown field '{name}'" + (f" (did you mean '{close[0]}'?)" if close else "")


def _kind(fields: dict[str, Any]) -> str:
    given = fields.get("kind")
    if given is None:
        return "Scheduled" if "queryfrequency" in fields or "queryperiod" in fields else "Hunting"
    kind = _KINDS.get(str(given).replace(" ", "").lower())
    if kind is None:
        raise RuleError(f"kind '{given}' cannot be run; known kinds: Scheduled, NRT, Hunting")
    return kind


def _span(fields: dict[str, Any], name: str) -> timedelta:
    given = fields.get(name.lower())
    if given is None:
        raise RuleError(f"has no {name}; a Scheduled rule needs it, such as '{name}: 1h'")
    found = _SPAN.fullmatch(str(given).strip())
    length = timedelta()
    if found and found["number"]:
        length = timedelta(**{_UNITS[found["unit"].lower()]: int(found["number"])})
    elif found:
        length = timedelta(**{unit: int(found[unit] or 0) for unit in ISO_UNITS})
    if not length:
        raise RuleError(f"{name} '{given}' is no span of time; write it like 5m, 1h or 14d")
    if length > _ABSURD:
        raise RuleError(f"{name} '{given}' is longer than any workspace keeps rows")
    return length


def _trigger(fields: dict[str, Any]) -> str:
    given = str(fields.get("triggeroperator", "gt")).lower()
    name = _TRIGGER_NAMES.get(given, given)
    if name not in _TRIGGERS:
        raise RuleError(f"triggerOperator '{given}' is none of {', '.join(_TRIGGERS)}")
    return name


def _threshold(fields: dict[str, Any]) -> int:
    given = fields.get("triggerthreshold", 0)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise RuleError(f"triggerThreshold '{given}' is no whole number from 0 up")
    return given
