"""Discovery: what the bucket holds, recorded in the ledger and put into parts. Listing decides, nothing else.

Belongs here: one listing into the ledger, and ``raw_logs`` of some hours. Does not belong here: listing itself
(`s3.listing`), notifications (``notified``), which hours have work (``work``).
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_end, hour_key, hour_range, hour_start, shift_hour, utc_now
from s3sentinel_assets.ledger.accounts import account_of_hour
from s3sentinel_assets.ledger.comparison import compare_listing, found_by
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.hours import listed_at, mark_listed
from s3sentinel_assets.ledger.objects import SeenObject
from s3sentinel_assets.ledger.parts import assign_parts
from s3sentinel_assets.ledger.refused import requeue_refused
from s3sentinel_assets.ledger.schema import objects, part
from s3sentinel_assets.ledger.seen import Recorded, record_seen
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary

if TYPE_CHECKING:
    from s3sentinel_assets.s3.key_grammar import KeyFilter
    from s3sentinel_assets.s3.listing import ListedObject

__all__ = ["Listing", "as_seen", "discover", "list_into_ledger", "listed_objects"]

_log = logging.getLogger(__name__)

#: Names under which objects that are not taken are counted, next to those of `s3.listing`.
BEFORE_START = "before the first partition"
NO_TIME_IN_KEY = "no past time in the key, taken by LastModified"

# Digests of an hour are written about an hour after it; before that there is nothing to look at.
_DIGESTS_AFTER = timedelta(hours=1)


@dataclass
class Listing:
    """One listing recorded in the ledger.

    Attributes:
        recorded: new objects and the tallies of all hours that were met.
        skipped: what was left out, by name.
    """

    recorded: Recorded
    skipped: dict[str, int] = field(default_factory=dict)


def as_seen(runtime: Runtime, source: str, entry: "ListedObject", counts: dict[str, int]) -> SeenObject | None:
    """An object as the ledger takes it, with its hour; None, and counted, before the first partition.

    Args:
        runtime: the runtime.
        source: the source's name.
        entry: what S3 says of the object.
        counts: by name, what needs a remark.
    """
    from s3sentinel_assets.s3.key_grammar import key_hour

    settings, hour = runtime.source(source), None
    if settings.hour_from == "key":
        hour = key_hour(settings, entry.key)
        # A log cannot be written before its time: such a key means something else, and its hour may never come.
        if hour is not None and hour > shift_hour(hour_key(entry.last_modified), 1):
            hour = None
        if hour is None:
            counts[NO_TIME_IN_KEY] = counts.get(NO_TIME_IN_KEY, 0) + 1
    hour = hour or hour_key(entry.last_modified)
    if hour < hour_key(runtime.config.start):
        counts[BEFORE_START] = counts.get(BEFORE_START, 0) + 1
        return None
    return SeenObject(
        bucket=entry.bucket,
        key=entry.key,
        version=entry.etag,
        etag=entry.etag,
        size=entry.size,
        last_modified=entry.last_modified,
        hour=hour,
        storage_class=entry.storage_class,
    )


def listed_objects(
    runtime: Runtime,
    source: str,
    first: str,
    last: str,
    *,
    look_back: timedelta | None = None,
    only: "KeyFilter | None" = None,
    skipped: dict[str, int] | None = None,
) -> Iterator[SeenObject]:
    """Lists the key range of these hours; nothing is recorded.

    Args:
        runtime: the runtime.
        source: the source's name.
        first: first hour.
        last: last hour.
        look_back: how far before ``first`` the date in a key may lie; by default the configured ``look_back_hours``.
        only: an account, region or prefix.
        skipped: counts, by name, what is left out.
    """
    from s3sentinel_assets.s3.listing import list_objects

    settings, config = runtime.source(source), runtime.config
    skipped = {} if skipped is None else skipped
    access = config.aws_access(settings)
    for entry in list_objects(
        runtime.s3(source),
        settings,
        access,
        first=hour_start(first),
        last=hour_end(last),
        look_back=timedelta(hours=config.look_back_hours) if look_back is None else look_back,
        skipped=skipped,
        only=only,
        workers=min(config.limits.listing_threads, access.max_connections),
    ):
        seen = as_seen(runtime, source, entry, skipped)
        if seen is not None:
            yield seen


def list_into_ledger(
    runtime: Runtime,
    source: str,
    first: str,
    last: str,
    *,
    look_back: timedelta | None = None,
    only: "KeyFilter | None" = None,
    compare: bool = True,
) -> Listing:
    """Lists the key range of these hours once and records what is new, whatever its hour.

    Args:
        runtime: the runtime.
        source: the source's name.
        first: first hour.
        last: last hour.
        look_back: see `listed_objects`.
        only: an account, region or prefix; such a listing covers no hour whole.
        compare: whether to compare the listing with the ledger, hour by hour.
    """
    began, skipped = runtime.ledger.now(), dict[str, int]()
    seen = listed_objects(runtime, source, first, last, look_back=look_back, only=only, skipped=skipped)
    recorded = record_seen(runtime.ledger, source, seen, began=began)
    if only is None:
        hours = list(hour_range(first, last))
        mark_listed(runtime.ledger, source, hours, began)
        if compare:
            covers = _range_test(runtime, source, first, last, look_back)
            compare_listing(runtime.ledger, source, recorded.tallies, hours, began, covers)
    return Listing(recorded, skipped)


def _range_test(
    runtime: Runtime, source: str, first: str, last: str, look_back: timedelta | None
) -> Callable[[str], bool] | None:
    """Whether a listing of these hours covers a key, by the date in it; None where keys have none."""
    from s3sentinel_assets.s3.key_grammar import KeyGrammar

    grammar = KeyGrammar(runtime.source(source).prefix)
    if grammar.precision is None:
        return None
    back = timedelta(hours=runtime.config.look_back_hours) if look_back is None else look_back
    begin, end = hour_start(first) - back, hour_end(last)
    if grammar.precision != "hour":
        begin = begin.replace(hour=0)  # whole days are listed

    def covers(key: str) -> bool:
        parts = grammar.match(key)
        if parts is None or parts.instant is None:
            return False
        # A year or a month is listed whole as soon as one day of it is.
        return parts.precision in ("year", "month") or begin <= parts.instant <= end

    return covers


def discover(
    runtime: Runtime,
    source: str,
    hours: Sequence[str],
    only: "KeyFilter | None" = None,
    *,
    ask_again: bool = False,
) -> dict[str, StageSummary]:
    """Brings ``raw_logs`` of these hours up to date: lists once, then puts new objects into parts, hour by hour.

    Args:
        runtime: the runtime.
        source: the source's name.
        hours: the hours.
        only: an account, region or prefix; other objects are neither listed nor put into parts.
        ask_again: ask for refused objects of these hours at once, whatever the wait.

    Raises:
        UserError: S3 or the ledger cannot be reached or refuses.
    """
    began, limits = time.monotonic(), runtime.config.limits
    ordered = sorted(hours)
    listing = list_into_ledger(runtime, source, ordered[0], ordered[-1], only=only)
    keys = _key_test(runtime, source, only)
    requeue_refused(runtime.ledger, source, ordered[0], ordered[-1], at_once=ask_again, matches=keys)
    problems = _digest_problems(runtime, source, ordered)
    listing_seconds = time.monotonic() - began
    summaries = {}
    for hour in ordered:
        created = assign_parts(
            runtime.ledger,
            source,
            hour,
            max_bytes=limits.part_compressed_bytes,
            max_objects=limits.part_objects,
            keys=keys,
        )
        summaries[hour] = _summary(runtime, source, hour, created, listing_seconds / len(ordered))
        summaries[hour].counts |= {"new_objects_in_listing": listing.recorded.new} | {
            f"left out: {name}": count for name, count in listing.skipped.items()
        }
        summaries[hour].problems += problems
    return summaries


def _digest_problems(runtime: Runtime, source: str, hours: Sequence[str]) -> list[str]:
    """Verifies CloudTrail's digests of closed hours, so that what is read now is judged at once."""
    closed = [hour for hour in hours if hour_end(hour) + _DIGESTS_AFTER < utc_now()]
    if not closed or not runtime.source(source).verifies_digests:
        return []
    from s3sentinel_assets.pipeline.integrity import verify_digests

    try:
        return verify_digests(runtime, source, closed[0], closed[-1]).problems
    except UserError as error:
        return [f"CloudTrail's digests could not be verified: {error}"]  # delivery does not wait for them
    except Exception as error:  # noqa: BLE001 - told in the problems; delivery does not wait for proof
        _log.exception("unforeseen while verifying digests of %s", source)
        return [f"CloudTrail's digests could not be verified: {type(error).__name__}: {error}"]


def _key_test(runtime: Runtime, source: str, only: "KeyFilter | None") -> Callable[[str], bool] | None:
    if only is None:
        return None
    from s3sentinel_assets.s3.key_grammar import KeyGrammar

    grammar = KeyGrammar(runtime.source(source).prefix)
    return lambda key: only.matches(grammar, key)


def _summary(runtime: Runtime, source: str, hour: str, created: list[int], seconds: float) -> StageSummary:
    import polars as pl

    with runtime.ledger.read() as connection:
        account = account_of_hour(connection, source, hour)
        watermark = listed_at(connection, source, hour)
        found = found_by(connection, source, hour)
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
    counts: dict[str, int | float | str] = {
        "watermark": f"{from_micros(watermark):%Y-%m-%d %H:%M:%S} UTC" if watermark else "",
        "objects": account.objects,
        "bytes": account.bytes,
        "unread_objects": account.unread_objects,
        "refused_objects": account.refused_objects,
        "parts": parts,
        "new_parts": len(created),
    }
    if runtime.source(source).queue_url:
        counts |= {
            "found_by_listing_and_notification": found.both,
            "found_by_listing_alone": found.listing,
            "found_by_notification_alone": found.notification,
        }
    return StageSummary(
        source=source,
        hour=hour,
        done=len(created),
        kept=parts - len(created),
        counts=counts,
        seconds=seconds,
        preview=preview,
    )
