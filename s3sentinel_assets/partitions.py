"""The hourly partition and how an hour leans on the hour before it.

Belongs here: partition definitions, mappings and back-fill policies. Does not belong here: what an hour key looks like
(`s3sentinel_assets.hours`) or which hours need work (``sensors``, ``schedules``).
"""

import warnings

import dagster as dg

from s3sentinel_assets.config import Config
from s3sentinel_assets.hours import HOUR_FORMAT

__all__ = ["BACKFILL_POLICY", "HOURS_PER_RUN", "PREVIOUS_HOUR", "STATE_BACKFILL_POLICY", "hourly_partitions"]

#: A day a run: a failed day is retried alone, and the run's fixed cost is paid 24 times less often.
HOURS_PER_RUN = 24

# Dagster 1.13 calls these beta or preview; tests and the pin on the minor version hold them. A warning for each asset
# at each start would only hide others.
for _message, _category in (
    ("Parameter `backfill_policy`", dg.BetaWarning),
    ("Parameter `allow_nonexistent_upstream_partitions`", dg.BetaWarning),
    ("Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning),
):
    warnings.filterwarnings("ignore", _message, _category)

#: The hour before; the first partition has none, which is no error.
PREVIOUS_HOUR = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
)

BACKFILL_POLICY = dg.BackfillPolicy.multi_run(max_partitions_per_run=HOURS_PER_RUN)

#: States are made in order, and Dagster asks for their next run only half a minute after this one is done; so one run
#: takes up to a month. Every hour is committed to the ledger by itself: a run that is killed or fails goes on where it
#: stopped. The policy differs from the others' on purpose: Dagster puts assets with equal policies into one run, and
#: a state that fails would then take the delivery of its whole day with it.
STATE_BACKFILL_POLICY = dg.BackfillPolicy.multi_run(max_partitions_per_run=31 * 24)


def hourly_partitions(config: Config) -> dg.HourlyPartitionsDefinition:
    """One partition an hour in UTC from ``config.start`` on, with the open hour as the last one.

    Without the open hour (``end_offset=1``) nothing could be delivered before the hour is over.
    """
    return dg.HourlyPartitionsDefinition(start_date=config.start, timezone="UTC", fmt=HOUR_FORMAT, end_offset=1)
