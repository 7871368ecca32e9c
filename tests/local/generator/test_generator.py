import gzip
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.hours import hour_end, hour_key, hour_start, shift_hour
from s3sentinel_assets.local.generator import SOURCES, Generator, SeedObject, SourceName
from s3sentinel_assets.local.generator.calls import CALLS
from s3sentinel_assets.local.generator.cast import build_cast

HOUR = "2026-11-23-10:00"
KEYS = {
    "cloudtrail": re.compile(
        r"AWSLogs/(?P<account>\d{12})/CloudTrail/(?P<region>[a-z0-9-]+)/\d{4}/\d\d/\d\d/"
        r"(?P=account)_CloudTrail_(?P=region)_(?P<stamp>\d{8}T\d{4}Z)_[A-Za-z0-9]{16}\.json\.gz"
    ),
    "vpc_flow": re.compile(
        r"AWSLogs/(?P<account>\d{12})/vpcflowlogs/(?P<region>[a-z0-9-]+)/\d{4}/\d\d/\d\d/"
        r"(?P=account)_vpcflowlogs_(?P=region)_fl-0[0-9a-f]{16}_(?P<stamp>\d{8}T\d{4}Z)_[0-9a-f]{8}\.log\.gz"
    ),
}
MIDNIGHT = "2026-11-24-00:00"


def _records(item: SeedObject) -> list[dict[str, Any]]:
    return json.loads(gzip.decompress(item.body))["Records"]


def _lines(item: SeedObject) -> list[dict[str, str]]:
    header, *lines = gzip.decompress(item.body).decode().splitlines()
    names = header.split(" ")
    return [dict(zip(names, line.split(" "), strict=True)) for line in lines]


@pytest.fixture(scope="module")
def trail() -> list[SeedObject]:
    return list(Generator().objects("cloudtrail", HOUR))


@pytest.fixture(scope="module")
def flows() -> list[SeedObject]:
    return list(Generator().objects("vpc_flow", HOUR))


@pytest.fixture(scope="module")
def events(trail: list[SeedObject]) -> list[dict[str, Any]]:
    return [event for item in trail for event in _records(item)]


@pytest.mark.parametrize("source", SOURCES)
def test_equal_arguments_give_equal_bytes_whatever_was_made_before(source: SourceName) -> None:
    used = Generator()
    list(used.objects(source, shift_hour(HOUR, -1)))
    assert list(used.objects(source, HOUR)) == list(Generator().objects(source, HOUR))


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import hashlib; from s3sentinel_assets.local.generator import Generator, SOURCES;"
        "g = Generator(seed=3, scale=0.2);"
        f"print(hashlib.sha256(repr([list(g.objects(s, {HOUR!r})) for s in SOURCES]).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONHASHSEED": number}
        ).stdout
        for number in ("1", "2")
    }
    assert len(seen) == 1


@pytest.mark.parametrize("source", SOURCES)
def test_another_seed_is_another_company(source: SourceName) -> None:
    one, two = (Counter(item.body for item in Generator(seed, 0.3).objects(source, HOUR)) for seed in (1, 2))
    assert not one & two


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("hour", [HOUR, MIDNIGHT])
def test_keys_follow_the_layout_and_objects_arrive_in_their_hour(source: SourceName, hour: str) -> None:
    items = list(Generator(scale=0.2).objects(source, hour))
    assert len({item.key for item in items}) == len(items) > 20
    for item in items:
        match = KEYS[source].fullmatch(item.key)
        assert match, item.key
        stamp = datetime.strptime(match["stamp"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
        assert f"/{stamp:%Y/%m/%d}/" in item.key
        assert hour_start(hour) <= item.last_modified < hour_end(hour)
        assert item.hour == hour
        assert timedelta() < item.last_modified - stamp < timedelta(minutes=15)
        assert item.last_modified.microsecond == 0


@pytest.mark.parametrize("source", SOURCES)
def test_hours_follow_each_other_without_gap_or_overlap(source: SourceName) -> None:
    generator = Generator(scale=0.2)
    stamps: dict[str, list[str]] = {}
    for hour in ("2026-11-23-09:00", HOUR, "2026-11-23-11:00"):
        for item in generator.objects(source, hour):
            match = KEYS[source].fullmatch(item.key)
            assert match
            series = f"{match['account']} {match['region']}"
            stamps.setdefault(series, []).append(match["stamp"])
    for series, found in stamps.items():
        assert len(set(found)) == len(found), series
    if source == "vpc_flow":  # a flow log is never silent: every window between the first and the last is there
        for series, found in stamps.items():
            times = sorted(datetime.strptime(stamp, "%Y%m%dT%H%M%z") for stamp in found)
            assert (times[-1] - times[0]) == timedelta(minutes=5) * (len(times) - 1), series


def test_counts_are_true_and_of_the_promised_size(trail: list[SeedObject], flows: list[SeedObject]) -> None:
    assert all(item.events == len(_records(item)) for item in trail)
    assert all(item.events == len(_lines(item)) for item in flows)
    assert 500 <= sum(item.events for item in trail) <= 1_600
    assert 2_000 <= sum(item.events for item in flows) <= 3_500
    night = sum(item.events for item in Generator().objects("cloudtrail", "2026-11-22-03:00"))
    assert 300 <= night < sum(item.events for item in trail)


@pytest.mark.parametrize(
    ("source", "size", "ratio"), [("cloudtrail", (1_300, 1_900), (7, 12)), ("vpc_flow", (95, 150), (4, 8.5))]
)
def test_entropy_is_that_of_real_logs(
    source: SourceName, size: tuple[float, float], ratio: tuple[float, float]
) -> None:
    items = list(Generator(scale=40).live(source, hour_start(HOUR), 300))
    raw = sum(len(gzip.decompress(item.body)) for item in items)
    assert size[0] <= raw / sum(item.events for item in items) <= size[1]
    assert ratio[0] <= raw / sum(len(item.body) for item in items) <= ratio[1]


def test_events_are_whole_cloudtrail_records(trail: list[SeedObject], events: list[dict[str, Any]]) -> None:
    assert len({event["eventID"] for event in events}) == len(events)
    for event in events:
        assert {"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion"} <= set(event)
        assert {"sourceIPAddress", "requestID", "readOnly", "eventType", "recipientAccountId"} <= set(event)
        assert ("errorCode" in event) == ("errorMessage" in event)
        assert "%(" not in json.dumps(event)
        identity = event["userIdentity"]
        if identity["type"] == "AssumedRole":
            assert len(identity["accessKeyId"]) == 20
            created = identity["sessionContext"]["attributes"]["creationDate"]
            assert created < event["eventTime"]
    for item in trail:
        times = [event["eventTime"] for event in _records(item)]
        assert times == sorted(times)
        assert times[-1] < item.last_modified.strftime("%Y-%m-%dT%H:%M:%SZ")
    types = Counter(event["userIdentity"]["type"] for event in events)
    assert set(types) == {"AssumedRole", "IAMUser", "AWSService"} | (set(types) & {"WebIdentityUser"})
    assert {event["eventCategory"] for event in events} == {"Management", "Data"}
    assert Counter("errorCode" in event for event in events)[True] > 10
    assert len({event["recipientAccountId"] for event in events}) == 3
    global_services = {event["awsRegion"] for event in events if event["eventSource"] == "iam.amazonaws.com"}
    assert global_services == {"us-east-1"}


def test_people_keep_their_hours_places_and_clients() -> None:
    generator = Generator()
    sessions: dict[str, set[tuple[str, str]]] = {}
    hours: dict[str, set[int]] = {}
    for back in range(24):
        for item in generator.objects("cloudtrail", shift_hour("2026-11-24-00:00", -back)):
            for event in _records(item):
                arn = event["userIdentity"].get("arn", "")
                if "AWSReservedSSO_" in arn:
                    person = arn.rsplit("/", 1)[1]
                    sessions.setdefault(person, set()).add((event["sourceIPAddress"], event["userAgent"]))
                    hours.setdefault(person, set()).add(int(event["eventTime"][11:13]))
    cast = {person.name: person for person in build_cast(7) if person.kind == "sso"}
    assert set(sessions) == set(cast)
    for name, person in cast.items():
        assert len(sessions[name]) <= 3
        assert hours[name] <= set(range(*person.hours))


def test_the_catalogue_covers_what_the_cast_does() -> None:
    for principal in build_cast(7):
        assert set(principal.calls) <= set(CALLS)
        assert set(principal.errors) <= set(CALLS)
        assert sum(principal.regions.values()) == pytest.approx(1)


def test_flow_lines_fit_their_headers(flows: list[SeedObject]) -> None:
    lines = [line for item in flows for line in _lines(item)]
    assert {len(line) for line in lines} == {14, 27}
    statuses = Counter(line["log-status"] for line in lines)
    assert statuses["NODATA"] > 10
    assert statuses["OK"] > 2_000
    for line in lines:
        assert line["interface-id"].startswith("eni-0")
        assert line["version"] in {"2", "5"}
        if line["log-status"] == "NODATA":
            assert {line[name] for name in ("srcaddr", "dstaddr", "srcport", "bytes", "packets", "action")} == {"-"}
        else:
            assert 0 < int(line["packets"]) <= int(line["bytes"])
            assert int(line["start"]) <= int(line["end"]) <= int(line["start"]) + 60
            assert 0 <= int(line["srcport"]) < 65536
            assert max(map(int, line["srcaddr"].split("."))) < 256
    assert Counter(line["action"] for line in lines)["REJECT"] > 100


def test_rate_and_scale() -> None:
    start = hour_start(HOUR)
    for source in SOURCES:
        quick = sum(item.events for item in Generator(event_rate=100).live(source, start, 60))
        assert 3_000 < quick < 12_000
        normal, double = (sum(item.events for item in Generator(scale=n).live(source, start, 300)) for n in (10, 20))
        assert 1.4 < double / normal < 2.8
    with pytest.raises(ValueError, match="either"):
        Generator(scale=1, event_rate=1)
    with pytest.raises(ValueError, match="positive"):
        Generator(scale=0)


def test_live_objects_arrive_when_their_stretch_ends_and_big_ones_are_split() -> None:
    start = datetime(2026, 11, 23, 10, 0, 7, tzinfo=UTC)
    for source in SOURCES:
        items = list(Generator(event_rate=50, object_events=100).live(source, start, 15))
        assert {item.last_modified for item in items} == {start + timedelta(seconds=15)}
        assert max(item.events for item in items) <= 100
        assert len({item.key for item in items}) == len(items) > 3


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.integers(0, 2**40), st.sampled_from(SOURCES))  # noqa: DTZ001
@settings(max_examples=12, deadline=None)
def test_any_hour_and_seed_makes_readable_objects(when: datetime, seed: int, source: SourceName) -> None:
    hour = hour_key(when.replace(tzinfo=UTC))
    for item in Generator(seed, 0.05).objects(source, hour):
        read = _records(item) if source == "cloudtrail" else _lines(item)
        assert len(read) == item.events == item.records
        assert item.hour == hour
