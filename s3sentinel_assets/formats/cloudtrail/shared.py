"""The objects that many records have in common, ``userIdentity`` and ``tlsDetails``: each text is decoded once.

Belongs here: from such a field to the places of its values among the distinct ones, drift and unknown members of these
objects. Does not belong here: what is computed from the values (``callers``), the record itself (``json_logs``).
"""

from collections.abc import Callable, Mapping, MutableSequence, Sequence
from itertools import repeat
from typing import Any

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_logs.shared import SharedValues
from s3sentinel_assets.formats.json_logs.typed import TypedDecoder, Undecodable, plan_of, quoted

__all__ = ["SharedField"]


class SharedField:
    """One such field of many records; like `json_logs.inner.InnerDecoder`, but what it gives are places.

    Attributes:
        prefix: begins the names of the columns of `take`.
    """

    def __init__(
        self,
        name: str,
        kind: type[msgspec.Struct],
        column: str,
        read: Callable[[Sequence[Any]], Sequence[msgspec.Raw]],
        *,
        beside: str | None = None,
        read_beside: Callable[[Sequence[Any]], Sequence[str | None]] | None = None,
    ) -> None:
        """Prepares to decode.

        Args:
            name: of the field, a ``msgspec.Raw`` of the record.
            kind: what it holds; allows no unknown fields, and has a field ``others`` for them.
            column: gets the places.
            read: records → their fields; a comprehension does that fastest.
            beside: column of a text that belongs to the value; None: none does.
            read_beside: records → these texts.
        """
        self.prefix = f"{name}."
        self._name, self._kind, self._column = name, kind, column
        self._read, self._read_beside = read, read_beside
        self._values = SharedValues(kind, self.prefix, beside=beside)
        self._typed = TypedDecoder(kind)
        self._noted: list[int] = []
        self._object = msgspec.json.Decoder(dict[str, msgspec.Raw])
        # Texts that do not decode at once, with the text beside → place; and what had to be changed there.
        self._odd: dict[tuple[bytes, str | None], int] = {}
        self._changed: dict[int, Sequence[str]] = {}

    def add(self, records: Sequence[msgspec.Struct]) -> None:
        """Notes the places of ``records``; best right after decoding, while they are in the processor's cache."""
        texts = self._read(records)
        beside = self._read_beside(records) if self._read_beside else repeat(None)
        try:
            self._noted += self._values.places(texts, beside)
        except (ValueError, RecursionError):
            for text, other in zip(texts, beside, strict=False):
                self._noted.append(self._place_one(text, other))

    def columns(
        self, records: Sequence[msgspec.Struct], flags: MutableSequence[str | None]
    ) -> tuple[dict[str, pl.Series], None]:
        """The places of the ``records``, those noted first, which then are forgotten; tells in ``flags`` of changes.

        Returns:
            The column of places; None, as unknown members come with `take`.
        """
        noted, self._noted = self._noted[: len(records)], self._noted[len(records) :]
        if self._changed:
            for row, place in enumerate(noted):
                if place in self._changed:
                    told = flags[row].split(";") if flags[row] else []  # type: ignore[union-attr]
                    flags[row] = ";".join([*told, *(flag for flag in self._changed[place] if flag not in told)])
        return {self._column: pl.Series(noted, dtype=pl.UInt32())}, None

    def take(self) -> pl.DataFrame:
        """The distinct values since the last call, as columns; places begin at 0 again."""
        self._odd.clear()
        self._changed.clear()
        return self._values.take()

    def _place_one(self, raw: msgspec.Raw, beside: str | None) -> int:
        key = bytes(raw), beside
        place = self._odd.get(key)
        if place is None:
            try:
                return self._values.places([raw], [beside])[0]
            except (ValueError, RecursionError):
                value, changed = self._decode_carefully(key[0])
                place = self._odd[key] = self._values.place(value, beside)
                if changed:
                    self._changed[place] = changed
        return place

    def _decode_carefully(self, text: bytes) -> tuple[msgspec.Struct, Sequence[str]]:
        made: Any = self._kind()
        found = self._typed.members(text)
        if isinstance(found, Undecodable):
            return made, [f"drift:{self._name}={quoted(text.decode(errors='replace'))}"]
        values, changed = found
        self._typed.fill(made, values, changed, self.prefix)
        unknown = self._unknown(self._kind, values, self.prefix)
        if unknown:
            made.others = msgspec.Raw(f"{{{','.join(unknown)}}}".encode())
        return made, changed

    def _unknown(self, kind: type[msgspec.Struct], values: Mapping[str, msgspec.Raw], path: str) -> list[str]:
        """Members that ``kind`` has no field for, also of its objects: JSON texts, each with its name."""
        known = {name: inner for _, name, inner in plan_of(kind)}
        found: list[str] = []
        for name, raw in values.items():
            text = bytes(raw)
            if name not in known:
                found.append(f"{msgspec.json.encode(path + name).decode()}:{text.decode()}")
            elif issubclass(known[name], msgspec.Struct) and text.startswith(b"{"):
                found += self._unknown(known[name], self._object.decode(text), f"{path}{name}.")
        return found
