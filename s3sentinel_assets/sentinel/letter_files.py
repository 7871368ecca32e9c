"""The file that dead rows are edited in: NDJSON, each row headed by the id of its dead letter.

Belongs here: writing it, and finding a row's line in it again. Does not belong here: what a row may hold
(``edited_rows``), what becomes of it (``mending``).
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.dead_letters import KeptLetter
from s3sentinel_assets.sentinel.dead_rows import DeadRow
from s3sentinel_assets.sentinel.edited_rows import RowError, split_line

__all__ = ["EditedFile", "RowsRefusedError", "export_rows"]

_MARK = b"\xef\xbb\xbf"  # some editors put it in front of UTF-8


class RowsRefusedError(UserError):
    """Rows that were handed in cannot be taken: a sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def export_rows(rows: Iterable[DeadRow], path: Path) -> int:
    """Writes rows to a new file that only its owner may read, whole or not at all.

    Returns:
        How many rows.

    Raises:
        UserError: the file is there already, or cannot be written.
    """
    if path.exists():
        raise UserError(f"{path} is there already and may hold edits; name another file")
    part = path.with_name(f"{path.name}.part")
    count = 0
    try:
        # Logs hold what not everybody may read.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for row in rows:
                file.write(row.line + b"\n")
                count += 1
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


@dataclass(frozen=True)
class _Place:
    """A line of the file: its number from 1, and its bytes."""

    number: int
    offset: int
    length: int


class EditedFile:
    """A file that came back. Lines are found once and read again when they are needed.

    Args:
        path: the file; empty lines are left out.

    Raises:
        RowsRefusedError: a line is no row of a dead letter.
        UserError: the file cannot be read, or holds no rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[int, list[_Place]] = {}
        problems: list[str] = []
        offset = 0
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    place = _Place(number, offset, len(line))
                    offset += len(line)
                    if not _bare(line):
                        continue
                    try:
                        self._places.setdefault(split_line(_bare(line))[0], []).append(place)
                    except RowError as error:
                        problems.append(self._sentence(place, str(error)))
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        if problems:
            raise RowsRefusedError(problems)
        if not self._places:
            raise UserError(f"{path} holds no rows; export dead letters to it first")

    @property
    def letters(self) -> frozenset[int]:
        """The ids of the letters whose rows it holds."""
        return frozenset(self._places)

    def check_letters(self, letters: Iterable[KeptLetter], dropped: Collection[int]) -> None:
        """Makes sure that every line is of a letter that may be taken, and that no row of one is missing.

        Args:
            letters: those that the ledger knows of `letters`.
            dropped: ids that may be taken though they were dropped.

        Raises:
            RowsRefusedError: it is not so.
        """
        known = {letter.id: letter for letter in letters}
        problems: list[str] = []
        for letter_id, places in self._places.items():
            if trouble := _trouble(letter_id, known.get(letter_id), len(places), dropped):
                problems.append(self._sentence(places[0], trouble))
        if problems:
            raise RowsRefusedError(problems)

    def columns(self, row: DeadRow) -> dict[str, msgspec.Raw]:
        """What the file says of a row.

        Raises:
            RowError: the line was changed meanwhile.
        """
        place = self._place(row)
        with self.path.open("rb") as file:
            file.seek(place.offset)
            letter_id, columns = split_line(_bare(file.read(place.length)))
        if letter_id != row.letter.id:
            raise RowError("the file was changed while it was read; run this again")
        return columns

    def place(self, row: DeadRow) -> str:
        """The words for a row's line."""
        return f"{self.path}, line {self._place(row).number}"

    def _place(self, row: DeadRow) -> _Place:
        return self._places[row.letter.id][row.number - row.letter.row_start]

    def _sentence(self, place: _Place, trouble: str) -> str:
        return f"{self.path}, line {place.number}: {trouble}"


def _bare(line: bytes) -> bytes:
    return line.removeprefix(_MARK).strip()


def _trouble(letter_id: int, letter: KeptLetter | None, lines: int, dropped: Collection[int]) -> str | None:
    if letter is None:
        return f"no dead letter has the number {letter_id}; was it mended or sent again already?"
    if letter.dropped_at is not None and letter_id not in dropped:
        return (
            f"dead letter {letter_id} was dropped by {letter.dropped_by} ({letter.dropped_because}); "
            f"--id {letter_id} takes it all the same"
        )
    if lines > letter.rows:
        return f"dead letter {letter_id} stands in {lines} lines and has {letter.rows:,} rows"
    if lines < letter.rows:
        return f"dead letter {letter_id} has {letter.rows:,} rows, the file holds {lines}; all or none can be taken"
    return None
