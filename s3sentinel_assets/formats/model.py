"""The words that the log parser and its callers share: what goes in, what comes out, what a format must offer.

Belongs here: plain data and the `FormatParser` interface. Does not belong here: any one format, or the loop over
objects (``part``).

A format is one module (or package) with one `FormatParser` subclass, plus one line in ``registry.FORMATS``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal

import polars as pl

from s3sentinel_assets.containers import Facts

if TYPE_CHECKING:
    from s3sentinel_assets.formats.mapping import TableMapping

__all__ = [
    "FormatParser",
    "ObjectInput",
    "ObjectReport",
    "ParseOptions",
    "ParsedFrame",
    "Reading",
    "Stray",
    "Strays",
    "Verdict",
]


@dataclass(frozen=True)
class ObjectInput:
    """One object (or local file) to read.

    Attributes:
        object_id: the ledger's id; goes into the rows' ``_object``.
        key: S3 key or path; a hint for detection, and the name in messages.
        identity: 16 or more hex characters, a hash of (bucket, key, version); event ids are built on it.
        open: gives the stored bytes as a stream; the stream raises `containers.ReadFailure` when they cannot be had.
        arrived: when the object was stored; dates without a year are reckoned from it.
        only: numbers of the records to keep; the others are read, but neither counted, rejected nor handed out. None:
            all of them.
        only_from: with ``only``, every record from this number on is kept too.
        first: number of the first record: more than 0 where the bytes are a piece of an object.
        format: a format that the bytes are known to be of; None: as the parser was told.
    """

    object_id: int
    key: str
    identity: str
    open: Callable[[], Iterable[bytes]]
    arrived: datetime | None = None
    only: frozenset[int] | None = None
    only_from: int | None = None
    first: int = 0
    format: str | None = None


@dataclass(frozen=True)
class ParseOptions:
    """What a source's settings say about parsing.

    Attributes:
        normalise: ``native`` tables where there are some, else ASIM; or ``asim`` wherever a format has such a mapping.
        fields: the order of fields in files that do not state it.
        time_zone: IANA name of the zone that times without one are in.
    """

    normalise: Literal["native", "asim"] = "native"
    fields: tuple[str, ...] = ()
    time_zone: str = "UTC"


@dataclass
class ObjectReport:
    """What became of one object. ``records == rows + rejected`` always; nothing counts of one that was refused.

    Attributes:
        object_id: as given.
        key: as given.
        format: name of the format; None when it was not recognised or not read.
        table: the format's Sentinel table.
        state: an object state of the ledger: ``read``, ``partly_read`` or a state of `containers.ReadFailure`.
        records: records seen, a lost tail counting as one; where only some are wanted, those alone.
        counted: records seen, wanted or not.
        rows: records that became rows.
        rejected: records in quarantine.
        raw_bytes: stored bytes read.
        decoded_bytes: bytes after decompression.
        sha256: hex digest of the stored bytes; empty when they could not be read to the end.
        content_sha256: hex digest of the decoded bytes, where that was asked for.
        packing: the containers it came in.
        cut_short: whether a container of it ended badly.
        note: a remark for people, else None.
    """

    object_id: int
    key: str
    format: str | None = None
    table: str | None = None
    state: str = "read"
    records: int = 0
    counted: int = 0
    rows: int = 0
    rejected: int = 0
    raw_bytes: int = 0
    decoded_bytes: int = 0
    sha256: str = ""
    content_sha256: str | None = None
    packing: Facts = field(default_factory=Facts)
    cut_short: bool = False
    note: str | None = None

    def remark(self, note: str) -> None:
        """Adds a note, once."""
        if self.note is None:
            self.note = note
        elif note not in self.note:
            self.note = f"{self.note}; {note}"


@dataclass
class ParsedFrame:
    """Rows of one format, from one or many objects, in object and record order.

    Attributes:
        format: name of the format.
        table: the Sentinel table.
        rows: the table's own columns in schema order and types, then ``EventId_CF``, ``EventTime_CF``,
            ``ExtraFields_CF`` (a JSON object of fields that the table has no place for), and the internal
            ``_object`` (Int64), ``_ordinal`` (Int64, record number in the object, from 0) and ``_flags`` (String,
            null mostly: what had to be changed to fit the table).
        entities: `tables.entities.ENTITY_SCHEMA`, row by row with ``rows``.
    """

    format: str
    table: str
    rows: pl.DataFrame
    entities: pl.DataFrame


@dataclass(frozen=True)
class Verdict:
    """How sure a format is that some bytes are its own.

    Attributes:
        confidence: 0 (no) to 1 (certain).
        why: half a sentence for people.
    """

    confidence: float
    why: str


@dataclass(frozen=True)
class Stray:
    """A counted record that its object's format cannot read; perhaps it is one of another format.

    Attributes:
        ordinal: its number in the object, already counted.
        offset: decoded byte offset; None when unknown.
        data: its bytes, without a line end.
        reason: why it would be rejected.
        detail: the same as a sentence.
        context: what surrounds it and the record itself lacks, such as ``log_group`` or ``account``.
    """

    ordinal: int
    offset: int | None
    data: bytes
    reason: str
    detail: str
    context: Mapping[str, str] = field(default_factory=dict)


class Reading(ABC):
    """One object while it is being read, as a format sees it.

    Attributes:
        object_id: the ledger's id.
        identity: what event ids are built on.
        key: S3 key or path.
        arrived: when the object was stored.
        header: the lines that said how to read the records that follow, such as their field names; a format that obeys
            such lines sets it. It is kept with rejects, so that these can be read without their object.
    """

    object_id: int
    identity: str
    key: str
    arrived: datetime | None
    header: bytes = b""

    @property
    @abstractmethod
    def cut(self) -> tuple[str, str] | None:
        """Reason and detail when the decoded bytes stopped before their end; known once the stream is exhausted."""

    @abstractmethod
    def count(self, records: int) -> int:
        """Counts ``records`` more records and returns the ordinal of the first."""

    @abstractmethod
    def reject(self, ordinal: int, offset: int | None, reason: str, detail: str, data: bytes) -> None:
        """Sends the counted record ``ordinal`` to quarantine."""

    @abstractmethod
    def lose_tail(self, offset: int | None, reason: str, detail: str, data: bytes) -> None:
        """Counts and rejects, as one record, whatever follows the last complete one. The object is partly read."""

    @abstractmethod
    def remark(self, note: str) -> None:
        """Adds a note to the object's report."""


#: Offers strays of an object to the other formats; gives back those that none of them took, for rejection.
Strays = Callable[[Reading, Sequence[Stray]], Sequence[Stray]]


def _nobody(reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:  # noqa: ARG001 - the signature of Strays
    return strays


class FormatParser(ABC):
    """Reads objects of one format and gathers their records, so that a frame can span many small objects.

    Attributes:
        name: the format's name in configuration and ledger.
        title: the name people use, with an article where one belongs: ``a VPC flow log``.
        family: ``lines`` or ``json``: strays are offered within one's own family.
        offers_to: the families that strays are offered to, where that is not just one's own.
        native: how its records become rows of native, ASIM or custom tables; see `TableMapping.where`.
        asim: the same into ASIM tables alone; empty where ``native`` does that already or ASIM has no fitting table.
        pending_bytes: decoded bytes behind the records gathered since the last `take`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[Literal["lines", "json"]]
    offers_to: ClassVar[tuple[Literal["lines", "json"], ...]] = ()
    native: "ClassVar[tuple[TableMapping, ...]]"
    asim: "ClassVar[tuple[TableMapping, ...]]" = ()
    #: Whether event ids come from the log itself, so that the same event in two objects has the same id.
    native_event_ids: ClassVar[bool] = False

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None) -> None:
        """Prepares to parse.

        Args:
            options: of the source.
            strays: where records go that are not of this format; None: they are rejected.
        """
        self.options = options or ParseOptions()
        self.offer_strays: Strays = strays or _nobody
        self.pending_bytes = 0

    @property
    def mappings(self) -> "tuple[TableMapping, ...]":
        """The mappings that the options ask for."""
        return self.asim if self.options.normalise == "asim" and self.asim else self.native

    @classmethod
    @abstractmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:
        """Judges the first kilobytes of decoded content; ``key`` is a hint, never proof."""

    @abstractmethod
    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's records; yields now and then, where `take` may be called.

        Every record is counted through ``reading`` and then either becomes a row of a later `take` or is rejected.
        """

    @abstractmethod
    def take(self) -> list[ParsedFrame]:
        """The rows gathered since the last call, a frame for each table that has any."""

    def adopt(self, reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:  # noqa: ARG002 - for those that can
        """Gathers those strays that are records of this format; gives back the others.

        A stray that is adopted becomes a row of a later `take` under its ordinal, or is rejected by this format.
        """
        return strays
