"""Work: which hours of a source have something to do, after a look at its queue and its bucket.

Belongs here: when to look, and turning the ledger's open ends into hours. Does not belong here: the listing
(``discovery``), the queue (``notified``), asking for runs (``sensors``).
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_key, utc_now
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.hours import deep_listing_due, listing_due, mark_deep_listed, mark_window_listed
from s3sentinel_assets.ledger.refused import requeue_refused
from s3sentinel_assets.ledger.schema import BatchState, Stage, batch, objects, part, stage
from s3sentinel_assets.pipeline.discovery import list_into_ledger
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["Touched", "pending_work", "reconcile", "touched_hours"]

_log = logging.getLogger(__name__)

_DEEP_LISTING_EVERY = timedelta(days=1)


@dataclass
class Touched:
    """What a look gave.

    Attributes:
        hours: what `pending_work` says: hour → key of its newest undelivered object, a good run key.
        problems: what could not be done, in words; objects that wait for it are found by a later look.
    """

    hours: dict[str, str]
    problems: list[str] = field(default_factory=list)


def touched_hours(runtime: Runtime, source: str) -> Touched:
    """Looks for new objects and names the hours that have something to do.

    Where the source has a queue, its notifications are recorded first and the bucket is listed only when the last
    listing is ``listing_seconds`` old, or when the queue is of no use. Refused objects whose time has come count as
    something to do.

    Raises:
        UserError: the bucket or the ledger cannot be reached or refuses.
    """
    settings, problems = runtime.source(source), list[str]()
    if settings.queue_url:
        problems += _drain(runtime, settings.queue_url)
    since = to_micros(utc_now() - timedelta(seconds=settings.listing_rest))
    if problems or listing_due(runtime.ledger, source, since):
        _list_window(runtime, source, compare=False)
    requeue_refused(runtime.ledger, source, hour_key(runtime.config.start))
    return Touched(pending_work(runtime, source), problems)


def _drain(runtime: Runtime, queue_url: str) -> list[str]:
    """Takes what the queue holds; returns what went wrong. A queue that fails does not keep the listing waiting."""
    from s3sentinel_assets.pipeline.notified import drain_queue

    try:
        drained = drain_queue(runtime, queue_url)
    except UserError as error:
        return [f"notifications could not be taken: {error}"]
    except Exception as error:  # noqa: BLE001 - told in the problems; the listing decides anyway
        _log.exception("unforeseen while taking notifications of %s", queue_url)
        return [f"notifications could not be taken: {type(error).__name__}: {error}"]
    return [f"notifications for {name} wait: {problem}" for name, problem in drained.failures.items()]


def reconcile(runtime: Runtime, source: str) -> Touched:
    """The sweep's look: lists the look-back window whatever notifications said, and compares it with the ledger.

    Once a day the window is the long one (``deep_look_back_days``), for objects that came long after the date in their
    key.

    Raises:
        UserError: the bucket or the ledger cannot be reached or refuses.
    """
    _list_window(runtime, source, compare=True)
    requeue_refused(runtime.ledger, source, hour_key(runtime.config.start))
    return Touched(pending_work(runtime, source))


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
