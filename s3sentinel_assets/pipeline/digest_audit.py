"""Verification without the ledger: digests and every log file that they list, downloaded and hashed anew.

Belongs here: walking a bucket account by account and region by region, in bounded memory, and counting. Does not belong
here: rules (``integrity``), what is printed (``cli.verify_digests``).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.integrity import (
    Coverage,
    GapKind,
    Link,
    LogFile,
    Reason,
    find_gaps,
    judge_links,
    judge_log,
    judge_unlisted,
    log_name,
    read_content,
    scope_of_digest,
    scope_of_log,
    sentence,
)
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.schema import DigestState, Integrity
from s3sentinel_assets.pipeline.digest_reading import DIGEST_DELAY, DigestReader, ahead, as_link

if TYPE_CHECKING:
    from s3sentinel_assets.s3.digests import ListedFile

__all__ = ["ChainAudit", "audit_digests"]

_DOWNLOADS = 16
_UNLISTED_LIMIT = 100_000
_TOLD_A_DIGEST = 20
_COUNTED = frozenset({GapKind.MISSING, GapKind.RESTARTED, GapKind.ENDED})

Tell = Callable[[str], object]
Step = Callable[[int, int], object]


@dataclass
class ChainAudit:
    """What was found of one chain of digests.

    Attributes:
        chain: account, region and trail.
        digests: digests of the time, by state; ``unread`` are those that S3 does not hand over.
        missing_hours: hours of the time without a digest although there should be one.
        missing_digests: predecessors that are named and not there although no hour is missing.
        logs: log files that its digests list: ``verified``, ``failed``, ``missing``, ``unproved`` (by the digest),
            ``unread`` (S3 does not hand them over).
        uncovered: log files of its account and region that no digest lists although those of their time are all there.
            Log files do not tell their trail; they are counted with the first chain of the account and region.
        unsure: the same, where a digest that could list them is missing or not proved.
    """

    chain: str
    digests: Counter[str] = field(default_factory=Counter)
    missing_hours: float = 0.0
    missing_digests: int = 0
    logs: Counter[str] = field(default_factory=Counter)
    uncovered: int = 0
    unsure: int = 0

    @property
    def proved(self) -> bool:
        """Whether everything is verified and nothing is missing."""
        trouble = self.missing_hours or self.missing_digests or self.uncovered or self.unsure
        return not trouble and set(+self.digests) <= {"verified"} and set(+self.logs) <= {"verified"}

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON; counts of nothing left out."""
        return {
            "chain": self.chain,
            "proved": self.proved,
            "digests": dict(+self.digests),
            "missing_hours": round(self.missing_hours, 3),
            "missing_digests": self.missing_digests,
            "logs": dict(+self.logs),
            "uncovered": self.uncovered,
            "unsure": self.unsure,
        }


@dataclass
class _Seen:
    """A digest whose log files are being looked at; what is found counts once its own state is settled."""

    number: int
    chain: str
    uri: str
    state: DigestState
    note: str | None
    logs: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def count(self, file: LogFile, outcome: str, problem: str | None) -> None:
        """Counts a log file."""
        self.logs[outcome] += 1
        if problem and len(self.told) < _TOLD_A_DIGEST:
            self.told.append(f"log file s3://{file.bucket}/{file.key} {outcome}: {problem}")


class _Scope:
    """The digests and log files of one account and region."""

    def __init__(self, reader: DigestReader, scope: str, first: datetime, last: datetime, *, logs: bool) -> None:
        self.reader = reader
        self.scope = scope
        self.first = first
        self.last = last
        self.logs = logs
        self.digests = self.unread = 0
        self.links: dict[str, list[Link]] = {}
        self.kept: list[_Seen] = []
        self.daily = "{dd}" in reader.template  # else digests of several trails may not come day by day
        self.days = [first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)]
        self.listed: dict[date, set[int]] = {}
        self.unlisted: list[tuple[str, int]] = []

    def files(self, group: Iterable["ListedFile"], tell: Tell) -> Iterator[tuple[_Seen, LogFile]]:
        """Checks the digests one after another and gives the log files to be hashed."""
        for entry, checked in self.reader.checked(group):
            if checked is None or isinstance(checked, str):
                self.unread += 1
                tell(f"digest {checked}" if checked else f"digest s3://{entry.bucket}/{entry.key} vanished meanwhile")
                continue
            self.digests += 1
            if self.daily:
                self._finish_days(checked.end.date() - timedelta(days=2))
            self.links.setdefault(checked.chain, []).append(as_link(self.digests, checked))
            uri = f"s3://{entry.bucket}/{entry.key}"
            seen = _Seen(self.digests, checked.chain, uri, checked.state, checked.note)
            inside = checked.end > self.first and checked.start < self.last
            if inside:
                self.kept.append(seen)
            for file in checked.files if self.logs else ():
                self._list(file)
                if inside:
                    yield seen, file

    def _list(self, file: LogFile) -> None:
        name = log_name(file.key)
        day = name.delivered_at.date() if name else self.first.date()
        # Python's own hash is keyed anew in each process: nobody can make a key that is taken for a listed one.
        self.listed.setdefault(day, set()).add(hash((file.bucket, file.key)))

    def _finish_days(self, until: date) -> None:
        """Looks for log files of days whose digests have all been seen, and forgets what they list."""
        while self.days and self.days[0] <= until:
            day = self.days.pop(0)
            if self.logs:
                self._look_for_unlisted(day)
            for old in [each for each in self.listed if each < day]:
                del self.listed[old]

    def _look_for_unlisted(self, day: date) -> None:
        from s3sentinel_assets.s3.digests import list_files, log_template

        template = log_template(self.reader.source)
        if template is None:
            return
        for field_name, value in zip(("region", "account", "organization"), self.scope.split("/")[::-1], strict=False):
            template = template.replace(f"{{{field_name}}}", value)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self.first.tzinfo)
        near = [self.listed.get(day + timedelta(days=n), set()) for n in (-1, 0, 1)]
        listing = list_files(
            self.reader.client, self.reader.source.bucket, template, self.reader.access, first=noon, last=noon
        )
        for entry in listing:
            if scope_of_log(entry.key) != self.scope or any(hash((entry.bucket, entry.key)) in keys for keys in near):
                continue
            name = log_name(entry.key)
            delivered = name.delivered_at if self.reader.copied and name else entry.last_modified
            if self.first <= delivered < self.last and len(self.unlisted) < _UNLISTED_LIMIT:
                self.unlisted.append((entry.key, to_micros(delivered)))

    def finish(self, tell: Tell) -> list[ChainAudit]:
        """Judges links, holes and unlisted log files once all digests have been seen."""
        self._finish_days(date.max)
        first, last = to_micros(self.first), to_micros(min(self.last, self.reader.now - DIGEST_DELAY))
        audits = {chain: ChainAudit(chain) for chain in sorted(self.links) or [self.scope]}
        next(iter(audits.values())).digests["unread"] += self.unread
        settled: dict[int, tuple[DigestState, str | None]] = {}
        covers: list[Coverage] = []
        for chain, links in self.links.items():
            changed = {verdict.id: verdict for verdict in judge_links(links)}
            settled |= {verdict.id: (verdict.state, verdict.note) for verdict in changed.values()}
            backfill = chain.endswith("/backfill")
            if chain == "?":
                continue
            for gap in find_gaps(links, first, last, backfill=backfill):
                tell(f"chain {chain}: {gap.text}")
                if gap.kind in _COUNTED:
                    audits[chain].missing_hours += gap.hours
                    audits[chain].missing_digests += not gap.hours
            if not backfill:
                states = {number: state for number, (state, _) in settled.items()}
                covers.append(Coverage(_with_states(links, states)))
        for seen in self.kept:
            state, note = settled.get(seen.number, (seen.state, seen.note))
            _account(audits[seen.chain], seen, state, note, tell)
        self._judge_unlisted(next(iter(audits.values())), covers, tell)
        return list(audits.values())

    def _judge_unlisted(self, counted: ChainAudit, covers: list[Coverage], tell: Tell) -> None:
        for key, delivered in self.unlisted:
            status, _, note = judge_unlisted(delivered, covers)
            if status is Integrity.UNCOVERED:
                counted.uncovered += 1
            elif status is Integrity.UNPROVED:
                counted.unsure += 1
            else:
                continue  # its digest has not arrived yet, or there was no trail at its time
            tell(f"log file s3://{self.reader.source.bucket}/{key} {status.value}: {note}")


def _with_states(links: Iterable[Link], states: dict[int, DigestState]) -> Iterator[Link]:
    return (replace(link, state=states[link.id]) if link.id in states else link for link in links)


def _account(audit: ChainAudit, seen: _Seen, state: DigestState, note: str | None, tell: Tell) -> None:
    """Adds a digest and its log files to its chain's account."""
    audit.digests[state.value] += 1
    if state is not DigestState.VERIFIED:
        tell(f"digest {seen.uri} {state.value}: {note}")
        # Only that a log file is gone needs no proof of what it should hold.
        audit.logs["missing"] += seen.logs["missing"]
        audit.logs["unproved"] += sum(seen.logs.values()) - seen.logs["missing"]
        return
    audit.logs.update(seen.logs)
    for problem in seen.told:
        tell(problem)


def _hash(reader: DigestReader, file: LogFile, limit: int) -> tuple[str, str | None]:
    """Downloads and hashes one log file: what it is, and why."""
    from s3sentinel_assets.s3.digests import ObjectGoneError, open_log

    try:
        content = read_content(open_log(reader.client, file.bucket, file.key, reader.access), limit=limit)
    except ObjectGoneError:
        return "missing", "the digest lists it, and it is not there"
    except UserError as error:
        return "unread", str(error)
    status, reason, note = judge_log([(file.sha256, DigestState.VERIFIED)], content.sha256, content.problem)
    if reason is Reason.CONTENT_CHANGED:
        note = sentence(Reason.CONTENT_CHANGED)
    return status.value, note


def audit_digests(
    reader: DigestReader,
    first: datetime,
    last: datetime,
    *,
    logs: bool = True,
    log_limit: int,
    tell: Tell,
    step: Step = lambda _digests, _logs: None,
) -> Iterator[ChainAudit]:
    """Verifies the digests of a source for a time, and the log files that they list.

    Args:
        reader: the source's reader.
        first: start of the time in which the log files were delivered.
        last: its end.
        logs: whether to download and hash the log files, and to look for some that no digest lists.
        log_limit: decoded bytes allowed in a log file.
        tell: gets one sentence for each problem.
        step: gets the number of digests and log files done so far.

    Yields:
        Chain by chain what was found.

    Raises:
        UserError: S3 cannot be reached or refuses to list.
    """
    digests = hashed = 0

    def scope_of(entry: "ListedFile") -> str:
        return scope_of_digest(entry.key) or "?"

    with ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="log") as pool:
        for scope, group in itertools.groupby(reader.listed(first, last), key=scope_of):
            work = _Scope(reader, scope, first, last, logs=logs)
            outcomes = ahead(
                pool, lambda item: _hash(reader, item[1], log_limit), work.files(group, tell), 4 * _DOWNLOADS
            )
            for (seen, file), (outcome, problem) in outcomes:
                seen.count(file, outcome, problem)
                hashed += 1
                step(digests + work.digests, hashed)
            digests += work.digests
            step(digests, hashed)
            if work.digests or work.unread:
                yield from work.finish(tell)
