"""The role that reads: its name, and who may assume it how.

Belongs here: what the configuration says of the role, and its trust policy. Does not belong here: what it may do
(``role``).

The role of the configuration is the last of a source's chain. Sources that are read by different roles need a stack
each: roles may lie in different accounts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s3sentinel_assets.config import AssumedRole, AwsAccess, Config, SourceSettings
from s3sentinel_assets.errors import UserError

__all__ = ["Trust", "make_trust", "trust_parameters", "trust_policy"]

_HOUR = 3600  # the shortest that a role's longest session can be set to
_ISSUER = re.compile(r"[A-Za-z0-9.-]+(?:/[A-Za-z0-9._/-]+)?")
_ROLE = re.compile(r"arn:[a-z-]+:iam::(\d{12}):role(/(?:.*/)?)([^/]+)")
#: A role or user; a whole account would let anybody in it in.
_PRINCIPAL = r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]+"
_SUBJECT = r"[^*?]+"


@dataclass(frozen=True, slots=True)
class Trust:
    """The role and who may assume it.

    Attributes:
        role_name: its name; None: the stack's.
        path: its path.
        account: where it lies, if the configuration says so.
        session_seconds: the longest session that is asked for.
        issuer: tokens of this OpenID Connect issuer assume it; None: a principal with an external id.
        principal: the role that assumes it, if the configuration names one.
        session_tags: what the session is tagged with.
    """

    role_name: str | None = None
    path: str = "/"
    account: str | None = None
    session_seconds: int = _HOUR
    issuer: str | None = None
    principal: str | None = None
    session_tags: tuple[tuple[str, str], ...] = ()


def make_trust(config: Config, sources: Sequence[SourceSettings], issuer: str | None) -> Trust:
    """The role that reads these sources.

    Raises:
        UserError: they are read by several roles, or the configured way to the role is not the one that is asked for.
    """
    issuer = None if issuer is None else issuer.removeprefix("https://").rstrip("/")
    if issuer is not None and not _ISSUER.fullmatch(issuer):
        raise UserError(
            "--oidc-issuer must be the issuer's address, such as oidc.eks.eu-central-1.amazonaws.com/id/0AB1"
        )
    by_role: dict[str | None, str] = {}
    for source in sources:
        chain = config.aws_access(source).role_chain
        by_role.setdefault(chain[-1].role_arn if chain else None, source.name)
    if len(by_role) > 1:
        (one, first), (other, second) = list(by_role.items())[:2]
        raise UserError(
            f"source {first} is read by {_words(one)} and source {second} by {_words(other)}, and a stack makes one "
            "role; make a stack for each, and name its sources with --source"
        )
    access = config.aws_access(sources[0])
    if not access.role_chain:
        return Trust(issuer=issuer)
    return _configured(access, access.role_chain[-1], issuer)


def _words(role_arn: str | None) -> str:
    return "no role" if role_arn is None else f"role {role_arn}"


def _configured(access: AwsAccess, role: AssumedRole, issuer: str | None) -> Trust:
    with_token = access.web_identity_token_file is not None and len(access.role_chain) == 1
    if with_token and issuer is None:
        raise UserError(
            f"aws.web_identity_token_file assumes {role.role_arn}, whose trust policy names the issuer of the token; "
            "give it with --oidc-issuer"
        )
    if issuer is not None and not with_token:
        raise UserError(
            f"{role.role_arn} is assumed with keys and not with a token of --oidc-issuer; set "
            "aws.web_identity_token_file, or leave --oidc-issuer out"
        )
    found = _ROLE.fullmatch(role.role_arn)
    assert found is not None  # noqa: S101 - the configuration checks ARNs of roles
    return Trust(
        role_name=found[3],
        path=found[2],
        account=found[1],
        session_seconds=max(_HOUR, role.duration_seconds or 0),
        issuer=issuer,
        principal=access.role_chain[-2].role_arn if len(access.role_chain) > 1 else None,
        session_tags=role.session_tags,
    )


def trust_parameters(trust: Trust) -> dict[str, Any]:
    """The template's parameters for who may assume the role. None has a default that would open it."""
    if trust.issuer is not None:
        return {
            "OidcSubject": {
                "Type": "String",
                "AllowedPattern": _SUBJECT,
                "ConstraintDescription": "must be the subject of a token without wildcards",
                "Description": "Whose tokens may assume the role; on EKS system:serviceaccount:<namespace>:<name>",
            },
            "OidcAudience": {
                "Type": "String",
                "AllowedPattern": _SUBJECT,
                "Default": "sts.amazonaws.com",
                "Description": "The audience of these tokens",
            },
        }
    return {
        "TrustedPrincipalArn": {
            "Type": "String",
            "AllowedPattern": _PRINCIPAL,
            "ConstraintDescription": "must be the ARN of a role or user",
            "Description": "The role or user that the connector runs as; it alone may assume the role",
            **({"Default": trust.principal} if trust.principal else {}),
        },
        "ExternalId": {
            "Type": "String",
            "MinLength": 2,
            "MaxLength": 1224,
            "AllowedPattern": r"[\w+=,.@:/-]*",
            "Description": "Must come with each request for the role; the same as external_id in s3sentinel.yaml",
        },
    }


def trust_policy(trust: Trust) -> dict[str, Any]:
    """The role's trust policy, for a template with `trust_parameters`."""
    if trust.issuer is not None:
        statements: list[dict[str, Any]] = [
            {
                "Sid": "AssumeWithToken",
                "Effect": "Allow",
                "Principal": {
                    "Federated": {
                        "Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:oidc-provider/{trust.issuer}"
                    }
                },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        f"{trust.issuer}:sub": {"Ref": "OidcSubject"},
                        f"{trust.issuer}:aud": {"Ref": "OidcAudience"},
                    }
                },
            }
        ]
        return {"Version": "2012-10-17", "Statement": statements}
    principal = {"AWS": {"Ref": "TrustedPrincipalArn"}}
    statements = [
        {
            "Sid": "AssumeWithExternalId",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}},
        }
    ]
    if trust.session_tags:
        statements.append(
            {
                "Sid": "TagSession",
                "Effect": "Allow",
                "Principal": principal,
                "Action": "sts:TagSession",
                "Condition": {
                    "StringEquals": {f"aws:RequestTag/{key}": value for key, value in trust.session_tags},
                    "ForAllValues:StringEquals": {"aws:TagKeys": [key for key, _ in trust.session_tags]},
                },
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}
