"""Verdicts from the workspace: what analysts said when they closed incidents about our events.

Belongs here: asking for closed incidents and their alerts, and turning both into verdicts. Does not belong here: the
query client (`sentinel.query`), what history does with verdicts (``held``).

``SecurityIncident`` gets a row at each change of an incident; ``Classification`` is TruePositive, BenignPositive,
FalsePositive or Undetermined, and ``AlertIds`` names rows of ``SecurityAlert`` by ``SystemAlertId`` (table references,
learn.microsoft.com). An alert's custom details stand as JSON text under ``Custom Details`` in ``ExtendedProperties``,
each a list of texts. An incident that is opened again, or closed once more as Undetermined, takes back what it said
before, unless somebody has said something else since: that stays. One that is merely edited (a tag, a comment, an
owner) says nothing new; one that was closed anew does, as ``ClosedTime`` tells. Those details that count here, upper
and lower case alike: ``EventId`` (or ``EventIds``), and ``Principal`` with ``Hour``, with ``Account`` and ``Source`` if
they are there: an incident about an hour judges the events it names and the rest of that hour.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from s3sentinel_assets.hours import hour_key, hour_start, utc_now
from s3sentinel_assets.ledger.engine import from_micros, storable, to_micros
from s3sentinel_assets.ledger.leases import hold_lease
from s3sentinel_assets.ledger.verdicts import Origin, RecordedVerdict, Verdict, Word, newest_incident, verdicts
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.pipeline.verdicts import complete, give_verdicts

__all__ = ["take_incidents"]

_WORDS = {"truepositive": Word.ATTACK, "benignpositive": Word.BENIGN, "falsepositive": Word.BENIGN}
#: An incident may become visible later than another one that was changed after it.
_OVERLAP = timedelta(hours=2)
_ALERTS_PER_QUERY = 200
#: Closing an incident sets ``ClosedTime`` and ``LastModifiedTime``, not in the same instant.
_SAME_CLOSING = timedelta(minutes=1)
#: The ledger's columns are no longer.
_LENGTH = 255
_DETAILS = {
    "event_id": ("eventid", "eventids", "eventid_cf"),
    "principal": ("principal", "principal_cf"),
    "hour": ("hour", "hour_cf"),
    "account": ("account", "accountid", "account_cf"),
    "source": ("source", "source_cf"),
}


def take_incidents(runtime: Runtime) -> StageSummary:
    """Reads incidents that were closed since the last time, and records what they say.

    Raises:
        UserError: the workspace cannot be asked, or has no such tables.
    """
    began, summary = time.monotonic(), StageSummary("", "")
    seconds = runtime.config.limits.lease_seconds
    # The sweeps of all sources begin at the same minute.
    with hold_lease(runtime.ledger, "incidents", runtime.worker, seconds) as held:
        if held is None:
            summary.busy = 1
        else:
            _take(runtime, summary)
    summary.seconds = time.monotonic() - began
    return summary


def _take(runtime: Runtime, summary: StageSummary) -> None:
    with runtime.ledger.read() as connection:
        newest = newest_incident(connection)
        before = verdicts(connection, origin=Origin.INCIDENT)
    first = utc_now() - timedelta(days=runtime.config.feedback.incident_days)
    since = max(from_micros(newest) - _OVERLAP, first) if newest is not None else first
    changed = _changed(runtime, since)
    incidents = [row for row in changed if _word(row) is not None]
    alerts = _alerts(runtime, {alert for row in incidents for alert in _list(row["AlertIds"])}, first)
    given = [verdict for row in incidents for verdict in _verdicts(row, alerts)]
    said = _last_said(before)
    new = _new(given, said, {str(row["IncidentNumber"]): row["ClosedTime"] for row in incidents})
    known, unknown = complete(runtime, new)
    back = _taken_back(runtime, [row for row in changed if _word(row) is None], said)
    if known or back:
        give_verdicts(runtime, [*known, *back], "incidents of the workspace", "feedback incidents")
    about_us = {verdict.incident for verdict in given}
    summary.done = len(known) + len(back)
    summary.counts = {
        "incidents": len(incidents),
        "incidents_about_other_things": sum(str(row["IncidentNumber"]) not in about_us for row in incidents),
        "new_verdicts": len(known),
        "taken_back": len(back),
        "unknown_events": len(unknown),
    }
    if unknown:
        first_one = new[unknown[0]]
        name = first_one.event_id or f"{first_one.principal} in {first_one.hour}"
        summary.problems.append(
            f"{len(unknown)} events or principals' hours that incidents name are not in the stage files, such as {name}"
        )


def _changed(runtime: Runtime, since: datetime) -> list[dict[str, Any]]:
    """The newest row of each incident that changed since.

    ``Given`` and ``GivenBy`` say when and by whom it came to say what it says; later edits that leave that are none.
    """
    rows = runtime.query.run(
        "SecurityIncident\n"
        f"| where LastModifiedTime >= datetime({since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ})\n"
        "| project IncidentNumber, Title, Status, Classification, ClassificationComment, LastModifiedTime, ClosedTime,"
        " AlertIds, ModifiedBy\n"
        "| order by LastModifiedTime asc"
    )
    newest: dict[Any, dict[str, Any]] = {}
    for row in rows:
        given = {"Given": row["LastModifiedTime"], "GivenBy": row["ModifiedBy"]}
        before, word = newest.get(row["IncidentNumber"]), _word(row)
        if before is not None and _word(before) is word and (word is None or before["ClosedTime"] == row["ClosedTime"]):
            given = {name: before[name] for name in given}
        newest[row["IncidentNumber"]] = row | given
    return list(newest.values())


def _word(incident: Mapping[str, Any]) -> Word | None:
    """What an incident says; None while it is open, or if nobody could tell."""
    if incident["Status"] != "Closed":
        return None
    return _WORDS.get(str(incident["Classification"] or "").lower().replace(" ", ""))


def _alerts(runtime: Runtime, ids: Iterable[str], since: datetime) -> dict[str, dict[str, Any]]:
    """The newest row of each alert by id. An incident may be closed long after its alerts."""
    ordered, found = sorted(ids), dict[str, dict[str, Any]]()
    for start in range(0, len(ordered), _ALERTS_PER_QUERY):
        wanted = ", ".join(json.dumps(name) for name in ordered[start : start + _ALERTS_PER_QUERY])
        rows = runtime.query.run(
            "SecurityAlert\n"
            f"| where TimeGenerated >= datetime({since - timedelta(days=30):%Y-%m-%dT%H:%M:%SZ})\n"
            f"| where SystemAlertId in ({wanted})\n"
            "| project TimeGenerated, SystemAlertId, ExtendedProperties, Techniques\n"
            "| order by TimeGenerated asc"
        )
        found |= {row["SystemAlertId"]: row for row in rows}
    return found


def _verdicts(incident: Mapping[str, Any], alerts: Mapping[str, Mapping[str, Any]]) -> list[Verdict]:
    """What an incident says, once about each event or principal's hour that its alerts name."""
    word = _word(incident)
    assert word is not None  # noqa: S101 - chosen so
    found: dict[tuple[Any, ...], Verdict] = {}
    for name in _list(incident["AlertIds"]):
        if name not in alerts:
            continue
        details = _details(alerts[name])
        common = {
            "at": to_micros(_instant(incident["Given"])),
            "given_by": str(incident["GivenBy"] or "") or "incident",
            "verdict": word,
            "origin": Origin.INCIDENT,
            "incident": str(incident["IncidentNumber"]),
            "technique": ", ".join(_list(alerts[name].get("Techniques"))) or None,
            "note": incident["ClassificationComment"] or incident["Title"] or None,
        }
        source, account = (next(iter(details[key]), None) for key in ("source", "account"))
        for event_id in details["event_id"]:
            verdict = Verdict(**common, event_id=event_id, source=source)
            found[event_id,] = verdict
        for principal in details["principal"]:
            for hour in filter(None, map(_hour, details["hour"])):
                verdict = Verdict(**common, principal=principal, hour=hour, source=source, account=account)
                found[principal, hour, source, account] = verdict
    return list(found.values())


def _details(alert: Mapping[str, Any]) -> dict[str, list[str]]:
    """The custom details that matter."""
    properties = _json(alert["ExtendedProperties"])
    custom = _json(properties.get("Custom Details") or properties.get("CustomDetails")) if properties else {}
    lower = {str(name).lower(): value for name, value in custom.items()}
    return {key: [text for name in names for text in _list(lower.get(name))] for key, names in _DETAILS.items()}


def _json(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[str]:
    """A dynamic column or custom detail as texts, whatever form it came in."""
    if isinstance(value, str):
        if not value.startswith("["):
            return [value] if value else []
        try:
            value = json.loads(value)
        except ValueError:
            return []
    if not isinstance(value, Sequence):
        return [] if value is None else [str(value)]
    return [text for item in value for text in (_list(item) if not isinstance(item, str) else [item]) if text]


def _hour(text: str) -> str | None:
    """The hour key of an hour in a detail: ours, or an instant in it."""
    try:
        hour_start(text)
    except ValueError:
        try:
            return hour_key(_instant(text))
        except ValueError:
            return None
    return text


def _instant(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


#: Incident → what it is about → what it said of that last.
_Said = Mapping[str, Mapping[tuple[Any, ...], RecordedVerdict]]


def _last_said(before: Iterable[RecordedVerdict]) -> _Said:
    said: dict[str, dict[tuple[Any, ...], RecordedVerdict]] = {}
    for one in before:
        said.setdefault(one.incident or "", {})[_about(one)] = one
    return said


def _new(given: Iterable[Verdict], said: _Said, closed: Mapping[str, Any]) -> list[Verdict]:
    """Those that say something else than their incident said last, or were said by closing it anew.

    Args:
        given: what incidents say.
        said: what they said last.
        closed: incident → when it was closed last, if that is known.
    """
    new = []
    for one in given:
        number = one.incident or ""
        last, instant = said.get(number, {}).get(_about(one)), closed.get(number)
        again = last is not None and bool(instant) and _instant(instant) > from_micros(last.at) + _SAME_CLOSING
        if last is None or last.verdict is not one.verdict or again:
            new.append(one)
    return new


def _taken_back(runtime: Runtime, silent: Iterable[Mapping[str, Any]], said: _Said) -> list[Verdict]:
    """What incidents that say nothing any more said last, as unsure; what others said since stays."""
    spoken = [
        (row, one)
        for row in silent
        for one in said.get(str(row["IncidentNumber"]), {}).values()
        if one.verdict is not Word.UNSURE
    ]
    if not spoken:
        return []
    with runtime.ledger.read() as connection:
        others = verdicts(connection, hours={one.hour for _, one in spoken if one.hour is not None})
    back = []
    for row, own in spoken:
        since = [one for one in others if one.incident != own.incident and (one.at, one.id) > (own.at, own.id)]
        if any(one.covers(own) for one in since):
            continue
        # A word about some events of the hour is newer than what is taken back, and must stay so.
        first = min((one.at for one in since if one.touches(own)), default=None)
        at = to_micros(_instant(row["Given"]))
        at = at if first is None else max(own.at, min(at, first - 1))
        back.append(own.taken_back(at, str(row["GivenBy"] or "incident")))
    return back


def _about(one: Verdict) -> tuple[Any, ...]:
    """What a verdict is about, as the ledger keeps it."""
    if one.event_id is not None:
        return (_kept(one.event_id),)
    return (storable(one.principal), one.hour, one.source, _kept(one.account))


def _kept(text: str | None) -> str | None:
    return (storable(text) or "")[:_LENGTH] or None
