"""The asset checks of an hour and of a source. None of them blocks delivery.

Belongs here: verdicts - what passes, what is a warning, what an error, and the sentence that says so; a module for each
asset. Does not belong here: the counting (`pipeline.proofs`).

The checks run inside their asset's step and are recorded hour by hour with the hour's partition, so a run of 24 hours
leaves 24 verdicts. A check function of its own would give a run of many hours a single verdict.
"""

from s3sentinel_assets.checks.delivered import (
    check_accounting,
    check_delivered,
    check_sealed,
    delivered_check_specs,
)
from s3sentinel_assets.checks.listed import check_listed, raw_check_specs
from s3sentinel_assets.checks.parsed import check_integrity, check_parsed, parsed_check_specs
from s3sentinel_assets.checks.patterns import check_patterns, pattern_check_specs
from s3sentinel_assets.checks.progress import ON_TIME, check_on_time

__all__ = [
    "ON_TIME",
    "check_accounting",
    "check_delivered",
    "check_integrity",
    "check_listed",
    "check_on_time",
    "check_parsed",
    "check_patterns",
    "check_sealed",
    "delivered_check_specs",
    "parsed_check_specs",
    "pattern_check_specs",
    "raw_check_specs",
]
