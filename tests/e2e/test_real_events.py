"""Published events of a real account through the whole chain: every one of them is found by KQL exactly once."""

import gzip
import json

import pytest

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.pipeline import proofs


@pytest.mark.slow
def test_every_event_of_a_real_hour_is_found_exactly_once(world, hours, minute, shared_dir):
    folder = shared_dir / "data" / "labelled" / "invictus" / "CloudTrail"
    hour = hours[1]
    day = hour_start(hour)
    wanted = []
    for place, file in enumerate(sorted(folder.glob("*.json"))):
        body = file.read_bytes()
        wanted += [entry["eventID"] for entry in json.loads(body)["Records"]]
        key = f"AWSLogs/218007301253/CloudTrail/us-east-1/{day:%Y/%m/%d}/{file.name}.gz"
        world.put(key, gzip.compress(body, 1), minute(hour, place % 60))
    assert len(wanted) == 2_900
    world.bring_up("cloudtrail", hour)
    account = world.account("cloudtrail", hour)
    assert (account.verdict, account.records, account.accepted) == ("complete", 2_900, 2_900)
    assert proofs.prove_hour(world.runtime, "cloudtrail", hour).agrees
    found = world.rows("AWSCloudTrail | summarize n = count() by AwsEventId")
    assert {row["AwsEventId"]: row["n"] for row in found} == dict.fromkeys(wanted, 1)
