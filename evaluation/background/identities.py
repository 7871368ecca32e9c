"""Who calls, as CloudTrail writes it down, and the names that the real parser makes of it.

Belongs here: ``userIdentity`` objects; principal, type and peer of every actor. Does not belong here: what they do.
"""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from evaluation.background.estate import ACCOUNTS, Actor
from s3sentinel_assets.formats import ObjectInput, PartParser

__all__ = ["federated", "instance_role", "names_of", "root", "service", "sso_role", "user"]


def _assumed(account: str, role: str, session: str, path: str = "", **context: Any) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROA{abs(hash_text(account + role)):016X}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "accountId": account,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "arn": f"arn:aws:iam::{account}:role/{path}{role}",
                "accountId": account,
                "userName": role,
            },
            "attributes": {"creationDate": "2026-01-01T00:00:00Z", "mfaAuthenticated": "false"},
            **context,
        },
    }


def hash_text(text: str) -> int:
    """A number that depends on the text only."""
    import hashlib

    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


def sso_role(account: str, permission: str, person: str) -> dict[str, Any]:
    """A person who came through IAM Identity Center."""
    role = f"AWSReservedSSO_{permission}_{hash_text(account + permission):016x}"
    return _assumed(account, role, person, "aws-reserved/sso.amazonaws.com/")


def instance_role(account: str, role: str, session: str) -> dict[str, Any]:
    """A machine with a role: instance, task, function, pod."""
    return _assumed(account, role, session)


def federated(account: str, role: str, session: str) -> dict[str, Any]:
    """A job of a build service that came with a web identity token."""
    provider = f"arn:aws:iam::{account}:oidc-provider/token.actions.githubusercontent.com"
    return _assumed(account, role, session, webIdFederationData={"federatedProvider": provider, "attributes": {}})


def user(account: str, name: str) -> dict[str, Any]:
    """An IAM user with keys of its own."""
    return {
        "type": "IAMUser",
        "principalId": f"AIDA{hash_text(account + name):016X}",
        "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account,
        "userName": name,
    }


def root(account: str) -> dict[str, Any]:
    """The account's root user."""
    return {"type": "Root", "principalId": account, "arn": f"arn:aws:iam::{account}:root", "accountId": account}


def service(name: str) -> dict[str, Any]:
    """An AWS service that acts for itself."""
    return {"type": "AWSService", "invokedBy": name}


def names_of(actors: Sequence[Actor], accounts: Sequence[str]) -> pl.DataFrame:
    """Principal, principal_type, peer and account of every actor, in their order, as the log parser spells them."""
    records = [
        {
            "eventVersion": "1.11",
            "userIdentity": actor.identity,
            "eventTime": "2026-01-01T00:00:00Z",
            "eventSource": "sts.amazonaws.com",
            "eventName": "GetCallerIdentity",
            "awsRegion": "us-east-1",
            "eventID": f"{number}",
            "readOnly": True,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": accounts[actor.account],
        }
        for number, actor in enumerate(actors)
    ]
    body = json.dumps({"Records": records}).encode()
    parser = PartParser("cloudtrail")
    given = ObjectInput(0, "identities.json", "0" * 32, lambda: iter([body]))
    entities = pl.concat([frame.entities for frame in parser.frames([given])])
    if entities.height != len(actors):
        raise RuntimeError(f"{len(actors)} identities became {entities.height} rows, for {len(ACCOUNTS)} accounts")
    return entities.select("principal", "account", "principal_type", "peer")
