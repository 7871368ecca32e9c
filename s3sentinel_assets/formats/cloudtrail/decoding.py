"""CloudTrail records as JSON text → typed records, and the places of what they share.

Belongs here: quick decoding of many, patient decoding of the odd one, mending of text that is not UTF-8. Does not
belong here: objects and their accounts (``parser``), columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from s3sentinel_assets.formats.cloudtrail.record import Fields, Identity, QuickRecord, Record, TlsDetails
from s3sentinel_assets.formats.json_columns import raw_fields_are_utf8
from s3sentinel_assets.formats.json_shared import SharedValues
from s3sentinel_assets.formats.json_typed import TypedDecoder, Undecodable

__all__ = ["CALLER_PREFIX", "RECIPIENT", "TLS_PREFIX", "Decoded", "RecordDecoder"]

CALLER_PREFIX, TLS_PREFIX = "userIdentity.", "tlsDetails."
#: The account that a caller is seen from: together they say who it is.
RECIPIENT = "recipientAccountId"


@dataclass
class Decoded:
    """Decoded records, list by list with one entry a record.

    Attributes:
        records: the records.
        callers: their places among `RecordDecoder.callers`.
        tls: their places among `RecordDecoder.tls`.
        flags: what had to be changed.
        positions: their places among the texts given.
        refused: (position, reason) of texts that are no records.
    """

    records: list[Fields] = field(default_factory=list[Fields])
    callers: list[int] = field(default_factory=list[int])
    tls: list[int] = field(default_factory=list[int])
    flags: list[str | None] = field(default_factory=list["str | None"])
    positions: Sequence[int] = ()
    refused: list[tuple[int, Undecodable]] = field(default_factory=list[tuple[int, Undecodable]])


class RecordDecoder:
    """Decodes records.

    Attributes:
        callers: the distinct ``userIdentity`` values, with the account each was seen from.
        tls: the distinct ``tlsDetails`` values.
    """

    def __init__(self) -> None:
        self.callers = SharedValues(Identity, CALLER_PREFIX, beside=RECIPIENT)
        self.tls = SharedValues(TlsDetails, TLS_PREFIX)
        self._quick = msgspec.json.Decoder(QuickRecord)
        self._patient = TypedDecoder(Record)

    def decode(self, texts: Sequence[bytes | msgspec.Raw]) -> Decoded:
        """All of ``texts``, at once if they are good, else one by one."""
        try:
            records = list(map(self._quick.decode, texts))
            callers, tls = self._places(records)
        except (ValueError, RecursionError):
            return self._one_by_one(texts)
        return Decoded([*records], callers, tls, [None] * len(records), range(len(records)))

    def _places(self, records: list[QuickRecord]) -> tuple[list[int], list[int]]:
        callers = self.callers.places(
            [record.userIdentity for record in records], [record.recipientAccountId for record in records]
        )
        return callers, self.tls.places([record.tlsDetails for record in records])

    def _one_by_one(self, texts: Sequence[bytes | msgspec.Raw]) -> Decoded:
        found = Decoded()
        positions: list[int] = []
        for position, raw in enumerate(texts):
            text = bytes(raw)
            try:
                record = self._quick.decode(text)
                (caller,), (tls,) = self._places([record])
                one = record, caller, tls, None
            except (ValueError, RecursionError):
                one = self._decode_patiently(text)
            if isinstance(one, Undecodable):
                found.refused.append((position, one))
                continue
            for entries, entry in zip((found.records, found.callers, found.tls, found.flags), one, strict=True):
                entries.append(entry)  # type: ignore[arg-type]
            positions.append(position)
        found.positions = positions
        return found

    def _decode_patiently(self, text: bytes) -> tuple[Fields, int, int, str | None] | Undecodable:
        decoded = self._patient.decode(text)
        if isinstance(decoded, Undecodable):
            return decoded
        record, flags = decoded
        if flags is None and not raw_fields_are_utf8(Record, record):
            return self.mend(text)
        caller = self.callers.place(record.userIdentity, record.recipientAccountId)
        return record, caller, self.tls.place(record.tlsDetails), flags

    def mend(self, text: bytes) -> tuple[Fields, int, int, str | None]:
        """A record whose raw fields are not UTF-8, with that replaced and flagged."""
        mended = self._patient.decode(text.decode(errors="replace").encode())
        if isinstance(mended, Undecodable):
            raise RuntimeError("a record that decoded once must decode again")  # noqa: TRY004
        record, flags = mended
        caller = self.callers.place(record.userIdentity, record.recipientAccountId)
        return record, caller, self.tls.place(record.tlsDetails), ";".join(filter(None, ("invalid_utf8", flags)))
