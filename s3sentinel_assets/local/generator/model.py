"""What the generator hands out: an object with the truth about its content.

Belongs here: the data types. Does not belong here: how an object is made or put somewhere.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from s3sentinel_assets.hours import hour_key

__all__ = ["Expected", "SeedObject", "SourceName"]

SourceName = Literal["cloudtrail", "vpc_flow"]


@dataclass(frozen=True)
class SeedObject:
    """One S3 object and what a correct pipeline makes of it.

    Attributes:
        source: which source it belongs to.
        key: its key.
        body: its bytes as S3 holds them.
        last_modified: the instant S3 is to report, in whole seconds UTC.
        events: records that become rows.
        quarantined: records that cannot be parsed; what is left of a cut file counts as one.
        filtered: records that are copies of events another object of the same scenario holds.
        note: what is special about it, else None.
    """

    source: SourceName
    key: str
    body: bytes
    last_modified: datetime
    events: int
    quarantined: int = 0
    filtered: int = 0
    note: str | None = None

    @property
    def records(self) -> int:
        """Records a reader meets: rows, rejects and copies."""
        return self.events + self.quarantined + self.filtered

    @property
    def hour(self) -> str:
        """The hour the object belongs to."""
        return hour_key(self.last_modified)


@dataclass
class Expected:
    """What a correct pipeline must count for one source and hour.

    Attributes:
        objects: objects of the hour.
        records: records read.
        quarantined: of these, not parseable.
        filtered: of these, duplicates.
        delivered: of these, rows for the workspace.
        bytes: size of the objects as stored.
    """

    objects: int = 0
    records: int = 0
    quarantined: int = 0
    filtered: int = 0
    delivered: int = 0
    bytes: int = 0

    def add(self, item: SeedObject) -> None:
        """Counts one more object."""
        self.objects += 1
        self.records += item.records
        self.quarantined += item.quarantined
        self.filtered += item.filtered
        self.delivered += item.events
        self.bytes += len(item.body)
