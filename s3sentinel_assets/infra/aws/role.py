"""What the connector's role may do: what this project's requests need, and nothing beyond.

Belongs here: the role, its permissions, and the statements that owners of buckets and keys add to their policies. Does
not belong here: who may assume it (``trust``).

A test compares these actions with the requests that the code makes. `HeadObject` needs ``s3:GetObject``, `HeadBucket`
``s3:ListBucket``, and `DeleteMessageBatch` ``sqs:DeleteMessage``; `ReceiveMessage` sets its own time-out and needs no
``sqs:ChangeMessageVisibility``. The role may call nothing of STS: whoever assumes it has that right.

``s3:ListBucket`` is bound to prefixes. S3 then still says 404, not 403, of a key below them that is not there, since
it takes the key for ``s3:prefix`` in that question.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.infra.aws.names import ACCOUNT_PLACEHOLDER, partition_of, queue_arn, queue_name, short_hash
from s3sentinel_assets.infra.aws.patterns import list_pattern
from s3sentinel_assets.infra.aws.plan import Plan, ReadBucket
from s3sentinel_assets.infra.aws.trust import trust_parameters, trust_policy

__all__ = [
    "KEY_ACTIONS",
    "LIST_ACTIONS",
    "OBJECT_ACTIONS",
    "PUBLIC_KEY_ACTIONS",
    "QUEUE_ACTIONS",
    "bucket_policy",
    "key_statement",
    "role_arn",
    "role_conditions",
    "role_parameters",
    "role_resources",
]

LIST_ACTIONS = ("s3:ListBucket",)
OBJECT_ACTIONS = ("s3:GetObject", "s3:GetObjectVersion")
QUEUE_ACTIONS = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
KEY_ACTIONS = ("kms:Decrypt",)
PUBLIC_KEY_ACTIONS = ("cloudtrail:ListPublicKeys",)

_POLICY_CHARACTERS = 10_240  # IAM's limit for all inline policies of a role, without white space
_WITH_KEYS = "WithKmsKeys"


def role_parameters(plan: Plan) -> dict[str, Any]:
    """The template's parameters for the role."""
    return {
        **trust_parameters(plan.trust),
        "KmsKeyArns": {
            "Type": "CommaDelimitedList",
            "Default": "",
            "Description": "ARNs of the KMS keys that objects (or existing queues) are encrypted with; empty: none",
        },
    }


def role_conditions() -> dict[str, Any]:
    """The template's conditions for the role."""
    return {_WITH_KEYS: {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "KmsKeyArns"}]}, ""]}]}}


def role_resources(plan: Plan) -> dict[str, Any]:
    """The role.

    Raises:
        UserError: its permissions are longer than IAM takes.
    """
    statements = _statements(plan)
    length = _length(statements)
    if length > _POLICY_CHARACTERS:
        raise UserError(
            f"the permissions of {len(plan.buckets)} buckets have {length:,} characters and IAM takes "
            f"{_POLICY_CHARACTERS:,} for a role; make several stacks with --name and --source, and give their sources "
            "roles of their own"
        )
    return {
        "ConnectorRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": plan.trust.role_name or plan.name,
                "Path": plan.trust.path,
                "Description": "Reads logs for Microsoft Sentinel",
                "MaxSessionDuration": plan.trust.session_seconds,
                "AssumeRolePolicyDocument": trust_policy(plan.trust),
                "Policies": [
                    {"PolicyName": "read-logs", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}
                ],
            },
        }
    }


def _statements(plan: Plan) -> list[dict[str, Any]]:
    alike: dict[tuple[str, ...], list[Any]] = {}
    for bucket in plan.buckets:
        alike.setdefault(bucket.starts, []).append({"Fn::Sub": _bucket_arn(bucket, "${AWS::Partition}")})
    statements = [_list_statement(starts, resources) for starts, resources in sorted(alike.items())]
    objects = [arn for bucket in plan.buckets for arn in _object_arns(bucket, "${AWS::Partition}")]
    statements.append(_allow("ReadObjects", OBJECT_ACTIONS, [{"Fn::Sub": arn} for arn in objects]))
    if queues := _queues(plan):
        statements.append(_allow("ReadQueues", QUEUE_ACTIONS, queues))
    if plan.asks_public_keys:
        statements.append(_allow("AskForPublicKeys", PUBLIC_KEY_ACTIONS, "*"))  # has no resources
    services = [{"Fn::Sub": f"{service}.${{AWS::URLSuffix}}"} for service in _services(plan)]
    decrypt = _allow("DecryptWithGivenKeys", KEY_ACTIONS, {"Ref": "KmsKeyArns"})
    decrypt["Condition"] = {"StringEquals": {"kms:ViaService": services}}
    statements.append({"Fn::If": [_WITH_KEYS, decrypt, {"Ref": "AWS::NoValue"}]})
    return statements


def _allow(sid: str, actions: Sequence[str], resource: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}


def _list_statement(starts: Sequence[str], resources: list[Any]) -> dict[str, Any]:
    statement = _allow(f"List{short_hash(json.dumps(starts)).capitalize()}", LIST_ACTIONS, resources)
    statement["Condition"] = {"StringLike": {"s3:prefix": [list_pattern(start) for start in starts]}}
    return statement


def _length(statements: list[dict[str, Any]]) -> int:
    """About how many characters IAM counts: functions are carried out by then, and white space is not counted."""
    text = json.dumps(statements, separators=(",", ":"))
    text = re.sub(r'\{"Fn::Sub":("[^"]*")\}', r"\1", text)
    return len(text.replace("${AWS::Partition}", "aws-us-gov").replace("${AWS::AccountId}", "0" * 12))


def _bucket_arn(bucket: ReadBucket, partition: str) -> str:
    if bucket.is_access_point:
        return f"arn:{partition}:{bucket.name.split(':', 2)[2]}"
    return f"arn:{partition}:s3:::{bucket.name}"


def _object_arns(bucket: ReadBucket, partition: str) -> list[str]:
    arn = _bucket_arn(bucket, partition)
    arn = f"{arn}/object" if bucket.is_access_point else arn
    return [f"{arn}/{pattern}" for pattern in bucket.keys]


def _queues(plan: Plan) -> list[Any]:
    """The queues, those of other regions and existing ones among them; by name, which says where they are."""
    made = [queue_arn(bucket.region, queue_name(plan.name, bucket.name)) for bucket in plan.buckets if bucket.woken]
    existing = [queue_arn(queue.region, queue.name, queue.account) for queue in plan.queues]
    return [{"Fn::Sub": arn} for arn in made + existing]


def _services(plan: Plan) -> list[str]:
    """The services by which keys are used. Queues that the stack makes need no key."""
    return [
        *(f"s3.{region}" for region in sorted({bucket.region for bucket in plan.buckets})),
        *(f"sqs.{region}" for region in sorted({queue.region for queue in plan.queues})),
    ]


def role_arn(plan: Plan) -> str:
    """The role's ARN, for files that CloudFormation does not see."""
    name = plan.trust.role_name or plan.name
    return f"arn:{partition_of(plan.home)}:iam::{plan.account or ACCOUNT_PLACEHOLDER}:role{plan.trust.path}{name}"


def bucket_policy(plan: Plan, bucket: ReadBucket) -> dict[str, Any]:
    """What the owner of a bucket in another account adds to its policy."""
    partition = partition_of(bucket.region)
    statements = [
        _list_statement(bucket.starts, [_bucket_arn(bucket, partition)]),
        _allow("ReadObjects", OBJECT_ACTIONS, _object_arns(bucket, partition)),
    ]
    principal = {"AWS": role_arn(plan)}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": f"S3sentinel{each['Sid']}",
                "Effect": each["Effect"],
                "Principal": principal,
                **{name: each[name] for name in ("Action", "Resource", "Condition") if name in each},
            }
            for each in statements
        ],
    }


def key_statement(plan: Plan) -> dict[str, Any]:
    """What the owner of a KMS key adds to its policy."""
    suffix = "amazonaws.com.cn" if partition_of(plan.home) == "aws-cn" else "amazonaws.com"
    return {
        "Sid": "S3sentinelDecrypts",
        "Effect": "Allow",
        "Principal": {"AWS": role_arn(plan)},
        "Action": list(KEY_ACTIONS),
        "Resource": "*",  # in the policy of a key: that key
        "Condition": {"StringEquals": {"kms:ViaService": [f"{service}.{suffix}" for service in _services(plan)]}},
    }
