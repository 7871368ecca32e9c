"""The check of ``delivery_progress``: is delivery on time?"""

from typing import TYPE_CHECKING

import dagster as dg

from s3sentinel_assets.checks.verdict import ERROR, WARN

if TYPE_CHECKING:
    from s3sentinel_assets.pipeline.progress import DeliveryProgress

__all__ = ["ON_TIME", "check_on_time"]

#: The check of ``delivery_progress``.
ON_TIME = "on_time"
#: So many times the configured lateness is an error.
_ERROR_AFTER = 3


def check_on_time(progress: "DeliveryProgress", asset: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """Evaluates ``on_time``: how long delivery has been waiting, and how long the bucket has been silent."""
    late = progress.late_after_hours
    if progress.newest_object is None:
        severity = WARN
        words = "no object has been seen yet; check bucket and prefix, and turn the listing sensor on"
    else:
        waits, silent = progress.longest_wait_hours, progress.silent_hours
        longest = max(waits, silent)
        severity = None if longest <= late else WARN if longest <= late * _ERROR_AFTER else ERROR
        through = f"everything is delivered and proved through {progress.through}"
        words = through if progress.through else "no hour is complete yet"
        if waits > late:
            words += f"; {progress.oldest_waiting} waits: {progress.waits_for} (longest wait {waits:.1f} h)"
        if silent > late:
            words += f"; nothing has arrived in the bucket for {silent:.1f} h"
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=ON_TIME,
        passed=severity is None,
        severity=severity or ERROR,
        description=words,
        metadata={
            "longest_wait_hours": progress.longest_wait_hours,
            "bucket_silent_hours": progress.silent_hours,
            "warning_after_hours": late,
            "error_after_hours": late * _ERROR_AFTER,
        },
        blocking=False,
    )
