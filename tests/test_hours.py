"""Hour keys: they round-trip, sort by time and refuse what is ambiguous."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.hours import hour_end, hour_key, hour_range, hour_start, shift_hour, utc_now

INSTANTS = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, tz=UTC))


@given(INSTANTS)
def test_an_hour_holds_its_instant(instant: datetime) -> None:
    key = hour_key(instant)
    assert hour_start(key) <= instant < hour_end(key)
    assert hour_key(hour_start(key)) == key


@given(INSTANTS, INSTANTS)
def test_keys_sort_by_time(one: datetime, other: datetime) -> None:
    if one <= other:
        assert hour_key(one) <= hour_key(other)


@given(INSTANTS, st.integers(-10_000, 10_000))
def test_shifting_there_and_back(instant: datetime, hours: int) -> None:
    key = hour_key(instant)
    if hour_start(key) + timedelta(hours=hours) >= datetime(1970, 1, 1, tzinfo=UTC):
        assert shift_hour(shift_hour(key, hours), -hours) == key


def test_other_time_zones_become_utc() -> None:
    assert hour_key(datetime(2026, 11, 1, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=45)))) == "2026-10-31-19:00"


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        hour_key(datetime(2026, 11, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("key", ["2026-11-01-00:30", "2026-11-1-00:00", "2026-11-01", "", "2026-11-01-24:00", "x"])
def test_keys_that_are_no_full_hour_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        hour_start(key)


def test_ranges() -> None:
    assert list(hour_range("2026-02-28-23:00", "2026-03-01-01:00")) == [
        "2026-02-28-23:00", "2026-03-01-00:00", "2026-03-01-01:00",
    ]  # fmt: skip
    assert list(hour_range("2026-11-01-00:00", "2026-11-01-00:00")) == ["2026-11-01-00:00"]
    assert list(hour_range("2026-11-01-01:00", "2026-11-01-00:00")) == []


def test_now_is_aware() -> None:
    assert utc_now().tzinfo is UTC
