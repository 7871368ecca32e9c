"""Rows about a whole hour: planned for the hour's last planned part, sent by the ordinary delivery.

An hour in which nothing came has no part, and that is just what its patterns have to tell: their rows go with the
newest planned part before it.

Belongs here: which part carries them, under which lease, and that none is planned twice. Does not belong here: making
the rows (``ml``), bodies (``sentinel.hour_bodies``), sending (`delivery`).

A row is known by its ``EventId_CF``: what any batch of the hour has already is left out, so a call that is repeated
plans nothing. Where nothing can be planned (no part has a plan yet, or another worker holds it) nothing is lost: the
rows are made again from the ledger's stage files when `close_hours` comes round with the next sweep.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ledger.batches import Batch, batches_of_kind, delivery_lease, insert_batches
from s3sentinel_assets.ledger.leases import Lease, check_lease, hold_lease
from s3sentinel_assets.ledger.parts import newest_planned_parts, parts_of_hour
from s3sentinel_assets.ledger.schema import BatchKind, BatchState, HourState, Stage, part, stage
from s3sentinel_assets.ledger.schema import hour as hour_table
from s3sentinel_assets.ledger.stages import StageFile, StageResult, latest_stages
from s3sentinel_assets.pipeline.failures import tolerated
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    import polars as pl

__all__ = ["STANDING_HOURS", "close_hour", "close_hours", "for_each_hour", "plan_hour_rows"]

#: Kind of the stage file with what is known so far of each principal of the hour.
STANDING_HOURS = "standing_hours"
#: Hours with a part scored longer ago are closed, or were never asked for.
_LOOK_BACK = timedelta(days=3)
#: What carries the patterns of an hour may lie so many hours before it; so many parts are tried if others hold them.
_CARRIED_HOURS, _CARRIERS = 72, 4


def plan_hour_rows(runtime: Runtime, source: str, hour: str, kind: BatchKind, rows: "pl.DataFrame") -> int:
    """Plans rows of an hour that no batch of it has yet.

    Args:
        runtime: connections.
        source: the source's name.
        hour: the hour.
        kind: ``ENTITY_HOURS`` or ``PATTERNS``.
        rows: columns of the kind's table, ``dynamic`` ones as JSON text, and ``EventId_CF``, which says which row it
            is: of rows that share it the first counts.

    Returns:
        How many rows were planned. 0 also means that there was nobody to carry them; call again.

    Raises:
        UserError: a stage file is missing or damaged, or the disk refuses.
        ValueError: a column the table does not have, or a row without an id.
    """
    if rows.height == 0:
        return 0
    ledger, seconds = runtime.ledger, runtime.config.limits.lease_seconds
    # Over all parts: a new last part must not carry what another worker is just planning for the one before it.
    name = f"hour_rows:{source}:{hour}:{kind.value}"
    with hold_lease(ledger, name, runtime.worker, seconds) as of_hour:
        if of_hour is None:
            return 0
        for plan in _carriers(runtime, source, hour, kind):
            with hold_lease(ledger, delivery_lease(plan.part_id), runtime.worker, seconds) as held:
                if held is not None:
                    return _plan(runtime, source, hour, kind, rows, plan, (of_hour, held))
    return 0


def close_hour(runtime: Runtime, source: str, hour: str) -> int:
    """Plans the closing rows of an hour's principals: what they came to when no more was expected.

    Call it once the hour is sealed and again whenever a late part was scored: rows are planned for what is new.

    Returns:
        How many rows were planned; see `plan_hour_rows`.

    Raises:
        UserError: a stage file is missing or damaged, or the disk refuses.
    """
    with runtime.ledger.read() as connection:
        parts = [part.id for part in parts_of_hour(connection, source, hour)]
        scored = latest_stages(connection, parts, Stage.SCORED)
    # Handed on from part to part: the one scored last knows of all. A part that went out unscored left none.
    newest = sorted(scored.values(), key=lambda result: result.id, reverse=True)
    files = next((found for result in newest if (found := _standing(result))), [])
    if not files:
        return 0
    from s3sentinel_assets.ml.priority.entity_hours import closing
    from s3sentinel_assets.sentinel.closing_rows import new_closings
    from s3sentinel_assets.sentinel.hour_bodies import planned_rows

    kind, limit = BatchKind.ENTITY_HOURS, runtime.config.sentinel.max_batch_bytes
    known = planned_rows(runtime.store, _batches(runtime, source, hour, kind))
    rows = [new_closings(closing(_read(runtime, file)), known, limit) for file in files]
    return sum(plan_hour_rows(runtime, source, hour, kind, each) for each in rows)


def close_hours(runtime: Runtime, source: str) -> list[str]:
    """Closes sealed hours of which a part was scored lately, for the sweep: what a seal could not plan, late parts.

    Returns:
        Hours for which rows were planned; their delivery has to run.

    Raises:
        UserError: as `close_hour`, after all hours had their turn.
    """
    ledger = runtime.ledger
    since = ledger.now() - int(_LOOK_BACK.total_seconds() * 1e6)
    query = (
        sa.select(part.c.hour)
        .distinct()
        .join(stage, stage.c.part_id == part.c.id)
        .join(hour_table, sa.and_(hour_table.c.source == part.c.source, hour_table.c.hour == part.c.hour))
        .where(
            part.c.source == source,
            stage.c.stage == Stage.SCORED.value,
            sa.or_(stage.c.committed_at >= since, hour_table.c.sealed_at >= since),
            hour_table.c.state == HourState.SEALED.value,
        )
        .order_by(part.c.hour)
    )
    with ledger.read() as connection:
        hours = list(connection.execute(query).scalars())
    return for_each_hour(hours, lambda hour: close_hour(runtime, source, hour))


def for_each_hour(hours: Iterable[str], plan: Callable[[str], int]) -> list[str]:
    """Plans rows hour by hour; an hour in which that fails keeps no other one waiting.

    Args:
        hours: the hours.
        plan: how many rows it planned for one.

    Returns:
        Hours for which there were any.

    Raises:
        UserError: what went wrong, after all hours had their turn.
    """
    planned, problems = list[str](), list[str]()
    for hour in hours:
        with tolerated() as trouble:
            if plan(hour):
                planned.append(hour)
        if trouble.why:
            problems.append(f"{hour}: {trouble.why}")
    if problems:
        raise UserError("; ".join(problems))
    return planned


def _standing(scored: StageResult) -> list[StageFile]:
    return [file for file in scored.files_of(STANDING_HOURS) if file.rows]


def _read(runtime: Runtime, file: StageFile) -> "pl.DataFrame":
    import polars as pl

    return pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256))


def _carriers(runtime: Runtime, source: str, hour: str, kind: BatchKind) -> list[StageResult]:
    """The plans of the parts that may carry the rows, the newest first."""
    first, most = (shift_hour(hour, -_CARRIED_HOURS), _CARRIERS) if kind is BatchKind.PATTERNS else (hour, 1)
    with runtime.ledger.read() as connection:
        parts = newest_planned_parts(connection, source, first, hour, most)
        plans = latest_stages(connection, parts, Stage.PLANNED)
    return [plans[part_id] for part_id in parts]


def _plan(
    runtime: Runtime,
    source: str,
    hour: str,
    kind: BatchKind,
    rows: "pl.DataFrame",
    plan: StageResult,
    leases: tuple[Lease, Lease],
) -> int:
    import polars as pl

    from s3sentinel_assets.sentinel.hour_bodies import make_hour_bodies, planned_rows
    from s3sentinel_assets.sentinel.hour_rows import HOUR_TABLES

    known = {row["EventId_CF"] for row in planned_rows(runtime.store, _batches(runtime, source, hour, kind))}
    new = rows.unique("EventId_CF", keep="first", maintain_order=True).filter(
        ~pl.col("EventId_CF").is_in(list(known)).fill_null(value=False)
    )
    if new.height == 0:
        return 0
    batches = make_hour_bodies(
        runtime.store,
        f"{source}/{hour}/planned",
        plan.part_id,
        new,
        kind,
        runtime.source(source).destination_for(HOUR_TABLES[kind]),
        runtime.config.sentinel,
    )
    with runtime.ledger.write() as connection:
        for held in leases:
            check_lease(connection, held)
        insert_batches(connection, batches, plan.id, runtime.ledger.now())
    return new.height


def _batches(runtime: Runtime, source: str, hour: str, kind: BatchKind) -> list[Batch]:
    """Batches of the kind that may hold rows of the hour, whatever has become of them; not those that were replaced."""
    first = shift_hour(hour, -_CARRIED_HOURS) if kind is BatchKind.PATTERNS else hour
    with runtime.ledger.read() as connection:
        found = batches_of_kind(connection, source, first, hour, kind)
    return [one for one in found if one.state is not BatchState.SUPERSEDED]
