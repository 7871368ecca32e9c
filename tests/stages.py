"""Stand-ins for the pipeline's stages, to drive the Dagster layer without S3, ledger or workspace."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from s3sentinel_assets.config import Config
from s3sentinel_assets.hours import hour_range
from s3sentinel_assets.ledger.accounts import Account, Proof
from s3sentinel_assets.ledger.shapes import Shape
from s3sentinel_assets.pipeline.pattern_reports import PatternReport
from s3sentinel_assets.pipeline.progress import DeliveryProgress
from s3sentinel_assets.pipeline.proofs import CheckReport
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.pipeline.work import Touched
from s3sentinel_assets.resources import Stages
from s3sentinel_assets.sentinel.cost import Cost, load_prices

__all__ = ["FakeStages", "config_of", "hour"]

DAY = "2026-11-20"


def hour(number: int) -> str:
    """Hour key so many hours into 20 November 2026."""
    return f"{DAY}-{number:02d}:00"


def config_of(**changes) -> Config:
    """A small configuration that reaches nothing."""
    values = {
        "start": datetime.fromisoformat(f"{DAY}T00:00+00:00"),
        "sentinel": {
            "ingestion_endpoint": "https://127.0.0.1:1",
            "workspace_id": "00000000-0000-4000-8000-000000000001",
            "dcr_id": "dcr-1",
        },
        "sources": {
            "cloudtrail": {"bucket": "logs", "prefix": "AWSLogs/{account}/CloudTrail/", "format": "cloudtrail"},
            "vpc_flow": {"bucket": "logs", "prefix": "AWSLogs/{account}/vpcflowlogs/", "format": "vpc_flow"},
        },
    }
    return Config(**(values | changes))


class FakeStages(Stages):
    """Stages that remember what was asked of them and answer from attributes a test may set.

    Attributes:
        calls: (stage, source, hour) in order.
        errors: (stage, hour) or (stage, source) → what to raise, once for each entry of the list.
        accounts: (source, hour) → fields that differ from a complete hour.
        found: (source, hour) → rows the workspace holds, where they differ from the accepted.
        log_errors: (source, hour) → rows of DCRLogErrors about its requests.
        costs: (source, hour) → what it cost.
        hour_shapes: (source, hour) → what its rows look like.
        touched: hour → digest.
        unsealed: hours to seal.
        progress_fields: source → what differs from a delivery that is up to date.
        narrowed: what each discovery was narrowed to, and whether it asked again.
        judged: hours in which objects were judged by newly verified digests.
        digest_problems: what was wrong with digests.
        look_problems: what a look for new objects could not do.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.errors: dict[tuple[str, str], list[Exception]] = {}
        self.accounts: dict[tuple[str, str], dict] = {}
        self.found: dict[tuple[str, str], int | None] = {}
        self.log_errors: dict[tuple[str, str], int] = {}
        self.reports: dict[tuple[str, str], CheckReport] = {}
        self.costs: dict[tuple[str, str], Cost] = {}
        self.hour_shapes: dict[tuple[str, str], list[Shape]] = {}
        self.touched: dict[str, str] = {}
        self.unsealed: list[str] = []
        self.unproved: list[str] = []
        self.progress_fields: dict[str, dict] = {}
        self.narrowed: list[tuple] = []
        self.judged: list[str] = []
        self.digest_problems: list[str] = []
        self.look_problems: list[str] = []

    def take_incidents(self) -> list[str]:
        return []

    def sweep_store(self) -> list[str]:
        self.calls.append(("sweep_store", "", ""))
        return []

    def _call(self, stage: str, source: str, key: str = "") -> StageSummary:
        self.calls.append((stage, source, key))
        for name in ((stage, key), (stage, source)):
            if self.errors.get(name):
                raise self.errors[name].pop(0)
        rows = 100 + int(key[11:13]) if key else 0
        return StageSummary(
            source,
            key,
            done=1,
            counts={"objects": 2, "rows": rows, "scored": rows, "keys": rows, "decoded_bytes": 1_000_000, "parts": 1},
            seconds=0.5,
            preview=pl.DataFrame({"EventName": ["<b>x</b>" * 100, None], "n": [rows, 2]}),
        )

    def hours_of(self, stage: str, source: str = "cloudtrail") -> list[str]:
        return [key for name, of, key in self.calls if name == stage and of == source]

    def discover(
        self, source: str, hours: Sequence[str], only=None, ask_again: bool = False
    ) -> dict[str, StageSummary]:
        self._call("discover", source)
        self.narrowed.append((only, ask_again))
        return {key: self._call("raw", source, key) for key in hours}

    def touched_hours(self, source: str) -> Touched:
        self._call("touched", source)
        return Touched(dict(self.touched), list(self.look_problems))

    def reconcile(self, source: str) -> Touched:
        self._call("reconcile", source)
        return Touched(dict(self.touched))

    def verify_digests(self, source: str) -> tuple[list[str], list[str]]:
        self._call("verify_digests", source)
        return list(self.judged), list(self.digest_problems)

    def recent_hours(self) -> list[str]:
        return [hour(8), hour(9)]

    def listing_report(self, source: str, hour: str) -> CheckReport:
        self._call("listing", source, hour)
        counts = {"listed_at": "2026-11-20 10:00:00 UTC", "listed": 2, "in_ledger": 2, "gone_from_bucket": 0}
        return self.reports.get(("listing", hour), CheckReport(True, counts))

    def integrity_report(self, source: str, hour: str) -> CheckReport:
        self._call("integrity", source, hour)
        return self.reports.get(("integrity", hour), CheckReport(True, {"verified": 2}))

    def parse(self, source: str, hour: str) -> StageSummary:
        return self._call("parse", source, hour)

    def hours_to_seal(self, source: str, now: datetime) -> list[str]:
        self._call("hours_to_seal", source)
        return list(self.unsealed)

    def seal(self, source: str, hour: str) -> StageSummary:
        summary = self._call("seal", source, hour)
        summary.counts = {"sealed": 1}
        return summary

    def advance_state(self, source: str, hour: str) -> StageSummary:
        return self._call("state", source, hour)

    def score(self, source: str, hour: str) -> StageSummary:
        return self._call("score", source, hour)

    def close_hour(self, source: str, hour: str) -> int:
        return 0

    def catalogue_due(self, source: str, hour: str) -> str | None:
        return None

    def pattern_catalogue(self, source: str, day: str) -> StageSummary:
        return self._call("catalogue", source, day)

    def pattern_report(self, source: str, hour: str) -> PatternReport:
        return PatternReport(CheckReport([], {}), pl.DataFrame(), 0, sealed=False)

    def deliver(self, source: str, hour: str) -> StageSummary:
        return self._call("deliver", source, hour)

    def sweep_unknown(self, source: str) -> StageSummary:
        return self._call("sweep", source)

    def account(self, source: str, hour: str) -> Account:
        self._call("account", source, hour)
        rows = 100 + int(hour[11:13])
        values = {
            "objects": 2,
            "unread_objects": 0,
            "refused_objects": 0,
            "late_objects": 0,
            "records": rows,
            "rows": rows,
            "accepted": rows,
            "unknown": 0,
            "dead": 0,
            "quarantined": 0,
            "filtered": 0,
            "bytes": 1_000_000,
            "decoded_bytes": 9_000_000,
            "sealed": False,
        }
        return Account(source=source, hour=hour, **(values | self.accounts.get((source, hour), {})))

    def schema_report(self, source: str, hour: str) -> CheckReport:
        self._call("schema", source, hour)
        return self.reports.get(("schema", hour), CheckReport(True, {"files": 1, "rows": 100}))

    def event_time_report(self, source: str, hour: str) -> CheckReport:
        self._call("event_time", source, hour)
        return self.reports.get(("event_time", hour), CheckReport(True, {"rows": 100, "earliest": "x"}))

    def records_report(self, source: str, hour: str) -> CheckReport:
        self._call("records", source, hour)
        counts = {"objects": 2, "records": 107, "rows": 100, "quarantined": 4, "filtered": 3, "files": 2}
        return self.reports.get(("records", hour), CheckReport(True, counts))

    def shapes(self, source: str, hour: str) -> list[Shape]:
        self._call("shapes", source, hour)
        return self.hour_shapes.get((source, hour), [])

    def shape_report(self, source: str, hour: str) -> CheckReport:
        self._call("shape", source, hour)
        return self.reports.get(("shape", hour), CheckReport(True, {"rows": 100, "history_hours": 48, "changes": 0}))

    def null_rate_report(self, source: str, hour: str) -> CheckReport:
        self._call("null_rates", source, hour)
        return self.reports.get(("null_rates", hour), CheckReport(True, {"rows": 100, "history_hours": 0}))

    def prove(self, source: str, hour: str) -> Proof:
        self._call("prove", source, hour)
        account = self.account(source, hour)
        found = self.found.get((source, hour), account.accepted)
        agrees = found == account.accepted and ("workspace", hour) not in self.reports
        differs = CheckReport(False, {}, ["batch b1 in T: 10 rows accepted, 9 found"])
        report = CheckReport(True) if agrees else self.reports.get(("workspace", hour), differs)
        return Proof(account, found, 0, report, account.objects, self.log_errors.get((source, hour), 0))

    def cost(self, source: str, hour: str) -> Cost:
        self._call("cost", source, hour)
        return self.costs.get((source, hour), Cost(load_prices()))

    def progress(self, source: str) -> DeliveryProgress:
        self._call("progress", source)
        now = datetime.fromisoformat(f"{DAY}T10:20+00:00")
        values = {
            "at": now,
            "through": hour(8),
            "hours_behind": 1.33,
            "waiting_hours": 1,
            "waiting_objects": 0,
            "waiting_events": 0,
            "unknown_events": 0,
            "oldest_waiting": hour(9),
            "waits_for": "the hour can be sealed from 10:30 UTC on",
            "longest_wait_hours": 0.33,
            "newest_object": now,
            "late_after_hours": 2.0,
        }
        return DeliveryProgress(source=source, **(values | self.progress_fields.get(source, {})))

    def hourly(self, source: str, what: str, first: str, last: str) -> dict[str, int]:
        self.calls.append((f"hourly {what} {first}", source, last))
        return {key: 100 + int(key[11:13]) for key in hour_range(max(first, hour(0)), last)}

    def unproved_hours(self, source: str) -> list[str]:
        self._call("unproved", source)
        return list(self.unproved)
