"""Reconciliation: does the workspace hold exactly the rows of an hour that it accepted, and what did its rules report?

Belongs here: which batches are counted, when and in which time range, and what differs. Does not belong here: the
queries (``sentinel.query``), the proof (`proofs`), verdicts (``checks``).

Counting in a table on a cheaper plan is billed by what the query scans. So such tables are asked only once an hour is
sealed, not again after they agreed, and, while they do not agree, at growing intervals: not before as much time again
has passed since the hour was final as had at the last question.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.accounts import AcceptedBatch, CheckReport, accepted_batches, request_ids
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.proofs import EarlierProofs, earlier_proofs
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.sentinel.query import Found

__all__ = ["log_errors", "workspace_report"]

_MOST_PROBLEMS = 20
_MESSAGE = 200
#: Between two questions at least: rows take minutes to become visible.
_LEAST_WAIT = timedelta(minutes=30)


@dataclass
class _Tally:
    """What was counted: rows and distinct events found, rows that were not asked for, and what differs."""

    rows: int = 0
    events: int = 0
    not_asked: int = 0
    problems: list[str] = field(default_factory=list)


def workspace_report(runtime: Runtime, source: str, hour: str, now: int) -> CheckReport:
    """Whether the workspace, asked by KQL, holds exactly the rows of the hour that it accepted.

    Args:
        runtime: ledger, store and query client.
        source: the source's name.
        hour: the hour.
        now: the present, microseconds.

    Returns:
        ``found`` is among the counts only where all rows were asked for; ``not_asked`` where some were not.
    """
    with runtime.ledger.read() as connection:
        batches = accepted_batches(connection, source, hour)
        earlier = earlier_proofs(connection, source, hour)
    accepted = sum(batch.rows for table in batches.values() for batch in table)
    try:
        tally = _count(runtime, batches, earlier, now)
    except UserError as error:
        return CheckReport(False, {"accepted": accepted}, [f"the workspace could not be asked: {error}"])
    counts = {"accepted": accepted, "distinct_events": tally.events}
    if tally.not_asked:
        counts |= {"not_asked": tally.not_asked, "found_so_far": tally.rows}
    else:
        counts["found"] = tally.rows
    expected = accepted - tally.not_asked
    if tally.rows == tally.events == expected and not tally.problems:
        return CheckReport(True, counts)
    problems = list(tally.problems)
    if tally.events != tally.rows:
        problems.append(f"{tally.rows - tally.events} rows are doubled; the shipped KQL function hides them")
    if tally.rows != expected:
        problems.append(f"{expected} rows accepted, {tally.rows} found so far; rows can take minutes to become visible")
    return CheckReport(False, counts, problems[:_MOST_PROBLEMS])


def _count(runtime: Runtime, batches: dict[str, list[AcceptedBatch]], earlier: EarlierProofs, now: int) -> _Tally:
    from s3sentinel_assets.sentinel.query import billed_by_scan

    tally = _Tally()
    for table, wanted in batches.items():
        rows = sum(batch.rows for batch in wanted)
        if not billed_by_scan(table):
            found = runtime.query.count_batches(table, [batch.id for batch in wanted])
        elif earlier.agreed:
            # Nothing of the hour has changed since the workspace had it all.
            tally.rows, tally.events = tally.rows + rows, tally.events + rows
            continue
        elif reason := _not_now(earlier, now):
            tally.not_asked += rows
            tally.problems.append(f"{rows:,} rows in {table} {reason}: each query there is billed by what it scans")
            continue
        else:
            found = _search(runtime, table, wanted)
        for batch in wanted:
            held = found.get(batch.id)
            tally.rows += held.rows if held else 0
            tally.events += held.events if held else 0
            if held is None or held.rows != batch.rows:
                there = held.rows if held else 0
                tally.problems.append(f"batch {batch.id} in {table}: {batch.rows} rows accepted, {there} found")
    return tally


def _not_now(earlier: EarlierProofs, now: int) -> str:
    """Why a table that is billed by what is scanned is not asked now; empty: it is."""
    if earlier.final_at is None:
        return "are counted once the hour is sealed"
    if earlier.asked_at is None:
        return ""
    waited = timedelta(microseconds=earlier.asked_at - earlier.final_at)
    due = from_micros(earlier.asked_at) + max(waited, _LEAST_WAIT)
    if from_micros(now) >= due:
        return ""
    return (
        f"are not counted again before {due:%Y-%m-%d %H:%M} UTC, having been at "
        f"{from_micros(earlier.asked_at):%Y-%m-%d %H:%M}"
    )


def _search(runtime: Runtime, table: str, wanted: list[AcceptedBatch]) -> "dict[str, Found]":
    """Counts in a table that is billed by what is scanned: as few and as short time ranges as hold all the rows."""
    from s3sentinel_assets.sentinel.time_range import merged, time_range

    by_part: dict[int, list[AcceptedBatch]] = {}
    for batch in wanted:
        by_part.setdefault(batch.part_id, []).append(batch)
    with runtime.ledger.read() as connection:
        parsed = latest_stages(connection, list(by_part), Stage.PARSED)
    ranges = []
    for part_id, batches in by_part.items():
        sent = [from_micros(batch.sent_at) for batch in batches]
        span = time_range(runtime.store, parsed.get(part_id), table, min(sent), max(sent))
        ranges.append((span, [batch.id for batch in batches]))
    found: dict[str, Found] = {}
    for span, ids in merged(ranges):
        found |= runtime.query.count_batches(table, ids, time_range=span)
    return found


def log_errors(runtime: Runtime, source: str, hour: str) -> tuple[int | None, list[str], str]:
    """What data collection rules reported about the requests of an hour after they had accepted them.

    Returns:
        How many rows of ``DCRLogErrors`` there are (None: it could not be asked), the first messages, and why it could
        not be asked, which is no fault: the table is there only where a rule has a diagnostic setting.
    """
    from s3sentinel_assets.pipeline.parsed_reports import plain

    with runtime.ledger.read() as connection:
        requests, since = request_ids(connection, source, hour)
    if not requests:
        return 0, [], ""
    try:
        found = runtime.query.log_errors(requests, from_micros(since) if since else None)
    except UserError as error:
        return None, [], f"DCRLogErrors could not be asked: {error}"
    return found.number, [plain(message)[:_MESSAGE] for message in found.messages], ""
