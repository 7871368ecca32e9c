"""Escalation: once a principal has become urgent, what it did in the hour before belongs in its own table.

Belongs here: which events that are, from roll-up and entity view. Does not belong here: moving them (`promotion`),
sending (`delivery`).

Rows that routing sent to a cheaper table were quiet by themselves; they are not once their principal is. Everything
here may be done again: rows that were promoted before are left out, and the roll-ups lie in the parts' stage files.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.promotions import demoted_batches
from s3sentinel_assets.ledger.schema import BatchKind, Stage, part, stage
from s3sentinel_assets.ledger.stages import StageFile, latest_stages
from s3sentinel_assets.pipeline.hour_rows import for_each_hour
from s3sentinel_assets.pipeline.promotion import Promoted, promote_hour
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    import polars as pl

__all__ = ["promote_escalated", "promote_hours", "promote_planned"]

#: Who orders it, in the ledger.
REQUESTED_BY = "escalation"
#: How far back from the last event of a roll-up: as priorities look.
_TRAILING = timedelta(minutes=60)
#: The sweep looks at parts planned since.
_LOOK_BACK = timedelta(hours=6)
_UNKNOWN = ("", "unknown", "(unknown)")
_NAMED = 20


def promote_escalated(runtime: Runtime, source: str, hour: str, escalations: "pl.DataFrame") -> Promoted:
    """Promotes demoted events of principals that became urgent: those of the 60 minutes up to the escalation.

    Args:
        runtime: connections.
        source: the source's name.
        hour: the hour of the roll-ups; the hour before is looked through, too.
        escalations: roll-ups, with ``AccountId``, ``Principal`` and ``LastEvent`` (null: whenever).

    Returns:
        What was planned; nothing where the source's routing is not ``demotion: on`` or nothing was demoted.

    Raises:
        UserError: a stage file is missing or damaged, or the disk refuses.
    """
    made = Promoted()
    if escalations.height == 0 or runtime.source(source).routing.demotion != "on":
        return made
    told = _told(escalations)
    for each in (shift_hour(hour, -1), hour):
        event_ids = _events(runtime, source, each, escalations)
        if not event_ids:
            continue
        done = promote_hour(runtime, source, each, event_ids=event_ids, told=told, requested_by=REQUESTED_BY)
        for table, rows in done.rows.items():
            made.rows[table] = made.rows.get(table, 0) + rows
        made.batches += done.batches
        made.demoted += done.demoted
        made.busy_parts += done.busy_parts
    return made


def promote_planned(runtime: Runtime, source: str, hour: str) -> Promoted:
    """Promotes for every escalation of the hour's planned parts; see `promote_escalated`.

    Raises:
        UserError: as there.
    """
    import polars as pl

    if runtime.source(source).routing.demotion != "on":
        return Promoted()
    with runtime.ledger.read() as connection:
        parts = [each.id for each in parts_of_hour(connection, source, hour)]
        planned = latest_stages(connection, parts, Stage.PLANNED)
        scored = latest_stages(connection, list(planned), Stage.SCORED)
    files = [file for each in parts if each in scored for file in scored[each].files_of(BatchKind.ENTITY_HOURS.value)]
    wanted = ["AccountId", "Principal", "LastEvent"]
    frames = [
        pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256), columns=wanted)
        for file in files
        if file.rows
    ]
    return promote_escalated(runtime, source, hour, pl.concat(frames)) if frames else Promoted()


def promote_hours(runtime: Runtime, source: str) -> list[str]:
    """Does so for hours with a part that was planned lately, for the sweep: what an interrupted delivery left undone.

    Returns:
        Hours for which rows were planned; the sensor has them delivered.

    Raises:
        UserError: as `promote_escalated`, after all hours had their turn.
    """
    if runtime.source(source).routing.demotion != "on":
        return []
    since = runtime.ledger.now() - int(_LOOK_BACK.total_seconds() * 1e6)
    query = (
        sa.select(part.c.hour)
        .distinct()
        .join(stage, stage.c.part_id == part.c.id)
        .where(part.c.source == source, stage.c.stage == Stage.PLANNED.value, stage.c.committed_at >= since)
        .order_by(part.c.hour)
    )
    with runtime.ledger.read() as connection:
        hours = list(connection.execute(query).scalars())
    return for_each_hour(hours, lambda hour: promote_planned(runtime, source, hour).batches)


def _events(runtime: Runtime, source: str, hour: str, escalations: "pl.DataFrame") -> set[str]:
    """Ids of the principals' events in the parts of an hour that have demoted rows."""
    import polars as pl

    with runtime.ledger.read() as connection:
        parts = [each.id for each in parts_of_hour(connection, source, hour) if demoted_batches(connection, each.id)]
        parsed = latest_stages(connection, parts, Stage.PARSED)
    who = [_known("AccountId").alias("account"), _known("Principal").alias("principal")]
    last = pl.col("LastEvent").cast(pl.Datetime("us", "UTC"))
    until = escalations.select(*who, last.alias("until")).unique()
    found: set[str] = set()
    for file in [each for result in parsed.values() for each in result.files_of("entities")]:
        events = _entities(runtime, file).join(until, on=["account", "principal"], nulls_equal=True)
        near = pl.col("time").is_between(pl.col("until") - _TRAILING, "until").fill_null(value=True)
        found.update(events.filter(near).get_column("event_id").drop_nulls())
    return found


def _entities(runtime: Runtime, file: StageFile) -> "pl.DataFrame":
    import polars as pl

    columns = ["event_id", "time", "account", "principal"]
    frame = pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256), columns=columns)
    return frame.with_columns(_known("account"), _known("principal"))


def _known(name: str) -> "pl.Expr":
    """A name, null where nobody is named."""
    import polars as pl

    return pl.when(~pl.col(name).is_in(_UNKNOWN)).then(pl.col(name)).alias(name)


def _told(escalations: "pl.DataFrame") -> str:
    names = escalations.get_column("Principal").drop_nulls().unique(maintain_order=True).to_list()
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"events of {', '.join(names[:_NAMED])}{more} in the 60 minutes up to their escalation"
