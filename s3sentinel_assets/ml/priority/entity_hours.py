"""The roll-up: what a principal came to in a clock hour, row by row as it becomes more urgent, and once at the end.

Belongs here: the summary of a part, its merging into what is known of the hour, when a row is made. Does not
belong here: its columns (``entity_hour_rows``), priorities of events (``judging``), files and sending (the pipeline).

``Priority_CF`` of an event never changes after delivery. This table is where it becomes known that a quiet event was
part of something: a row when the principal reaches medium, one each time it rises, and a final one at close. Rows of
the first kind also carry ``ESCALATED_AT``, which stays here: since when the principal was that urgent.

Merging is by sums, maxima and the heads of sorted lists whose items carry the highest weight they were seen with. So
the result is the same for any order of rows within a part, and lists that are cut lose nothing that a list of all
would have kept.
"""

from typing import Protocol

import polars as pl

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ml.priority.entity_hour_rows import ENTITY_HOUR_KEY, RANKS, entity_hour_rows
from s3sentinel_assets.ml.priority.judging import Calibrated

__all__ = [
    "ENTITY_HOUR_SCHEMA",
    "ESCALATED_AT",
    "RankedModel",
    "advance",
    "closing",
    "empty_entity_hours",
    "summarise",
    "with_escalation_times",
]

#: Column of the rows that this part made: the time of the earliest event that is as urgent as the row. The table does
#: not have it.
ESCALATED_AT = "_EscalatedAt"

#: List column → its column in the table, where its items come from, how many are kept.
_LISTS: dict[str, tuple[str, str, int]] = {
    "techniques": ("Techniques", "_technique", 20),
    "actions": ("Actions", "action", 50),
    "source_ips": ("SourceIps", "source_ip", 20),
    "user_agents": ("UserAgents", "user_agent", 10),
    "services": ("Services", "service", 20),
    "event_ids": ("EventIds", "event_id", 20),
}
_COLUMNS = {name: column for name, (column, _, _) in _LISTS.items()}
# `ENTITY_HOUR_KEY` as the table calls it.
_ROW_KEY = ("SourceName", "SourceTable", "HourStart", "AccountId", "Principal")
_ITEMS = pl.List(pl.Struct({"value": pl.String(), "weight": pl.Int64()}))
_TIME = pl.Datetime("us", "UTC")
_MAX_ITEM = 256
_MEDIUM, _HIGH, _CRITICAL = 1, 2, 3
# An item's weight is the rank and raw score of the most notable event it was seen with; raw scores are far smaller.
_RANK_WEIGHT = 1 << 40
# Since when: the earliest event of at least that rank. What was handed on by older releases lacks these columns.
_SINCE = {"medium_since": _MEDIUM, "high_since": _HIGH, "critical_since": _CRITICAL}
#: What is known of the principals of an hour so far. ``raw``: highest raw score of all events. ``top_…`` and
#: ``reasons``, ``confidence``: of the most notable event. ``rank``: 0 low to 3 critical; ``sent_rank``: in the last
#: row that was made; ``escalations``: rows made so far. ``…_since``: the earliest event that urgent. Lists: of the
#: events of medium and above, the most notable first.
ENTITY_HOUR_SCHEMA: dict[str, pl.DataType] = {
    "source": pl.String(),
    "source_table": pl.String(),
    "hour": _TIME,
    "account": pl.String(),
    "principal": pl.String(),
    "principal_type": pl.String(),
    "model_version": pl.String(),
    "escalations": pl.Int64(),
    "rank": pl.Int64(),
    "sent_rank": pl.Int64(),
    "events": pl.Int64(),
    "critical_events": pl.Int64(),
    "high_events": pl.Int64(),
    "medium_events": pl.Int64(),
    "raw": pl.Int64(),
    "score": pl.Float64(),
    "expected_hours": pl.Float64(),
    "sensitivity": pl.Int64(),
    "top_weight": pl.Int64(),
    "top_id": pl.String(),
    "reasons": pl.String(),
    "confidence": pl.Float64(),
    "first_event": _TIME,
    "last_event": _TIME,
    **dict.fromkeys(_SINCE, _TIME),
    **dict.fromkeys(_LISTS, _ITEMS),
}
_TOP = ("top_weight", "top_id", "reasons", "confidence")
_SUMS = ("events", "critical_events", "high_events", "medium_events")
_HIGHEST = ("rank", "raw", "score", "sensitivity", "last_event", "principal_type")
_LOWEST = ("expected_hours", "first_event", *_SINCE)


class RankedModel(Protocol):
    """What the roll-up needs of a model bundle."""

    @property
    def version(self) -> str:
        """Names everything that scores depend on."""
        ...

    @property
    def detector(self) -> Calibrated:
        """The calibrated detector."""
        ...


def empty_entity_hours() -> pl.DataFrame:
    """What is known at the start of an hour."""
    return pl.DataFrame(schema=ENTITY_HOUR_SCHEMA)


def summarise(
    batch: pl.DataFrame, scores: pl.DataFrame, model: RankedModel, *, source: str, source_table: str, hour: str
) -> pl.DataFrame:
    """What the events of one part say of each principal.

    Args:
        batch: the entity view.
        scores: row-aligned with it: ``SCORE_SCHEMA`` and ``_raw``, ``_sensitivity``, ``_technique``.
        model: its version and calibration.
        source: the source's name.
        source_table: the table that the events themselves go to.
        hour: the partition.

    Returns:
        ``ENTITY_HOUR_SCHEMA``, sorted by account and principal. Rows without a principal say nothing of anybody.
    """
    if not batch.height:
        return empty_entity_hours()
    wanted = (
        "account",
        "principal",
        "principal_type",
        "event_id",
        "time",
        "action",
        "source_ip",
        "user_agent",
        "service",
    )
    rank = pl.col("Priority_CF").replace_strict(list(RANKS), list(range(len(RANKS))), default=0, return_dtype=pl.Int64)
    frame = (
        batch.select(pl.col(name).cast(_TIME if name == "time" else pl.String()) for name in wanted)
        .hstack(
            scores.select(
                rank.alias("rank"),
                pl.col("_raw").cast(pl.Int64).fill_null(0).alias("raw"),
                pl.col("AnomalyScore_CF").cast(pl.Float64).alias("score"),
                pl.col("_sensitivity").cast(pl.Int64).fill_null(0).alias("sensitivity"),
                pl.col("Confidence_CF").cast(pl.Float64).alias("confidence"),
                pl.col("Reasons_CF").cast(pl.String).alias("reasons"),
                pl.col("_technique").cast(pl.String),
            )
        )
        .with_columns(pl.col("account").fill_null(""))
        .filter(pl.col("principal").is_not_null() & ~pl.col("principal").is_in(["", "unknown"]))
    )
    counted = (
        frame.group_by("account", "principal")
        .agg(
            pl.col("principal_type").max(),
            pl.col("rank", "raw", "score", "sensitivity").max(),
            pl.len().cast(pl.Int64).alias("events"),
            *(
                (pl.col("rank") == rank).sum().cast(pl.Int64).alias(name)
                for name, rank in (("critical_events", _CRITICAL), ("high_events", _HIGH), ("medium_events", _MEDIUM))
            ),
            pl.col("time").min().alias("first_event"),
            pl.col("time").max().alias("last_event"),
            *(pl.col("time").filter(pl.col("rank") >= rank).min().alias(name) for name, rank in _SINCE.items()),
        )
        .sort("account", "principal")
    )
    counted = counted.with_columns(
        model.detector.expected_hours(counted["raw"]).alias("expected_hours"),
        source=pl.lit(source),
        source_table=pl.lit(source_table),
        hour=pl.lit(hour_start(hour), _TIME),
        model_version=pl.lit(model.version),
        escalations=pl.lit(0, pl.Int64()),
        sent_rank=pl.lit(0, pl.Int64()),
    )
    return _with_notable(counted, frame.filter(pl.col("rank") >= _MEDIUM)).select(
        pl.col(name).cast(kind) for name, kind in ENTITY_HOUR_SCHEMA.items()
    )


def _with_notable(counted: pl.DataFrame, notable: pl.DataFrame) -> pl.DataFrame:
    """Adds the most notable event of each principal, and the lists."""
    who = ("account", "principal")
    notable = notable.with_columns(weight=pl.col("rank") * _RANK_WEIGHT + pl.col("raw"))
    top = (
        notable.select(*who, "reasons", "confidence", top_weight="weight", top_id="event_id")
        # Reasons and confidence as well: nothing may depend on the order of rows that share everything else.
        .sort("top_weight", "top_id", "reasons", "confidence", descending=[True, False, False, False], nulls_last=True)
        .unique(who, keep="first", maintain_order=True)
    )
    counted = counted.join(top, on=who, how="left", maintain_order="left")
    for name, (_, column, limit) in _LISTS.items():
        values = notable.select(*who, "weight", value=column)
        if name == "techniques":
            values = values.with_columns(pl.col("value").str.split(",")).explode("value")
        counted = counted.join(_heads(values, who, name, limit), on=who, how="left", maintain_order="left")
    return counted


def _heads(values: pl.DataFrame, who: tuple[str, ...], name: str, limit: int) -> pl.DataFrame:
    """The ``limit`` weightiest distinct values of each."""
    return (
        values.with_columns(pl.col("value").str.slice(0, _MAX_ITEM))
        .filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        .group_by(*who, "value")
        .agg(pl.col("weight").max())
        .sort("weight", "value", descending=[True, False])
        .group_by(who, maintain_order=True)
        .agg(pl.struct("value", "weight").head(limit).alias(name))
    )


def advance(previous: pl.DataFrame | None, summary: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Merges a part into what is known of the hour.

    Args:
        previous: what the part before it left; None or empty for the first one.
        summary: from `summarise`.

    Returns:
        What is known now, to hand on; and the rows of ``AwsEntityHour_CL`` for the principals that rose.
    """
    known = summary if previous is None or not previous.height else _merged(previous, summary)
    risen = pl.col("rank") > pl.col("sent_rank")
    known = known.with_columns(escalations=pl.col("escalations") + risen.cast(pl.Int64))
    escalations = entity_hour_rows(known.filter(risen), _COLUMNS, final=False)
    return known.with_columns(sent_rank="rank"), escalations


def with_escalation_times(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Adds ``ESCALATED_AT`` to the rows that a part made.

    Before the part nothing of the hour was that urgent, so the earliest such event of the hour is one of the part.

    Args:
        rows: from `advance`, of one part.
        known: what is known after that part.

    Returns:
        The rows in the same order; null where no such event tells its time.
    """
    since = pl.concat(
        known.select(*ENTITY_HOUR_KEY, pl.col(name).alias(ESCALATED_AT), Priority=pl.lit(RANKS[rank]))
        for name, rank in _SINCE.items()
    )
    return rows.join(
        since,
        left_on=[*_ROW_KEY, "Priority"],
        right_on=[*ENTITY_HOUR_KEY, "Priority"],
        how="left",
        maintain_order="left",
    )


def closing(cumulative: pl.DataFrame) -> pl.DataFrame:
    """The final rows of an hour: one for each principal that reached medium.

    Args:
        cumulative: what the last part of the hour left.
    """
    reached = cumulative.filter(pl.col("sent_rank") >= _MEDIUM)
    return entity_hour_rows(reached, _COLUMNS, final=True)


def _merged(previous: pl.DataFrame, summary: pl.DataFrame) -> pl.DataFrame:
    lacking = [name for name in _SINCE if name not in previous.columns]
    previous = previous.with_columns(pl.lit(None, _TIME).alias(name) for name in lacking)
    # The newer part first: its model is the one to name.
    both = pl.concat([summary.select(list(ENTITY_HOUR_SCHEMA)), previous.select(list(ENTITY_HOUR_SCHEMA))])
    merged = (
        both.group_by(ENTITY_HOUR_KEY, maintain_order=True)
        .agg(
            pl.col(_SUMS).sum(),
            pl.col(_HIGHEST).max(),
            pl.col(_LOWEST).min(),
            pl.col("escalations", "sent_rank").max(),
            pl.col("model_version").first(),
        )
        .sort(ENTITY_HOUR_KEY)
    )
    tops = (
        both.select(*ENTITY_HOUR_KEY, *_TOP)
        .filter(pl.col("top_weight").is_not_null())
        .sort("top_weight", "top_id", "reasons", "confidence", descending=[True, False, False, False], nulls_last=True)
        .unique(ENTITY_HOUR_KEY, keep="first", maintain_order=True)
    )
    merged = merged.join(tops, on=ENTITY_HOUR_KEY, how="left", maintain_order="left")
    for name, (_, _, limit) in _LISTS.items():
        items = both.select(*ENTITY_HOUR_KEY, name).filter(pl.col(name).list.len() > 0).explode(name).unnest(name)
        merged = merged.join(
            _heads(items, ENTITY_HOUR_KEY, name, limit), on=ENTITY_HOUR_KEY, how="left", maintain_order="left"
        )
    return merged.select(list(ENTITY_HOUR_SCHEMA))
