"""Delivering an hour: each scored part gets its plan once, and the plan is carried out until every batch is settled.

Belongs here: which parts, in what order, under which lease. Does not belong here: rendering, packing, batch states and
sending (``sentinel``).
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger.batches import batches_of_part, count_batches, delivery_lease
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.leases import Lease, hold_lease
from s3sentinel_assets.ledger.objects import integrity_of_part
from s3sentinel_assets.ledger.parts import Part, parts_of_hour
from s3sentinel_assets.ledger.schema import BatchState, Stage, batch
from s3sentinel_assets.ledger.stages import latest_stage, latest_stages
from s3sentinel_assets.pipeline.routing_report import add_up
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary

if TYPE_CHECKING:
    import polars as pl

__all__ = ["deliver_hour", "sweep_unknown"]

_GENERATION = 1
_PREVIEW = 10
_TO_SEND = (BatchState.PLANNED, BatchState.RETRY, BatchState.SENDING)


def deliver_hour(runtime: Runtime, source: str, hour: str) -> StageSummary:
    """Brings ``delivered_batches`` of the hour up to date, part by part in ledger order.

    Raises:
        UserError: the workspace refuses the source (role or DCR missing), or something cannot be reached. Batches
            settled before that stay settled.
    """
    began = time.monotonic()
    summary = StageSummary(source, hour)
    with runtime.ledger.read() as connection:
        parts = parts_of_hour(connection, source, hour)
    for part in parts:
        if _settled(runtime, part):
            summary.kept += 1
            continue
        with hold_lease(
            runtime.ledger, delivery_lease(part.id), runtime.worker, runtime.config.limits.lease_seconds
        ) as held:
            if held is None:
                summary.busy += 1
                continue
            _deliver_part(runtime, part, held, summary)
    if summary.done:
        _follow_escalations(runtime, parts, summary)
    _describe(runtime, summary, parts)
    summary.seconds = time.monotonic() - began
    return summary


def _follow_escalations(runtime: Runtime, parts: list[Part], summary: StageSummary) -> None:
    """Sends what principals that became urgent did before to its own table, where routing had sent it elsewhere."""
    from s3sentinel_assets.pipeline.escalation import promote_planned
    from s3sentinel_assets.sentinel.delivery import deliver_part

    try:
        promoted = promote_planned(runtime, summary.source, summary.hour)
    except UserError as error:  # the sweep tries again; what was demoted is delivered all the same
        summary.problems.append(f"events of escalated principals could not be promoted: {error}")
        return
    if not promoted.batches:
        return
    summary.counts["promoted by escalation"] = sum(promoted.rows.values())
    for part in parts:
        if _settled(runtime, part):
            continue
        seconds = runtime.config.limits.lease_seconds
        with hold_lease(runtime.ledger, delivery_lease(part.id), runtime.worker, seconds) as held:
            if held is not None:
                deliver_part(runtime.ledger, runtime.store, runtime.sentinel, held, part.id, runtime.config.sentinel)


def _settled(runtime: Runtime, part: Part) -> bool:
    """Whether the part is planned and nothing of it remains to be sent (what is unknown is for the sweep)."""
    with runtime.ledger.read() as connection:
        if latest_stage(connection, part.id, Stage.PLANNED) is None:
            return False
        return not batches_of_part(connection, part.id, _TO_SEND)


def _deliver_part(runtime: Runtime, part: Part, held: Lease, summary: StageSummary) -> None:
    from s3sentinel_assets.sentinel.delivery import deliver_part

    if not _plan(runtime, part, held):
        summary.problems.append(
            f"part {part.id} of {part.source} {part.hour} is not scored yet; materialise scored_logs for it first"
        )
        return
    outcome = deliver_part(runtime.ledger, runtime.store, runtime.sentinel, held, part.id, runtime.config.sentinel)
    if outcome.problem and outcome.problem not in summary.problems:  # an open circuit says the same of each part
        summary.problems.append(outcome.problem)
    summary.done += 1


def _plan(runtime: Runtime, part: Part, held: Lease) -> bool:
    """Makes sure that the part has a plan; False if its scoring is not done."""
    from s3sentinel_assets.sentinel.plan import commit_plan, plan_part
    from s3sentinel_assets.sentinel.routing import Router

    began, ledger = time.monotonic(), runtime.ledger
    with ledger.read() as connection:
        if latest_stage(connection, part.id, Stage.PLANNED) is not None:
            return True
        parsed = latest_stage(connection, part.id, Stage.PARSED)
        scored = latest_stage(connection, part.id, Stage.SCORED)
        integrity = integrity_of_part(connection, part.id)
    if parsed is None or scored is None:
        return False
    source = runtime.source(part.source)
    planned = plan_part(
        runtime.store,
        f"{part.source}/{part.hour}/planned",
        parsed,
        scored if scored.files_of("scores") else None,
        source.destination_for,
        runtime.config.sentinel,
        integrity,
        Router(source, runtime.guards(source), utc_now()) if source.routing.rules else None,
    )
    with ledger.write() as connection:
        seconds = time.monotonic() - began
        commit_plan(connection, held, planned, generation=_GENERATION, seconds=seconds, now=ledger.now())
    return True


def _describe(runtime: Runtime, summary: StageSummary, parts: list[Part]) -> None:
    ids = [part.id for part in parts]
    with runtime.ledger.read() as connection:
        plans = latest_stages(connection, ids, Stage.PLANNED)
        states = count_batches(connection, ids)
        newest = connection.execute(
            sa.select(batch)
            .where(batch.c.part_id.in_(ids[-_PREVIEW:]))
            .order_by(batch.c.part_id.desc(), batch.c.row_start.desc())
            .limit(_PREVIEW)
        ).all()
    for plan in plans.values():
        for name in ("rows", "batches", "raw_bytes", "gzip_bytes", "too_large", "overflow_rows", "entity_hour_rows"):
            if plan.counts.get(name, 0) or name not in ("overflow_rows", "entity_hour_rows"):
                summary.counts[name] = int(summary.counts.get(name, 0)) + plan.counts.get(name, 0)
    if bodies := int(summary.counts.get("batches", 0)):
        most = bodies * runtime.config.sentinel.max_batch_bytes
        summary.counts["fill_percent"] = round(100 * int(summary.counts["raw_bytes"]) / most, 1)
    if plans:
        for effect in add_up(summary.source, [plan.counts for plan in plans.values()]):
            verb = "filtered" if effect.table is None else "would_go" if effect.shadow else "went"
            summary.counts[f"{verb} by {effect.rule}"] = effect.rows
    summary.counts |= {f"{state.value} batches": count for state, (count, _) in sorted(states.items())}
    summary.preview = _preview(newest)


def _preview(batches: Sequence[sa.Row[Any]]) -> "pl.DataFrame":
    """The newest uploads: what they hold, and what became of them."""
    import polars as pl

    return pl.DataFrame(
        [
            (
                row.id,
                row.state,
                row.row_end - row.row_start,
                round(row.raw_bytes / 1e3, 1),
                row.attempt,
                f"{from_micros(row.settled_at):%Y-%m-%d %H:%M:%S}" if row.settled_at else None,
                row.error,
            )
            for row in batches
        ],
        schema={
            "batch": pl.String,
            "state": pl.String,
            "rows": pl.Int64,
            "KB": pl.Float64,
            "attempt": pl.Int64,
            "settled_at": pl.String,
            "error": pl.String,
        },
        orient="row",
    )


def sweep_unknown(runtime: Runtime, source: str) -> StageSummary:
    """Asks the workspace about each batch of the source whose outcome is unknown; settles what the answer settles.

    Also plans what an interrupted run left undone: closing rows of sealed hours, events of escalated principals.
    """
    from s3sentinel_assets.sentinel.resolution import resolve_unknown

    began = time.monotonic()
    left = _plan_left_over(runtime, source)
    outcome = resolve_unknown(
        runtime.ledger,
        runtime.store,
        runtime.sentinel,
        runtime.query,
        runtime.config.sentinel,
        source=source,
        lease_seconds=runtime.config.limits.lease_seconds,
    )
    return StageSummary(
        source,
        "",
        done=outcome.accepted + outcome.resent,
        counts={
            "accepted": outcome.accepted,
            "resent": outcome.resent,
            "still_unknown": outcome.still_unknown,
            "partly_found": outcome.partial,
            "extra_rows": outcome.extra_rows,
        },
        seconds=time.monotonic() - began,
        problems=[*left, *outcome.problems],
    )


def _plan_left_over(runtime: Runtime, source: str) -> list[str]:
    """Plans what is missing on top of the hours' events; gives what went wrong. The sensor has it delivered."""
    from s3sentinel_assets.pipeline.escalation import promote_hours
    from s3sentinel_assets.pipeline.hour_rows import close_hours

    problems: list[str] = []
    for plan in (close_hours, promote_hours):
        try:
            plan(runtime, source)
        except UserError as error:
            problems.append(str(error))
    return problems
