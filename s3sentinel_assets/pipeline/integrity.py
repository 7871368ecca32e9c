"""Integrity with the ledger: digests verified once, and a status for each log file that was read.

Belongs here: the order of work, and what the assets, checks and sweeps ask. Does not belong here: what proves what
(``integrity``), queries (``ledger.digests``), verification without the ledger (``digest_audit``).
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.hours import hour_end, hour_start
from s3sentinel_assets.integrity import CheckedDigest, Gap, Reason, digest_name, judge_links
from s3sentinel_assets.ledger.digests import (
    DigestRecord,
    change_digest,
    digest_rows,
    known_digests,
    note_of_verified,
    record_digest,
)
from s3sentinel_assets.ledger.engine import Ledger, to_micros
from s3sentinel_assets.ledger.schema import DigestState, Integrity
from s3sentinel_assets.pipeline.digest_chains import chains_between, gaps_of, link_of
from s3sentinel_assets.pipeline.digest_reading import DigestReader
from s3sentinel_assets.pipeline.log_integrity import HourIntegrity, hour_integrity, judge_objects
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.s3.digests import ListedFile

__all__ = ["HourIntegrity", "IntegrityReport", "hour_integrity", "judge_objects", "verify_digests"]

_PAGE = 500
_TOLD = 50
_CHECK_AGAIN = timedelta(hours=1)
#: Remark on a verified digest of a source that is read through an access point.
_BEHIND = "CloudTrail put it into the bucket "


@dataclass
class IntegrityReport:
    """What `verify_digests` found.

    Attributes:
        source: the source.
        asked: whether the source's digests are looked at at all.
        listed: digest objects seen.
        fetched: of these, fetched and checked now.
        digests: the digests of the time by state, as the ledger has them now.
        gaps: holes in the chains.
        gone: digests that were checked earlier and are no longer in the bucket.
        judged: log files that got a new status, by status.
        problems: one sentence each, at most 50.
        seconds: how long it took.
    """

    source: str
    asked: bool = True
    listed: int = 0
    fetched: int = 0
    digests: dict[DigestState, int] = field(default_factory=dict)
    gaps: list[tuple[str, Gap]] = field(default_factory=list)
    gone: int = 0
    judged: dict[Integrity, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def tell(self, problem: str) -> None:
        """Keeps a problem, up to a limit."""
        if len(self.problems) < _TOLD:
            self.problems.append(problem)


def _chunks(items: Iterable["ListedFile"], size: int) -> Iterator[list["ListedFile"]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def verify_digests(runtime: Runtime, source: str, first_hour: str, last_hour: str) -> IntegrityReport:
    """Brings the integrity of the log files of these hours up to date.

    Digests that are not in the ledger yet are fetched and checked, each recorded with its log files in one transaction;
    verified ones are never fetched again. Then the links between them are judged, and every read log file whose status
    is open. Trouble with S3 or CloudTrail's keys ends up among the report's problems: delivery does not wait for proof.

    Args:
        runtime: the runtime.
        source: the source's name.
        first_hour: first hour of the log files.
        last_hour: last hour, included.
    """
    began = time.monotonic()
    report = IntegrityReport(source)
    if not runtime.source(source).verifies_digests:
        report.asked = False
        return report
    try:
        reader = DigestReader.of(runtime, source)
    except ConfigurationError as error:
        report.tell(str(error))
        return report
    if reader.through_access_point:
        with runtime.ledger.read() as connection:
            note = note_of_verified(connection, source, reader.source.bucket) or ""
        reader.real_buckets.extend([note.removeprefix(_BEHIND)] if note.startswith(_BEHIND) else [])
    first, last = hour_start(first_hour), hour_end(last_hour)
    seen: set[str] = set()
    try:
        for chunk in _chunks(reader.listed(first, last), _PAGE):
            report.listed += len(chunk)
            seen.update(entry.key for entry in chunk)
            _check_new(runtime.ledger, reader, chunk, report)
    except UserError as error:
        report.tell(f"digests of source {source} cannot be listed to the end: {error}")
    else:
        _note_gone(runtime.ledger, reader, seen, report, to_micros(first), to_micros(last))
    _judge_chains(runtime.ledger, source, to_micros(first), to_micros(last), report)
    for status, count in judge_objects(runtime, source, first_hour, last_hour).items():
        report.judged[status] = report.judged.get(status, 0) + count
    report.seconds = time.monotonic() - began
    return report


def _check_new(ledger: Ledger, reader: DigestReader, chunk: Sequence["ListedFile"], report: IntegrityReport) -> None:
    """Fetches, checks and records what the ledger does not know, or could not prove."""
    source = reader.source.name
    with ledger.read() as connection:
        known = known_digests(connection, source, reader.source.bucket, [entry.key for entry in chunk])
    recently = to_micros(reader.now - _CHECK_AGAIN)
    wanted: list[ListedFile] = []
    for entry in chunk:
        before = known.get((entry.key, entry.etag))
        if before is None or (
            before.state is DigestState.UNPROVED
            and (before.checked_at < recently or before.reason == Reason.KEYS_UNAVAILABLE.value)
            and not _refused(reader, entry.key)
        ):
            wanted.append(entry)
    for entry, checked in reader.checked(wanted):
        if checked is None:
            continue  # the next listing shows what is there now
        if isinstance(checked, str):
            report.tell(f"digest {checked}")
            continue
        report.fetched += 1
        files = [(file.bucket, file.key, file.sha256) for file in checked.files]
        record_digest(ledger, _record(source, entry.etag, checked), files)


def _refused(reader: DigestReader, key: str) -> bool:
    """Whether the keys of the digest's region were refused a short time ago, so that fetching it again is of no use."""
    name = digest_name(key)
    return name is not None and reader.keys.refusal(name.region) is not None


def _record(source: str, etag: str, checked: CheckedDigest) -> DigestRecord:
    from s3sentinel_assets.s3.digests import is_access_point

    previous = checked.digest.previous if checked.digest and checked.state is not DigestState.FAILED else None
    note = checked.note
    if checked.state is DigestState.VERIFIED and checked.digest and is_access_point(checked.found.bucket):
        note = _BEHIND + checked.digest.bucket
    return DigestRecord(
        source=source,
        bucket=checked.found.bucket,
        key=checked.found.key,
        etag=etag,
        chain=checked.chain,
        start_at=to_micros(checked.start),
        end_at=to_micros(checked.end),
        state=checked.state,
        reason=checked.reason.value if checked.reason else None,
        note=note,
        content_sha256=checked.content_sha256,
        signature=checked.found.signature,
        previous_key=checked.previous_key if previous else None,
        previous_sha256=previous.sha256 if previous else None,
        previous_signature=previous.signature if previous else None,
    )


def _note_gone(
    ledger: Ledger, reader: DigestReader, seen: set[str], report: IntegrityReport, first: int, last: int
) -> None:
    """Digests that the ledger knows and the bucket does not hold any more. Their proofs stay good."""
    with ledger.read() as connection:
        for row in digest_rows(connection, reader.source.name, first, last):
            if row.key not in seen:
                report.gone += 1
                report.tell(
                    f"digest s3://{reader.source.bucket}/{row.key} was there and is gone: it was removed, or it expired"
                )


def _judge_chains(ledger: Ledger, source: str, first: int, last: int, report: IntegrityReport) -> None:
    """Judges links, and gathers what is to be told of the digests of the time."""
    changes: list[tuple[str, int, DigestState, str, str]] = []
    for found in chains_between(ledger, source, first, last):
        chain, links = found.chain, [link_of(row) for row in found.all_rows]
        verdicts = {verdict.id: verdict for verdict in judge_links(links)}
        changes += [(chain, v.id, v.state, v.reason.value, v.note) for v in verdicts.values()]
        for row in found.rows:
            verdict = verdicts.get(row.id)
            state = verdict.state if verdict else row.state
            if row.end_at > first:
                report.digests[state] = report.digests.get(state, 0) + 1
                if state is not DigestState.VERIFIED:
                    report.tell(f"digest {row.key} {state.value}: {verdict.note if verdict else row.note}")
        for gap in gaps_of(chain, links, first, last):
            report.gaps.append((chain, gap))
            report.tell(f"chain {chain}: {gap.text}")
    if changes:
        with ledger.write() as connection:
            for _, digest_id, state, reason, note in changes:
                change_digest(connection, digest_id, state, reason, note)
