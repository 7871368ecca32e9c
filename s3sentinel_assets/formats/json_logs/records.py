"""Cutting JSON content into its records: ``{"Records":[…]}``, a bare array, JSON lines, or several documents in a row.

Belongs here: finding the records, in bounded memory, also in content that is cut or damaged. Does not belong here:
what a record means. Well-formed content is split by msgspec at hundreds of megabytes a second and more; only damaged
stretches are scanned.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from s3sentinel_assets.formats.json_logs.walk import BOM, BrokenRecord, RecordRun, Walk

__all__ = ["BrokenRecord", "JsonSplitter", "RecordRun"]

_ARRAY = ord("[")
_NEVER = re.compile(rb"(?!)")


class JsonSplitter:
    """Cuts one object's decoded bytes into records.

    Args of the constructor:
        wrappers: the keys whose array holds the records, such as ``Records``; none: an object is a record as it is.
        record_start: matches the beginning of a record; after damage, reading goes on at the next match. None: the
            key that the records before began with, and the ends of documents, tell where that is.
        window: bytes held at once; content up to this size is split in one go. A record longer than four is broken.
    """

    def __init__(
        self,
        wrappers: str | Sequence[str] = (),
        record_start: re.Pattern[bytes] | None = None,
        *,
        window: int = 8 << 20,
    ) -> None:
        names = (wrappers,) if isinstance(wrappers, str) else tuple(wrappers)
        escaped = b"|".join(re.escape(name.encode()) for name in names)
        self.opening = re.compile(rb'"(?:' + escaped + rb')"\s*:\s*\[') if names else _NEVER
        self.wraps = bool(names)
        self.record_start = record_start
        self.window = window
        attributes = {f"wrapped_{number}": name for number, name in enumerate(names)}
        fields: list[Any] = [(it, list[msgspec.Raw] | msgspec.UnsetType, msgspec.UNSET) for it in attributes]
        self._envelope = msgspec.json.Decoder(msgspec.defstruct("Envelope", fields, rename=attributes))
        self._attributes = tuple(attributes)
        self._keys = tuple(b'"' + name.encode() + b'"' for name in names)
        self._array = msgspec.json.Decoder(list[msgspec.Raw])
        self._any = msgspec.json.Decoder(msgspec.Raw)

    def split(self, chunks: Iterable[bytes]) -> Iterator[RecordRun | BrokenRecord]:
        """Cuts the content.

        Args:
            chunks: decoded bytes.

        Yields:
            Runs of whole records and broken stretches, in order and without overlap.
        """
        source = iter(chunks)
        held: list[bytes] = []
        size = 0
        whole = True
        for chunk in source:
            held.append(chunk)
            size += len(chunk)
            if size >= self.window:
                whole = False
                break
        data = b"".join(held)
        if whole:
            run = self._split_whole(data)
            if run is not None:
                yield run
                return
        yield from Walk(self, data, source, whole=whole).run()

    def _split_whole(self, data: bytes) -> RecordRun | None:
        """Content that is good JSON throughout; None when it is not, or when records could hide outside the array."""
        base = len(BOM) if data.startswith(BOM) else 0
        text = data[base:] if base else data
        if not text.strip():
            return RecordRun((), text, base)
        try:
            if text.lstrip()[:1] == b"[":
                return RecordRun(self._array.decode(text), text, base)
            records = self._unwrapped(text)
        except msgspec.ValidationError:
            return None
        except (msgspec.DecodeError, RecursionError):
            values = self.documents(text)
            return None if values is None else RecordRun(values, text, base)
        return None if records is None else RecordRun(records, text, base)

    def _unwrapped(self, text: bytes | msgspec.Raw) -> Sequence[bytes | msgspec.Raw] | None:
        """The records of one document, itself if it wraps none; None when only the walk can tell them.

        Raises:
            msgspec.DecodeError, RecursionError: it is not well-formed; a ``ValidationError`` where a wrapper holds no
                array.
        """
        envelope = self._envelope.decode(text)
        found = [getattr(envelope, attribute) for attribute in self._attributes]
        arrays = [records for records in found if records is not msgspec.UNSET]
        if not arrays:
            return (text.strip() if isinstance(text, bytes) else text,)
        records = arrays[0]
        outside = len(text) - sum(map(len, records)) - len(records)
        # A second array of records would win over the first: only the walk keeps both.
        if outside > 20 and len(self.opening.findall(text)) > 1:
            return None
        return records

    def documents(self, text: bytes) -> Sequence[bytes | msgspec.Raw] | None:
        """The records of documents in a row, on lines or not; None when not all are good, or only the walk can tell."""
        try:
            # Not only lines: it takes any space between documents, also none.
            values = self._any.decode_lines(text)
        except (msgspec.DecodeError, RecursionError):
            return None
        if not (self._wraps(text) or any(memoryview(value)[0] == _ARRAY for value in values)):
            return values
        found: list[bytes | msgspec.Raw] = []
        for value in values:
            inner = self._inner(value)
            if inner is None:
                return None
            found += inner
        return found

    def _inner(self, document: msgspec.Raw) -> Sequence[bytes | msgspec.Raw] | None:
        text = bytes(document)
        try:
            if text.startswith(b"["):
                return self._array.decode(document)
            return self._unwrapped(document) if self._wraps(text) else (document,)
        except msgspec.ValidationError:
            return (document,)
        except (msgspec.DecodeError, RecursionError):
            return None

    def _wraps(self, text: bytes) -> bool:
        """Whether there may be a wrapper in ``text``; searching for none would take long."""
        return any(key in text for key in self._keys) and self.opening.search(text) is not None

    def decode_array(self, text: bytes) -> list[msgspec.Raw] | None:
        """The elements of an array's inside, None when it is not well-formed."""
        try:
            return self._array.decode(b"[" + text + b"]")
        except (msgspec.DecodeError, RecursionError):
            return None
