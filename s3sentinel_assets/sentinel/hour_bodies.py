"""Bodies of rows about an hour that are planned after the part that carries them.

Belongs here: what was planned of such rows, and more of them. Does not belong here: how a row looks (``hour_rows``),
writing bodies (``later_bodies``), the ledger (``pipeline.hour_rows``).
"""

from collections.abc import Collection

import msgspec
import polars as pl

from s3sentinel_assets.config import Destination, SentinelSettings
from s3sentinel_assets.ledger.batches import Batch, PlannedBatch
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.bodies import load_raw
from s3sentinel_assets.sentinel.hour_rows import render_hour_rows
from s3sentinel_assets.sentinel.later_bodies import make_later_bodies
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
    tails = render_hour_rows(rows, destination.table, settings.max_batch_bytes)
    ids = [one.encode() for one in rows.get_column("EventId_CF")]
    return make_later_bodies(store, folder, part_id, tails, ids, kind, destination, settings, RENDER_VERSION)
