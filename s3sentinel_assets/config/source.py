"""A source: where logs come from, what they are, and where their rows go.

Belongs here: a source's settings and what follows from them alone. Does not belong here: prefix templates
(``prefix``), the formats (``formats``), access (``aws``).
"""

import difflib
import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from s3sentinel_assets.config.aws import AwsAccess
from s3sentinel_assets.config.destination import COMMON_TABLES, Destination
from s3sentinel_assets.config.formats import AUTO, FIELD_FORMATS, FORMATS, Normalise
from s3sentinel_assets.config.prefix import DATE_FIELDS, check_prefix
from s3sentinel_assets.config.routing import Routing
from s3sentinel_assets.config.section import OnOrOff, Section

__all__ = ["Digests", "SourceSettings"]

#: A string whose possible values stand in the JSON schema; the sentence for another one is ours.
Format = Annotated[str, Field(json_schema_extra={"enum": [AUTO, *FORMATS]})]
_OWNER = re.compile(r"team:[A-Za-z0-9_.-]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,7}")


class Digests(Section):
    """Whether and how CloudTrail's digest files prove that its log files are what CloudTrail wrote.

    ``auto`` verifies the digest files there are, ``off`` looks at none, ``required`` also warns where an hour has none.
    """

    verify: Annotated[Literal["auto", "off", "required"], OnOrOff] = "auto"
    prefix: str | None = Field(default=None, description="Template of the digest files; by default from the source's.")
    public_keys_file: Path | None = Field(
        default=None, description="What `aws cloudtrail list-public-keys` printed; by default CloudTrail is asked."
    )


class SourceSettings(Section):
    """A named place logs come from: bucket, prefix template, format, access, destinations."""

    name: str = ""
    bucket: str = Field(min_length=3, max_length=255)
    prefix: str = Field(
        description="Key prefix; fields: {account}, {region}, {organization}, {folder} (any one, each time another), "
        "{yyyy}, {mm}, {dd}, {hh}, and {m} and {d} without leading zeros."
    )
    format: Format = Field(default=AUTO, description="auto: each object is recognised by its content.")
    normalise: Normalise = Field(
        default="native", description="native: Sentinel's own tables where there are some; asim: ASIM's where one fits."
    )
    fields: tuple[str, ...] = Field(default=(), description="Fields in their order, for files that do not name them.")
    time_zone: str = Field(default="UTC", description="IANA name of the zone of times that come without one.")
    aws: AwsAccess | None = None
    destination: Destination | None = Field(default=None, description="Short form of one of ``destinations``.")
    destinations: tuple[Destination, ...] = Field(
        default=(), description="Streams of tables; rows of any other table go to Custom-<table> of sentinel.dcr_id."
    )
    routing: Routing = Routing()
    enabled: bool = True
    queue_url: str | None = Field(default=None, description="SQS queue that gets the bucket's notifications.")
    listing_seconds: float | None = Field(
        default=None, gt=0, description="Rest between two listings; by default 0 without a queue, 900 with one."
    )
    hour_from: Literal["last_modified", "key"] = Field(
        default="last_modified", description="What decides an object's hour; key for copied or replicated buckets."
    )
    key_time: str | None = Field(
        default=None, description="Regular expression that finds the time in a key: groups yyyy, mm, dd, hh."
    )
    digests: Digests | None = Field(default=None, description="CloudTrail only.")
    owner: str = Field(default="team:security", description="Who is asked: team:<name> or an e-mail address.")
    late_after_hours: float = Field(
        default=2, gt=1, description="Delivery that waits, or a bucket that is silent, for longer is a warning."
    )

    @field_validator("owner")
    @classmethod
    def _team_or_address(cls, value: str) -> str:
        if not _OWNER.fullmatch(value):
            raise ValueError("must be team:<name>, such as team:security, or an e-mail address")
        return value

    @field_validator("queue_url")
    @classmethod
    def _is_queue(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError(
                "must be the queue's URL, such as https://sqs.eu-central-1.amazonaws.com/111122223333/logs"
            )
        return value

    @field_validator("key_time")
    @classmethod
    def _finds_a_time(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            groups = set(re.compile(value).groupindex)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        if missing := [name for name in DATE_FIELDS if name not in groups]:
            raise ValueError(f"needs the named group (?P<{missing[0]}>…)")
        return value

    @field_validator("bucket")
    @classmethod
    def _bucket_alone(cls, value: str) -> str:
        if "/" in value and not value.startswith("arn:"):
            raise ValueError(
                "must be the bucket's name alone, without s3:// and without a path; the path goes to 'prefix'"
            )
        return value

    @field_validator("prefix")
    @classmethod
    def _right_template(cls, value: str) -> str:
        check_prefix(value)
        return value

    @field_validator("format")
    @classmethod
    def _is_format(cls, value: str) -> str:
        if value != AUTO and value not in FORMATS:
            near = difflib.get_close_matches(value, FORMATS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"is no known format; {hint}known are {AUTO}, {', '.join(FORMATS)}")
        return value

    @field_validator("fields", mode="before")
    @classmethod
    def _are_fields(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError("must be a list, such as [srcaddr, dstaddr, action]")  # noqa: TRY004 - pydantic's way
        return value

    @field_validator("fields")
    @classmethod
    def _are_distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in value):
            raise ValueError("has an empty name; a field that nobody needs has a name too")
        if twice := next((name for name in value if value.count(name) > 1), None):
            raise ValueError(f"names the field {twice!r} twice")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_time_zone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError("is no time zone; it must be an IANA name, such as Europe/Berlin or UTC")
        return value

    @model_validator(mode="after")
    def _fields_are_used(self) -> "SourceSettings":
        if self.fields and self.format not in FIELD_FORMATS:
            raise ValueError(f"fields goes with format {', '.join(FIELD_FORMATS)}, not with {self.format}")
        return self

    @model_validator(mode="after")
    def _destinations_are_used(self) -> "SourceSettings":
        if self.destination and self.destinations:
            raise ValueError("destination is the short form of one; move it into destinations")
        named = [destination.table for destination in self._all_destinations]
        if twice := next((table for table in named if named.count(table) > 1), None):
            raise ValueError(f"destinations names the table {twice} twice")
        if never := [table for table in named if table not in (*self.tables, *COMMON_TABLES)]:
            raise ValueError(
                f"no row of format {self.format} with normalise: {self.normalise} goes to the table {never[0]}; "
                f"rows go to {', '.join(self.tables)}"
            )
        return self

    @property
    def _all_destinations(self) -> tuple[Destination, ...]:
        return (self.destination,) if self.destination else self.destinations

    @property
    def listing_rest(self) -> float:
        """Seconds that discovery leaves between two listings. Notifications wake it in between."""
        if self.listing_seconds is not None:
            return self.listing_seconds
        return 900.0 if self.queue_url else 0.0

    @property
    def verifies_digests(self) -> bool:
        """Whether digest files of this source are looked at."""
        return self.format == "cloudtrail" and (self.digests is None or self.digests.verify != "off")

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that its objects may have."""
        return tuple(FORMATS) if self.format == AUTO else (self.format,)

    def tables_of(self, log_format: str) -> tuple[str, ...]:
        """The Sentinel tables that its rows of one format go to."""
        return FORMATS[log_format].tables(self.normalise)

    @property
    def tables(self) -> tuple[str, ...]:
        """The Sentinel tables that its rows may go to, each once; the order is that of the formats."""
        return tuple(dict.fromkeys(table for name in self.formats for table in self.tables_of(name)))

    def destination_for(self, table: str) -> Destination:
        """Where rows of ``table`` go: as configured, else the table's default stream."""
        found = (destination for destination in self._all_destinations if destination.table == table)
        return next(found, Destination(table=table))
