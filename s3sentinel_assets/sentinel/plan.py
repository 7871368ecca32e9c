"""The plan: exactly which bytes will be sent for a part, written down before the first request.

Belongs here: stage files in, one file of concatenated gzip bodies and the batch rows out. Does not belong here: the
form of a row (``render``), where bodies are cut (``packing``), sending (``delivery``).

The same inputs give the same bodies and the same batch ids, whenever and wherever the plan is made again. A part of a
mixed source has files of several tables; they are planned table by table, so that each body holds rows of one table.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
from isal import igzip
from sqlalchemy.engine import Connection

from s3sentinel_assets.config import OVERFLOW_TABLE, Destination, SentinelSettings
from s3sentinel_assets.ledger.batches import PlannedBatch, insert_batches
from s3sentinel_assets.ledger.dead_letters import DeadLetter, record_dead_letters
from s3sentinel_assets.ledger.leases import Lease
from s3sentinel_assets.ledger.schema import BatchKind, Stage
from s3sentinel_assets.ledger.stages import StageFile, StageResult, commit_stage
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.hour_rows import HOUR_TABLES, render_hour_rows
from s3sentinel_assets.sentinel.lanes import Lane, LaneKey, open_lane
from s3sentinel_assets.sentinel.overflow import render_overflow
from s3sentinel_assets.sentinel.reject_lines import RowTarget, reject_line
from s3sentinel_assets.sentinel.render import FLAG_SEPARATOR, RENDER_VERSION, render_rows
from s3sentinel_assets.sentinel.routing import AUDIT_FLAG, Choice, Router, Target
from s3sentinel_assets.store import Store, StoreWriter
from s3sentinel_assets.tables import load_schema

__all__ = ["PlannedBodies", "commit_plan", "compress", "plan_part"]

#: What CloudTrail's digests said of an event's log file when its delivery was planned.
INTEGRITY_COLUMN = "IntegrityStatus_CF"

#: Rows rendered at a time: bounds memory, and big enough for columns to pay.
SLICE_ROWS = 16_384

# isal's level 1 runs at about 2 GB/s here and 3 at a fifth of that for no better ratio.
_GZIP_LEVEL = 1


def compress(raw: bytes) -> bytes:
    """A gzip body; without a time stamp, so that equal bodies are equal files."""
    return igzip.compress(raw, _GZIP_LEVEL, mtime=0)


@dataclass(frozen=True)
class PlannedBodies:
    """A part's plan, in the store but not in the ledger yet: hand it to `commit_plan`."""

    part_id: int
    files: list[StageFile]
    batches: list[PlannedBatch]
    dead_letters: list[DeadLetter]
    counts: dict[str, Any]


@dataclass(frozen=True)
class _Part:
    """What is planned, and what its batch ids depend on."""

    id: int
    basis: str
    destination_for: Callable[[str], Destination]
    router: Router | None
    integrity: Mapping[int, str]


@dataclass
class _Draft:
    """What a plan gathers while it is written; uris are filled in once the files are whole."""

    batches: list[PlannedBatch] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    raw_bytes: int = 0
    offset: int = 0


def plan_part(
    store: Store,
    folder: str,
    parsed: StageResult,
    scored: StageResult | None,
    destination_for: Callable[[str], Destination],
    settings: SentinelSettings,
    integrity: Mapping[int, str] | None = None,
    router: Router | None = None,
) -> PlannedBodies:
    """Renders, packs and compresses a part, file by file, into one stage file.

    Args:
        store: holds the inputs and gets the bodies.
        folder: where in the store, such as ``cloudtrail/2026-11-23-13:00/planned``.
        parsed: the part's ``rows`` files, one per table and piece.
        scored: the ``scores`` files, row-aligned by ordinal; files that scoring left out, and counted as
            ``unscored``, have none and go out unscored. None: the whole part does. ``entity_hours`` files are rows of
            their own table, which are no events and come on top.
        destination_for: table → the source's destination for its rows.
        settings: DCR and most bytes of a body.
        integrity: object id → what its source says of its integrity, as known now; goes into ``IntegrityStatus_CF``.
        router: chooses where rows go; None: all to their own table's destination.

    Raises:
        UserError: a stage file is missing or damaged, or the disk refuses.
        ValueError: rows and scores do not belong together.
    """
    row_files = _by_table(parsed.files_of("rows"))
    scores = {file.ordinal: file for file in scored.files_of("scores")} if scored else {}
    hour_files = [file for file in scored.files_of(BatchKind.ENTITY_HOURS.value) if file.rows] if scored else []
    _check_unscored(row_files, scores, scored)
    basis = f"{parsed.id}.{parsed.generation}/" + (f"{scored.id}.{scored.generation}" if scored else "unscored")
    if integrity:
        # It may change until the plan is committed, and one batch id must never name two bodies.
        basis += "/" + hashlib.sha256(repr(sorted(integrity.items())).encode()).hexdigest()[:16]
    if router is not None and router.digest:
        basis += "/" + router.digest
    part = _Part(parsed.part_id, basis, destination_for, router, integrity or {})
    draft = _Draft()
    stored: list[StageFile] = []
    if hour_files or any(file.rows for file in row_files):
        with contextlib.ExitStack() as opened:
            bodies = opened.enter_context(store.create(folder, ".bodies"))
            bodies.file.flush()  # opens it: the file is made even if no row fits a body
            rejects = _Rejects(store, folder, opened)
            planner = _Planner(store, bodies, rejects, draft, part, settings)
            for file in row_files:
                planner.add_file(file, scores.get(file.ordinal))
            for file in hour_files:
                planner.add_hour_rows(file, BatchKind.ENTITY_HOURS)
            planner.finish()
        stored = [_stage_file("bodies", bodies, len(draft.batches))]
        draft.batches = [replace(planned, uri=stored[0].uri) for planned in draft.batches]
        if rejects.writer is not None:
            stored.append(_stage_file("rejects", rejects.writer, len(draft.dead_letters)))
            draft.dead_letters = [replace(letter, uri=stored[1].uri) for letter in draft.dead_letters]
    counts = _counts(draft, router) | {"scored": scored is not None}
    return PlannedBodies(parsed.part_id, stored, draft.batches, draft.dead_letters, counts)


def _counts(draft: _Draft, router: Router | None) -> dict[str, Any]:
    """What the plan holds: events, bodies, bytes; and what the routing rules did."""
    events = [planned for planned in draft.batches if planned.kind is BatchKind.ROWS]
    counts: dict[str, Any] = {
        "rows": sum(planned.rows for planned in events),
        "batches": len(draft.batches),
        "raw_bytes": draft.raw_bytes,
        "gzip_bytes": draft.offset,
        "too_large": len(draft.dead_letters),
    }
    if overflow := sum(planned.rows for planned in draft.batches if planned.kind is BatchKind.OVERFLOW):
        counts["overflow_rows"] = overflow
    if hours := sum(planned.rows for planned in draft.batches if planned.kind is BatchKind.ENTITY_HOURS):
        counts["entity_hour_rows"] = hours
    if router is not None and router.reports:
        for planned in events:
            if planned.route is not None:
                router.reports[planned.route].raw_bytes += planned.raw_bytes
        counts["routing"] = {name: report.as_counts() for name, report in router.reports.items()}
        counts["filtered"] = router.filtered
    return counts


def commit_plan(
    connection: Connection, held: Lease, planned: PlannedBodies, *, generation: int, seconds: float, now: int
) -> int:
    """Records the plan: stage, batches and rows that fit no batch, in the caller's transaction.

    Returns:
        The stage's id.

    Raises:
        LeaseLostError: another worker took over the part; the transaction must not commit.
    """
    stage_id = commit_stage(
        connection,
        held,
        part_id=planned.part_id,
        which=Stage.PLANNED,
        generation=generation,
        code_version=f"render-{RENDER_VERSION}",
        files=planned.files,
        counts=planned.counts,
        seconds=seconds,
        now=now,
    )
    insert_batches(connection, planned.batches, stage_id, now)
    record_dead_letters(connection, planned.dead_letters, now)
    return stage_id


class _Rejects:
    """The file of rows that fit no body, made when the first one turns up."""

    def __init__(self, store: Store, folder: str, opened: contextlib.ExitStack) -> None:
        self._store, self._folder, self._opened = store, folder, opened
        self.writer: StoreWriter | None = None

    def add(self, cut: packing.Cut, lane: Lane, part_id: int, limit: int, draft: _Draft) -> None:
        if self.writer is None:
            self.writer = self._opened.enter_context(self._store.create(self._folder, ".ndjson"))
        tail = cut.tails[0]
        target = RowTarget(lane.schema.name, lane.dcr_id, lane.stream, lane.kind, lane.route)
        self.writer.file.write(reject_line(tail, cut.start, target))
        detail = f"the row alone has {len(tail.encode()) + 1} bytes, a request may have {limit}"
        draft.dead_letters.append(DeadLetter(part_id, None, cut.start, cut.end, "row_too_large", detail, None))


def _stage_file(kind: str, writer: StoreWriter, rows: int) -> StageFile:
    stored = writer.stored
    if stored is None:
        raise RuntimeError(f"the {kind} file was not finished")
    return StageFile(kind, stored.uri, stored.sha256, stored.size, rows)


def _by_table(row_files: list[StageFile]) -> list[StageFile]:
    """The files in order, those of one table together."""
    places: dict[str, int] = {}
    for file in row_files:
        if file.table is None:
            raise ValueError(f"stage file {file.uri} names no table")
        places.setdefault(file.table, len(places))
    return sorted(row_files, key=lambda file: places[file.table or ""])


def _check_unscored(row_files: list[StageFile], scores: Mapping[int, StageFile], scored: StageResult | None) -> None:
    """Tells files that scoring left out on purpose from files whose scores are lost."""
    if scored is None:
        return
    without = [file for file in row_files if file.ordinal not in scores]
    # Events that nobody scored may have a file all the same, with their patterns.
    expected = scored.counts.get("without_score_file", scored.counts.get("unscored", 0))
    rows = sum(file.rows for file in without)
    if rows != expected:
        named = f": stage file {without[0].uri} has no scores" if without else ""
        raise ValueError(f"{rows} rows of part {scored.part_id} have no scores, scoring left out {expected}{named}")


class _Planner:
    """Plans a part file by file: one lane for each destination of a table, and one for what is too long for a field."""

    def __init__(
        self,
        store: Store,
        bodies: StoreWriter,
        rejects: _Rejects,
        draft: _Draft,
        part: _Part,
        settings: SentinelSettings,
    ) -> None:
        self._store, self._bodies, self._rejects, self._draft = store, bodies, rejects, draft
        self._part, self._settings = part, settings
        self._table = ""
        self._seen = 0  # rows of the part so far
        self._lanes: dict[LaneKey, Lane] = {}

    def add_file(self, file: StageFile, score_file: StageFile | None) -> None:
        """Plans the rows of one file; files of one table share bodies, tables never do."""
        table = file.table or ""
        if table != self._table:
            self._close(kind=BatchKind.ROWS)
            self._table = table
        rows, scores = self._read(file, score_file)
        timed = self._timed()
        if timed:
            order = rows.select(pl.arg_sort_by("TimeGenerated", maintain_order=True)).to_series()
            rows, scores = rows[order], scores[order] if scores is not None else None
        for start in range(0, rows.height, SLICE_ROWS):
            piece_scores = None if scores is None else scores.slice(start, SLICE_ROWS)
            self._add_slice(rows.slice(start, SLICE_ROWS), piece_scores)
        if timed:
            for lane in self._lanes.values():
                if lane.timed:
                    self._write(lane, lane.packer.finish())  # the next file is sorted by itself

    def add_hour_rows(self, file: StageFile, kind: BatchKind) -> None:
        """Plans rows about an hour, which go to a table of their own whatever the routing rules say."""
        rows = pl.read_parquet(self._store.checked_path(file.uri, file.sha256))
        lane = self._lane(Target(self._part.destination_for(HOUR_TABLES[kind])), kind)
        tails = render_hour_rows(rows, lane.schema.name, self._settings.max_batch_bytes)
        self._write(lane, lane.packer.add(tails))

    def finish(self) -> None:
        """Plans what is left."""
        for kind in (BatchKind.ROWS, BatchKind.OVERFLOW, BatchKind.ENTITY_HOURS):
            self._close(kind=kind)

    def _timed(self) -> bool:
        tables = self._part.router.tables(self._table) if self._part.router else [self._table]
        return any(load_schema(table).plan == "Auxiliary" for table in tables)

    def _close(self, kind: BatchKind) -> None:
        for key in [key for key, lane in self._lanes.items() if lane.kind is kind]:
            lane = self._lanes.pop(key)
            self._write(lane, lane.packer.finish())

    def _lane(self, target: Target, kind: BatchKind = BatchKind.ROWS) -> Lane:
        where = target.destination
        dcr = self._settings.dcr_id
        key = (where.table, where.stream_name, where.rules(dcr), target.rule, kind)
        if key not in self._lanes:
            start = self._seen if kind is BatchKind.ROWS else 0
            self._lanes[key] = open_lane(where, dcr, target.rule, kind, self._settings.max_batch_bytes, start)
        return self._lanes[key]

    def _read(self, file: StageFile, score_file: StageFile | None) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        # Parquet does not notice every flipped bit, and what is planned here is sent as the truth.
        rows = pl.read_parquet(self._store.checked_path(file.uri, file.sha256))
        integrity = self._part.integrity
        if integrity and INTEGRITY_COLUMN in load_schema(self._table).own_columns:
            status = pl.col("_object").replace_strict(dict(integrity), default=None, return_dtype=pl.String)
            rows = rows.with_columns(status.alias(INTEGRITY_COLUMN))
        if score_file is None:
            return rows, None
        scores = pl.read_parquet(self._store.checked_path(score_file.uri, score_file.sha256))
        if scores.height != rows.height:
            raise ValueError(f"stage file {file.uri} has {rows.height} rows and {scores.height} scores")
        return rows, scores

    def _add_slice(self, rows: pl.DataFrame, scores: pl.DataFrame | None) -> None:
        if self._part.router is None:
            choice = Choice([(Target(self._part.destination_for(self._table)), None)])
        else:
            choice = self._part.router.choose(rows, scores, self._table)
        if choice.audited is not None:
            rows = _flagged(rows, choice.audited)
        sizes = pl.zeros(rows.height, dtype=pl.Int64, eager=True) if choice.tried else None
        for target, places in choice.groups:
            lane = self._lane(target)
            some = rows if places is None else rows[places]
            some_scores = scores if scores is None or places is None else scores[places]
            tails = render_rows(some, some_scores, lane.schema, self._keep_whole)
            if sizes is not None:
                where = pl.int_range(rows.height, eager=True) if places is None else places
                sizes = sizes.scatter(where, tails.str.len_bytes().cast(pl.Int64))
            self._write(lane, lane.add(tails, some.get_column("TimeGenerated")))
        if sizes is not None and self._part.router is not None:
            for rule, places in choice.tried.items():
                self._part.router.reports[rule].raw_bytes += packing.rows_size(sizes.gather(places))
        self._seen += rows.height

    def _keep_whole(self, rows: pl.DataFrame, cut: dict[str, pl.Series]) -> None:
        if not self._settings.keep_long_values:
            return
        tails = render_overflow(rows, cut, self._table, self._settings.max_batch_bytes)
        if tails is not None:
            lane = self._lane(Target(self._part.destination_for(OVERFLOW_TABLE)), BatchKind.OVERFLOW)
            self._write(lane, lane.packer.add(tails))

    def _write(self, lane: Lane, cuts: Iterable[packing.Cut]) -> None:
        for cut in cuts:
            if cut.too_large:
                self._rejects.add(cut, lane, self._part.id, self._settings.max_batch_bytes, self._draft)
            else:
                self._write_body(lane, cut)

    def _write_body(self, lane: Lane, cut: packing.Cut) -> None:
        draft, special = self._draft, (lane.kind.value, lane.route or "")
        names = (lane.dcr_id, lane.stream, cut.start, cut.end, RENDER_VERSION)
        if special != (BatchKind.ROWS.value, ""):
            names = (*names, *special)  # these count their rows by themselves
        batch_id = packing.make_batch_id(self._part.id, self._part.basis, *names)
        raw = packing.body(cut.tails, batch_id)
        compressed = compress(raw)
        self._bodies.file.write(compressed)
        draft.batches.append(
            PlannedBatch(
                id=batch_id,
                part_id=self._part.id,
                parent_id=None,
                dcr_id=lane.dcr_id,
                stream=lane.stream,
                table_name=lane.schema.name,
                position=len(draft.batches),
                row_start=cut.start,
                row_end=cut.end,
                uri="",
                offset=draft.offset,
                length=len(compressed),
                raw_bytes=len(raw),
                sha256=hashlib.sha256(raw).hexdigest(),
                kind=lane.kind,
                route=lane.route,
            )
        )
        draft.offset += len(compressed)
        draft.raw_bytes += len(raw)
        lane.bodies += 1


def _flagged(rows: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """The rows with `AUDIT_FLAG` among the flags of those at ``places``."""
    drawn = pl.Series([False]).new_from_index(0, rows.height).scatter(places, values=True)
    had = rows.get_column("_flags") if "_flags" in rows.columns else pl.Series("_flags", [None], dtype=pl.String)
    had = had if len(had) == rows.height else had.new_from_index(0, rows.height)
    mark = pl.when(pl.lit(drawn)).then(pl.lit(AUDIT_FLAG))
    made = pl.concat_str(pl.lit(had.replace("", None)), mark, separator=FLAG_SEPARATOR, ignore_nulls=True)
    return rows.with_columns(pl.when(pl.lit(drawn)).then(made).otherwise(pl.lit(had)).alias("_flags"))
