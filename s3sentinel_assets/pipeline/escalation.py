"""Escalation: once a principal has become urgent, what it did in the hour before belongs in its own table.

Belongs here: which events that are, from roll-up and entity view; which hours are still to be looked at. Does not
belong here: moving them (`promotion`), sending (`delivery`).

Rows that routing sent to a cheaper table were quiet by themselves; they are not once their principal is. Everything
here may be done again: rows that were promoted before are left out, and the roll-ups lie in the parts' stage files.
The sweep notes in the ledger, as an order of no rows, which plans it has looked at, and comes back for new ones only.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from s3sentinel_assets.hours import hour_key, shift_hour
from s3sentinel_assets.ledger.leases import Lease, hold_lease
from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.promotions import demoted_batches, record_promotion
from s3sentinel_assets.ledger.schema import BatchKind, Stage, part, promotion, stage
from s3sentinel_assets.ledger.stages import StageFile, latest_stages
from s3sentinel_assets.pipeline.hour_rows import for_each_hour
from s3sentinel_assets.pipeline.promotion import Promoted, promote_hour
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    import polars as pl

__all__ = ["promote_escalated", "promote_hours", "promote_planned"]

#: Who orders it, in the ledger; and who notes there which plans were looked at.
REQUESTED_BY, NOTED_BY = "escalation", "escalation: looked at"
#: How far back from the event that made a principal urgent: as priorities look.
_TRAILING = timedelta(minutes=60)
#: Log files come later than their events: so many hours before that of the roll-up are looked through at most.
_HOURS_BEFORE = 3
#: The sweep looks at hours with a part planned since; as long as hours are closed.
_LOOK_BACK = timedelta(days=3)
_UNKNOWN = ("", "unknown", "(unknown)")
_NAMED = 20


def promote_escalated(runtime: Runtime, source: str, hour: str, escalations: "pl.DataFrame") -> Promoted:
    """Promotes demoted events of principals that became urgent: those since 60 minutes before the event that did it.

    Args:
        runtime: connections.
        source: the source's name.
        hour: the hour of the roll-ups; hours before it are looked through, too.
        escalations: roll-ups, with ``AccountId``, ``Principal``, ``LastEvent`` (null: whenever) and, where they tell
            it, ``ESCALATED_AT``; else ``LastEvent`` stands for it.

    Returns:
        What was planned; nothing where the source's routing is not ``demotion: on`` or nothing was demoted.

    Raises:
        UserError: a stage file is missing or damaged, or the disk refuses.
    """
    made = Promoted()
    if escalations.height == 0 or runtime.source(source).routing.demotion != "on":
        return made
    told = _told(escalations)
    spans = _spans(escalations)
    for each in _hours(hour, spans):
        event_ids = _events(runtime, source, each, spans)
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
    frames = [pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256)) for file in files if file.rows]
    # Files of older releases lack a column.
    return promote_escalated(runtime, source, hour, pl.concat(frames, how="diagonal")) if frames else Promoted()


def promote_hours(runtime: Runtime, source: str) -> list[str]:
    """Does so for hours with a part that was planned lately, for the sweep: what an interrupted delivery left undone.

    An hour is looked at until that went through once, and again when there are new plans that it may concern.

    Returns:
        Hours for which rows were planned; the sensor has them delivered.

    Raises:
        UserError: as `promote_escalated`, after all hours had their turn.
    """
    if runtime.source(source).routing.demotion != "on":
        return []
    seconds = runtime.config.limits.lease_seconds
    with hold_lease(runtime.ledger, f"escalations:{source}", runtime.worker, seconds) as held:
        if held is None:
            return []
        looks = _looks_due(runtime, source)
        return for_each_hour(looks, lambda hour: _look(runtime, source, hour, looks[hour], held))


@dataclass(frozen=True)
class _Look:
    """A look at the escalations of an hour: a plan of the hour, and what is noted of it once it went through."""

    part_id: int
    stage_id: int
    note: str


def _looks_due(runtime: Runtime, source: str) -> dict[str, _Look]:
    """The hours to look at, in order."""
    since = runtime.ledger.now() - int(_LOOK_BACK.total_seconds() * 1e6)
    of_source = (part.c.source == source, stage.c.stage == Stage.PLANNED.value)
    lately = sa.select(sa.func.min(part.c.hour)).join(stage, stage.c.part_id == part.c.id)
    with runtime.ledger.read() as connection:
        first = connection.execute(lately.where(*of_source, stage.c.committed_at >= since)).scalar()
        if first is None:
            return {}
        found = connection.execute(
            sa.select(part.c.hour, part.c.id, stage.c.id.label("stage_id"), stage.c.committed_at)
            .join(stage, stage.c.part_id == part.c.id)
            .where(*of_source, part.c.hour >= shift_hour(first, -_HOURS_BEFORE))
            .order_by(part.c.hour, stage.c.id)
        ).all()
        noted = connection.execute(
            sa.select(part.c.hour, promotion.c.condition)
            .join(promotion, promotion.c.part_id == part.c.id)
            .where(part.c.source == source, part.c.hour >= first, promotion.c.requested_by == NOTED_BY)
        ).all()
    done = {(row.hour, row.condition) for row in noted}
    plans: dict[str, list[int]] = {}
    for row in found:
        plans.setdefault(row.hour, []).append(row.stage_id)
    # Of several plans of an hour the newest.
    newest = {row.hour: row for row in found}
    recent = sorted({row.hour for row in found if row.committed_at >= since})
    looks = {hour: _Look(newest[hour].id, newest[hour].stage_id, _note(hour, plans)) for hour in recent}
    return {hour: look for hour, look in looks.items() if (hour, look.note) not in done}


def _note(hour: str, plans: Mapping[str, Sequence[int]]) -> str:
    """Says which plans the escalations of an hour are looked up in: the same plans, the same words."""
    ids = [str(each) for back in range(_HOURS_BEFORE + 1) for each in plans.get(shift_hour(hour, -back), ())]
    return f"{len(ids)} plans, {hashlib.sha256(' '.join(sorted(ids)).encode()).hexdigest()[:32]}"


def _look(runtime: Runtime, source: str, hour: str, look: _Look, held: Lease) -> int:
    """Promotes for one hour, and notes it unless another worker holds a part; gives how many batches were made."""
    made = promote_planned(runtime, source, hour)
    if not made.busy_parts:
        with runtime.ledger.write() as connection:
            now = runtime.ledger.now()
            record_promotion(
                connection, held, look.part_id, look.stage_id, (), condition=look.note, requested_by=NOTED_BY, now=now
            )
    return made.batches


def _spans(escalations: "pl.DataFrame") -> "pl.DataFrame":
    """Whose events are wanted, from when until when: ``account``, ``principal``, ``since``, ``until``."""
    import polars as pl

    from s3sentinel_assets.ml.priority.entity_hours import ESCALATED_AT

    instant = pl.Datetime("us", "UTC")
    if ESCALATED_AT not in escalations.columns:
        escalations = escalations.with_columns(pl.lit(None, instant).alias(ESCALATED_AT))
    last = pl.col("LastEvent").cast(instant)
    return escalations.select(
        _known("AccountId").alias("account"),
        _known("Principal").alias("principal"),
        (pl.coalesce(pl.col(ESCALATED_AT).cast(instant), last) - _TRAILING).alias("since"),
        last.alias("until"),
    ).unique(maintain_order=True)


def _hours(hour: str, spans: "pl.DataFrame") -> list[str]:
    """The hours in whose parts such events may be: that of the roll-ups, the one before, and those the spans reach."""
    before = [shift_hour(hour, -back) for back in range(_HOURS_BEFORE, -1, -1)]
    reached = {
        key
        for since, until in spans.select("since", "until").drop_nulls().iter_rows()
        for key in before
        if hour_key(since) <= key <= hour_key(until)
    }
    return [key for key in before if key in reached or key >= before[-2]]


def _events(runtime: Runtime, source: str, hour: str, spans: "pl.DataFrame") -> set[str]:
    """Ids of the principals' events in the parts of an hour that have demoted rows."""
    import polars as pl

    with runtime.ledger.read() as connection:
        parts = [each.id for each in parts_of_hour(connection, source, hour) if demoted_batches(connection, each.id)]
        parsed = latest_stages(connection, parts, Stage.PARSED)
    found: set[str] = set()
    for file in [each for result in parsed.values() for each in result.files_of("entities")]:
        events = _entities(runtime, file).join(spans, on=["account", "principal"], nulls_equal=True)
        near = pl.col("time").is_between("since", "until").fill_null(value=True)
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
    return f"events of {', '.join(names[:_NAMED])}{more} since 60 minutes before they became urgent"
