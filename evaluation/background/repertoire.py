"""Pages of consoles and little changes, service by service: what people's repertoires are made of.

Belongs here: templates common to all people. Does not belong here: who knows which of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.background.draws import Floats, Integers, rng_for, words, zipf
from evaluation.background.estate import Estate, Templates

__all__ = ["Repertoire", "build_repertoire", "changes_of_an_administrator", "personal"]

# What pages of other services look up on the way.
_ON_THE_WAY = (
    "ec2:DescribeRegions ec2:DescribeVpcs iam:ListRoles kms:ListAliases monitoring:DescribeAlarms "
    "s3:ListBuckets sns:ListTopics"
)

# Services in which administrators change what guards the accounts.
_GUARDS = words(
    "iam ec2 s3 kms organizations cloudtrail config guardduty secretsmanager ssm sso securityhub rds ram route53 "
    "account"
)


@dataclass(frozen=True)
class Repertoire:
    """Numbers of templates by service, parallel lists.

    Attributes:
        services: names, the most used first.
        pages: console pages of each service.
        commands: single reading calls of each.
        changes: changes of each, the most usual first.
        weights: how much each service is used in the company.
    """

    services: tuple[str, ...]
    pages: tuple[Integers, ...]
    commands: tuple[Integers, ...]
    changes: tuple[Integers, ...]
    weights: Floats


def build_repertoire(estate: Estate) -> Repertoire:
    """Adds the templates to the estate's."""
    vocabulary, templates = estate.vocabulary, estate.templates
    on_the_way = vocabulary.codes(_ON_THE_WAY)
    services, pages, commands, changes = [], [], [], []
    for service in dict.fromkeys(vocabulary.services):
        rng = rng_for(estate.seed, "pages", service)
        reads, writes = vocabulary.of(service, read=True), vocabulary.of(service, read=False)
        if len(reads) < 3:
            continue
        services.append(service)
        popular = zipf(len(reads), 0.9)
        made = []
        for _ in range(min(2 + len(reads) // 6, 9)):
            size = min(len(reads), 2 + int(rng.integers(1, 10)))
            own = rng.choice(reads, size=size, replace=False, p=popular)
            extra = rng.choice(on_the_way, size=int(rng.integers(0, 3)), replace=False)
            codes = np.concatenate([own, extra])
            # A page always asks its main questions; the others depend on what is folded out.
            made.append(templates.add(codes, np.where(np.arange(len(codes)) < 3, 0.95, 0.45), Templates.CONSOLE))
        pages.append(np.array(made))
        commands.append(np.array([templates.call(int(code)) for code in reads[:40]]))
        made = []
        for code in writes[:60]:
            around = rng.choice(reads, size=min(len(reads), int(rng.integers(1, 5))), replace=False, p=popular)
            style = Templates.CONSOLE if rng.random() < 0.6 else Templates.COMMAND
            made.append(templates.add([*around, int(code)], [*([0.8] * len(around)), 1.0], style))
        changes.append(np.array(made, dtype=np.int64))
    return Repertoire(tuple(services), tuple(pages), tuple(commands), tuple(changes), zipf(len(services), 1.0))


def personal(
    known: Repertoire, estate: Estate, person: str, turn: int, liked: Sequence[str]
) -> tuple[Integers, Floats, Integers]:
    """What a person does in an account: templates, their weights, and the hours from which on they are in use.

    Args:
        known: what there is.
        estate: for seed and days.
        person: the name.
        turn: which of the person's accounts.
        liked: services of the person's trade.
    """
    rng, hours = rng_for(estate.seed, "habits", person, turn), estate.hours
    share = known.weights.copy()
    for service in liked:
        share[known.services.index(service)] += 0.12 * rng.random()
    share /= share.sum()
    size, later = int(rng.integers(25, 85)), int(rng.poisson(0.5 * estate.days))
    chosen = rng.choice(len(share), size + later, p=share)
    kinds = rng.choice(3, size + later, p=(0.5, 0.38, 0.12))
    picked = []
    for service, kind in zip(chosen.tolist(), kinds.tolist(), strict=True):
        rows = (known.pages, known.commands, known.changes)[kind][service]
        rows = rows if len(rows) else known.pages[service]
        picked.append(int(rows[min(int(rng.exponential(len(rows) / 4)), len(rows) - 1)]))
    weights = np.concatenate([zipf(size, 1.2), np.full(later, 0.012)])
    weights = np.where(kinds == 2, weights * 0.12, weights)
    weights[0] = max(weights[0], 0.05)
    begun = np.concatenate([np.full(size, -1), rng.integers(0, hours, later)])
    return np.array(picked, dtype=np.int64), weights, begun


def changes_of_an_administrator(known: Repertoire, seed: int, person: str, turn: int) -> Integers:
    """Changes of what guards the accounts that an administrator makes, the most usual first."""
    rng = rng_for(seed, "sensitive", person, turn)
    rows = [known.changes[known.services.index(service)] for service in _GUARDS if service in known.services]
    every = np.concatenate(rows)
    weight = np.concatenate(
        [zipf(len(row), 0.8) * len(rows) / (1 + place) for place, row in enumerate(rows) if len(row)]
    )
    return rng.choice(every, min(len(every), 90), replace=False, p=weight / weight.sum())
