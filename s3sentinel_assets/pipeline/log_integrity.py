"""The integrity of log files, from the ledger alone: the status of each, and the account of an hour.

Belongs here: applying what digests say to the objects of a source. Does not belong here: the digests themselves
(``integrity`` beside this module), the rules (the package ``integrity``).
"""

from dataclasses import dataclass

from s3sentinel_assets.hours import hour_end, hour_range, hour_start
from s3sentinel_assets.integrity import (
    Coverage,
    GapKind,
    Reason,
    digest_name,
    judge_unlisted,
    log_name,
    scope_of_log,
    sentence,
)
from s3sentinel_assets.ledger.digests import (
    DigestRow,
    ProblemTexts,
    count_digests,
    count_integrity,
    judge_listed,
    missing_files,
    set_integrity,
    unlisted_objects,
)
from s3sentinel_assets.ledger.engine import Ledger, to_micros
from s3sentinel_assets.ledger.hours import listed_at
from s3sentinel_assets.ledger.schema import DigestState, Integrity
from s3sentinel_assets.pipeline.digest_chains import HOUR, ChainRows, chains_between, gaps_of, link_of
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["HourIntegrity", "hour_integrity", "judge_objects"]

_TOLD = 50
#: Holes in a chain that are nobody's fault as long as the links hold.
_HARMLESS = frozenset({GapKind.SKIPPED, GapKind.ELSEWHERE})
_TEXTS = ProblemTexts(
    changed=sentence(Reason.CONTENT_CHANGED),
    disagree=sentence(Reason.DIGESTS_DISAGREE),
    not_hashed=sentence(Reason.NOT_HASHED),
)


@dataclass(frozen=True)
class HourIntegrity:
    """What is known of the integrity of one hour's log files, from the ledger alone.

    Attributes:
        source: the source.
        hour: the hour.
        asked: whether the source's digests are looked at at all.
        objects: log files by status; None: not read, or read when nobody asked.
        missing: log files that a verified digest lists and the bucket does not hold.
        missing_keys: the first of them.
        digests: digests that end in the hour, by state.
        digests_missing: stretches of this hour whose digests are not there although their chain goes on with verified
            ones, and digests that lie in their place without being proved.
        gap_hours: the part of this hour that no digest covers although there should be one, of all chains together.
        problems: one sentence each.
    """

    source: str
    hour: str
    asked: bool
    objects: dict[Integrity | None, int]
    missing: int
    missing_keys: tuple[str, ...]
    digests: dict[DigestState, int]
    digests_missing: int
    gap_hours: float
    problems: tuple[str, ...]

    @property
    def tampered(self) -> bool:
        """Whether something was changed, removed or put in between, as far as is proved.

        A chain that ends or begins anew is no proof: somebody may have stopped logging.
        """
        failed = self.objects.get(Integrity.FAILED, 0) + self.objects.get(Integrity.UNCOVERED, 0)
        return bool(failed or self.missing or self.digests.get(DigestState.FAILED, 0) or self.digests_missing)


def judge_objects(runtime: Runtime, source: str, first_hour: str, last_hour: str) -> dict[Integrity, int]:
    """Gives the read log files of these hours their status, from the ledger alone.

    Statuses that later digests may change (``pending``, ``unproved``, ``uncovered``) are judged again, ``verified`` and
    ``failed`` never. Hour by hour and in pages, so that memory stays flat.

    Returns:
        How many log files got a new status, by status.
    """
    settings, ledger = runtime.source(source), runtime.ledger
    changed: dict[Integrity, int] = {}
    if not settings.verifies_digests:
        return changed
    for hour in hour_range(first_hour, last_hour):
        for status, count in judge_listed(ledger, source, hour, _TEXTS).items():
            changed[status] = changed.get(status, 0) + count
        covered: dict[str, list[Coverage]] | None = None
        after = 0
        while True:
            with ledger.read() as connection:
                page = unlisted_objects(connection, source, hour, after)
            if not page:
                break
            if covered is None:
                covered = _coverage(ledger, source, hour, copied=settings.hour_from == "key")
            after = page[-1].id
            groups: dict[tuple[Integrity, str | None], list[int]] = {}
            for entry in page:
                delivered = entry.last_modified
                name = log_name(entry.key)
                if settings.hour_from == "key" and name is not None:
                    delivered = to_micros(name.delivered_at)  # a copy is newer than what it copies
                chains = covered.get(scope_of_log(entry.key) or "", [])
                status, _, note = judge_unlisted(delivered, chains, named=entry.named)
                if (status, note) != (entry.integrity, entry.note):
                    groups.setdefault((status, note), []).append(entry.id)
            for (status, note), ids in groups.items():
                set_integrity(ledger, status, note, ids)
                changed[status] = changed.get(status, 0) + len(ids)
    return changed


def _coverage(ledger: Ledger, source: str, hour: str, *, copied: bool) -> dict[str, list[Coverage]]:
    """Account and region → what its chains cover around an hour."""
    first, last = to_micros(hour_start(hour)), to_micros(hour_end(hour))
    margin = 2 * HOUR if copied else HOUR
    covered: dict[str, list[Coverage]] = {}
    for found in chains_between(ledger, source, first - margin, last + margin):
        rows = _rows_that_cover(found)
        name = digest_name(rows[0].key) if rows else None
        if name is not None and not name.backfill and found.chain != "?":
            covered.setdefault(name.scope, []).append(Coverage(link_of(row) for row in rows))
    return covered


def _rows_that_cover(found: ChainRows) -> list[DigestRow]:
    """The digests of a chain that say whether the log files of a time are all listed; none of a chain that had ended.

    Had it ended, digests that somebody puts there in its name must not make it take part again. Only while CloudTrail's
    keys are not to be had are they given the benefit of the doubt: nobody can tell then, and later everybody can.
    """
    doubtful = any(row.reason == Reason.KEYS_UNAVAILABLE.value for row in found.rows)
    proved = any(row.state is DigestState.VERIFIED for row in found.rows)
    return found.all_rows if proved or doubtful or (found.before and found.after) else []


def hour_integrity(runtime: Runtime, source: str, hour: str) -> HourIntegrity:
    """What the ledger knows of one hour: statuses, missing log files, the hour's digests and holes between them.

    A log file counts as missing only after a listing that must have shown it.
    """
    from s3sentinel_assets.s3.key_grammar import KeyGrammar

    settings, ledger = runtime.source(source), runtime.ledger
    first, last = to_micros(hour_start(hour)), to_micros(hour_end(hour))
    with ledger.read() as connection:
        objects = count_integrity(connection, source, hour)
        digests = count_digests(connection, source, first, last)
        watermark = listed_at(connection, source, hour) or 0
        missing: list[str] = []
        count = 0
        grammar = KeyGrammar(settings.prefix)  # digests may also list what the source does not read
        # Names tell the delivery to 5 minutes; what came before the first partition is not in the ledger.
        begin = to_micros(runtime.config.start) + 10 * 60_000_000
        for file in missing_files(connection, source, first - HOUR, last + HOUR):
            name = log_name(file.key)
            delivered = to_micros(name.delivered_at) if name else file.start_at
            if not first <= delivered < last or delivered < begin or watermark < file.end_at:
                continue
            if file.bucket != settings.bucket or not grammar.matches(file.key):
                continue
            count += 1
            if len(missing) < _TOLD:
                missing.append(file.key)
    problems: list[str] = []
    hours, digests_missing = 0.0, 0
    for found in chains_between(ledger, source, first, last):
        for row in found.rows:
            if first < row.end_at <= last and row.state is not DigestState.VERIFIED:
                problems.append(f"digest {row.key} {row.state.value}: {row.note}")
                # A verified successor would have proved it, were it the digest that CloudTrail wrote.
                digests_missing += row.state is DigestState.UNPROVED and found.goes_on_after(row)
        for gap in gaps_of(found.chain, [link_of(row) for row in found.all_rows], first, last):
            problems.append(f"chain {found.chain}: {gap.text}")
            digests_missing += gap.kind is GapKind.MISSING and gap.proved
            hours += 0 if gap.kind in _HARMLESS or gap.kind is GapKind.OVERLAP else gap.hours
    problems += [f"log file {key} is listed by a verified digest and missing" for key in missing]
    return HourIntegrity(
        source=source,
        hour=hour,
        asked=settings.verifies_digests,
        objects=objects,
        missing=count,
        missing_keys=tuple(missing[:10]),
        digests=digests,
        digests_missing=digests_missing,
        gap_hours=hours,
        problems=tuple(problems[:_TOLD]),
    )
