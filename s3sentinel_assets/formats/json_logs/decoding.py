"""JSON texts of records → structs, with the fields that a format does not name kept beside them.

Belongs here: fast decoding of many, careful decoding of the odd one, learning the names of unknown fields. Does not
belong here: objects and their accounts (``parser``), columns (``steps``).

The fast way decodes into a struct that allows no unknown fields. A record that has one makes it known: from then on
records are decoded into a derived struct that keeps that field as JSON text. At most `LEARNED_FIELDS` are learned, so
that content with ever new names costs time and not memory: records with further ones are decoded the careful way.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from s3sentinel_assets.formats.json_logs.typed import TypedDecoder, Undecodable, plan_of

__all__ = ["ABSENT", "LEARNED", "LEARNED_FIELDS", "CarefullyDecoded", "Decoded", "RecordDecoder"]

#: Unknown fields that a parser learns.
LEARNED_FIELDS = 64
#: Begins the attributes of learned fields; a number follows.
LEARNED = "learned_"
#: What a learned field holds where the record does not have it; no JSON text is empty.
ABSENT = msgspec.Raw(b"")
# msgspec takes other names only as they are written, escapes and all.
_LEARNABLE = re.compile(r'[^"\\\x00-\x1f]{1,200}')


@dataclass
class Decoded:
    """Decoded records, list by list with one entry a record.

    Attributes:
        records: structs of `RecordDecoder.kind`.
        flags: what had to be changed.
        extras: unknown fields as a JSON object's text, of records that were decoded the careful way; null for others.
        positions: their places among the texts given.
        refused: (position, reason) of texts that are no records.
    """

    records: list[msgspec.Struct] = field(default_factory=list[msgspec.Struct])
    flags: Sequence[str | None] = ()
    extras: Sequence[str | None] = ()
    positions: Sequence[int] = ()
    refused: list[tuple[int, Undecodable]] = field(default_factory=list[tuple[int, Undecodable]])


@dataclass(frozen=True)
class CarefullyDecoded:
    """One record.

    Attributes:
        record: the struct; fields that were learned are left absent.
        flags: what had to be changed.
        extras: its unknown fields as a JSON object's text, in the order of their names; null when it has none.
        others: names of its unknown fields.
    """

    record: msgspec.Struct
    flags: str | None
    extras: str | None
    others: Sequence[str]


class RecordDecoder:
    """Decodes records.

    Attributes:
        kind: the struct that records are decoded into now: the format's own, or derived from it.
        learned: names of the fields that ``kind`` has beside the format's own, in order.
    """

    def __init__(self, record: type[msgspec.Struct], *, forbid_unknown: bool = True) -> None:
        """``record``: the format's own struct; ``forbid_unknown``: whether other fields are looked for, and kept."""
        self._record = record
        self._forbid_unknown = forbid_unknown
        self._own = {name for _, name, _ in plan_of(record)}
        self._known = set(self._own)
        self._typed = TypedDecoder(record, allow_not_finite=True)
        self.learned: list[str] = []
        self._derive()

    def _derive(self) -> None:
        names = {f"{LEARNED}{number}": name for number, name in enumerate(self.learned)}
        self.kind = msgspec.defstruct(
            self._record.__name__,
            [(attribute, msgspec.Raw, ABSENT) for attribute in names],
            bases=(self._record,),
            rename=names,
            forbid_unknown_fields=self._forbid_unknown,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(self.kind).decode

    def _learn(self, names: Iterable[str]) -> bool:
        """Makes unknown fields known; False when there is nothing new, or no room for all of it."""
        new = sorted(set(names) - self._known)
        if not new or len(self.learned) + len(new) > LEARNED_FIELDS or not all(map(_LEARNABLE.fullmatch, new)):
            return False
        self.learned += new
        self._known.update(new)
        self._derive()
        return True

    def decode(self, texts: Sequence[bytes | msgspec.Raw]) -> Decoded:
        """All of ``texts``, into structs of one kind."""
        while True:
            kind = self.kind
            decoded = self._decode_all(texts)
            if kind is self.kind:
                return decoded

    def _decode_all(self, texts: Sequence[bytes | msgspec.Raw]) -> Decoded:
        """As `decode`; gives up where a new field was learned."""
        records: list[msgspec.Struct] = []
        odd: dict[int, CarefullyDecoded] = {}
        refused: list[tuple[int, Undecodable]] = []
        left = iter(texts)
        while True:
            try:
                # What was decoded before an exception stays in the list, and the iterator stands behind the culprit.
                records.extend(map(self._decode, left))
                break
            except (ValueError, RecursionError):
                position = len(records) + len(refused)
            one = self.decode_carefully(bytes(texts[position]), self.kind)
            if not isinstance(one, Undecodable) and self._learn(one.others):
                return Decoded()
            if isinstance(one, Undecodable):
                refused.append((position, one))
            else:
                records.append(one.record)
                odd[position] = one
        positions: Sequence[int] = range(len(texts))
        if refused:
            gone = {position for position, _ in refused}
            positions = [position for position in positions if position not in gone]
        if not odd:
            nothing = [None] * len(records)
            return Decoded(records, nothing, nothing, positions, refused)
        flags = [odd[position].flags if position in odd else None for position in positions]
        extras = [odd[position].extras if position in odd else None for position in positions]
        return Decoded(records, flags, extras, positions, refused)

    def decode_carefully(self, text: bytes, kind: type[msgspec.Struct]) -> CarefullyDecoded | Undecodable:
        """One record whatever its types, into ``kind``: the format's own struct or one that was derived from it."""
        found = self._typed.members(text)
        if isinstance(found, Undecodable):
            return found
        values, flags = found
        made = kind()
        self._typed.fill(made, values, flags)
        others = sorted(values.keys() - self._own) if self._forbid_unknown else []
        extras = ",".join(f"{msgspec.json.encode(name).decode()}:{bytes(values[name]).decode()}" for name in others)
        return CarefullyDecoded(made, ";".join(flags) or None, f"{{{extras}}}" if extras else None, others)
