"""Bodies of rows about an hour that are planned after the part that carries them.

Belongs here: what was planned of such rows, and bodies for more. Does not belong here: how a row looks (``hour_rows``),
a part's own plan (``plan``), the ledger (``pipeline.hour_rows``).
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import msgspec
import polars as pl

from s3sentinel_assets.config import Destination, SentinelSettings
from s3sentinel_assets.ledger.batches import Batch, PlannedBatch
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.bodies import load_raw
from s3sentinel_assets.sentinel.hour_rows import render_hour_rows
from s3sentinel_assets.sentinel.plan import compress
from s3sentinel_assets.sentinel.render import RENDER_VERSION
from s3sentinel_assets.store import Store

__all__ = ["make_hour_bodies", "planned_rows"]


def planned_rows(store: Store, batches: Collection[Batch]) -> list[dict[str, object]]:
    """The rows of batches, as they were planned, without their batch's stamp.

    Raises:
        UserError: a stage file is missing or damaged.
    """
    return [
        msgspec.json.decode(b"{" + tail.removeprefix(b",") + b"}", type=dict[str, object])
        for batch in batches
        for tail in packing.tails_of(load_raw(store, batch), batch.id)
    ]


def make_hour_bodies(
    store: Store,
    folder: str,
    part_id: int,
    rows: pl.DataFrame,
    kind: BatchKind,
    destination: Destination,
    settings: SentinelSettings,
) -> list[PlannedBatch]:
    """Writes the bodies of rows that are planned after their part.

    Args:
        store: gets the bodies.
        folder: where in the store.
        part_id: the part that carries them.
        rows: see `render_hour_rows`; at least one.
        kind: what they are.
        destination: of their table.
        settings: rule, and most bytes of a body.

    Returns:
        The batches to record. The same rows always give the same ids.

    Raises:
        UserError: the disk refuses.
    """
    limit = settings.max_batch_bytes
    ids = rows.get_column("EventId_CF").to_list()
    told = hashlib.sha256("\x1e".join(sorted(ids)).encode()).hexdigest()
    packer = packing.Packer(limit)
    cuts = [*packer.add(render_hour_rows(rows, destination.table, limit)), *packer.finish()]
    made = list[PlannedBatch]()
    with store.create(folder, ".bodies") as writer:
        for planned, body in _bodies(cuts, part_id, kind, destination, destination.rules(settings.dcr_id), told):
            writer.file.write(body)
            made.append(planned)
    uri = writer.finished.uri
    return [replace(planned, uri=uri) for planned in made]


def _bodies(
    cuts: Sequence[packing.Cut],
    part_id: int,
    kind: BatchKind,
    destination: Destination,
    dcr_ids: Sequence[str],
    told: str,
) -> Iterator[tuple[PlannedBatch, bytes]]:
    offset = 0
    for place, cut in enumerate(cuts):
        dcr_id = dcr_ids[place % len(dcr_ids)]
        names = (part_id, told, dcr_id, destination.stream_name, cut.start, cut.end, RENDER_VERSION)
        batch_id = packing.make_batch_id(kind.value, *names)
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
