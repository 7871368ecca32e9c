"""Workloads: roles of applications on instances, containers and functions, in fleets that share clients and releases.

Belongs here: their daily curve, releases, SDK upgrades, scaling, failures. Does not belong here: build jobs
(``deploys``), what runs by the clock (``scheduled``).
"""

import numpy as np

from evaluation.background import identities
from evaluation.background.clients import addresses, runtime
from evaluation.background.draws import Integers, Tables, rng_for, words
from evaluation.background.estate import Actor, Estate, Templates, habit
from evaluation.background.units import Units

__all__ = ["Workloads"]

_ROLES = 70
# Kinds of application: what they call, with rough weights.
_APPLICATIONS = {
    "api": "dynamodb:GetItem*9 dynamodb:Query*6 dynamodb:PutItem*4 sqs:SendMessage*4 secretsmanager:GetSecretValue*1 "
    "kms:Decrypt*3 ssm:GetParameters*1 sts:AssumeRole*0.3 s3:GetObject*3 sns:Publish*1",
    "worker": "sqs:ReceiveMessage*9 sqs:DeleteMessage*8 s3:GetObject*6 s3:PutObject*5 dynamodb:UpdateItem*3 "
    "kms:GenerateDataKey*3 "
    "kms:Decrypt*3 logs:CreateLogStream*0.4 monitoring:PutMetricData*1",
    "etl": "s3:ListObjects*5 s3:GetObject*9 s3:PutObject*7 glue:GetTable*4 glue:GetPartitions*3 "
    "athena:StartQueryExecution*1 "
    "athena:GetQueryExecution*4 kms:Decrypt*4 kms:GenerateDataKey*4 glue:BatchCreatePartition*0.5 s3:DeleteObjects*0.3",
    "agent": "ssm:DescribeDocument*1 ec2:DescribeTags*3 ec2:DescribeInstances*3 monitoring:PutMetricData*2 "
    "logs:CreateLogStream*2 "
    "logs:DescribeLogStreams*2 ssm:GetParameter*2 ecr:GetAuthorizationToken*1 ecr:BatchGetImage*1",
    "controller": "ec2:DescribeInstances*6 ec2:DescribeSubnets*3 ec2:DescribeSecurityGroups*3 "
    "autoscaling:DescribeAutoScalingGroups*4 "
    "elasticloadbalancing:DescribeTargetHealth*5 elasticloadbalancing:RegisterTargets*0.8 "
    "elasticloadbalancing:DeregisterTargets*0.6 "
    "ec2:CreateTags*0.6 route53:ChangeResourceRecordSets*0.5 route53:ListResourceRecordSets*2 "
    "ec2:CreateNetworkInterface*0.4 "
    "ec2:AttachVolume*0.2 ec2:DescribeVolumes*2 ec2:AuthorizeSecurityGroupIngress*0.1",
    "function": "dynamodb:GetItem*4 dynamodb:PutItem*3 s3:GetObject*3 states:SendTaskSuccess*1 events:PutEvents*1 "
    "sns:Publish*1 "
    "secretsmanager:GetSecretValue*1 kms:Decrypt*2 logs:CreateLogStream*2 lambda:Invoke*1 ses:SendEmail*0.6",
}
_MIX = (0.26, 0.2, 0.12, 0.14, 0.1, 0.18)
_PRODUCTS = ("shop", "billing", "search", "media", "fraud", "mail", "geo", "risk", "feed", "auth")
_VARIANTS = ("eu", "us", "main", "beta", "batch")
# Services whose calls a release may bring.
_RELEASED = words(
    "s3 dynamodb sqs sns ssm secretsmanager kms events states kinesis firehose glue lambda ec2 monitoring logs "
    "sts cognito-idp ses rekognition textract bedrock"
)


class Workloads:
    """All workloads' roles."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        rng, hours = rng_for(estate.seed, "workloads"), estate.hours
        count, fleets = estate.count(_ROLES), max(1, estate.count(_ROLES) // 6)
        self._bases = rng.choice(len(_APPLICATIONS), fleets, p=_MIX)
        languages, places = rng.integers(0, 6, fleets), rng.integers(0, 4, fleets)
        versions = rng.integers(0, 40, fleets)
        # Every fleet is rebuilt with newer libraries about every three weeks, all of it within the hour.
        self._upgrade = np.where(
            rng.random(fleets) < min(1.0, estate.days / 21), self._office_hours(rng, fleets), hours + 1
        )
        self._old = estate.agents.add_all(
            [runtime(*row) for row in zip(*map(np.ndarray.tolist, (languages, versions, places)), strict=True)]
        )
        newer = versions + rng.integers(1, 8, fleets)
        self._new = estate.agents.add_all(
            [runtime(*row) for row in zip(*map(np.ndarray.tolist, (languages, newer, places)), strict=True)]
        )
        self._lambda = estate.networks.add_all(addresses(rng_for(estate.seed, "functions"), 600, (18, 203), spread=15))
        self.fleet: Integers = rng.integers(0, fleets, count)
        self.who = np.empty(count, dtype=np.int64)
        self._rate = np.clip(rng.lognormal(2.25, 1.15, count), 0.3, 160.0)
        self._curve = rng.choice((0.0, 0.35, 0.7), count)
        self._peak = rng.choice((13, 14, 19, 3), count)
        self._every = rng.choice((0, 300, 900, 3_600), count, p=(0.62, 0.16, 0.12, 0.10))
        self._hosts: list[Integers] = []
        self._region, self._second = rng.choice(4, count, p=(0.5, 0.35, 0.05, 0.1)), rng.choice(4, count)
        self._spread = np.where(rng.random(count) < 0.3, 0.25, 0.0)
        values, weights, since = [], [], []
        self._birth = np.where(rng.random(count) < 0.07, self._office_hours(rng, count), 0)
        for number in range(count):
            self._add(number, rng, values, weights, since)
        self._tables = Tables(values, weights, since)
        self._begun = np.concatenate(since)[np.argsort(np.concatenate(values))]
        self._template = int(np.concatenate(values).min())
        self._drill = (int(rng.integers(0, max(1, hours - 4))), rng.random(count) < 0.15)

    def _office_hours(self, rng: np.random.Generator, count: int) -> Integers:
        """Hours of the world at which somebody is there to release something: Monday to Friday, 8 to 17 UTC."""
        days = np.array([day for day in range(self._estate.days) if self._estate.weekday(day * 24) < 5] or [0])
        return rng.choice(days, count) * 24 + rng.integers(8, 18, count)

    def _add(self, number: int, rng: np.random.Generator, values: list, weights: list, since: list) -> None:
        estate, vocabulary = self._estate, self._estate.vocabulary
        fleet = int(self.fleet[number])
        kind = list(_APPLICATIONS)[self._bases[fleet]]
        account = int(rng.choice(5, p=(0.42, 0.2, 0.16, 0.14, 0.08)))
        role = f"{_PRODUCTS[fleet % len(_PRODUCTS)]}-{kind}-{_VARIANTS[number % len(_VARIANTS)]}-{number:02d}"
        session = f"i-0{rng.integers(1 << 60):016x}" if kind != "function" else role
        weighed = [entry.partition("*") for entry in _APPLICATIONS[kind].split()]
        codes = [int(vocabulary.code[name]) for name, _, _ in weighed]
        weight = np.array([float(share) for _, _, share in weighed]) * rng.gamma(1.2, 1.0, len(codes))
        keep = np.argsort(-weight)[: int(rng.integers(3, len(codes) + 1))]
        releases = int(rng.poisson(0.045 * estate.days))
        later = [
            int(rng.choice(vocabulary.of(str(rng.choice(_RELEASED)), read=bool(rng.random() < 0.7))))
            for _ in range(releases)
        ]
        templates = [
            estate.templates.add([code], 1.0, Templates.PROGRAM) for code in [*(codes[at] for at in keep), *later]
        ]
        values.append(np.array(templates))
        weights.append(np.concatenate([weight[keep] + 0.02, weight[keep].mean() * 0.2 * rng.random(releases) + 0.01]))
        since.append(np.concatenate([np.full(len(keep), -1), self._office_hours(rng, releases)]).astype(np.int64))
        hosts = estate.networks.add_all(
            addresses(
                rng,
                int(rng.choice((1, 2, 6, 12))),
                (int(rng.choice((3, 52, 54, 10))), int(rng.integers(0, 255))),
                spread=10,
            )
        )
        self._hosts.append(self._lambda if kind == "function" else hosts)
        second = self._second if self._spread[number] else self._region
        regions = tuple(dict.fromkeys((int(self._region[number]), int(second[number]))))
        self.who[number] = estate.add(
            Actor(
                identities.instance_role(estate.accounts[account], role, session), account, "workload", 0.004, 0.01,
                tuple(self._hosts[-1][:8].tolist()), (int(self._old[fleet]),), regions,
                since=int(self._birth[number]), favourite=fleet,
            )
        )  # fmt: skip

    def units(self, hour: int) -> Units:
        """What workloads do in an hour of the world."""
        rng = rng_for(self._estate.seed, "workloads", hour)
        count, clock = len(self.who), hour % 24
        rate = self._rate * (1 + self._curve * np.cos((clock - self._peak) * (np.pi / 12)))
        rate = np.where(self._estate.weekday(hour) >= 5, rate * (1 - self._curve * 0.5), rate)
        rate = np.where(self._birth <= hour, rate, 0.0)
        # Scaling out for an hour or two, and failures of what they depend on, with retries.
        scaled = rng_for(self._estate.seed, "scaled", hour // 2).random(count) < 0.012
        failing = rng_for(self._estate.seed, "failing", hour // 2).random(count) < 0.006
        rate = np.where(scaled, rate * 7, np.where(failing, rate * 3, rate))
        number = rng.poisson(np.minimum(rate, 2_500))
        row = np.repeat(np.arange(count), number)
        template = self._tables.draw(row, rng, hour)
        start = rng.random(len(row)) * 3_599
        every = self._every[row]
        regular = every > 0
        offset = (self.who[row] * 37) % 240
        ticks = np.floor(start / np.maximum(every, 1)) * every + offset + rng.random(len(row)) * 8
        start = np.where(regular, np.minimum(ticks, 3_599), start)
        fleet = self.fleet[row]
        upgraded = hour >= self._upgrade[fleet]
        # Instances are replaced all the time: the few addresses in use wander through the pool.
        spread = np.where(scaled, 6, 2)
        pool = np.array([len(hosts) for hosts in self._hosts])
        turn = (hour // 36 + rng.integers(0, 1 << 30, len(row)) % spread[row]) % pool[row]
        turn = np.where(pool[row] > 100, rng.integers(0, 1 << 30, len(row)) % pool[row], turn)
        first = np.concatenate([[0], np.cumsum(pool)[:-1]])
        network = np.concatenate(self._hosts)[first[row] + turn]
        begin, moved = self._drill
        elsewhere = (begin <= hour < begin + 4) & moved[row]
        region = np.where(rng.random(len(row)) < self._spread[row], self._second[row], self._region[row])
        region = np.where(elsewhere, 3, region)
        tag = np.where(scaled[row], habit("burst"), 0)
        tag = np.where(failing[row], habit("retry"), tag)
        begun = self._begun[template - self._template]
        tag = np.where((begun >= 0) & (hour < begun + 24), habit("new_action"), tag)
        tag = np.where((hour >= self._upgrade[fleet]) & (hour < self._upgrade[fleet] + 3), habit("sdk_upgrade"), tag)
        tag = np.where(elsewhere, habit("drill"), tag)
        tag = np.where((self._birth[row] > 0) & (hour < self._birth[row] + 24), habit("new_role"), tag)
        return Units.of(
            self.who[row],
            template,
            start,
            agent=np.where(upgraded, self._new[fleet], self._old[fleet]),
            network=network,
            region=region,
            habit=tag,
            fault=np.where(failing[row], 0.65, 0.0),
            fault_kind=(self.who[row] + hour) % 3,
        )
