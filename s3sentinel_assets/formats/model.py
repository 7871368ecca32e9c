"""The words that the log parser and its callers share: what goes in, what comes out, what a format must offer.

Belongs here: plain data and the `FormatParser` interface. Does not belong here: any one format, or the loop over
objects (``part``).

A format is one module (or package) with one `FormatParser` subclass, plus one line in ``registry.FORMATS``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from s3sentinel_assets.containers import Facts

__all__ = ["FormatParser", "ObjectInput", "ObjectReport", "ParsedFrame", "Reading", "Verdict"]


@dataclass(frozen=True)
class ObjectInput:
    """One object (or local file) to read.

    Attributes:
        object_id: the ledger's id; goes into the rows' ``_object``.
        key: S3 key or path; a hint for detection, and the name in messages.
        identity: 16 or more hex characters, a hash of (bucket, key, version); event ids are built on it.
        open: gives the stored bytes as a stream; the stream raises `containers.ReadFailure` when they cannot be had.
    """

    object_id: int
    key: str
    identity: str
    open: Callable[[], Iterable[bytes]]


@dataclass
class ObjectReport:
    """What became of one object. ``records == rows + rejected`` always; nothing counts of one that was refused.

    Attributes:
        object_id: as given.
        key: as given.
        format: name of the format; None when it was not recognised or not read.
        table: the format's Sentinel table.
        state: an object state of the ledger: ``read``, ``partly_read`` or a state of `containers.ReadFailure`.
        records: records seen, a lost tail counting as one.
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
        rows: the table's own columns in schema order and types, then ``EventId_CF``, ``EventTime_CF``, and the internal
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


class Reading(ABC):
    """One object while it is being read, as a format sees it."""

    object_id: int
    identity: str

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


class FormatParser(ABC):
    """Reads objects of one format and gathers their records, so that a frame can span many small objects.

    Attributes:
        name: the format's name in configuration and ledger.
        title: the name people use.
        table: the Sentinel table its rows go to.
        pending_bytes: decoded bytes behind the records gathered since the last `take`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    table: ClassVar[str]
    #: Whether event ids come from the log itself, so that the same event in two objects has the same id.
    native_event_ids: ClassVar[bool] = False

    def __init__(self) -> None:
        self.pending_bytes = 0

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
    def take(self) -> ParsedFrame | None:
        """The rows gathered since the last call, None when there are none."""
