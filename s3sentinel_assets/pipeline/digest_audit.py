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
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.integrity import (
    Coverage,
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
from s3sentinel_assets.pipeline.chain_audit import COUNTED, ChainAudit, Tell
from s3sentinel_assets.pipeline.digest_reading import DIGEST_DELAY, DigestReader, ahead, as_link
from s3sentinel_assets.pipeline.digest_silence import audit_silence, delivered

if TYPE_CHECKING:
    from s3sentinel_assets.s3.digests import ListedFile

__all__ = ["audit_digests"]

_DOWNLOADS = 16
_UNLISTED_LIMIT = 100_000
_TOLD_A_DIGEST = 20
Step = Callable[[int, int], object]


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
        self.listed: dict[date, set[int]] = {}  # by verified digests
        #: By other digests: which of them; a successor may still prove these.
        self.claimed: dict[date, dict[int, list[int]]] = {}
        self.inside: set[int] = set()
        self.unlisted: list[tuple[str, int, tuple[int, ...]]] = []
        self.not_kept = 0

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
                self.inside.add(seen.number)
            for file in checked.files if self.logs else ():
                self._list(file, seen)
                if inside:
                    yield seen, file

    def _list(self, file: LogFile, seen: _Seen) -> None:
        name = log_name(file.key)
        day = name.delivered_at.date() if name else self.first.date()
        # Python's own hash is keyed anew in each process: nobody can make a key that is taken for a listed one.
        known = hash((file.bucket, file.key))
        if seen.state is DigestState.VERIFIED:
            self.listed.setdefault(day, set()).add(known)
        else:
            self.claimed.setdefault(day, {}).setdefault(known, []).append(seen.number)

    def _finish_days(self, until: date) -> None:
        """Looks for log files of days whose digests have all been seen, and forgets what they list."""
        while self.days and self.days[0] <= until:
            day = self.days.pop(0)
            if self.logs:
                self._look_for_unlisted(day)
            for kept in (self.listed, self.claimed):
                for old in [each for each in kept if each < day]:
                    del kept[old]

    def _look_for_unlisted(self, day: date) -> None:
        from s3sentinel_assets.s3.digests import in_scope, list_files, log_template

        template = log_template(self.reader.source)
        if template is None:
            return
        template = in_scope(template, self.scope)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self.first.tzinfo)
        days = [day + timedelta(days=n) for n in (-1, 0, 1)]
        near = [self.listed.get(each, set()) for each in days]
        claims = [self.claimed.get(each, {}) for each in days]
        listing = list_files(
            self.reader.client, self.reader.source.bucket, template, self.reader.access, first=noon, last=noon
        )
        for entry in listing:
            known = hash((entry.bucket, entry.key))
            if scope_of_log(entry.key) != self.scope or any(known in keys for keys in near):
                continue
            at = delivered(self.reader, entry)
            if not self.first <= at < self.last:
                continue
            numbers = tuple(number for each in claims for number in each.get(known, ()))
            if len(self.unlisted) < _UNLISTED_LIMIT:
                self.unlisted.append((entry.key, to_micros(at), numbers))
            else:
                self.not_kept += 1

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
                if gap.kind in COUNTED:
                    audits[chain].missing_hours += gap.hours
                    audits[chain].missing_digests += not gap.hours
            if not backfill:
                states = {number: state for number, (state, _) in settled.items()}
                covers.append(Coverage(_with_states(links, states)))
        for seen in self.kept:
            state, note = settled.get(seen.number, (seen.state, seen.note))
            _account(audits[seen.chain], seen, state, note, tell)
        states = {number: state for number, (state, _) in settled.items()}
        self._judge_unlisted(next(iter(audits.values())), covers, states, tell)
        return list(audits.values())

    def _judge_unlisted(
        self, counted: ChainAudit, covers: list[Coverage], settled: dict[int, DigestState], tell: Tell
    ) -> None:
        if self.not_kept:
            counted.unsure += self.not_kept
            tell(f"{self.scope}: {self.not_kept} more log files that no verified digest lists; verify a shorter time")
        for key, at, numbers in self.unlisted:
            if any(settled.get(number) is DigestState.VERIFIED for number in numbers):
                continue  # its digest was proved by the one that followed
            status, _, note = judge_unlisted(at, covers, named=bool(numbers))
            if status is Integrity.UNCOVERED:
                counted.uncovered += 1
            elif status is Integrity.UNPROVED and self.inside.isdisjoint(numbers):  # else counted with its digest
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
    scopes: set[str] = set()
    chains: set[str] = set()

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
                scopes.add(scope)
                chains.update(work.links)
                yield from work.finish(tell)
    yield from audit_silence(reader, first, last, scopes, chains, logs=logs, tell=tell)
