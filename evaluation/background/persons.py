"""Single people: when they work, where they are on each day, with which machines, and what they may do.

Belongs here: what is drawn once for a person. Does not belong here: what they do in an hour (``people``), what they
know to do (``repertoire``).
"""

from dataclasses import dataclass, field

import numpy as np

from evaluation.background import identities
from evaluation.background.clients import addresses, browser, cli, runtime, terraform
from evaluation.background.draws import Integers, rng_for, words
from evaluation.background.estate import ACCOUNTS, Actor, Estate, habit

__all__ = ["DEPARTMENTS", "OFFICES", "Person", "Sites", "make_actor", "make_person"]

_GIVEN = words(
    "ada ben chloe dara emre fay goran hana ivan jun kofi lena milo nora omar pia quinn rosa sven tara umar vera "
    "wei xenia yuki zoe arjun bea cyril dunja eli freya gus hilde ines jonas kaya lars mina noel olga pablo ruth "
    "sami"
)
_FAMILY = words(
    "abe bauer costa diaz eriksen fofana gupta hansen ito jansen kumar lopez meyer novak okoye park rossi sato "
    "tran weber"
)
#: Office: hours ahead of UTC, region that its people work in first, share of the people.
OFFICES = ((1, 1, 0.42), (-5, 0, 0.30), (-8, 3, 0.10), (5, 4, 0.12), (9, 5, 0.06))
#: Department: permission set, services that it likes beside the company's favourites, share of reads and writes denied.
DEPARTMENTS = {
    "developer": ("PowerUserAccess", (
        "ec2 ecs lambda logs monitoring dynamodb ssm s3 cloudformation rds ecr sqs"
    ), 0.03, 0.15),
    "data": ("DataEngineer", (
        "s3 athena glue redshift elasticmapreduce sagemaker kinesis states quicksight logs"
    ), 0.06, 0.35),
    "operations": ("OperationsAccess", (
        "ec2 monitoring logs autoscaling elasticloadbalancing rds ssm route53 backup eks"
    ), 0.02, 0.10),
    "security": ("SecurityAudit", (
        "cloudtrail guardduty securityhub config iam access-analyzer kms inspector2 s3 macie2"
    ), 0.01, 0.55),
    "finance": ("BillingReadOnly", (
        "ce budgets savingsplans compute-optimizer account organizations support"
    ), 0.25, 0.85),
    "support": ("ReadOnlyAccess", "logs monitoring ec2 rds dynamodb sqs support health s3", 0.08, 0.90),
}  # fmt: skip
_SHARES = (0.40, 0.15, 0.18, 0.10, 0.07, 0.10)


@dataclass(frozen=True)
class Sites:
    """Networks that people share: of each office, of the company's VPN, of mobile phones."""

    offices: tuple[Integers, ...]
    vpn: Integers
    roaming: Integers

    @staticmethod
    def of(estate: Estate) -> "Sites":
        """Those of the estate."""
        networks, seed = estate.networks, estate.seed
        return Sites(
            tuple(networks.add_all(addresses(rng_for(seed, "office", at), 3, spread=4)) for at in range(len(OFFICES))),
            networks.add_all(addresses(rng_for(seed, "vpn"), 4, spread=3)),
            networks.add_all(addresses(rng_for(seed, "mobile"), 200, (37, 84), spread=14)),
        )


def _nobody_knows() -> Integers:
    return np.empty(0, dtype=np.int64)


@dataclass
class Person:
    """One person; every array has an entry for each day of the world.

    Attributes:
        name: as in the company's directory.
        office: place in `OFFICES`.
        offset: hours ahead of UTC at home.
        department: key of `DEPARTMENTS`.
        admin: whether all accounts are theirs to change.
        begin: local hour at which the person begins; ``end``: the first at which work is over.
        weekend: share of the weekend days at which the person works.
        rate: things done in an hour at work.
        since: first hour in the company; ``until``: the first after it.
        vpn: network of the VPN; ``vpn_share``: share of the calls that go through it.
        place: network at work; ``evening``: network after it.
        web: browser; ``tool``: command line; ``program``: what the person's programs use.
        offset_by_day: hours ahead of UTC where the person is.
        tag: habit.
    """

    name: str
    office: int
    offset: int
    department: str
    admin: bool
    begin: int
    end: int
    weekend: float
    rate: float
    since: int
    until: int
    vpn: int
    vpn_share: float
    offset_by_day: Integers
    tag: Integers
    place: Integers = field(default_factory=_nobody_knows)
    evening: Integers = field(default_factory=_nobody_knows)
    web: Integers = field(default_factory=_nobody_knows)
    tool: Integers = field(default_factory=_nobody_knows)
    program: Integers = field(default_factory=_nobody_knows)


def make_person(estate: Estate, sites: Sites, number: int, rng: np.random.Generator, *, admin: bool) -> Person:
    """The person of a number; the networks and clients that they use are added to the estate's."""
    days = estate.days
    office = int(rng.choice(len(OFFICES), p=[share for _, _, share in OFFICES]))
    department = "operations" if admin else str(rng.choice(list(DEPARTMENTS), p=_SHARES))
    begin = int(rng.integers(7, 11))
    name = f"{_GIVEN[number % len(_GIVEN)]}.{_FAMILY[(number * 7 + number // len(_GIVEN)) % len(_FAMILY)]}"
    name += f"{number // 900}" if number >= 900 else ""
    fate, hours = rng.random(), estate.hours
    # One in eight joins after the beginning, some of them late; one in twenty leaves.
    joins = int(rng.integers(1, max(2, days))) * 24 if fate < 0.125 and not admin else 0
    leaves = int(rng.integers(days // 2, max(days // 2 + 1, days))) * 24 if fate > 0.95 and not admin else hours + 1
    person = Person(
        name=f"{name}@example.com",
        office=office,
        offset=OFFICES[office][0],
        department=department,
        admin=admin,
        begin=begin,
        end=begin + int(rng.integers(8, 11)),
        weekend=float(rng.choice((0.0, 0.04, 0.15))),
        rate=float(np.clip(rng.lognormal(1.75, 0.65), 0.8, 24.0)) * (1.25 if admin else 1.0),
        since=joins,
        until=leaves,
        vpn=int(rng.choice(sites.vpn)),
        vpn_share=float(rng.choice((0.0, 0.15, 0.6), p=(0.4, 0.4, 0.2))),
        offset_by_day=np.full(days, OFFICES[office][0], dtype=np.int64),
        tag=np.zeros(days, dtype=np.int64),
    )
    _place(estate, sites, person, rng)
    _equip(estate, person, rng)
    if joins:
        person.tag[joins // 24 : joins // 24 + 4] = habit("joiner")
    if admin:
        person.tag[person.tag == 0] = habit("admin")
    return person


def _place(estate: Estate, sites: Sites, person: Person, rng: np.random.Generator) -> None:
    """Where the person is on each day."""
    days, networks = estate.days, estate.networks
    # Some providers give a new address every few days.
    moves = float(rng.choice((0.0, 0.08, 0.5), p=(0.6, 0.25, 0.15)))
    homes = networks.add_all(addresses(rng, 12, spread=12))
    home = homes[np.cumsum(rng.random(days) < moves) % len(homes)]
    remote = rng.random(days) < float(rng.choice((0.1, 0.5, 0.95)))
    office = rng.choice(sites.offices[person.office], days)
    place = np.where(remote, home, office)
    if rng.random() < 0.3:  # in a train or café now and then
        out = rng.random(days) < 0.15
        place = np.where(out, rng.choice(sites.roaming, days), place)
    evening = home.copy()
    if rng.random() < 0.28:
        begin, length = int(rng.integers(0, days)), int(rng.integers(2, 6))
        away = slice(begin, begin + length)
        hotel = networks.add_all(addresses(rng, 2, spread=6))
        place[away] = rng.choice(hotel, len(place[away]))
        evening[away] = hotel[0]
        person.tag[away] = habit("travel")
        if rng.random() < 0.5:
            person.offset_by_day[away] = person.offset + int(rng.choice((-8, -6, 6, 8)))
    person.place, person.evening = place, evening


def _equip(estate: Estate, person: Person, rng: np.random.Generator) -> None:
    """Which clients the person has on each day; browsers update themselves within days of a release."""
    days, agents = estate.days, estate.agents
    today = np.arange(days)
    system, family = int(rng.choice(3, p=(0.5, 0.35, 0.15))), int(rng.choice(4, p=(0.62, 0.15, 0.15, 0.08)))
    lag = int(rng.integers(0, 5))
    version = 148 + (today - lag >= 3) + (today - lag >= 10)
    minor = int(rng.integers(8, 34))
    upgraded = int(rng.integers(0, days * 4))  # most upgrade rarely
    tools = minor + (today >= upgraded) * int(rng.integers(1, 6))
    systems = np.full(days, system)
    if rng.random() < 0.13 and days > 2:
        bought = int(rng.integers(1, days))
        systems[bought:] = (system + int(rng.integers(0, 3))) % 3
        tools[bought:] = 35
        person.tag[bought : bought + 2] = habit("new_device")
    person.web = agents.add_all([browser(int(s), family, int(v)) for s, v in zip(systems, version, strict=True)])
    person.tool = agents.add_all([cli(int(s), int(m), minor % 12) for s, m in zip(systems, tools, strict=True)])
    scripts = terraform(11 + minor % 3, minor % 20) if rng.random() < 0.3 else runtime(1, 20 + minor, 2)
    person.program = np.full(days, agents.add(scripts))


def make_actor(estate: Estate, person: Person, number: int, turn: int, rng: np.random.Generator) -> int:
    """Gives the person access to an account, the first (turn 0) or a further one; the actor's number."""
    anywhere = int(rng_for(estate.seed, "home", number).choice((0, 1, 2), p=(0.45, 0.25, 0.3)))
    home = {"data": 3, "security": 5}.get(person.department, anywhere)
    account = (home + turn * 2) % len(ACCOUNTS) if turn else home
    permission, _, deny_read, deny_write = DEPARTMENTS[person.department]
    if person.admin:
        permission, deny_read, deny_write = "AdministratorAccess", 0.0, 0.0
    elif turn:
        permission = "ReadOnlyAccess" if turn == 2 else permission
        deny_write = max(deny_write, 0.9 if turn == 2 else 0.0)
    legacy = not person.admin and turn == 0 and number % 14 == 13
    number_of_account = estate.accounts[account]
    identity = (
        identities.user(number_of_account, person.name.partition("@")[0])
        if legacy
        else identities.sso_role(number_of_account, permission, person.name)
    )
    # Access to another account is often given later.
    since = person.since if not turn or rng.random() < 0.7 else int(rng.integers(0, estate.hours))
    usual = dict.fromkeys([*person.place[person.tag != habit("travel")].tolist(), *person.evening.tolist(), person.vpn])
    region = OFFICES[person.office][1]
    clients = [*person.web.tolist(), *person.tool.tolist(), int(person.program[0])]
    return estate.add(
        Actor(
            identity,
            account,
            "admin" if person.admin else "human",
            deny_read,
            deny_write,
            networks=tuple(usual)[:8],
            agents=tuple(dict.fromkeys(clients))[:6],
            regions=(region, 0) if region else (0, 1),
            hours=tuple(sorted({(hour - person.offset) % 24 for hour in range(person.begin, person.end)})),
            since=max(since, person.since),
            until=person.until,
            favourite=list(DEPARTMENTS).index(person.department),
        )
    )
