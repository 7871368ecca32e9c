"""CloudTrail objects → records → frames.

Belongs here: recognising CloudTrail, what it needs of ``json_logs``. Does not belong here: the table's columns
(``columns``, ``asim``), the entities (``entities``), what surrounds a single event (``envelopes``).
"""

import re
from collections.abc import Mapping, MutableSequence, Sequence
from typing import ClassVar, cast

import msgspec
import polars as pl

from s3sentinel_assets.formats.cloudtrail.asim import ASIM
from s3sentinel_assets.formats.cloudtrail.callers import CALLER, RECIPIENT, TLS, with_shared
from s3sentinel_assets.formats.cloudtrail.columns import NATIVE, with_rule_parts
from s3sentinel_assets.formats.cloudtrail.entities import with_service, with_target
from s3sentinel_assets.formats.cloudtrail.envelopes import inner_event, judge_envelope
from s3sentinel_assets.formats.cloudtrail.record import Fields, Identity, Record, TlsDetails
from s3sentinel_assets.formats.cloudtrail.shared import SharedField
from s3sentinel_assets.formats.instants import EVENT_YEARS
from s3sentinel_assets.formats.json_logs import JsonParser, iso_time, looks_like_json, peek
from s3sentinel_assets.formats.json_logs.decoding import Decoded
from s3sentinel_assets.formats.json_logs.records import RecordRun
from s3sentinel_assets.formats.json_logs.steps import Batch
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import ParseOptions, Reading, Strays, Verdict

__all__ = ["CloudTrailParser"]

_RECORD_START = re.compile(rb'\{\s*"eventVersion"\s*:')
# In this many bytes a CloudTrail record would have shown one of its keys.
_TELLING_BYTES = 256
_KEYS = frozenset(("eventVersion", "eventSource", "eventName", "eventTime", "awsRegion", "userIdentity"))
_DIGEST_KEYS = frozenset(("digestS3Object", "digestStartTime"))


def _count_keys(record: Mapping[str, bytes]) -> int:
    return len(record.keys() & _KEYS)


class CloudTrailParser(JsonParser):
    """Parses ``{"Records":[…]}``, bare arrays and JSON lines of CloudTrail events, also those in `envelopes`."""

    name: ClassVar[str] = "cloudtrail"
    title: ClassVar[str] = "an AWS CloudTrail event"
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = ASIM
    native_event_ids: ClassVar[bool] = True
    Record = Record
    Columns = Fields
    wrappers: ClassVar = ("Records", "Events")
    # Insights events have neither eventSource nor eventName, events of the first years no eventCategory.
    required: ClassVar = (
        ("eventVersion", "eventType", "eventCategory"),
        ("eventVersion", "eventID", "eventName", "eventSource"),
    )
    unplaced: ClassVar = ("insightDetails", "sessionCredentialFromConsole")
    record_start: ClassVar = _RECORD_START
    step: ClassVar[int] = 1_000

    def __init__(
        self, options: ParseOptions | None = None, strays: Strays | None = None, *, window: int = 8 << 20
    ) -> None:
        """``window``: decoded bytes of an object held at once."""
        super().__init__(options, strays, window=window)
        self._callers = SharedField(
            "userIdentity",
            Identity,
            CALLER,
            lambda records: [record.userIdentity for record in records],
            beside=RECIPIENT,
            read_beside=lambda records: [record.recipientAccountId for record in records],
        )
        self._tls = SharedField(
            "tlsDetails", TlsDetails, TLS, lambda records: [record.tlsDetails for record in records]
        )
        self._inner = [self._callers, self._tls]

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:
        """The first records' own keys decide; JSON that is cut too early for them may still be it.

        What stands deeper in an event (tags, parameters) is written by whoever made the call: it decides nothing.
        """
        if not looks_like_json(head):
            return Verdict(0.0, "it is not JSON")
        outer = next(iter(peek(head)), {})
        wrapped = outer.get("Records", b"").startswith(b"[")
        record = max(peek(head, cls.wrappers), key=_count_keys, default={})
        found = _count_keys(record)
        if not found and not outer.keys().isdisjoint(_DIGEST_KEYS):
            return Verdict(0.1, "it is a CloudTrail digest file")
        # S3 notifies in records that look much alike, but name the source "aws:s3" and have no event id.
        if record.get("eventSource", b"").startswith(b'"aws:') and "eventID" not in record:
            return Verdict(0.1, "it is an event notification")
        if found >= 3:
            return Verdict(0.99 if wrapped else 0.9, f"JSON with {found} of CloudTrail's keys")
        if (verdict := judge_envelope(head)) is not None:
            return verdict
        if wrapped and (found or len(head) < _TELLING_BYTES):
            return Verdict(0.8 if found or "CloudTrail" in key else 0.4, "JSON with a list of Records")
        if found > 1 or "eventVersion" in record:
            return Verdict(0.5, f"JSON with {found} of CloudTrail's keys")
        return Verdict(0.05, "it is JSON without CloudTrail's keys")

    def _batch(self, reading: Reading, run: RecordRun, start: int, texts: Sequence[bytes | msgspec.Raw]) -> Batch:
        # A list: `_decode` may replace an envelope by what is in it.
        return super()._batch(reading, run, start, list(texts))

    def _decode(self, texts: Sequence[bytes | msgspec.Raw]) -> tuple[Decoded, list[int]]:
        """Decodes the records, those in envelopes too: looking into every record for one would take long."""
        decoded, foreign = super()._decode(texts)
        inner = {position: event for position in foreign if (event := inner_event(bytes(texts[position]))) is not None}
        if inner and isinstance(texts, MutableSequence):
            for position, event in inner.items():
                texts[position] = event
            decoded, foreign = super()._decode(texts)
        self._callers.add(decoded.records)
        self._tls.add(decoded.records)
        return decoded, foreign

    def _foreign(self, decoded: Decoded) -> list[int]:
        # Nearly all have a version: that saves the closer look.
        versions = [record.eventVersion for record in cast(Sequence[Record], decoded.records)]
        return super()._foreign(decoded) if None in versions else []

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """The field ``eventTime``."""
        return iso_time(frame["eventTime"])

    def no_time(self, frame: pl.DataFrame, row: int) -> str:
        """Says what ``eventTime`` holds instead."""
        written = frame["eventTime"][row]
        if written is None:
            return "the record has no eventTime"
        return f"the eventTime {written[:100]!r} is no time {EVENT_YEARS}"

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the columns of callers and TLS details, of security group rules, service and target."""
        made = with_shared(raw, self._callers.take(), self._tls.take())
        return with_service(with_target(with_rule_parts(made)))
