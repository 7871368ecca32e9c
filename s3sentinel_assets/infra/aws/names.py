"""Names of what the stack makes. They follow from the bucket alone, so adding a source renames nothing.

Belongs here: names, logical ids and ARNs. Does not belong here: what has these names.
"""

import hashlib
import re

__all__ = [
    "ACCOUNT_PLACEHOLDER",
    "dead_letter_name",
    "logical_id",
    "partition_of",
    "queue_arn",
    "queue_name",
    "short_hash",
]

#: Stands in files for an account that the configuration does not tell; no AWS service takes it for one.
ACCOUNT_PLACEHOLDER = "ACCOUNT_ID"

_DEAD = "-dead"
_QUEUE_NAME = 80 - len(_DEAD)  # SQS's limit, for both queues
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b"}


def short_hash(text: str) -> str:
    """Six letters and digits that tell texts apart whose readable names are the same."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def queue_name(stack: str, bucket: str) -> str:
    """The name of a bucket's queue."""
    plain = f"{stack}-{re.sub(r'[^A-Za-z0-9_-]', '-', bucket)}"
    if len(plain) <= _QUEUE_NAME and plain == f"{stack}-{bucket}":
        return plain
    return f"{plain[: _QUEUE_NAME - 7]}-{short_hash(bucket)}"


def dead_letter_name(stack: str, bucket: str) -> str:
    """The name of its dead-letter queue."""
    return queue_name(stack, bucket) + _DEAD


def logical_id(bucket: str) -> str:
    """What the logical ids of a bucket's resources begin with."""
    words = "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", bucket))
    return f"{words}{short_hash(bucket).capitalize()}"


def queue_arn(region: str, name: str, account: str = "${AWS::AccountId}") -> str:
    """The ARN of a queue as text for ``Fn::Sub``."""
    return f"arn:${{AWS::Partition}}:sqs:{region}:{account}:{name}"


def partition_of(region: str) -> str:
    """The partition of a region, for files that CloudFormation does not see."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")
