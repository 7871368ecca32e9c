"""What the keys of CloudTrail's digest and log files say: organisation, account, region, trail, time.

Belongs here: reading keys. Does not belong here: templates of a source (``s3.digests``).

Formats, from the user guide ("CloudTrail digest file structure", "CloudTrail log file names"):
``…/AWSLogs/[o-id/]account/CloudTrail-Digest/region/yyyy/mm/dd/account_CloudTrail-Digest_region_trail_home_end.json.gz``
with ``_backfill`` before ``.json.gz`` where log files were left out of the digest of their time, and
``…/AWSLogs/[o-id/]account/CloudTrail/region/yyyy/mm/dd/account_CloudTrail_region_delivered_random.json.gz``.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["DigestName", "LogName", "digest_name", "log_name", "scope_of_digest", "scope_of_log"]

#: Nothing else: the region becomes part of a host name, and whoever writes to the bucket chooses the key.
_REGION = r"[a-z]{2,5}(?:-[a-z]{1,12}){1,3}-\d{1,2}"
_DIGEST = re.compile(
    rf"(?P<account>\d{{12}})_CloudTrail-Digest_(?P<region>{_REGION})_(?P<trail>[^/]{{1,128}})_(?P<home>{_REGION})"
    r"_(?P<end>\d{8}T\d{6}Z)(?P<backfill>_backfill)?\.json\.gz",
    re.ASCII,
)
_LOG = re.compile(
    rf"(?P<account>\d{{12}})_CloudTrail_(?P<region>{_REGION})_(?P<at>\d{{8}}T\d{{4}}Z)_[^/]+\.json(?:\.gz)?", re.ASCII
)
_ORGANIZATION = re.compile(r"(?:^|/)(o-[a-z0-9]{1,40})/\d{12}/CloudTrail(?:-Digest)?/", re.ASCII)
_LOG_FOLDER = re.compile(rf"(?:^|/)(?:(o-[a-z0-9]{{1,40}})/)?(\d{{12}})/CloudTrail/({_REGION})/", re.ASCII)
_DIGEST_FOLDER = re.compile(rf"(?:^|/)(?:(o-[a-z0-9]{{1,40}})/)?(\d{{12}})/CloudTrail-Digest/({_REGION})/", re.ASCII)


@dataclass(frozen=True, slots=True)
class DigestName:
    """What a digest's key says.

    Attributes:
        scope: ``[o-id/]account/region``: whose log files it lists.
        region: whose keys sign it.
        chain: the scope, the trail and its home region, and whether it backfills.
        end: end of the time it covers.
        backfill: whether it lists log files that were left out of the digests of their time.
    """

    scope: str
    region: str
    chain: str
    end: datetime
    backfill: bool


@dataclass(frozen=True, slots=True)
class LogName:
    """What a log file's key says.

    Attributes:
        scope: ``[o-id/]account/region``.
        delivered_at: when CloudTrail delivered it, to 5 minutes.
    """

    scope: str
    delivered_at: datetime


def _instant(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern).replace(tzinfo=UTC)
    except ValueError:  # a 31st of February
        return None


def _scope(key: str, account: str, region: str) -> str:
    organization = _ORGANIZATION.search(key)
    return f"{organization[1]}/{account}/{region}" if organization else f"{account}/{region}"


def digest_name(key: str) -> DigestName | None:
    """What the key of a digest says; None when it is not the key of one."""
    match = _DIGEST.fullmatch(key.rpartition("/")[2])
    end = _instant(match["end"], "%Y%m%dT%H%M%SZ") if match else None
    if match is None or end is None:
        return None
    scope, backfill = _scope(key, match["account"], match["region"]), match["backfill"] is not None
    chain = f"{scope}/{match['trail']}/{match['home']}" + ("/backfill" if backfill else "")
    return DigestName(scope, match["region"], chain, end, backfill)


def log_name(key: str) -> LogName | None:
    """What the key of a log file says; None when it is not the key of one."""
    match = _LOG.fullmatch(key.rpartition("/")[2])
    at = _instant(match["at"], "%Y%m%dT%H%MZ") if match else None
    if match is None or at is None:
        return None
    return LogName(_scope(key, match["account"], match["region"]), at)


def scope_of_log(key: str) -> str | None:
    """``[o-id/]account/region`` of whatever lies in a folder of log files, whatever its name; None elsewhere."""
    return _folder_scope(_LOG_FOLDER, key) or _of(log_name(key))


def scope_of_digest(key: str) -> str | None:
    """``[o-id/]account/region`` of whatever lies in a folder of digests, whatever its name; None elsewhere."""
    return _folder_scope(_DIGEST_FOLDER, key) or _of(digest_name(key))


def _folder_scope(folder: re.Pattern[str], key: str) -> str | None:
    match = folder.search(key)
    return "/".join(part for part in match.groups() if part) if match else None


def _of(name: DigestName | LogName | None) -> str | None:
    return name.scope if name else None
