"""The storm: workers are started and killed, two at a time, until enough have died; then the calm that mends all.

Belongs here: who is started with which order, when it dies, what is counted. Does not belong here: processes
(``crew``), what came of it (``verdict``).
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaos.crew import Crew, Life
from chaos.moments import PHASES, Moment, phase_of
from chaos.weather import Weather
from chaos.worker import Order
from chaos.world import SOURCE, World
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger.engine import to_micros

__all__ = ["Storm", "Tally"]

_TOGETHER = 2
#: Of all deaths, those at a random instant instead of a named moment; and the latest such instant, seconds.
_TIMED_SHARE, _TIMED_SECONDS = 0.35, 1.5
#: The most workers for each death: those that end before theirs are in vain.
_TRIES = 4
#: Which time a moment must be reached for the worker to die there: drawn from 1 to this.
_NTH = {
    Moment.PLANNING: 10,
    Moment.CLAIMING: 6,
    Moment.CLAIMED: 6,
    Moment.ON_THE_WIRE: 20,
    Moment.WAITING: 6,
    Moment.ANSWERED: 6,
    Moment.SETTLING: 6,
    Moment.SETTLED: 6,
    Moment.RESOLVING: 3,
    Moment.RESOLVED: 3,
    Moment.RESENDING: 12,
}
_AIMS = tuple(moment for moments in PHASES.values() for moment in moments)
_CALM_TURNS, _SHORT_WAIT = 30, 0.3
#: With so many crashed or hanging workers there is no point in going on.
_TOO_MANY_PROBLEMS = 5


@dataclass
class Tally:
    """What happened.

    Attributes:
        kills: workers that died by SIGKILL, by the last moment they told.
        timed: of these, at a random instant.
        finished: workers that ended by themselves.
        told: what the product told its users meanwhile: nothing of it is wrong in a storm.
        sends: (batch, attempt) → instants of its sends, microseconds.
        problems: what must not happen, in sentences.
    """

    kills: Counter[Moment] = field(default_factory=Counter)
    timed: int = 0
    finished: int = 0
    told: int = 0
    sends: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def phases(self) -> dict[str, int]:
        """Phase → kills."""
        counts: Counter[str] = Counter(dict.fromkeys(PHASES, 0))
        for moment, count in self.kills.items():
            counts[phase_of(moment)] += count
        return dict(counts)


class Storm:
    """Kills workers of one world.

    Args:
        world: where they work.
        crew: starts them.
        weather: turns with each of them.
        draw: of everything that is random.
        aims: the moments to die at; None: all, and random instants.
        flaw: breaks the product in every worker.
        on_kill: called after each death.
    """

    def __init__(
        self,
        world: World,
        crew: Crew,
        weather: Weather,
        draw: random.Random,
        *,
        aims: Sequence[Moment] | None = None,
        flaw: Callable[[], None] | None = None,
        on_kill: Callable[[], None] = lambda: None,
    ) -> None:
        self._world, self._crew, self._weather, self._draw = world, crew, weather, draw
        self._aims, self._flaw, self._on_kill = aims, flaw, on_kill
        self._deck: list[Moment | None] = []
        self.tally = Tally()

    def rage(self, kills: int) -> None:
        """Starts and kills workers until ``kills`` have died."""
        started, crew = 0, self._crew
        while (missing := kills - self.tally.kills.total()) > 0 and not self._hopeless:
            while len(crew.alive) < min(_TOGETHER, missing) and started < kills * _TRIES:
                self._start()
                started += 1
            if not crew.alive:
                self.tally.problems.append(f"{started} workers were started and only {kills - missing} could be killed")
                return
            for life in crew.next_events():
                self._count(life)

    def calm(self, delay: float) -> None:
        """Whole runs and sweeps, with a little new traffic, until the ledger leaves nothing open.

        Args:
            delay: seconds after which rows show.
        """
        self._weather.clear_up(delay)
        world = self._world
        for _ in range(_CALM_TURNS):
            if self._hopeless:
                return
            # A batch counts as absent only once one that was sent after it can be seen.
            world.release(objects=1, events=3)
            self._crew.start(self._order(sweep=True))
            while self._crew.alive:
                for life in self._crew.next_events():
                    self._count(life)
            if world.settled():
                return
            _wait_until_ripe(world.last_unknown_sent(), world.patience_seconds)
        open_hours, open_batches = world.open_hours(), world.open_batches()
        self.tally.problems.append(f"after {_CALM_TURNS} calm runs there are open hours {open_hours}: {open_batches}")

    @property
    def _hopeless(self) -> bool:
        return len(self.tally.problems) >= _TOO_MANY_PROBLEMS

    def _order(self, *, hours: bool = True, sweep: bool = False, aim: tuple[Moment, int] | None = None) -> Order:
        chosen = self._world.open_hours() if hours else []
        self._draw.shuffle(chosen)
        return Order(self._world.config_file, SOURCE, tuple(chosen), sweep, aim, self._flaw)

    def _start(self) -> None:
        self._weather.turn()
        if self._world.unplanned_parts() < _TOGETHER:
            self._world.release()
        aim = self._next_aim()
        if aim is None:
            hours, sweep = self._draw.choice(((True, False), (False, True), (True, True)))
            self._crew.start(self._order(hours=hours, sweep=sweep), self._draw.uniform(0, _TIMED_SECONDS))
            return
        sweep = aim in PHASES["resolving sweep"]
        nth = self._draw.randint(1, _NTH.get(aim, 1))
        self._crew.start(self._order(hours=not sweep, sweep=sweep, aim=(aim, nth)))

    def _next_aim(self) -> Moment | None:
        """Each moment once before any comes again; None: a random instant."""
        if not self._deck:
            aims: list[Moment | None] = list(self._aims or _AIMS)
            if self._aims is None:
                aims += [None] * round(len(aims) * _TIMED_SHARE / (1 - _TIMED_SHARE))
            self._deck = self._draw.sample(aims, len(aims))
        doubt = self._world.open_batches().keys() & {"unknown", "sending"}
        for index, aim in enumerate(self._deck):
            if doubt or aim not in PHASES["resolving sweep"]:
                return self._deck.pop(index)
        return None  # only sweeps are left, and there is nothing to sweep

    def _count(self, life: Life) -> None:
        tally = self.tally
        for sent in life.sends:
            tally.sends.setdefault((sent.batch_id, sent.attempt), []).append(sent.sent_at)
        tally.told += len(life.told)
        if life.exit_code == 0:
            tally.finished += 1
            if life.order.aim is not None:
                self._deck.append(life.order.aim[0])  # it did not come to that; another will
        elif life.exit_code != -9:
            tally.problems.append(f"a worker ended with {life.exit_code} after '{life.last}'; its traceback is above")
        elif life.hangs:
            tally.problems.append(f"a worker did not end; the last of it is '{life.last}'")
        else:
            tally.kills[life.last or Moment.STARTED] += 1
            tally.timed += life.order.aim is None
            self._on_kill()


def _wait_until_ripe(sent_at: int | None, patience_seconds: float) -> None:
    """Until the product may take absence for a proof; a moment, where it may already."""
    left = _SHORT_WAIT if sent_at is None else (sent_at - to_micros(utc_now())) / 1e6 + patience_seconds
    threading.Event().wait(max(_SHORT_WAIT, left))
