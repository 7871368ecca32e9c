"""Listing: which log objects a bucket holds for some hours. Listing decides what exists; nothing else does.

Belongs here: paging through key ranges as a stream and leaving out, counted, what is never a log. Does not belong here:
remembering what was seen (``ledger``), finding prefixes (``prefixes``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from s3sentinel_assets.config import AwsAccess, SourceSettings
from s3sentinel_assets.s3.errors import s3_errors
from s3sentinel_assets.s3.prefixes import expand

__all__ = ["DIGESTS", "FOLDER_MARKERS", "OTHER_FOLDERS", "ListedObject", "list_objects"]

#: Names under which things that are left out are counted.
DIGESTS = "CloudTrail digest files"
FOLDER_MARKERS = "folder markers"
OTHER_FOLDERS = "folders that do not match the prefix template"

_DIGEST_FOLDER = "/CloudTrail-Digest/"


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as the listing reports it.

    Attributes:
        bucket: the bucket.
        key: the key, decoded.
        etag: without quotes.
        size: stored bytes.
        last_modified: aware, UTC.
        storage_class: such as ``STANDARD`` or ``GLACIER``.
    """

    bucket: str
    key: str
    etag: str
    size: int
    last_modified: datetime
    storage_class: str


def list_objects(
    client: Any,
    source: SourceSettings,
    access: AwsAccess,
    *,
    first: datetime,
    last: datetime,
    look_back: timedelta,
    skipped: dict[str, int] | None = None,
) -> Iterator[ListedObject]:
    """Every log object under the source's prefixes whose key is dated from ``first`` − ``look_back`` to ``last``.

    The date in a key is at or before the object's LastModified, so this covers all objects of the hours between
    ``first`` and ``last`` that arrived no more than ``look_back`` after the date in their key. Objects of other hours
    that lie under the same prefixes come along. Memory is flat: one page of 1,000 keys at a time.

    Args:
        client: the S3 client of ``session.s3_client``.
        source: bucket and prefix template.
        access: for the bucket's owner and for error sentences.
        first: start of the first hour, aware.
        last: end of the last hour, aware.
        look_back: how far the date in a key may lie before the object's arrival.
        skipped: counts, by name, what was left out (`DIGESTS`, `FOLDER_MARKERS`, `OTHER_FOLDERS`).

    Raises:
        UserError: S3 cannot be reached or refuses.
    """
    skipped = {} if skipped is None else skipped

    def count(name: str) -> None:
        skipped[name] = skipped.get(name, 0) + 1

    owner = {"ExpectedBucketOwner": access.expected_bucket_owner} if access.expected_bucket_owner else {}
    with s3_errors(bucket=source.bucket, access=access):
        prefixes = expand(
            client,
            source.bucket,
            source.prefix,
            first - look_back,
            last,
            expected_bucket_owner=access.expected_bucket_owner,
            on_skipped=lambda _: count(OTHER_FOLDERS),
        )
        # boto3 asks for EncodingType=url and decodes, so keys with any character survive the XML.
        paginator = client.get_paginator("list_objects_v2")
        for prefix in prefixes:
            for page in paginator.paginate(Bucket=source.bucket, Prefix=prefix, **owner):
                for entry in page.get("Contents", ()):
                    key = entry["Key"]
                    if _DIGEST_FOLDER in key:
                        count(DIGESTS)
                    elif key.endswith("/") and entry["Size"] == 0:
                        count(FOLDER_MARKERS)
                    else:
                        yield ListedObject(
                            bucket=source.bucket,
                            key=key,
                            etag=entry["ETag"].strip('"'),
                            size=entry["Size"],
                            last_modified=entry["LastModified"].astimezone(UTC),
                            storage_class=entry.get("StorageClass", "STANDARD"),
                        )
