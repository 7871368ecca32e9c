"""A bucket's queue: where it sends what it cannot get rid of, and who may put something into it.

Belongs here: the queue, its dead-letter queue and both policies. Does not belong here: the rules that send to it
(``notifications``), the right to read it (``role``).
"""

from collections.abc import Sequence
from typing import Any

from s3sentinel_assets.infra.aws.names import dead_letter_name, logical_id, queue_arn, queue_name
from s3sentinel_assets.infra.aws.plan import ReadBucket

__all__ = ["QUEUE_PARAMETERS", "queue_resources"]

_RETENTION = 14 * 24 * 3600  # seconds, SQS's longest
#: As long as one look at a queue holds its messages (`pipeline.notified`).
_VISIBILITY = 120

#: With the stack, and nothing is lost by it: what a queue held, listings find.
_DELETED = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}

#: A message comes again every two minutes while S3 cannot answer for its object, so that the default lasts for an
#: outage of more than three hours. Whatever ends in the dead-letter queue, listings find.
QUEUE_PARAMETERS: dict[str, Any] = {
    "MaxReceiveCount": {
        "Type": "Number",
        "Default": 100,
        "MinValue": 1,
        "MaxValue": 1000,
        "Description": "After so many receives a message goes to the dead-letter queue",
    },
}


def queue_resources(stack: str, bucket: ReadBucket, by_rule: str, rules: Sequence[str]) -> dict[str, Any]:
    """The resources of a bucket's queue.

    Args:
        stack: the stack's name.
        bucket: the bucket.
        by_rule: the condition under which EventBridge sends; else S3 does.
        rules: logical ids of the rules that send then.
    """
    name, start = queue_name(stack, bucket.name), logical_id(bucket.name)
    queue, dead = f"{start}Queue", f"{start}DeadLetters"
    return {
        dead: {
            "Type": "AWS::SQS::Queue",
            **_DELETED,
            "Properties": {
                "QueueName": dead_letter_name(stack, bucket.name),
                "MessageRetentionPeriod": _RETENTION,
                "SqsManagedSseEnabled": True,
                "RedriveAllowPolicy": {
                    "redrivePermission": "byQueue",
                    "sourceQueueArns": [{"Fn::Sub": queue_arn("${AWS::Region}", name)}],
                },
            },
        },
        queue: {
            "Type": "AWS::SQS::Queue",
            **_DELETED,
            "Properties": {
                "QueueName": name,
                "MessageRetentionPeriod": _RETENTION,
                "VisibilityTimeout": _VISIBILITY,
                "SqsManagedSseEnabled": True,
                "RedrivePolicy": {
                    "deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]},
                    "maxReceiveCount": {"Ref": "MaxReceiveCount"},
                },
            },
        },
        f"{queue}Policy": _policy(queue, [_senders(bucket, queue, by_rule, rules)]),
        f"{dead}Policy": _policy(dead, []),
    }


def _policy(queue: str, allowed: list[dict[str, Any]]) -> dict[str, Any]:
    without_tls = {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": {"Fn::GetAtt": [queue, "Arn"]},
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": queue}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [*allowed, without_tls]},
        },
    }


def _senders(bucket: ReadBucket, queue: str, by_rule: str, rules: Sequence[str]) -> dict[str, Any]:
    """Who sends: the rules or S3, never both."""
    send = {"Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": [queue, "Arn"]}}
    return {
        "Fn::If": [
            by_rule,
            {
                "Sid": "SendFromEventBridge",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                **send,
                # The ARN of a rule has the account in it.
                "Condition": {"ArnEquals": {"aws:SourceArn": [{"Fn::GetAtt": [rule, "Arn"]} for rule in rules]}},
            },
            {
                "Sid": "SendFromS3",
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                **send,
                "Condition": {
                    "ArnEquals": {"aws:SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{bucket.name}"}},
                    "StringEquals": {"aws:SourceAccount": bucket.owner or {"Ref": "AWS::AccountId"}},
                },
            },
        ]
    }
