"""The most urgent events of an hour, as people see them first.

Belongs here: choosing them, with who and what beside the scores. Does not belong here: scoring (``scoring``).
"""

import polars as pl

from s3sentinel_assets.ledger.parts import Part
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import StageResult, latest_stages
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["most_urgent"]

_URGENCY = ("critical", "high", "medium", "low")
_RANKED = ("Priority_CF", "AnomalyScore_CF", "Reasons_CF")
#: What the preview calls the columns of the entity view.
_WHO_AND_WHAT = {
    "time": "time",
    "principal": "who",
    "action": "what",
    "source_ip": "source_ip",
    "target": "target",
}


def most_urgent(
    runtime: Runtime, parts: list[Part], scored: dict[int, StageResult], rows: int = 10
) -> pl.DataFrame | None:
    """The hour's most urgent events, by priority, then by score: when, who, what, and why."""
    with runtime.ledger.read() as connection:
        parsed = latest_stages(connection, [part.id for part in parts if part.id in scored], Stage.PARSED)
    entities = {(part_id, file.ordinal): file for part_id in parsed for file in parsed[part_id].files_of("entities")}
    pairs = [
        (runtime.store.path(scores.uri), runtime.store.path(entities[part_id, scores.ordinal].uri))
        for part_id in parsed
        for scores in scored[part_id].files_of("scores")
    ]
    if not pairs:
        return None
    rank = pl.col("Priority_CF").replace_strict(
        {name: place for place, name in enumerate(_URGENCY)}, default=len(_URGENCY), return_dtype=pl.Int32
    )
    top = (
        pl.concat(
            pl.scan_parquet(scores).select(*_RANKED, file=pl.lit(place, pl.Int32), row=pl.int_range(pl.len()))
            for place, (scores, _) in enumerate(pairs)
        )
        .sort(rank, -pl.col("AnomalyScore_CF"), nulls_last=True, maintain_order=True)
        .head(rows)
        .collect()
    )
    # Only the files that hold one of the ten are opened a second time, and only a few columns of them.
    found = [
        pl.scan_parquet(pairs[place][1])
        .select(pl.col(name).alias(label) for name, label in _WHO_AND_WHAT.items())
        .with_columns(file=pl.lit(place, pl.Int32), row=pl.int_range(pl.len()))
        .filter(pl.col("row").is_in(top.filter(pl.col("file") == place)["row"].implode()))
        .collect()
        for place in top["file"].unique().sort()
    ]
    if not found:
        return None
    shown = top.join(pl.concat(found), on=["file", "row"], how="left", maintain_order="left")
    return shown.select(
        "time",
        pl.col("Priority_CF").alias("priority"),
        pl.col("AnomalyScore_CF").alias("score"),
        "who",
        "what",
        pl.col("Reasons_CF").alias("why"),
        "source_ip",
        "target",
    )
