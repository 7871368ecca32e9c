"""The fields of VPC flow logs.

Source: AWS, "Flow log records", section "Available fields"
(docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html), versions 2 to 10.

Belongs here: field names as AWS documents them and their column in ``AWSVPCFlow``. Does not belong here: reading
headers and records (``flow_logs``).
"""

from s3sentinel_assets.formats.flow_logs.fields import FlowFields

__all__ = ["DEFAULT_ORDER", "FIELDS", "KIND", "NUMBERS"]

#: AWS field → column. The table has no place for ``reject-reason`` and fields that AWS added later
#: (``resource-id``, ``encryption-status``): they are kept aside.
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

#: Version 2, what AWS writes when nobody chose fields.
DEFAULT_ORDER = tuple(FIELDS)[:14]

_BIG = frozenset({"packets", "bytes", "start", "end"})

KIND = FlowFields(
    tuple(FIELDS),
    small=NUMBERS - _BIG,
    big=_BIG,
    default=DEFAULT_ORDER,
    # Flow logs of a transit gateway share most names, but are another format.
    foreign=frozenset({"tgw-id", "tgw-attachment-id", "resource-type"}),
)
