"""VPC flow log files → frames.

Belongs here: what tells VPC flow logs from others. Does not belong here: reading (``flow_logs``), the fields and the
tables.
"""

from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.flow_logs import FlowFields, FlowLogParser
from s3sentinel_assets.formats.flow_logs.traffic import with_traffic
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.vpc_flow.fields import DEFAULT_ORDER, KIND
from s3sentinel_assets.formats.vpc_flow.mapping import ASIM, NATIVE, with_peer

__all__ = ["VpcFlowParser"]


class VpcFlowParser(FlowLogParser):
    """Parses VPC flow logs: text, Parquet, JSON lines."""

    name: ClassVar[str] = "vpc_flow"
    title: ClassVar[str] = "a VPC flow log"
    kind: ClassVar[FlowFields] = KIND
    foreign_value: ClassVar[bytes] = b"tgw-"
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    @classmethod
    def default_shape(cls, fields: Sequence[bytes]) -> bool:
        """Whether the fields of a line could be those of version 2."""
        return (
            len(fields) == len(DEFAULT_ORDER)
            and fields[0].isdigit()
            and fields[2].startswith(b"eni-")
            and fields[13] in (b"OK", b"NODATA", b"SKIPDATA")
        )

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds names for traffic, and the peer."""
        return with_peer(with_traffic(super().prepare(raw)))
