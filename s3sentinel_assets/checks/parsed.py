"""The checks of ``parsed_logs``: schema, event-time bounds, and the integrity of CloudTrail's files."""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.checks.verdict import ERROR, WARN, from_report, guarded, specs_of
from s3sentinel_assets.resources import Stages

__all__ = ["check_integrity", "check_parsed", "parsed_check_specs"]

_INTEGRITY = {
    "integrity": "What CloudTrail's own digest files say of the hour's log files: changed, deleted or added ones are "
    "errors, so is a digest that fails, or is missing while its chain goes on. "
    "Digests come about an hour later; until then files are pending.",
}
_PARSED = {
    "schema": "The hour's files have exactly the columns and types of the Sentinel table. Sentinel drops other columns "
    "without a word, so this is an error.",
    "event_time_bounds": "Event times are there and lie near the hour the logs arrived in: at most a day before it, an "
    "hour after it. A warning at most: such events are delivered as they are.",
}


def parsed_check_specs(
    source: str, hours: dg.HourlyPartitionsDefinition, *, integrity: bool
) -> list[dg.AssetCheckSpec]:
    """The checks of ``parsed_logs``; with ``integrity`` where CloudTrail's digests are verified."""
    return specs_of(dg.AssetKey([source, "parsed_logs"]), _PARSED | (_INTEGRITY if integrity else {}), hours)


def check_parsed(
    stages: Stages, source: str, hour: str, *, integrity: bool = False
) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates ``schema`` and ``event_time_bounds`` of one hour, and ``integrity`` if asked."""
    asset = dg.AssetKey([source, "parsed_logs"])

    def schema() -> dg.AssetCheckEvaluation:
        report = stages.schema_report(source, hour)
        good = "every stage file has the table's columns and types"
        return from_report(asset, "schema", hour, report, ERROR, good)

    def event_time_bounds() -> dg.AssetCheckEvaluation:
        # Old or future times are delivered as they are; they are worth a look, nothing is lost.
        report = stages.event_time_report(source, hour)
        return from_report(asset, "event_time_bounds", hour, report, WARN, "all event times lie near the hour")

    yield guarded(asset, "schema", hour, schema)
    yield guarded(asset, "event_time_bounds", hour, event_time_bounds)
    if integrity:
        yield check_integrity(stages, source, hour)


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
