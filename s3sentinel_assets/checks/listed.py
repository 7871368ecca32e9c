"""The check of ``raw_logs``: listing = ledger."""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.checks.verdict import ERROR, WARN, from_report, guarded, specs_of
from s3sentinel_assets.resources import Stages

__all__ = ["check_listed", "raw_check_specs"]

_RAW = {
    "listing": "The ledger holds exactly the objects that the newest listing of the whole hour showed: listing = "
    "ledger, compared by number and by identity. With a queue it also shows what only listings and what only "
    "notifications have found.",
}


def raw_check_specs(source: str, hours: dg.HourlyPartitionsDefinition) -> list[dg.AssetCheckSpec]:
    """The checks of ``raw_logs``."""
    return specs_of(dg.AssetKey([source, "raw_logs"]), _RAW, hours)


def check_listed(stages: Stages, source: str, hour: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluates ``listing`` of one hour."""
    asset = dg.AssetKey([source, "raw_logs"])

    def listing() -> dg.AssetCheckEvaluation:
        report = stages.listing_report(source, hour)
        listed, gone = report.counts.get("listed", 0), report.counts.get("gone_from_bucket", 0)
        good = f"listing = ledger: {listed:,} objects"
        if gone:
            good += f"; {gone:,} more were recorded and are gone from the bucket since"
        # Never listed is a warning; an object that was listed and is not in the ledger would be a loss.
        severity = ERROR if report.counts.get("listed_at") else WARN
        return from_report(asset, "listing", hour, report, severity, good)

    yield guarded(asset, "listing", hour, listing)
