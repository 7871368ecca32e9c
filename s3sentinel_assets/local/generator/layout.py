"""Where and when AWS delivers log files: keys, five-minute windows and delivery delays.

Belongs here: the key layouts and the clock of delivery. Does not belong here: the content of the files.
"""

import gzip
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.local.generator.draws import base62, hexadecimal
from s3sentinel_assets.local.generator.model import SourceName

__all__ = ["WINDOW_SECONDS", "cloudtrail_key", "delivery", "digest_key", "flow_log_key", "pack", "windows_of_hour"]

WINDOW_SECONDS = 300
#: Name and home region of the one trail that writes all CloudTrail files; digests have them in their keys.
_TRAIL, _TRAIL_HOME = "acme-trail", "us-east-1"
#: Seconds from the end of a window to the delivery of its file. CloudTrail's files come minutes after the events.
_DELAYS: dict[SourceName, tuple[int, int]] = {"cloudtrail": (120, 780), "vpc_flow": (40, 400)}


def cloudtrail_key(account: str, region: str, stamp: datetime, rng: random.Random) -> str:
    """The key of a CloudTrail file; ``stamp`` is the end of its window."""
    name = f"{account}_CloudTrail_{region}_{stamp:%Y%m%dT%H%MZ}_{base62(rng, 16)}.json.gz"
    return f"AWSLogs/{account}/CloudTrail/{region}/{stamp:%Y/%m/%d}/{name}"


def digest_key(account: str, region: str, end: datetime, *, backfill: bool) -> str:
    """The key of a digest file of CloudTrail; ``end`` is that of its hour, ``backfill`` one for late log files."""
    name = f"{account}_CloudTrail-Digest_{region}_{_TRAIL}_{_TRAIL_HOME}_{end:%Y%m%dT%H%M%SZ}"
    name += "_backfill.json.gz" if backfill else ".json.gz"
    return f"AWSLogs/{account}/CloudTrail-Digest/{region}/{end:%Y/%m/%d}/{name}"


def flow_log_key(account: str, region: str, flow_log: str, stamp: datetime, rng: random.Random) -> str:
    """The key of a VPC flow log file; ``stamp`` is the end of its window."""
    name = f"{account}_vpcflowlogs_{region}_{flow_log}_{stamp:%Y%m%dT%H%MZ}_{hexadecimal(rng, 8)}.log.gz"
    return f"AWSLogs/{account}/vpcflowlogs/{region}/{stamp:%Y/%m/%d}/{name}"


def delivery(source: SourceName, window_end: datetime, rng: random.Random) -> datetime:
    """When a window's file arrives in S3."""
    low, high = _DELAYS[source]
    return window_end + timedelta(seconds=rng.randint(low, high))


def windows_of_hour(source: SourceName, hour: str) -> Iterator[datetime]:
    """Starts of the windows whose file may arrive in ``hour``; the caller drops those that arrive outside it."""
    begin = int(hour_start(hour).timestamp())
    first = (begin - _DELAYS[source][1]) // WINDOW_SECONDS * WINDOW_SECONDS - WINDOW_SECONDS
    for start in range(first, begin + 3600, WINDOW_SECONDS):
        yield datetime.fromtimestamp(start, UTC)


def pack(text: str) -> bytes:
    """Gzip as AWS delivers it, without a time of its own so that equal text gives equal bytes."""
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)
