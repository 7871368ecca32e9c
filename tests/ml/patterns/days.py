"""Counts of made-up days, as parts tell them."""

import random
from datetime import timedelta

import polars as pl

from s3sentinel_assets.hours import hour_range, hour_start
from s3sentinel_assets.ml.patterns import COUNT_SCHEMA, Catalogue, count_patterns, empty_catalogue, fit

__all__ = ["counts_of", "day_hours", "drawn", "learnt", "next_day", "syslog", "visits"]


def day_hours(day: str) -> list[str]:
    """The 24 hour keys of a day."""
    return list(hour_range(f"{day}-00:00", f"{day}-23:00"))


def syslog(texts: list[str], hour: str, catalogue: Catalogue | None = None) -> pl.DataFrame:
    """`COUNT_SCHEMA` and ``hour`` of these messages of one program."""
    rows = pl.DataFrame(
        {"ProcessName": ["app"] * len(texts), "SyslogMessage": texts}, schema_overrides={"SyslogMessage": pl.String}
    )
    return _counted(rows, hour, "syslog", "Syslog", catalogue)


def visits(paths: list[str], hour: str, catalogue: Catalogue | None = None) -> pl.DataFrame:
    """`COUNT_SCHEMA` and ``hour`` of these pages of a web site."""
    rows = pl.DataFrame({"CsMethod": "GET", "XEdgeResultType": "Hit", "ScStatus": "200", "CsUriStem": paths})
    return _counted(rows, hour, "cloudfront", "AWSCloudFront_AccessLog_CL", catalogue)


def _counted(rows: pl.DataFrame, hour: str, log_format: str, table: str, catalogue: Catalogue | None) -> pl.DataFrame:
    start = hour_start(hour)
    entities = pl.DataFrame(
        {
            "event_id": [f"{hour}/{number:06d}" for number in range(rows.height)],
            "time": [start + timedelta(milliseconds=number) for number in range(rows.height)],
        },
        schema={"event_id": pl.String, "time": pl.Datetime("us", "UTC")},
    )
    return count_patterns(rows, entities, log_format, table, catalogue).counts.with_columns(hour=pl.lit(hour))


def counts_of(events: dict[str, int], hour: str, *, known: bool = True) -> pl.DataFrame:
    """`COUNT_SCHEMA` and ``hour``: pattern → events, structures that are not mined."""
    some = {pattern: number for pattern, number in events.items() if number}
    return pl.DataFrame(
        {
            "format": "cloudtrail",
            "table": "AWSCloudTrail",
            "pattern": list(some),
            "known": known,
            "head": [f"head of {pattern}" for pattern in some],
            "body": "",
            "mined": False,
            "path": False,
            "events": list(some.values()),
            "first_time": hour_start(hour),
            "event_ids": [[f"{hour}/{pattern}"] for pattern in some],
            "hour": hour,
        },
        schema=COUNT_SCHEMA | {"hour": pl.String()},
    )


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson number (sum of exponential waits for small means, normal for large ones)."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    total, number = 0.0, -1
    while total < mean:
        total += rng.expovariate(1.0)
        number += 1
    return number


def learnt(rates: dict[str, float], days: list[str], seed: int = 1, spread: float = 0.0) -> Catalogue:
    """A catalogue after these days, patterns coming at these hourly rates; ``spread``: gamma, over-dispersed."""
    rng, catalogue = random.Random(seed), empty_catalogue()
    for number, day in enumerate(days):
        frames = [counts_of(drawn(rng, rates, spread), hour) for hour in day_hours(day)]
        after = days[number + 1] if number + 1 < len(days) else next_day(day)
        catalogue = fit(catalogue, pl.concat(frames), day_hours(day), after)
    return catalogue


def drawn(rng: random.Random, rates: dict[str, float], spread: float) -> dict[str, int]:
    """Events of an hour."""
    factor = {name: rng.gammavariate(1 / spread, spread) if spread else 1.0 for name in rates}
    return {name: poisson(rng, rate * factor[name]) for name, rate in rates.items()}


def next_day(day: str) -> str:
    """The day after."""
    return f"{hour_start(f'{day}-00:00') + timedelta(days=1):%Y-%m-%d}"
