"""The sweep's look at CloudTrail's digests: they come an hour or two after the log files that they prove.

Belongs here: which hours to look at, and which of them have changed. Does not belong here: verification
(``integrity``).
"""

from datetime import timedelta

from s3sentinel_assets.hours import hour_key, shift_hour, utc_now
from s3sentinel_assets.ledger.digests import integrity_by_hour
from s3sentinel_assets.pipeline.integrity import verify_digests
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["sweep_digests"]

# What is missing in the newest hours, a digest or a log file, shows only by the time that has passed.
_ALWAYS = 4


def sweep_digests(runtime: Runtime, source: str) -> tuple[list[str], list[str]]:
    """Verifies digests of the look-back window that came since, and judges the log files that waited for them.

    Returns:
        The hours whose verdict may have changed, and what is wrong, in words.
    """
    config, now = runtime.config, utc_now()
    start, last = hour_key(config.start), hour_key(now)
    first = max(hour_key(now - timedelta(hours=config.look_back_hours)), start)
    with runtime.ledger.read() as connection:
        before = integrity_by_hour(connection, source, first, last)
    report = verify_digests(runtime, source, first, last)
    with runtime.ledger.read() as connection:
        after = integrity_by_hour(connection, source, first, last)
    changed = {hour for (hour, status), count in after.items() if before.get((hour, status)) != count}
    if report.listed:
        changed |= {shift_hour(last, -back) for back in range(1, _ALWAYS + 1)}
    return sorted(hour for hour in changed if hour >= start), report.problems
