"""Rejected records, kept whole up to a bound, so that quarantine can show and re-drive them.

Belongs here: the collecting frame. Does not belong here: deciding what is rejected (each format) or storing it
(pipeline).
"""

import polars as pl

__all__ = ["REJECT_DATA_BYTES", "REJECT_SCHEMA", "RejectLog"]

#: Bytes kept of one rejected record; the object itself still holds the rest.
REJECT_DATA_BYTES = 64 << 10

REJECT_SCHEMA: dict[str, pl.DataType] = {
    "object_id": pl.Int64(),
    "position": pl.Int64(),  # record number in the object, from 0
    "offset": pl.Int64(),  # decoded byte offset; null when unknown
    "reason": pl.String(),  # slug
    "detail": pl.String(),  # sentence
    "data": pl.Binary(),  # the record's bytes, at most REJECT_DATA_BYTES
    "truncated": pl.Boolean(),  # whether data, or header, was capped or left out
    "header": pl.Binary(),  # the lines of the object that say how to read the record; null mostly
}


#: Bytes of headers kept in all: a wide one over a great many bad lines would be far more than their object.
_HEADER_BYTES = 32 << 20
#: So many are gathered before they become columns: a tuple of Python values takes three times the memory.
_GATHERED = 10_000


class RejectLog:
    """Collects rejects; cheap when there are none, columnar when there are many."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int | None, str, str, bytes, bool, bytes | None]] = []
        self._frames: list[pl.DataFrame] = []
        self._header_bytes = 0

    def __len__(self) -> int:
        return len(self._rows) + sum(frame.height for frame in self._frames)

    def add(
        self,
        object_id: int,
        position: int,
        offset: int | None,
        reason: str,
        detail: str,
        data: bytes,
        header: bytes = b"",
    ) -> None:
        """Keeps one rejected record."""
        kept, told = bytes(data[:REJECT_DATA_BYTES]), header[:REJECT_DATA_BYTES] or None
        capped = max(len(data), len(header)) > REJECT_DATA_BYTES
        self._header_bytes += len(told or b"")
        if told and self._header_bytes > _HEADER_BYTES:
            told, capped = None, True
        self._rows.append((object_id, position, offset, reason, detail, kept, capped, told))
        if len(self._rows) >= _GATHERED:
            self._frames.append(self._gathered())
            self._rows = []

    def drop(self, object_id: int) -> None:
        """Forgets the rejects of one object."""
        self._rows = [row for row in self._rows if row[0] != object_id]
        self._frames = [frame.filter(pl.col("object_id") != object_id) for frame in self._frames]

    def _gathered(self) -> pl.DataFrame:
        return pl.DataFrame(self._rows, schema=REJECT_SCHEMA, orient="row")

    def frame(self) -> pl.DataFrame:
        """All rejects so far, schema `REJECT_SCHEMA`, in object and record order."""
        return pl.concat([*self._frames, self._gathered()]).sort("object_id", "position", maintain_order=True)
