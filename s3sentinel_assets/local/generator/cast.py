"""The cast: who works in the sample accounts, from where, with which client, at what hours, and what they usually do.

Belongs here: what a principal is, the things an account has, and the people with their habits, so that history means
something and a stranger stands out. Does not belong here: the machines (``machines``) and how a call is written down
(``cloudtrail``).

Addresses come from ranges that belong to nobody (documentation, benchmarking and carrier-grade NAT ranges).
"""

import functools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from s3sentinel_assets.local.generator.draws import hexadecimal, rng_for, uuid_text

__all__ = ["ACCOUNTS", "REGIONS", "Principal", "build_cast", "estate"]

#: Account id → environment.
ACCOUNTS: dict[str, str] = {"111122223333": "prod", "444455556666": "staging", "777788889999": "security"}
REGIONS: tuple[str, ...] = ("us-east-1", "eu-central-1")
PROD, STAGING, SECURITY = ACCOUNTS

_CONSOLE = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
_CLI = (
    "aws-cli/2.31.{minor} md/awscrt#0.27.6 ua/2.1 os/macos#24.6.0 md/arch#arm64 lang/python#3.13.7 md/pyimpl#CPython "
    "m/E,G,b cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#s3api"
)

Kind = Literal["sso", "role", "instance", "user", "service", "oidc"]


@dataclass(frozen=True, eq=False)  # compared and hashed by identity: the cast is built once
class Principal:
    """Someone or something that calls AWS.

    Attributes:
        name: user, person or service name; the session name of a role.
        kind: how it signs in.
        account: its account.
        role: role name; empty for users and services.
        rate: mean calls an hour while it is active.
        calls: ``service:name`` → weight.
        networks: addresses it calls from.
        agents: its user agents.
        hours: UTC hours in which it works, from inclusive to exclusive; people rest at weekends.
        burst: share of five-minute windows it is active in; the calls crowd there.
        regions: region → share of its calls.
        errors: ``service:name`` → (share of calls that fail, error code).
        own: values it uses for a ``%(…)s`` slot instead of the account's.
    """

    name: str
    kind: Kind
    account: str
    role: str
    rate: float
    calls: dict[str, float]
    networks: tuple[str, ...]
    agents: tuple[str, ...]
    hours: tuple[int, int] = (0, 24)
    burst: float = 1.0
    regions: dict[str, float] = field(default_factory=lambda: {"us-east-1": 0.7, "eu-central-1": 0.3})
    errors: dict[str, tuple[float, str]] = field(default_factory=dict)
    own: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def active(self, when: datetime) -> bool:
        """Whether it works at this instant."""
        if self.kind == "sso" and when.weekday() >= 5:
            return False
        return self.hours[0] <= when.hour < self.hours[1]


@functools.cache
def estate(seed: int, account: str) -> dict[str, tuple[str, ...]]:
    """The things an account has: slot name → values."""
    rng = rng_for(seed, "estate", account)
    name = ACCOUNTS[account]
    buckets = ("app-assets", "data-lake", "backups", "customer-exports", "build-artifacts")
    return {
        "bucket": tuple(f"acme-{name}-{bucket}" for bucket in buckets),
        "object": tuple(f"{part}/dt=2026-11/part-{n:05d}.parquet" for part in ("orders", "clicks") for n in range(40)),
        "role": ("app-orders", "app-web", "batch-etl", "deploy", "lambda-billing", "OrganizationAccountAccessRole"),
        "user": ("backup-operator", "legacy-report", "breakglass"),
        "policy": ("app-orders-access", "data-lake-read", "boundary"),
        "instance": tuple(f"i-0{hexadecimal(rng, 16)}" for _ in range(24)),
        "volume": tuple(f"vol-0{hexadecimal(rng, 16)}" for _ in range(24)),
        "snapshot": tuple(f"snap-0{hexadecimal(rng, 16)}" for _ in range(30)),
        "image": tuple(f"ami-0{hexadecimal(rng, 16)}" for _ in range(3)),
        "group": tuple(f"sg-0{hexadecimal(rng, 16)}" for _ in range(8)),
        "kms_key": tuple(uuid_text(rng) for _ in range(4)),
        "table": ("orders", "sessions", "inventory"),
        "database": ("shop", "reporting"),
        "secret": (f"{name}/orders/db", f"{name}/payment/api", f"{name}/mail/smtp"),
        "function": ("billing-close", "image-resize", "order-events", "slack-notify"),
        "cluster": (f"{name}-main",),
        "repository": ("web", "orders", "etl"),
        "target_group": tuple(
            f"arn:aws:elasticloadbalancing:us-east-1:{account}:targetgroup/{part}/{hexadecimal(rng, 16)}"
            for part in ("web", "orders")
        ),
        "trail": (f"arn:aws:cloudtrail:us-east-1:{account}:trail/org-trail",),
        "environment": (name,),
        "foreign_account": ("999988887777",),
    }


_ANALYST: dict[str, float] = {
    "athena:StartQueryExecution": 6,
    "athena:GetQueryResults": 10,
    "glue:GetTables": 5,
    "s3:ListBuckets": 1,
    "s3:GetObject": 4,
    "sts:GetCallerIdentity": 0.5,
}
_DEVELOPER: dict[str, float] = {
    "logs:DescribeLogGroups": 8,
    "monitoring:DescribeAlarms": 6,
    "ecs:DescribeServices": 6,
    "lambda:GetFunction20150331v2": 4,
    "ec2:DescribeInstances": 3,
    "dynamodb:DescribeTable": 3,
    "health:DescribeEventAggregates": 1,
    "ssm:StartSession": 0.2,
    "secretsmanager:GetSecretValue": 0.3,
}
_ADMIN: dict[str, float] = {
    "ec2:DescribeInstances": 5,
    "ec2:DescribeSecurityGroups": 5,
    "ec2:DescribeVpcs": 3,
    "ec2:DescribeVolumes": 2,
    "iam:ListRoles": 3,
    "iam:GetRole": 3,
    "iam:ListUsers": 1,
    "iam:TagRole": 0.3,
    "iam:UpdateAssumeRolePolicy": 0.1,
    "ec2:AuthorizeSecurityGroupIngress": 0.2,
    "ec2:StopInstances": 0.2,
    "organizations:DescribeOrganization": 1,
    "cloudtrail:DescribeTrails": 0.5,
    "ce:GetCostAndUsage": 1,
    "kms:Decrypt": 2,
}
#: Person → (permission set, calls, rate, first and last hour, account).
_PEOPLE: dict[str, tuple[str, dict[str, float], float, tuple[int, int], str]] = {
    "anna.keller": ("AdministratorAccess", _ADMIN, 60, (7, 16), PROD),
    "bruno.costa": ("PowerUserAccess", _DEVELOPER, 45, (8, 18), PROD),
    "carla.nowak": ("DataAnalyst", _ANALYST, 50, (6, 15), PROD),
    "david.okafor": ("PowerUserAccess", _DEVELOPER, 40, (9, 18), STAGING),
    "emil.larsen": ("PowerUserAccess", _DEVELOPER, 35, (7, 17), STAGING),
    "fatima.haddad": ("AdministratorAccess", _ADMIN, 40, (13, 22), PROD),
    "greta.lindqvist": ("DataAnalyst", _ANALYST, 30, (7, 16), PROD),
    "hiro.tanaka": ("PowerUserAccess", _DEVELOPER, 30, (0, 9), PROD),
    "ines.moreau": ("SecurityAudit", {**_ADMIN, "guardduty:ListDetectors": 3}, 35, (8, 17), SECURITY),
    "jonas.weber": ("PowerUserAccess", _DEVELOPER, 40, (14, 23), STAGING),
}


def _people(seed: int) -> list[Principal]:
    people = []
    for index, (person, (permission, calls, rate, hours, account)) in enumerate(_PEOPLE.items()):
        rng = rng_for(seed, "person", person)
        home = f"100.{64 + index * 3}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        people.append(
            Principal(
                name=f"{person}@acme.example",
                kind="sso",
                account=account,
                role=f"AWSReservedSSO_{permission}_{hexadecimal(rng_for(seed, permission), 16)}",
                rate=rate,
                calls=calls,
                networks=("203.0.113.10", "203.0.113.10", home),
                agents=(_CONSOLE if index % 3 else _FIREFOX, _CLI.format(minor=index % 4)),
                hours=hours,
                burst=0.45,
                errors={"secretsmanager:GetSecretValue": (0.3, "AccessDenied"), "s3:GetObject": (0.02, "AccessDenied")},
            )
        )
    return people


@functools.cache
def build_cast(seed: int) -> tuple[Principal, ...]:
    """Everybody and everything that calls AWS in the sample accounts.

    Args:
        seed: decides home addresses and identifiers.
    """
    from s3sentinel_assets.local.generator.machines import machines, services

    return (*_people(seed), *machines(seed), *services())
