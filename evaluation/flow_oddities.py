"""What sample networks lack: harmless flows that are odd, so that a calibration does not take order for granted.

Belongs here: rows of the entity view added to an hour of flows, as a function of seed and hour. Does not belong here:
ordinary traffic and the attack (``s3sentinel_assets.local.generator``).

The rates are judgement, not measurement: each interface turns to a network that it never met about once a day, moves a
lot of data once in four days, meets closed ports inside once in four days, and one in thirty is new each day.
"""

import zlib

import numpy as np
import polars as pl

from s3sentinel_assets.hours import hour_start

__all__ = ["with_oddities"]

_STRANGERS, _LARGE, _REFUSED = 0.04, 0.01, 0.01
_NEW_PER_DAY = 30
_PORTS = ("22", "443", "3306", "5432", "6379", "8443", "9200", "ephemeral")


def with_oddities(hour: str, batch: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The events of an hour and the odd ones of its interfaces.

    Args:
        hour: hour key.
        batch: columns of ``ENTITY_SCHEMA``.
        seed: another seed gives other oddities.
    """
    rng = np.random.default_rng([seed, int(hour_start(hour).timestamp())])
    senders = (
        batch.filter(pl.col("action").str.contains("/(?:egress|internal)/ACCEPT$"))
        .unique("principal", keep="first", maintain_order=True)
        .sort("principal")
    )
    added = []
    for number, rate in enumerate((_STRANGERS, _LARGE, _REFUSED)):
        chosen = senders.filter(pl.Series(rng.random(senders.height) < rate))
        for row in chosen.iter_rows(named=True):
            added += _flows(row, number, rng)
    columns = {name: [row[name] for row in added] for name in batch.columns}
    odd = pl.DataFrame(columns, schema=batch.schema).with_columns(
        event_id=pl.format("odd-{}-{}", pl.lit(hour), pl.int_range(pl.len()))
    )
    return _renewed(pl.concat([batch, odd]), hour[:10])


def _flows(row: dict[str, object], kind: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """One oddity of an interface: some flows a minute apart or less."""
    port = _PORTS[rng.integers(0, len(_PORTS))]
    if kind == 0:
        first, second, third = (int(number) for number in rng.integers(1, 200, 3))
        change = {"action": "tcp/443/egress/ACCEPT", "target": f"{23 + first}.{second}.{third}.{rng.integers(1, 255)}"}
        size = int(2.0 ** rng.uniform(9, 22))
    elif kind == 1:
        change, size = {}, int(2.0 ** rng.uniform(24, 32))
    else:
        change, size = {"action": f"tcp/{port}/internal/REJECT", "service": "tcp"}, 60
    count = int(rng.geometric(0.3 if kind < 2 else 0.15))
    packets = max(size // int(rng.integers(60, 1_400)), 1)
    return [row | change | {"bytes": size, "packets": packets} for _ in range(count)]


def _renewed(batch: pl.DataFrame, day: str) -> pl.DataFrame:
    """One in so many interfaces is replaced by another one for the day."""
    names = batch["principal"].unique().drop_nulls().to_list()
    gone = [name for name in names if zlib.crc32(f"{name} {day}".encode()) % _NEW_PER_DAY == 0]
    return batch.with_columns(pl.col("principal").replace({name: f"{name}-{day}" for name in gone}))
