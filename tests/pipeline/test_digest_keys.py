"""Public keys are asked for once, and asked for again in time."""

from datetime import timedelta

import pytest

from s3sentinel_assets.integrity import KeysUnavailableError
from s3sentinel_assets.pipeline.digest_keys import KeyRing
from tests.integrity.chains import LONG, START, key_entry

SPAN = (START, START + timedelta(hours=2))
FINGERPRINT = key_entry()["Fingerprint"]


class CloudTrail:
    """Answers what a test wants, and keeps what was asked."""

    def __init__(self, *entries, refuses=False):
        self.entries = list(entries)
        self.refuses = refuses
        self.asked = []
        self.now = 0.0

    def __call__(self, region, first, last):
        self.asked.append((region, first, last))
        if self.refuses:
            raise KeysUnavailableError("denied")
        return self.entries

    def ring(self):
        return KeyRing(self, clock=lambda: self.now)


def test_a_key_is_asked_for_once_with_a_day_on_either_side():
    cloudtrail = CloudTrail(key_entry())
    ring = cloudtrail.ring()
    for _ in range(3):
        found = ring.find("us-east-1", FINGERPRINT, *SPAN)
        assert found is not None
        assert found.fingerprint == FINGERPRINT
    ((region, first, last),) = cloudtrail.asked
    assert region == "us-east-1"
    assert first <= SPAN[0] - timedelta(days=1)
    assert last >= SPAN[1] + timedelta(days=1)


def test_keys_of_one_region_are_not_taken_for_those_of_another():
    def list_keys(region, first, last):
        return [key_entry()] if region == "us-east-1" else []

    ring = KeyRing(list_keys)
    assert ring.find("us-east-1", FINGERPRINT, *SPAN) is not None
    assert ring.find("eu-west-1", FINGERPRINT, *SPAN) is None


def test_an_unknown_key_is_asked_for_once_an_hour():
    cloudtrail = CloudTrail()
    ring = cloudtrail.ring()
    for cloudtrail.now in (0, 1, 3_599):
        assert ring.find("us-east-1", FINGERPRINT, *SPAN) is None
    assert len(cloudtrail.asked) == 1
    cloudtrail.entries, cloudtrail.now = [key_entry()], 3_600
    assert ring.find("us-east-1", FINGERPRINT, *SPAN) is not None


def test_a_refusal_is_remembered_for_an_hour():
    cloudtrail = CloudTrail(key_entry(), refuses=True)
    ring = cloudtrail.ring()
    assert ring.refusal("us-east-1") is None
    for cloudtrail.now in (0, 3_599):
        with pytest.raises(KeysUnavailableError, match="denied"):
            ring.find("us-east-1", FINGERPRINT, *SPAN)
        assert ring.refusal("us-east-1") == "denied"
    assert len(cloudtrail.asked) == 1
    cloudtrail.refuses, cloudtrail.now = False, 3_600
    assert ring.refusal("us-east-1") is None
    assert ring.find("us-east-1", FINGERPRINT, *SPAN) is not None


def test_one_unusable_key_does_not_take_the_others_away():
    ring = CloudTrail({**key_entry(), "Value": b"x"}, key_entry("second"), {}).ring()
    assert ring.find("us-east-1", key_entry("second")["Fingerprint"], *SPAN) is not None
    assert ring.find("us-east-1", FINGERPRINT, *SPAN) is None


def test_fixed_keys_serve_all_regions_and_nobody_is_asked():
    from s3sentinel_assets.integrity import make_key

    ring = KeyRing(None, {FINGERPRINT: make_key(key_entry(valid=LONG))})
    assert ring.find("anywhere", FINGERPRINT, *SPAN) is not None
    assert ring.find("anywhere", "0" * 32, *SPAN) is None
