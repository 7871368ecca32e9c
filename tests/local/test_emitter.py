"""Live logs: the right keys, the promised rate, the present time, and the same bytes for the same arguments."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.local.emitter import ATTACK_SECONDS, Emitted, Emitter
from s3sentinel_assets.local.generator import BACKDOOR_USER, VICTIM_USER

START = datetime(2026, 11, 23, 10, 0, 7, tzinfo=UTC)
TRAIL = SourceSettings(
    name="trail", bucket="logs-a", prefix="AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/", format="cloudtrail"
)
FLOWS = SourceSettings(
    name="flows",
    bucket="logs-b",
    prefix="net/{organization}/{region}/{account}/{yyyy}-{mm}-{dd}T{hh}/x-",
    format="vpc_flow",
)


def stretches(emitter: Emitter, count: int, seconds: float = 5) -> list[list[Emitted]]:
    return [list(emitter.stretch(START + timedelta(seconds=n * seconds), seconds)) for n in range(count)]


def records(emitted: Emitted) -> list[dict[str, Any]]:
    return json.loads(gzip.decompress(emitted.item.body))["Records"]


def lines(emitted: Emitted) -> list[dict[str, str]]:
    header, *rest = gzip.decompress(emitted.item.body).decode().splitlines()
    return [dict(zip(header.split(" "), line.split(" "), strict=True)) for line in rest]


def test_equal_arguments_give_equal_bytes_and_another_start_or_seed_gives_others() -> None:
    def bodies(seed: int, start: datetime) -> set[bytes]:
        emitter = Emitter([TRAIL, FLOWS], seed=seed, start=start, rate=3, attack=60)
        return {one.item.body for n in range(6) for one in emitter.stretch(start + timedelta(seconds=10 * n), 10)}

    assert bodies(1, START) == bodies(1, START)
    assert not bodies(1, START) & bodies(2, START)
    assert not bodies(1, START) & bodies(1, START + timedelta(seconds=1))


@pytest.mark.parametrize(("rate", "seconds"), [(20, 5), (0.3, 5), (7, 0.5)])
def test_the_rate_is_kept_for_each_source(rate: float, seconds: float) -> None:
    emitter = Emitter([TRAIL, FLOWS], seed=1, start=START, rate=rate)
    written = [one for each in stretches(emitter, 40, seconds) for one in each]
    for source in ("trail", "flows"):
        made = [one for one in written if one.source == source]
        assert sum(one.item.events for one in made) == int(rate * 40 * seconds + 1e-6)
        assert len({one.item.key for one in made}) == len(made) <= 40
    assert all(one.item.events == len(records(one) if one.source == "trail" else lines(one)) for one in written)


def test_event_ids_never_come_twice() -> None:
    emitter = Emitter([TRAIL], seed=1, start=START, rate=20, attack=30)
    later = Emitter([TRAIL], seed=1, start=START + timedelta(seconds=100), rate=20, attack=30)
    made = [one for each in stretches(emitter, 10) for one in each]
    made += [one for n in range(10) for one in later.stretch(START + timedelta(seconds=100 + 5 * n), 5)]
    ids = [record["eventID"] for one in made for record in records(one)]
    assert len(set(ids)) == len(ids) > 2_000


def test_sources_of_one_family_do_not_share_event_ids() -> None:
    other = TRAIL.model_copy(update={"name": "other", "prefix": "other/{account}/{region}/"})
    emitter = Emitter([TRAIL, other], seed=1, start=START, rate=20, attack=30)
    ids = [record["eventID"] for each in stretches(emitter, 6) for one in each for record in records(one)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("start", [datetime(2026, 11, 23, 23, 59, 57, 500_000, UTC), START])
def test_hours_and_days_end_in_the_middle_of_a_stretch(start: datetime) -> None:
    emitter = Emitter([TRAIL, FLOWS], seed=1, start=start, rate=20)
    trail, flows = emitter.stretch(start, 5)
    end = start + timedelta(seconds=5)
    assert f"/{end:%Y/%m/%d}/" in trail.item.key
    assert f"/{end:%Y-%m-%dT%H}/" in flows.item.key
    times = [datetime.fromisoformat(record["eventTime"]) for record in records(trail)]
    assert start - timedelta(seconds=1) < min(times) <= max(times) < end


def test_events_are_of_the_stretch_that_has_just_ended() -> None:
    begin = START + timedelta(seconds=50)
    end = begin + timedelta(seconds=5)
    trail, flows = Emitter([TRAIL, FLOWS], seed=1, start=START, rate=20).stretch(begin, 5)
    for record in records(trail):
        assert begin <= datetime.fromisoformat(record["eventTime"]) < end
    for line in lines(flows):
        assert end.timestamp() - 61 <= int(line["start"]) <= int(line["end"]) <= end.timestamp()


def test_keys_follow_the_source_s_own_prefix() -> None:
    trail, flows = Emitter([TRAIL, FLOWS], seed=1, start=START, rate=20).stretch(START, 5)
    assert (trail.bucket, flows.bucket) == ("logs-a", "logs-b")
    _, account, _, region, *date, name = trail.item.key.split("/")
    assert date == ["2026", "11", "23"]
    assert name.startswith(f"{account}_CloudTrail_{region}_20261123T1000Z_")
    assert {record["recipientAccountId"] for record in records(trail)} == {account}
    folder, organization, region, account, day, name = flows.item.key.split("/")
    assert (folder, day) == ("net", "2026-11-23T10")
    assert organization.startswith("o-")
    assert name.startswith(f"x-{account}_vpcflowlogs_{region}_fl-")


def test_a_busy_stretch_becomes_several_objects_and_most_is_a_limit() -> None:
    emitter = Emitter([TRAIL, FLOWS], seed=1, start=START, rate=5_000)
    assert [one.item.events for one in emitter.stretch(START, 5)] == [20_000, 5_000] * 2
    cut = list(emitter.stretch(START, 5, 20_003))
    assert [one.item.events for one in cut] == [20_000, 3]
    assert len(records(cut[1])) == 3
    assert list(emitter.stretch(START, 5, 0)) == []


def test_the_attack_comes_whole_in_the_time_it_is_given() -> None:
    emitter = Emitter([TRAIL, FLOWS], seed=1, start=START, rate=1, attack=60)
    attack = [one for each in stretches(emitter, 12) for one in each if one.item.note == "attack"]
    calls = [record for one in attack if one.source == "trail" for record in records(one)]
    users = {record["userIdentity"]["userName"] for record in calls}
    assert users == {VICTIM_USER, BACKDOOR_USER}
    assert {"GetCallerIdentity", "CreateAccessKey", "StopLogging", "GetObject"} <= {call["eventName"] for call in calls}
    times = [datetime.fromisoformat(record["eventTime"]) for record in calls]
    assert START <= min(times) <= max(times) < START + timedelta(seconds=60)
    assert any(one.source == "flows" for one in attack)
    for one in attack:
        for line in lines(one) if one.source == "flows" else ():
            assert int(line["start"]) <= int(line["end"]) <= (START + timedelta(seconds=60)).timestamp()
            assert int(line["end"]) - int(line["start"]) <= 60
    # The same story at its own pace, none of it lost.
    slow = Emitter([TRAIL, FLOWS], seed=1, start=START, rate=0.001, attack=ATTACK_SECONDS)
    told = [one for one in slow.stretch(START, ATTACK_SECONDS) if one.item.note == "attack"]
    assert sum(one.item.events for one in told) == sum(one.item.events for one in attack)


def test_logs_that_cannot_be_invented_are_named() -> None:
    other = SourceSettings(name="waf", bucket="logs", prefix="x/", format="waf")
    with pytest.raises(ConfigurationError, match=r"sources\.waf: logs of format waf cannot be invented"):
        Emitter([other], seed=1, start=START, rate=1)
