"""Cutting JSON content into its records: ``{"Records":[…]}``, a bare array, JSON lines, or several documents in a row.

Belongs here: finding the records, in bounded memory, also in content that is cut or damaged. Does not belong here:
what a record means. Well-formed content is split by msgspec at more than a gigabyte a second; only damaged stretches
are scanned.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from s3sentinel_assets.formats.json_walk import BOM, BrokenRecord, RecordRun, Walk

__all__ = ["BrokenRecord", "JsonSplitter", "RecordRun"]


class JsonSplitter:
    """Cuts one object's decoded bytes into records.

    Args of the constructor:
        wrapper: the key whose array holds the records, such as ``Records``.
        record_start: matches the beginning of a record; after damage, reading goes on at the next match.
        window: bytes held at once; content up to this size is split in one go. A record longer than it is broken.
    """

    def __init__(self, wrapper: str, record_start: re.Pattern[bytes], *, window: int = 8 << 20) -> None:
        self.opening = re.compile(rb'"' + re.escape(wrapper.encode()) + rb'"\s*:\s*\[')
        self._wrapper_key = b'"' + wrapper.encode() + b'"'
        self.record_start = record_start
        self.window = window
        envelope: Any = msgspec.defstruct(
            "Envelope", [("records", list[msgspec.Raw] | msgspec.UnsetType, msgspec.UNSET)], rename={"records": wrapper}
        )
        self._envelope = msgspec.json.Decoder(envelope)
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
            records = self._envelope.decode(text).records
            if records is msgspec.UNSET:
                return RecordRun((text.strip(),), text, base)
            outside = len(text) - sum(map(len, records)) - len(records)
            # A second array of records would win over the first: only the walk keeps both.
            if outside > 20 and len(self.opening.findall(text)) > 1:
                return None
        except msgspec.ValidationError:
            return None
        except (msgspec.DecodeError, RecursionError):
            return self._split_lines(text, base)
        return RecordRun(records, text, base)

    def _split_lines(self, text: bytes, base: int) -> RecordRun | None:
        if self._wrapper_key in text:
            return None
        try:
            return RecordRun(self._any.decode_lines(text), text, base)
        except (msgspec.DecodeError, RecursionError):
            return None

    def decode_array(self, text: bytes) -> Sequence[msgspec.Raw] | None:
        """The elements of an array's inside, None when it is not well-formed."""
        try:
            return self._array.decode(b"[" + text + b"]")
        except (msgspec.DecodeError, RecursionError):
            return None
