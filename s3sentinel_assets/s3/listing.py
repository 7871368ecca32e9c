"""Listing: which log objects a bucket holds for some hours. Listing decides what exists; nothing else does.

Belongs here: paging through key ranges as a stream and leaving out, counted, what is never a log. Does not belong here:
remembering what was seen (``ledger``), finding ranges (``prefixes``), sharing the work among threads (``crew``).

There is no cursor: every listing starts anew from the dates in the keys. Objects of the same second and objects that
turn up late under an old date are found like any other.
"""

import contextlib
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from s3sentinel_assets.config import AwsAccess, SourceSettings
from s3sentinel_assets.s3.crew import walk_tree
from s3sentinel_assets.s3.errors import s3_errors
from s3sentinel_assets.s3.extras import request_extras
from s3sentinel_assets.s3.key_grammar import KeyFilter, KeyGrammar
from s3sentinel_assets.s3.prefixes import KeyRange, Slots, TemplateWalk

__all__ = [
    "DIGESTS",
    "FOLDER_MARKERS",
    "OTHER_FOLDERS",
    "OTHER_KEYS",
    "TEST_FILES",
    "ListedObject",
    "left_out",
    "list_objects",
]

#: Names under which things that are left out are counted.
DIGESTS = "CloudTrail digest files"
FOLDER_MARKERS = "folder markers"
TEST_FILES = "files by which AWS tested that it may write"
OTHER_FOLDERS = "folders that do not match the prefix template"
OTHER_KEYS = "keys that do not match the prefix template"

_DIGEST = "CloudTrail-Digest"
#: Load balancers and Config write these once ("Enable access logs for your Application Load Balancer", step 4).
_TEST_FILES = ("ELBAccessLogTestFile", "ELBConnectionLogTestFile", "ConfigWritabilityCheckFile")
_MARKERS = ("/", "_$folder$")  # the second is Hadoop's
_UNORDERED_BUCKETS = (
    "--x-s3",
    "--xa-s3",
)  # directory buckets and their access points list in no order and do not know StartAfter
_NO_OFFSET = timedelta(0)


class ListedObject(NamedTuple):
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


def left_out(key: str, size: int | None) -> str | None:
    """The name under which an object is counted that is never a log; None for all others, empty ones among them.

    CloudTrail's digests are told by their folder, or by their file name where somebody moved them.
    ``CloudTrail-Insight`` holds logs.

    Args:
        key: the key, decoded.
        size: stored bytes, None if not known.
    """
    if _DIGEST in key and (
        f"/{_DIGEST}/" in key or key.startswith(f"{_DIGEST}/") or f"_{_DIGEST}_" in key.rpartition("/")[2]
    ):
        return DIGESTS
    if size == 0 and key.endswith(_MARKERS):
        return FOLDER_MARKERS
    if key.endswith(_TEST_FILES) and key.rpartition("/")[2] in _TEST_FILES:
        return TEST_FILES
    return None


def list_objects(
    client: Any,
    source: SourceSettings,
    access: AwsAccess,
    *,
    first: datetime,
    last: datetime,
    look_back: timedelta,
    skipped: dict[str, int] | None = None,
    only: KeyFilter | None = None,
    workers: int = 1,
) -> Iterator[ListedObject]:
    """Every log object under the source's prefixes whose key is dated from ``first`` − ``look_back`` to ``last``.

    The date in a key is at or before the object's LastModified, so this covers all objects of the hours between
    ``first`` and ``last`` that arrived no more than ``look_back`` after the date in their key. Objects of other hours
    that lie under the same prefixes come along. Memory is flat: a few pages of 1,000 keys for each worker.

    Args:
        client: the S3 client of ``session.s3_client``.
        source: bucket and prefix template.
        access: for what goes with each request and for error sentences.
        first: start of the first hour, aware.
        last: end of the last hour, aware.
        look_back: how far the date in a key may lie before the object's arrival.
        skipped: counts, by name, what was left out (`left_out`, `OTHER_FOLDERS`, `OTHER_KEYS`), as far as it was met.
        only: narrows the listing to an account, a region or a prefix. What lies elsewhere is not asked for.
        workers: requests at a time. With more than one, objects come in no order.

    Raises:
        UserError: S3 cannot be reached or refuses, or ``only`` does not go with the source's prefix.
    """
    if only is not None:
        only.check(KeyGrammar(source.prefix))
    lock, left = threading.Lock(), {} if skipped is None else skipped

    def count(name: str, number: int = 1) -> None:
        with lock:  # folders are met by any thread
            left[name] = left.get(name, 0) + number

    def count_skipped(name: str) -> None:
        count(OTHER_FOLDERS if name.endswith("/") else left_out(name, None) or OTHER_KEYS)

    extras = request_extras(access, "list")
    lister = _Lister(client, source.bucket, extras)
    with s3_errors(bucket=source.bucket, access=access):
        walk = TemplateWalk(
            client,
            source.bucket,
            source.prefix,
            first - look_back,
            last,
            extras=extras,
            only=only,
            ordered=not source.bucket.endswith(_UNORDERED_BUCKETS),
            on_skipped=count_skipped,
        )
        with contextlib.closing(walk_tree(walk.branch(), lister.pages, workers=workers)) as pages:
            for page in pages:
                for name, number in page.skipped.items():
                    count(name, number)
                yield from page.objects


class _Page(NamedTuple):
    objects: list[ListedObject]
    skipped: dict[str, int]


class _Lister:
    """Lists ranges of one bucket; shared by threads."""

    def __init__(self, client: Any, bucket: str, extras: dict[str, Any]) -> None:
        # boto3 asks for EncodingType=url and decodes, so keys with any character survive the XML.
        self._paginator = client.get_paginator("list_objects_v2")
        self._bucket, self._extras = bucket, extras

    def pages(self, keys: KeyRange) -> Iterator[_Page]:
        """The objects of a range, page by page."""
        if keys.slots is None:
            for page in self._ask(keys.prefix):
                yield self._page(page.get("Contents", ()), {})
            return
        after: str | None = _before(keys.base + keys.slots.texts[0])
        jumps = True
        while after is not None:
            start, after = after, None
            for page in self._ask(keys.prefix, StartAfter=start):
                entries = page.get("Contents", ())
                if entries and entries[0]["Key"] <= start:  # a stand-in for S3 that does not know StartAfter
                    jumps, entries = False, [entry for entry in entries if entry["Key"] > start]
                inside, skipped, at = _inside(entries, keys.base, keys.slots)
                if inside or skipped:
                    yield self._page(inside, skipped)
                if at == _END:
                    return
                if at is not None and jumps and page.get("IsTruncated"):
                    # The page ends between two slots: the next one may as well begin at the next slot.
                    target = _before(keys.base + at)
                    if target > entries[-1]["Key"]:
                        after = target
                        break

    def _ask(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        return iter(self._paginator.paginate(Bucket=self._bucket, Prefix=prefix, **options, **self._extras))

    def _page(self, entries: Sequence[dict[str, Any]], skipped: dict[str, int]) -> _Page:
        objects, bucket = [], self._bucket
        for entry in entries:
            key, size, modified = entry["Key"], entry["Size"], entry["LastModified"]
            if name := left_out(key, size):
                skipped[name] = skipped.get(name, 0) + 1
                continue
            if modified.tzinfo is not UTC:
                in_utc = modified.utcoffset() == _NO_OFFSET  # always with S3; changing the label is cheaper
                modified = modified.replace(tzinfo=UTC) if in_utc else modified.astimezone(UTC)
            storage_class = entry.get("StorageClass", "STANDARD")
            objects.append(ListedObject(bucket, key, entry["ETag"].strip('"'), size, modified, storage_class))
        return _Page(objects, skipped)


_END = ""  # no slot is


def _inside(
    entries: Sequence[dict[str, Any]], base: str, slots: Slots
) -> tuple[Sequence[dict[str, Any]], dict[str, int], str | None]:
    """The entries of a page that lie in a slot, a count of the others, and how it goes on.

    Strings compare by code point, which is how S3 orders keys: by their UTF-8 bytes.

    Returns:
        The third is None if the page ends in a slot; else the next slot, `_END` behind the last one.
    """
    begin, end = len(base), len(base) + slots.length
    wanted, last = slots.wanted, slots.texts[-1]
    text, others, inside = None, 0, []
    for entry in entries:
        text = entry["Key"][begin:end]
        if text in wanted:
            inside.append(entry)
        elif text > last:
            return inside, {OTHER_KEYS: others} if others else {}, _END
        else:
            others += 1
    skipped = {OTHER_KEYS: others} if others else {}
    if text is None or text in wanted:
        return inside, skipped, None
    return inside, skipped, slots.texts[bisect_right(slots.texts, text)]


def _before(text: str) -> str:
    """A text right before this one in order: as ``StartAfter`` it leaves out nothing that begins with it.

    It uses plain characters only; nearly nothing lies between the two.
    """
    if "!" < text[-1] <= "~":
        return f"{text[:-1]}{chr(ord(text[-1]) - 1)}~"
    return text[:-1]
