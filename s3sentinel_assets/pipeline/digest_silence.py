"""Where digests should be and none is: whoever removes all of them leaves nothing that could fail.

Belongs here: accounts and regions with log files and without digests, and chains that have digests before and after a
time and none in it. Does not belong here: the digests that are there (``digest_audit``).
"""

from collections.abc import Iterator, Set
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.integrity import CheckedDigest, digest_name, find_gaps, log_name, scope_of_log
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.schema import DigestState
from s3sentinel_assets.pipeline.chain_audit import COUNTED, ChainAudit, Tell
from s3sentinel_assets.pipeline.digest_reading import DIGEST_DELAY, DigestReader, as_link

if TYPE_CHECKING:
    from s3sentinel_assets.s3.digests import ListedFile

__all__ = ["audit_silence", "delivered"]

#: How far a chain is looked for beyond the time: at least to the end of the next month, and a year back.
_AFTER = timedelta(days=31)
_MONTHS_BACK = 12


def delivered(reader: DigestReader, entry: "ListedFile") -> datetime:
    """When a log file was delivered; a copy is newer than what it copies."""
    name = log_name(entry.key)
    return name.delivered_at if reader.copied and name else entry.last_modified


def audit_silence(
    reader: DigestReader,
    first: datetime,
    last: datetime,
    scopes: Set[str],
    chains: Set[str],
    *,
    logs: bool,
    tell: Tell,
) -> Iterator[ChainAudit]:
    """What is wrong where the time has no digests.

    Args:
        reader: the source's reader.
        first: start of the time.
        last: its end.
        scopes: accounts and regions that have digests in the time.
        chains: chains that do.
        logs: whether to look for log files without digests.
        tell: gets one sentence for each problem.

    Raises:
        UserError: S3 cannot be reached or refuses to list.
    """
    last = min(last, reader.now - DIGEST_DELAY)
    if first >= last:
        return
    audits: dict[str, ChainAudit] = {}
    for chain, before, after in _interrupted(reader, first, last, chains):
        if after.state is not DigestState.VERIFIED:
            # Else a forged beginning of the chain would hide that it was there before.
            audits.setdefault(chain, ChainAudit(chain)).digests[after.state.value] += 1
            tell(f"digest s3://{after.found.bucket}/{after.found.key} {after.state.value}: {after.note}")
        links = [as_link(0, before), as_link(1, after)] if before else []
        for gap in find_gaps(links, to_micros(first), to_micros(last)):
            tell(f"chain {chain}: {gap.text}")
            if gap.kind in COUNTED:
                audits.setdefault(chain, ChainAudit(chain)).missing_hours += gap.hours
    for scope, files in _without_digests(reader, first, last, scopes) if logs else ():
        tell(
            f"{scope}: {files} log files and not one digest file of this time: the digests were removed, or log file "
            "validation is switched off"
        )
        audits.setdefault(scope, ChainAudit(scope)).unsure += files
    yield from audits.values()


def _without_digests(
    reader: DigestReader, first: datetime, last: datetime, scopes: Set[str]
) -> Iterator[tuple[str, int]]:
    """Accounts and regions whose log files of the time no digest can list, and how many there are."""
    from s3sentinel_assets.s3.digests import list_files, log_template, scope_prefixes

    template = log_template(reader.source)
    if template is None:
        return
    bucket, access = reader.source.bucket, reader.access
    for one in scope_prefixes(reader.client, bucket, template, access, first):
        scope = scope_of_log(one) or one
        if scope in scopes:
            continue
        listing = list_files(reader.client, bucket, one, access, first=first, last=last)
        files = sum(first <= delivered(reader, entry) < last for entry in listing)
        if files:
            yield scope, files


def _interrupted(
    reader: DigestReader, first: datetime, last: datetime, chains: Set[str]
) -> Iterator[tuple[str, CheckedDigest | None, CheckedDigest]]:
    """Chains without a digest in the time that go on after it: their names, the digests right before and after it.

    Chains that begin after it are left out, as far as that is proved.

    Raises:
        UserError: S3 cannot be reached or refuses.
    """
    from s3sentinel_assets.s3.digests import in_scope, month_template

    monthly = month_template(reader.template)
    margin, latest = timedelta(hours=1), last + DIGEST_DELAY
    following: dict[str, tuple[datetime, ListedFile]] = {}
    until = min(latest + _AFTER, reader.now)
    for chain, end, entry in _ends(reader, monthly, latest, until):
        if chain not in chains and end > latest and (chain not in following or end < following[chain][0]):
            following[chain] = end, entry
    for chain, (_, entry) in sorted(following.items()):
        after = _checked(reader, entry)
        begins = after is not None and after.state is DigestState.VERIFIED and after.previous_key is None
        if after is None or begins:
            continue
        before: CheckedDigest | None = None
        template = in_scope(monthly, after.name.scope if after.name else "")
        month = first - margin
        for _ in range(_MONTHS_BACK + 1):
            earlier = [
                (end, candidate)
                for name, end, candidate in _ends(reader, template, month, month)
                if name == chain and end < first - margin
            ]
            if earlier:
                before = _checked(reader, max(earlier, key=lambda pair: pair[0])[1])
                break
            month = month.replace(day=1) - timedelta(days=1)
        yield chain, before, after


def _ends(
    reader: DigestReader, template: str, first: datetime, last: datetime
) -> Iterator[tuple[str, datetime, "ListedFile"]]:
    """Chain and end of the digests under a template, by their names; backfill ones have no rhythm and are left out."""
    from s3sentinel_assets.s3.digests import list_files

    for entry in list_files(reader.client, reader.source.bucket, template, reader.access, first=first, last=last):
        name = digest_name(entry.key)
        if name is not None and not name.backfill:
            yield name.chain, name.end, entry


def _checked(reader: DigestReader, entry: "ListedFile") -> CheckedDigest | None:
    """The digest; None where it vanished meanwhile."""
    ((_, checked),) = reader.checked([entry])
    if isinstance(checked, str):
        raise UserError(f"digest {checked}")
    return checked
