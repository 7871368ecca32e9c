"""Both scenarios, from an empty folder to their verdicts.

Belongs here: the order of things and the figures. Does not belong here: arguments and printing (``__main__``).
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.crew import Crew
from chaos.moments import Moment
from chaos.storm import Storm, Tally
from chaos.verdict import Verdict, judge
from chaos.weather import KINDS, Weather
from chaos.world import BOUND_SECONDS, PATIENCE_SECONDS, World
from s3sentinel_assets.local.aws import LocalAws
from s3sentinel_assets.local.workspace import LocalWorkspace

__all__ = ["Outcome", "beyond_the_bound", "within_the_bound"]

#: Rows show within this share of the bound in the first scenario: near enough to it that a sweep which does not wait
#: is found out, and the rest for a slow machine. The delay changes, so that later rows are often seen before earlier.
_LONGEST_DELAY = 0.8
#: In the second they show so much later than absence counts as proved: time for the storm, and for the sweep.
_SWEEP_SECONDS, _KILL_SECONDS = 6.0, 0.8
#: Deaths after which the rows may have been stored and nobody knows.
_IN_DOUBT = (Moment.WAITING, Moment.ANSWERED, Moment.SETTLING)


@dataclass(frozen=True)
class Outcome:
    """A scenario's figures."""

    name: str
    kills: int
    verdict: Verdict
    tally: Tally
    weather: dict[str, int]
    batches: dict[str, int]
    seconds: float

    @property
    def problems(self) -> list[str]:
        """Everything that must not be."""
        return [*self.tally.problems, *self.verdict.problems]

    def line(self) -> str:
        """The figures that count."""
        verdict = self.verdict
        return f"kills={self.kills} events={verdict.events} lost={verdict.lost} doubled={verdict.doubled}"

    def as_object(self) -> dict[str, Any]:
        """Everything as plain values."""
        verdict, tally = self.verdict, self.tally
        return {
            "scenario": self.name,
            "kills": self.kills,
            "kills_at_random_instants": tally.timed,
            "workers_that_finished": tally.finished,
            "events": verdict.events,
            "rows": verdict.rows,
            "lost": verdict.lost,
            "doubled": verdict.doubled,
            "doubled_beyond_the_bound": verdict.late,
            "doubled_rows_reported": verdict.reported,
            "rows_of_once": verdict.once,
            "accepted": verdict.accepted,
            **self.batches,
            "phases": tally.phases(),
            "moments": {moment.value: tally.kills[moment] for moment in Moment if tally.kills[moment]},
            "weather": self.weather,
            "remarks_of_the_product": tally.told,
            "problems": self.problems,
            "seconds": round(self.seconds, 1),
        }


def within_the_bound(
    home: Path,
    aws: LocalAws,
    workspace: LocalWorkspace,
    *,
    kills: int,
    seed: int,
    aims: Sequence[Moment] | None = None,
    weather: Sequence[str] = tuple(KINDS),
    bound_seconds: float = BOUND_SECONDS,
    always_late: bool = False,
    flaw: Callable[[], None] | None = None,
    on_kill: Callable[[], None] = lambda: None,
) -> Outcome:
    """Scenario 1: rows show within the bound, so nothing may be lost or doubled, whatever dies.

    Args:
        home: a folder for the scenario; its name is part of the bucket's.
        aws: running.
        workspace: running; it is emptied.
        kills: workers to kill.
        seed: of every draw.
        aims: moments to die at; None: all, and random instants.
        weather: kinds of `weather.KINDS`.
        bound_seconds: how long the product waits before absence is a proof, beyond its time-outs.
        always_late: rows show as late as they may, and never earlier.
        flaw: breaks the product in every worker.
        on_kill: called after each death.
    """
    draw = random.Random(seed)  # noqa: S311 chance, not secrets
    delay = _LONGEST_DELAY * bound_seconds
    return _shake(
        "within the bound",
        World(home, aws, workspace, bound_seconds),
        kills,
        draw,
        Weather(workspace, draw, delay, tuple(weather), delay if always_late else 0),
        {"aims": aims, "flaw": flaw, "on_kill": on_kill},
        calm_delay=delay,
        longest_delay=delay,
    )


def beyond_the_bound(
    home: Path,
    aws: LocalAws,
    workspace: LocalWorkspace,
    *,
    kills: int,
    seed: int,
    on_kill: Callable[[], None] = lambda: None,
) -> Outcome:
    """Scenario 2: rows show too late for the bound, later ones at once. Copies must be told, and `_Once` hide them.

    Args:
        home: a folder for the scenario; its name is part of the bucket's.
        aws: running.
        workspace: running; it is emptied.
        kills: workers to kill, each while it waits for an answer or has just got one.
        seed: of every draw.
        on_kill: called after each death.
    """
    draw = random.Random(seed)  # noqa: S311 chance, not secrets
    delay = PATIENCE_SECONDS + _SWEEP_SECONDS + kills * _KILL_SECONDS
    outcome = _shake(
        "beyond the bound",
        World(home, aws, workspace),
        kills,
        draw,
        Weather(workspace, draw, delay, ("slow answers", "stored, connection dropped"), delay),
        {"aims": _IN_DOUBT, "on_kill": on_kill},
        calm_delay=0,
        longest_delay=delay,
    )
    if not outcome.verdict.late:
        outcome.verdict.problems.append("no copy came of it, so the scenario has shown nothing")
    return outcome


def _shake(
    name: str,
    world: World,
    kills: int,
    draw: random.Random,
    weather: Weather,
    options: dict[str, Any],
    *,
    calm_delay: float,
    longest_delay: float,
) -> Outcome:
    began = time.monotonic()
    try:
        with Crew() as crew:
            storm = Storm(world, crew, weather, draw, **options)
            storm.rage(kills)
            storm.calm(calm_delay)
        verdict = judge(world, storm.tally, longest_delay)
        return Outcome(
            name=name,
            kills=storm.tally.kills.total(),
            verdict=verdict,
            tally=storm.tally,
            weather=dict(weather.seen),
            batches=world.batch_counts(),
            seconds=time.monotonic() - began,
        )
    finally:
        world.close()
