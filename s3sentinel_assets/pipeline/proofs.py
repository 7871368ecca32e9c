"""Proofs and checks of an hour: does the ledger balance, do the rows fit the table, does the workspace agree?"""

from datetime import timedelta

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_end, hour_start, utc_now
from s3sentinel_assets.ledger import accounts
from s3sentinel_assets.ledger.accounts import (
    Account,
    CheckReport,
    Proof,
    accepted_batches,
    account_of_hour,
    record_proof,
)
from s3sentinel_assets.ledger.comparison import comparison_of_hour, found_by
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.schema import Integrity, Stage
from s3sentinel_assets.ledger.stages import StageFile, latest_stages
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.tables import load_schema

__all__ = [
    "CheckReport",
    "account_hour",
    "event_time_report",
    "hours_to_prove",
    "integrity_report",
    "listing_report",
    "prove_hour",
    "schema_report",
    "workspace_report",
]

# CloudTrail says 15 minutes on average; a day late is worth a look, and a clock an hour ahead as well.
_LATEST_BEFORE_HOUR = timedelta(days=1)
_EARLIEST_AFTER_HOUR = timedelta(hours=1)
# CloudTrail writes the digest of an hour within about another one.
_DIGESTS_DUE = timedelta(hours=4)
_UNREADABLE = (OSError, UserError, pl.exceptions.PolarsError)


def account_hour(runtime: Runtime, source: str, hour: str) -> Account:
    """The hour's accounts from the ledger alone."""
    with runtime.ledger.read() as connection:
        return account_of_hour(connection, source, hour)


def _row_files(runtime: Runtime, source: str, hour: str) -> list[StageFile]:
    with runtime.ledger.read() as connection:
        parts = parts_of_hour(connection, source, hour)
        results = latest_stages(connection, [part.id for part in parts], Stage.PARSED)
    return [file for part in parts if part.id in results for file in results[part.id].files_of("rows")]


def listing_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether the ledger holds exactly the objects that the newest whole listing of the hour showed."""
    with runtime.ledger.read() as connection:
        compared = comparison_of_hour(connection, source, hour)
        found = found_by(connection, source, hour)
    counts = {
        "listed_at": f"{from_micros(compared.at):%Y-%m-%d %H:%M:%S} UTC" if compared.at else "",
        "listed": compared.listed,
        "in_ledger": compared.held,
        "gone_from_bucket": compared.gone,
    }
    if runtime.source(source).queue_url:
        counts |= {
            "by_listing_alone": found.listing,
            "by_notification_alone": found.notification,
            "by_both": found.both,
        }
    problems = []
    if compared.at is None:
        problems.append("no listing has covered the hour yet; materialise it, or turn the sweep on")
    elif compared.missing:
        problems.append(f"{compared.missing} listed objects are not in the ledger; materialise the hour again")
    elif not compared.same:
        problems.append("listing and ledger have as many objects but not the same ones; materialise the hour again")
    return CheckReport(not problems, counts, problems)


def integrity_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """What CloudTrail's digest files say of the hour's objects."""
    from s3sentinel_assets.pipeline.integrity import hour_integrity

    found = hour_integrity(runtime, source, hour)
    counts: dict[str, int | float] = {status.value: count for status, count in found.objects.items() if status}
    counts |= {f"digests_{state.value}": count for state, count in found.digests.items()}
    counts |= {
        "missing": found.missing,
        "digests_missing": found.digests_missing,
        "hours_without_digest": found.gap_hours,
        "tampered": int(found.tampered),
    }
    due = hour_end(hour) + _DIGESTS_DUE < utc_now()
    problems = list(found.problems)
    if failed := counts.get(Integrity.FAILED.value):
        problems.insert(0, f"{failed} log files are not what CloudTrail wrote; s3sentinel verify-digests names them")
    if added := counts.get(Integrity.UNCOVERED.value):
        problems.insert(
            0,
            f"{added} log files were added, or are of a trail of the same account, region and prefix that has no log "
            "file validation: no verified digest of their time lists them",
        )
    pending = counts.get(Integrity.PENDING.value)
    if pending and due:
        problems.append(f"{pending} log files are covered by no digest, and it is time that they were")
    unproved = counts.get(Integrity.UNPROVED.value)
    if unproved and due:
        problems.append(
            f"{unproved} log files are not proved: the digests that list them, or should, are missing or not proved "
            "themselves; s3sentinel verify-digests tells why"
        )
    digests = runtime.source(source).digests
    if digests and digests.verify == "required" and not found.digests and due:
        problems.append("no digest file of the hour was found; turn on log file validation of the trail")
    return CheckReport(not problems, counts, problems)


def schema_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether every stage file of the hour has exactly the table's columns with the table's types.

    Only Parquet footers are read.
    """
    report = CheckReport(True, {"files": 0, "rows": 0})
    for file in _row_files(runtime, source, hour):
        report.counts["files"] += 1
        report.counts["rows"] += file.rows
        wanted = load_schema(file.table or "")
        try:
            found = pl.read_parquet_schema(runtime.store.path(file.uri))
        except _UNREADABLE as error:
            report.problems.append(f"{file.uri} cannot be read: {error}")
            continue
        types = wanted.polars_schema()
        for column in wanted.columns:
            if column not in found:
                report.problems.append(f"{file.uri}: column {column} of {wanted.name} is missing")
            elif found[column] != types[column]:
                report.problems.append(f"{file.uri}: {wanted.name}.{column} is {found[column]}, not {types[column]}")
        for column in found:
            if column not in types and not column.startswith("_"):
                report.problems.append(f"{file.uri}: {wanted.name} has no column {column}; it would be lost silently")
    report.passed = not report.problems
    return report


def event_time_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether event times are there and lie near the hour of arrival: at most a day before it, an hour after it."""
    first, end = hour_start(hour) - _LATEST_BEFORE_HOUR, hour_end(hour) + _EARLIEST_AFTER_HOUR
    totals = {"rows": 0, "without_time": 0, "older_than_a_day": 0, "from_the_future": 0}
    earliest, latest, unreadable = [], [], list[str]()
    for file in _row_files(runtime, source, hour):
        time = pl.col("EventTime_CF")
        try:
            row = (
                pl.scan_parquet(runtime.store.path(file.uri))
                .select(
                    rows=pl.len(),
                    without_time=time.is_null().sum(),
                    older_than_a_day=(time < first).sum(),
                    from_the_future=(time >= end).sum(),
                    earliest=time.min(),
                    latest=time.max(),
                )
                .collect()
                .row(0, named=True)
            )
        except _UNREADABLE as error:
            unreadable.append(f"{file.uri} cannot be read: {error}")
            continue
        earliest += [row.pop("earliest")]
        latest += [row.pop("latest")]
        totals = {name: totals[name] + count for name, count in row.items()}
    times = {
        "earliest": min((time for time in earliest if time), default=None),
        "latest": max((time for time in latest if time), default=None),
    }
    names = {
        "without_time": "have no event time",
        "older_than_a_day": "are more than a day older than the hour they arrived in (late delivery?)",
        "from_the_future": "are more than an hour newer than the hour they arrived in (wrong clock?)",
    }
    problems = unreadable + [f"{totals[name]} rows {words}" for name, words in names.items() if totals[name]]
    counts = totals | {name: time.isoformat() if time else "" for name, time in times.items()}
    return CheckReport(not problems, counts, problems)


def _found(runtime: Runtime, source: str, hour: str) -> tuple[int, int, list[str]]:
    """Rows and distinct events that the workspace holds of the hour's accepted batches, and what differs."""
    with runtime.ledger.read() as connection:
        batches = accepted_batches(connection, source, hour)
    rows = events = 0
    problems = []
    for table, wanted in batches.items():
        counted = runtime.query.count_batches(table, list(wanted))
        for batch_id, expected in wanted.items():
            held = counted.get(batch_id)
            rows += held.rows if held else 0
            events += held.events if held else 0
            if held is None or held.rows != expected:
                found = held.rows if held else 0
                problems.append(f"batch {batch_id} in {table}: {expected} rows accepted, {found} found")
    return rows, events, problems


def workspace_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether the workspace, asked by KQL, holds exactly the rows of the hour that it accepted."""
    accepted = account_hour(runtime, source, hour).accepted
    try:
        found, events, problems = _found(runtime, source, hour)
    except UserError as error:
        return CheckReport(False, {"accepted": accepted}, [f"the workspace could not be asked: {error}"])
    if found == events == accepted and not problems:
        return CheckReport(True, {"accepted": accepted, "found": found, "distinct_events": events})
    if events != found:
        problems.append(f"{found - events} rows are doubled; the shipped KQL function hides them")
    problems.append(f"{accepted} rows accepted, {found} found so far; rows can take minutes to become visible")
    return CheckReport(False, {"accepted": accepted, "found": found, "distinct_events": events}, problems[:20])


def prove_hour(runtime: Runtime, source: str, hour: str) -> Proof:
    """Asks the workspace and appends the hour's proof to the ledger."""
    report = workspace_report(runtime, source, hour)
    made = Proof(account_hour(runtime, source, hour), report.counts.get("found"), runtime.ledger.now(), report)
    with runtime.ledger.write() as connection:
        record_proof(connection, made)
    return made


def hours_to_prove(runtime: Runtime, source: str) -> list[str]:
    """Hours whose newest proof does not show the present state of the ledger and the workspace, oldest first."""
    with runtime.ledger.read() as connection:
        return accounts.hours_to_prove(connection, source)
