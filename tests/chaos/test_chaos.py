"""The chaos command with a few kills; and deliveries that are broken on purpose, which it must find out."""

import json

import pytest

from chaos.__main__ import main
from chaos.moments import PHASES, Moment
from chaos.run import within_the_bound
from chaos.world import BOUND_SECONDS
from tests.chaos import flaws

KILLS = 8


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_and_late_copies_are_told(capsys):
    code = main(["--kills", str(KILLS), "--seed", "5", "--json"])
    within, beyond, beyond_line, line = capsys.readouterr().out.splitlines()
    first, second = json.loads(within), json.loads(beyond)
    assert (first["problems"], second["problems"], code) == ([], [], 0)
    events = first["events"]
    assert line == f"chaos: kills={KILLS} events={events} lost=0 doubled=0"
    # Copies are no failure only where the machine stood still for longer than the bound.
    assert events == first["rows"] - first["doubled_rows_reported"] == first["accepted"] == first["rows_of_once"] > 400
    assert first["batches"] > 40
    assert sum(first["phases"].values()) == sum(first["moments"].values()) == KILLS
    assert set(first["phases"]) == set(PHASES)
    copies = second["rows"] - second["events"]
    assert second["doubled_rows_reported"] == copies >= second["doubled_beyond_the_bound"] > 0
    assert second["rows_of_once"] == second["accepted"] == second["events"]
    assert beyond_line.startswith(f"chaos beyond the bound: kills={second['kills']} events={second['events']} lost=0 ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flaw", "aims", "weather", "bound", "lost", "doubled"),
    [
        (flaws.send_again_blindly, [Moment.SETTLED], ["stored, connection dropped"], BOUND_SECONDS, False, True),
        (flaws.accept_before_sending, [Moment.CLAIMED, Moment.ON_THE_WIRE], ["calm"], BOUND_SECONDS, True, False),
        # Only a sweep that comes before the rows show finds nothing: the bound is long enough for any machine.
        (flaws.forget_the_bound, [Moment.SETTLED, Moment.RESENDING], ["stored, connection dropped"], 15.0, False, True),
    ],
)
def test_a_broken_delivery_is_found_out(tmp_path, shaken, flaw, aims, weather, bound, lost, doubled):
    home = tmp_path / flaw.__name__.replace("_", "-")
    outcome = within_the_bound(
        home, *shaken, kills=4, seed=1, aims=aims, weather=weather, bound_seconds=bound, always_late=True, flaw=flaw
    )
    assert (outcome.verdict.lost > 0, outcome.verdict.doubled > 0) == (lost, doubled), outcome.as_object()
    assert outcome.tally.problems == []
    assert any(word in problem for problem in outcome.problems for word in ("are lost", "doubled within the bound"))
