"""What flow logs of VPCs and of transit gateways have in common: field orders, typed columns, names for traffic.

Belongs here: the engine. Does not belong here: the fields and tables of either (``vpc_flow``, ``transit_gateway``),
decoding Parquet (``containers``), which reaches a format as JSON lines.
"""

from s3sentinel_assets.formats.flow_logs.fields import FieldOrder, FlowFields
from s3sentinel_assets.formats.flow_logs.parser import FlowLogParser

__all__ = ["FieldOrder", "FlowFields", "FlowLogParser"]
