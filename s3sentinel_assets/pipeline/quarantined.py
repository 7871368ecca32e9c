"""Looking into quarantine, record by record, and ordering that records be parsed again.

Belongs here: the rejected records behind what the ledger lists, and the order for a retry. Does not belong here:
reading them again (``record_retries``, in the next run of their hour), printing (``cli``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.ledger.audit import current_principal
from s3sentinel_assets.ledger.quarantine import QuarantinedRecords, open_quarantine
from s3sentinel_assets.ledger.retries import RetryOrder, TakenUp, take_up
from s3sentinel_assets.pipeline.record_retries import read_rejects
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["RejectedRecord", "Retry", "rejected_records", "retry_rejected"]


@dataclass(frozen=True)
class RejectedRecord:
    """One record in quarantine.

    Attributes:
        entry: what the ledger says of the records of this object and reason.
        position: its number in the object, from 0.
        offset: where it begins in the decoded object, bytes; None when unknown.
        detail: why it was rejected, a sentence.
        data: its bytes, or the first 64 KiB of them.
        truncated: whether there were more.
    """

    entry: QuarantinedRecords
    position: int
    offset: int | None
    detail: str
    data: bytes
    truncated: bool


def rejected_records(
    runtime: Runtime, entries: Iterable[QuarantinedRecords], problems: list[str]
) -> Iterator[RejectedRecord]:
    """The records of quarantine entries, by file, object and position.

    Args:
        runtime: the runtime.
        entries: of which; objects that could not be had have no records.
        problems: gets a sentence for each file that is lost or damaged.
    """
    by_file: dict[str, dict[tuple[int, str], QuarantinedRecords]] = {}
    for entry in entries:
        if entry.uri is not None and entry.records:
            by_file.setdefault(entry.uri, {})[entry.object_id, entry.reason] = entry
    for uri, wanted in by_file.items():
        named = pl.DataFrame(list(wanted), schema={"object_id": pl.Int64(), "reason": pl.String()}, orient="row")
        try:
            found = read_rejects(runtime.store, uri, named)
        except UserError as error:
            problems.append(str(error))
            continue
        for row in found.iter_rows(named=True):
            yield RejectedRecord(
                entry=wanted[row["object_id"], row["reason"]],
                position=row["position"],
                offset=row["offset"],
                detail=row["detail"],
                data=row["data"],
                truncated=row["truncated"],
            )


@dataclass
class Retry:
    """What an order for a retry came to.

    Attributes:
        taken: what was taken up, or would be.
        waiting: records that were taken up before and wait for the next run of their hour.
        refused: objects that S3 did not hand over: there are no records to parse again.
        hours: to bring up to date, in order.
    """

    taken: TakenUp
    waiting: int = 0
    refused: int = 0
    hours: list[str] = field(default_factory=list[str])


def retry_rejected(
    runtime: Runtime,
    source: str,
    hour: str | None = None,
    reason: str | None = None,
    key: str | None = None,
    *,
    dry_run: bool = False,
) -> Retry:
    """Orders that rejected records be parsed again by the next run of their hours; twice is the same as once.

    Args:
        runtime: the runtime.
        source: the source's name.
        hour: only this hour's.
        reason: only those rejected for this reason.
        key: only those of objects with this key.
        dry_run: change nothing.

    Raises:
        UserError: the ledger cannot be reached.
    """
    first_hour = hour_key(runtime.config.start)  # earlier hours have no partition that could be run
    with runtime.ledger.read() as connection:
        entries = open_quarantine(connection, source, hour, reason, key)
    entries = [entry for entry in entries if entry.hour >= first_hour]
    lost = {uri for uri in {entry.uri for entry in entries if entry.uri} if not (runtime.store.root / uri).is_file()}
    order = RetryOrder(source, hour, reason, key, first_hour)
    taken = take_up(runtime.ledger, order, current_principal(), lost=lost, dry_run=dry_run)
    waiting = [entry for entry in entries if entry.waits]
    return Retry(
        taken=taken,
        waiting=sum(entry.records for entry in waiting),
        refused=sum(not entry.records for entry in entries),
        hours=sorted(taken.hours | {entry.hour for entry in waiting}),
    )
