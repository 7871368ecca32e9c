"""People: what they do in an hour, out of habit, by exception or for a try.

Belongs here: everything that people decide from hour to hour. Does not belong here: who they are (``persons``),
emergency access (``scheduled``).

A person may have access to several accounts; each is a principal of its own, as in CloudTrail. What somebody does
follows a Zipf law over a repertoire of their own, to which new things come slowly; now and then they look at something
that they never used before. Places change from day to day: office, home, the company's VPN, travel.
"""

from collections.abc import Callable

import numpy as np

from evaluation.background.draws import Floats, Integers, Tables, rng_for, zipf
from evaluation.background.estate import Estate, Templates, habit
from evaluation.background.persons import DEPARTMENTS, Person, Sites, make_actor, make_person
from evaluation.background.repertoire import Repertoire, changes_of_an_administrator, personal
from evaluation.background.units import Units

__all__ = ["People"]

_PRINCIPALS = 73
_ADMINS = 6
# How many accounts a person has access to: one, two, three.
_ACCESSES, _ADMIN_ACCESSES = (0.68, 0.24, 0.08), (0.8, 0.2, 0.0)
# Share of a person's activity in each of them.
_ACTIVITY = (1.0, 0.35, 0.2)
_SENSITIVE = 0.06
_EXPLORED = 0.012


class People:
    """All people behind single sign-on, a few IAM users among them."""

    def __init__(self, estate: Estate, repertoire: Repertoire) -> None:
        self._estate = estate
        rng = rng_for(estate.seed, "people")
        wanted, sites = estate.count(_PRINCIPALS), Sites.of(estate)
        admins = min(max(1, wanted // 3), estate.count(_ADMINS))
        persons: list[Person] = []
        who: list[int] = []
        owner: list[int] = []
        share: list[float] = []
        habits: list[tuple[Integers, Floats, Integers]] = []
        sensitive: list[Integers] = []
        while len(who) < wanted:
            number = len(persons)
            person = make_person(estate, sites, number, rng, admin=number < admins)
            persons.append(person)
            accesses = 1 + int(rng.choice(3, p=_ADMIN_ACCESSES if person.admin else _ACCESSES))
            for turn in range(min(wanted - len(who), accesses)):
                who.append(make_actor(estate, person, number, turn, rng))
                owner.append(number)
                share.append(_ACTIVITY[turn])
                liked = DEPARTMENTS[person.department][1].split()
                habits.append(personal(repertoire, estate, person.name, turn, liked))
                # Others never draw from this table, but it needs a row for each.
                changes = changes_of_an_administrator(repertoire, estate.seed, person.name, turn)
                sensitive.append(changes if person.admin else changes[:1])
        self.who: Integers = np.array(who, dtype=np.int64)
        self._owner: Integers = np.array(owner, dtype=np.int64)
        self._share = np.array(share)
        templates, weights, since = zip(*habits, strict=True)
        self._tables = Tables(templates, weights, since)
        self._sensitive = Tables(sensitive, [zipf(len(row), 0.9) for row in sensitive])
        self._everything = _everything(repertoire)
        self._login = estate.templates.call(estate.vocabulary.code["signin:ConsoleLogin"])
        self._lay_out(persons)
        actors = [estate.actors[number] for number in who]
        self._since = np.array([actor.since for actor in actors])
        self._until = np.array([actor.until for actor in actors])
        self._region = np.array([actor.regions[0] for actor in actors])
        self._other = np.array([actor.regions[1] for actor in actors])
        incidents = rng_for(estate.seed, "incidents")
        # Two or three incidents: some administrators work through, day and night.
        self._incidents = [
            (begin, begin + int(incidents.integers(3, 9)), incidents.random(len(persons)) < 0.5)
            for begin in incidents.integers(0, estate.hours, max(1, estate.days // 5)).tolist()
        ]

    def _lay_out(self, persons: list[Person]) -> None:
        """Arrays over people, and over people and days, so that an hour is drawn in a few steps."""

        def by_day(of: Callable[[Person], Integers]) -> Integers:
            return np.stack([of(person) for person in persons]).astype(np.int64)

        self._place, self._evening = by_day(lambda one: one.place), by_day(lambda one: one.evening)
        self._web, self._tool = by_day(lambda one: one.web), by_day(lambda one: one.tool)
        self._program, self._tag = by_day(lambda one: one.program), by_day(lambda one: one.tag)
        self._offset = by_day(lambda one: one.offset_by_day)
        self._begin, self._end = np.array([one.begin for one in persons]), np.array([one.end for one in persons])
        self._weekend, self._rate = np.array([one.weekend for one in persons]), np.array([one.rate for one in persons])
        self._vpn = np.array([one.vpn for one in persons], dtype=np.int64)
        self._vpn_share = np.array([one.vpn_share for one in persons])
        self._admin = np.array([one.admin for one in persons])

    def units(self, hour: int) -> Units:
        """What people do in an hour of the world."""
        rng = rng_for(self._estate.seed, "people", hour)
        day, people = hour // 24, len(self._rate)
        local = (hour + self._offset[:, day]) % 24
        weekday = self._estate.weekday(hour + self._offset[:, day])
        working = (local >= self._begin) & (local < self._end)
        midday = np.where(local == 12, 0.45, 1.0)
        rate = self._rate * np.where(working, midday, 0.035)
        # Who works at a weekend is drawn once for the day.
        at_all = rng_for(self._estate.seed, "weekend", day).random(people) < self._weekend
        rate = np.where(weekday >= 5, np.where(at_all, rate * 0.5, 0.0), rate)
        absent = rng_for(self._estate.seed, "absence", day).random(people) < 0.08
        rate = np.where(absent, 0.0, rate)
        tag = self._tag[:, day].copy()
        incident = np.zeros(people, dtype=bool)
        for begin, end, called in self._incidents:
            if begin <= hour < end:
                incident |= called & self._admin
        rate = np.where(incident, np.maximum(rate * 2.0, 12.0), rate)
        tag = np.where(incident, habit("incident"), tag)
        mine = rate[self._owner] * self._share
        mine = np.where((self._since <= hour) & (hour < self._until), mine, 0.0)
        # Activity comes in sittings: an hour is empty or busy.
        sitting = rng.random(len(mine)) < 0.72
        count = rng.poisson(np.where(sitting, mine / 0.72, 0.0))
        row = np.repeat(np.arange(len(mine)), count)
        begin, length = rng.random(len(mine)) * 2_400, 300 + rng.random(len(mine)) * 2_900
        person = self._owner[row]
        template = self._tables.draw(row, rng, hour)
        explored = rng.random(len(row)) < _EXPLORED * np.where((self._since[row] > 0), 2.5, 1.0)
        template = np.where(explored, self._everything.draw(np.zeros(len(row), dtype=np.int64), rng), template)
        sensitive = self._admin[person] & (rng.random(len(row)) < np.where(incident[person], 0.25, _SENSITIVE))
        template = np.where(sensitive, self._sensitive.draw(row, rng), template)
        style = self._estate.templates.style[template]
        scripted = (style != Templates.CONSOLE) & (rng.random(len(row)) < 0.12)
        agent = np.where(style == Templates.CONSOLE, self._web[person, day], self._tool[person, day])
        agent = np.where(scripted, self._program[person, day], agent)
        outside = ~working[person]
        network = np.where(outside, self._evening[person, day], self._place[person, day])
        network = np.where(rng.random(len(row)) < self._vpn_share[person], self._vpn[person], network)
        away = rng.random(len(row))
        region = np.where(away < 0.86, self._region[row], self._other[row])
        region = np.where(away > 0.985, rng.integers(0, 6, len(row)), region)
        loop = 1 + rng.geometric(0.12, len(row)) * (
            rng.random(len(row)) < np.where(style == Templates.CONSOLE, 0.0, 0.13)
        )
        loop = np.where(style == Templates.CONSOLE, 1 + (rng.random(len(row)) < 0.25), loop)
        start = (begin[row] + length[row] * rng.random(len(row))) % 3_590
        # The first page of a sitting comes after the sign-in, unless the last one still holds.
        opening = (style == Templates.CONSOLE) & (np.diff(row, prepend=-1) != 0) & (rng.random(len(row)) < 0.3)
        template, loop = np.where(opening, self._login, template), np.where(opening, 1, loop)
        tagged = np.where(explored & (tag[person] == 0), habit("exploration"), tag[person])
        return Units.of(
            self.who[row],
            template,
            start,
            spread=np.where(style == Templates.CONSOLE, 1.0 + 3.0 * rng.random(len(row)), loop * 1.5),
            repeat=loop,
            agent=agent,
            network=network,
            region=region,
            habit=tagged,
        )


def _everything(repertoire: Repertoire) -> Tables:
    """One table of all pages and commands, weighted by how much their services are used in the company."""
    kinds = (repertoire.pages, repertoire.commands)
    weights = [
        np.full(len(row), share / len(row))
        for rows in kinds
        for row, share in zip(rows, repertoire.weights, strict=True)
    ]
    return Tables([np.concatenate([row for rows in kinds for row in rows])], [np.concatenate(weights)])
