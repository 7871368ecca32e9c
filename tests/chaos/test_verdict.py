"""Which copies are within the bound, phases and weather: what can be told without a run."""

import random
from datetime import timedelta

import pytest

from chaos.moments import PHASES, Moment, phase_of
from chaos.storm import Tally
from chaos.verdict import Verdict, shown_in_time
from chaos.weather import KINDS, Weather
from chaos.world import PATIENCE_SECONDS
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger.engine import to_micros

NOW = utc_now()


@pytest.mark.parametrize(
    ("attempt", "seconds", "in_time"),
    [
        (None, PATIENCE_SECONDS - 0.1, True),
        (None, PATIENCE_SECONDS + 0.1, False),
        (2, 15, True),  # five seconds after the second attempt's only send
        (2, 10 + PATIENCE_SECONDS + 0.1, False),
        (3, 99, True),  # nobody told of such a send: not excused
    ],
)
def test_a_copy_is_in_time_within_time_outs_and_bound_of_its_send(attempt, seconds, in_time):
    sends = {("b", 1): [to_micros(NOW)], ("b", 2): [to_micros(NOW + timedelta(seconds=10))]}
    row = {"BatchId_CF": "b", "Attempt_CF": attempt, "At_": NOW + timedelta(seconds=seconds)}
    assert shown_in_time(row, Tally(sends=sends), PATIENCE_SECONDS) is in_time


def test_the_last_send_before_a_copy_counts():
    sends = {("b", 1): [to_micros(NOW), to_micros(NOW + timedelta(seconds=60))]}
    for seconds, in_time in ((59, False), (61, True)):
        row = {"BatchId_CF": "b", "Attempt_CF": None, "At_": NOW + timedelta(seconds=seconds)}
        assert shown_in_time(row, Tally(sends=sends), PATIENCE_SECONDS) is in_time


def test_every_moment_but_the_last_belongs_to_one_phase():
    assert sorted(moment for moments in PHASES.values() for moment in moments) == sorted(set(Moment) - {"finished"})
    assert phase_of(Moment.ASKED) == "resolving sweep" and phase_of(Moment.FINISHED) == "finished"
    tally = Tally()
    tally.kills.update([Moment.WAITING, Moment.ASKED, Moment.RESOLVED])
    assert {phase: count for phase, count in tally.phases().items() if count} == {
        "waiting for an answer": 1,
        "resolving sweep": 2,
    }


def test_extra_rows_are_those_beyond_the_first_of_an_event():
    assert Verdict(events=10, rows=12, lost=1, doubled=3, late=0).extra_rows == 3


class FakeWorkspace:
    def __init__(self):
        self.switches = []

    def set_faults(self, **switches):
        self.switches.append(switches)


def test_each_kind_of_weather_comes_before_any_comes_again():
    workspace = FakeWorkspace()
    weather = Weather(workspace, random.Random(1), 2.0, shortest_delay=1.0)
    for _ in range(2 * len(KINDS)):
        weather.turn()
    assert weather.seen == dict.fromkeys(KINDS, 2)
    assert {frozenset(switches) for switches in workspace.switches} == {frozenset(workspace.switches[0])}
    assert all(1.0 <= switches["ingestion_delay_seconds"] <= 2.0 for switches in workspace.switches)
