"""Times as free-form logs write them."""

from datetime import UTC, datetime

import polars as pl
import pytest

from s3sentinel_assets.formats.line_logs.text_times import read_times

ARRIVAL = datetime(2026, 3, 1, 12, tzinfo=UTC)


def one(text: str, zone: str = "UTC", arrival: datetime | None = ARRIVAL) -> tuple[str | None, str | None]:
    found = read_times(pl.Series([text]), zone=zone, arrival=arrival)
    when = found.when[0]
    return when and when.strftime("%Y-%m-%d %H:%M:%S.%f").removesuffix(".000000"), found.told[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05"),
        ("2026-01-02T03:04:05.123456+02:00", "2026-01-02 01:04:05.123456"),
        ("2026-01-02T03:04:05-0730", "2026-01-02 10:34:05"),
        ("2026-01-02 03:04:05,5", "2026-01-02 03:04:05.500000"),
        ("2026-01-02 03:04:05 UTC", "2026-01-02 03:04:05"),
        ("2026-01-02 03:04:05.25 EST", "2026-01-02 08:04:05.250000"),
        ("1767323045", "2026-01-02 03:04:05"),
        ("1767323045.25", "2026-01-02 03:04:05.250000"),
        ("1767323045678", "2026-01-02 03:04:05.678000"),
        ("1767323045678901", "2026-01-02 03:04:05.678901"),
        ("1767323045678901234", "2026-01-02 03:04:05.678901"),
        ("Jan 02 2026 03:04:05", "2026-01-02 03:04:05"),
        ("Jan  2 2026 03:04:05.678 CET", "2026-01-02 02:04:05.678000"),
        ("Fri Jan 2 03:04:05 2026", "2026-01-02 03:04:05"),
        ("Fri Jan 2 03:04:05 EST 2026", "2026-01-02 08:04:05"),
        ("Jan 2 03:04:05", "2026-01-02 03:04:05"),
        ("Dec 31 23:59:60", "2025-12-31 23:59:59"),
        ("Feb 30 03:04:05", None),
        ("Jan 2 25:04:05", None),
        ("Foo 2 03:04:05", None),
        ("2026-13-02T03:04:05Z", None),
        ("2026-01-02 03:04:05 XYZ", None),
        ("9999-01-02T03:04:05Z", None),
        ("soon", None),
        ("", None),
    ],
)
def test_every_form_is_read(text: str, expected: str | None) -> None:
    assert one(text) == (expected, None)


@pytest.mark.parametrize(
    ("text", "arrival", "expected"),
    [
        ("Dec 31 23:00:00", datetime(2026, 1, 1, 0, 30, tzinfo=UTC), "2025-12-31 23:00:00"),
        ("Jan  1 00:10:00", datetime(2025, 12, 31, 23, 50, tzinfo=UTC), "2026-01-01 00:10:00"),
        ("Mar  3 00:00:00", ARRIVAL, "2026-03-03 00:00:00"),
        ("Mar  4 00:00:00", ARRIVAL, "2025-03-04 00:00:00"),
        ("Feb 29 01:00:00", ARRIVAL, "2024-02-29 01:00:00"),
        ("Feb 29 01:00:00", datetime(2024, 2, 28, tzinfo=UTC), "2024-02-29 01:00:00"),
        ("Feb 29 01:00:00", datetime(2024, 2, 1, tzinfo=UTC), "2020-02-29 01:00:00"),
    ],
)
def test_a_year_is_reckoned_from_arrival(text: str, arrival: datetime, expected: str) -> None:
    assert one(text, arrival=arrival) == (expected, None)


def test_a_year_without_arrival_is_flagged() -> None:
    when, told = one("Jan 2 03:04:05", arrival=None)
    assert when is not None
    assert told == "year_guessed"
    assert one("Jan 2 2026 03:04:05", arrival=None) == ("2026-01-02 03:04:05", None)
    assert one("Feb 30 03:04:05", arrival=None) == (None, None)


def test_the_zone_holds_for_times_that_state_none() -> None:
    assert one("Jan 2 03:04:05", "Europe/Berlin") == ("2026-01-02 02:04:05", None)
    assert one("2025-07-02 03:04:05", "Europe/Berlin") == ("2025-07-02 01:04:05", None)
    assert one("2026-01-02T03:04:05Z", "Europe/Berlin") == ("2026-01-02 03:04:05", None)
    texts = pl.Series(["2026-01-02 03:04:05", "2026-01-02 03:04:05Z"])
    assert [when.hour for when in read_times(texts, zone="Europe/Berlin").when] == [2, 3]


def test_hours_that_come_twice_or_never_are_flagged() -> None:
    assert one("2025-10-26 02:30:00", "Europe/Berlin") == ("2025-10-26 00:30:00", "time_ambiguous")
    assert one("2026-03-29 02:30:00", "Europe/Berlin") == ("2026-03-29 01:30:00", "time_ambiguous")


def test_forms_may_mix() -> None:
    texts = pl.Series(["Jan 2 03:04:05", None, "1767323045", "x", "2026-01-02T03:04:05+01:00", "2026-01-02 03:04:05"])
    assert [when and when.hour for when in read_times(texts, arrival=ARRIVAL).when] == [3, None, 3, None, 2, 3]
