"""The rows behind dead letters: read back from the store, with the place they were meant for.

Belongs here: letter → rows, checked. Does not belong here: what is done with them (``requeue``, ``mending``), printing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import sqlalchemy as sa

from s3sentinel_assets.config import Destination
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.batches import Batch, batches_by_id, batches_of_part
from s3sentinel_assets.ledger.dead_letters import KeptLetter, LetterFilter, find_letters
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.schema import BatchKind, Stage, stage
from s3sentinel_assets.ledger.stages import StageFile, latest_stage
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.bodies import load_raw
from s3sentinel_assets.sentinel.reject_lines import HEADER, RowTarget, read_reject_line
from s3sentinel_assets.store import Store

__all__ = ["DeadRow", "DeadRows"]

#: No row of these kinds is ever without a batch, and their batches may be planned after the plan.
_NEVER_ALONE = (BatchKind.PROMOTED, BatchKind.ENTITY_HOURS, BatchKind.PATTERNS)


@dataclass(frozen=True)
class DeadRow:
    """One row that is dead.

    Attributes:
        letter: its dead letter.
        number: of the row, as the letter counts.
        target: where it was meant to go.
        tail: its members as JSON, each behind a comma, without the batch's stamp.
        stage_id: the plan it is of.
        batch: the dead batch that holds it; None: it fitted none.
    """

    letter: KeptLetter
    number: int
    target: RowTarget
    tail: bytes
    stage_id: int
    batch: Batch | None

    @property
    def json(self) -> bytes:
        """The row as a JSON object."""
        return b"{" + self.tail[1:] + b"}"

    @property
    def line(self) -> bytes:
        """The row as a JSON object headed by the id of its letter."""
        return b'{"' + HEADER.encode() + b'":' + str(self.letter.id).encode() + self.tail + b"}"


@dataclass(frozen=True)
class _RejectFile:
    """A file of rows that fitted no body: its plan, and the lines that are dead still beside their letters."""

    uri: str
    stage_id: int
    lines: list[tuple[int, RowTarget | None, bytes]]
    letters: list[int]


class DeadRows:
    """Reads dead rows.

    Args:
        ledger: names the files.
        store: holds them.
        destination_for: source and table → where its rows go; asked only for rows of earlier plans, which kept no note.
        dcr_id: the rule where a destination names none.
    """

    def __init__(
        self, ledger: Ledger, store: Store, destination_for: Callable[[str, str], Destination], dcr_id: str
    ) -> None:
        self._ledger, self._store = ledger, store
        self._destination_for, self._dcr_id = destination_for, dcr_id
        self._file: _RejectFile | None = None  # the last one; letters come file by file

    def of(self, letter: KeptLetter) -> list[DeadRow]:
        """The rows of a letter, in order.

        Raises:
            UserError: a file is missing or damaged, or does not tell where the rows belong.
        """
        return self._of_batch(letter) if letter.batch_id is not None else [self._alone(letter)]

    def of_all(self, letters: Iterable[KeptLetter], problems: list[str] | None = None) -> Iterator[DeadRow]:
        """The rows of several letters.

        Args:
            letters: the letters.
            problems: gets a sentence for each letter whose rows cannot be read; None: that is raised.
        """
        for letter in letters:
            try:
                yield from self.of(letter)
            except UserError as error:
                if problems is None:
                    raise
                problems.append(f"dead letter {letter.id}: {error}")

    def _of_batch(self, letter: KeptLetter) -> list[DeadRow]:
        with self._ledger.read() as connection:
            found = batches_by_id(connection, [letter.batch_id or ""])
        if not found:
            raise UserError(f"the ledger does not know batch {letter.batch_id}; restore it from a backup")
        batch = found[0]
        tails = packing.tails_of(load_raw(self._store, batch), batch.id)
        if len(tails) != letter.rows:
            raise UserError(f"batch {batch.id} holds {len(tails)} rows, not {letter.rows}; restore it from a backup")
        target = RowTarget(batch.table_name, batch.dcr_id, batch.stream, batch.kind, batch.route)
        return [
            DeadRow(letter, letter.row_start + place, target, tail, batch.stage_id, batch)
            for place, tail in enumerate(tails)
        ]

    def _alone(self, letter: KeptLetter) -> DeadRow:
        uri = letter.uri or ""
        file = self._file
        if file is None or file.uri != uri or letter.id not in file.letters:
            file = self._file = self._opened(letter)
        if letter.id not in file.letters:
            raise UserError("somebody else took it back a moment ago; list what is dead")
        place = file.letters.index(letter.id)
        number, target, tail = file.lines[place]
        return DeadRow(letter, number, target or self._default_target(letter, tail), tail, file.stage_id, None)

    def _opened(self, letter: KeptLetter) -> _RejectFile:
        """The file of a letter: its lines less those of rows that were mended, beside the letters that are left."""
        uri = letter.uri or ""
        with self._ledger.read() as connection:
            plans = connection.execute(
                sa.select(stage).where(stage.c.part_id == letter.part_id, stage.c.stage == Stage.PLANNED.value)
            ).all()
            plan = next((plan for plan in plans if any(file["uri"] == uri for file in plan.files)), None)
            if plan is None:
                raise UserError(f"no plan names the stage file {uri!r}; restore the ledger from a backup")
            letters = find_letters(connection, LetterFilter(part_id=letter.part_id, with_dropped=True))
            batches = batches_of_part(connection, letter.part_id)
        files = {file["uri"]: StageFile(**file) for file in plan.files}
        left = sorted((one for one in letters if one.uri == uri and one.batch_id is None), key=lambda one: one.id)
        mended = [
            one
            for one in batches
            if (one.stage_id, one.parent_id) == (plan.id, None)
            and one.uri not in files
            and one.kind not in _NEVER_ALONE
        ]
        path = self._store.checked_path(uri, files[uri].sha256)
        lines = _unmended(path, _lines(path, left, mended, plan.counts), mended)
        if [number for number, _, _ in lines] != [one.row_start for one in left]:
            raise UserError(_lost(path))
        return _RejectFile(uri, plan.id, lines, [one.id for one in left])

    def _default_target(self, letter: KeptLetter, tail: bytes) -> RowTarget:
        """Where a row goes of which only its event id is known: to its table, as others of its part do."""
        with self._ledger.read() as connection:
            parsed = latest_stage(connection, letter.part_id, Stage.PARSED)
            batches = batches_of_part(connection, letter.part_id)
        files = parsed.files_of("rows") if parsed is not None else []
        tables = {file.table for file in files}
        if len(tables) > 1:
            event_id = msgspec.json.decode(b"{" + tail[1:] + b"}")["EventId_CF"]
            tables = {file.table for file in files if self._holds(file, event_id)}
        table = next(iter(tables), None)
        if table is None or len(tables) > 1:
            raise UserError(
                f"it cannot be told which table row {letter.row_start} of part {letter.part_id} is for, since the "
                "part's parsed files do not have it; restore them from a backup"
            )
        for batch in batches:
            if (batch.table_name, batch.kind, batch.route) == (table, BatchKind.ROWS, None):
                return RowTarget(table, batch.dcr_id, batch.stream)
        where = self._destination_for(letter.source, table)
        return RowTarget(table, where.rules(self._dcr_id)[0], where.stream_name)

    def _holds(self, file: StageFile, event_id: str) -> bool:
        path = self._store.checked_path(file.uri, file.sha256)
        return bool((pl.read_parquet(path, columns=["EventId_CF"]).get_column("EventId_CF") == event_id).any())


def _lost(path: Path) -> str:
    return f"stage file {path} does not hold the rows that the ledger says; restore it from a backup"


def _lines(
    path: Path, left: Sequence[KeptLetter], mended: Sequence[Batch], counts: dict[str, Any]
) -> list[tuple[int, RowTarget | None, bytes]]:
    """Every line of a file: number, target and tail."""
    try:
        read = [read_reject_line(line) for line in path.read_bytes().split(b"\n") if line]
    except ValueError as error:
        raise UserError(f"stage file {path} is damaged ({error}); restore it from a backup") from error
    if all(number is not None for number, _, _ in read):
        return [(number or 0, target, tail) for number, target, tail in read]
    # An earlier plan: rows in order, whose numbers are those of the letters it once had.
    numbers = sorted([one.row_start for one in left] + [one.row_start for one in mended])
    if counts.get("routing"):
        raise UserError(f"stage file {path} does not say which routes its rows took, so they cannot be mended")
    if len(numbers) != len(read):
        raise UserError(_lost(path))
    return [(number, None, tail) for number, (_, _, tail) in zip(numbers, read, strict=True)]


def _unmended(
    path: Path, lines: list[tuple[int, RowTarget | None, bytes]], mended: Sequence[Batch]
) -> list[tuple[int, RowTarget | None, bytes]]:
    """The lines less one for each mended row: lanes count for themselves, so the target tells as well."""
    left = list(lines)
    for batch in mended:
        target = RowTarget(batch.table_name, batch.dcr_id, batch.stream, batch.kind, batch.route)
        found = next((one for one in left if one[0] == batch.row_start and one[1] in (None, target)), None)
        if found is None:
            raise UserError(_lost(path))
        left.remove(found)
    return left
