"""Careful parameters: policies, trust, network rules and sharing as an ordinary company sets them.

Belongs here: calls whose parameters decide whether they are harmless. Does not belong here: all the others
(``requests``).

Most of it is harmless and some of it only looks bad: port 443 open to the world before a load balancer, an
administrator's policy on a new pipeline's role, an image shared with another account of the company.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CAREFUL", "WORDS", "Case", "resource_policy", "sign_in"]

WORDS = ("orders", "billing", "search", "media", "reports", "ingest", "gateway", "sessions", "catalog", "audit")
_MANAGED = (
    "ReadOnlyAccess", "AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy", "AmazonS3ReadOnlyAccess",
    "service-role/AWSLambdaBasicExecutionRole", "AmazonEC2ContainerRegistryReadOnly",
    "service-role/AmazonECSTaskExecutionRolePolicy",
    "AmazonDynamoDBFullAccess", "PowerUserAccess", "SecurityAudit",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One call: what draws, all accounts, the place of its own, what the resource is called (name or ARN)."""

    rng: np.random.Generator
    accounts: tuple[str, ...]
    account: int
    name: str

    @property
    def number(self) -> str:
        """The account's number."""
        return self.accounts[self.account]

    @property
    def last(self) -> str:
        """The resource's name without what an ARN has before it."""
        return self.name.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def resource_policy(case: Case) -> dict[str, Any]:
    """A resource's or role's policy that gives somebody of the company something."""
    kind = case.rng.random()
    resource = f"arn:aws:s3:::{case.last}"
    if kind < 0.35:
        statement = {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
                     "Resource": [resource, f"{resource}/*"],
                     "Condition": {"Bool": {"aws:SecureTransport": "false"}}}  # fmt: skip
    elif kind < 0.7:
        role = f"arn:aws:iam::{case.number}:role/{case.rng.choice(WORDS)}-reader"
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": role},
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": f"{resource}/*",
        }
    elif kind < 0.9:
        other = case.accounts[(case.account + 1) % len(case.accounts)]
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{other}:root"},
            "Action": "s3:GetObject",
            "Resource": f"{resource}/*",
        }
    else:
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{resource}/*",
                     "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}}  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [statement]}


def _role_policy(case: Case) -> dict[str, Any]:
    word = str(case.rng.choice(WORDS))
    action = [["s3:GetObject"], ["dynamodb:*"], ["logs:*"], ["sqs:*", "sns:Publish"], ["kms:Decrypt"], ["s3:*"]][
        int(case.rng.integers(0, 6))
    ]
    resource = "*" if case.rng.random() < 0.2 else f"arn:aws:{action[0].partition(':')[0]}:*:{case.number}:{word}*"
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def _trust(case: Case) -> str:
    whom: dict[str, str] = [
        {"Service": "ec2.amazonaws.com"}, {"Service": "lambda.amazonaws.com"},
        {"Service": "ecs-tasks.amazonaws.com"},
        {"AWS": f"arn:aws:iam::{case.number}:root"}, {"AWS": f"arn:aws:iam::{case.accounts[4]}:root"},
        {"Federated": f"arn:aws:iam::{case.number}:oidc-provider/token.actions.githubusercontent.com"},
    ][int(case.rng.integers(0, 6))]  # fmt: skip
    action = "sts:AssumeRoleWithWebIdentity" if "Federated" in whom else "sts:AssumeRole"
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": whom, "Action": action}]}
    )


def _create_role(case: Case) -> dict[str, Any]:
    return {
        "roleName": case.last,
        "assumeRolePolicyDocument": _trust(case),
        "maxSessionDuration": 3600,
    }


def _update_assume_role_policy(case: Case) -> dict[str, Any]:
    return {"roleName": case.last, "policyDocument": _trust(case)}


def _attach_role_policy(case: Case) -> dict[str, Any]:
    policy = "AdministratorAccess" if case.rng.random() < 0.06 else str(case.rng.choice(_MANAGED))
    arn = f"arn:aws:iam::aws:policy/{policy}"
    if case.rng.random() < 0.5:
        arn = f"arn:aws:iam::{case.number}:policy/{case.rng.choice(WORDS)}-access"
    return {"roleName": case.last, "policyArn": arn}


def _attach_user_policy(case: Case) -> dict[str, Any]:
    return {
        "userName": case.last,
        "policyArn": _attach_role_policy(case)["policyArn"],
    }


def _put_role_policy(case: Case) -> dict[str, Any]:
    return {"roleName": case.last, "policyName": f"{case.rng.choice(WORDS)}-inline",
            "policyDocument": json.dumps(_role_policy(case))}  # fmt: skip


def _create_policy_version(case: Case) -> dict[str, Any]:
    arn = f"arn:aws:iam::{case.number}:policy/{case.rng.choice(WORDS)}-access"
    return {"policyArn": arn, "policyDocument": json.dumps(_role_policy(case)), "setAsDefault": True}


def _run_instances(case: Case) -> dict[str, Any]:
    size = str(
        case.rng.choice(
            ("t3.medium", "m7g.large", "c7i.xlarge", "m7i.2xlarge", "r7g.4xlarge"), p=(0.35, 0.3, 0.2, 0.1, 0.05)
        )
    )
    count = int(case.rng.integers(1, 4))
    item = {"imageId": f"ami-0{int(case.rng.integers(1 << 60)):016x}", "minCount": 1, "maxCount": count}
    return {"instancesSet": {"items": [item]}, "instanceType": size, "disableApiTermination": False,
            "monitoring": {"enabled": bool(case.rng.random() < 0.5)}}  # fmt: skip


def _create_tags(case: Case) -> dict[str, Any]:
    return {"resourcesSet": {"items": [{"resourceId": case.name}]},
            "tagSet": {"items": [{"key": "team", "value": str(case.rng.choice(WORDS))}]}}  # fmt: skip


def _authorize_security_group_ingress(case: Case) -> dict[str, Any]:
    port = int(
        case.rng.choice((443, 80, 8080, 5432, 3306, 22, 6379, 9092), p=(0.4, 0.1, 0.14, 0.12, 0.06, 0.06, 0.06, 0.06))
    )
    open_to_all = port in (443, 80) and case.rng.random() < 0.35
    cidr = "0.0.0.0/0" if open_to_all else f"10.{int(case.rng.integers(0, 64))}.0.0/16"
    item = {"ipProtocol": "tcp", "fromPort": port, "toPort": port, "groups": {}, "ipv6Ranges": {},
            "prefixListIds": {},
            "ipRanges": {"items": [{"cidrIp": cidr, "description": str(case.rng.choice(WORDS))}]}}  # fmt: skip
    return {"groupId": f"sg-0{int(case.rng.integers(1 << 60)):016x}", "ipPermissions": {"items": [item]}}


def _modify_snapshot_attribute(case: Case) -> dict[str, Any]:
    other = case.accounts[int(case.rng.integers(0, len(case.accounts)))]
    return {"snapshotId": f"snap-0{int(case.rng.integers(1 << 60)):016x}", "attributeType": "CREATE_VOLUME_PERMISSION",
            "createVolumePermission": {"add": {"items": [{"userId": other}]}}}  # fmt: skip


def _modify_image_attribute(case: Case) -> dict[str, Any]:
    other = case.accounts[int(case.rng.integers(0, len(case.accounts)))]
    return {"imageId": f"ami-0{int(case.rng.integers(1 << 60)):016x}", "attributeType": "launchPermission",
            "launchPermission": {"add": {"items": [{"userId": other}]}}}  # fmt: skip


def _put_bucket_public_access_block(case: Case) -> dict[str, Any]:
    closed = bool(case.rng.random() < 0.9)
    return {"bucketName": case.last, "publicAccessBlock": "", "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": closed,
        "RestrictPublicBuckets": closed}}  # fmt: skip


def _put_bucket_policy(case: Case) -> dict[str, Any]:
    return {"bucketName": case.last, "policy": "", "bucketPolicy": resource_policy(case)}


def sign_in(case: Case) -> dict[str, Any]:
    """The circumstances of a sign-in to the console; behind single sign-on AWS does not see the second factor."""
    return {"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No",
            "MFAUsed": "Yes" if case.rng.random() < 0.3 else "No"}  # fmt: skip


#: Call → what makes its parameters.
CAREFUL: dict[str, Callable[[Case], dict[str, Any]]] = {
    "iam:CreateRole": _create_role,
    "iam:UpdateAssumeRolePolicy": _update_assume_role_policy,
    "iam:AttachRolePolicy": _attach_role_policy,
    "iam:AttachUserPolicy": _attach_user_policy,
    "iam:PutRolePolicy": _put_role_policy,
    "iam:CreatePolicyVersion": _create_policy_version,
    "ec2:RunInstances": _run_instances,
    "ec2:CreateTags": _create_tags,
    "ec2:AuthorizeSecurityGroupIngress": _authorize_security_group_ingress,
    "ec2:AuthorizeSecurityGroupEgress": _authorize_security_group_ingress,
    "ec2:RevokeSecurityGroupIngress": _authorize_security_group_ingress,
    "ec2:ModifySnapshotAttribute": _modify_snapshot_attribute,
    "ec2:ModifyImageAttribute": _modify_image_attribute,
    "s3:PutBucketPublicAccessBlock": _put_bucket_public_access_block,
    "s3:PutBucketPolicy": _put_bucket_policy,
}
