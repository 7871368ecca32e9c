"""What runs by the clock or by contract: the posture scanner, nightly and weekly jobs, vendors, emergency drills.

Belongs here: principals whose calls are planned. Does not belong here: AWS's own services (``services``).
"""

import numpy as np

from evaluation.background import identities
from evaluation.background.clients import addresses, browser, runtime
from evaluation.background.draws import Integers, rng_for, zipf
from evaluation.background.estate import ACCOUNTS, Actor, Estate, Templates, habit
from evaluation.background.units import Units

__all__ = ["Scheduled"]

_SCANNED = 900
_JOBS = 8
_VENDORS = (
    ("Datadog", "DatadogIntegrationRole", 4, (
        "monitoring ec2 rds dynamodb sqs lambda elasticloadbalancing autoscaling s3 tagging"
    )),
    ("CostLens", "CostLensReadOnly", 1, "ce ec2 rds savingsplans organizations s3 budgets"),
    ("VaultBackup", "VaultBackupCrossAccount", 2, "ec2 rds backup s3 kms dynamodb"),
)  # fmt: skip


class _Plan:
    """Templates with the hours at which an actor runs them."""

    def __init__(self, who: int, templates: list[int], hours: tuple[int, ...], tag: str) -> None:
        self.who, self.templates, self.hours, self.tag = who, templates, hours, habit(tag)
        self.weekday: int | None = None
        self.times = 1.0
        self.spread = 600.0
        self.network: Integers = np.zeros(1, dtype=np.int64)
        self.agent = 0
        self.regions: tuple[int, ...] = (0,)
        self.since: Integers = np.full(len(templates), -1)
        self.only: frozenset[int] | None = None


class Scheduled:
    """Everything that somebody scheduled."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._plans: list[_Plan] = []
        self._scanner()
        self._nightly()
        self._vendors()
        self._emergencies()

    def _plan(self, actor: Actor, templates: list[int], hours: tuple[int, ...], tag: str) -> _Plan:
        plan = _Plan(self._estate.add(actor), templates, hours, tag)
        plan.network, plan.agent = np.array(actor.networks, dtype=np.int64), actor.agents[0]
        plan.regions = actor.regions
        self._plans.append(plan)
        return plan

    def _scanner(self) -> None:
        """A posture scanner goes through some 900 reading calls in every account, every night."""
        estate, vocabulary = self._estate, self._estate.vocabulary
        rng = rng_for(estate.seed, "scanner")
        reads = np.flatnonzero(vocabulary.read & ~vocabulary.data)
        weight = 1.0 / (20.0 + np.minimum(vocabulary.rank[reads], 3_000))
        scanned = rng.choice(reads, _SCANNED, replace=False, p=weight / weight.sum())
        pieces = [estate.templates.add(piece, 0.97, Templates.PROGRAM) for piece in np.array_split(scanned, 9)]
        # A release of the scanner in the second half asks some more.
        newer = estate.templates.add(rng.choice(reads, 25, replace=False), 0.9, Templates.PROGRAM)
        networks = tuple(estate.networks.add_all(addresses(rng, 3, spread=6)).tolist())
        agent = (estate.agents.add(runtime(2, 21, 3)),)
        begin = int(rng.integers(0, 5))
        for account, name in enumerate(ACCOUNTS):
            identity = identities.instance_role(estate.accounts[account], "posture-scanner", f"scan-{name}")
            hours = tuple((begin + turn) % 24 for turn in range(3))
            actor = Actor(identity, account, "scanner", 0.05, 0.0, networks, agent, (0, 1), hours)
            plan = self._plan(actor, [*pieces, newer], hours, "scanner")
            plan.since = np.array([*([-1] * len(pieces)), int(estate.hours * rng.uniform(0.5, 0.95))])
            plan.times, plan.spread = 0.42, 1_500.0

    def _nightly(self) -> None:
        """Backups, clean-ups, exports; some only on one day of the week."""
        estate, vocabulary = self._estate, self._estate.vocabulary
        rng = rng_for(estate.seed, "nightly")
        kinds = {
            "backup": (
                "ec2:DescribeVolumes ec2:CreateSnapshot ec2:CreateTags ec2:DescribeSnapshots ec2:DeleteSnapshot "
                "ec2:CopySnapshot"
            ),
            "db-export": (
                "rds:DescribeDBInstances rds:CreateDBSnapshot rds:DescribeDBSnapshots rds:StartExportTask "
                "s3:PutObject kms:CreateGrant"
            ),
            "cleanup": (
                "ec2:DescribeImages ec2:DeregisterImage ecr:DescribeImages ecr:BatchDeleteImage "
                "logs:DescribeLogGroups logs:DeleteLogGroup s3:DeleteObjects"
            ),
            "key-rotation": (
                "iam:ListUsers iam:ListAccessKeys iam:CreateAccessKey iam:UpdateAccessKey iam:DeleteAccessKey "
                "secretsmanager:PutSecretValue"
            ),
            "user-sync": (
                "identitystore:ListUsers identitystore:CreateUser identitystore:CreateGroupMembership "
                "iam:ListUsers sso:ListAccountAssignments"
            ),
            "compliance": (
                "config:DescribeComplianceByConfigRule config:GetComplianceDetailsByConfigRule "
                "iam:GenerateCredentialReport iam:GetCredentialReport s3:PutObject"
            ),
            "replication": (
                "s3:ListObjects s3:GetObject s3:PutObject kms:Decrypt kms:GenerateDataKey s3:PutBucketPolicy "
                "s3:GetBucketPolicy"
            ),
            "patching": (
                "ssm:DescribeInstanceInformation ssm:SendCommand ssm:GetCommandInvocation "
                "ssm:ListCommandInvocations ec2:RebootInstances"
            ),
        }
        for number, (name, calls) in enumerate(list(kinds.items())[: max(2, estate.count(_JOBS))]):
            template = estate.templates.add(vocabulary.codes(calls), 0.9, Templates.PROGRAM)
            account, hour = int(rng.integers(0, 5)), int(rng.integers(0, 6))
            networks = tuple(estate.networks.add_all(addresses(rng, 2, (52, 210), spread=9)).tolist())
            agent = (estate.agents.add(runtime(1, 12 + number, 1)),)
            identity = identities.instance_role(estate.accounts[account], f"nightly-{name}", f"nightly-{name}-20260101")
            actor = Actor(identity, account, "workload", 0.0, 0.0, networks, agent, (int(rng.integers(0, 2)),), (hour,))
            plan = self._plan(actor, [template], (hour,), "nightly")
            plan.times, plan.spread = float(rng.integers(4, 40)), 1_800.0
            if number % 4 == 3:
                plan.weekday = int(rng.integers(0, 7))

    def _vendors(self) -> None:
        """Vendors that read through a role in several accounts."""
        estate, vocabulary = self._estate, self._estate.vocabulary
        for name, role, accounts, services in _VENDORS:
            rng = rng_for(estate.seed, "vendor", name)
            networks = tuple(estate.networks.add_all(addresses(rng, 20, spread=7)).tolist())
            agent = (estate.agents.add(runtime(int(rng.integers(0, 4)), int(rng.integers(5, 40)), 3)),)
            templates = []
            for service in services.split():
                reads = vocabulary.of(service, read=True)
                chosen = rng.choice(
                    reads, min(len(reads), int(rng.integers(3, 9))), replace=False, p=zipf(len(reads), 1.2)
                )
                templates.append(estate.templates.add(chosen, 0.9, Templates.PROGRAM))
            reads = vocabulary.of(str(rng.choice(services.split())), read=True)
            feature = estate.templates.add(rng.choice(reads, min(6, len(reads)), replace=False), 1.0, Templates.PROGRAM)
            begins = int(rng.integers(24, max(25, estate.hours * 2)))
            for account in range(accounts):
                # Vendors name their sessions anew every time.
                identity = identities.instance_role(estate.accounts[account], role, f"{rng.integers(1 << 60):016x}")
                hours = tuple(range(24)) if accounts == 4 else (int(rng.integers(0, 24)),)
                actor = Actor(identity, account, "scanner", 0.03, 0.0, networks, agent, (0, 1), hours)
                plan = self._plan(actor, [*templates, feature], hours, "vendor")
                plan.since = np.array([*([-1] * len(templates)), begins])
                plan.times, plan.spread = (0.55, 30.0) if accounts == 4 else (6.0, 900.0)

    def _emergencies(self) -> None:
        """Emergency access is tried out, and once in a while used."""
        estate, vocabulary = self._estate, self._estate.vocabulary
        rng = rng_for(estate.seed, "emergency")
        calls = (
            "signin:ConsoleLogin iam:GetAccountSummary ec2:DescribeRegions health:DescribeEventAggregates "
            "ce:GetCostAndUsage"
        )
        writes = np.concatenate([vocabulary.of(service, read=False)[:25] for service in ("iam", "ec2", "s3", "kms")])
        for number, account in enumerate((0, 5)):
            name = estate.accounts[account]
            identity = identities.user(name, "break-glass-1") if number == 0 else identities.root(name)
            networks = tuple(estate.networks.add_all(addresses(rng, 1)).tolist())
            agent = (estate.agents.add(browser(0, 0, 148)),)
            look = estate.templates.add(vocabulary.codes(calls), [1.0, 0.9, 0.9, 0.8, 0.5], Templates.CONSOLE)
            change = estate.templates.add(rng.choice(writes, 4, replace=False), 0.5, Templates.CONSOLE)
            actor = Actor(identity, account, "admin", 0.0, 0.0, networks, agent, (0,), tuple(range(8, 17)))
            plan = self._plan(actor, [look, change], tuple(range(24)), "drill")
            plan.only = frozenset(int(day) * 24 + int(rng.integers(8, 17)) for day in rng.integers(0, estate.days, 2))
            plan.spread = 900.0

    def units(self, hour: int) -> Units:
        """What is due in an hour of the world."""
        rng = rng_for(self._estate.seed, "scheduled", hour)
        clock, weekday = hour % 24, self._estate.weekday(hour)
        nobody = np.empty(0, dtype=np.int64)
        parts = [Units.of(nobody, nobody, np.empty(0))]
        for plan in self._plans:
            if (
                clock not in plan.hours
                or plan.weekday not in (None, weekday)
                or (plan.only is not None and hour not in plan.only)
            ):
                continue
            templates = np.array(plan.templates)[plan.since <= hour]
            # A share of less than one: each of the pieces is due in that share of the hours.
            due = (
                templates[rng.random(len(templates)) < plan.times]
                if plan.times < 1
                else np.repeat(templates, int(plan.times))
            )
            count = len(due)
            parts.append(
                Units.of(
                    np.full(count, plan.who), due, rng.random(count) * (3_590.0 - plan.spread), spread=plan.spread,
                    agent=plan.agent, network=rng.choice(plan.network, count) if count else plan.network[:0],
                    region=np.array(plan.regions)[rng.integers(0, len(plan.regions), count)], habit=plan.tag,
                )
            )  # fmt: skip
        return Units.joined(parts)
