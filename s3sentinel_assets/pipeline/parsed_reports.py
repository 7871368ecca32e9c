"""What the parsed rows of an hour are like: do they fit their tables, are their times right, are all records there?

Belongs here: looking into stage files, and saying in sentences what was found. Does not belong here: severity
(``checks``), what ledger and workspace say of an hour (`proofs`), how its rows differ from earlier ones
(`shape_reports`).
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.formats.frames import EVENT_ID, EVENT_TIME, OBJECT
from s3sentinel_assets.hours import hour_end, hour_start
from s3sentinel_assets.ledger.accounts import CheckReport
from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.records import ObjectRecords, records_of_objects
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import StageFile, StageResult, latest_stages
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.tables import load_schema

__all__ = ["event_time_report", "plain", "records_report", "schema_report"]

_UNREADABLE = (OSError, UserError, pl.exceptions.PolarsError)


@dataclass(frozen=True)
class _Late:
    """How much older than the hour they arrived in events of a table may be, and why so much."""

    days: int
    why: str


# CloudTrail says 15 minutes on average; a day late is worth a look, and a clock an hour ahead as well.
_ORDINARY = _Late(1, "logs arrive within a day")
_EARLIEST_AFTER_HOUR = timedelta(hours=1)
#: Tables whose events are states and findings, told again long after they came about.
_LATE = {
    "AWSConfig_CL": _Late(3_650, "a snapshot tells of every resource when it was last changed, which may be years ago"),
    "AWSGuardDuty": _Late(
        90, "a finding is told again while it goes on, with the time of its first event; kept 90 days"
    ),
    "AWSSecurityHubFindings": _Late(
        90, "a finding is told again while it is open; deleted 90 days after its last update"
    ),
}


def plain(text: str) -> str:
    """Text from outside as it may stand in a sentence, which the UI shows as Markdown: odd characters become ``?``.

    Markdown makes links of bare addresses as well, so these are broken.
    """
    shown = re.sub(r"[^\w .:/=+@%,\-]", "?", text)[:200]
    return re.sub(r"://|(?<=www)\.", "?", shown, flags=re.IGNORECASE)


def _parsed(runtime: Runtime, source: str, hour: str) -> dict[int, StageResult]:
    """Part → what parsing made of it, in ledger order."""
    with runtime.ledger.read() as connection:
        parts = [part.id for part in parts_of_hour(connection, source, hour)]
        results = latest_stages(connection, parts, Stage.PARSED)
    return {part: results[part] for part in parts if part in results}


def _row_files(runtime: Runtime, source: str, hour: str) -> list[StageFile]:
    return [file for result in _parsed(runtime, source, hour).values() for file in result.files_of("rows")]


def schema_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether every stage file of the hour has exactly its table's columns with the table's types.

    The table's own columns must all be there, with event id and event time; of this project's others, such as
    ``ExtraFields_CF``, any may be. Columns of type ``dynamic`` must hold text. Only Parquet footers are read.
    """
    report = CheckReport(True, {"files": 0, "rows": 0, "tables": ""})
    tables: dict[str, None] = {}
    for file in _row_files(runtime, source, hour):
        report.counts["files"] += 1
        report.counts["rows"] += file.rows
        wanted = load_schema(file.table or "")
        tables[wanted.name] = None
        try:
            found = pl.read_parquet_schema(runtime.store.path(file.uri))
        except _UNREADABLE as error:
            report.problems.append(f"{file.uri} cannot be read: {error}")
            continue
        types = wanted.polars_schema()
        for column in (*wanted.columns, EVENT_ID, EVENT_TIME):
            if column not in found:
                report.problems.append(f"{file.uri}: column {column} of {wanted.name} is missing")
        for column, kind in found.items():
            if column.startswith("_"):
                continue
            if column not in types:
                report.problems.append(f"{file.uri}: {wanted.name} has no column {column}; it would be lost silently")
            elif kind != types[column]:
                report.problems.append(f"{file.uri}: {wanted.name}.{column} is {kind}, not {types[column]}")
    report.counts["tables"] = ", ".join(tables)
    report.passed = not report.problems
    return report


def event_time_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether event times are there and lie near the hour of arrival: at most an hour after it, and so long before it.

    A day before it for most tables; `_LATE` says for which it is more, and why.
    """
    totals = {"rows": 0, "without_time": 0, "too_old": 0, "from_the_future": 0}
    by_table: dict[str, dict[str, int]] = {}
    times: list[datetime] = []
    problems: list[str] = []
    for file in _row_files(runtime, source, hour):
        table = file.table or ""
        time, late = pl.col(EVENT_TIME), _LATE.get(table, _ORDINARY)
        try:
            row = (
                pl.scan_parquet(runtime.store.path(file.uri))
                .select(
                    rows=pl.len(),
                    without_time=time.is_null().sum(),
                    too_old=(time < hour_start(hour) - timedelta(days=late.days)).sum(),
                    from_the_future=(time >= hour_end(hour) + _EARLIEST_AFTER_HOUR).sum(),
                    earliest=time.min(),
                    latest=time.max(),
                )
                .collect()
                .row(0, named=True)
            )
        except _UNREADABLE as error:
            problems.append(f"{file.uri} cannot be read: {error}")
            continue
        times += [time for time in (row.pop("earliest"), row.pop("latest")) if time is not None]
        totals = {name: totals[name] + row[name] for name in totals}
        before = by_table.setdefault(table, dict.fromkeys(totals, 0))
        by_table[table] = {name: before[name] + row[name] for name in totals}
    for table, found in by_table.items():
        days = _LATE.get(table, _ORDINARY).days
        bound = "a day" if days == 1 else f"{days} days"
        words = {
            "without_time": "have no event time",
            "too_old": f"are more than {bound} older than the hour they arrived in (late delivery?)",
            "from_the_future": "are more than an hour newer than the hour they arrived in (wrong clock?)",
        }
        problems += [f"{found[name]} rows of {table} {text}" for name, text in words.items() if found[name]]
    counts = totals | {
        "earliest": min(times).isoformat() if times else "",
        "latest": max(times).isoformat() if times else "",
    }
    return CheckReport(not problems, counts, problems)


def records_report(runtime: Runtime, source: str, hour: str) -> CheckReport:
    """Whether every record read from the hour's objects is a row, in quarantine or filtered, and its row is there.

    For each object of a parsed part: records = rows + quarantined + filtered by the ledger; as many rows of it in the
    part's row files, and as many rejects in its file of rejects, as the ledger says; and no row is of another object.
    Rejects that another row takes up again stay in the file, and may be counted there or here.
    """
    with runtime.ledger.read() as connection:
        objects = records_of_objects(connection, source, hour)
    results = _parsed(runtime, source, hour)
    read = [entry for entry in objects if entry.part_id in results]
    problems: list[str] = []
    rows, rejects, files = _held(runtime, results, problems)
    for entry in read:
        problems += _unbalanced(entry, rows.pop(entry.object_id, 0), rejects.pop(entry.object_id, 0))
    for what, left in (("rows", rows), ("rejects", rejects)):
        problems += [
            f"{count} {what} are of object {number}, which is in no part of the hour" for number, count in left.items()
        ]
    counts = {
        "objects": len(read),
        "unread_objects": len(objects) - len(read),
        "records": sum(entry.records or 0 for entry in read),
        "rows": sum(entry.rows for entry in read),
        "quarantined": sum(entry.quarantined for entry in read),
        "filtered": sum(entry.filtered for entry in read),
        "files": files,
    }
    return CheckReport(not problems, counts, problems)


def _held(
    runtime: Runtime, results: dict[int, StageResult], problems: list[str]
) -> tuple[dict[int, int], dict[int, int], int]:
    """Object → rows and rejects of it in the stage files, and how many files; says which files are not as recorded."""
    held: dict[str, dict[int, int]] = {"rows": {}, "rejects": {}}
    files = 0
    for kind, column in (("rows", OBJECT), ("rejects", "object_id")):
        for file in (file for result in results.values() for file in result.files_of(kind)):
            files += 1
            try:
                counted = pl.scan_parquet(runtime.store.path(file.uri)).group_by(column).len().collect()
            except _UNREADABLE as error:
                problems.append(f"{file.uri} cannot be read: {error}")
                continue
            if counted["len"].sum() != file.rows:
                problems.append(f"{file.uri} holds {counted['len'].sum()} {kind}, the ledger says {file.rows}")
            for number, count in counted.iter_rows():
                held[kind][number] = held[kind].get(number, 0) + count
    return held["rows"], held["rejects"], files


def _unbalanced(entry: ObjectRecords, rows: int, rejects: int) -> list[str]:
    """What does not add up in one object, given what the stage files hold of it."""
    name = plain(entry.key)
    if entry.records is None:
        return [f"{name}: its part is parsed, and nothing says what became of it"]
    found = []
    if entry.records != entry.rows + entry.quarantined + entry.filtered:
        found.append(
            f"{name}: {entry.records} records read, but {entry.rows} rows + {entry.quarantined} quarantined + "
            f"{entry.filtered} filtered"
        )
    if rows != entry.rows:
        found.append(f"{name}: {entry.rows} rows by the ledger, {rows} in the stage files")
    if rejects != entry.rejected or entry.quarantined not in (rejects, rejects - entry.retried):
        found.append(
            f"{name}: {entry.quarantined} quarantined by the ledger, {entry.rejected} by its entries, "
            f"{rejects} in the stage files"
        )
    return found
