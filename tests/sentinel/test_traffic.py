"""Traffic: who waits before a request, for how long, and that waiting changes nothing."""

import threading

import pytest
import sqlalchemy as sa

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.errors import LeaseLostError
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.rates import pause_rule, take_tokens
from s3sentinel_assets.ledger.schema import rate, source_guard
from s3sentinel_assets.sentinel.traffic import RuleTraffic


class Present:
    """A clock that only waiting moves: for the process and, in microseconds, for the ledger."""

    def __init__(self):
        self.seconds = 1_000.0
        self.waits = []

    def __call__(self):
        return self.seconds

    def stop_event(self, *, stop_at=1e9):
        """An event that is set once the clock shows ``stop_at``."""
        event = threading.Event()

        def wait(seconds):
            self.waits.append(seconds)
            self.seconds += seconds
            if self.seconds >= stop_at:
                event.set()
            return event.is_set()

        event.wait = wait
        return event


@pytest.fixture
def present():
    return Present()


@pytest.fixture
def ledger(tmp_path, present):
    opened = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    opened.now = lambda: int(present.seconds * 1e6)
    yield opened
    opened.close()


@pytest.fixture
def settings():
    return SentinelSettings(ingestion_endpoint="https://x", workspace_id="w", dcr_id="d", dcr_requests_per_minute=60)


def note(connection):
    """What is committed with the tokens."""
    connection.execute(sa.insert(source_guard).values(source=f"x{connection.scalar(COUNT)}", touched=0))


COUNT = sa.select(sa.func.count()).select_from(source_guard)


def noted(ledger):
    with ledger.read() as connection:
        return connection.scalar(COUNT)


def test_tokens_that_are_there_cost_no_wait_and_one_transaction(ledger, settings, present):
    traffic = RuleTraffic("dcr-a", settings, present)
    stop = present.stop_event()
    begun = []
    write = ledger.write
    ledger.write = lambda: begun.append(1) or write()
    assert traffic.begin(ledger, settings, 1_000, stop, note)
    assert (present.waits, len(begun), noted(ledger)) == ([], 1, 1)


def test_without_tokens_it_waits_asks_again_and_writes_only_then(ledger, settings, present):
    traffic = RuleTraffic("dcr-a", settings, present)
    for _ in range(10):
        assert traffic.begin(ledger, settings, 1_000, present.stop_event(), note)
    assert noted(ledger) == 10
    # 60 a minute: the second of a burst of two, and then 58 over 61 seconds.
    assert present.seconds - 1_000 == pytest.approx(8 * 61 / 58, rel=0.01)


def test_a_run_that_stops_while_it_waits_takes_and_writes_nothing(ledger, settings, present):
    traffic = RuleTraffic("dcr-a", settings, present)
    for _ in range(2):
        traffic.begin(ledger, settings, 1_000, present.stop_event(), note)
    with ledger.read() as connection:
        before = connection.execute(sa.select(rate)).one()
    assert not traffic.begin(ledger, settings, 1_000, present.stop_event(stop_at=0), note)
    with ledger.read() as connection:
        assert connection.execute(sa.select(rate)).one() == before
    assert noted(ledger) == 2


def test_a_pause_of_another_process_is_waited_for_in_short_steps(ledger, settings, present):
    with ledger.write() as connection:
        pause_rule(connection, "dcr-a", ledger.now() + 17_000_000)
    traffic = RuleTraffic("dcr-a", settings, present)
    assert traffic.begin(ledger, settings, 1_000, present.stop_event(), note)
    assert present.waits == [5, 5, 5, 2]


def test_another_rule_does_not_wait(ledger, settings, present):
    throttled, other = RuleTraffic("dcr-a", settings, present), RuleTraffic("dcr-b", settings, present)
    throttled.pause.extend(100)
    throttled.slots.take(present.stop_event())
    with ledger.write() as connection:
        pause_rule(connection, "dcr-a", ledger.now() + 100_000_000)
    assert other.begin(ledger, settings, 1_000, present.stop_event(), note)
    assert present.waits == []


def test_a_lost_lease_gives_the_tokens_back(ledger, settings, present):
    traffic = RuleTraffic("dcr-a", settings, present)

    def lose(connection):
        raise LeaseLostError("lost")

    for _ in range(5):
        with pytest.raises(LeaseLostError):
            traffic.begin(ledger, settings, 1_000, present.stop_event(), lose)
    with ledger.write() as connection:
        for _ in range(2):
            limits = {"bytes_per_minute": 2_000_000_000, "requests_per_minute": 60}
            assert take_tokens(connection, "dcr-a", 1_000, ledger.now(), **limits) == 0


def test_an_open_breaker_refuses_unless_it_closes_soon(settings, present):
    for first_seconds, waits in ((60.0, []), (0.5, [0.5])):
        one = settings.model_copy(update={"backoff_limit_seconds": first_seconds})
        traffic = RuleTraffic("dcr-a", one, present)
        traffic.breaker.futile("down", surely=True)
        present.waits.clear()
        admission = traffic.admit(present.stop_event())
        assert present.waits == waits
        if waits:
            assert admission.probe and admission.wait == 0
        else:
            assert admission.wait == 60 and admission.problem == "down"


def test_the_others_wait_for_the_one_that_tries(settings, present):
    traffic = RuleTraffic("dcr-a", settings.model_copy(update={"backoff_limit_seconds": 0.5}), present)
    traffic.breaker.futile("down", surely=True)
    assert traffic.admit(present.stop_event()).probe
    event = present.stop_event()
    wait = event.wait

    def closes(seconds):
        if len(present.waits) == 4:
            traffic.breaker.accepted()
        return wait(seconds)

    event.wait = closes
    admission = traffic.admit(event)
    assert admission.wait == 0 and not admission.probe
    traffic.breaker.futile("down", surely=True)
    traffic.breaker.admit()
    present.seconds += 1
    traffic.breaker.admit()
    assert traffic.admit(present.stop_event(stop_at=0)) is None
