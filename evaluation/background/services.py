"""AWS's own services that act in the accounts: log delivery that is denied all day, schedulers, recorders.

Belongs here: principals that are services or service-linked roles. Does not belong here: anything the company runs.
"""

import numpy as np

from evaluation.background import identities
from evaluation.background.draws import Tables, rng_for
from evaluation.background.estate import ACCOUNTS, Actor, Estate, habit
from evaluation.background.units import Units

__all__ = ["Services"]

# Service or service-linked role, calls with weights, calls an hour in an account, share of accounts, share denied.
_SERVICES = (
    ("delivery.logs.amazonaws.com", "s3:PutObject*8 s3:GetBucketAcl*3", 34.0, 1.0, 0.95),
    ("cloudtrail.amazonaws.com", "s3:PutObject*6 s3:GetBucketAcl*6 kms:GenerateDataKey*5", 22.0, 1.0, 0.0),
    ("ec2.amazonaws.com", "sts:AssumeRole*1", 9.0, 0.8, 0.0),
    ("lambda.amazonaws.com", "sts:AssumeRole*1 kms:Decrypt*1", 14.0, 0.8, 0.0),
    ("ecs-tasks.amazonaws.com", "sts:AssumeRole*1", 9.0, 0.6, 0.0),
    ("config.amazonaws.com", "s3:PutObject*2 s3:GetBucketAcl*1 kms:Decrypt*1 sts:AssumeRole*2", 7.0, 1.0, 0.0),
    ("s3.amazonaws.com", "kms:Decrypt*1 kms:GenerateDataKey*1", 12.0, 0.7, 0.0),
    ("AWSServiceRoleForAutoScaling", (
        "ec2:DescribeInstanceStatus*4 ec2:RunInstances*1 ec2:TerminateInstances*1 ec2:CreateTags*1 "
        "elasticloadbalancing:DescribeTargetHealth*3 monitoring:PutMetricAlarm*0.3"
    ), 9.0, 0.6, 0.0),
    ("AWSServiceRoleForConfig", (
        "ec2:DescribeInstances*2 iam:GetRole*2 s3:GetBucketPolicy*2 rds:DescribeDBInstances*1 kms:DescribeKey*1 "
        "iam:ListRolePolicies*1 cloudtrail:DescribeTrails*1 lambda:GetFunction20150331v2*1"
    ), 26.0, 1.0, 0.04),
    ("AWSServiceRoleForRDS", (
        "ec2:DescribeSecurityGroups*1 ec2:CreateNetworkInterface*0.2 monitoring:PutMetricData*2"
    ), 4.0, 0.5, 0.0),
)  # fmt: skip


class Services:
    """AWS services in every account."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        rng, vocabulary = rng_for(estate.seed, "services"), estate.vocabulary
        who, calls, weights, rates, refused, sources, agents = [], [], [], [], [], [], []
        for name, listed, rate, share, denied in _SERVICES:
            weighed = [entry.partition("*") for entry in listed.split()]
            templates = np.array([estate.templates.call(vocabulary.code[call]) for call, _, _ in weighed])
            shares = np.array([float(weight) for _, _, weight in weighed])
            for account in range(len(ACCOUNTS)):
                if rng.random() > share:
                    continue
                number = estate.accounts[account]
                source = name if "." in name else f"{name.removeprefix('AWSServiceRoleFor').lower()}.amazonaws.com"
                network, agent = estate.networks.add(source), estate.agents.add(source)
                identity = (
                    identities.service(name)
                    if "." in name
                    else identities.instance_role(number, name, name.removeprefix("AWSServiceRoleFor"))
                )
                actor = Actor(identity, account, "service", networks=(network,), agents=(agent,), regions=(0, 1))
                who.append(estate.add(actor))
                calls.append(templates)
                weights.append(shares)
                rates.append(rate * rng.uniform(0.5, 1.6) * estate.scale)
                refused.append(denied)
                sources.append(network)
                agents.append(agent)
        self._tables = Tables(calls, weights)
        self._who, self._rate, self._denied = np.array(who), np.array(rates), np.array(refused)
        self._network, self._agent = np.array(sources), np.array(agents)

    def units(self, hour: int) -> Units:
        """What services do in an hour of the world."""
        rng = rng_for(self._estate.seed, "services", hour)
        row = np.repeat(np.arange(len(self._who)), rng.poisson(self._rate))
        denied, count = self._denied[row], len(row)
        return Units.of(
            self._who[row],
            self._tables.draw(row, rng),
            rng.random(count) * 3_599,
            agent=self._agent[row],
            network=self._network[row],
            region=rng.random(count) < 0.35,
            habit=np.where(denied > 0.5, habit("noise"), 0),
            fault=denied,
            fault_kind=1,
        )
