"""How news of a bucket gets into its queue: by rules of EventBridge, or by a notification configuration of its own.

Belongs here: both, and the conditions between them. Does not belong here: the queue (``queues``), messages as they
arrive (`s3.notifications`).

CloudFormation can change neither an existing bucket's notifications nor whether it sends events to EventBridge, and S3
replaces a notification configuration as a whole. So the stack has rules only, and what belongs into the bucket is
written for its owner.
"""

from typing import Any

from s3sentinel_assets.infra.aws.names import (
    ACCOUNT_PLACEHOLDER,
    logical_id,
    partition_of,
    queue_name,
    short_hash,
)
from s3sentinel_assets.infra.aws.plan import ReadBucket

__all__ = [
    "EVENT_BRIDGE_ON",
    "SEND_PARAMETERS",
    "by_rule_condition",
    "direct_configuration",
    "rule_resources",
    "send_conditions",
]

#: The notification configuration of a bucket that sends all its events to EventBridge and has no other notifications.
EVENT_BRIDGE_ON: dict[str, Any] = {"EventBridgeConfiguration": {}}

_BY_RULES = "ByEventBridge"

SEND_PARAMETERS: dict[str, Any] = {
    "SendBy": {
        "Type": "String",
        "AllowedValues": ["EventBridge", "S3"],
        "Default": "EventBridge",
        "Description": "Who puts news of objects into the queues; S3 always does for buckets of other accounts",
    },
}


def by_rule_condition(bucket: ReadBucket) -> str:
    """The condition under which rules send what happens in a bucket."""
    return f"{logical_id(bucket.name)}ByEventBridge" if bucket.owner else _BY_RULES


def send_conditions(buckets: list[ReadBucket]) -> dict[str, Any]:
    """The template's conditions. Events of a bucket are on the bus of its owner's account alone."""
    conditions: dict[str, Any] = {_BY_RULES: {"Fn::Equals": [{"Ref": "SendBy"}, "EventBridge"]}}
    for bucket in buckets:
        if bucket.owner:
            here = {"Fn::Equals": [{"Ref": "AWS::AccountId"}, bucket.owner]}
            conditions[by_rule_condition(bucket)] = {"Fn::And": [{"Condition": _BY_RULES}, here]}
    return conditions


def rule_resources(bucket: ReadBucket) -> dict[str, Any]:
    """A rule for each prefix: together they see each object once, since no prefix begins with another."""
    start, rules = logical_id(bucket.name), dict[str, Any]()
    for prefix in bucket.event_prefixes:
        detail: dict[str, Any] = {"bucket": {"name": [bucket.name]}}
        if prefix:
            detail["object"] = {"key": [{"prefix": prefix}]}
        rules[f"{start}Rule{short_hash(prefix).capitalize()}"] = {
            "Type": "AWS::Events::Rule",
            "Condition": by_rule_condition(bucket),
            "Properties": {
                "Description": f"New objects of {bucket.name} for s3sentinel",
                "EventPattern": {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created", "Object Restore Completed"],
                    "detail": detail,
                },
                "State": "ENABLED",
                "Targets": [{"Id": "queue", "Arn": {"Fn::GetAtt": [f"{start}Queue", "Arn"]}}],
            },
        }
    return rules


def direct_configuration(stack: str, account: str | None, bucket: ReadBucket) -> dict[str, Any]:
    """The notification configuration by which S3 itself sends, for ``put-bucket-notification-configuration``."""
    queue = queue_name(stack, bucket.name)
    arn = f"arn:{partition_of(bucket.region)}:sqs:{bucket.region}:{account or ACCOUNT_PLACEHOLDER}:{queue}"
    configurations = []
    for prefix in bucket.event_prefixes:
        entry: dict[str, Any] = {
            "Id": f"{stack}-{short_hash(prefix)}",
            "QueueArn": arn,
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRestore:Completed"],
        }
        if prefix:
            entry["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}
        configurations.append(entry)
    return {"QueueConfigurations": configurations}
