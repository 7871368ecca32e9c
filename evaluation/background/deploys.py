"""Build and deployment roles: plans and applies in bursts, with many different changes.

Belongs here: Terraform roles and jobs of a build service. Does not belong here: what they deploy.
"""

import numpy as np

from evaluation.background import identities
from evaluation.background.clients import addresses, terraform
from evaluation.background.draws import Integers, Tables, rng_for, words, zipf
from evaluation.background.estate import Actor, Estate, Templates, habit
from evaluation.background.units import Units

__all__ = ["Deploys"]

_ROLES = 12
_STACKED = words(
    "ec2 iam s3 lambda ecs ecr rds dynamodb sqs sns kms logs monitoring elasticloadbalancing autoscaling events "
    "ssm secretsmanager cloudformation apigateway route53 acm wafv2 states eks cloudfront backup es elasticache "
    "glue batch"
)
_STACKS = 6


class Deploys:
    """Roles that deploy stacks; each has some stacks, which it plans often and changes at times."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        rng, count = rng_for(estate.seed, "deploys"), estate.count(_ROLES)
        self.who = np.empty(count, dtype=np.int64)
        # Hosted runners have another address every time; own runners have one.
        self._runners = estate.networks.add_all(addresses(rng_for(estate.seed, "runners"), 1_500, (20, 57), spread=16))
        self._own = np.full(count, -1, dtype=np.int64)
        self._old, self._new = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
        self._upgrade = rng.integers(0, estate.hours * 2, count)
        self._rate = rng.uniform(0.25, 1.2, count)
        self._region = rng.choice(4, count, p=(0.5, 0.3, 0.1, 0.1))
        # A third of them roll out a new region one day.
        self._rollout = np.where(rng.random(count) < 0.33, rng.integers(0, estate.hours, count), estate.hours + 1)
        self._target = rng.integers(2, 7, count)
        plans, applies = [], []
        for number in range(count):
            planned, applied = self._stacks(rng)
            plans.append(planned)
            applies.append(applied)
            self._add(number, rng)
        self._plans = Tables(plans, [zipf(len(row), 0.7) for row in plans])
        self._applies = Tables(applies, [zipf(len(row), 0.7) for row in applies])

    def _stacks(self, rng: np.random.Generator) -> tuple[Integers, Integers]:
        estate, vocabulary = self._estate, self._estate.vocabulary
        plans, applies = [], []
        for _ in range(_STACKS):
            services = rng.choice(_STACKED, int(rng.integers(3, 8)), replace=False, p=zipf(len(_STACKED), 0.7))
            looked, changed = [], []
            for service in services:
                reads, writes = vocabulary.of(service, read=True), vocabulary.of(service, read=False)
                looked.extend(
                    rng.choice(reads, min(len(reads), int(rng.integers(3, 10))), replace=False, p=zipf(len(reads), 1.0))
                )
                changed.extend(
                    rng.choice(
                        writes, min(len(writes), int(rng.integers(4, 14))), replace=False, p=zipf(len(writes), 0.9)
                    )
                )
            identity = vocabulary.code["sts:GetCallerIdentity"]
            plans.append(estate.templates.add([identity, *looked], 0.9, Templates.PROGRAM))
            # What a change touches differs: usual resources nearly always, others once in weeks.
            touched = np.concatenate([np.full(len(looked) + 1, 0.9), rng.permutation(zipf(len(changed), 0.8)) * 5])
            applies.append(
                estate.templates.add([identity, *looked, *changed], np.minimum(touched, 0.9), Templates.PROGRAM)
            )
        return np.array(plans), np.array(applies)

    def _add(self, number: int, rng: np.random.Generator) -> None:
        estate = self._estate
        account = int(rng.choice(5, p=(0.35, 0.2, 0.2, 0.1, 0.15)))
        minor = int(rng.integers(0, 25))
        self._old[number] = estate.agents.add(terraform(11, minor))
        self._new[number] = estate.agents.add(terraform(12, minor + int(rng.integers(1, 6))))
        hosted = number % 3 == 1
        if not hosted:
            self._own[number] = estate.networks.add_all(addresses(rng, 1, (52, 28)))[0]
        name = ("network", "platform", "data", "web", "identity", "observability", "payments", "edge")[number % 8]
        identity = (
            identities.federated(estate.accounts[account], f"github-deploy-{name}-{number}", "GitHubActions")
            if hosted
            else identities.instance_role(
                estate.accounts[account],
                f"terraform-{name}-{number}",
                f"aws-go-sdk-{1_700_000_000_000_000_000 + number}",
            )
        )
        usual = tuple(self._runners[:8].tolist()) if hosted else (int(self._own[number]),)
        self.who[number] = estate.add(
            Actor(identity, account, "ci", 0.0, 0.01, usual, (int(self._old[number]),), (int(self._region[number]),),
                  tuple(range(7, 20)), favourite=20 + number % 8)
        )  # fmt: skip

    def units(self, hour: int) -> Units:
        """Plans and applies of an hour of the world."""
        rng = rng_for(self._estate.seed, "deploys", hour)
        clock, count = hour % 24, len(self.who)
        busy = 1.0 if 7 <= clock < 19 else 0.06
        busy *= 0.1 if self._estate.weekday(hour) >= 5 else 1.0
        parts = []
        for tables, share, spread, apply in ((self._plans, 1.7, 40.0, False), (self._applies, 0.8, 240.0, True)):
            number = rng.poisson(self._rate * busy * share)
            if clock == 4 and not apply:
                number += 1  # the nightly check for drift
            row = np.repeat(np.arange(count), number)
            template = tables.draw(row, rng)
            rolled = hour >= self._rollout[row]
            elsewhere = rolled & (rng.random(len(row)) < 0.4)
            first = rolled & (hour < self._rollout[row] + 24)
            runner = self._runners[rng.integers(0, len(self._runners), len(row))]
            own = self._own[row]
            upgraded = hour >= self._upgrade[row]
            tag = np.where(first & elsewhere, habit("new_region"), habit("deploy") if apply else 0)
            broken = rng.random(len(row)) < 0.05
            parts.append(
                Units.of(
                    self.who[row], template, rng.random(len(row)) * 3_300, spread=spread * (0.5 + rng.random(len(row))),
                    repeat=1 + (rng.random(len(row)) < 0.3), agent=np.where(upgraded, self._new[row], self._old[row]),
                    network=np.where(own >= 0, own, runner), habit=tag,
                    region=np.where(elsewhere, self._target[row], self._region[row]), fault=np.where(broken, 0.25, 0.0),
                    fault_kind=rng.integers(0, 2, len(row)),
                )
            )  # fmt: skip
        return Units.joined(parts)
