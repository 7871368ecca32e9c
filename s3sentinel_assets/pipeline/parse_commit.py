"""The parse-commit transaction: claims, stage, objects and quarantine of one part, all or nothing.

Belongs here: what is recorded when a part is parsed. Does not belong here: making the files (``parsing``).
"""

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl
from sqlalchemy.engine import Connection

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.ledger.claims import claims_of_others, record_claims
from s3sentinel_assets.ledger.copies import Candidate, find_copies
from s3sentinel_assets.ledger.digests import expected_content, has_digests
from s3sentinel_assets.ledger.leases import Lease
from s3sentinel_assets.ledger.objects import REFUSED, ObjectOutcome, settle_object
from s3sentinel_assets.ledger.parts import Part
from s3sentinel_assets.ledger.quarantine import QuarantineEntry, record_quarantine
from s3sentinel_assets.ledger.schema import ObjectState, Stage
from s3sentinel_assets.ledger.shapes import Shape, record_shapes
from s3sentinel_assets.ledger.stages import StageFile, commit_stage
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.shape import merged
from s3sentinel_assets.store import StoredFile

if TYPE_CHECKING:
    from s3sentinel_assets.formats import ObjectReport
    from s3sentinel_assets.s3.reader import ReadFacts

__all__ = ["CODE_VERSION", "FramePair", "NewClaimsError", "ParsedPart", "commit_parse", "copies_of"]

#: Part of a stage's record; raise it when the same bytes would parse into something else.
CODE_VERSION = "parse-1"
_GENERATION = 1


@dataclass
class FramePair:
    """One frame's two stage files and what the commit needs to know of them."""

    ordinal: int
    format: str
    table: str
    rows: StoredFile
    entities: StoredFile
    height: int
    native_ids: bool
    event_hours: dict[str, int]
    shape: Shape


@dataclass
class ParsedPart:
    """A part parsed into files, not committed yet."""

    files: list[FramePair] = field(default_factory=list)
    reports: "list[ObjectReport]" = field(default_factory=list)
    rejects: pl.DataFrame = field(default_factory=pl.DataFrame)
    filtered: dict[int, int] = field(default_factory=dict)  # object id → duplicates left out
    seen: pl.Series = field(default_factory=lambda: pl.Series("event_id", [], dtype=pl.String))
    claims_read: dict[str, int] = field(default_factory=dict)  # table → newest claim looked at
    facts: "dict[int, ReadFacts]" = field(default_factory=dict)  # object id → how it was read
    lost_claims: int = 0  # files of other parts that could not be compared with
    candidates: list[Candidate] = field(default_factory=list)  # objects that might repeat another one
    copies: dict[int, int] = field(default_factory=dict)  # object id → the object whose bytes it repeats
    retried: dict[int, int | None] = field(default_factory=dict)  # the same for rows of retries, which are no objects

    def hours_by_table(self) -> dict[str, set[str]]:
        """Table → the event hours whose events this part wants to own."""
        wanted: dict[str, set[str]] = {}
        for files in self.files:
            if files.event_hours:
                wanted.setdefault(files.table, set()).update(files.event_hours)
        return wanted


class NewClaimsError(Exception):
    """Another part committed events of the same hours, or the same bytes, since this one looked."""


def _sources_beside(runtime: Runtime, source: str, formats: str) -> list[str]:
    """The sources that such an object's rows may come from to the same tables: they must not go there twice.

    Of an object with records of several formats, joined by ``+``, the records of each must be able to: a copy of it is
    left out as a whole.
    """
    mine = runtime.source(source)

    def fills(other: SourceSettings, log_format: str) -> bool:
        possible = other.tables_of(log_format) if log_format in other.formats else other.tables
        return not set(mine.tables_of(log_format)).isdisjoint(possible)

    return [
        other.name
        for other in runtime.config.sources.values()
        if all(fills(other, log_format) for log_format in formats.split("+"))
    ]


def copies_of(connection: Connection, runtime: Runtime, part: Part, parsed: ParsedPart) -> dict[int, int]:
    """Object id → the object whose bytes it repeats, of the part's objects that gave rows."""
    formats = {report.object_id: report.format for report in parsed.reports if report.format}
    beside: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in parsed.candidates:
        sources = _sources_beside(runtime, part.source, formats[candidate.object_id])
        beside.setdefault(tuple(sources), []).append(candidate)
    copies: dict[int, int] = {}
    for sources, candidates in beside.items():
        copies |= find_copies(connection, sources, candidates, hour_key(runtime.config.start))
    return copies


def commit_parse(
    runtime: Runtime,
    part: Part,
    held: Lease,
    parsed: ParsedPart,
    rejects: StoredFile | None,
    began: float,
) -> None:
    """Records a parsed part.

    Args:
        runtime: the runtime.
        part: the part.
        held: the lease it was parsed under.
        parsed: its files, reports and rejects.
        rejects: the stored rejects, if there are any.
        began: monotonic clock when the work on the part began.

    Raises:
        NewClaimsError: another part committed events of the same hours meanwhile; look at them and commit again.
        LeaseLostError: another worker took the part over.
    """
    ledger = runtime.ledger
    verdicts = _integrity(runtime, part, parsed)
    outcomes = [_outcome(report, parsed, verdicts.get(report.object_id)) for report in parsed.reports]
    files = [
        stage_file
        for entry in parsed.files
        for stage_file in (
            StageFile(
                "rows",
                entry.rows.uri,
                entry.rows.sha256,
                entry.rows.size,
                entry.height,
                entry.ordinal,
                entry.format,
                entry.table,
            ),
            StageFile(
                "entities",
                entry.entities.uri,
                entry.entities.sha256,
                entry.entities.size,
                entry.height,
                entry.ordinal,
                entry.format,
            ),
        )
    ]
    if rejects is not None:
        files.append(StageFile("rejects", rejects.uri, rejects.sha256, rejects.size, parsed.rejects.height))
    claimed = {
        (entry.table, hour, entry.entities.uri): count
        for entry in parsed.files
        for hour, count in entry.event_hours.items()
    }
    wanted = parsed.hours_by_table()
    with ledger.write() as connection:
        # Before the tables' guards: who marks objects of the source must not lock their rows in another order.
        ledger.guard(connection, part.source)
        for table in sorted({*wanted, *(entry.table for entry in parsed.files)}):
            ledger.guard(connection, f"table:{table}")
            hours = wanted.get(table)
            read, start = parsed.claims_read.get(table, 0), hour_key(runtime.config.start)
            if hours and claims_of_others(connection, table, hours, part.id, after=read, start=start):
                raise NewClaimsError
        if copies_of(connection, runtime, part, parsed) != parsed.copies:
            raise NewClaimsError
        record_claims(connection, part.id, claimed)
        stage_id = commit_stage(
            connection,
            held,
            part_id=part.id,
            which=Stage.PARSED,
            generation=_GENERATION,
            code_version=CODE_VERSION,
            files=files,
            counts=_counts(outcomes) | ({"files_not_compared": parsed.lost_claims} if parsed.lost_claims else {}),
            seconds=time.monotonic() - began,
            now=ledger.now(),
        )
        for outcome in outcomes:
            settle_object(connection, outcome, ledger.now())
        entries = _quarantine(part, parsed.rejects, outcomes, rejects.uri if rejects else None)
        record_quarantine(connection, stage_id, entries, ledger.now())
        shapes = merged(files.shape for files in parsed.files)
        record_shapes(connection, part_id=part.id, source=part.source, hour=part.hour, shapes=shapes, now=ledger.now())


def _integrity(runtime: Runtime, part: Part, parsed: ParsedPart) -> "dict[int, tuple[str, str | None]]":
    """Object id → status and remark, from the digests known by now; nothing where the source has none.

    What no digest lists yet is pending: a sweep judges it once they have come.
    """
    settings = runtime.source(part.source)
    if not settings.verifies_digests:
        return {}
    from s3sentinel_assets.integrity import judge_log, object_problem

    read = [report for report in parsed.reports if report.content_sha256 is not None]
    with runtime.ledger.read() as connection:
        if not has_digests(connection, part.source):
            return {}
        expected = expected_content(connection, part.source, settings.bucket, [report.key for report in read])
    verdicts = {}
    for report in read:
        packing = report.packing
        problem = object_problem(packing.containers, packing.members, extra_bytes=packing.padding, cut=report.cut_short)
        status, _, note = judge_log(expected.get(report.key, ()), report.content_sha256, problem)
        verdicts[report.object_id] = (status.value, note)
    return verdicts


def _outcome(report: "ObjectReport", parsed: ParsedPart, verdict: tuple[str, str | None] | None) -> ObjectOutcome:
    filtered = parsed.filtered.get(report.object_id, 0)
    copy_of = parsed.copies.get(report.object_id, parsed.retried.get(report.object_id))
    facts = parsed.facts.get(report.object_id)
    integrity, integrity_note = verdict or (None, None)
    return ObjectOutcome(
        object_id=report.object_id,
        state=ObjectState.COPY if copy_of is not None else ObjectState(report.state),
        format=report.format,
        records=report.records,
        rows=report.rows - filtered,
        quarantined=report.rejected,
        filtered=filtered,
        decoded_bytes=report.decoded_bytes,
        sha256=report.sha256,
        note=report.note,
        copy_of=copy_of,
        checked_by=facts.checked_by or None if facts else None,
        content_sha256=report.content_sha256,
        integrity=integrity,
        integrity_note=integrity_note,
        counted=report.counted if report.object_id in parsed.retried else None,
    )


def _counts(outcomes: list[ObjectOutcome]) -> dict[str, int]:
    """Totals of a part, for the UI."""
    return {
        "objects": sum(outcome.counted is None for outcome in outcomes),
        "records": sum(outcome.records for outcome in outcomes),
        "rows": sum(outcome.rows for outcome in outcomes),
        "quarantined": sum(outcome.quarantined for outcome in outcomes),
        "filtered": sum(outcome.filtered for outcome in outcomes),
        "decoded_bytes": sum(outcome.decoded_bytes for outcome in outcomes),
    }


def _quarantine(
    part: Part, rejects: pl.DataFrame, outcomes: list[ObjectOutcome], uri: str | None
) -> list[QuarantineEntry]:
    """One entry per object and reason, and one for each object that could not be had at all."""
    blank = QuarantineEntry(part.source, part.hour, part.id, 0, "", 0, 0, None, None, uri)
    grouped = rejects.group_by("object_id", "reason", maintain_order=True).agg(
        pl.len().alias("records"),
        pl.col("position").min(),
        pl.col("detail").first(),
        pl.col("data").first(),
    )
    entries = [
        replace(
            blank,
            object_id=row["object_id"],
            reason=row["reason"],
            records=row["records"],
            first_position=row["position"],
            detail=row["detail"],
            sample=row["data"][:200].decode("utf-8", "replace") if row["data"] else None,
        )
        for row in grouped.iter_rows(named=True)
    ]
    entries += [
        replace(blank, object_id=outcome.object_id, reason=outcome.state.value, detail=outcome.note, uri=None)
        for outcome in outcomes
        if outcome.state in REFUSED
    ]
    return entries
