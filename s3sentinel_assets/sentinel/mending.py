"""Mending: dead rows that come back edited, or cut, are planned anew; all of them or none.

Belongs here: the batches made of mended rows, and the one change of the ledger. Does not belong here: the file that
people edit (``letter_files``), what a row may hold (``edited_rows``), where dead rows lie (``dead_rows``), sending (the
next run of the hour does that).

Bodies are in the store before the ledger names them, and the ledger changes in one transaction under the leases of all
parts concerned: whatever dies in between leaves the letters as they were, and a file that the sweep deletes.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import msgspec

from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.ledger.audit import Decision, record_decision
from s3sentinel_assets.ledger.batches import PlannedBatch, batches_of_part, delivery_lease, replace_dead_letter
from s3sentinel_assets.ledger.dead_letters import KeptLetter, LetterFilter, find_letters
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import Lease, hold_lease, worker_name
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.dead_rows import DeadRow, DeadRows
from s3sentinel_assets.sentinel.edited_rows import RowError, cut_row, read_row, row_size, write_row
from s3sentinel_assets.sentinel.letter_files import EditedFile, RowsRefusedError
from s3sentinel_assets.sentinel.plan import compress
from s3sentinel_assets.store import Store
from s3sentinel_assets.tables import load_schema

__all__ = ["Mended", "Mender"]


@dataclass
class Mended:
    """What was mended.

    Attributes:
        rows: planned anew.
        cut: of these, rows with texts that were cut.
        hours: to run again, by source.
    """

    rows: int = 0
    cut: int = 0
    hours: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


@dataclass(frozen=True)
class _NewBatch:
    """A mended row as a batch of its own, and what is told of it."""

    planned: PlannedBatch
    stage_id: int
    changed: list[str]
    cut: list[str]


class _Edits(Protocol):
    """Where the new form of a row comes from, and how a sentence names the place."""

    def columns(self, row: DeadRow) -> Mapping[str, msgspec.Raw]: ...

    def place(self, row: DeadRow) -> str: ...


class _AsTheyAre:
    """Rows as they were refused."""

    def columns(self, row: DeadRow) -> Mapping[str, msgspec.Raw]:
        return _columns(row.json)

    def place(self, row: DeadRow) -> str:
        return f"dead letter {row.letter.id}"


@dataclass(frozen=True)
class Mender:
    """Takes dead rows back.

    Attributes:
        ledger: knows the letters.
        store: gets the bodies.
        rows: reads dead rows.
        max_batch_bytes: most bytes of a body.
        principal: who mends.
        lease_seconds: life of the parts' leases between renewals.
    """

    ledger: Ledger
    store: Store
    rows: DeadRows
    max_batch_bytes: int
    principal: str
    lease_seconds: float = 120

    def take_file(self, path: Path, *, cut: bool = False, dropped: frozenset[int] = frozenset()) -> Mended:
        """Takes an edited file back.

        Args:
            path: as `letter_files.export_rows` wrote it; letters may be missing, but none of the rows of one.
            cut: cut rows that are too large instead of refusing them.
            dropped: letters that are taken though somebody dropped them.

        Raises:
            RowsRefusedError: some line cannot be taken; nothing was changed.
            UserError: the file cannot be read, a part is being sent, or a stage file is missing.
        """
        edits = EditedFile(path)
        letters = self._find(LetterFilter(ids=edits.letters, with_dropped=True))
        edits.check_letters(letters, dropped)
        order = _Order("dead-letter fix", str(path), cut, self.max_batch_bytes)
        return self._replace(letters, edits, order)

    def cut_letters(self, wanted: LetterFilter, max_bytes: int | None = None) -> Mended:
        """Cuts the rows of dead letters that are too large, so that they can be sent.

        Args:
            wanted: which letters.
            max_bytes: most bytes of a body with such a row; None: of any body.

        Raises:
            RowsRefusedError: some row cannot be cut; nothing was changed.
            UserError: a part is being sent, or a stage file is missing.
        """
        limit = min(max_bytes or self.max_batch_bytes, self.max_batch_bytes)
        letters = self._find(wanted)
        order = _Order("dead-letter fix --cut", None, True, limit, must_cut=True)
        return self._replace(letters, _AsTheyAre(), order) if letters else Mended()

    def _find(self, wanted: LetterFilter) -> list[KeptLetter]:
        with self.ledger.read() as connection:
            return find_letters(connection, wanted)

    def _replace(self, letters: list[KeptLetter], edits: _Edits, order: "_Order") -> Mended:
        with contextlib.ExitStack() as leases:
            held = self._hold({letter.part_id for letter in letters}, leases)
            # Again, now that no other worker can change a batch of these parts.
            now_there = self._find(LetterFilter(ids=frozenset(letter.id for letter in letters), with_dropped=True))
            if now_there != letters:
                raise UserError("some of these dead letters were changed by somebody else; list them and try again")
            self._check(letters, edits, order)
            made: dict[int, list[_NewBatch]] = {}
            for part_id, some in groupby(letters, key=lambda letter: letter.part_id):
                made |= self._write(part_id, list(some), edits, order)
            try:
                self._commit(held, letters, made, order)
            except LeaseLostError as error:
                raise UserError(f"nothing was changed, since another worker got in between ({error})") from error
        done = Mended(sum(map(len, made.values())), sum(bool(one.cut) for some in made.values() for one in some))
        for source, hour in sorted({(letter.source, letter.hour) for letter in letters}):
            done.hours.setdefault(source, []).append(hour)
        return done

    def _hold(self, part_ids: Iterable[int], leases: contextlib.ExitStack) -> dict[int, Lease]:
        owner, held = worker_name(), dict[int, Lease]()
        for part_id in sorted(part_ids):
            lease = leases.enter_context(hold_lease(self.ledger, delivery_lease(part_id), owner, self.lease_seconds))
            if lease is None:
                raise UserError(f"part {part_id} is being sent by another worker; run this again when it is done")
            held[part_id] = lease
        return held

    def _check(self, letters: list[KeptLetter], edits: _Edits, order: "_Order") -> None:
        """Looks at every row before the first is written."""
        problems: list[str] = []
        for row in self.rows.of_all(letters):
            try:
                order.mend(row, edits.columns(row))
            except RowError as error:
                problems.append(f"{edits.place(row)}: {error}")
        if problems:
            raise RowsRefusedError(problems)

    def _write(
        self, part_id: int, letters: list[KeptLetter], edits: _Edits, order: "_Order"
    ) -> dict[int, list[_NewBatch]]:
        """The part's mended rows, a body each in one new file; by letter."""
        with self.ledger.read() as connection:
            position = 1 + max((batch.position for batch in batches_of_part(connection, part_id)), default=-1)
        made: dict[int, list[_NewBatch]] = {letter.id: [] for letter in letters}
        offset = 0
        folder = f"{letters[0].source}/{letters[0].hour}/planned"
        with self.store.create(folder, ".bodies") as writer:
            for number, row in enumerate(self.rows.of_all(letters)):
                tail, cut = order.mend(row, edits.columns(row))
                new = _new_batch(row, tail, offset)
                raw = packing.join_tails([tail], new.id)
                packed = compress(raw)
                writer.file.write(packed)
                new = replace(
                    new,
                    position=row.batch.position if row.batch else position + number,
                    length=len(packed),
                    raw_bytes=len(raw),
                    sha256=hashlib.sha256(raw).hexdigest(),
                )
                made[row.letter.id].append(_NewBatch(new, row.stage_id, _changed(row, tail), cut))
                offset += len(packed)
        uri = writer.finished.uri
        return {
            letter_id: [replace(one, planned=replace(one.planned, uri=uri)) for one in some]
            for letter_id, some in made.items()
        }

    def _commit(
        self, held: dict[int, Lease], letters: list[KeptLetter], made: dict[int, list[_NewBatch]], order: "_Order"
    ) -> None:
        with self.ledger.write() as connection:
            now = self.ledger.now()
            for letter in letters:
                some = made[letter.id]
                children = [one.planned for one in some]
                lease = held[letter.part_id]
                replace_dead_letter(connection, lease, letter, children, stage_id=some[0].stage_id, now=now)
            for (source, hour), some in groupby(letters, key=lambda letter: (letter.source, letter.hour)):
                told = _told(list(some), made)
                target = f"{len(told)} dead letters"
                detail = {"rows": sum(len(one["mended"]) for one in told.values()), "file": order.file, "letters": told}
                decision = Decision(self.principal, order.action, source, hour, target, detail=detail)
                record_decision(connection, decision, now)


@dataclass(frozen=True)
class _Order:
    """What is to be done with rows, in words for the audit trail as well."""

    action: str
    file: str | None
    cut: bool
    limit: int
    must_cut: bool = False

    def mend(self, row: DeadRow, columns: Mapping[str, msgspec.Raw]) -> tuple[bytes, list[str]]:
        """The row's new tail, and the columns that were cut.

        Raises:
            RowError: it cannot be sent like that.
        """
        edited = read_row(columns, load_schema(row.target.table), long_values=self.cut)
        event_id = msgspec.json.decode(row.json)["EventId_CF"]
        if edited.get("EventId_CF") != event_id:
            raise RowError(
                f"column EventId_CF must stay {event_id}; if nobody changed it, the dead letter is another one by now: "
                "export the rows again"
            )
        cut: list[str] = []
        if self.cut:
            edited, cut = cut_row(edited, self.limit)
        tail = write_row(edited)
        if (size := row_size(tail)) > self.limit:
            raise RowError(f"the row has {size:,} bytes, a request may have {self.limit:,}; shorten it or use --cut")
        if self.must_cut and not cut:
            raise RowError(
                f"the row has {size:,} bytes, which a request may have; the service said otherwise, so name a smaller "
                "size with --max-bytes"
            )
        return tail, cut


def _columns(json: bytes) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(json, type=dict[str, msgspec.Raw])


def _changed(row: DeadRow, tail: bytes) -> list[str]:
    """The columns that differ from what was refused."""
    old, new = _columns(row.json), _columns(b"{" + tail[1:] + b"}")
    return sorted(name for name in {*old, *new} if bytes(old.get(name, b"")) != bytes(new.get(name, b"")))


def _new_batch(row: DeadRow, tail: bytes, offset: int) -> PlannedBatch:
    """The batch of a mended row; the same edit of the same letter has the same id, any other has another."""
    letter, old = row.letter, row.batch
    was = old.id if old is not None else f"letter {letter.id}"
    content = hashlib.sha256(tail).hexdigest()
    return PlannedBatch(
        id=packing.make_batch_id("mended", letter.part_id, was, row.number, content),
        part_id=letter.part_id,
        parent_id=letter.batch_id,
        dcr_id=row.target.dcr_id,
        stream=row.target.stream,
        table_name=row.target.table,
        position=0,
        row_start=row.number,
        row_end=row.number + 1,
        uri="",
        offset=offset,
        length=0,
        raw_bytes=0,
        sha256="",
        attempt=old.attempt if old is not None else 1,
        kind=row.target.kind,
        route=row.target.route,
    )


def _told(letters: list[KeptLetter], made: dict[int, list[_NewBatch]]) -> dict[str, dict[str, Any]]:
    """For the audit trail, by letter: the batch it was in, those it is in now, and which columns are not as before."""
    return {
        str(letter.id): {
            "batch": letter.batch_id,
            "mended": [one.planned.id for one in made[letter.id]],
            "changed": sorted({name for one in made[letter.id] for name in one.changed}),
            "cut": sorted({name for one in made[letter.id] for name in one.cut}),
        }
        for letter in letters
    }
