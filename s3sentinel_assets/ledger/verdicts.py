"""What analysts found out about events and about what principals did in an hour. Rows are added, never changed.

Belongs here: recording and reading verdicts, and which of several counts. Does not belong here: what history does with
them (`pipeline.held`), incidents of the workspace (`pipeline.incidents`).

Of all verdicts about an event, those about its principal's hour included, the newest counts. ``unsure`` takes an
earlier one back.
"""

import enum
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import storable
from s3sentinel_assets.ledger.schema import verdict

__all__ = [
    "Origin",
    "RecordedVerdict",
    "Verdict",
    "Word",
    "newest_incident",
    "record_verdicts",
    "verdicts",
]

_LENGTH = 255


class Word(enum.StrEnum):
    """What an analyst says."""

    ATTACK = "attack"
    BENIGN = "benign"
    UNSURE = "unsure"


class Origin(enum.StrEnum):
    """Where a verdict comes from."""

    COMMAND = "command"
    INCIDENT = "incident"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One verdict: about an event if ``event_id`` is there, else about what a principal did in an hour.

    Attributes:
        at: when it was given, microseconds.
        given_by: who.
        verdict: what.
        origin: from where.
        source: the source it is about; None: any.
        event_id: ``EventId_CF``.
        account: of the principal; None: any.
        principal: of the event, or whose hour it is about.
        hour: the hour of the event's part, or the hour it is about.
        technique: MITRE ATT&CK ids, comma-separated.
        note: in the analyst's words.
        incident: its number or id.
    """

    at: int
    given_by: str
    verdict: Word
    origin: Origin = Origin.COMMAND
    incident: str | None = None
    source: str | None = None
    event_id: str | None = None
    account: str | None = None
    principal: str | None = None
    hour: str | None = None
    technique: str | None = None
    note: str | None = None

    def covers(self, other: "Verdict") -> bool:
        """Whether this one is about everything that the other is about."""
        if self.event_id is not None:
            return self.event_id == other.event_id
        pairs = ((self.account, other.account), (self.source, other.source))
        same = (self.principal, self.hour) == (other.principal, other.hour)
        return same and all(mine in (None, theirs) for mine, theirs in pairs)

    def touches(self, other: "Verdict") -> bool:
        """Whether some event may be what both are about."""
        if self.event_id is not None and other.event_id is not None:
            return self.event_id == other.event_id
        pairs = ((self.account, other.account), (self.source, other.source))
        same = (self.principal, self.hour) == (other.principal, other.hour)
        return same and all(None in pair or pair[0] == pair[1] for pair in pairs)


@dataclass(frozen=True, kw_only=True)
class RecordedVerdict(Verdict):
    """A verdict as it was written down."""

    id: int

    def taken_back(self, at: int, given_by: str) -> Verdict:
        """A new verdict about the same: that nobody can tell."""
        values = {name: value for name, value in asdict(self).items() if name != "id"}
        return Verdict(**values | {"at": at, "given_by": given_by, "verdict": Word.UNSURE})


def record_verdicts(connection: Connection, given: Sequence[Verdict]) -> list[int]:
    """Appends verdicts; returns their ids."""
    ids = []
    for one in given:
        values: dict[str, Any] = {
            name: storable(value) if type(value) is str else value for name, value in asdict(one).items()
        }
        for name in ("given_by", "incident", "event_id", "account", "technique"):
            values[name] = (values[name] or "")[:_LENGTH] or None
        values |= {"verdict": one.verdict.value, "origin": one.origin.value}
        ids.append(connection.execute(sa.insert(verdict).values(**values).returning(verdict.c.id)).scalar_one())
    return ids


def verdicts(
    connection: Connection,
    *,
    since: int | None = None,
    until: int | None = None,
    source: str | None = None,
    hours: Collection[str] | None = None,
    event_ids: Collection[str] | None = None,
    origin: Origin | None = None,
    limit: int | None = None,
) -> list[RecordedVerdict]:
    """Verdicts in the order in which they were given; the later one of two about the same thing counts.

    Args:
        connection: to the ledger.
        since: given at this instant or later.
        until: given at this instant or before.
        source: about this source, or about any.
        hours: about these hours.
        event_ids: about these events.
        origin: from there only.
        limit: the newest only, so many.
    """
    found: list[RecordedVerdict] = []
    conditions = [
        sa.true() if since is None else verdict.c.at >= since,
        sa.true() if until is None else verdict.c.at <= until,
        sa.true() if source is None else sa.or_(verdict.c.source == source, verdict.c.source.is_(None)),
        sa.true() if origin is None else verdict.c.origin == origin.value,
        sa.true() if hours is None else verdict.c.hour.in_(sorted(hours)),
    ]
    for chunk in [None] if event_ids is None else _chunks(sorted(event_ids)):
        about = sa.true() if chunk is None else verdict.c.event_id.in_(chunk)
        query = sa.select(verdict).where(*conditions, about).order_by(verdict.c.at.desc(), verdict.c.id.desc())
        found += [_recorded(row) for row in connection.execute(query.limit(limit)).mappings()]
    return sorted(found, key=lambda one: (one.at, one.id))


def newest_incident(connection: Connection) -> int | None:
    """When the newest verdict from an incident was given there; None if there is none."""
    return connection.execute(
        sa.select(sa.func.max(verdict.c.at)).where(verdict.c.origin == Origin.INCIDENT.value)
    ).scalar_one()


def _recorded(row: sa.RowMapping) -> RecordedVerdict:
    values = dict(row)
    return RecordedVerdict(**values | {"verdict": Word(values["verdict"]), "origin": Origin(values["origin"])})


def _chunks(values: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
