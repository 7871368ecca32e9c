"""Circumstances of a transplanted incident: what it shares with its victim, and where it comes from if it does not.

Belongs here: the draws, and the pools of clients, regions and addresses. Does not belong here: the events
(``transplant``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

__all__ = ["AGENTS", "GLOBAL_REGION", "GLOBAL_SERVICES", "REGIONS", "Shared", "circumstances", "variants"]

#: Their calls are logged in one region, wherever they come from.
GLOBAL_SERVICES = (
    "account",
    "budgets",
    "ce",
    "cloudfront",
    "health",
    "iam",
    "organizations",
    "route53",
    "shield",
    "support",
)
GLOBAL_REGION = "us-east-1"
REGIONS = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-central-1",
    "eu-north-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "ap-south-1",
    "ca-central-1",
    "sa-east-1",
)
#: What people on both sides of the law use.
AGENTS = (
    "aws-cli/2.15.30 Python/3.11.8 Linux/6.5.0-26-generic exe/x86_64.ubuntu.22",
    "aws-cli/2.17.9 Python/3.11.9 Darwin/23.5.0 exe/arm64 prompt/off",
    "aws-cli/2.13.0 Python/3.11.4 Windows/10 exe/AMD64 prompt/off",
    "aws-cli/1.29.62 Python/3.10.12 Linux/5.15.0-86-generic botocore/1.31.62",
    "Boto3/1.34.84 md/Botocore#1.34.84 ua/2.0 os/linux#6.1.0 md/arch#x86_64 lang/python#3.11.8",
    "Boto3/1.28.17 md/Botocore#1.31.17 ua/2.0 os/macos#22.6.0 md/arch#arm64 lang/python#3.9.6",
    "aws-sdk-go-v2/1.26.1 os/linux lang/go#1.22.2 md/GOOS#linux md/GOARCH#amd64",
    "aws-sdk-js/2.1560.0 linux/v18.19.0 promise",
    "APN/1.0 HashiCorp/1.0 Terraform/1.7.5 (+https://www.terraform.io) terraform-provider-aws/5.44.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
)
# First bytes of blocks that hosters and VPN providers in many countries use.
_FAR_AWAY = (
    *(5, 23, 31, 37, 45, 46, 62, 77, 80, 84, 89, 91, 94, 103, 104, 138, 141, 146, 154, 159, 176, 178, 185, 188),
    *(193, 194, 195, 199, 209, 212, 213, 217),
)


@dataclass(frozen=True)
class Shared:
    """How often an incident shares something with its victim; each is drawn by itself."""

    same_ip: float = 0.25
    same_agent: float = 0.40
    same_region: float = 0.80
    working_hours: float = 0.50


def variants(incidents: pl.DataFrame, shared: Shared, rng: np.random.Generator) -> pl.DataFrame:
    """Draws what is shared with the victim; what the victim does not have cannot be shared."""
    has = {"same_ip": "networks", "same_agent": "agents", "same_region": "regions", "working_hours": "hours"}
    draws = [
        (pl.Series(name, rng.random(incidents.height) < getattr(shared, name)) & (incidents[habit].list.len() > 0))
        .fill_null(False)
        .alias(name)
        for name, habit in has.items()
    ]
    named = [pl.when(pl.col(name)).then(pl.lit(name)) for name in has]
    return incidents.with_columns(draws).with_columns(variant=pl.concat_str(named, separator=",", ignore_nulls=True))


def circumstances(incidents: pl.DataFrame, first: datetime, last: datetime, rng: np.random.Generator) -> pl.DataFrame:
    """Draws address, client, region and beginning of each incident."""
    count = incidents.height
    far = np.column_stack(
        [
            rng.choice(_FAR_AWAY, count),
            rng.integers(0, 256, count),
            rng.integers(0, 256, count),
            rng.integers(1, 255, count),
        ]
    )
    address = pl.Series("address", [".".join(map(str, row)) for row in far.tolist()], dtype=pl.String)
    agent = _others(incidents["agents"], AGENTS, rng)
    region = _others(incidents["regions"], REGIONS, rng)
    hours = max(int((last - first) / timedelta(hours=1)), 1)
    days = rng.integers(0, max(hours // 24, 1), count) * 24
    any_hour, second = rng.integers(0, min(hours, 24), count), rng.integers(0, 3_600, count)
    usual = _one_of(incidents["hours"], rng).cast(pl.Int64) - first.hour
    clock = pl.when(pl.col("working_hours")).then(pl.lit(usual) % 24).otherwise(pl.lit(any_hour))
    start = pl.lit(first) + pl.duration(hours=pl.lit(days) + clock) + pl.duration(seconds=pl.lit(second))
    incidents = incidents.with_columns(
        # Nobody can be robbed of a name that is not there yet; and an incident that would last beyond the end begins
        # earlier.
        start=pl.max_horizontal(
            pl.min_horizontal(start, pl.lit(last) - pl.col("length") - timedelta(seconds=1)), "first", pl.lit(first)
        )
    )
    incidents = incidents.with_columns(_known_by_then(incidents, habit) for habit in ("networks", "agents", "regions"))
    return incidents.with_columns(
        new_ip=pl.when("same_ip").then(_one_of(incidents["networks"], rng)).otherwise(address),
        new_agent=pl.when("same_agent").then(_one_of(incidents["agents"], rng)).otherwise(agent),
        new_region=pl.when("same_region").then(_one_of(incidents["regions"], rng)).otherwise(region),
    )


def _known_by_then(incidents: pl.DataFrame, habit: str) -> pl.Series:
    """What the victim had used before the incident begins; if it was none of its habits, the one that came first.

    Habits are read from all days. Who shares a client with the victim cannot share one of the week after.
    """
    since = f"{habit}_since"
    rows = incidents.select("start", habit, since).with_row_index("row")
    single = rows.filter(pl.col(habit).list.len() > 0).explode(habit, since)
    first = pl.col(since) == pl.col(since).min().over("row")
    earlier = single.filter((pl.col(since) < pl.col("start")) | first).group_by("row", maintain_order=True).agg(habit)
    return rows.select("row").join(earlier, on="row", how="left", maintain_order="left")[habit]


def _one_of(lists: pl.Series, rng: np.random.Generator) -> pl.Series:
    """One value of each list, null where it is empty."""
    lengths = lists.list.len().fill_null(0)
    places = pl.Series((rng.random(lists.len()) * lengths.to_numpy()).astype(np.int64))
    return lists.to_frame("list").select(pl.col("list").list.get(pl.lit(places), null_on_oob=True)).to_series()


def _others(lists: pl.Series, pool: Sequence[str], rng: np.random.Generator) -> pl.Series:
    """One value of the pool for each list that is not in it."""
    unused = [[value for value in pool if value not in (known or ())] or list(pool) for known in lists.to_list()]
    return _one_of(pl.Series(unused, dtype=pl.List(pl.String)), rng)
