"""The time that a key carries in its own name, for the names that AWS's services give.

Belongs here: those names. Does not belong here: fields of a prefix template (``key_grammar``), a source's own
``key_time`` (the same). All times are UTC.

Names, from the services' user guides:

* CloudTrail ("CloudTrail log file name format"): ``…_us-east-2_20150801T0210Z_Mu0KsOhtH1ar15ZZ.json.gz``, the time of
  delivery. In the same way VPC flow logs ("Flow log files"), load balancers ("Access log files", the end of the
  interval), WAF, Route 53 Resolver query logs, Network Firewall and Global Accelerator.
* Config ("Example configuration history delivery notification"): ``…_20160927T195818Z_20160927T195818Z_1.json.gz``, of
  which the last is taken, the end; its folders ``2016/9/27`` are not padded.
* CloudFront ("Configure standard logging"): ``EMLARXS9EXAMPLE.2019-11-14-20.RT4KCN4SGK9.gz``, the time of the requests,
  up to a day before delivery.
* S3 server access logs ("Log object key format"): ``…2026-11-23-09-15-22-0123456789ABCDEF``; partitioned by event time
  the hour is always 00.
* Firehose ("Configure Amazon S3 object name format"): ``stream-1-2026-11-23-09-15-22-<uuid>`` in folders
  ``2026/11/23/09/``, the arrival of the oldest record. With a CustomTimeZone they are not UTC: use ``key_time`` or
  LastModified there.
* Redshift ("Database audit logging"): ``…_userlog_2013-10-29T18:01.gz``.
* Folders down to the hour, plain or as hive partitions (``year=2026/month=11/day=23/hour=09/``).
"""

import functools
import re
from datetime import UTC, datetime

from s3sentinel_assets.hours import hour_key

__all__ = ["hour_in_name", "hour_text", "instant_of"]

#: Years that a log can be of. A number outside is no year, whatever the pattern.
YEARS = range(1970, 2100)

# Each takes the last time in the text: what stands before it may be a name that somebody chose.
_IN_NAME = tuple(
    re.compile(pattern, re.DOTALL | re.ASCII)
    for pattern in (
        r".*_(\d{4})(\d\d)(\d\d)T(\d\d)\d\d(?:\d\d)?Z(?=[_.])",
        r".*\.(\d{4})-(\d\d)-(\d\d)-(\d\d)\.",
        r".*(?<!\d)(\d{4})-(\d\d)-(\d\d)-(\d\d)-\d\d-\d\d-",
        r".*_(\d{4})-(\d\d)-(\d\d)T(\d\d):\d\d(?=[_.])",
    )
)
_IN_FOLDERS = tuple(
    re.compile(pattern, re.DOTALL | re.ASCII)
    for pattern in (
        r"(?:.*/)?(\d{4})/(\d\d)/(\d\d)/(\d\d)/",
        r"(?:.*/)?year=(\d{4})/month=(\d\d?)/day=(\d\d?)/hour=(\d\d?)/",
    )
)


@functools.lru_cache(maxsize=4096)
def instant_of(year: str, month: str = "1", day: str = "1", hour: str = "0") -> datetime | None:
    """The instant that some digits say, aware, UTC; None when there is none, or the text is no number."""
    if not f"{year}{month}{day}{hour}".isdecimal():
        return None
    try:
        instant = datetime(int(year), int(month), int(day), int(hour), tzinfo=UTC)
    except (ValueError, OverflowError):  # a 31st of February, or far too many digits
        return None
    return instant if instant.year in YEARS else None


@functools.lru_cache(maxsize=4096)
def hour_text(year: str, month: str, day: str, hour: str) -> str | None:
    """The hour key of a time in digits; None like `instant_of`."""
    instant = instant_of(year, month, day, hour)
    return None if instant is None else hour_key(instant)


def hour_in_name(key: str) -> str | None:
    """The hour key that the file name or the folders say; None when they say none."""
    name = key.rpartition("/")[2]
    for patterns, text in ((_IN_NAME, name), (_IN_FOLDERS, key)):
        for pattern in patterns:
            match = pattern.match(text)
            hour = hour_text(*match.groups()) if match else None
            if hour is not None:
                return hour
    return None
