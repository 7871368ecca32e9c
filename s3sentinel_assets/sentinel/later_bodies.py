"""Bodies of rows that are planned after the part that carries them: rows about hours, and promoted ones.

Belongs here: writing the bodies, and what the ledger has to know of them. Does not belong here: which rows
(``hour_bodies``, ``promotion``), a part's own plan (``plan``).
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import polars as pl

from s3sentinel_assets.config import Destination, SentinelSettings
from s3sentinel_assets.ledger.batches import PlannedBatch
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.plan import compress
from s3sentinel_assets.store import Store

__all__ = ["make_later_bodies"]


def make_later_bodies(
    store: Store,
    folder: str,
    part_id: int,
    tails: pl.Series,
    event_ids: Collection[bytes],
    kind: BatchKind,
    destination: Destination,
    settings: SentinelSettings,
    version: str = "",
) -> list[PlannedBatch]:
    """Writes the bodies of rows to one file.

    Args:
        store: gets the bodies.
        folder: where in the store.
        part_id: the part that carries them.
        tails: String, the rendered rows; at least one.
        event_ids: theirs, in any order: rows that were planned before give other batches.
        kind: what they are.
        destination: of their table.
        settings: rule, and most bytes of a body.
        version: of the rendering, where it can be made again.

    Returns:
        The batches to record. The same rows always give the same ids.

    Raises:
        UserError: the disk refuses.
        ValueError: a row fits no body.
    """
    told = hashlib.sha256(b"\x1e".join(sorted(event_ids))).hexdigest()
    packer = packing.Packer(settings.max_batch_bytes)
    cuts = [*packer.add(tails), *packer.finish()]
    if any(cut.too_large for cut in cuts):
        raise ValueError(f"a row that part {part_id} carries fits no body")
    made = list[PlannedBatch]()
    names = (part_id, told), ((version,) if version else ())
    with store.create(folder, ".bodies") as writer:
        for planned, body in _bodies(cuts, names, part_id, kind, destination, destination.rules(settings.dcr_id)):
            writer.file.write(body)
            made.append(planned)
    uri = writer.finished.uri
    return [replace(planned, uri=uri) for planned in made]


def _bodies(
    cuts: Sequence[packing.Cut],
    names: tuple[tuple[int, str], tuple[str, ...]],
    part_id: int,
    kind: BatchKind,
    destination: Destination,
    dcr_ids: Sequence[str],
) -> Iterator[tuple[PlannedBatch, bytes]]:
    offset, (first, last) = 0, names
    for place, cut in enumerate(cuts):
        dcr_id = dcr_ids[place % len(dcr_ids)]
        of_cut = (*first, dcr_id, destination.stream_name, cut.start, cut.end, *last)
        batch_id = packing.make_batch_id(kind.value, *of_cut)
        raw = packing.body(cut.tails, batch_id)
        body = compress(raw)
        yield (
            PlannedBatch(
                id=batch_id,
                part_id=part_id,
                parent_id=None,
                dcr_id=dcr_id,
                stream=destination.stream_name,
                table_name=destination.table,
                position=place,
                row_start=cut.start,
                row_end=cut.end,
                uri="",
                offset=offset,
                length=len(body),
                raw_bytes=len(raw),
                sha256=hashlib.sha256(raw).hexdigest(),
                kind=kind,
            ),
            body,
        )
        offset += len(body)
