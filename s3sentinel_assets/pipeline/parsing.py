"""Parsing an hour: the objects of each part become stage files of rows and entities.

Belongs here: the order of work. Does not belong here: formats (``formats``), which events are duplicates (``dedupe``),
what is recorded (``parse_commit``).
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.ledger.claims import Claim, claims_of_others
from s3sentinel_assets.ledger.copies import Candidate
from s3sentinel_assets.ledger.leases import Lease, hold_lease
from s3sentinel_assets.ledger.objects import LedgerObject, objects_of_part
from s3sentinel_assets.ledger.parts import Part, parts_of_hour
from s3sentinel_assets.ledger.quarantine import quarantine_of_hour, retried_records
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import StageResult, latest_stages
from s3sentinel_assets.pipeline.dedupe import event_hours, first_occurrences, owned_elsewhere
from s3sentinel_assets.pipeline.parse_commit import (
    FramePair,
    NewClaimsError,
    ParsedPart,
    commit_parse,
    copies_of,
)
from s3sentinel_assets.pipeline.record_retries import RecordRetries
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.shape import shape_of
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.store import StoredFile

if TYPE_CHECKING:
    from s3sentinel_assets.formats import ObjectInput, ObjectReport, ParsedFrame
    from s3sentinel_assets.formats.model import ParseOptions
    from s3sentinel_assets.s3.reader import Breaker, ReadFacts

__all__ = ["object_identity", "parse_hour"]

_COMMIT_TRIES = 100
_HOPELESS = 3  # parts that fail with one and the same sentence
_PREVIEW = 10
#: What people look for first; the other columns follow in the table's order.
_SHOWN_FIRST = (
    "TimeGenerated",
    "EventName",
    "EventSource",
    "UserIdentityType",
    "UserIdentityUserName",
    "SessionIssuerUserName",
    "SourceIpAddress",
    "AWSRegion",
    "RecipientAccountId",
    "ErrorCode",
    "InterfaceId",
    "SrcAddr",
    "SrcPort",
    "DstAddr",
    "DstPort",
    "Action",
    "Bytes",
)


def object_identity(entry: LedgerObject) -> str:
    """Twenty hex digits that stand for the object version in event ids; the same however often it is read."""
    version = entry.version.partition("~")[0]  # the mark of another try is no part of the identity
    return hashlib.sha256("\0".join((entry.bucket, entry.key, version)).encode()).hexdigest()[:20]


def parse_hour(runtime: Runtime, source: str, hour: str) -> StageSummary:
    """Brings ``parsed_logs`` of the hour up to date, part by part in ledger order.

    A part that fails does not keep the others waiting, unless the cause is common: the same sentence several times.

    Raises:
        UserError: S3, store or ledger cannot be reached. What was finished stays finished.
        ExceptionGroup: several parts failed, each for its own reason.
    """
    began = time.monotonic()
    summary = StageSummary(source, hour)
    with runtime.ledger.read() as connection:
        parts = parts_of_hour(connection, source, hour)
        done = latest_stages(connection, [part.id for part in parts], Stage.PARSED)
    failures: list[Exception] = []
    for part in parts:
        if part.id in done:
            summary.kept += 1
            continue
        try:
            _parse_under_lease(runtime, part, summary)
        except Exception as error:  # noqa: BLE001 - raised below, once the other parts have had their turn
            failures.append(error)
            if _hopeless(failures):
                break
    if failures:
        raise failures[0] if len(failures) == 1 else _several(hour, failures)
    with runtime.ledger.read() as connection:
        results = latest_stages(connection, [part.id for part in parts], Stage.PARSED)
    _describe(runtime, summary, list(results.values()))
    summary.seconds = time.monotonic() - began
    return summary


def _hopeless(failures: list[Exception]) -> bool:
    """Whether the last failures all say the same to the user, such as that S3 cannot be reached."""
    last = failures[-_HOPELESS:]
    alike = len({str(error) for error in last}) == 1 and all(isinstance(error, UserError) for error in last)
    return len(last) == _HOPELESS and alike


def _several(hour: str, failures: list[Exception]) -> Exception:
    """One error for several: the common sentence where all are for the user, else the whole group."""
    if all(isinstance(error, UserError) for error in failures):
        sentences = list(dict.fromkeys(str(error) for error in failures))
        more = f" (and {len(sentences) - 1} other problems)" if len(sentences) > 1 else ""
        together = UserError(f"{len(failures)} parts of {hour} could not be parsed: {sentences[0]}{more}")
        together.__cause__ = failures[0].__cause__ or failures[0]
        return together
    return ExceptionGroup(f"{len(failures)} parts of {hour} could not be parsed", failures)


def _parse_under_lease(runtime: Runtime, part: Part, summary: StageSummary) -> None:
    seconds = runtime.config.limits.lease_seconds
    with hold_lease(runtime.ledger, f"parse:{part.id}", runtime.worker, seconds) as held:
        if held is None:
            summary.busy += 1
        elif _parse_part(runtime, part, held):
            summary.done += 1
        else:
            summary.kept += 1


def _parse_part(runtime: Runtime, part: Part, held: Lease) -> bool:
    """Parses one part and commits it; False if another worker had done so meanwhile."""
    began = time.monotonic()
    with runtime.ledger.read() as connection:
        if latest_stages(connection, [part.id], Stage.PARSED):
            return False
        entries = objects_of_part(connection, part.id)
    parsed = _read_part(runtime, part, entries)
    rejects = _store_rejects(runtime, part, parsed.rejects)
    parsed.candidates = _candidates(entries, parsed)
    for _ in range(_COMMIT_TRIES):
        _drop_copies(runtime, part, parsed)
        _drop_owned(runtime, part, parsed)
        try:
            commit_parse(runtime, part, held, parsed, rejects, began)
        except NewClaimsError:
            continue
        return True
    raise UserError(f"part {part.id}: other parts of its event hours kept committing; bring the hour up to date again")


def _read_part(runtime: Runtime, part: Part, entries: list[LedgerObject]) -> ParsedPart:
    """Reads the objects into stage files.

    An object that turns out unreadable half-way leaves rows behind, and these may have stood in for duplicates in other
    objects. So the part is read again without it: nothing of a refused object goes out, everything of the others does.
    """
    from s3sentinel_assets.formats import PartParser
    from s3sentinel_assets.s3.reader import Breaker

    limits, settings = runtime.config.limits, runtime.source(part.source)
    given_up: dict[int, ObjectReport] = {}
    facts: dict[int, ReadFacts] = {}
    breaker = Breaker()
    retries = RecordRetries(runtime, part.id, settings.format, entries)
    identities = {entry.id: object_identity(entry) for entry in entries}
    while True:
        parser = PartParser(
            settings.format,
            _options(settings),
            file_decoded_bytes=limits.file_decoded_bytes,
            object_decoded_bytes=limits.object_decoded_bytes,
            decompression_ratio=limits.decompression_ratio,
            hash_content=settings.verifies_digests,
        )
        parsed = ParsedPart(retried=retries.copies())
        wanted = [entry for entry in entries if entry.id not in given_up and retries.from_bucket(entry.id)]
        parsed.facts = facts
        inputs = _inputs(runtime, part.source, wanted, breaker, facts, retries)
        for frame in parser.frames(chain(inputs, retries.kept_inputs(identities))):
            _keep(runtime, part, parsed, retries.own(frame))
            del frame  # or it would lie in memory while the next one is made
        if not retries.review(parser) and not parser.discarded:
            reports, parsed.rejects = retries.settle(parser)
            parsed.reports = [*reports, *given_up.values()]
            parsed.filtered |= {report.object_id: report.rows for report in reports if report.state == "copy"}
            return parsed
        given_up |= {
            report.object_id: report
            for report in parser.reports
            if report.object_id in parser.discarded and report.object_id not in retries
        }


def _options(settings: SourceSettings) -> "ParseOptions":
    from s3sentinel_assets.formats.model import ParseOptions

    return ParseOptions(normalise=settings.normalise, fields=settings.fields, time_zone=settings.time_zone)


def _inputs(
    runtime: Runtime,
    source: str,
    entries: list[LedgerObject],
    breaker: "Breaker",
    facts: "dict[int, ReadFacts]",
    retries: RecordRetries,
) -> "Iterator[ObjectInput]":
    """The part's objects with their bytes fetched ahead, in the recorded order."""
    from s3sentinel_assets.formats import ObjectInput
    from s3sentinel_assets.s3.reader import ReadFacts, open_object, read_ahead

    client, access = runtime.s3(source), runtime.config.aws_access(runtime.source(source))
    limits = runtime.config.limits
    facts |= {entry.id: ReadFacts() for entry in entries}

    def opener(entry: LedgerObject) -> Callable[[], Iterable[bytes]]:
        return lambda: open_object(
            client,
            entry.bucket,
            entry.key,
            entry.etag,
            access=access,
            version_id=entry.version_id,
            breaker=breaker,
            facts=facts[entry.id],
        )

    with read_ahead(
        [opener(entry) for entry in entries],
        workers=limits.read_ahead_objects,
        bytes_bound=limits.read_ahead_bytes,
        connections=access.max_connections,
    ) as opened:
        for entry, stream in zip(entries, opened, strict=True):
            selection = retries.selection(entry.id)
            yield ObjectInput(
                object_id=entry.id,
                key=entry.key,
                identity=object_identity(entry),
                open=stream,
                arrived=entry.last_modified,
                only=selection.only,
                only_from=selection.only_from,
            )


def _keep(runtime: Runtime, part: Part, parsed: ParsedPart, frame: "ParsedFrame") -> None:
    """Writes one frame, without events that this part has seen already."""
    from s3sentinel_assets.formats import format_parser

    native = format_parser(frame.format).native_event_ids
    rows, entities = frame.rows, frame.entities
    if native:
        fresh = first_occurrences(entities["event_id"], parsed.seen)
        rows, entities = _without(parsed, rows, entities, ~fresh)
        parsed.seen = pl.concat([parsed.seen, entities["event_id"]])
    parsed.files.append(_write(runtime, part, len(parsed.files), frame.format, frame.table, rows, entities, native))


def _without(
    parsed: ParsedPart, rows: pl.DataFrame, entities: pl.DataFrame, drop: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames without the rows marked in ``drop``, which are counted as filtered for their objects."""
    if not drop.any():
        return rows, entities
    for object_id, count in rows.filter(drop)["_object"].value_counts().iter_rows():
        parsed.filtered[object_id] = parsed.filtered.get(object_id, 0) + count
    return rows.filter(~drop), entities.filter(~drop)


def _write(
    runtime: Runtime,
    part: Part,
    ordinal: int,
    log_format: str,
    table: str,
    rows: pl.DataFrame,
    entities: pl.DataFrame,
    native: bool,
) -> FramePair:
    stored = []
    for frame in (rows, entities):
        with runtime.store.create(f"{part.source}/{part.hour}/parsed", ".parquet") as writer:
            frame.write_parquet(writer.path, compression="zstd", compression_level=1, statistics=False)
        stored.append(writer.finished)
    hours = event_hours(entities) if native else {}
    shape = shape_of(log_format, table, rows)
    return FramePair(ordinal, log_format, table, stored[0], stored[1], rows.height, native, hours, shape)


def _drop_owned(runtime: Runtime, part: Part, parsed: ParsedPart) -> None:
    """Takes out events that other parts own by claims made since the last look, rewriting the files that hold any."""
    claims: dict[str, list[Claim]] = {}
    with runtime.ledger.read() as connection:
        for table, hours in parsed.hours_by_table().items():
            read = parsed.claims_read.get(table, 0)
            start = hour_key(runtime.config.start)
            claims[table] = claims_of_others(connection, table, hours, part.id, after=read, start=start)
            parsed.claims_read[table] = max([read, *(claim.id for claim in claims[table])])
    for index, files in enumerate(parsed.files):
        mine = [claim for claim in claims.get(files.table, []) if claim.event_hour in files.event_hours]
        if not mine:
            continue
        entities = pl.read_parquet(runtime.store.path(files.entities.uri))
        owned, unreadable = owned_elsewhere(runtime.store, mine, entities["event_id"])
        parsed.lost_claims += len(unreadable)
        if owned.is_empty():
            continue
        rows = pl.read_parquet(runtime.store.path(files.rows.uri))
        rows, entities = _without(parsed, rows, entities, entities["event_id"].is_in(owned.implode()))
        parsed.files[index] = _write(
            runtime, part, files.ordinal, files.format, files.table, rows, entities, files.native_ids
        )


def _candidates(entries: list[LedgerObject], parsed: ParsedPart) -> list[Candidate]:
    """The objects that gave rows, and may repeat another one, in the order they were read.

    The order matters: of equal objects the first has kept its events, the others lost theirs to it already.
    """
    reports = {report.object_id: report for report in parsed.reports if report.sha256 and report.rows}
    return [
        Candidate(entry.id, entry.bucket, entry.key, report.sha256, report.records, report.rejected)
        for entry in entries
        if (report := reports.get(entry.id)) is not None
    ]


def _drop_copies(runtime: Runtime, part: Part, parsed: ParsedPart) -> None:
    """Takes out the rows of objects whose bytes were read before under the same name; they count as filtered."""
    with runtime.ledger.read() as connection:
        found = copies_of(connection, runtime, part, parsed)
    new = pl.Series("object", sorted(found.keys() - parsed.copies.keys()), dtype=pl.Int64)
    parsed.copies = found
    for index, files in enumerate(parsed.files if new.len() else []):
        path = runtime.store.path(files.rows.uri)
        drop = pl.read_parquet(path, columns=["_object"])["_object"].is_in(new.implode())
        if drop.any():
            entities = pl.read_parquet(runtime.store.path(files.entities.uri))
            rows, entities = _without(parsed, pl.read_parquet(path), entities, drop)
            parsed.files[index] = _write(
                runtime, part, files.ordinal, files.format, files.table, rows, entities, files.native_ids
            )


def _store_rejects(runtime: Runtime, part: Part, rejects: pl.DataFrame) -> StoredFile | None:
    if rejects.is_empty():
        return None
    with runtime.store.create(f"{part.source}/{part.hour}/rejects", ".parquet") as writer:
        rejects.write_parquet(writer.path, compression="zstd")
    return writer.finished


def _preview(first: pl.DataFrame) -> pl.DataFrame:
    """Without empty columns, the telling ones first."""
    filled = [column.name for column in first if column.null_count() < first.height]
    leading = [name for name in _SHOWN_FIRST if name in filled]
    return first.select(*leading, *(name for name in filled if name not in leading))


def _describe(runtime: Runtime, summary: StageSummary, results: list[StageResult]) -> None:
    summary.worked_seconds = sum(result.seconds for result in results)
    for result in results:
        for name, value in result.counts.items():
            summary.counts[name] = int(summary.counts.get(name, 0)) + value
    files = [file for result in results for file in result.files_of("rows")]
    if files:
        try:
            first = pl.scan_parquet(runtime.store.path(files[-1].uri)).drop("^_.*$").head(_PREVIEW).collect()
            summary.preview = _preview(first)
        except (OSError, UserError, pl.exceptions.PolarsError) as error:
            summary.problems.append(f"no preview: {error}")  # a look must not stop the work
    if summary.counts.get("files_not_compared"):
        summary.problems.append(
            f"{summary.counts['files_not_compared']} stage files of other parts are lost or damaged, so duplicates of "
            "their events may have gone out; restore them from a backup"
        )
    with runtime.ledger.read() as connection:
        quarantined = quarantine_of_hour(connection, summary.source, summary.hour)
        retried = retried_records(connection, summary.source, summary.hour, summary.hour).get(summary.hour, 0)
    for name in ("records", "quarantined") if retried else ():
        summary.counts[name] = int(summary.counts[name]) - retried  # they stand in the counts of their retry's part
    summary.problems += [
        f"{key}: {reason}" + (f", {records} records" if records else "") + (f" ({detail})" if detail else "")
        for key, reason, records, detail in quarantined[:20]
    ]
    if len(quarantined) > 20:
        summary.problems.append(f"and {len(quarantined) - 20} more quarantine entries")
