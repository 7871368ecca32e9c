"""The check ``patterns`` of ``scored_logs``: new, vanished and rate-breaking kinds of events in a sealed hour.

Belongs here: the verdict and its table. Does not belong here: finding changes (`pipeline.pattern_reports`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from s3sentinel_assets.checks.verdict import WARN, from_report, guarded, specs_of
from s3sentinel_assets.resources import Stages

if TYPE_CHECKING:
    from s3sentinel_assets.pipeline.pattern_reports import PatternReport

__all__ = ["check_patterns", "pattern_check_specs"]

_PATTERNS = {
    "patterns": "The kinds of events of the hour are those that are known, none that always comes is missing (a source "
    "that has fallen silent may have been silenced), and none comes far more or less often than at this time of day. "
    "What was missing stays a warning until it comes again; a kind that others outlive by 30 days is out of use. "
    "Made when the hour is sealed, once three days are learnt; less than one false alarm of a vanished kind or a rate "
    "in a day is expected. A warning at most; the same rows go to `S3Patterns_CL`.",
}
_SHOWN = 20
_COLUMNS = ("Change", "Pattern", "Events", "UsualEvents", "Template")
_CELL = 300


def pattern_check_specs(source: str, hours: dg.HourlyPartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """The check of ``scored_logs``."""
    return specs_of(dg.AssetKey([source, "scored_logs"]), _PATTERNS, hours)


def check_patterns(stages: Stages, source: str, hour: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates ``patterns`` of one hour if it is sealed; plans the rows that tell of its changes."""
    asset = dg.AssetKey([source, "scored_logs"])
    unsealed = False

    def evaluate() -> dg.AssetCheckEvaluation:
        nonlocal unsealed
        told = stages.pattern_report(source, hour)
        unsealed = not told.sealed
        found = from_report(asset, "patterns", hour, told.report, WARN, _good(told))
        if told.rows.is_empty():
            return found
        return dg.AssetCheckEvaluation(
            asset_key=found.asset_key,
            check_name=found.check_name,
            passed=found.passed,
            severity=found.severity,
            description=found.description,
            metadata={**found.metadata, "changes": _table(told)},
            blocking=False,
            partition=hour,
        )

    evaluation = guarded(asset, "patterns", hour, evaluate)
    if not unsealed:
        yield evaluation


def _good(told: "PatternReport") -> str:
    counts = told.report.counts
    if "hours_needed" in counts:
        return f"still learning: {counts['hours_learnt']} of {counts['hours_needed']} hours"
    if counts.get("parts_not_scored"):
        return f"{counts['parts_not_scored']:,} parts are not scored yet; what is counted so far is known"
    if not counts.get("patterns"):
        return "nothing came, and nothing is missed at this time of day"
    return f"all {counts['patterns']:,} patterns are known and come as usual"


def _table(told: "PatternReport") -> dg.TableMetadataValue:
    rows = told.rows.select(_COLUMNS).head(_SHOWN)
    kinds = {"Events": "int", "UsualEvents": "float"}

    def cell(value: object) -> str | int | float:
        return value if isinstance(value, int | float) else "" if value is None else str(value)[:_CELL]

    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: cell(value) for name, value in row.items()}) for row in rows.iter_rows(named=True)
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, kinds.get(name, "string")) for name in _COLUMNS]),
    )
