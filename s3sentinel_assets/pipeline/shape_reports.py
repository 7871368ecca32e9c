"""How the shape of an hour's rows differs from that of earlier hours, in sentences.

Belongs here: reading shapes, comparing, and saying what was found. Does not belong here: the tests themselves
(`shape_changes`), severity (``checks``).

Names from logs reach the sentences only as far as they are plain (`parsed_reports.plain`), because the UI shows
sentences as Markdown. Samples are among a report's counts, which it shows as text.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from s3sentinel_assets.ledger.accounts import CheckReport
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.shapes import Shape, newest_between, shapes_between, shapes_of_hour
from s3sentinel_assets.pipeline.parsed_reports import plain
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.shape import merged
from s3sentinel_assets.pipeline.shape_changes import (
    Change,
    History,
    What,
    changes,
    history_of,
    history_window,
    null_rate_changes,
)

__all__ = ["hour_shapes", "null_rate_report", "shape_report"]

_NAMED = 20
#: Ledger → source → the history asked for last, with what tells whether it is still the same.
_kept: WeakKeyDictionary[Ledger, dict[str, tuple[tuple[str, str, int, int], History]]] = WeakKeyDictionary()


def hour_shapes(runtime: Runtime, source: str, hour: str) -> list[Shape]:
    """What the hour's rows look like, one shape for each format and table; empty where none is kept."""
    with runtime.ledger.read() as connection:
        return merged(shapes_of_hour(connection, source, hour))


def shape_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether the hour's rows show a new format, unknown field or misfit, or lack a column; see `changes`."""
    return _compared(runtime, source, hour, changes)


def null_rate_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether columns are null more or less often than in earlier hours; see `null_rate_changes`."""
    return _compared(runtime, source, hour, null_rate_changes)


def _history(ledger: Ledger, source: str, hour: str) -> History:
    """The hours that ``hour`` is compared with. All hours of a day have the same ones, so the last answer is kept."""
    window = history_window(hour)
    with ledger.read() as connection:
        key = (*window, *newest_between(connection, source, *window))
        kept = _kept.setdefault(ledger, {}).get(source)
        if kept is None or kept[0] != key:
            kept = _kept[ledger][source] = key, history_of(shapes_between(connection, source, *window))
    return kept[1]


def _compared(
    runtime: Runtime, source: str, hour: str, compare: Callable[[list[Shape], History], list[Change]]
) -> CheckReport:
    now = hour_shapes(runtime, source, hour)
    history: History = {}
    if now:
        history = _history(runtime.ledger, source, hour)
    found = compare(now, history)
    counts: dict[str, int | str] = {
        "rows": sum(entry.rows for entry in now),
        "history_hours": len({key for hours in history.values() for key in hours}),
        "changes": len(found),
    }
    for change in found[:_NAMED]:
        if change.event_id:
            counts[f"sample of {plain(change.name)}"] = f"{change.sample} (event {change.event_id})"
    return CheckReport(not found, counts, [_sentence(change) for change in found])


def _sentence(change: Change) -> str:
    about = "about " if change.estimated else ""
    where, name = f"{change.format} in {change.table}", plain(change.name)
    match change.what:
        case What.KIND:
            return f"{where} is new in this source: {change.records:,} rows"
        case What.FIELD:
            return f"{where}: unknown field {name} is new, in {about}{change.records:,} records"
        case What.DRIFT:
            return f"{where}: {name} is new, in {about}{change.records:,} records: values that do not fit their column"
        case What.CROWDED:
            return f"{where}: so many unknown fields that their names must be values; new ones are not told"
        case What.VANISHED:
            return (
                f"{where}: column {name} is empty in all {change.records:,} rows, was filled in {1 - change.was:.1%} "
                f"({change.hours} earlier hours)"
            )
        case What.NULL_RATE:
            return (
                f"{where}: column {name} was null in {change.was:.1%} of the rows, is in {change.now:.1%} of "
                f"{change.records:,} ({change.hours} earlier hours)"
            )
