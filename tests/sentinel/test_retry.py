"""Waiting: Retry-After in its forms, back-off with full jitter, the shared pause."""

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.sentinel.retry import RETRY_AFTER_LIMIT_SECONDS, Pause, backoff_delay, parse_retry_after

NOW = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-1", None),
        ("soon", None),
        ("inf", None),
        ("٣", None),
        ("Sun, 01 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Nov 2026 11:59:30 GMT", 0.0),
        ("Sun, 01 Nov 2026 13:00:30 +0100", 30.0),
        ("Sunday, 01-Nov-26 12:00:05 GMT", 5.0),
        ("Sun, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_in_both_forms(value, seconds):
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(max_size=40))
def test_nonsense_never_raises(value):
    assert (parse_retry_after(value, NOW) or 0) >= 0


@given(
    failures=st.integers(1, 60),
    retry_after=st.none() | st.floats(0, 1e6),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_delays_have_a_floor_and_a_ceiling(failures, retry_after, draw):
    delay = backoff_delay(failures, retry_after, base=0.8, limit=60, draw=lambda: draw)
    floor = min(retry_after or 0, RETRY_AFTER_LIMIT_SECONDS)
    assert floor <= delay <= floor + min(60, 0.8 * 2 ** (failures - 1))


def test_the_ceiling_doubles():
    assert [backoff_delay(n, None, base=1, limit=5, draw=lambda: 1.0) for n in (1, 2, 3, 4, 5)] == [1, 2, 4, 5, 5]


def test_a_pause_holds_everybody_until_it_is_over_or_called_off():
    clock = [100.0]
    pause = Pause(lambda: clock[0])
    stop = threading.Event()
    pause.wait(stop)  # no pause
    assert pause.remaining() == 0
    pause.extend(5)
    pause.extend(1)  # a shorter one does not end the longer
    assert pause.remaining() == 5
    waited = []

    def wait(seconds):
        waited.append(seconds)
        clock[0] += seconds
        return False

    stop.wait = wait
    pause.wait(stop)
    assert waited == [5.0] and pause.remaining() == 0
    stop = threading.Event()
    stop.set()
    pause.extend(1000)
    pause.wait(stop)
