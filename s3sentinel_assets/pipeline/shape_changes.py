"""An hour's shapes against those of the source's own earlier hours: what is new, gone, or filled otherwise.

Belongs here: the tests and their thresholds, as pure functions of `Shape`. Does not belong here: measuring (`shape`),
keeping (`ledger.shapes`), sentences (`parsed_reports`).

An hour is compared with the hours of the same source, format and table in the `HISTORY_DAYS` days before the **day** of
the hour (UTC). So a change that stays is told in every hour of the day on which it comes up, and is history the next
day; and an hour's verdict does not depend on which other hours of its day are there yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import groupby
from math import sqrt
from operator import itemgetter
from statistics import median

from s3sentinel_assets.hours import hour_key, hour_start
from s3sentinel_assets.ledger.shapes import Shape
from s3sentinel_assets.pipeline.shape import merged

__all__ = ["Change", "History", "What", "changes", "history_of", "history_window", "null_rate_changes"]

HISTORY_DAYS = 14
#: History that rates are compared with: so many hours, so many rows in them.
HISTORY_HOURS, HISTORY_ROWS = 24, 1_000
#: Rows without which an hour's rates mean nothing.
HOUR_ROWS = 20
#: From this share of filled rows on, a column counts as nearly always filled.
NEARLY_ALWAYS = 0.99
#: A null rate is told when it is off by more than this…
RATE_POINTS = 0.10
#: …and by more than so many deviations…
RATE_DEVIATIONS = 4.0
#: …and when fewer of the earlier hours than this were as far off on the same side: nights, week-ends.
RATE_SEEN_BEFORE = 0.05
_MAD_TO_DEVIATION = 1.4826  # of the median absolute deviation, for a normal distribution

#: Format and table → hour → shape of all its rows.
History = Mapping[tuple[str, str], Mapping[str, Shape]]


class What(StrEnum):
    """What changed."""

    KIND = "kind"  # a format or table that the source did not have
    FIELD = "field"  # an unknown field that was not there
    DRIFT = "drift"  # values of a kind that did not fit before now
    VANISHED = "vanished"  # a column that was filled and no longer is
    CROWDED = "crowded"  # so many unknown fields that their names are values
    NULL_RATE = "null_rate"  # a column that is null more or less often


@dataclass(frozen=True)
class Change:
    """One difference between an hour and its history.

    Attributes:
        what: the kind of difference.
        format: the log format.
        table: the Sentinel table.
        name: column, unknown field or flag; empty for a new format or table.
        records: rows it is about; for a null rate, rows of the hour.
        sample: a value, if there is one.
        event_id: of the row with the sample.
        was: null rate in the history, for columns.
        now: null rate in the hour, for columns.
        hours: hours of history it was compared with.
        estimated: ``records`` is reckoned up.
    """

    what: What
    format: str
    table: str
    name: str
    records: int
    sample: str = ""
    event_id: str = ""
    was: float = 0.0
    now: float = 0.0
    hours: int = 0
    estimated: bool = False


def history_window(hour: str) -> tuple[str, str]:
    """First and last hour of the history of ``hour``."""
    day = hour_start(hour).replace(hour=0)
    return hour_key(day - timedelta(days=HISTORY_DAYS)), hour_key(day - timedelta(hours=1))


def history_of(shapes: Iterable[tuple[str, Shape]]) -> History:
    """The shapes of the parts of several hours, put together hour by hour; best in order, then no more are held."""
    found: dict[tuple[str, str], dict[str, Shape]] = {}
    for hour, parts in groupby(shapes, key=itemgetter(0)):
        for entry in merged(shape for _, shape in parts):
            hours = found.setdefault((entry.format, entry.table), {})
            hours[hour] = merged([hours[hour], entry])[0] if hour in hours else entry
    return found


def changes(now: Sequence[Shape], history: History) -> list[Change]:
    """What is new in an hour, and what is gone.

    Args:
        now: the hour's shapes, one for each format and table.
        history: the hours to compare with; empty: nothing is new, since all is.

    Returns:
        Of a format and table that were not there before, only that. Of the others: unknown fields and misfits that no
        earlier hour had, and columns that are empty now and were filled in at least `NEARLY_ALWAYS` of the rows.
    """
    found: list[Change] = []
    for entry in now if history else ():
        past = history.get((entry.format, entry.table))
        if past is None:
            found.append(Change(What.KIND, entry.format, entry.table, "", entry.rows))
            continue
        found += _new_names(entry, list(past.values())) + _vanished(entry, list(past.values()))
    return found


def _new_names(entry: Shape, past: list[Shape]) -> list[Change]:
    found: list[Change] = []
    if entry.crowded or any(shape.crowded for shape in past):
        # Names that were not kept cannot be told from new ones; a crowd is told once, on its first day.
        if not any(shape.crowded for shape in past):
            found.append(Change(What.CROWDED, entry.format, entry.table, "", entry.rows, hours=len(past)))
    else:
        known = {name for shape in past for name in shape.fields}
        found += _sightings(What.FIELD, entry, known, len(past))
    return found + _sightings(What.DRIFT, entry, {name for shape in past for name in shape.drift}, len(past))


def _sightings(what: What, entry: Shape, known: set[str], hours: int) -> list[Change]:
    sightings = entry.fields if what is What.FIELD else entry.drift
    return [
        Change(
            what,
            entry.format,
            entry.table,
            name,
            seen.records,
            seen.sample,
            seen.event_id,
            hours=hours,
            estimated=entry.estimated,
        )
        for name, seen in sorted(sightings.items(), key=lambda item: (-item[1].records, item[0]))
        if name not in known
    ]


def _vanished(entry: Shape, past: list[Shape]) -> list[Change]:
    rows = sum(shape.rows for shape in past)
    if entry.rows < HOUR_ROWS or len(past) < HISTORY_HOURS or rows < HISTORY_ROWS:
        return []
    filled: dict[str, int] = {}
    for shape in past:
        for column, count in shape.filled.items():
            filled[column] = filled.get(column, 0) + count
    return [
        Change(
            What.VANISHED,
            entry.format,
            entry.table,
            column,
            entry.rows,
            was=1 - count / rows,
            now=1.0,
            hours=len(past),
        )
        for column, count in filled.items()
        if count >= NEARLY_ALWAYS * rows and not entry.filled.get(column)
    ]


def null_rate_changes(now: Sequence[Shape], history: History) -> list[Change]:
    """Columns whose null rate differs from what it was, beyond chance and habit.

    For each format and table with at least `HISTORY_HOURS` hours of `HOUR_ROWS` rows or more, `HISTORY_ROWS` rows
    together: let ``was`` be the median of the hourly null rates of a column, and ``now`` the hour's. It is told when

    * they differ by more than `RATE_POINTS`, and
    * by more than `RATE_DEVIATIONS` times ``sqrt(d² + e²)``, where ``d`` is the robust deviation of the hourly rates
      (1.4826 × their median absolute deviation) and ``e`` the standard error of a rate in as few rows as the hour has;
    * and less than `RATE_SEEN_BEFORE` of the earlier hours had a rate as far off on the same side.

    The last rule keeps regular patterns quiet, whose minority the median does not see. Columns that are gone altogether
    are told by `changes`.

    Returns:
        The changes, the biggest difference first.
    """
    found: list[Change] = []
    for entry in now:
        whole = list(history.get((entry.format, entry.table), {}).values())
        past = [shape for shape in whole if shape.rows >= HOUR_ROWS]
        rows = sum(shape.rows for shape in past)
        if entry.rows < HOUR_ROWS or len(past) < HISTORY_HOURS or rows < HISTORY_ROWS:
            continue
        gone = {change.name for change in _vanished(entry, whole)}
        columns = dict.fromkeys(column for shape in (*past, entry) for column in shape.filled)
        for column in columns:
            rates = [1 - shape.filled.get(column, 0) / shape.rows for shape in past]
            rate = 1 - entry.filled.get(column, 0) / entry.rows
            was = median(rates)
            if column not in gone and _differs(rate, was, rates, entry.rows):
                found.append(
                    Change(
                        What.NULL_RATE,
                        entry.format,
                        entry.table,
                        column,
                        entry.rows,
                        was=was,
                        now=rate,
                        hours=len(past),
                    )
                )
    return sorted(found, key=lambda change: -abs(change.now - change.was))


def _differs(rate: float, was: float, rates: list[float], rows: int) -> bool:
    """The test of `null_rate_changes`."""
    off = rate - was
    if abs(off) <= RATE_POINTS:
        return False
    deviation = _MAD_TO_DEVIATION * median(abs(one - was) for one in rates)
    smoothed = (was * rows + 1) / (rows + 2)  # a rate of exactly 0 or 1 has an error too
    error = sqrt(smoothed * (1 - smoothed) / rows)
    if abs(off) <= RATE_DEVIATIONS * sqrt(deviation**2 + error**2):
        return False
    as_far = sum(1 for one in rates if (one >= rate if off > 0 else one <= rate))
    return as_far < RATE_SEEN_BEFORE * len(rates)
