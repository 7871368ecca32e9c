"""The sample company: accounts, regions, networks, clients, who there is, and the templates of what they do.

Belongs here: what all kinds of principals share. Does not belong here: the habits of any kind (``people``,
``workloads``, ``deploys``, ``scheduled``, ``services``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from evaluation.background.draws import Floats, Integers, rng_for
from evaluation.background.vocabulary import Vocabulary

__all__ = ["ACCOUNTS", "HABITS", "REGIONS", "Actor", "Estate", "Pool", "Templates", "habit"]

#: Names of the accounts; their numbers depend on the seed.
ACCOUNTS: tuple[str, ...] = ("prod", "staging", "dev", "data", "shared", "security")
#: The first is where global services are logged; the first four are in use from the beginning.
REGIONS: tuple[str, ...] = (
    "us-east-1", "eu-west-1", "eu-central-1", "us-west-2", "ap-southeast-1", "ap-northeast-1", "us-east-2", "sa-east-1",
)  # fmt: skip
#: Tags of what is hard to tell from an attack; the first stands for none.
HABITS: tuple[str | None, ...] = (
    None, "joiner", "travel", "admin", "sdk_upgrade", "scanner", "nightly", "noise", "deploy", "new_action", "burst",
    "retry", "incident", "drill", "new_region", "vendor", "new_device", "exploration", "new_role",
)  # fmt: skip
_CODES = {habit: code for code, habit in enumerate(HABITS)}


class Pool:
    """Texts known by their numbers, so that events are made of integers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The text's number."""
        number = self._numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number

    def add_all(self, texts: Sequence[str]) -> Integers:
        """The numbers of several texts."""
        return np.array([self.add(text) for text in texts], dtype=np.int64)


class Templates:
    """What is done in one go: a page of the console, one call, a change with its look before and after, a deployment.

    A template is a list of calls, each with the chance that it happens this time.
    """

    #: How it is done: in the console, with a command line, with a program.
    CONSOLE, COMMAND, PROGRAM = 0, 1, 2

    def __init__(self) -> None:
        self._codes: list[Integers] = []
        self._chances: list[Floats] = []
        self._styles: list[int] = []
        self._singles: dict[int, int] = {}

    def add(self, codes: Sequence[int] | Integers, chances: Sequence[float] | Floats | float, style: int) -> int:
        """The new template's number."""
        self._codes.append(np.asarray(codes, dtype=np.int64))
        self._chances.append(np.broadcast_to(np.asarray(chances, dtype=np.float64), len(self._codes[-1])))
        self._styles.append(style)
        return len(self._codes) - 1

    def call(self, code: int) -> int:
        """The template of one call by a command line; the same for the same call."""
        if code not in self._singles:
            self._singles[code] = self.add([code], 1.0, self.COMMAND)
        return self._singles[code]

    def freeze(self) -> "Templates":
        """Lays the templates out as arrays ``codes``, ``chances``, ``first``, ``length``, ``style``."""
        self.length = np.array([len(codes) for codes in self._codes], dtype=np.int64)
        self.first = np.concatenate([[0], np.cumsum(self.length)[:-1]]).astype(np.int64)
        self.codes = np.concatenate(self._codes)
        self.chances = np.concatenate(self._chances)
        self.style = np.array(self._styles, dtype=np.int64)
        return self


@dataclass(frozen=True)
class Actor:
    """A principal in an account.

    Attributes:
        identity: its ``userIdentity``, from which the real parser makes the names.
        account: place in `ACCOUNTS`.
        kind: human, admin, workload, ci, service or scanner.
        deny_read: share of reading calls that it may not do; which ones is fixed.
        deny_write: the same for changing calls.
        networks: addresses it usually calls from.
        agents: its usual clients.
        regions: places in `REGIONS` that it usually works in.
        hours: UTC hours of the day in which it is usually active.
        since: first hour of the world in which it exists; ``until``: the first in which it does not any more.
        favourite: what its choice of resources depends on: members of one team share it.
    """

    identity: dict[str, Any]
    account: int
    kind: str
    deny_read: float = 0.0
    deny_write: float = 0.0
    networks: tuple[int, ...] = ()
    agents: tuple[int, ...] = ()
    regions: tuple[int, ...] = (0,)
    hours: tuple[int, ...] = tuple(range(24))
    since: int = 0
    until: int = 1 << 40
    favourite: int = 0


@dataclass
class Estate:
    """What all kinds of principals share while the world is being made."""

    seed: int
    days: int
    start: datetime
    scale: float
    vocabulary: Vocabulary
    networks: Pool = field(default_factory=Pool)
    agents: Pool = field(default_factory=Pool)
    templates: Templates = field(default_factory=Templates)
    actors: list[Actor] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = rng_for(self.seed, "accounts")
        self.accounts = tuple(f"{int(number):012d}" for number in rng.integers(10**11, 10**12, len(ACCOUNTS)))

    @property
    def hours(self) -> int:
        """How many hours the world has."""
        return self.days * 24

    def count(self, of: int) -> int:
        """How many there are of something of which an ordinary world has ``of``."""
        return max(1, round(of * self.scale))

    def add(self, actor: Actor) -> int:
        """The actor's number."""
        self.actors.append(actor)
        return len(self.actors) - 1

    def weekday(self, hour: int | Integers) -> Any:
        """Day of the week of an hour of the world, in UTC, Monday 0."""
        return (hour // 24 + self.start.weekday()) % 7


def habit(name: str) -> int:
    """The number of a tag in `HABITS`."""
    return _CODES[name]
