"""VPC flow logs: cases of Vector's ``parse_aws_vpc_flow_log``, with their own field orders.

Panther's events are rows that were parsed already: they are no cases.
"""

from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case, ParseSettings
from conformance.reading import expected, vrl_cases

__all__ = ["cases"]

_COLUMNS = {
    "version": "Version",
    "account_id": "AccountId",
    "interface_id": "InterfaceId",
    "srcaddr": "SrcAddr",
    "dstaddr": "DstAddr",
    "srcport": "SrcPort",
    "dstport": "DstPort",
    "protocol": "Protocol",
    "packets": "Packets",
    "bytes": "Bytes",
    "start": "Start",
    "end": "End",
    "action": "Action",
    "log_status": "LogStatus",
    "vpc_id": "VpcId",
    "subnet_id": "SubnetId",
    "instance_id": "InstanceId",
    "tcp_flags": "TcpFlags",
    "type": "TrafficType",
    "pkt_srcaddr": "PktSrcAddr",
    "pkt_dstaddr": "PktDstAddr",
    "region": "Region",
    "az_id": "AzId",
    "sublocation_type": "SublocationType",
    "sublocation_id": "SublocationId",
    "pkt_src_aws_service": "PktSrcAwsService",
    "pkt_dst_aws_service": "PktDstAwsService",
    "flow_direction": "FlowDirection",
    "traffic_path": "TrafficPath",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder. A line whose order somebody chose is read with that order configured."""
    for case in vrl_cases(folder / "vrl_parse_aws_vpc_flow_log.jsonl"):
        order = str(case.arguments.get("format") or "").replace("_", "-").split()
        timed = not order or bool({"start", "end"} & set(order))
        good = case.good and timed
        yield Case(
            case.id,
            "vpc_flow",
            case.content.encode(),
            1 if good else None,
            expected(case.fields, _COLUMNS) if good else (),
            valid=good,
            detected=not order and good,
            settings=ParseSettings(fields=tuple(order)),
        )
