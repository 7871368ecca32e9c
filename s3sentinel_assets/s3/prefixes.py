"""Prefix templates: ``AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/`` → the key ranges of a bucket to list.

Belongs here: walking a template, asking S3 only where an account, region, organisation or folder has to be found. Does
not belong here: listing the objects (``listing``), the fields themselves (``key_template``).

Where the keys of an account and region sort by time, they are one range, whatever the number of days or hours: a
look-back of 14 days over 30 accounts and 17 regions is 510 ranges, not 7,140 prefixes.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Union

from s3sentinel_assets.s3.key_grammar import KeyFilter
from s3sentinel_assets.s3.key_template import PADDED, Piece, fill, is_found, pattern_of, segments

__all__ = ["Branch", "KeyRange", "Slots", "TemplateWalk", "expand"]

CountSkipped = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Slots:
    """The beginnings of wanted keys behind a common base, all of one length, in order."""

    texts: tuple[str, ...]
    wanted: frozenset[str]
    length: int


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Keys to list.

    Attributes:
        prefix: what they all begin with.
        base: what stands before ``slots``.
        slots: if given, only keys that go on with one of these behind ``base``; the keys sort by them.
    """

    prefix: str
    base: str = ""
    slots: Slots | None = None


#: Yields ranges, and branches of its own, which may be walked in any order or at the same time.
Branch = Iterator[Union[KeyRange, "Branch"]]


@dataclass(frozen=True, slots=True)
class _Rest:
    """A template from some segment on."""

    pieces: tuple[Piece, ...]
    found: frozenset[str]
    sorts: bool


def _rest(template_segments: Sequence[Sequence[Piece]]) -> _Rest:
    pieces = tuple(itertools.chain.from_iterable(template_segments))
    fields = list(dict.fromkeys(field for _, field in pieces if field is not None))
    dates = [field for field in fields if not is_found(field)]
    padded = [field for field in PADDED if field in dates]
    return _Rest(pieces, frozenset(filter(is_found, fields)), dates == padded)


def _instants(fields: set[str], first: datetime, last: datetime) -> tuple[datetime, ...]:
    """The instants to enumerate: each hour or day of the window; one alone if there is no date field."""
    first, last = first.astimezone(UTC), last.astimezone(UTC)
    if not any(not is_found(field) for field in fields):
        return (first,)
    step = timedelta(hours=1) if "hh" in fields else timedelta(days=1)
    slot = first.replace(minute=0, second=0, microsecond=0)
    if "hh" not in fields:
        slot = slot.replace(hour=0)
    return tuple(slot + step * number for number in range((last - slot) // step + 1))


def _shared(one: str, other: str) -> str:
    """What two texts begin with."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(character for character, _ in same)


def _slots_of(texts: Iterable[str]) -> Slots:
    ordered = sorted(set(texts))
    return Slots(tuple(ordered), frozenset(ordered), len(ordered[0]) if ordered else 0)


def _grouped(
    slots: Sequence[datetime], dated: bool, text: Callable[[datetime], str]
) -> Mapping[str, Sequence[datetime]]:
    """The instants by what a piece of the template is at them; all together where it has no date."""
    if not dated:
        return {text(slots[0]): slots}
    groups: dict[str, list[datetime]] = {}
    for slot in slots:
        groups.setdefault(text(slot), []).append(slot)
    return groups


def _together(one: str, other: str) -> str | None:
    """What begins with both texts, if anything can."""
    if one.startswith(other):
        return one
    return other if other.startswith(one) else None


class TemplateWalk:
    """Finds the ranges of a template that may hold keys dated from one instant to another, both included.

    Accounts, regions, organisations and folders are found by listing folders, each folder once; dates are enumerated.

    Args:
        client: a boto3 S3 client.
        bucket: the bucket.
        template: a checked template (see ``config.SourceSettings.prefix``).
        first: first instant, aware.
        last: last instant, aware.
        extras: further parameters of each request.
        only: narrows the walk: folders of other accounts and regions are not even listed.
        ordered: whether the bucket lists keys in order and knows ``StartAfter``; else ranges have no slots.
        on_skipped: called with each folder (it ends with ``/``) that does not look like what the template wants there,
            and with each key that lies among the folders.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        template: str,
        first: datetime,
        last: datetime,
        *,
        extras: dict[str, Any] | None = None,
        only: KeyFilter | None = None,
        ordered: bool = True,
        on_skipped: CountSkipped | None = None,
    ) -> None:
        self._paginator = client.get_paginator("list_objects_v2")
        self._bucket, self._extras = bucket, extras or {}
        self._segments = segments(template)
        self._rests = [_rest(self._segments[index:]) for index in range(len(self._segments) + 1)]
        fields = {field for segment in self._segments for _, field in segment if field}
        self._slots = _instants(fields, first, last)
        self._found = only.found if only else {}
        self._within = (only.prefix if only else None) or ""
        self._ordered = ordered
        self._on_skipped = on_skipped
        self._last_ends: tuple[int, Sequence[datetime], tuple[str, ...], Slots] | None = None

    def branch(self) -> Branch:
        """The whole walk. Requests are made as it goes on; it raises what boto3 raises."""
        return self._branch("", 0, self._slots, self._found)

    def ranges(self) -> Iterator[KeyRange]:
        """The ranges one after the other, depth first."""
        branches = [self.branch()]
        while branches:
            child = next(branches[-1], None)
            if child is None:
                branches.pop()
            elif isinstance(child, KeyRange):
                yield child
            else:
                branches.append(child)

    def _branch(self, base: str, index: int, slots: Sequence[datetime], found: dict[str, str]) -> Branch:
        if not slots or _together(base, self._within) is None:
            return
        rest = self._rests[index]
        if rest.found <= found.keys() and rest.sorts:
            yield from self._end(base, index, slots, found)
            return
        pieces = self._segments[index]
        dated = any(field and not is_found(field) for _, field in pieces)
        if all(field is None or field in found or not is_found(field) for _, field in pieces):
            for text, same in _grouped(slots, dated, lambda slot: fill(pieces, slot, found)).items():
                yield self._branch(base + text, index + 1, same, found)
            return
        pattern = _folder_pattern(pieces, found)
        for start, same in _grouped(slots, dated, lambda slot: _literal_start(pieces, slot, found)).items():
            for folder in self._folders(base, start):
                name = folder[len(base) :]
                match = pattern.fullmatch(name)
                if match is None:
                    if self._on_skipped:
                        self._on_skipped(folder)
                    continue
                known = found | match.groupdict()
                of_folder = [slot for slot in same if fill(pieces, slot, known) == name] if dated else same
                yield self._branch(folder, index + 1, of_folder, known)

    def _end(self, base: str, index: int, slots: Sequence[datetime], found: dict[str, str]) -> Iterator[KeyRange]:
        """The ranges where nothing is left to be found, and what is left sorts by time."""
        within = self._within[len(base) :]
        ends = self._ends(index, slots, found)
        if within:
            ends = _slots_of(text for text in ends.texts if _together(text, within) is not None)
        if len(ends.texts) > 1 and self._ordered:
            common = _shared(ends.texts[0], ends.texts[-1])
            yield KeyRange(base + (_together(common, within) or common), base, ends)
            return
        for text in ends.texts:
            yield KeyRange(base + (_together(text, within) or text))

    def _ends(self, index: int, slots: Sequence[datetime], found: dict[str, str]) -> Slots:
        """The distinct texts of the rest of the template. Most walks want the same for one account after the other."""
        rest = self._rests[index]
        values = tuple(found[field] for field in sorted(rest.found))
        last = self._last_ends  # read and written as a whole, so that threads may share the walk
        if last is not None and last[0] == index and last[1] is slots and last[2] == values:
            return last[3]
        ends = _slots_of(fill(rest.pieces, slot, found) for slot in slots)
        self._last_ends = (index, slots, values, ends)
        return ends

    def _folders(self, base: str, start: str) -> Iterator[str]:
        prefix = base + start
        within = self._within[len(base) :]
        if within:
            folder, slash, _ = within.partition("/")
            if _together(start, within) is None:
                return
            if slash:
                yield f"{base}{folder}/"  # the filter says which: nothing to ask
                return
            prefix = base + (_together(start, within) or start)
        for page in self._paginator.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/", **self._extras):
            for entry in page.get("Contents", ()):
                if self._on_skipped and not entry["Key"].endswith("/"):
                    self._on_skipped(entry["Key"])
            for entry in page.get("CommonPrefixes", ()):
                yield entry["Prefix"]


def _literal_start(pieces: Sequence[Piece], slot: datetime, found: dict[str, str]) -> str:
    """The text of a segment up to the first field that has to be found."""
    known = list(itertools.takewhile(lambda piece: piece[1] is None or _known(piece[1], found), pieces))
    text = fill(known, slot, found)
    return text + pieces[len(known)][0] if len(known) < len(pieces) else text


def _known(field: str, found: dict[str, str]) -> bool:
    return field in found or not is_found(field)


def _folder_pattern(pieces: Sequence[Piece], found: dict[str, str]) -> re.Pattern[str]:
    """What a folder must look like; groups for the fields that it gives."""
    pattern, named = "", set[str]()
    for literal, field in pieces:
        pattern += re.escape(literal)
        if field is None:
            continue
        if field in found:
            pattern += re.escape(found[field])
        elif not is_found(field):
            pattern += pattern_of(field)
        elif field in named:
            pattern += f"(?P={field})"
        else:
            pattern += f"(?P<{field}>{pattern_of(field)})"
            named.add(field)
    return re.compile(pattern)


def expand(
    client: Any,
    bucket: str,
    template: str,
    first: datetime,
    last: datetime,
    *,
    expected_bucket_owner: str | None = None,
    only: KeyFilter | None = None,
    on_skipped: CountSkipped | None = None,
) -> Iterator[str]:
    """The prefixes of ``template`` that may hold keys dated from ``first`` to ``last``, both included, day by day.

    For callers that want each day or hour by itself; `listing.list_objects` lists whole ranges.

    Args:
        client: a boto3 S3 client.
        bucket: the bucket.
        template: a checked template; one without fields comes back as it is.
        first: first instant, aware.
        last: last instant, aware.
        expected_bucket_owner: account that must own the bucket.
        only: see `TemplateWalk`.
        on_skipped: see `TemplateWalk`.

    Raises:
        botocore.exceptions.ClientError: S3 refuses.
    """
    extras = {"ExpectedBucketOwner": expected_bucket_owner} if expected_bucket_owner else {}
    walk = TemplateWalk(
        client, bucket, template, first, last, extras=extras, only=only, ordered=False, on_skipped=on_skipped
    )
    for keys in walk.ranges():
        yield keys.prefix
