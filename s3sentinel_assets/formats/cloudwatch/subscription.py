"""CloudWatch Logs by subscription: records of log events that Firehose, Kinesis or a Lambda function brought to S3.

Source: Amazon CloudWatch Logs User Guide, "Log group-level subscription filters" (docs.aws.amazon.com/
AmazonCloudWatch/latest/logs/SubscriptionFilters.html) and "Log transformation"; Microsoft, "AWSCloudWatch" table
reference.

Belongs here: log events, their table, and sharing their messages with the other formats. Does not belong here: what
surrounds log events (``envelopes``), files of export tasks (``export``).

Decisions:

* Each log event is a record; a control message holds none.
* Where formats are recognised (``auto``), a message that is itself a record of a known format becomes a row of that
  format's table. What no format takes stays a log event here, also a record that lacks a time of its own.
* The table has three columns. Everything else is in ``ExtraFields_CF`` under AWS's names: ``owner``, ``logGroup``,
  ``logStream``, ``subscriptionFilters`` and what else the subscription record says, ``id`` and ``extractedFields``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import msgspec
import polars as pl

from s3sentinel_assets.formats.cloudwatch.envelopes import MEMBERS, Opened, Refused, open_record
from s3sentinel_assets.formats.cloudwatch.messages import CONTEXT_KEYS, taken_by_others
from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.json_logs import CONTEXT, NULL, Inner, JsonParser, epoch_milliseconds, judge, peek
from s3sentinel_assets.formats.json_logs.columns import collector_paused
from s3sentinel_assets.formats.json_logs.decoding import Decoded
from s3sentinel_assets.formats.json_logs.records import BrokenRecord, RecordRun
from s3sentinel_assets.formats.json_logs.steps import Batch
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, derived
from s3sentinel_assets.formats.mapping import field as from_field
from s3sentinel_assets.formats.model import ParseOptions, Reading, Stray, Strays, Verdict

__all__ = ["NATIVE", "CloudWatchLogsParser"]

#: Subscription records looked at, and bytes of log events gathered, at once.
_STEP = 2_000
_GATHERED_BYTES = 16 << 20
_ACCOUNT, _GROUP, _STREAM = (f"{CONTEXT}{key}" for key in CONTEXT_KEYS)
_MEMBERS = CONTEXT + MEMBERS


class LogEvent(msgspec.Struct, gc=False, rename="camel"):
    """An entry of ``logEvents``."""

    id: str | None = None
    timestamp: int | None = None
    message: str | None = None
    extracted_fields: msgspec.Raw = NULL


#: For log events however they came; the columns ``message`` and ``_context.…`` hold what there is.
NATIVE = TableMapping(
    "AWSCloudWatch",
    {
        "ExtractedTime": derived("`timestamp`", pl.col(TIME)),
        "Message": from_field("message"),
    },
    {
        "account": from_field(_ACCOUNT, "owner"),
        "region": derived(
            "`@aws.region` in `extractedFields`",
            pl.col("extractedFields").str.extract(r'"@aws\.region"\s*:\s*"([^"]+)"'),
        ),
        "principal": derived("`logGroup`, else `logStream`", pl.coalesce(_GROUP, _STREAM)),
        "principal_type": constant("log_group"),
        "peer": from_field(_ACCOUNT, "owner"),
        "service": constant("cloudwatch"),
        "target": from_field(_STREAM, "logStream"),
    },
    note="Messages that are records of another format are rows of that format's table where formats are recognised.",
)


@dataclass
class _Gathered:
    """Log events of some records, list by list with one entry a log event; ``outer``: the record's place in its run."""

    texts: list[bytes] = field(default_factory=list[bytes])
    ordinals: list[int] = field(default_factory=list[int])
    outer: list[int] = field(default_factory=list[int])
    contexts: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    size: int = 0

    def add(self, opened: Opened, first: int, outer: int) -> None:
        """Takes in a record's log events, numbered from ``first``."""
        texts = list(map(bytes, opened.events))
        self.texts += texts
        self.ordinals += range(first, first + len(texts))
        self.outer += [outer] * len(texts)
        self.contexts += [dict(opened.context)] * len(texts)
        self.size += sum(map(len, texts))


class CloudWatchLogsParser(JsonParser):
    """Parses subscription records."""

    name: ClassVar[str] = "cloudwatch_logs"
    title: ClassVar[str] = "a record of CloudWatch Logs"
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    offers_to: ClassVar[tuple[Literal["lines", "json"], ...]] = ("lines", "json")
    Record = LogEvent
    telling: ClassVar = ("messageType", "owner", "logGroup", "logStream", "subscriptionFilters", "logEvents")
    telling_enough: ClassVar[int] = 4
    context_keys: ClassVar = (*CONTEXT_KEYS, MEMBERS)
    unplaced: ClassVar = ("id", "extractedFields")
    envelope_marks: ClassVar = (b'"logEvents"', b'"awslogs"')

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """Prepares to parse; ``limits`` as `JsonParser` has them."""
        super().__init__(options, strays, **limits)
        #: Whether records of other formats have somewhere to go.
        self._shared = strays is not None

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """A subscription record's keys decide."""
        if any(record.get("awslogs", b"").lstrip(b"{ \r\n\t").startswith(b'"data"') for record in peek(head)):
            return Verdict(0.95, "JSON with packed records of CloudWatch Logs")
        return judge(head, cls.telling, cls.telling_enough, cls.wrappers, cls.title)

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's log events; see `FormatParser.read`."""
        self._identities[reading.object_id] = reading.identity
        for piece in self._splitter.split(chunks):
            if isinstance(piece, BrokenRecord):
                self._broken(reading, piece)
                continue
            for start in range(0, len(piece.values), _STEP):
                yield from self._read_records(reading, piece, range(start, min(start + _STEP, len(piece.values))))

    def _read_records(self, reading: Reading, run: RecordRun, places: range) -> Iterator[None]:
        gathered, foreign = _Gathered(), list[Stray]()
        for place in places:
            text = bytes(run.values[place])
            opened = open_record(text)
            if isinstance(opened, Opened):
                gathered.add(opened, reading.count(len(opened.events)), place)
            elif isinstance(opened, Refused):
                reading.reject(reading.count(1), run.offset(place), opened.reason, opened.detail, text)
            else:
                reason, detail = f"not_{self.name}", f"the record is not {self.title}"
                foreign.append(Stray(reading.count(1), run.offset(place), text, reason, detail))
            # A packed record may be a thousand times as long as it was.
            if gathered.size >= _GATHERED_BYTES:
                self._keep_events(reading, run, gathered)
                gathered = _Gathered()
                yield
        self._keep_events(reading, run, gathered)
        for stray in self.offer_strays(reading, foreign) if foreign else ():
            reading.reject(stray.ordinal, stray.offset, stray.reason, stray.detail, stray.data)
        yield

    def _keep_events(self, reading: Reading, run: RecordRun, gathered: _Gathered) -> None:
        if not gathered.texts:
            return

        def offset(position: int) -> int:
            outer = gathered.outer[position]
            return run.offset(outer) + max(0, bytes(run.values[outer]).find(gathered.texts[position]))

        batch = Batch(reading, gathered.texts, gathered.ordinals, offset, gathered.contexts)
        with collector_paused():
            decoded = self._decoder.decode(gathered.texts)
            for position, problem in decoded.refused:
                batch.reject(position, problem.reason, problem.detail)
            if self._shared:
                decoded = self._left_by_others(batch, decoded)
        self.pending_bytes += sum(len(gathered.texts[position]) for position in decoded.positions)
        self._gather(batch, decoded)

    def _left_by_others(self, batch: Batch, decoded: Decoded) -> Decoded:
        """The log events whose messages no other format takes."""
        contexts = batch.contexts or ()
        messages = [(getattr(record, "message", None) or "").encode(errors="replace") for record in decoded.records]
        taken = taken_by_others(
            batch.reading,
            [batch.ordinals[position] for position in decoded.positions],
            messages,
            [contexts[position] for position in decoded.positions],
            self.offer_strays,
            self.name,
        )
        if not taken:
            return decoded
        rows = [row for row, position in enumerate(decoded.positions) if batch.ordinals[position] not in taken]
        return Decoded(
            [decoded.records[row] for row in rows],
            [decoded.flags[row] for row in rows],
            [decoded.extras[row] for row in rows],
            [decoded.positions[row] for row in rows],
        )

    def unwrap(self, text: bytes) -> Sequence[Inner] | None:
        """The log events of a record."""
        opened = open_record(text)
        if not isinstance(opened, Opened):
            return None
        return [Inner(bytes(event), opened.context) for event in opened.events]

    def adopt(self, reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:
        """Takes the records of one log event each; one with more cannot be taken, as a stray has one number."""
        mine = [stray for stray in strays if isinstance(open_record(stray.data), Opened)]
        numbers = {stray.ordinal for stray in mine}
        numbers.difference_update(stray.ordinal for stray in super().adopt(reading, mine))
        return [stray for stray in strays if stray.ordinal not in numbers]

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """``timestamp``, in milliseconds."""
        return epoch_milliseconds(frame["timestamp"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Puts the subscription record's own members into ``_extra``."""
        unknown = pl.col(EXTRA).str.head(-1).str.slice(1)
        members = pl.concat_str(_MEMBERS, unknown, separator=",", ignore_nulls=True)
        whole = pl.concat_str(pl.lit("{"), members, pl.lit("}"))
        return raw.with_columns(pl.when(members != "").then(whole).alias(EXTRA))
