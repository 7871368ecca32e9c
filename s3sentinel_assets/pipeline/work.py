"""Work: which hours of a source have something to do, after a look at its queue and its bucket.

Belongs here: when to look, and turning the ledger's open ends into hours. Does not belong here: the listing
(``discovery``), the queue (``notified``), asking for runs (``sensors``).
"""

from datetime import timedelta

import sqlalchemy as sa

from s3sentinel_assets.hours import hour_key, utc_now
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.hours import deep_listing_due, listing_due, mark_deep_listed, mark_window_listed
from s3sentinel_assets.ledger.refused import requeue_refused
from s3sentinel_assets.ledger.schema import BatchState, Stage, batch, objects, part, stage
from s3sentinel_assets.pipeline.discovery import list_into_ledger
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["pending_work", "reconcile", "touched_hours"]

_DEEP_LISTING_EVERY = timedelta(days=1)


def touched_hours(runtime: Runtime, source: str) -> dict[str, str]:
    """Looks for new objects and names the hours that have something to do.

    Where the source has a queue, its notifications are recorded first and the bucket is listed only when the last
    listing is ``listing_seconds`` old. Refused objects whose time has come count as something to do.

    Returns:
        What `pending_work` says: hour → key of its newest undelivered object, a good run key.
    """
    settings = runtime.source(source)
    if settings.queue_url:
        from s3sentinel_assets.pipeline.notified import drain_queue

        drain_queue(runtime, settings.queue_url)
    if listing_due(runtime.ledger, source, to_micros(utc_now() - timedelta(seconds=settings.listing_rest))):
        _list_window(runtime, source, compare=False)
    requeue_refused(runtime.ledger, source, hour_key(runtime.config.start))
    return pending_work(runtime, source)


def reconcile(runtime: Runtime, source: str) -> dict[str, str]:
    """The sweep's look: lists the look-back window whatever notifications said, and compares it with the ledger.

    Once a day the window is the long one (``deep_look_back_days``), for objects that came long after the date in their
    key.

    Returns:
        What `pending_work` says.
    """
    _list_window(runtime, source, compare=True)
    requeue_refused(runtime.ledger, source, hour_key(runtime.config.start))
    return pending_work(runtime, source)


def _list_window(runtime: Runtime, source: str, *, compare: bool) -> None:
    now, config = utc_now(), runtime.config
    last, start = hour_key(now), hour_key(config.start)
    first = max(hour_key(now - timedelta(hours=config.look_back_hours)), start)
    deep = deep_listing_due(runtime.ledger, source, to_micros(now - _DEEP_LISTING_EVERY))
    look_back = timedelta(days=config.deep_look_back_days) if deep else None
    list_into_ledger(runtime, source, first, last, look_back=look_back, compare=compare)
    mark_window_listed(runtime.ledger, source, to_micros(now))
    if deep:
        mark_deep_listed(runtime.ledger, source, to_micros(now))


def pending_work(runtime: Runtime, source: str) -> dict[str, str]:
    """Hours with something to do → a key that changes when new work turns up there, from the ledger alone.

    The key is the newest object that is not delivered yet. A set of all of them would change again whenever a run
    finishes a part, and each change would ask for another run.
    """
    planned = sa.exists().where(stage.c.part_id == part.c.id, stage.c.stage == Stage.PLANNED.value)
    unsent = sa.exists().where(
        batch.c.part_id == part.c.id, batch.c.state.in_((BatchState.PLANNED.value, BatchState.RETRY.value))
    )
    unassigned = (
        sa.select(objects.c.hour, sa.func.max(objects.c.id))
        .where(
            objects.c.source == source,
            objects.c.part_id.is_(None),
            objects.c.hour >= hour_key(runtime.config.start),
        )
        .group_by(objects.c.hour)
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
