"""Lanes: the bodies of a part that are being filled, one lane for each table, destination and routing rule.

Belongs here: which packer a row's text goes through, and which data collection rule a full body gets. Does not belong
here: where bodies are cut (``packing``), which rows go where (``routing``), files and the ledger (``plan``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from s3sentinel_assets.config import Destination
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.tables import TableSchema, load_schema

__all__ = ["Lane", "LaneKey", "open_lane"]

#: Rows that share bodies: those of one table, destination, rule and kind.
LaneKey = tuple[str, str, tuple[str, ...], str | None, BatchKind]

#: The service takes the time of receipt where TimeGenerated is missing: such rows share no body with others.
_NO_TIME = -(1 << 62)


@dataclass
class Lane:
    """Rows of one kind and table on their way to one destination.

    Attributes:
        dcr_ids: data collection rules that take turns, body by body.
        stream: of all of them.
        schema: the table's.
        kind: what the rows are.
        route: the routing rule that sent them here.
        packer: cuts bodies.
        bodies: how many there are already.
        rows: rows in them.
        raw_bytes: JSON bytes in them.
    """

    dcr_ids: tuple[str, ...]
    stream: str
    schema: TableSchema
    kind: BatchKind
    route: str | None
    packer: packing.Packer
    bodies: int = field(default=0)
    rows: int = field(default=0)
    raw_bytes: int = field(default=0)

    @property
    def timed(self) -> bool:
        """Whether a body may span only a short time; rows must then come sorted by time."""
        return self.schema.plan == "Auxiliary"

    @property
    def dcr_id(self) -> str:
        """The rule for the next body: the same plan always spreads its bodies alike."""
        return self.dcr_ids[self.bodies % len(self.dcr_ids)]

    def add(self, tails: pl.Series, times: pl.Series) -> Iterator[packing.Cut]:
        """Takes rows, gives full bodies.

        Args:
            tails: from `render.render_rows`.
            times: TimeGenerated of the same rows.
        """
        if not self.timed:
            return self.packer.add(tails)
        return self.packer.add(tails, times.dt.epoch("us").fill_null(_NO_TIME))


def open_lane(
    destination: Destination, default_dcr: str, route: str | None, kind: BatchKind, limit: int, start: int
) -> Lane:
    """A lane without rows yet.

    Args:
        destination: table, stream and rules.
        default_dcr: the rule where ``destination`` names none.
        route: the routing rule.
        kind: what the rows are.
        limit: most bytes of a body.
        start: number of its first row.
    """
    schema = load_schema(destination.table)
    span = packing.AUXILIARY_SPAN_MICROS if schema.plan == "Auxiliary" else None
    packer = packing.Packer(limit, start, span)
    return Lane(destination.rules(default_dcr), destination.stream_name, schema, kind, route, packer)
