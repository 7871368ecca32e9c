"""The checks of ``parsed_logs``: schema, records, event times, shape and null rates, integrity of CloudTrail's files.

Belongs here: severities, and what a check that passed says. Does not belong here: looking (`pipeline.parsed_reports`,
`pipeline.shape_reports`, `pipeline.proofs`).
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import dagster as dg

from s3sentinel_assets.checks.verdict import ERROR, WARN, from_report, guarded, specs_of
from s3sentinel_assets.resources import Stages

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.accounts import CheckReport

__all__ = ["check_integrity", "check_parsed", "parsed_check_specs"]

_INTEGRITY = {
    "integrity": "What CloudTrail's own digest files say of the hour's log files: changed, deleted or added ones are "
    "errors, so is a digest that fails, or is missing while its chain goes on. "
    "Digests come about an hour later; until then files are pending.",
}
_PARSED = {
    "schema": "The hour's files have exactly the columns and types of their Sentinel tables. Sentinel drops other "
    "columns without a word, so this is an error.",
    "records": "Every record read from an object is a row in the hour's files, in quarantine or filtered, object by "
    "object: by the ledger, and counted again in the files themselves. Anything else is a loss or a duplicate, so "
    "this is an error.",
    "event_time_bounds": "Event times are there and lie near the hour the logs arrived in: at most a day before it, an "
    "hour after it; tables of findings and snapshots may be older. A warning at most: such events are delivered as "
    "they are.",
    "shape": "The hour's rows look like those of the 14 days before its day: no format or table, unknown field or "
    "misfit (a value that does not fit its column) that is new, and no column empty that was always filled. A change "
    "is told on the day it comes up and is history the next day. A warning at most: nothing is lost, unknown fields "
    "are kept in `ExtraFields_CF`.",
    "null_rates": "No column is null much more or less often than in the 14 days before the hour's day: by more than "
    "10 percentage points, 4 robust deviations of the hourly rates, and further than 95 % of the hours. Needs 24 hours "
    "and 1,000 rows to compare with. A warning at most.",
}


def parsed_check_specs(
    source: str, hours: dg.HourlyPartitionsDefinition, *, integrity: bool
) -> list[dg.AssetCheckSpec]:
    """The checks of ``parsed_logs``; with ``integrity`` where CloudTrail's digests are verified."""
    return specs_of(dg.AssetKey([source, "parsed_logs"]), _PARSED | (_INTEGRITY if integrity else {}), hours)


def check_parsed(
    stages: Stages, source: str, hour: str, *, integrity: bool = False
) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates every check of one hour; ``integrity`` if asked."""
    asset = dg.AssetKey([source, "parsed_logs"])

    def check(
        name: str,
        look: "Callable[[str, str], CheckReport]",
        severity: dg.AssetCheckSeverity,
        good: "Callable[[CheckReport], str]",
    ) -> dg.AssetCheckEvaluation:
        def evaluate() -> dg.AssetCheckEvaluation:
            report = look(source, hour)
            return from_report(asset, name, hour, report, severity, good(report))

        return guarded(asset, name, hour, evaluate)

    yield check("schema", stages.schema_report, ERROR, lambda _: "every stage file has its table's columns and types")
    yield check("records", stages.records_report, ERROR, _records_add_up)
    # Old or future times are delivered as they are; they are worth a look, nothing is lost. So are the others.
    yield check("event_time_bounds", stages.event_time_report, WARN, lambda _: "all event times lie near the hour")
    yield check("shape", stages.shape_report, WARN, lambda report: _as_before(report, "the rows look as they did"))
    yield check(
        "null_rates", stages.null_rate_report, WARN, lambda report: _as_before(report, "null rates are as they were")
    )
    if integrity:
        yield check_integrity(stages, source, hour)


def _records_add_up(report: "CheckReport") -> str:
    counts = report.counts
    return (
        f"{counts.get('records', 0):,} records read = {counts.get('rows', 0):,} rows + "
        f"{counts.get('quarantined', 0):,} quarantined + {counts.get('filtered', 0):,} filtered, object by object and "
        "in the files"
    )


def _as_before(report: "CheckReport", good: str) -> str:
    """What a comparison with earlier hours says where it found nothing."""
    if not report.counts.get("rows"):
        return "nothing to compare: no rows, or none whose shape is kept (60 days)"
    hours = report.counts.get("history_hours", 0)
    if not hours:
        return "nothing to compare with yet: no earlier day of the last 14 has rows"
    return f"{good} in {hours:,} hours of earlier days"


def check_integrity(stages: Stages, source: str, hour: str) -> dg.AssetCheckEvaluation:
    """Evaluates ``integrity`` of one hour: digests come later than the logs, so it is made again by the sweep."""
    asset = dg.AssetKey([source, "parsed_logs"])

    def evaluate() -> dg.AssetCheckEvaluation:
        report = stages.integrity_report(source, hour)
        counts = report.counts
        shown = [f"{counts[name]:,} {name}" for name in ("verified", "pending", "unproved") if counts.get(name)]
        good = ", ".join(shown) or "no log file of the hour is covered by digest files"
        return from_report(asset, "integrity", hour, report, ERROR if counts.get("tampered") else WARN, good)

    return guarded(asset, "integrity", hour, evaluate)
