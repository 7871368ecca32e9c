"""The fields of VPC flow logs and the order a file has them in.

Belongs here: field names as AWS documents them, their column in ``AWSVPCFlow``, and reading a header line. Does not
belong here: reading records.
"""

import functools
import re
from dataclasses import dataclass

__all__ = ["DEFAULT_ORDER", "FIELDS", "NUMBERS", "SMALL_NUMBERS", "FieldOrder", "default_order", "read_header"]

#: AWS field → column. The table has no place for ``reject-reason`` and fields that AWS added later.
FIELDS: dict[str, str] = {
    "version": "Version",
    "account-id": "AccountId",
    "interface-id": "InterfaceId",
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
    "log-status": "LogStatus",
    "vpc-id": "VpcId",
    "subnet-id": "SubnetId",
    "instance-id": "InstanceId",
    "tcp-flags": "TcpFlags",
    "type": "TrafficType",
    "pkt-srcaddr": "PktSrcAddr",
    "pkt-dstaddr": "PktDstAddr",
    "region": "Region",
    "az-id": "AzId",
    "sublocation-type": "SublocationType",
    "sublocation-id": "SublocationId",
    "pkt-src-aws-service": "PktSrcAwsService",
    "pkt-dst-aws-service": "PktDstAwsService",
    "flow-direction": "FlowDirection",
    "traffic-path": "TrafficPath",
    "ecs-cluster-arn": "EcsClusterArn",
    "ecs-cluster-name": "EcsClusterName",
    "ecs-container-instance-arn": "EcsContainerInstanceArn",
    "ecs-container-instance-id": "EcsContainerInstanceId",
    "ecs-container-id": "EcsContainerId",
    "ecs-second-container-id": "EcsSecondContainerId",
    "ecs-service-name": "EcsServiceName",
    "ecs-task-definition-arn": "EcsTaskDefinitionArn",
    "ecs-task-arn": "EcsTaskArn",
    "ecs-task-id": "EcsTaskId",
}

#: Fields that hold whole numbers. ``traffic-path`` is a number too, but the table wants it as text.
NUMBERS = frozenset({"version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags"})

#: Those of them whose column is 32-bit.
SMALL_NUMBERS = NUMBERS - {"bytes", "start", "end"}

#: Version 2, what AWS writes when nobody chose fields.
DEFAULT_ORDER = tuple(FIELDS)[:14]

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
# All field names together have less than a tenth of this.
_LONG_HEADER = 8 << 10
# Flow logs of a transit gateway share most names, but are another format.
_FOREIGN = {"tgw-id", "tgw-attachment-id", "resource-type"}


@dataclass(frozen=True)
class FieldOrder:
    """The fields of a line, in order.

    Attributes:
        fields: AWS names with hyphens; a repeated name has its position appended, which makes it unknown.
    """

    fields: tuple[str, ...]

    @property
    def unplaced(self) -> tuple[str, ...]:
        """Fields that the table has no column for."""
        return tuple(field for field in self.fields if field not in FIELDS)


def default_order() -> FieldOrder:
    """The order of a file without a header."""
    return FieldOrder(DEFAULT_ORDER)


def read_header(line: bytes) -> FieldOrder | None:
    """The field order that ``line`` states; None when it is no header of a VPC flow log."""
    return _read_header(line) if len(line) <= _LONG_HEADER else None


@functools.lru_cache(maxsize=256)
def _read_header(line: bytes) -> FieldOrder | None:
    try:
        names = [name.strip("${}").replace("_", "-") for name in line.decode("ascii").lower().split()]
    except UnicodeDecodeError:
        return None
    known = sum(name in FIELDS for name in names)
    if len(names) < 2 or 2 * known <= len(names) or _FOREIGN & set(names):
        return None
    if not all(_NAME.fullmatch(name) for name in names):
        return None
    return FieldOrder(tuple(name if names.index(name) == at else f"{name}#{at}" for at, name in enumerate(names)))
