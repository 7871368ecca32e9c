"""The sample-log generator: believable CloudTrail and VPC flow log objects as a function of a seed and an hour.

Belongs here: a sample company, its habits, an attack, objects that are damaged, doubled or late, each with the truth
about itself, and CloudTrail's digests of them. Does not belong here: a bucket to put them into (``local.aws``) or
anything that reads them.

Equal arguments give equal bytes on one machine; across machines the gzip library may pack the same text differently.
Only digests differ from run to run, because each run has its own key.
"""

from s3sentinel_assets.local.generator.attack import (
    ATTACKER_ADDRESS,
    BACKDOOR_USER,
    DROP_ADDRESS,
    VICTIM_USER,
    attack_story,
)
from s3sentinel_assets.local.generator.digests import (
    DigestObject,
    SigningKey,
    backfill_digests,
    hourly_digests,
    is_listed,
)
from s3sentinel_assets.local.generator.generator import Generator
from s3sentinel_assets.local.generator.model import Expected, SeedObject, SourceName
from s3sentinel_assets.local.generator.oddities import (
    empty_object,
    late_object,
    malformed_objects,
    odd_key_object,
    regional_duplicates,
)
from s3sentinel_assets.local.generator.scenario import SOURCES, Scenario
from s3sentinel_assets.local.generator.seeding import seed

__all__ = [
    "ATTACKER_ADDRESS",
    "BACKDOOR_USER",
    "DROP_ADDRESS",
    "SOURCES",
    "VICTIM_USER",
    "DigestObject",
    "Expected",
    "Generator",
    "Scenario",
    "SeedObject",
    "SigningKey",
    "SourceName",
    "attack_story",
    "backfill_digests",
    "empty_object",
    "hourly_digests",
    "is_listed",
    "late_object",
    "malformed_objects",
    "odd_key_object",
    "regional_duplicates",
    "seed",
]
