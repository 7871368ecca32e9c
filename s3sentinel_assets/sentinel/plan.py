"""The plan: exactly which bytes will be sent for a part, written down before the first request.

Belongs here: stage files in, one file of concatenated gzip bodies and the batch rows out. Does not belong here: the
form of a row (``render``), where bodies are cut (``packing``), sending (``delivery``).

The same inputs give the same bodies and the same batch ids, whenever and wherever the plan is made again. A part of a
mixed source has files of several tables; they are planned table by table, so that each body holds rows of one table.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
from isal import igzip
from sqlalchemy.engine import Connection

from s3sentinel_assets.config import Destination, SentinelSettings
from s3sentinel_assets.ledger.batches import PlannedBatch, insert_batches
from s3sentinel_assets.ledger.dead_letters import DeadLetter, record_dead_letters
from s3sentinel_assets.ledger.leases import Lease
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import StageFile, StageResult, commit_stage
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.render import RENDER_VERSION, render_rows
from s3sentinel_assets.store import Store, StoreWriter
from s3sentinel_assets.tables import TableSchema, load_schema

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
) -> PlannedBodies:
    """Renders, packs and compresses a part, file by file, into one stage file.

    Args:
        store: holds the inputs and gets the bodies.
        folder: where in the store, such as ``cloudtrail/2026-11-23-13:00/planned``.
        parsed: the part's ``rows`` files, one per table and piece.
        scored: the ``scores`` files, row-aligned by ordinal; files that scoring left out, and counted as
            ``unscored``, have none and go out unscored. None: the whole part does.
        destination_for: table → the source's destination for its rows.
        settings: DCR and most bytes of a body.
        integrity: object id → what its source says of its integrity, as known now; goes into ``IntegrityStatus_CF``.

    Raises:
        UserError: a stage file is missing or damaged, or the disk refuses.
        ValueError: rows and scores do not belong together.
    """
    row_files = _by_table(parsed.files_of("rows"))
    scores = {file.ordinal: file for file in scored.files_of("scores")} if scored else {}
    _check_unscored(row_files, scores, scored)
    basis = f"{parsed.id}.{parsed.generation}/" + (f"{scored.id}.{scored.generation}" if scored else "unscored")
    if integrity:
        # It may change until the plan is committed, and one batch id must never name two bodies.
        basis += "/" + hashlib.sha256(repr(sorted(integrity.items())).encode()).hexdigest()[:16]
    draft = _Draft()
    stored: list[StageFile] = []
    if any(file.rows for file in row_files):
        with contextlib.ExitStack() as opened:
            bodies = opened.enter_context(store.create(folder, ".bodies"))
            bodies.file.flush()  # opens it: the file is made even if no row fits a body
            rejects = _Rejects(store, folder, opened)
            for stream, cut in _cuts(store, row_files, scores, destination_for, settings, integrity or {}):
                if cut.too_large:
                    rejects.add(cut, parsed.part_id, settings.max_batch_bytes, draft)
                else:
                    _write_body(bodies, cut, stream, parsed.part_id, basis, draft)
        stored = [_stage_file("bodies", bodies, len(draft.batches))]
        draft.batches = [replace(planned, uri=stored[0].uri) for planned in draft.batches]
        if rejects.writer is not None:
            stored.append(_stage_file("rejects", rejects.writer, len(draft.dead_letters)))
            draft.dead_letters = [replace(letter, uri=stored[1].uri) for letter in draft.dead_letters]
    rows = sum(planned.rows for planned in draft.batches)
    counts = {
        "rows": rows,
        "batches": len(draft.batches),
        "raw_bytes": draft.raw_bytes,
        "gzip_bytes": draft.offset,
        "too_large": len(draft.dead_letters),
        "scored": scored is not None,
    }
    return PlannedBodies(parsed.part_id, stored, draft.batches, draft.dead_letters, counts)


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


@dataclass(frozen=True)
class _Stream:
    """Where rows of one table go."""

    dcr_id: str
    name: str
    schema: TableSchema

    @property
    def span(self) -> int | None:
        """Most microseconds of TimeGenerated in one body."""
        return packing.AUXILIARY_SPAN_MICROS if self.schema.plan == "Auxiliary" else None


class _Rejects:
    """The file of rows that fit no body, made when the first one turns up."""

    def __init__(self, store: Store, folder: str, opened: contextlib.ExitStack) -> None:
        self._store, self._folder, self._opened = store, folder, opened
        self.writer: StoreWriter | None = None

    def add(self, cut: packing.Cut, part_id: int, limit: int, draft: _Draft) -> None:
        if self.writer is None:
            self.writer = self._opened.enter_context(self._store.create(self._folder, ".ndjson"))
        line = ("{" + cut.tails[0].removeprefix(",") + "}").encode()
        self.writer.file.write(line + b"\n")
        detail = f"the row alone has {len(line)} bytes, a request may have {limit}"
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
    rows, expected = sum(file.rows for file in without), scored.counts.get("unscored", 0)
    if rows != expected:
        named = f": stage file {without[0].uri} has no scores" if without else ""
        raise ValueError(f"{rows} rows of part {scored.part_id} have no scores, scoring left out {expected}{named}")


def _stream(table: str, destination: Destination, settings: SentinelSettings) -> _Stream:
    return _Stream(destination.dcr_id or settings.dcr_id, destination.stream_name, load_schema(table))


def _cuts(
    store: Store,
    row_files: list[StageFile],
    scores: Mapping[int, StageFile],
    destination_for: Callable[[str], Destination],
    settings: SentinelSettings,
    integrity: Mapping[int, str],
) -> Iterator[tuple[_Stream, packing.Cut]]:
    """Every cut of the part in row order. Files of one table share bodies; tables never do."""
    stream: _Stream | None = None
    packer = packing.Packer(settings.max_batch_bytes)
    for file in row_files:
        table = file.table or ""
        if stream is None or stream.schema.name != table:
            if stream is not None:
                yield from ((stream, cut) for cut in packer.finish())
            stream = _stream(table, destination_for(table), settings)
            packer = packing.Packer(settings.max_batch_bytes, packer.next_row, stream.span)
        for tails, times in _rendered(store, file, scores.get(file.ordinal), stream, integrity):
            yield from ((stream, cut) for cut in packer.add(tails, times))
        if stream.span is not None:
            yield from ((stream, cut) for cut in packer.finish())  # the next file is sorted by itself
    if stream is not None:
        yield from ((stream, cut) for cut in packer.finish())


def _rendered(
    store: Store, file: StageFile, score_file: StageFile | None, stream: _Stream, integrity: Mapping[int, str]
) -> Iterator[tuple[pl.Series, pl.Series | None]]:
    """The tails of one file, slice by slice, with their times where the packer needs them."""
    # Parquet does not notice every flipped bit, and what is planned here is sent as the truth.
    rows = pl.read_parquet(store.checked_path(file.uri, file.sha256))
    if integrity and INTEGRITY_COLUMN in stream.schema.own_columns:
        status = pl.col("_object").replace_strict(dict(integrity), default=None, return_dtype=pl.String)
        rows = rows.with_columns(status.alias(INTEGRITY_COLUMN))
    scores = pl.read_parquet(store.checked_path(score_file.uri, score_file.sha256)) if score_file else None
    if scores is not None and scores.height != rows.height:
        raise ValueError(f"stage file {file.uri} has {rows.height} rows and {scores.height} scores")
    if stream.span is not None:
        order = rows.select(pl.arg_sort_by("TimeGenerated", maintain_order=True)).to_series()
        rows, scores = rows[order], scores[order] if scores is not None else None
    for start in range(0, rows.height, SLICE_ROWS):
        piece = rows.slice(start, SLICE_ROWS)
        piece_scores = None if scores is None else scores.slice(start, SLICE_ROWS)
        times = None
        if stream.span is not None:
            # Without TimeGenerated the service takes the time of receipt: such rows share no body with others.
            times = piece.get_column("TimeGenerated").dt.epoch("us").fill_null(-(1 << 62))
        yield render_rows(piece, piece_scores, stream.schema), times


def _write_body(
    bodies: StoreWriter, cut: packing.Cut, stream: _Stream, part_id: int, basis: str, draft: _Draft
) -> None:
    batch_id = packing.make_batch_id(part_id, basis, stream.dcr_id, stream.name, cut.start, cut.end, RENDER_VERSION)
    raw = packing.body(cut.tails, batch_id)
    compressed = compress(raw)
    bodies.file.write(compressed)
    draft.batches.append(
        PlannedBatch(
            id=batch_id,
            part_id=part_id,
            parent_id=None,
            dcr_id=stream.dcr_id,
            stream=stream.name,
            table_name=stream.schema.name,
            position=len(draft.batches),
            row_start=cut.start,
            row_end=cut.end,
            uri="",
            offset=draft.offset,
            length=len(compressed),
            raw_bytes=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
        )
    )
    draft.offset += len(compressed)
    draft.raw_bytes += len(raw)
