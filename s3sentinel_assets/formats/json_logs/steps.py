"""Decoded records on their way into columns, about a thousand at a time.

Belongs here: what is remembered of records until they are columns, and that step. Does not belong here: decoding, and
anything a format computes from its columns.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import EXTRA, FLAGS, OBJECT, ORDINAL
from s3sentinel_assets.formats.json_logs.columns import UNFIT_ERRORS, columns_of, fits_columns
from s3sentinel_assets.formats.json_logs.decoding import LEARNED, Decoded, RecordDecoder
from s3sentinel_assets.formats.json_logs.extras import joined_objects
from s3sentinel_assets.formats.json_logs.inner import InnerDecoder
from s3sentinel_assets.formats.json_logs.typed import Undecodable
from s3sentinel_assets.formats.model import Reading

__all__ = ["CONTEXT", "TEXT", "Batch", "Step"]

#: Raw column for a record's whole JSON text.
TEXT = "_text"
#: Raw columns for what surrounds a record begin with this.
CONTEXT = "_context."


@dataclass(frozen=True)
class Batch:
    """Texts of records of one object.

    Attributes:
        reading: the object.
        texts: the records.
        ordinals: their numbers in the object.
        offset: index in ``texts`` → decoded offset, None where unknown.
        contexts: what surrounds each; None: nothing.
    """

    reading: Reading
    texts: Sequence[bytes | msgspec.Raw]
    ordinals: Sequence[int]
    offset: Callable[[int], int | None]
    contexts: Sequence[Mapping[str, str]] | None = None

    def reject(self, index: int, reason: str, detail: str) -> None:
        """Sends the record at ``index`` to quarantine."""
        self.reading.reject(self.ordinals[index], self.offset(index), reason, detail, bytes(self.texts[index]))


@dataclass
class Step:
    """Decoded records, list by list with one entry a record.

    ``sources`` tells where stretches of them came from: first entry, batch, positions in the batch.
    """

    kind: type[msgspec.Struct]
    size: int = 0  # bytes
    records: list[msgspec.Struct] = field(default_factory=list[msgspec.Struct])
    flags: list[str | None] = field(default_factory=list["str | None"])
    extras: list[str | None] = field(default_factory=list["str | None"])
    objects: list[int] = field(default_factory=list[int])
    ordinals: list[int] = field(default_factory=list[int])
    contexts: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    sources: list[tuple[int, Batch, Sequence[int]]] = field(default_factory=list[tuple[int, Batch, Sequence[int]]])

    def add(self, batch: Batch, decoded: Decoded) -> None:
        """Takes in what came of a batch."""
        positions = decoded.positions
        self.size += sum(map(len, batch.texts))
        self.sources.append((len(self.records), batch, positions))
        self.records += decoded.records
        self.flags += decoded.flags
        self.extras += decoded.extras
        self.objects += [batch.reading.object_id] * len(decoded.records)
        whole = len(positions) == len(batch.texts)
        self.ordinals += batch.ordinals if whole else [batch.ordinals[position] for position in positions]
        if batch.contexts is None:
            self.contexts += [{}] * len(decoded.records)
        else:
            self.contexts += [batch.contexts[position] for position in positions]

    def source(self, row: int) -> tuple[Batch, int]:
        """The batch that the record at ``row`` came in, and its index there."""
        first, batch, positions = self.sources[bisect_right(self.sources, row, key=itemgetter(0)) - 1]
        return batch, positions[row - first]

    def text(self, row: int) -> bytes:
        """The JSON text of the record at ``row``."""
        batch, index = self.source(row)
        return bytes(batch.texts[index])

    def columns(
        self,
        record: type[msgspec.Struct],
        decoder: RecordDecoder,
        *,
        inner: Sequence[InnerDecoder],
        context_keys: Sequence[str],
        keep_text: bool,
    ) -> pl.DataFrame:
        """The raw columns; see `parser.JsonParser`. Raw fields hold the text ``null`` where they are null.

        Args:
            record: the format's own struct, or a base of it whose fields alone become columns.
            decoder: for records with values that no column can hold.
            inner: for fields that are decoded beside being kept whole.
            context_keys: of the contexts, those that become columns.
            keep_text: whether the whole text becomes a column.
        """
        fields = msgspec.structs.fields(self.kind)
        learned = [field.encode_name for field in fields if field.name.startswith(LEARNED)]
        try:
            columns = self._record_columns(record, learned)
        except UNFIT_ERRORS:
            self._mend(record, decoder, learned)
            columns = self._record_columns(record, learned)
        for decoder_of_one in inner:
            found, unknown = decoder_of_one.columns(self.records, self.flags)
            columns |= found
            if unknown is not None:
                columns[EXTRA] = joined_objects(columns[EXTRA], unknown)
        for key in context_keys:
            columns[CONTEXT + key] = pl.Series([context.get(key) for context in self.contexts], dtype=pl.String())
        if keep_text:
            columns[TEXT] = self._texts()
        columns[OBJECT] = pl.Series(self.objects, dtype=pl.Int64())
        columns[ORDINAL] = pl.Series(self.ordinals, dtype=pl.Int64())
        columns[FLAGS] = pl.Series(self.flags, dtype=pl.String())
        return pl.DataFrame(columns)

    def _record_columns(self, record: type[msgspec.Struct], learned: list[str]) -> dict[str, pl.Series]:
        columns = columns_of(record, self.records)
        columns[EXTRA] = self._extra(learned)
        return columns

    def _extra(self, learned: list[str]) -> pl.Series:
        """Unknown fields as JSON objects, members in the order of their names."""
        careful = pl.Series(EXTRA, self.extras, dtype=pl.String())
        columns: list[list[bytes]] = []
        prefixes: list[bytes] = []
        for name, number in sorted((name, number) for number, name in enumerate(learned)):
            texts = list(map(bytes, map(attrgetter(f"{LEARNED}{number}"), self.records)))
            if any(texts):
                columns.append(texts)
                prefixes.append(msgspec.json.encode(name) + b":")
        if not columns:
            return careful
        if all(map(all, columns)):
            template = b"{%b}" % b",".join(prefix.replace(b"%", b"%%") + b"%b" for prefix in prefixes)
            objects: list[bytes | None] = [template % row for row in zip(*columns, strict=True)]
        else:
            members = [
                [b",%b%b" % (prefix, text) if text else b"" for text in texts]
                for prefix, texts in zip(prefixes, columns, strict=True)
            ]
            joined = map(b"".join, zip(*members, strict=True))
            objects = [b"{%b}" % text[1:] if text else None for text in joined]
        made = pl.Series(EXTRA, objects, dtype=pl.Binary())
        made = made.cast(pl.String())
        return made if careful.null_count() == made.len() else careful.zip_with(careful.is_not_null(), made)

    def _texts(self) -> pl.Series:
        texts: list[bytes] = []
        for _, batch, positions in self.sources:
            whole = len(positions) == len(batch.texts)
            texts += map(bytes, batch.texts if whole else [batch.texts[position] for position in positions])
        try:
            return pl.Series(texts, dtype=pl.Binary()).cast(pl.String())
        except pl.exceptions.PolarsError:
            return pl.Series([self._replaced(row, text) for row, text in enumerate(texts)], dtype=pl.String())

    def _replaced(self, row: int, text: bytes) -> str:
        """A text with what is not UTF-8 replaced, and told: decoding does not look into unknown fields."""
        try:
            return text.decode()
        except UnicodeDecodeError:
            told = self.flags[row]
            if told is None or "invalid_utf8" not in told:
                self.flags[row] = f"{told};invalid_utf8" if told else "invalid_utf8"
            return text.decode(errors="replace")

    def _mend(self, record: type[msgspec.Struct], decoder: RecordDecoder, learned: list[str]) -> None:
        """Decodes those records again, the careful way, that have values no column can hold."""
        for row, made in enumerate(self.records):
            if fits_columns(record, made) and _are_utf8(made, len(learned)):
                continue
            mended = decoder.decode_carefully(self.text(row), self.kind)
            if isinstance(mended, Undecodable):
                raise RuntimeError("a record that decoded once must decode again")  # noqa: TRY004
            self.records[row], self.flags[row], self.extras[row] = mended.record, mended.flags, mended.extras


def _are_utf8(record: msgspec.Struct, learned: int) -> bool:
    try:
        for number in range(learned):
            bytes(getattr(record, f"{LEARNED}{number}")).decode()
    except UnicodeDecodeError:
        return False
    return True
