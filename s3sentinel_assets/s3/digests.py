"""CloudTrail's digest files and public keys: finding, listing and fetching them.

Belongs here: requests to S3 and CloudTrail for verification. Does not belong here: what the files mean (``integrity``).
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from s3sentinel_assets.config import AwsAccess, SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.errors import error_code, error_words, s3_errors
from s3sentinel_assets.s3.extras import request_extras
from s3sentinel_assets.s3.prefixes import expand

__all__ = [
    "STORED_LIMIT",
    "FetchedDigest",
    "KeysRefusedError",
    "ListedFile",
    "ObjectGoneError",
    "digest_template",
    "fetch_digest",
    "in_scope",
    "is_access_point",
    "known_regions",
    "list_files",
    "list_public_keys",
    "log_template",
    "month_template",
    "open_log",
    "scope_prefixes",
]

#: Stored bytes allowed in a digest: one that lists 20,000 log files an hour has about 2 MiB.
STORED_LIMIT = 8 << 20
_CHUNK = 1 << 20
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404", "PreconditionFailed", "412"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
_DAYS = "{yyyy}/{mm}/{dd}/"
_ACCOUNT = re.compile(r"\{account\}|\d{12}")
_DATED = re.compile(r"\{(?:yyyy|mm|m|dd|d|hh)\}")


class ObjectGoneError(Exception):
    """The object is not there, or not any more in the version that was listed."""


class KeysRefusedError(Exception):
    """CloudTrail does not hand out its public keys. The text is a sentence with the way out."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A digest or log file as a listing shows it."""

    bucket: str
    key: str
    etag: str
    size: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class FetchedDigest:
    """A digest's bytes, None where they are too many, and its user metadata (names in lower case)."""

    stored: bytes | None
    metadata: dict[str, str]


def _standard_tail(parts: list[str]) -> str:
    """``region/yyyy/mm/dd/`` behind the folder, as far as the template has it, completed where it is shorter."""
    region = parts[0] if parts and parts[0] else "{region}"
    days = parts[1:4] if len(parts) > 3 and all(parts[1:4]) else []
    return f"{region}/" + ("/".join(days) + "/" if days else _DAYS)


def _folder_template(template: str, folder: str) -> str | None:
    parts = template.split("/")
    places = [place for place, part in enumerate(parts) if part == "CloudTrail"]
    if places:
        # A folder of the same name may stand before AWSLogs/: CloudTrail's own one is behind the account.
        behind = [place for place in places if place and _ACCOUNT.fullmatch(parts[place - 1])]
        place = (behind or places)[-1]
        return "/".join([*parts[:place], folder, _standard_tail(parts[place + 1 :])])
    if len(parts) > 1 and parts[-1] == "" and _ACCOUNT.fullmatch(parts[-2]):
        return f"{template}{folder}/{{region}}/{_DAYS}"
    return None


def digest_template(source: SourceSettings) -> str | None:
    """The prefix template of the source's digest files; None when it cannot be told from the source's own.

    The folder ``CloudTrail`` becomes ``CloudTrail-Digest``; account, organisation, region and date stay. A template
    that stops before the dates is completed, so that a listing does not go through all years.
    """
    if source.digests is not None and source.digests.prefix is not None:
        return source.digests.prefix
    return _folder_template(source.prefix, "CloudTrail-Digest")


def log_template(source: SourceSettings) -> str | None:
    """The prefix template of the source's log files down to the day; None when it cannot be told."""
    return _folder_template(source.prefix, "CloudTrail")


def is_access_point(bucket: str) -> bool:
    """Whether a source's ``bucket`` is an access point, by ARN or alias, so that the bucket has another name."""
    return bucket.startswith("arn:") or bucket.endswith("-s3alias")


def in_scope(template: str, scope: str) -> str:
    """The template for one ``[o-id/]account/region`` alone, as far as it has these fields."""
    for field, value in zip(("region", "account", "organization"), scope.split("/")[::-1], strict=False):
        template = template.replace(f"{{{field}}}", value)
    return template


def month_template(template: str) -> str:
    """The template without what stands behind the month, so that a month is one prefix; as it is if it has no month."""
    parts = template.split("/")
    for place in range(len(parts) - 1, -1, -1):
        if "{mm}" in parts[place] or "{m}" in parts[place]:
            return "/".join(parts[: place + 1]) + ("/" if place + 1 < len(parts) else "")
    return template


def scope_prefixes(client: Any, bucket: str, template: str, access: AwsAccess, at: datetime) -> Iterator[str]:
    """The folders of accounts and regions that the bucket has: each as a template for its days.

    Args:
        client: the S3 client.
        bucket: the bucket.
        template: of the log files, down to the day; see `log_template`.
        access: for the bucket's owner and for error sentences.
        at: any instant, aware.

    Raises:
        UserError: S3 cannot be reached or refuses.
    """
    parts = template.split("/")
    dated = next((place for place, part in enumerate(parts) if _DATED.search(part)), len(parts) - 1)
    head, tail = "/".join(parts[:dated]) + "/", "/".join(parts[dated:])
    with s3_errors(bucket=bucket, access=access):
        for prefix in expand(client, bucket, head, at, at, expected_bucket_owner=access.expected_bucket_owner):
            yield prefix.replace("{", "{{").replace("}", "}}") + tail


@functools.cache
def known_regions() -> frozenset[str]:
    """The regions of all partitions in which botocore knows CloudTrail.

    Whoever writes to the bucket can make up names of regions; a request for each of them would cost its time.
    """
    from botocore.session import Session

    session = Session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("cloudtrail", partition)
    )


def list_files(
    client: Any, bucket: str, template: str, access: AwsAccess, *, first: datetime, last: datetime
) -> Iterator[ListedFile]:
    """Every object under a template for the days from ``first`` to ``last``, as a stream.

    They come account by account, region by region, day by day.

    Args:
        client: the S3 client.
        bucket: the bucket.
        template: of the keys.
        access: for the bucket's owner and for error sentences.
        first: first instant, aware.
        last: last instant, aware.

    Raises:
        UserError: S3 cannot be reached or refuses.
    """
    with s3_errors(bucket=bucket, access=access):
        paginator = client.get_paginator("list_objects_v2")
        prefixes = expand(client, bucket, template, first, last, expected_bucket_owner=access.expected_bucket_owner)
        for prefix in prefixes:
            for page in paginator.paginate(Bucket=bucket, Prefix=prefix, **request_extras(access, "list")):
                for entry in page.get("Contents", ()):
                    if entry["Key"].endswith("/") and not entry["Size"]:
                        continue  # a folder marker
                    yield ListedFile(
                        bucket,
                        entry["Key"],
                        entry["ETag"].strip('"'),
                        entry["Size"],
                        entry["LastModified"].astimezone(UTC),
                    )


def fetch_digest(client: Any, listed: ListedFile, access: AwsAccess) -> FetchedDigest:
    """A digest's bytes and metadata.

    Raises:
        ObjectGoneError: it is gone or was replaced since it was listed.
        UserError: S3 cannot be reached or refuses.
    """
    from botocore.exceptions import ClientError

    if listed.size > STORED_LIMIT:
        return FetchedDigest(None, {})
    try:
        with s3_errors(bucket=listed.bucket, access=access):
            response = client.get_object(
                Bucket=listed.bucket, Key=listed.key, IfMatch=f'"{listed.etag}"', **request_extras(access, "get")
            )
            with response["Body"] as body:
                stored = body.read()
    except UserError as error:
        if isinstance(error.__cause__, ClientError) and error_code(error.__cause__) in _GONE:
            raise ObjectGoneError(f"s3://{listed.bucket}/{listed.key}") from None
        raise _naming(error, listed.bucket, listed.key) from error
    return FetchedDigest(stored, {name.lower(): value for name, value in response.get("Metadata", {}).items()})


def _naming(error: UserError, bucket: str, key: str) -> UserError:
    return UserError(f"s3://{bucket}/{key} cannot be read: {error}")


def open_log(client: Any, bucket: str, key: str, access: AwsAccess) -> Iterator[bytes]:
    """The stored bytes of a log file as a digest names it, as a stream.

    Raises:
        ObjectGoneError: it is not there.
        UserError: S3 cannot be reached or refuses, or the connection breaks.
    """
    from botocore.exceptions import ClientError
    from urllib3.exceptions import HTTPError

    try:
        with s3_errors(bucket=bucket, access=access):
            response = client.get_object(Bucket=bucket, Key=key, **request_extras(access, "get"))
            received = 0
            with response["Body"] as body:
                while chunk := body.read(_CHUNK):
                    received += len(chunk)
                    yield chunk
    except UserError as error:
        if isinstance(error.__cause__, ClientError) and error_code(error.__cause__) in _GONE:
            raise ObjectGoneError(f"s3://{bucket}/{key}") from None
        raise _naming(error, bucket, key) from error
    except (HTTPError, OSError) as error:
        words = " ".join(str(error).split())[:200]
        raise UserError(f"s3://{bucket}/{key} cannot be read: the connection broke ({words}); run again") from error
    if received < response["ContentLength"]:
        raise UserError(f"s3://{bucket}/{key} cannot be read: the connection was closed early; run again")


def list_public_keys(client: Any, first: datetime, last: datetime) -> list[dict[str, Any]]:
    """What CloudTrail's ``ListPublicKeys`` says for a time, all pages.

    Args:
        client: the CloudTrail client of the region whose digests are to be verified: each region has its own keys.
        first: start of the time, aware.
        last: end of the time, aware.

    Raises:
        KeysRefusedError: CloudTrail cannot be reached or refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    region = client.meta.region_name
    try:
        pages = client.get_paginator("list_public_keys").paginate(StartTime=first, EndTime=last)
        return [entry for page in pages for entry in page.get("PublicKeyList", ())]
    except ClientError as error:
        code, words = error_code(error), error_words(error)
        if code in _DENIED:
            way = (
                "allow cloudtrail:ListPublicKeys for these credentials, or name a file with the keys in "
                "digests.public_keys_file"
            )
        else:
            way = "run again later, or name a file with the keys in digests.public_keys_file"
        raise KeysRefusedError(
            f"CloudTrail in {region} does not list its public keys ({code}: {words}); {way}"
        ) from error
    except BotoCoreError as error:
        words = " ".join(str(error).split())[:200]
        raise KeysRefusedError(
            f"CloudTrail in {region} cannot be asked for its public keys ({words}); allow the way to its endpoint, or "
            "name a file with the keys in digests.public_keys_file"
        ) from error
