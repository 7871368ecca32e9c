"""Workers that hang or lose their driver come to an end."""

import pytest

from chaos import crew as crew_module
from chaos.crew import Crew
from chaos.worker import Order
from tests.chaos import flaws


@pytest.fixture
def crew():
    with Crew() as made:
        yield made


def buried(crew):
    while crew.alive:
        yield from crew.next_events()


def test_a_worker_that_hangs_is_killed_and_known_to_hang(crew, monkeypatch):
    monkeypatch.setattr(crew_module, "LIFE_SECONDS", 0.1)
    life = crew.start(Order("none.yaml", "cloudtrail", flaw=flaws.hang))
    assert list(buried(crew)) == [life]
    assert life.killed and life.hangs and life.exit_code == -9


def test_a_worker_ends_with_its_driver(crew):
    life = crew.start(Order("none.yaml", "cloudtrail", flaw=flaws.hang))
    life.lifeline.close()
    assert list(buried(crew)) == [life]
    assert (life.killed, life.exit_code) == (False, 4)


def test_leaving_kills_who_is_left():
    with Crew() as crew:
        life = crew.start(Order("none.yaml", "cloudtrail", flaw=flaws.hang))
    assert crew.alive == [] and life.exit_code == -9
