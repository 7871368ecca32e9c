"""A dry run: what bringing a span of hours up to date would read, without recording anything.

Belongs here: one listing held against the ledger. Does not belong here: recording (``discovery``), printing (``cli``).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s3sentinel_assets.ledger.objects import REFUSED
from s3sentinel_assets.ledger.seen import chunks_of, states_of
from s3sentinel_assets.pipeline.discovery import listed_objects
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.s3.key_grammar import KeyFilter

__all__ = ["DryRun", "HourPreview", "would_read"]


@dataclass
class HourPreview:
    """What one hour holds.

    Attributes:
        hour: the hour.
        objects: listed.
        size: their stored bytes.
        unread: of these, not read yet.
        unread_bytes: stored bytes of those.
        refused: of the unread ones, refused before; they are asked for again.
        example: key of an unread object, else of any.
    """

    hour: str
    objects: int = 0
    size: int = 0
    unread: int = 0
    unread_bytes: int = 0
    refused: int = 0
    example: str = ""


@dataclass
class DryRun:
    """What a span of hours holds, by hour, and what the listing left out."""

    hours: list[HourPreview] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)


def would_read(runtime: Runtime, source: str, first: str, last: str, only: "KeyFilter | None" = None) -> DryRun:
    """Lists the hours and says what is there and what of it would be read.

    Raises:
        UserError: S3 or the ledger cannot be reached or refuses.
    """
    found, by_hour = DryRun(), dict[str, HourPreview]()
    listed = listed_objects(runtime, source, first, last, only=only, skipped=found.skipped)
    for page in chunks_of(listed):
        with runtime.ledger.read() as connection:
            states = states_of(connection, source, page)
        for entry in page:
            known = states.get((entry.bucket, entry.key, entry.version))
            hour = known.hour if known else entry.hour_or_default
            if not first <= hour <= last:
                continue
            preview = by_hour.setdefault(hour, HourPreview(hour))
            preview.objects += 1
            preview.size += entry.size
            if known is None or known.waits or known.state in REFUSED:
                if not preview.unread:
                    preview.example = entry.key
                preview.unread += 1
                preview.unread_bytes += entry.size
                preview.refused += known is not None and known.state in REFUSED
            preview.example = preview.example or entry.key
    found.hours = [by_hour[hour] for hour in sorted(by_hour)]
    return found
