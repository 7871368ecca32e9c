"""Sequences: what somebody did from the first event to the last, in the entity view's columns.

Belongs here: the form in which attacks and placebos are handed on. Does not belong here: where they come from.
"""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["GAP", "SEQUENCE_SCHEMA", "Sequence", "with_offset"]

#: Events of a sequence: the entity view and the time since its first event.
SEQUENCE_SCHEMA: dict[str, pl.DataType] = {**ENTITY_SCHEMA, "offset": pl.Duration("us")}
#: Events of one technique that are further apart belong to different incidents.
GAP = timedelta(minutes=20)


@dataclass(frozen=True)
class Sequence:
    """What an intruder did (or somebody harmless, as a placebo) from the first event to the last.

    Attributes:
        id: unique among all.
        technique: what recall is counted by, such as ``aws.persistence.iam-backdoor-user``.
        origin: where it comes from: ``stratus``, ``invictus``, ``panther``, ``story``, ``folder``, ``placebo``.
        events: columns of `SEQUENCE_SCHEMA`, in order of time.
        mitre: MITRE ATT&CK ids, where known.
        kind: the kind of principal that it must be given to; None: any.
    """

    id: str
    technique: str
    origin: str
    events: pl.DataFrame
    mitre: tuple[str, ...] = ()
    kind: str | None = None

    @property
    def duration(self) -> timedelta:
        """Time from the first event to the last."""
        longest = self.events["offset"].max()
        return longest if isinstance(longest, timedelta) else timedelta(0)


def with_offset(events: pl.DataFrame) -> pl.DataFrame:
    """Events in order of time, in the columns of `SEQUENCE_SCHEMA`."""
    ordered = events.sort("time", maintain_order=True)
    return ordered.with_columns((pl.col("time") - pl.col("time").min()).alias("offset")).select(list(SEQUENCE_SCHEMA))
