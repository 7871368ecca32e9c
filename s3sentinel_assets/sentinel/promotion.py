"""Promotion: rows that went to a cheaper table, once more for their own one.

Belongs here: choosing the rows. Does not belong here: writing their bodies (``later_bodies``), the ledger's record of
it (``ledger.promotions``), sending (``delivery``).

The rows are taken from the very bodies that were sent, so they are the same to the letter, event ids included; only the
batch's stamp is new. Rows that were promoted before are left out: an order may be given twice, or overlap another.
"""

from collections.abc import Collection, Iterator

import msgspec
import polars as pl

from s3sentinel_assets.config import Destination, SentinelSettings
from s3sentinel_assets.ledger.batches import Batch, PlannedBatch
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.bodies import load_raw
from s3sentinel_assets.sentinel.later_bodies import make_later_bodies
from s3sentinel_assets.sentinel.routing.conditions import sql_columns, sql_condition
from s3sentinel_assets.store import Store
from s3sentinel_assets.tables import TableSchema, load_schema

__all__ = ["make_promoted", "rows_to_promote"]


def rows_to_promote(
    store: Store,
    demoted: Collection[Batch],
    promoted: Collection[Batch],
    where: str | None,
    event_ids: Collection[str] | None = None,
) -> list[bytes]:
    """The tails of demoted rows that were not promoted yet.

    Args:
        store: holds the bodies that were sent.
        demoted: batches of one part and one table, in order.
        promoted: those that were promoted before.
        where: which rows, as an SQL expression; None: all.
        event_ids: of these, only rows with one of these ids; None: all.

    Raises:
        UserError: a stage file is missing or damaged.
        ConfigurationError: ``where`` is no condition.
    """
    known = (packing.tails_of(load_raw(store, batch), batch.id) for batch in promoted)
    done = {event_id for tails in known for event_id in _event_ids(tails)}
    wanted = None if event_ids is None else {event_id.encode() for event_id in event_ids}
    return [tail for batch in demoted for tail in _chosen(store, batch, where, done, wanted)]


def make_promoted(
    store: Store, demoted: Collection[Batch], tails: list[bytes], home: Destination, settings: SentinelSettings
) -> list[PlannedBatch]:
    """Writes the bodies of demoted rows for their own table.

    Args:
        store: gets the bodies.
        demoted: the batches that the rows are from.
        tails: from `rows_to_promote`.
        home: the destination of the rows' own table.
        settings: rule, and most bytes of a body.

    Returns:
        The batches to record; none without rows.

    Raises:
        UserError: the disk refuses.
    """
    if not tails:
        return []
    part_id, folder = next((batch.part_id, batch.uri.rpartition("/")[0]) for batch in demoted)
    rows = pl.Series("tail", [tail.decode() for tail in tails], dtype=pl.String)
    return make_later_bodies(store, folder, part_id, rows, _event_ids(tails), BatchKind.PROMOTED, home, settings)


def _chosen(
    store: Store, batch: Batch, where: str | None, done: Collection[bytes], wanted: Collection[bytes] | None
) -> Iterator[bytes]:
    tails = packing.tails_of(load_raw(store, batch), batch.id)
    fits = [True] * len(tails) if where is None else _fitting(tails, where, load_schema(batch.table_name))
    for tail, event_id, fit in zip(tails, _event_ids(tails), fits, strict=True):
        if fit and event_id not in done and (wanted is None or event_id in wanted):
            yield tail


def _object(tail: bytes) -> bytes:
    return b"{" + tail.removeprefix(b",") + b"}"


class _Identity(msgspec.Struct):
    EventId_CF: str


_identity = msgspec.json.Decoder(_Identity)


def _event_ids(tails: list[bytes]) -> list[bytes]:
    return [_identity.decode(_object(tail)).EventId_CF.encode() for tail in tails]


def _fitting(tails: list[bytes], where: str, schema: TableSchema) -> list[bool]:
    expression = sql_condition(where, "--where", schema)
    kinds = schema.polars_schema()
    records = [msgspec.json.decode(_object(tail)) for tail in tails]
    columns = [
        _column(name, [record.get(name) for record in records], kinds[name], schema.writable[name])
        for name in expression.meta.root_names()
    ]
    frame = pl.DataFrame([*sql_columns(columns), pl.Series("place", range(len(tails)))])
    return frame.select(expression.fill_null(value=False)).to_series().to_list()


def _column(name: str, values: list[object], kind: pl.DataType, written: str) -> pl.Series:
    if written == "datetime":
        return pl.Series(name, values, dtype=pl.String()).str.to_datetime(time_unit="us", time_zone="UTC")
    if written == "dynamic":  # as the parser had it: JSON as text
        values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    return pl.Series(name, values, dtype=kind)
