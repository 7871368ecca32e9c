"""JSON records of which a few fields out of many that might be there are read.

Belongs here: reading only those fields whose names have occurred: a column for each that might occur would cost several
times more than reading the records. Does not belong here: which fields these are (each format).

Names are looked for in the bytes, in quotes; one that is written with escapes is not noticed and stays in the text.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_logs import NULL, JsonParser
from s3sentinel_assets.formats.json_logs.records import RecordRun
from s3sentinel_assets.formats.model import ParseOptions, Reading, Stray, Strays

__all__ = ["SparseJsonParser", "sparse_record"]

#: Bytes that are looked at first for names, as most records have the same.
_SAMPLE = 16 << 10
#: Fewer bytes than this are searched name by name.
_FEW = 4 << 10


@functools.cache
def sparse_record(fields: tuple[tuple[str, Any], ...]) -> type[msgspec.Struct]:
    """A record with the fields (name, type); `msgspec.Raw` or a type that is None where absent."""
    members = [
        (f"field_{place}", kind, NULL if kind is msgspec.Raw else None) for place, (_, kind) in enumerate(fields)
    ]
    names = {f"field_{place}": name for place, (name, _) in enumerate(fields)}
    return msgspec.defstruct("Record", members, rename=names, gc=False)


class SparseJsonParser(JsonParser):
    """A format whose records may have any fields; the text of each is kept.

    A raw column for a field is there once its name has occurred; until then it is missing.

    Attributes:
        fields: name in JSON → type of all fields that are read; ``Record`` has those that are in ``required``.
    """

    fields: ClassVar[Mapping[str, Any]]
    keep_text: ClassVar[bool] = True
    keep_unknown: ClassVar[bool] = False

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """Prepares to parse; ``limits`` as `JsonParser` has them."""
        super().__init__(options, strays, **limits)
        alternatives = ((entry,) if isinstance(entry, str) else entry for entry in self.required)
        self._names = {name for names in alternatives for name in names}
        self._longest = max(map(len, self.fields)) + 2

    def adopt(self, reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:
        """Gathers strays; see `FormatParser.adopt`."""
        self._note_names(b"\n".join(stray.data for stray in strays))
        return super().adopt(reading, strays)

    def _read_some(self, reading: Reading, run: RecordRun, start: int, texts: Sequence[bytes | msgspec.Raw]) -> None:
        if not start:
            self._note_names(run.source)
        super()._read_some(reading, run, start, texts)

    def _note_names(self, data: bytes) -> None:
        """From now on reads the fields whose names occur in ``data`` as well."""
        for part in (data[:_SAMPLE], data[_SAMPLE - self._longest :] if len(data) > _SAMPLE else b""):
            sought = {f'"{name}"': name for name in self.fields if name not in self._names}
            if not sought or (len(part) < _FEW and not any(name.encode() in part for name in sought)):
                continue
            texts = pl.Series([part.decode(errors="replace")])
            if not texts.str.contains_any(list(sought))[0]:
                continue
            found = texts.str.extract_many(list(sought)).explode().unique()
            self._names |= {sought[text] for text in found}
            self._finish_step()
            self._read_as(
                sparse_record(tuple((name, self.fields[name]) for name in self.fields if name in self._names))
            )
