"""Discovery: what the bucket holds, recorded in the ledger and put into parts. Listing decides, nothing else."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

import sqlalchemy as sa

from s3sentinel_assets.hours import hour_end, hour_key, hour_range, hour_start, utc_now
from s3sentinel_assets.ledger.accounts import account_of_hour
from s3sentinel_assets.ledger.engine import from_micros, to_micros
from s3sentinel_assets.ledger.hours import deep_listing_due, listed_at, mark_deep_listed, mark_listed
from s3sentinel_assets.ledger.objects import SeenObject, record_seen, requeue_denied
from s3sentinel_assets.ledger.parts import assign_parts
from s3sentinel_assets.ledger.schema import BatchState, Stage, batch, objects, part, stage
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary

__all__ = ["discover", "list_into_ledger", "pending_work", "touched_hours"]

_DEEP_LISTING_EVERY = timedelta(days=1)


def _seen(
    runtime: Runtime, source: str, first: str, last: str, look_back: timedelta, skipped: dict[str, int]
) -> Iterator[SeenObject]:
    """Lists the source for the hours, leaving out what lies before the first partition."""
    from s3sentinel_assets.s3.listing import list_objects

    settings, config = runtime.source(source), runtime.config
    for entry in list_objects(
        runtime.s3(source),
        settings,
        config.aws_access(settings),
        first=hour_start(first),
        last=hour_end(last),
        look_back=look_back,
        skipped=skipped,
    ):
        if entry.last_modified < config.start:
            skipped["before the first partition"] = skipped.get("before the first partition", 0) + 1
            continue
        yield SeenObject(
            bucket=entry.bucket,
            key=entry.key,
            version=entry.etag,
            etag=entry.etag,
            size=entry.size,
            last_modified=entry.last_modified,
        )


def list_into_ledger(
    runtime: Runtime, source: str, first: str, last: str, look_back: timedelta | None = None
) -> tuple[int, set[str], dict[str, int]]:
    """Lists the key range of these hours once and records what is new, whatever its hour.

    Args:
        runtime: the runtime.
        source: the source's name.
        first: first hour.
        last: last hour.
        look_back: how far before ``first`` the date in a key may lie; by default the configured ``look_back_hours``.

    Returns:
        New objects, the hours they belong to, and what was left out by name.
    """
    began, skipped = runtime.ledger.now(), dict[str, int]()
    look_back = look_back or timedelta(hours=runtime.config.look_back_hours)
    new, touched = record_seen(runtime.ledger, source, _seen(runtime, source, first, last, look_back, skipped))
    mark_listed(runtime.ledger, source, hour_range(first, last), began)
    return new, touched, skipped


def discover(runtime: Runtime, source: str, hours: Sequence[str]) -> dict[str, StageSummary]:
    """Brings ``raw_logs`` of these hours up to date: lists once, then puts new objects into parts, hour by hour.

    Raises:
        UserError: S3 or the ledger cannot be reached or refuses.
    """
    began, limits = time.monotonic(), runtime.config.limits
    ordered = sorted(hours)
    new, _, skipped = list_into_ledger(runtime, source, ordered[0], ordered[-1])
    requeue_denied(runtime.ledger, source, ordered[0])
    listing_seconds = time.monotonic() - began
    summaries = {}
    for hour in ordered:
        created = assign_parts(
            runtime.ledger,
            source,
            hour,
            max_bytes=limits.part_compressed_bytes,
            max_objects=limits.part_objects,
        )
        summaries[hour] = _summary(runtime, source, hour, created, listing_seconds / len(ordered))
        summaries[hour].counts |= {"new_objects_in_listing": new} | {
            f"left out: {name}": count for name, count in skipped.items()
        }
    return summaries


def _summary(runtime: Runtime, source: str, hour: str, created: list[int], seconds: float) -> StageSummary:
    import polars as pl

    with runtime.ledger.read() as connection:
        account = account_of_hour(connection, source, hour)
        watermark = listed_at(connection, source, hour)
        parts = connection.execute(
            sa.select(sa.func.count()).select_from(part).where(part.c.source == source, part.c.hour == hour)
        ).scalar_one()
        rows = connection.execute(
            sa.select(objects.c.key, objects.c.size, objects.c.last_modified, objects.c.state, objects.c.part_id)
            .where(objects.c.source == source, objects.c.hour == hour)
            .order_by(objects.c.last_modified.desc(), objects.c.key)
            .limit(10)
        ).all()
    preview = pl.DataFrame(
        [tuple(row) for row in rows],
        schema={"key": pl.String, "size": pl.Int64, "last_modified": pl.Int64, "state": pl.String, "part": pl.Int64},
        orient="row",
    ).with_columns(pl.from_epoch("last_modified", time_unit="us").dt.to_string("%Y-%m-%d %H:%M:%SZ"))
    return StageSummary(
        source=source,
        hour=hour,
        done=len(created),
        kept=parts - len(created),
        counts={
            "watermark": f"{from_micros(watermark):%Y-%m-%d %H:%M:%S} UTC" if watermark else "",
            "objects": account.objects,
            "bytes": account.bytes,
            "unread_objects": account.unread_objects,
            "refused_objects": account.refused_objects,
            "parts": parts,
            "new_parts": len(created),
        },
        seconds=seconds,
        preview=preview,
    )


def touched_hours(runtime: Runtime, source: str) -> dict[str, str]:
    """Lists the look-back window, records new objects, and names the hours that have something to do.

    Once a day the window is the long one (``deep_look_back_days``), for objects that came long after the date in their
    key. Refused objects whose time has come count as something to do.

    Returns:
        What `pending_work` says: hour → key of its newest undelivered object, a good run key.
    """
    now = utc_now()
    last = hour_key(now)
    start = hour_key(runtime.config.start)
    first = max(hour_key(now - timedelta(hours=runtime.config.look_back_hours)), start)
    deep = deep_listing_due(runtime.ledger, source, to_micros(now - _DEEP_LISTING_EVERY))
    look_back = timedelta(days=runtime.config.deep_look_back_days) if deep else None
    list_into_ledger(runtime, source, first, last, look_back)
    if deep:
        mark_deep_listed(runtime.ledger, source, to_micros(now))
    requeue_denied(runtime.ledger, source, start)
    return pending_work(runtime, source)


def pending_work(runtime: Runtime, source: str) -> dict[str, str]:
    """Hours with something to do → a key that changes when new work turns up there, from the ledger alone.

    The key is the newest object that is not delivered yet. A set of all of them would change again whenever a run
    finishes a part, and each change would ask for another run.
    """
    planned = sa.exists().where(stage.c.part_id == part.c.id, stage.c.stage == Stage.PLANNED.value)
    unsent = sa.exists().where(
        batch.c.part_id == part.c.id, batch.c.state.in_((BatchState.PLANNED.value, BatchState.RETRY.value))
    )
    unassigned = sa.select(objects.c.hour, objects.c.id).where(
        objects.c.source == source,
        objects.c.part_id.is_(None),
        objects.c.hour >= hour_key(runtime.config.start),
    )
    unfinished = (
        sa.select(part.c.hour, sa.func.max(objects.c.id).label("id"))
        .join(objects, objects.c.part_id == part.c.id)
        .where(part.c.source == source, part.c.hour >= hour_key(runtime.config.start), sa.or_(~planned, unsent))
        .group_by(part.c.hour)
    )
    newest: dict[str, int] = {}
    with runtime.ledger.read() as connection:
        for hour, object_id in [*connection.execute(unassigned), *connection.execute(unfinished)]:
            newest[hour] = max(newest.get(hour, 0), object_id)
    # A run that failed leaves the same work: the half hour lets the sensor ask again, but not at every tick.
    slot = to_micros(utc_now()) // (1_800 * 1_000_000)
    return {hour: f"{object_id}-{slot}" for hour, object_id in sorted(newest.items())}
