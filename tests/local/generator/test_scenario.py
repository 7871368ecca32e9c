import gzip
import json
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import start_aws
from s3sentinel_assets.local.generator import (
    ATTACKER_ADDRESS,
    BACKDOOR_USER,
    DROP_ADDRESS,
    SOURCES,
    VICTIM_USER,
    Expected,
    Generator,
    Scenario,
    SeedObject,
    SourceName,
    attack_story,
    late_object,
    malformed_objects,
    odd_key_object,
    regional_duplicates,
    seed,
)

HOURS = ["2026-11-23-08:00", "2026-11-23-09:00", "2026-11-23-10:00"]
FIELDS = {"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName"}


def _decoded(body: bytes) -> tuple[bytes, bool]:
    """What any gzip reader gets out of a body, and whether it ended well."""
    if not body:
        return b"", True
    reader = zlib.decompressobj(31)
    data = reader.decompress(body)
    return data, reader.eof


def _whole_records(text: str) -> list[dict[str, Any]]:
    """The records of a CloudTrail text up to where it breaks."""
    prefix = '{"Records":['
    if not text.startswith(prefix):
        return []
    found, at = [], len(prefix)
    while at < len(text) and text[at] == "{":
        try:
            record, at = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            break
        found.append(record)
        at += text[at : at + 1] == ","
    return found


def _count(items: list[SeedObject]) -> dict[tuple[SourceName, str], Expected]:
    """The expectation counted again from the bytes, with the standard library only."""
    sums: dict[tuple[SourceName, str], Expected] = {}
    seen: set[str] = set()
    for item in items:
        data, good_end = _decoded(item.body)
        good = bad = copies = 0
        if item.source == "cloudtrail" and data:
            text = data.decode()
            for record in _whole_records(text):
                assert set(record) >= FIELDS
                identity = record["eventID"]
                copies += identity in seen
                good += identity not in seen
                seen.add(identity)
            bad += not text.endswith("]}")
        elif data:
            header, *lines = data.decode().splitlines()
            good = sum(len(line.split(" ")) == len(header.split(" ")) for line in lines)
            bad = len(lines) - good + (not good_end)
        entry = sums.setdefault((item.source, item.hour), Expected())
        entry.objects += 1
        entry.records += good + bad + copies
        entry.quarantined += bad
        entry.filtered += copies
        entry.delivered += good
        entry.bytes += len(item.body)
    return sums


@pytest.mark.parametrize("hours", [HOURS, HOURS[:1], HOURS[:2]])
@pytest.mark.parametrize("late", [False, True])
def test_expectations_agree_with_an_independent_count(hours: list[str], late: bool) -> None:
    scenario = Scenario(Generator(scale=0.3), hours)
    items = [*scenario.objects(), *(scenario.late_objects() if late else ())]
    expected = scenario.expected(late=late)
    assert _count(items) == expected
    assert set(expected) == {(source, hour) for source in SOURCES for hour in hours}
    for entry in expected.values():
        assert entry.records == entry.delivered + entry.quarantined + entry.filtered
    total = sum(entry.filtered for entry in expected.values())
    assert total == sum(item.filtered for item in items) > 0
    assert len({item.key for item in items}) == len(items)


def test_a_scenario_has_everything_a_demo_shows() -> None:
    scenario = Scenario(Generator(scale=0.3), HOURS)
    notes = Counter((item.source, item.note) for item in scenario.objects() if item.note)
    for source in SOURCES:
        assert {note for name, note in notes if name == source} >= {"empty", "odd key", "attack"}
    assert notes["cloudtrail", "events delivered twice"] == 1
    assert notes["cloudtrail", "json cut in half"] == 1
    assert notes["vpc_flow", "lines with too few fields"] == 1
    assert {item.hour for item in scenario.late_objects()} == {scenario.late_hour}
    assert {item.hour for item in scenario.objects() if item.note == "attack"} == {scenario.attack_hour}
    with pytest.raises(ValueError, match="at least one hour"):
        Scenario(Generator(), [])


def test_the_attack_stands_out_from_its_victims_history() -> None:
    generator = Generator()
    history = [
        event
        for hour in HOURS
        for item in generator.objects("cloudtrail", hour)
        for event in json.loads(gzip.decompress(item.body))["Records"]
    ]
    attack = [
        event
        for item in attack_story(generator, HOURS[-1])
        if item.source == "cloudtrail"
        for event in json.loads(gzip.decompress(item.body))["Records"]
    ]
    assert {event["sourceIPAddress"] for event in attack} == {ATTACKER_ADDRESS}
    assert ATTACKER_ADDRESS not in {event["sourceIPAddress"] for event in history}
    assert not {event["userAgent"] for event in attack} & {event["userAgent"] for event in history}
    assert {event["userIdentity"]["userName"] for event in attack} == {VICTIM_USER, BACKDOOR_USER}
    keys = {
        event["userIdentity"]["accessKeyId"]
        for event in [*history, *attack]
        if event["userIdentity"].get("userName") == VICTIM_USER
    }
    assert len(keys) == 1, "the intruder uses the victim's own key"
    order = [event["eventName"] for event in sorted(attack, key=lambda event: event["eventTime"])]
    steps = [
        "GetCallerIdentity",
        "CreateUser",
        "CreateAccessKey",
        "StopLogging",
        "ModifySnapshotAttribute",
        "GetObject",
    ]
    assert [order.index(name) for name in steps] == sorted(order.index(name) for name in steps)
    assert sum("errorCode" in event for event in attack) > 5


def test_the_attack_sends_much_to_a_host_nobody_else_talks_to() -> None:
    generator = Generator()
    usual = b"".join(gzip.decompress(item.body) for item in generator.objects("vpc_flow", HOURS[-1]))
    flows = [item for item in attack_story(generator, HOURS[-1]) if item.source == "vpc_flow"]
    lines = [line.split() for item in flows for line in gzip.decompress(item.body).decode().splitlines()[1:]]
    assert DROP_ADDRESS.encode() not in usual
    assert sum(int(line[9]) for line in lines if line[4] == DROP_ADDRESS) > 1e9
    assert sum(line[12] == "REJECT" for line in lines) == 60
    assert lines[0][2].encode() in usual


def test_damage_is_what_it_says() -> None:
    generator = Generator()
    cut, page = malformed_objects(generator, HOURS[0], "cloudtrail")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(gzip.decompress(cut.body))
    assert gzip.decompress(page.body).startswith(b"<html>")
    _, unfinished = malformed_objects(generator, HOURS[0], "vpc_flow")
    with pytest.raises(EOFError):
        gzip.decompress(unfinished.body)


def test_copies_have_the_ids_of_the_first_file_of_another_region() -> None:
    first, second = regional_duplicates(Generator(), HOURS[1])
    ids = [
        {event["eventID"] for event in json.loads(gzip.decompress(item.body))["Records"]} for item in (first, second)
    ]
    assert ids[0] < ids[1]
    assert len(ids[0]) == second.filtered
    assert ("us-east-1" in first.key, "eu-central-1" in second.key) == (True, True)


def test_odd_keys_and_late_objects() -> None:
    for source in SOURCES:
        name = odd_key_object(Generator(), HOURS[1], source).key.rsplit("/", 1)[1]
        assert all(sign in name for sign in " +%é")
        late = late_object(Generator(), HOURS[0], source)
        assert (late.hour, late.last_modified.minute) == (HOURS[0], 59)


def test_seeding_keeps_keys_bytes_and_instants(tmp_path: Path) -> None:
    items = [*Scenario(Generator(scale=0.1), HOURS[:1]).objects()]
    done: list[SeedObject] = []
    with start_aws(tmp_path) as aws:
        client = aws.client()
        assert seed(client, "sample-logs", items, done.append) == len(items)
        assert done == items
        assert seed(client, "sample-logs", items[:1]) == 1, "the bucket may be there already"
        listed = {
            entry["Key"]: entry
            for page in client.get_paginator("list_objects_v2").paginate(Bucket="sample-logs")
            for entry in page["Contents"]
        }
        assert set(listed) == {item.key for item in items}
        for item in items:
            assert listed[item.key]["LastModified"] == item.last_modified
            assert listed[item.key]["Size"] == len(item.body)
        odd = next(item for item in items if item.note == "odd key")
        assert client.get_object(Bucket="sample-logs", Key=odd.key)["Body"].read() == odd.body
        unreachable = aws.client(config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(UserError, match="sample-logs"):
        seed(unreachable, "sample-logs", items)
