"""Looking into the results of offline scoring: who stood out when, what was new about it, who else is concerned.

Belongs here: questions to the results of ``s3sentinel score``, as pure functions over frames. Does not belong here:
making the results (``offline``), plots (the notebooks).

"New" means: not in these results before the hour. Logs that begin the day before know little.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import HOUR_FORMAT, hour_end, hour_start
from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA

__all__ = [
    "FACTORS",
    "first_uses",
    "hour_of",
    "in_sentinel",
    "notable_hours",
    "others_with",
    "peers_of",
    "read_results",
]

#: Columns in which something can be new.
FACTORS = ("action", "source_ip", "user_agent", "region", "target", "error")
_FILES = ("scores.parquet", "scores.ndjson")
_WHO = ["account", "principal"]
_RANKS = {"unknown": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}
_RANK = pl.col("priority").replace_strict(_RANKS, default=0, return_dtype=pl.Int64)


def hour_of() -> pl.Expr:
    """The hour key of ``time``."""
    return pl.col("time").dt.strftime(HOUR_FORMAT.replace("%M", "00")).alias("hour")


def read_results(path: Path) -> pl.DataFrame:
    """The results in a file or folder of ``s3sentinel score``; of two files in a folder the newer.

    Raises:
        UserError: there are none, or the file holds something else.
    """
    found = [path / name for name in _FILES if (path / name).is_file()] if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise UserError(f"{path}: holds no results; write them with s3sentinel score DIR --output {path}")
    file = max(found, key=lambda each: each.stat().st_mtime)
    try:
        if file.suffix == ".parquet":
            frame = pl.read_parquet(file)
        else:
            frame = pl.read_ndjson(file, schema=RESULT_SCHEMA | {"time": pl.String()})
            frame = frame.with_columns(pl.col("time").str.to_datetime(time_unit="us", time_zone="UTC"))
        return frame.select(list(RESULT_SCHEMA))
    except pl.exceptions.PolarsError as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{file}: holds no results of s3sentinel score ({said}); write them anew") from error


def notable_hours(results: pl.DataFrame) -> pl.DataFrame:
    """The hours of all principals, the most urgent first.

    Returns:
        ``account``, ``principal``, ``hour``, ``events``, ``urgent`` (critical or high), ``priority`` (highest),
        ``score`` (highest), ``rules`` (of sensitive calls, as a text).
    """
    named = results.filter(pl.col("principal").is_not_null() & pl.col("time").is_not_null())
    names = {rank: name for name, rank in _RANKS.items()}
    return (
        named.with_columns(hour_of(), _RANK.alias("_rank"))
        .group_by(*_WHO, "hour")
        .agg(
            pl.len().cast(pl.Int64).alias("events"),
            (pl.col("_rank") >= _RANKS["high"]).sum().cast(pl.Int64).alias("urgent"),
            pl.col("_rank").max(),
            pl.col("score").max(),
            pl.col("rule").drop_nulls().unique().sort().str.join(", ").alias("rules"),
        )
        .sort("_rank", "urgent", "score", "hour", *_WHO, descending=[True, True, True, False, False, False])
        .with_columns(priority=pl.col("_rank").replace_strict(names, return_dtype=pl.String))
        .select(*_WHO, "hour", "events", "urgent", "priority", "score", "rules")
    )


def first_uses(results: pl.DataFrame, account: str | None, principal: str, hour: str) -> pl.DataFrame:
    """What the principal did in the hour for the first time in these results.

    Returns:
        ``what`` (one of `FACTORS`), ``value``, ``first_time``, ``events`` in the hour, ``principal_before`` (its events
        before the hour, whatever they were), ``account_before`` (events of the whole account with that value before).
        Sorted by time.
    """
    start, end = hour_start(hour), hour_end(hour)
    mine = results.filter(_is(account, principal))
    before, within = mine.filter(pl.col("time") < start), mine.filter(pl.col("time").is_between(start, end, "left"))
    earlier = results.filter(pl.col("account").eq_missing(pl.lit(account)) & (pl.col("time") < start))
    frames = []
    for factor in FACTORS:
        known = before.select(factor).drop_nulls().unique()
        new = (
            within.drop_nulls(factor)
            .join(known, on=factor, how="anti")
            .group_by(factor)
            .agg(pl.col("time").min().alias("first_time"), pl.len().cast(pl.Int64).alias("events"))
        )
        used = earlier.group_by(factor).agg(pl.len().cast(pl.Int64).alias("account_before"))
        frames.append(
            new.join(used, on=factor, how="left").select(
                pl.lit(factor).alias("what"),
                pl.col(factor).cast(pl.String).alias("value"),
                "first_time",
                "events",
                pl.lit(before.height, pl.Int64).alias("principal_before"),
                pl.col("account_before").fill_null(0),
            )
        )
    return pl.concat(frames).sort("first_time", "what", "value")


def peers_of(results: pl.DataFrame, account: str | None, principal: str, hour: str) -> pl.DataFrame:
    """The principal among those it is compared with.

    Returns:
        ``principal``, ``events`` and ``actions`` (distinct) in all results, ``hours`` with events, ``score`` (highest
        outside of the hour, or of all for the others), ``done_by_it`` (share of the principal's actions of the hour
        that this one has done before). The principal comes first.
    """
    start, end = hour_start(hour), hour_end(hour)
    mine = results.filter(_is(account, principal))
    groups = mine.select("peer").drop_nulls().unique()
    now = mine.filter(pl.col("time").is_between(start, end, "left"))["action"].drop_nulls().unique()
    rest = results.join(groups, on="peer", how="semi").filter(
        ~(_is(account, principal) & pl.col("time").is_between(start, end, "left"))
    )
    shared = pl.col("action").filter((pl.col("time") < start) & pl.col("action").is_in(now.implode())).n_unique()
    return (
        rest.with_columns(hour_of())
        .group_by(*_WHO)
        .agg(
            pl.len().cast(pl.Int64).alias("events"),
            pl.col("action").n_unique().cast(pl.Int64).alias("actions"),
            pl.col("hour").n_unique().cast(pl.Int64).alias("hours"),
            pl.col("score").max(),
            (shared / max(now.len(), 1)).round(3).alias("done_by_it"),
            _is(account, principal).first().alias("_itself"),
        )
        .sort("_itself", "events", *_WHO, descending=[True, True, False, False])
        .drop("_itself")
    )


def others_with(
    results: pl.DataFrame, column: str, values: Sequence[str], around: datetime, within: timedelta
) -> pl.DataFrame:
    """Who else used an address, a client or another value around an instant: the pivot.

    Args:
        results: all of them.
        column: such as ``source_ip``.
        values: which of its values.
        around: an aware instant.
        within: how far from it.

    Returns:
        ``column``, ``account``, ``principal``, ``events``, ``first``, ``last``, ``priority`` (highest), ``actions``
        (the most frequent ones, as a text).
    """
    names = {rank: name for name, rank in _RANKS.items()}
    near = pl.col("time").is_between(around - within, around + within)
    often = pl.col("action").drop_nulls().value_counts(sort=True).struct.field("action").head(4)
    return (
        results.filter(pl.col(column).is_in(list(values)) & near)
        .sort("time", "event_id")
        .group_by(column, *_WHO, maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("events"),
            pl.col("time").min().alias("first"),
            pl.col("time").max().alias("last"),
            _RANK.max().replace_strict(names, return_dtype=pl.String).alias("priority"),
            often.str.join(", ").alias("actions"),
        )
        .sort("events", column, *_WHO, descending=[True, False, False, False], nulls_last=True)
    )


def in_sentinel(table: str, results: pl.DataFrame, account: str | None, principal: str, hour: str) -> dict[str, str]:
    """Queries that go on in the workspace, by what they show.

    The second one names events by their ids, which are those of the workspace only where the log itself has ids, as
    CloudTrail does.

    Args:
        table: where the events are, such as ``AWSCloudTrail``.
        results: all of them.
        account: of the principal.
        principal: as in the results.
        hour: hour key.
    """
    start, end = hour_start(hour), hour_end(hour)
    week, day = timedelta(days=7), timedelta(days=1)
    within = results.filter(_is(account, principal) & pl.col("time").is_between(start, end, "left"))
    ids = within.sort(_RANK, "score", "event_id", descending=[True, True, False], nulls_last=True)["event_id"].head(100)
    whose = f"Principal == {_quoted(principal)}" + (f" and AccountId == {_quoted(account)}" if account else "")
    hours = (
        "EntityHours",
        f"| where HourStart between ({_instant(start - week)} .. {_instant(end + week)})",
        f"| where {whose}",
        "| project HourStart, Priority, AnomalyScore, Events, Techniques, Reasons, SourceIps, UserAgents, Final",
        "| sort by HourStart asc",
    )
    events = (
        f"{table}_Latest",
        f"| where TimeGenerated between ({_instant(start - day)} .. {_instant(end + day)})",
        f"| where EventId_CF in ({', '.join(map(_quoted, ids))})",
        "| sort by EventTime_CF asc",
    )
    return {
        "how this principal's hours were judged, a week around": "\n".join(hours),
        f"the hour's events as they are known now ({ids.len()} of {within.height})": "\n".join(events),
    }


def _instant(when: datetime) -> str:
    return f"datetime({when:%Y-%m-%dT%H:%M:%SZ})"


def _is(account: str | None, principal: str) -> pl.Expr:
    return pl.col("account").eq_missing(pl.lit(account)) & (pl.col("principal") == principal)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in escaped) + '"'
