"""The sections of the configuration: what can be set, its default and its bounds.

Belongs here: one model a section, and checks that need that section alone. Does not belong here: the ``aws`` section
(``aws``), reading files or variables (``loading``).
"""

import itertools
import re
import string
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from s3sentinel_assets.config.aws import AwsAccess
from s3sentinel_assets.config.section import Section

__all__ = [
    "Credential",
    "Destination",
    "Digests",
    "LedgerSettings",
    "Limits",
    "SentinelSettings",
    "SourceSettings",
]

NATIVE_TABLES = {"cloudtrail": "AWSCloudTrail", "vpc_flow": "AWSVPCFlow"}
_FOUND_FIELDS = ("account", "region", "organization", "folder")
_DATE_FIELDS = ("yyyy", "mm", "dd", "hh")  # coarse to fine
_UNPADDED_FIELDS = {"m": "mm", "d": "dd"}  # the same without leading zeros
Format = Literal["auto", "cloudtrail", "vpc_flow"]
_OWNER = re.compile(r"team:[A-Za-z0-9_.-]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,7}")


def _check_fields(pieces: list[tuple[str, str | None, str | None, str | None]]) -> None:
    """Checks the fields of a prefix template, which comes as `string.Formatter.parse` cuts it."""
    known = (*_FOUND_FIELDS, *_DATE_FIELDS, *_UNPADDED_FIELDS)
    for _, name, format_spec, conversion in pieces:
        if name is not None and (name not in known or format_spec or conversion):
            raise ValueError(f"unknown field {{{name}}}; known are {', '.join(f'{{{field}}}' for field in known)}")
    names = [name for _, name, _, _ in pieces if name is not None]
    levels = {_UNPADDED_FIELDS.get(name, name) for name in names}
    for coarser, finer in itertools.pairwise(_DATE_FIELDS):
        if finer in levels and coarser not in levels:
            written = next(name for name in names if _UNPADDED_FIELDS.get(name, name) == finer)
            raise ValueError(f"has {{{written}}} without {{{coarser}}}; add {{{coarser}}}, or leave {{{written}}} out")
    for (_, name, _, _), (behind, *_) in itertools.pairwise([*pieces, ("", None, None, None)]):
        if name in _UNPADDED_FIELDS and (not behind or behind[0].isdigit()):
            raise ValueError(f"needs a character that is no digit right behind {{{name}}}, which has one digit or two")
    folders: list[list[str]] = [[]]  # the fields in each folder's name; the last is no folder
    for text, name, _, _ in pieces:
        folders.extend([] for _ in range(text.count("/")))
        folders[-1] += [name] if name is not None else []
    elsewhere = {name for fields in folders[:-1] for name in fields} - {"folder"}  # known by then
    if (set(folders[-1]) - elsewhere) & set(_FOUND_FIELDS):
        raise ValueError(
            "needs a '/' behind the last {account}, {region}, {organization} or {folder}: only folders can be found"
        )
    if any("folder" in fields and len(fields) > 1 for fields in folders):
        raise ValueError("has another field beside {folder} in one folder's name; {folder} must be alone there")


class Credential(Section):
    """Which azure-identity credential signs in; ``default`` is DefaultAzureCredential. Secrets: files or variables."""

    kind: Literal["default", "client_secret", "certificate", "workload_identity", "managed_identity"] = "default"
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    certificate_file: Path | None = None
    token_file: Path | None = None


class SentinelSettings(Section):
    """The Log Analytics workspace behind Sentinel, its ingestion endpoint and how to sign in."""

    ingestion_endpoint: str
    query_endpoint: str = "https://api.loganalytics.io"
    workspace_id: str
    dcr_id: str
    cloud: Literal["public", "usgov", "china"] = "public"
    authority: str | None = None
    ca_file: Path | None = None
    instance_discovery: bool = True
    credential: Credential = Credential()
    max_batch_bytes: int = Field(default=1_000_000, ge=10_000, le=1_048_576)
    upload_threads: int = Field(default=4, ge=1, le=64)
    max_attempts: int = Field(default=6, ge=1, le=50)
    backoff_seconds: float = Field(default=0.8, ge=0)
    backoff_limit_seconds: float = Field(default=60, gt=0)
    connect_timeout_seconds: float = Field(default=10, gt=0)
    read_timeout_seconds: float = Field(default=60, gt=0)
    unknown_bound_minutes: float = Field(default=30, ge=0)

    @field_validator("ingestion_endpoint", "query_endpoint", "authority")
    @classmethod
    def _https_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith("https://"):
            raise ValueError("must start with https:// (tokens are never sent over plain http)")
        return value.rstrip("/")


class Destination(Section):
    """Where a source's rows of one table go: the stream of a data collection rule."""

    table: str
    stream: str | None = None
    dcr_id: str | None = None

    @property
    def stream_name(self) -> str:
        """The DCR stream; by default ``Custom-<table>``."""
        return self.stream or f"Custom-{self.table}"


class Digests(Section):
    """Whether and how CloudTrail's digest files prove that its log files are what CloudTrail wrote.

    ``auto`` verifies the digest files there are, ``off`` looks at none, ``required`` also warns where an hour has none.
    """

    verify: Literal["auto", "off", "required"] = "auto"
    prefix: str | None = Field(default=None, description="Template of the digest files; by default from the source's.")
    public_keys_file: Path | None = Field(
        default=None, description="What `aws cloudtrail list-public-keys` printed; by default CloudTrail is asked."
    )


class SourceSettings(Section):
    """A named place logs come from: bucket, prefix template, format, access, destination."""

    name: str = ""
    bucket: str = Field(min_length=3, max_length=255)
    prefix: str = Field(
        description="Key prefix; fields: {account}, {region}, {organization}, {folder} (any one, each time another), "
        "{yyyy}, {mm}, {dd}, {hh}, and {m} and {d} without leading zeros."
    )
    format: Format = "auto"
    aws: AwsAccess | None = None
    destination: Destination | None = None
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
        if missing := [name for name in _DATE_FIELDS if name not in groups]:
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
        if value.startswith("/"):
            raise ValueError("must not start with '/': S3 keys have no leading slash")
        try:
            pieces = list(string.Formatter().parse(value))
        except ValueError as error:
            raise ValueError(
                f"has an unpaired brace ({error}); a brace that is meant as such is written twice"
            ) from None
        _check_fields(pieces)
        return value

    @model_validator(mode="after")
    def _destination_known(self) -> "SourceSettings":
        if self.destination is None and self.format == "auto":
            raise ValueError("format auto needs a destination with a table; name the format or the table")
        return self

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
    def table(self) -> str:
        """The Sentinel table that this source's rows go to."""
        return self.destination.table if self.destination else NATIVE_TABLES[self.format]

    @property
    def log_family(self) -> str | None:
        """The format whose history and model score this source: its own; with ``auto`` the one of its table, if any."""
        if self.format != "auto":
            return self.format
        return next((family for family, table in NATIVE_TABLES.items() if table == self.table), None)

    @property
    def destination_or_default(self) -> Destination:
        """The configured destination, else the native table of the format."""
        return self.destination or Destination(table=self.table)


class LedgerSettings(Section):
    """The database that knows what is done. Empty: SQLite in ``data_dir``. PostgreSQL: ``postgresql://user@host/db``."""

    url: SecretStr | None = None


class Limits(Section):
    """Bounds that keep memory and work per part flat."""

    part_compressed_bytes: int = Field(default=64 << 20, ge=1 << 10)
    part_objects: int = Field(default=2_000, ge=1)
    listing_threads: int = Field(default=8, ge=1, le=64)
    read_ahead_objects: int = Field(default=8, ge=1, le=256)
    read_ahead_bytes: int = Field(default=64 << 20, ge=1 << 20)
    file_decoded_bytes: int = Field(default=128 << 20, ge=1 << 16)
    object_decoded_bytes: int = Field(default=8 << 30, ge=1 << 20)
    decompression_ratio: int = Field(default=1_000, ge=10)
    lease_seconds: float = Field(default=120, gt=0)
