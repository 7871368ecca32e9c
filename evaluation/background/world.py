"""The world: a company's benign CloudTrail events, hour by hour, as a function of a seed.

Belongs here: putting the kinds of principals together; hours, frames, the table of principals. Does not belong here:
any habit.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from evaluation.background.deploys import Deploys
from evaluation.background.estate import REGIONS, Estate
from evaluation.background.events import Scribe
from evaluation.background.identities import names_of
from evaluation.background.people import People
from evaluation.background.repertoire import build_repertoire
from evaluation.background.scheduled import Scheduled
from evaluation.background.services import Services
from evaluation.background.units import Units
from evaluation.background.vocabulary import vocabulary
from evaluation.background.workloads import Workloads
from s3sentinel_assets.hours import hour_key, hour_start

__all__ = ["START", "World", "make_world"]

#: A Friday: days 3 to 9 of the world are a whole week, days 10 to 13 are Monday to Thursday, when people are at work.
START = datetime(2026, 5, 29, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class World:
    """A background of benign events.

    Attributes:
        seed: decides everything.
        days: how long it lasts.
        accounts: numbers of the accounts.
        hours: keys of its hours, in order.
        principals: one row a principal and account: ``principal``, ``account``, ``principal_type``, ``peer``, ``kind``
            (human, admin, workload, ci, service, scanner), ``networks``, ``agents``, ``regions`` (lists of texts: what
            it usually calls from, with, in; ``regions`` by how usual), ``hours`` (list of UTC hours of the day),
            ``since`` and ``until`` (hour keys: first hour in which it exists, first in which it does not; null: open).
    """

    seed: int
    days: int
    accounts: tuple[str, ...]
    hours: list[str]
    principals: pl.DataFrame
    _makers: tuple[Any, ...] = field(repr=False)
    _scribe: Scribe = field(repr=False)

    def frame(self, hour: str) -> pl.DataFrame:
        """The events of an hour in `events.WORLD_SCHEMA`, in order of time; any hour can be asked for alone.

        Raises:
            ValueError: the world does not have the hour.
        """
        number = int((hour_start(hour) - hour_start(self.hours[0])) / timedelta(hours=1))
        if not 0 <= number < len(self.hours):
            raise ValueError(f"hour {hour} is not in the world, which goes from {self.hours[0]} to {self.hours[-1]}")
        units = Units.joined([maker.units(number) for maker in self._makers])
        return self._scribe.write(units, number, int(hour_start(hour).timestamp()))

    def frames(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Every hour with its events, in order."""
        for hour in self.hours:
            yield hour, self.frame(hour)


@functools.lru_cache(maxsize=4)
def make_world(seed: int, days: int = 14, *, scale: float = 1.0, start: datetime = START) -> World:
    """The world of a seed; equal arguments give bit-identical frames.

    Args:
        seed: decides everything.
        days: how long it lasts.
        scale: how many principals there are, compared with about 200; there are always six accounts.
        start: midnight UTC of the first day.
    """
    if days < 1 or scale <= 0:
        raise ValueError(f"a world needs a day and a scale above 0, not {days} days and scale {scale}")
    estate = Estate(seed, days, start, scale, vocabulary())
    repertoire = build_repertoire(estate)
    makers = (People(estate, repertoire), Workloads(estate), Deploys(estate), Scheduled(estate), Services(estate))
    estate.templates.freeze()
    names = names_of(estate.actors, estate.accounts)
    hours = [hour_key(start + timedelta(hours=number)) for number in range(estate.hours)]
    return World(seed, days, estate.accounts, hours, _principals(estate, names, hours), makers, Scribe(estate, names))


def _principals(estate: Estate, names: pl.DataFrame, hours: list[str]) -> pl.DataFrame:
    actors, count = estate.actors, len(hours)
    return names.with_columns(
        pl.Series("kind", [actor.kind for actor in actors]),
        pl.Series("networks", [[estate.networks.texts[at] for at in actor.networks] for actor in actors]),
        pl.Series("agents", [[estate.agents.texts[at] for at in actor.agents] for actor in actors]),
        pl.Series("regions", [[REGIONS[at] for at in dict.fromkeys(actor.regions)] for actor in actors]),
        pl.Series("hours", [list(actor.hours) for actor in actors], dtype=pl.List(pl.Int64)),
        pl.Series("since", [hours[min(actor.since, count - 1)] for actor in actors]),
        pl.Series("until", [hours[actor.until] if actor.until < count else None for actor in actors], dtype=pl.String),
    )
