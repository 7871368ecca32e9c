"""The one resource: the pipeline's stages bound to a runtime, so that tests can put others in their place.

Belongs here: which stage functions assets, checks, sensors and schedules may call, and the names of the concurrency
pools. Does not belong here: connections (`pipeline.runtime`) and work (the other modules of ``pipeline``).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from s3sentinel_assets.hours import hour_key, hour_range, utc_now
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.accounts import Account, CheckReport, Proof
    from s3sentinel_assets.ledger.shapes import Shape
    from s3sentinel_assets.pipeline.pattern_reports import PatternReport
    from s3sentinel_assets.pipeline.progress import DeliveryProgress, Figure
    from s3sentinel_assets.pipeline.work import Touched
    from s3sentinel_assets.s3.key_grammar import KeyFilter
    from s3sentinel_assets.sentinel.cost import Cost

__all__ = ["S3_POOL", "SENTINEL_POOL", "Stages"]

S3_POOL = "s3"
SENTINEL_POOL = "sentinel"


class Stages:
    """What the Dagster layer asks of the pipeline. Each stage is imported when first used: loading stays quick.

    Every method may raise `UserError` with a sentence for the user.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def discover(
        self, source: str, hours: Sequence[str], only: "KeyFilter | None" = None, ask_again: bool = False
    ) -> dict[str, StageSummary]:
        """Lists the source once for these hours and puts new objects into parts; ``only`` narrows both."""
        from s3sentinel_assets.pipeline import discovery

        return discovery.discover(self.runtime, source, hours, only, ask_again=ask_again)

    def touched_hours(self, source: str) -> "Touched":
        """Looks into queue and bucket; the hours with something to do."""
        from s3sentinel_assets.pipeline import work

        return work.touched_hours(self.runtime, source)

    def reconcile(self, source: str) -> "Touched":
        """Lists the look-back window and compares it with the ledger; the hours with something to do."""
        from s3sentinel_assets.pipeline import work

        return work.reconcile(self.runtime, source)

    def parse(self, source: str, hour: str) -> StageSummary:
        """Parses what is not parsed yet."""
        from s3sentinel_assets.pipeline import parsing

        return parsing.parse_hour(self.runtime, source, hour)

    def hours_to_seal(self, source: str, now: datetime) -> list[str]:
        """Hours past close and grace without a seal, oldest first."""
        from s3sentinel_assets.pipeline import states

        return states.hours_to_seal(self.runtime, source, now)

    def seal(self, source: str, hour: str) -> StageSummary:
        """Seals the hour if it may be."""
        from s3sentinel_assets.pipeline import states

        return states.seal_hour(self.runtime, source, hour)

    def close_hour(self, source: str, hour: str) -> int:
        """Plans the closing rows of a sealed hour's principals; how many."""
        from s3sentinel_assets.pipeline import hour_rows

        return hour_rows.close_hour(self.runtime, source, hour)

    def advance_state(self, source: str, hour: str) -> StageSummary:
        """Makes the entity state of a sealed hour."""
        from s3sentinel_assets.pipeline import states

        return states.advance_state(self.runtime, source, hour)

    def score(self, source: str, hour: str) -> StageSummary:
        """Scores what is not scored yet."""
        from s3sentinel_assets.pipeline import scoring

        return scoring.score_hour(self.runtime, source, hour)

    def pattern_catalogue(self, source: str, day: str) -> StageSummary:
        """Learns the kinds of events that came on a day."""
        from s3sentinel_assets.pipeline import patterns

        return patterns.make_catalogue(self.runtime, source, day)

    def catalogue_due(self, source: str, hour: str) -> str | None:
        """The day before the hour, if it is over and nothing was learnt from it yet."""
        from s3sentinel_assets.pipeline import patterns

        return patterns.catalogue_due(self.runtime, source, hour)

    def pattern_report(self, source: str, hour: str) -> "PatternReport":
        """New, vanished and rate-breaking kinds of events of a sealed hour; plans the rows that tell of them."""
        from s3sentinel_assets.pipeline import pattern_reports

        return pattern_reports.pattern_report(self.runtime, source, hour)

    def deliver(self, source: str, hour: str) -> StageSummary:
        """Sends what is not sent yet."""
        from s3sentinel_assets.pipeline import delivery

        return delivery.deliver_hour(self.runtime, source, hour)

    def sweep_unknown(self, source: str) -> StageSummary:
        """Settles batches whose outcome is unknown, as far as the workspace's answer settles them."""
        from s3sentinel_assets.pipeline import delivery

        return delivery.sweep_unknown(self.runtime, source)

    def account(self, source: str, hour: str) -> "Account":
        """The hour's accounts from the ledger alone."""
        from s3sentinel_assets.pipeline import proofs

        return proofs.account_hour(self.runtime, source, hour)

    def listing_report(self, source: str, hour: str) -> "CheckReport":
        """Whether the ledger holds what the newest listing showed."""
        from s3sentinel_assets.pipeline import proofs

        return proofs.listing_report(self.runtime, source, hour)

    def integrity_report(self, source: str, hour: str) -> "CheckReport":
        """What CloudTrail's digests say of the hour's objects."""
        from s3sentinel_assets.pipeline import proofs

        return proofs.integrity_report(self.runtime, source, hour)

    def recent_hours(self) -> list[str]:
        """The hours of the look-back window that are partitions, oldest first."""
        config, now = self.runtime.config, utc_now()
        first = max(hour_key(now - timedelta(hours=config.look_back_hours)), hour_key(config.start))
        return list(hour_range(first, hour_key(now)))

    def verify_digests(self, source: str) -> tuple[list[str], list[str]]:
        """Verifies digest files that came since, and judges log files that waited for them.

        Returns:
            The hours in which log files were judged, and what is wrong, in words.
        """
        if not self.runtime.source(source).verifies_digests:
            return [], []
        from s3sentinel_assets.pipeline import digest_sweep

        return digest_sweep.sweep_digests(self.runtime, source)

    def schema_report(self, source: str, hour: str) -> "CheckReport":
        """Whether the stage files have their tables' columns and types."""
        from s3sentinel_assets.pipeline import parsed_reports

        return parsed_reports.schema_report(self.runtime, source, hour)

    def event_time_report(self, source: str, hour: str) -> "CheckReport":
        """Whether event times are there and near the hour."""
        from s3sentinel_assets.pipeline import parsed_reports

        return parsed_reports.event_time_report(self.runtime, source, hour)

    def records_report(self, source: str, hour: str) -> "CheckReport":
        """Whether all records read are rows, in quarantine or filtered, by the ledger and in the stage files."""
        from s3sentinel_assets.pipeline import parsed_reports

        return parsed_reports.records_report(self.runtime, source, hour)

    def shapes(self, source: str, hour: str) -> "list[Shape]":
        """What the hour's rows look like, one shape for each format and table."""
        from s3sentinel_assets.pipeline import shape_reports

        return shape_reports.hour_shapes(self.runtime, source, hour)

    def shape_report(self, source: str, hour: str) -> "CheckReport":
        """Whether the hour's rows look like those of earlier days."""
        from s3sentinel_assets.pipeline import shape_reports

        return shape_reports.shape_report(self.runtime, source, hour)

    def null_rate_report(self, source: str, hour: str) -> "CheckReport":
        """Whether columns are null as often as on earlier days."""
        from s3sentinel_assets.pipeline import shape_reports

        return shape_reports.null_rate_report(self.runtime, source, hour)

    def prove(self, source: str, hour: str) -> "Proof":
        """Asks the workspace and appends the hour's proof."""
        from s3sentinel_assets.pipeline import proofs

        return proofs.prove_hour(self.runtime, source, hour)

    def cost(self, source: str, hour: str) -> "Cost":
        """What the hour's accepted bytes cost by the configured prices, and what routing saved."""
        from s3sentinel_assets.sentinel.cost import cost_of, load_prices

        prices = load_prices(self.runtime.config.sentinel.prices_file)
        with self.runtime.ledger.read() as connection:
            return cost_of(connection, hour, hour, [source], prices)

    def progress(self, source: str) -> "DeliveryProgress":
        """Up to which hour everything is delivered and proved, and what waits behind; from the ledger alone."""
        from s3sentinel_assets.pipeline import progress

        return progress.delivery_progress(self.runtime, source)

    def hourly(self, source: str, what: "Figure", first: str, last: str) -> dict[str, int]:
        """Hour → records read or rows accepted, for charts."""
        from s3sentinel_assets.pipeline import progress

        return progress.hourly_figures(self.runtime, source, what, first, last)

    def take_incidents(self) -> list[str]:
        """Reads verdicts from closed incidents, if that is asked for; what should be told of it."""
        if not self.runtime.config.feedback.incidents:
            return []
        from s3sentinel_assets.pipeline import incidents

        return incidents.take_incidents(self.runtime).problems

    def sweep_store(self) -> list[str]:
        """Deletes stage files that no commit named and no running work can still name."""
        from s3sentinel_assets.pipeline import housekeeping

        return housekeeping.sweep_store(self.runtime)

    def unproved_hours(self, source: str) -> list[str]:
        """Hours without a proof that the workspace holds what the ledger says now, oldest first."""
        from s3sentinel_assets.pipeline import proofs

        first = hour_key(self.runtime.config.start)  # what lies before is no partition
        return [hour for hour in proofs.hours_to_prove(self.runtime, source) if hour >= first]
