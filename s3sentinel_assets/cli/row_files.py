"""Writing parsed rows to a local file, streamed and whole or not at all.

Belongs here: NDJSON and Parquet for people. Does not belong here: stage files (``store``) or upload bodies
(``sentinel``).

Rows carry the table's columns and ours; internal columns are left out, except that ``_flags`` is written as
``Flags_CF``, the name it has in the workspace. Parquet holds one table: with several, each gets a file of its own,
``x.<table>.parquet``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    import polars as pl

    from s3sentinel_assets.formats import ParsedFrame

__all__ = ["RowFile", "row_file"]

_SUFFIXES = (".ndjson", ".jsonl", ".parquet")
_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_SLICE = 20_000


def _public(frame: "ParsedFrame") -> "pl.DataFrame":
    from s3sentinel_assets.formats.frames import FLAGS, OBJECT, ORDINAL

    return frame.rows.drop(OBJECT, ORDINAL).rename({FLAGS: "Flags_CF"})


class _Ndjson:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = _part_name(path)
        self._file: BinaryIO = self.part.open("wb")

    def write(self, frame: "ParsedFrame") -> None:
        import polars as pl

        rows = _public(frame)
        for piece in rows.iter_slices(_SLICE):
            piece.with_columns(pl.col(pl.Datetime).dt.strftime(_INSTANT)).write_ndjson(self._file)

    def close(self) -> None:
        self._file.close()

    def finish(self) -> list[Path]:
        self.close()
        self.part.replace(self.path)
        return [self.path]

    def discard(self) -> None:
        self.close()
        self.part.unlink(missing_ok=True)


class _Parquet:
    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as parquet

        self.path = path
        self._parquet = parquet
        self._writers: dict[str, parquet.ParquetWriter] = {}
        # Proves that the folder can be written before anything is parsed.
        self._probe = _part_name(path)
        self._probe.open("wb").close()

    def _part(self, table: str) -> Path:
        return self._probe.with_name(f"{self._probe.name}.{table}")

    def write(self, frame: "ParsedFrame") -> None:
        data = _public(frame).to_arrow()
        if frame.table not in self._writers:
            self._writers[frame.table] = self._parquet.ParquetWriter(
                self._part(frame.table), data.schema, compression="zstd"
            )
        self._writers[frame.table].write_table(data)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def finish(self) -> list[Path]:
        self.close()
        if not self._writers:
            import polars as pl

            pl.DataFrame().write_parquet(self._probe)
            self._probe.replace(self.path)
            return [self.path]
        self._probe.unlink()
        written = []
        for table in self._writers:
            several = len(self._writers) > 1
            name = f"{self.path.stem}.{table}{self.path.suffix}" if several else self.path.name
            written.append(self._part(table).replace(self.path.with_name(name)))
        return written

    def discard(self) -> None:
        self.close()
        self._probe.unlink(missing_ok=True)
        for table in self._writers:
            self._part(table).unlink(missing_ok=True)


def _part_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


class RowFile:
    """Where parsed rows go.

    Attributes:
        written: the files that appeared; filled when `row_file` ends well.
    """

    def __init__(self, sink: _Ndjson | _Parquet | None) -> None:
        self._sink = sink
        self.written: list[Path] = []

    def write(self, frame: "ParsedFrame") -> None:
        """Writes a frame's rows."""
        if self._sink is not None:
            self._sink.write(frame)


@contextmanager
def row_file(path: Path | None) -> Iterator[RowFile]:
    """Opens ``path`` for rows; it appears only when all are written.

    Args:
        path: ends in ``.ndjson``, ``.jsonl`` or ``.parquet``; None writes nothing.

    Raises:
        UserError: another ending, or the file cannot be written.
    """
    if path is None:
        yield RowFile(None)
        return
    if path.suffix.lower() not in _SUFFIXES:
        raise UserError(f"{path}: the output must end in {', '.join(_SUFFIXES)}")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file in it")
    sink: _Ndjson | _Parquet | None = None
    try:
        sink = _Parquet(path) if path.suffix.lower() == ".parquet" else _Ndjson(path)
        rows = RowFile(sink)
        yield rows
        rows.written = sink.finish()
        sink = None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); choose another --output") from error
    finally:
        if sink is not None:
            sink.discard()
