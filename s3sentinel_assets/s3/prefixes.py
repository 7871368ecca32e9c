"""Prefix templates: ``AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/`` → the prefixes a bucket really has.

Belongs here: walking a template, asking S3 only where an account, region or organisation has to be found. Does not
belong here: listing the objects (``listing``). A new field is one line in `_FOUND` or `_DATES`.
"""

import re
import string
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["expand"]

#: Fields whose values are found in the bucket, and what those look like.
_FOUND = {
    "account": r"\d{12}",
    "organization": r"o-[a-z0-9]{10,32}",
    "region": r"[a-z]{2,5}(?:-[a-z]+)+-\d{1,2}",
}

#: Fields whose values follow from the time, coarse to fine.
_DATES: dict[str, str] = {"yyyy": "%Y", "mm": "%m", "dd": "%d", "hh": "%H"}

Piece = tuple[str, str | None]
CountSkipped = Callable[[str], None]


def _segments(template: str) -> list[list[Piece]]:
    """The template cut behind each ``/``, each segment as (literal, field) pieces."""
    segments: list[list[Piece]] = [[]]
    for literal, field, _, _ in string.Formatter().parse(template):
        *whole, rest = literal.split("/")
        for text in whole:
            segments[-1].append((text + "/", None))
            segments.append([])
        segments[-1].append((rest, field))
    return [segment for segment in segments if any(text or field for text, field in segment)]


def _slots(fields: set[str], first: datetime, last: datetime) -> list[datetime]:
    """The instants to enumerate, one for each value of the finest date field; one alone if there is none."""
    first, last = first.astimezone(UTC), last.astimezone(UTC)
    if not fields & set(_DATES):
        return [first]
    step = timedelta(hours=1) if "hh" in fields else timedelta(days=1)
    slot = first.replace(minute=0, second=0, microsecond=0)
    if "hh" not in fields:
        slot = slot.replace(hour=0)
    slots = []
    while slot <= last:
        slots.append(slot)
        slot += step
    return slots


def _fill(pieces: Sequence[Piece], slot: datetime, found: dict[str, str]) -> str | None:
    """The segment as text, or None while a field of it has to be found in the bucket."""
    text = ""
    for literal, field in pieces:
        text += literal
        if field in _DATES:
            text += slot.strftime(_DATES[field])
        elif field is not None:
            if field not in found:
                return None
            text += found[field]
    return text


def _matcher(pieces: Sequence[Piece], slot: datetime, found: dict[str, str]) -> tuple[str, re.Pattern[str]]:
    """The literal start of a segment that has something to find, and the pattern its folders must match."""
    start, pattern, open_yet, named = "", "", False, set[str]()
    for literal, field in pieces:
        pattern += re.escape(literal)
        start += "" if open_yet else literal
        if field is None:
            continue
        value = slot.strftime(_DATES[field]) if field in _DATES else found.get(field)
        if value is not None:
            pattern += re.escape(value)
            start += "" if open_yet else value
        elif field in named:
            open_yet, pattern = True, f"{pattern}(?P={field})"
        else:
            open_yet, pattern = True, f"{pattern}(?P<{field}>{_FOUND[field]})"
            named.add(field)
    return start, re.compile(pattern)


def _folders(client: Any, bucket: str, prefix: str, owner: dict[str, str]) -> Iterator[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/", **owner)
    for page in pages:
        for entry in page.get("CommonPrefixes", ()):
            yield entry["Prefix"]


def expand(
    client: Any,
    bucket: str,
    template: str,
    first: datetime,
    last: datetime,
    *,
    expected_bucket_owner: str | None = None,
    on_skipped: CountSkipped | None = None,
) -> Iterator[str]:
    """The prefixes of ``template`` that may hold keys dated from ``first`` to ``last``, both included.

    Accounts, regions and organisations are found by listing folders, each folder once a call; dates are enumerated.

    Args:
        client: a boto3 S3 client.
        bucket: the bucket.
        template: a checked template (see ``config.SourceSettings.prefix``); one without fields comes back as it is.
        first: first instant, aware.
        last: last instant, aware.
        expected_bucket_owner: account that must own the bucket.
        on_skipped: called with the name of each folder that does not look like what the template wants there.

    Raises:
        botocore.exceptions.ClientError: S3 refuses.
    """
    segments = _segments(template)
    fields = {field for segment in segments for _, field in segment if field}
    owner = {"ExpectedBucketOwner": expected_bucket_owner} if expected_bucket_owner else {}

    def walk(base: str, index: int, slots: Sequence[datetime], found: dict[str, str]) -> Iterator[str]:
        if index == len(segments):
            yield base
            return
        pieces = segments[index]
        text: dict[str, list[datetime]] = {}
        unknown: dict[tuple[str, re.Pattern[str]], list[datetime]] = {}
        for slot in slots:
            filled = _fill(pieces, slot, found)
            if filled is not None:
                text.setdefault(filled, []).append(slot)
            else:
                unknown.setdefault(_matcher(pieces, slot, found), []).append(slot)
        for filled, same in text.items():
            yield from walk(base + filled, index + 1, same, found)
        for (start, pattern), same in unknown.items():
            for folder in _folders(client, bucket, base + start, owner):
                match = pattern.fullmatch(folder.removeprefix(base))
                if match:
                    yield from walk(folder, index + 1, same, found | match.groupdict())
                elif on_skipped:
                    on_skipped(folder)

    yield from walk("", 0, _slots(fields, first, last), {})
