"""Stored bodies: reading one back, checked, and splitting one in two.

Belongs here: what happens to bodies after the plan. Does not belong here: the plan itself, requests, the ledger.
"""

import hashlib

from isal import igzip, isal_zlib

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.batches import Batch, PlannedBatch
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.plan import compress
from s3sentinel_assets.store import Store

__all__ = ["load_raw", "split_batch"]


def load_raw(store: Store, batch: Batch) -> bytes:
    """The uncompressed first-attempt body of a batch.

    Raises:
        UserError: the file is not what the ledger says.
    """
    packed = store.read_range(batch.uri, batch.offset, batch.length)
    try:
        raw = igzip.decompress(packed)
    except (EOFError, OSError, isal_zlib.error):  # pyright: ignore[reportGeneralTypeIssues] - its stub gives an instance
        raw = b""  # no body has this checksum
    if hashlib.sha256(raw).hexdigest() != batch.sha256:
        raise UserError(
            f"stage file {store.path(batch.uri)} is damaged; restore it from a backup and run the hour again"
        )
    return raw


def split_batch(store: Store, batch: Batch) -> list[PlannedBatch]:
    """Cuts a batch of ≥ 2 rows into two children with ids of their own and writes their bodies to the store.

    The same batch always splits into the same children.
    """
    tails = packing.tails_of(load_raw(store, batch), batch.id)
    if len(tails) != batch.rows:
        raise ValueError(f"the body of batch {batch.id} holds {len(tails)} rows, the ledger says {batch.rows}")
    middle = packing.halve(tails)
    pieces = [(batch.row_start, tails[:middle]), (batch.row_start + middle, tails[middle:])]
    children = []
    offset = 0
    with store.create(batch.uri.rpartition("/")[0], ".bodies") as writer:
        for row_start, rows in pieces:
            row_end = row_start + len(rows)
            child_id = packing.make_batch_id(batch.id, row_start, row_end)
            raw = packing.join_tails(rows, child_id)
            packed = compress(raw)
            writer.file.write(packed)
            children.append((child_id, row_start, row_end, offset, len(packed), raw))
            offset += len(packed)
    if writer.stored is None:
        raise RuntimeError("the bodies file was not finished")
    return [
        PlannedBatch(
            id=child_id,
            part_id=batch.part_id,
            parent_id=batch.id,
            dcr_id=batch.dcr_id,
            stream=batch.stream,
            table_name=batch.table_name,
            position=batch.position,
            row_start=row_start,
            row_end=row_end,
            uri=writer.stored.uri,
            offset=start,
            length=length,
            raw_bytes=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
            attempt=batch.attempt,
            kind=batch.kind,
            route=batch.route,
        )
        for child_id, row_start, row_end, start, length, raw in children
    ]
