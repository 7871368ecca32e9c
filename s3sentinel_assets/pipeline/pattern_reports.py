"""What the patterns of an hour tell, once it is sealed: rows for ``S3Patterns_CL`` and a report for the UI.

Belongs here: an hour's changes as rows and sentences. Does not belong here: finding changes (``ml.patterns``), severity
(``checks``), planning (`hour_rows`).

Templates come from logs, so sentences name changes by number and id only; the templates stand in the table.
"""

import hashlib
import json
from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.hours import hour_end, hour_start, shift_hour
from s3sentinel_assets.ledger.accounts import CheckReport
from s3sentinel_assets.ledger.catalogues import newest_catalogue
from s3sentinel_assets.ledger.hours import sealed_hours
from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.schema import BatchKind, Stage
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.ledger.states import pin_of
from s3sentinel_assets.pipeline.patterns import LEFT_OUT, hour_counts, hours_before, load_catalogue
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["PatternReport", "pattern_report"]

#: Changes of one kind that are told of an hour; of more than that the number is.
TOLD = 50
_TEMPLATE_CHARACTERS = 1_000
_WORDS = {"new": "new", "vanished": "missing", "rate": "out of the usual rate"}


@dataclass(frozen=True)
class PatternReport:
    """What the patterns of an hour tell.

    Attributes:
        report: passed where nothing has changed.
        rows: the changes, in the columns of ``S3Patterns_CL`` with ``EventId_CF``; JSON as text.
        planned: how many of them were planned for delivery now.
        sealed: whether the hour is sealed; before that nothing is told.
    """

    report: CheckReport
    rows: pl.DataFrame
    planned: int
    sealed: bool


def pattern_report(runtime: Runtime, source: str, hour: str) -> PatternReport:
    """Tells what has changed in a sealed hour, and plans the rows that say so. Repeating it plans nothing twice.

    Raises:
        UserError: a stage file is missing or damaged.
    """
    from s3sentinel_assets.ml.patterns import CHANGE_SCHEMA, absences, changes
    from s3sentinel_assets.ml.patterns.counting import add_up
    from s3sentinel_assets.ml.patterns.rates import LEARNING_HOURS

    with runtime.ledger.read() as connection:
        closed = sealed_hours(connection, source)
        newest = newest_catalogue(connection, source, hour[:10])
    sealed = hour in closed
    catalogue = load_catalogue(runtime.store, newest)
    counts, unscored = hour_counts(runtime, source, hour, catalogue)
    numbers: dict[str, int | str] = {"patterns": counts.height, "events": int(counts["events"].sum())}
    nothing = _rows(pl.DataFrame(schema=CHANGE_SCHEMA), source, hour, "")
    if not sealed or newest is None or catalogue is None or catalogue.hours < LEARNING_HOURS:
        numbers["hours_learnt"] = catalogue.hours if catalogue else 0
        numbers["hours_needed"] = LEARNING_HOURS
        return PatternReport(CheckReport(passed=True, counts=numbers, problems=[]), nothing, 0, sealed)
    last = shift_hour(hour, -1)
    earlier = sorted({last, *hours_before(catalogue.day, hour)})
    frames = {key: hour_counts(runtime, source, key, catalogue) for key in earlier}
    frames[hour] = counts, unscored
    cut = _cut_short(runtime, source, list(frames), newest.id)
    before, _ = add_up(frame for key, (frame, _) in frames.items() if catalogue.day <= key < hour)
    came = pl.concat([frame.select("pattern", hour=pl.lit(key)) for key, (frame, _) in frames.items()])
    # An hour without anything that is not sealed has not been looked at yet.
    whole = {
        key: frame
        for key, (frame, waiting) in frames.items()
        if not waiting and key not in cut and (frame.height or key in closed)
    }
    away = absences(catalogue, came, whole)
    found = changes(catalogue, counts, before, whole.get(last), hour, last, away)
    if unscored or hour in cut:
        # What is not counted yet, or was counted among too many, has not vanished.
        found = found.filter((pl.col("change") == "new") | (pl.col("events") > pl.col("usual")))
        away = away.clear()
        numbers |= {"parts_not_scored": unscored} if unscored else {}
        numbers |= {"parts_counted_in_part": cut[hour]} if hour in cut else {}
    numbers |= {"known_patterns": catalogue.templates.height, "catalogue_day": catalogue.day}
    kinds = dict(found["change"].value_counts(sort=True).sort("change").iter_rows())
    numbers |= {f"{kind}_patterns": kinds.get(kind, 0) for kind in _WORDS}
    told = found.group_by("change", maintain_order=True).head(TOLD)
    rows = _rows(told, source, hour, catalogue.day)
    from s3sentinel_assets.pipeline.hour_rows import plan_hour_rows

    planned = plan_hour_rows(runtime, source, hour, BatchKind.PATTERNS, rows)
    still = away.filter(pl.col("missed") < hour)
    problems = _problems(kinds, still)
    numbers |= {"patterns_away": still.height, "away_since": _since(still)} if still.height else {}
    if not counts.height and (kinds.get("vanished") or still.height):
        ever = [key for key, (frame, _) in frames.items() if frame.height]
        since = shift_hour(max([str(catalogue.templates["last_hour"].max()), *ever]), 1)
        begins = "nothing came at all in an hour in which there always was something"
        problems.insert(0, begins if since == hour else f"nothing has come at all since {since}")
    return PatternReport(CheckReport(not problems, numbers, problems), rows, planned, sealed)


def _problems(kinds: dict[str, int], still: pl.DataFrame) -> list[str]:
    """What has changed, and who stays away, in sentences."""
    problems = [
        f"{kinds[kind]:,} {'pattern is' if kinds[kind] == 1 else 'patterns are'} {words}"
        for kind, words in _WORDS.items()
        if kinds.get(kind)
    ]
    if still.height == 1:
        problems.append(f"1 pattern that was missing before stays away, since {_since(still)}")
    elif still.height:
        problems.append(
            f"{still.height:,} patterns that were missing before stay away, the first since {_since(still)}"
        )
    return problems


def _since(away: pl.DataFrame) -> str:
    return shift_hour(str(away["last_hour"].min()), 1)


def _cut_short(runtime: Runtime, source: str, hours: list[str], catalogue_id: int) -> dict[str, int]:
    """Hour → how many of its parts left patterns out and were counted with another catalogue.

    That catalogue need not have known the same patterns.
    """
    found = dict[str, int]()
    with runtime.ledger.read() as connection:
        hour_of = {part.id: hour for hour in set(hours) for part in parts_of_hour(connection, source, hour)}
        scored = latest_stages(connection, sorted(hour_of), Stage.SCORED)
        cut = [result for result in scored.values() if result.counts.get(LEFT_OUT)]
        for result in cut:
            pin = pin_of(connection, result.part_id, result.generation)
            if pin is None or pin.catalogue_id != catalogue_id:
                found[hour_of[result.part_id]] = found.get(hour_of[result.part_id], 0) + 1
    return found


def _rows(found: pl.DataFrame, source: str, hour: str, day: str) -> pl.DataFrame:
    """Changes in the columns of the table."""
    from s3sentinel_assets.ml.patterns import printable

    texts = [
        printable(head, body, path=path)[:_TEMPLATE_CHARACTERS]
        for head, body, path in found.select("head", "body", "path").iter_rows()
    ]
    # A new kind has the id of its first event so far: with a late part that may be another one. Its template stays.
    named = [
        (log_format, head, body, change) if change == "new" else (pattern, change)
        for pattern, change, log_format, head, body in found.select(
            "pattern", "change", "format", "head", "body"
        ).iter_rows()
    ]
    ids = [hashlib.sha256("\x1f".join((source, hour, *name)).encode()).hexdigest()[:32] for name in named]
    event_ids = [json.dumps(events or []) for events in found["event_ids"].to_list()]
    instant = pl.Datetime("us", "UTC")
    return found.select(
        pl.lit(hour_end(hour)).cast(instant).alias("TimeGenerated"),
        pl.lit(hour_start(hour)).cast(instant).alias("HourStart"),
        pl.lit(source).alias("SourceName"),
        pl.col("table").alias("SourceTable"),
        pl.col("format").alias("LogFormat"),
        pl.col("pattern").alias("Pattern"),
        pl.col("change").alias("Change"),
        pl.Series("Template", texts, dtype=pl.String),
        pl.col("events").alias("Events"),
        pl.col("usual").round(2).alias("UsualEvents"),
        pl.col("first_time").alias("FirstEvent"),
        pl.Series("EventIds", event_ids, dtype=pl.String),
        pl.lit(day).alias("CatalogueDay"),
        pl.Series("EventId_CF", ids, dtype=pl.String),
    )
