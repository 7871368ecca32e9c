"""Digests of one chain side by side: links, holes, forks, and the time they cover without a break.

Belongs here: what follows from several digests. Does not belong here: one digest by itself (``check``).

A chain belongs to one account, region and trail. Its digests follow each other without a hole, also in hours without
events: CloudTrail delivers an empty digest then. A digest without a predecessor begins a chain: validation was switched
on, or logging was stopped and started again. Backfill digests form a chain of their own, with links but without a
rhythm. Instants are microseconds since 1970, as in the ledger.
"""

import enum
import hmac
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from s3sentinel_assets.integrity.names import digest_name
from s3sentinel_assets.integrity.verdicts import Reason, sentence
from s3sentinel_assets.ledger.engine import from_micros, to_micros
from s3sentinel_assets.ledger.schema import DigestState

__all__ = ["Coverage", "Gap", "GapKind", "Link", "LinkVerdict", "find_gaps", "judge_links"]

_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Link:
    """What a digest's neighbours need to know of it.

    Attributes:
        id: tells it from the others.
        key: where it lies.
        start: start of its time.
        end: end of its time.
        state: the verdict so far.
        content_sha256: hex, of its decoded content.
        signature: in hex.
        previous_key: key of the digest before; None at the beginning of a chain, ``s3://…`` in another bucket.
        previous_sha256: what that one's content must hash to.
        previous_signature: what its signature must be.
    """

    id: int
    key: str
    start: int
    end: int
    state: DigestState
    content_sha256: str | None = None
    signature: str | None = None
    previous_key: str | None = None
    previous_sha256: str | None = None
    previous_signature: str | None = None


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """A verdict on a digest that its neighbours changed."""

    id: int
    state: DigestState
    reason: Reason
    note: str


class GapKind(enum.StrEnum):
    """What is wrong between two digests of a chain."""

    MISSING = "missing"  # a digest is named by its successor and is not there
    RESTARTED = "restarted"  # the chain begins anew: logging or validation was off, or the last digests were removed
    ENDED = "ended"  # no digest follows
    SKIPPED = "skipped"  # the link holds, so that no digest is missing, but CloudTrail left out some time
    ELSEWHERE = "elsewhere"  # the digest before lies in another bucket
    OVERLAP = "overlap"  # two digests cover the same time


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time that the digests of a chain do not cover as they should.

    Attributes:
        kind: what happened, as far as the digests tell.
        start: of the stretch.
        end: of the stretch; equal to ``start`` where no time is missing although a digest is.
        key: of the digest that is named and not there.
        proved: whether the digest that goes on behind it is verified: then it is no forger's who says so.
    """

    kind: GapKind
    start: int
    end: int
    key: str | None = None
    proved: bool = False

    @property
    def hours(self) -> float:
        """Its length."""
        return max(self.end - self.start, 0) / 3_600_000_000

    @property
    def text(self) -> str:
        """One sentence about it, without the chain's name."""
        span = f"{from_micros(self.start):%Y-%m-%dT%H:%M:%SZ} to {from_micros(self.end):%Y-%m-%dT%H:%M:%SZ}"
        named = f", among them {self.key}" if self.key else ""
        match self.kind:
            case GapKind.MISSING if self.start == self.end:
                return f"the digest {self.key}, which another one names as its predecessor, is not there"
            case GapKind.MISSING:
                return f"the digests from {span} are missing{named}"
            case GapKind.RESTARTED:
                return (
                    f"no digests from {span}, and the next one begins a new chain: logging or validation was switched "
                    "off, or the last digests before were removed"
                )
            case GapKind.ENDED:
                return f"no digests from {span}: logging or validation was switched off, or they were removed"
            case GapKind.SKIPPED:
                return f"CloudTrail's own chain leaves out {span}, and no digest is missing"
            case GapKind.ELSEWHERE:
                return f"no digests from {span} here; the next one's predecessor is {self.key}"
            case GapKind.OVERLAP:
                return f"two digests cover {span}"


def _same(first: str | None, second: str | None) -> bool:
    return hmac.compare_digest((first or "").lower().encode(), (second or "").lower().encode())


def judge_links(links: Sequence[Link]) -> list[LinkVerdict]:
    """Verdicts that the links between the digests of one chain change, newest digest first.

    A verified digest proves its predecessor's content by its hash, or shows that it was changed. A verified digest
    whose verified predecessor is not the one that it names is not what it claims to be either.

    Args:
        links: digests of one chain, in any order; a key may come twice with different contents.
    """
    by_key: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        by_key[link.key].append(link)
    current = {link.id: link for link in links}
    verdicts: dict[int, LinkVerdict] = {}

    def change(link: Link, state: DigestState, reason: Reason) -> None:
        current[link.id] = replace(current[link.id], state=state)
        verdicts[link.id] = LinkVerdict(link.id, state, reason, sentence(reason))

    for link in _forks(links):
        change(link, DigestState.FAILED, Reason.FORK)
    for link in sorted(links, key=lambda each: (each.end, each.key), reverse=True):
        if current[link.id].state is not DigestState.VERIFIED or link.previous_key is None:
            continue
        before = [current[each.id] for each in by_key.get(link.previous_key, ()) if each.id != link.id]
        verified = [each for each in before if each.state is DigestState.VERIFIED]
        if verified and not any(_is_named(each, link) for each in verified):
            change(link, DigestState.FAILED, Reason.WRONG_LINK)
            continue
        for each in before:
            if each.state is DigestState.UNPROVED:
                if _same(each.content_sha256, link.previous_sha256):
                    change(each, DigestState.VERIFIED, Reason.VOUCHED_FOR)
                else:
                    change(each, DigestState.FAILED, Reason.CONTENT_CHANGED)
    return list(verdicts.values())


def _is_named(before: Link, link: Link) -> bool:
    return _same(before.content_sha256, link.previous_sha256) and (
        before.signature is None or _same(before.signature, link.previous_signature)
    )


def _forks(links: Sequence[Link]) -> list[Link]:
    """Verified digests that claim the predecessor of another verified one; the one that follows on it is right."""
    claims: dict[str, dict[str, Link]] = defaultdict(dict)
    ends = {link.key: link.end for link in links}
    for link in sorted(links, key=lambda each: (each.start, each.end, each.key)):
        if link.state is DigestState.VERIFIED and link.previous_key is not None:
            claims[link.previous_key].setdefault(link.key, link)
    wrong: list[Link] = []
    for previous, claimants in claims.items():
        rivals = sorted(claimants.values(), key=lambda each: each.start != ends.get(previous))
        wrong += rivals[1:]
    return wrong


def _one_for_each_key(links: Iterable[Link]) -> list[Link]:
    """Of several contents under one key the verified one, in order of time."""
    best: dict[str, Link] = {}
    for link in links:
        held = best.get(link.key)
        if held is None or (held.state is not DigestState.VERIFIED and link.state is DigestState.VERIFIED):
            best[link.key] = link
    return sorted(best.values(), key=lambda each: (each.end, each.start, each.key))


def _at_most_an_hour(link: Link) -> Link:
    """A digest that is not verified fills the hour that its name says and no more, whatever time it claims."""
    if link.state is DigestState.VERIFIED:
        return link
    return replace(link, start=max(link.start, link.end - _HOUR))


def find_gaps(links: Iterable[Link], first: int, last: int, *, backfill: bool = False) -> list[Gap]:
    """Where the digests of one chain do not follow each other.

    Args:
        links: digests of the chain that lie in the time, and better one more on either side.
        first: start of the time looked at.
        last: its end, no later than the present minus the time that digests take to arrive.
        backfill: the chain is one of backfill digests, which have no rhythm.
    """
    ordered = [_at_most_an_hour(link) for link in _one_for_each_key(links)]
    if backfill:
        return _unlinked(ordered, first, last)
    gaps: list[Gap] = []
    before: Link | None = None
    for link in ordered:
        if before is None:
            if link.start > first and link.previous_key is not None:
                gaps.append(Gap(_named_kind(link), first, link.start, link.previous_key, _verified(link)))
        else:
            gaps += _between(before, link)
        before = link if before is None or link.end >= before.end else before
    if before is not None and before.end < last:
        gaps.append(Gap(GapKind.ENDED, before.end, last))
    return [
        replace(gap, start=max(gap.start, first), end=min(gap.end, last)) if gap.start < gap.end else gap
        for gap in gaps
        if gap.end >= first and gap.start <= last and (gap.start == gap.end or (gap.end > first and gap.start < last))
    ]


def _verified(link: Link) -> bool:
    return link.state is DigestState.VERIFIED


def _begins(link: Link) -> bool:
    """Whether CloudTrail itself says that a chain begins with this digest."""
    return link.previous_key is None and link.state is DigestState.VERIFIED


def _named_kind(link: Link) -> GapKind:
    return GapKind.ELSEWHERE if (link.previous_key or "").startswith("s3://") else GapKind.MISSING


def _between(before: Link, link: Link) -> list[Gap]:
    follows = link.previous_key == before.key
    if link.start < before.end:
        return [Gap(GapKind.OVERLAP, link.start, min(before.end, link.end))]
    if link.start == before.end:
        missing = not follows and link.previous_key is not None and link.state is DigestState.VERIFIED
        return [Gap(_named_kind(link), link.start, link.start, link.previous_key, True)] if missing else []
    if _begins(link):
        return [Gap(GapKind.RESTARTED, before.end, link.start)]
    if follows and link.state is DigestState.VERIFIED:
        return [Gap(GapKind.SKIPPED, before.end, link.start)]
    return [Gap(_named_kind(link), before.end, link.start, link.previous_key, _verified(link))]


def _unlinked(ordered: Sequence[Link], first: int, last: int) -> list[Gap]:
    """Predecessors that are named and not there, as far as their names say that they lie in the time."""
    keys = {link.key for link in ordered}
    gaps: list[Gap] = []
    for link in ordered:
        if link.previous_key is None or link.previous_key in keys:
            continue
        name = digest_name(link.previous_key)
        if name is not None and first <= to_micros(name.end) <= last:
            at = to_micros(name.end)
            gaps.append(Gap(GapKind.MISSING, at, at, link.previous_key, _verified(link)))
    return gaps


class Coverage:
    """The time that the verified digests of one chain cover without a break.

    Others count for nothing: whoever may write to the bucket can put digests there that claim any time and any trail.
    """

    def __init__(self, links: Iterable[Link]) -> None:
        ordered = [link for link in _one_for_each_key(links) if _verified(link)]
        self.begins = min((link.start for link in ordered), default=0)
        self.ends = max((link.end for link in ordered), default=0)
        self._begun = bool(ordered) and _begins(min(ordered, key=lambda each: each.start))
        self._starts: list[int] = []
        self._stops: list[int] = []
        for link in sorted(ordered, key=lambda each: each.start):
            if self._stops and link.start <= self._stops[-1]:
                self._stops[-1] = max(self._stops[-1], link.end)
            else:
                self._starts.append(link.start)
                self._stops.append(link.end)

    def over(self, first: int, last: int) -> Literal["whole", "later", "broken", "before"]:
        """How the time from ``first`` to ``last`` is covered.

        Returns:
            ``whole``; ``later`` (whole so far, and the digests to come may cover the rest); ``broken`` (a digest of
            this time is missing or not verified); ``before`` (the chain did not exist then, as far as is proved).
        """
        if not self._starts:
            return "before"
        if last <= self.begins and self._begun:
            return "before"
        until = min(last, self.ends)
        if first < until:
            index = bisect_right(self._starts, first) - 1
            if index < 0 or self._stops[index] < until:
                return "broken"
        return "whole" if self.ends >= last else "later"
