"""What a listing finds and asks for: key ranges, filters, threads; against a bucket that is nothing but keys."""

import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.config import AwsAccess, SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.key_grammar import KeyFilter, KeyGrammar
from s3sentinel_assets.s3.listing import OTHER_FOLDERS, OTHER_KEYS, TEST_FILES, list_objects
from tests.s3.key_bucket import STAMP, KeyBucket

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
ACCOUNTS = ["111122223333", "444455556666"]
REGIONS = ["us-east-1", "us-gov-west-1", "eusc-de-east-1"]
TRAIL = "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"


def source(prefix: str, bucket: str = "logs") -> SourceSettings:
    return SourceSettings(name="test", bucket=bucket, prefix=prefix, format="cloudtrail")


def listed(bucket: Any, prefix: str, first: datetime = NOON, last: datetime | None = None, **options: Any) -> list[str]:
    options = {"look_back": timedelta(0)} | options
    entries = list_objects(
        bucket, options.pop("source", source(prefix)), AwsAccess(), first=first, last=last or first, **options
    )
    return [entry.key for entry in entries]


# --- ranges ---


def test_a_look_back_of_days_is_one_listing_for_each_account_and_region() -> None:
    keys = [
        f"AWSLogs/{account}/CloudTrail/{region}/2026/{month}/{day:02d}/f.json.gz"
        for account in ACCOUNTS
        for region in REGIONS
        for month, day in [("10", 19), ("10", 20), ("10", 31), ("11", 1), ("11", 3), ("11", 4)]
    ]
    bucket = KeyBucket(keys)
    found = listed(bucket, TRAIL, look_back=timedelta(days=14))
    assert sorted(found) == sorted(key for key in keys if "/10/19/" not in key and "/11/04/" not in key)
    assert len(bucket.asked) == 1 + len(ACCOUNTS) + len(ACCOUNTS) * len(REGIONS)
    assert bucket.asked[2]["Prefix"] == "AWSLogs/111122223333/CloudTrail/eusc-de-east-1/2026/1"
    assert bucket.asked[2]["StartAfter"] == "AWSLogs/111122223333/CloudTrail/eusc-de-east-1/2026/10/20.~"


def test_a_range_stops_behind_its_last_day_however_much_follows() -> None:
    bucket = KeyBucket([f"x/2026/11/{day:02d}/{n}" for day in range(1, 29) for n in range(10)], page=10)
    assert len(listed(bucket, "x/{yyyy}/{mm}/{dd}/", look_back=timedelta(days=2))) == 30
    assert len(bucket.asked) == 4  # three days and the page that says there is no more of them


def test_the_last_page_of_a_range_is_the_last_request() -> None:
    bucket = KeyBucket([f"x/2026/11/{day:02d}/f" for day in range(1, 4)])
    assert len(listed(bucket, "x/{yyyy}/{mm}/{dd}/", look_back=timedelta(days=9))) == 3
    assert len(bucket.asked) == 1


@pytest.mark.parametrize("key", ["x/2026-11-02", "x/2026-11-03", "x/2026-11-030", "x/2026-11-03\U0010ffff"])
def test_a_key_that_is_the_slot_itself_or_just_behind_it_is_found(key: str) -> None:
    assert listed(KeyBucket([key]), "x/{yyyy}-{mm}-{dd}", look_back=timedelta(days=1)) == [key]


@pytest.mark.parametrize("key", ["x/2026-11-01~~", "x/2026-11-01\U0010ffff", "x/2026-11-04", "x/2026-11-0", "x/2026"])
def test_a_key_just_outside_the_range_is_not_found(key: str) -> None:
    assert listed(KeyBucket([key]), "x/{yyyy}-{mm}-{dd}", look_back=timedelta(days=1)) == []


def test_keys_among_the_dates_that_do_not_match_are_left_out_and_counted() -> None:
    strange = ["x/2026/11/02", "x/2026/11/02extra/f", "x/2026/11/0x/f", "x/2026/11/1/f", "x/2026/10/32/f"]
    keys = ["x/2026/10/31/f", "x/2026/11/02/f", "x/2026/11/03/f"]
    skipped: dict[str, int] = {}
    found = listed(KeyBucket([*strange, *keys]), "x/{yyyy}/{mm}/{dd}/", look_back=timedelta(days=5), skipped=skipped)
    assert found == keys
    assert skipped == {OTHER_KEYS: 3}  # the two that lie behind the last day were not met


def test_much_that_is_not_wanted_between_two_slots_is_jumped_over() -> None:
    days = [f"x/2026/11/{day:02d}" for day in range(1, 4)]
    keys = [
        f"{day}/{app}/{n:03d}"
        for day in days
        for app in ("app-a", "other")
        for n in range(100 if app == "other" else 2)
    ]
    bucket = KeyBucket(keys, page=10)
    found = listed(bucket, "x/{yyyy}/{mm}/{dd}/app-a/", look_back=timedelta(days=2))
    assert found == [f"{day}/app-a/{n:03d}" for day in days for n in range(2)]
    assert len(bucket.asked) == 3


def test_keys_just_before_a_slot_do_not_make_the_jump_go_in_circles() -> None:
    between = [f"x/2026/11/02.é{n}" for n in range(9)]
    bucket = KeyBucket([*between, "x/2026/11/02/f"], page=2)
    assert listed(bucket, "x/{yyyy}/{mm}/{dd}/", look_back=timedelta(days=1)) == ["x/2026/11/02/f"]
    assert len(bucket.asked) <= 6


def test_a_stand_in_that_ignores_where_to_start_costs_requests_but_no_keys() -> None:
    days, last = [f"x/2026/10/{day:02d}" for day in range(1, 32)], datetime(2026, 10, 31, tzinfo=UTC)
    bucket = KeyBucket([f"{day}/{app}" for day in days for app in "abcde"], page=3, knows_start_after=False)
    found = listed(bucket, "x/{yyyy}/{mm}/{dd}/c", last, look_back=timedelta(days=9))
    assert found == [f"{day}/c" for day in days[-10:]]
    assert len(bucket.asked) == 52  # each page once


@pytest.mark.parametrize(
    ("template", "requests"),
    [
        ("x/{yyyy}/{m}/{d}/", 4),
        ("x/{dd}.{mm}.{yyyy}/", 4),
        ("x/{yyyy}/{mm}/{dd}/{account}/", 8),
        ("x/{yyyy}/{mm}/{dd}/{folder}/", 8),
        ("x/{yyyy}/{mm}/{dd}/", 1),
        ("x/{yyyy}-{mm}/{dd}/{yyyy}{mm}{dd}-", 1),
        ("x/{account}/{yyyy}/{mm}/{dd}/{account}_", 2),
        ("x/{yyyy}/{account}/{mm}/{dd}/", 2),
    ],
)
def test_ranges_are_used_where_keys_sort_by_time_and_only_there(template: str, requests: int) -> None:
    days = [datetime(2026, 10, 31, tzinfo=UTC) + timedelta(days=day) for day in range(4)]
    keys = []
    for day in days:
        fields = {"yyyy": "2026", "mm": f"{day:%m}", "dd": f"{day:%d}", "m": day.month, "d": day.day}
        keys.append(template.format(**fields, account=ACCOUNTS[0], folder="any") + "f")
    bucket = KeyBucket(keys)
    assert sorted(listed(bucket, template, look_back=timedelta(days=3))) == sorted(keys)
    assert len(bucket.asked) == requests


def test_directory_buckets_have_no_order_so_days_are_listed_by_themselves() -> None:
    bucket = KeyBucket(["x/2026/11/02/f", "x/2026/11/03/f"])
    express = source("x/{yyyy}/{mm}/{dd}/", bucket="logs--use1-az4--x-s3")
    assert len(listed(bucket, "", source=express, look_back=timedelta(days=1))) == 2
    assert bucket.prefixes == ["x/2026/11/02/", "x/2026/11/03/"]
    assert not any("StartAfter" in asked for asked in bucket.asked)


def test_two_objects_of_the_same_second_are_both_found() -> None:
    keys = ["x/2026/11/03/20261103T120000Z_a", "x/2026/11/03/20261103T120000Z_b"]
    assert listed(KeyBucket(keys, page=1), "x/{yyyy}/{mm}/{dd}/", look_back=timedelta(days=1)) == keys


def test_an_object_that_arrives_late_with_an_old_key_is_found_within_the_window() -> None:
    bucket = KeyBucket(["x/2026/11/03/new"])
    window = {"prefix": "x/{yyyy}/{mm}/{dd}/", "look_back": timedelta(days=5)}
    assert listed(bucket, **window) == ["x/2026/11/03/new"]
    later = KeyBucket([*bucket.keys, "x/2026/10/30/late"])  # sorts before everything that was seen
    assert listed(later, **window) == ["x/2026/10/30/late", "x/2026/11/03/new"]


# --- any template, any keys: ranges find what looking at every key finds ---

DATES = [
    "{yyyy}/{mm}/{dd}/", "{yyyy}/{mm}/{dd}/{hh}/", "year={yyyy}/month={mm}/day={dd}/", "{yyyy}/{m}/{d}/",
    "{yyyy}-{mm}-{dd}/", "{dd}.{mm}.{yyyy}/", "{yyyy}/{mm}/", "{yyyy}/", "{yyyy}/{m}/{dd}-{hh}/", "{yyyy}{mm}{dd}{hh}/",
    "{yyyy}/{mm}/{folder}/{dd}/", "{yyyy}/{account}/{mm}/{dd}/", "{yyyy}/{mm}/{dd}/app/", "{hh}/{yyyy}/{dd}/{mm}/",
    "{account}-{yyyy}{mm}{dd}/", "",
]  # fmt: skip
OTHERS = [
    "{account}/", "acct={account}/", "{region}/", "{organization}/", "{folder}/", "acl={folder}.d/",
    "{account}_{region}/", "plain/", "a b+(c)/", "{{x}}/", "two//",
]  # fmt: skip
ENDS = ["", "", "{yyyy}{mm}{dd}", "{account}_{region}/", "log-", "{account}_"]
FOLDERS = ["acl", "b c", "é", "\U0001f600", "0", "~", "2026"]
TAILS = ["", "f", "/", "0", "é", "\U0010ffff", "~", "f/g", "\n"]


@st.composite
def templates(draw: st.DrawFn) -> str:
    before = draw(st.lists(st.sampled_from(OTHERS), max_size=3))
    after = draw(st.lists(st.sampled_from(OTHERS), max_size=1))
    dates = draw(st.sampled_from(DATES))
    template = "".join([*before, dates, *after])
    ends = [end for end in ENDS if "yyyy" not in end or "{dd}" in dates or "{d}" in dates]
    ends = [end for end in ends if end != "{account}_" or "{account}" in template]
    return template + draw(st.sampled_from(ends))


@st.composite
def keys_of(draw: st.DrawFn, template: str, around: datetime) -> str:
    hours = draw(st.integers(-24 * 40, 24 * 40) | st.integers(-30, 30))
    at = around + timedelta(hours=hours)
    account, region = draw(st.sampled_from(ACCOUNTS)), draw(st.sampled_from(REGIONS))
    key = ""
    for piece in template.replace("{folder}", "{folder}\0").split("\0"):
        key += piece.format(
            account=account,
            region=region,
            organization="o-abcdefghij",
            folder=draw(st.sampled_from(FOLDERS)),
            yyyy=f"{at:%Y}", mm=f"{at:%m}", dd=f"{at:%d}", hh=f"{at:%H}", m=at.month, d=at.day,
        )  # fmt: skip
    key += draw(st.sampled_from(TAILS))
    if draw(st.integers(0, 3)) == 0:  # one character is another, is too many, or is missing
        place = draw(st.integers(0, len(key)))
        key = (
            key[:place]
            + draw(st.sampled_from(["", "0", "1", "/", ".", "x", "é"]))
            + key[place + draw(st.integers(0, 1)) :]
        )
    return key


@st.composite
def buckets(draw: st.DrawFn) -> tuple[str, datetime, datetime, list[str]]:
    template = draw(templates())
    first = datetime(2026, 2, 27, 22, 30, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 24 * 700)))
    last = first + timedelta(minutes=draw(st.integers(0, 60 * 24 * 3) | st.integers(0, 60 * 24 * 35)))
    keys = draw(st.lists(keys_of(template, draw(st.sampled_from([first, last]))), max_size=25))
    return template, first, last, [key for key in keys if key]


def by_looking_at_every_key(template: str, first: datetime, last: datetime, keys: list[str]) -> set[str]:
    grammar, found = KeyGrammar(template), set()
    first = first.replace(minute=0, second=0)
    if grammar.precision != "hour":
        first = first.replace(hour=0)
    if grammar.precision in ("month", "year"):
        first = first.replace(day=1)
    if grammar.precision == "year":
        first = first.replace(month=1)
    for key in keys:
        parts = grammar.match(key)
        if parts is not None and (parts.instant is None or first <= parts.instant <= last):
            found.add(key)
    return found


@settings(max_examples=100, deadline=None)
@given(found=buckets(), page=st.integers(1, 5), workers=st.sampled_from([1, 1, 3]), knows=st.booleans())
def test_ranges_find_exactly_what_looking_at_every_key_finds(found, page: int, workers: int, knows: bool) -> None:
    template, first, last, keys = found
    bucket = KeyBucket(keys, page=page, knows_start_after=knows)
    answer = listed(bucket, template, first, last, workers=workers)
    assert len(answer) == len(set(answer))
    assert set(answer) == by_looking_at_every_key(template, first, last, keys)


@settings(max_examples=100, deadline=None)
@given(found=buckets(), data=st.data())
def test_a_filter_finds_exactly_what_it_matches(found, data: st.DataObject) -> None:
    template, first, last, keys = found
    grammar = KeyGrammar(template)
    longest = data.draw(st.sampled_from(keys)) if keys else grammar.start
    only = KeyFilter(
        account=data.draw(st.sampled_from([None, ACCOUNTS[0]])) if "account" in grammar.fields else None,
        region=data.draw(st.sampled_from([None, REGIONS[1]])) if "region" in grammar.fields else None,
        prefix=data.draw(st.sampled_from([None, longest[: data.draw(st.integers(0, len(longest)))]])),
    )
    if only.prefix and not (only.prefix.startswith(grammar.start) or grammar.start.startswith(only.prefix)):
        return  # refused; another test has that
    bucket = KeyBucket(keys, page=3)
    everything = by_looking_at_every_key(template, first, last, keys)
    answer = listed(bucket, template, first, last, only=only)
    assert len(answer) == len(set(answer))
    assert set(answer) == {key for key in everything if only.matches(grammar, key)}
    if only.prefix and not grammar.fields:
        assert set(bucket.prefixes) == {max(only.prefix, template.format(), key=len)}


# --- filters ---


def keys_of_a_trail() -> list[str]:
    return [
        f"AWSLogs/{account}/CloudTrail/{region}/2026/11/{day}/f"
        for account in ACCOUNTS
        for region in REGIONS
        for day in ("02", "03")
    ]


def test_an_account_and_a_region_are_listed_without_looking_at_any_other() -> None:
    bucket = KeyBucket(keys_of_a_trail())
    only = KeyFilter(account=ACCOUNTS[1], region="us-east-1")
    found = listed(bucket, TRAIL, look_back=timedelta(days=1), only=only)
    assert found == [f"AWSLogs/{ACCOUNTS[1]}/CloudTrail/us-east-1/2026/11/{day}/f" for day in ("02", "03")]
    assert bucket.prefixes == [f"AWSLogs/{ACCOUNTS[1]}/CloudTrail/us-east-1/2026/11/0"]


def test_a_region_is_looked_for_in_every_account_but_no_other_region_is_listed() -> None:
    bucket = KeyBucket(keys_of_a_trail())
    assert len(listed(bucket, TRAIL, only=KeyFilter(region="us-gov-west-1"))) == 2
    assert bucket.prefixes == ["AWSLogs/"] + [
        f"AWSLogs/{account}/CloudTrail/us-gov-west-1/2026/11/03/" for account in ACCOUNTS
    ]


@pytest.mark.parametrize(
    ("prefix", "asked"),
    [
        ("AWSLogs/1", ["AWSLogs/1", "AWSLogs/111122223333/CloudTrail/"]),
        ("AWSLogs/111122223333/", ["AWSLogs/111122223333/CloudTrail/"]),
        ("AWSLogs/111122223333/Clo", ["AWSLogs/111122223333/CloudTrail/"]),
        ("AWSLogs/111122223333/CloudTrail/us-e", ["AWSLogs/111122223333/CloudTrail/us-e"]),
        ("AWSLogs/111122223333/CloudTrail/us-east-1/2026", []),
        ("AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/02/f", []),
        ("AWSLogs/111122223333/Config/", None),
        ("AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/", None),
    ],
)
def test_a_prefix_narrows_the_walk_to_its_own_folders(prefix: str, asked: list[str] | None) -> None:
    bucket = KeyBucket(keys_of_a_trail())
    found = listed(bucket, TRAIL, look_back=timedelta(days=1), only=KeyFilter(prefix=prefix))
    assert found == [key for key in bucket.keys if key.startswith(prefix)]
    assert [entry["Prefix"] for entry in bucket.asked if "Delimiter" in entry] == (asked or [])
    assert all(entry.startswith(prefix[:20]) for entry in bucket.prefixes[len(asked or []) :])
    if asked is None:
        assert found == bucket.asked == []


@pytest.mark.parametrize(
    ("template", "only", "words"),
    [
        ("logs/{region}/", KeyFilter(account=ACCOUNTS[0]), r"prefix 'logs/\{region\}/' has no \{account\}.*--prefix"),
        ("logs/", KeyFilter(region="us-east-1"), r"prefix 'logs/' has no \{region\}.*--prefix"),
        ("logs/{account}/", KeyFilter(account="12"), "account '12' is not 12 digits"),
        ("logs/{region}/", KeyFilter(region="moon"), "region 'moon' is not a region's name"),
        ("logs/{region}/", KeyFilter(prefix="/logs/"), "no key of the source begins with '/logs/'"),
        ("logs/{region}/", KeyFilter(prefix="s3://b/logs/"), "without the bucket"),
    ],
)
def test_a_filter_that_cannot_be_is_a_sentence(template: str, only: KeyFilter, words: str) -> None:
    bucket = KeyBucket([])
    with pytest.raises(UserError, match=words):
        listed(bucket, template, only=only)
    with pytest.raises(UserError, match=words):
        only.matches(KeyGrammar(template), "logs/x")
    assert bucket.asked == []


def test_an_empty_filter_is_none() -> None:
    assert len(listed(KeyBucket(keys_of_a_trail()), TRAIL, only=KeyFilter("", "", ""))) == 6


def test_keys_that_lie_among_the_folders_are_counted() -> None:
    skipped: dict[str, int] = {}
    keys = ["AWSLogs/readme", "AWSLogs/", "AWSLogs/111122223333/ELBAccessLogTestFile", "AWSLogs/111122223333/"]
    assert listed(KeyBucket([*keys, "AWSLogs/x/f"]), "AWSLogs/{account}/{region}/", skipped=skipped) == []
    assert skipped == {OTHER_KEYS: 1, OTHER_FOLDERS: 1, TEST_FILES: 1}


# --- threads ---


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("listing")]


def test_several_workers_find_the_same_and_count_the_same() -> None:
    keys = [*keys_of_a_trail(), "AWSLogs/x/f", "AWSLogs/111122223333/CloudTrail/old/f"]
    keys += [f"AWSLogs/{account}/CloudTrail/us-east-1/2026/11/0x/{account}" for account in ACCOUNTS]
    counts: list[dict[str, int]] = [{}, {}]
    options = {"prefix": TRAIL, "first": datetime(2026, 11, 2, tzinfo=UTC), "last": datetime(2026, 11, 12, tzinfo=UTC)}
    alone, together = KeyBucket(keys, page=2), KeyBucket(keys, page=2)
    assert sorted(listed(alone, **options, skipped=counts[0])) == sorted(
        listed(together, **options, skipped=counts[1], workers=8)
    )
    assert counts[0] == counts[1] == {OTHER_FOLDERS: 2, OTHER_KEYS: 2}
    assert len(alone.asked) == len(together.asked)
    assert threads() == []


def test_workers_ask_at_the_same_time_for_folders_and_for_keys() -> None:
    """Only if requests of both kinds overlap do all of them get past the barriers."""
    accounts = [f"{number:012d}" for number in range(4)]
    bucket = KeyBucket([f"{account}/us-east-1/f" for account in accounts])
    barriers = {True: threading.Barrier(4), False: threading.Barrier(4)}
    bucket.on_request = lambda asked: asked["Prefix"] and barriers["Delimiter" in asked].wait(timeout=30)
    assert len(listed(bucket, "{account}/{region}/", workers=4)) == 4


def test_memory_of_several_workers_is_bounded_while_nobody_takes_their_pages() -> None:
    accounts = [f"{number:012d}" for number in range(200)]
    bucket = KeyBucket([f"{account}/f" for account in accounts])
    full = threading.Event()
    bucket.on_request = lambda _: full.set() if len(bucket.asked) >= 1 + 1 + 8 + 4 else None
    entries = list_objects(
        bucket, source("{account}/"), AwsAccess(), first=NOON, last=NOON, look_back=timedelta(0), workers=4
    )
    next(entries)
    assert full.wait(timeout=30)  # eight pages wait, four more are in their workers' hands, one was taken
    entries.close()
    assert threads() == []
    assert len(bucket.asked) <= 1 + 1 + 8 + 4


def test_an_abandoned_listing_stops_its_threads() -> None:
    bucket = KeyBucket([f"{number:012d}/us-east-1/f" for number in range(100)], page=1)
    entries = list_objects(
        bucket, source("{account}/{region}/"), AwsAccess(), first=NOON, last=NOON, look_back=timedelta(0), workers=4
    )
    assert next(entries)
    assert threads()
    del entries
    assert threads() == []


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("bad", ["000000000007/", "000000000007/us-east-1/", ""])
def test_an_error_in_one_worker_ends_the_listing_with_that_error(workers: int, bad: str) -> None:
    bucket = KeyBucket([f"{number:012d}/us-east-1/f" for number in range(100)], page=1)

    def fail(asked: dict[str, Any]) -> None:
        if asked["Prefix"] == bad:
            raise LookupError(bad)

    bucket.on_request = fail
    with pytest.raises(LookupError, match=f"^{bad}$"):
        listed(bucket, "{account}/{region}/", workers=workers)
    assert threads() == []
    assert len(bucket.asked) < 300


def test_a_program_that_ends_in_the_middle_of_a_listing_ends() -> None:
    program = """
from datetime import UTC, datetime, timedelta
from s3sentinel_assets.config import AwsAccess, SourceSettings
from s3sentinel_assets.s3.listing import list_objects
from tests.s3.key_bucket import KeyBucket

noon = datetime(2026, 11, 3, 12, tzinfo=UTC)
source = SourceSettings(name="s", bucket="logs", prefix="{account}/", format="cloudtrail")
bucket = KeyBucket([f"{number:012d}/f" for number in range(100)])
entries = list_objects(bucket, source, AwsAccess(), first=noon, last=noon, look_back=timedelta(0), workers=4)
kept = [entries, next(entries)]
raise SystemExit(7)
"""
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, timeout=60, check=False)
    assert ended.returncode == 7


def test_an_error_of_the_taker_stops_the_threads_too() -> None:
    bucket = KeyBucket([f"{number:012d}/f" for number in range(100)], page=1)
    entries = list_objects(
        bucket, source("{account}/"), AwsAccess(), first=NOON, last=NOON, look_back=timedelta(0), workers=4
    )
    with pytest.raises(KeyboardInterrupt):
        for _ in entries:
            entries.throw(KeyboardInterrupt())
    assert threads() == []


# --- size ---


class Many:
    """Accounts with ten pages of 1,000 keys each, made when they are asked for."""

    def __init__(self, accounts: int) -> None:
        self.accounts = accounts

    def get_paginator(self, _name: str) -> "Many":
        return self

    def paginate(self, *, Prefix: str, Delimiter: str | None = None, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        if Delimiter:
            yield {"CommonPrefixes": [{"Prefix": f"{number:012d}/"} for number in range(self.accounts)]}
            return
        for page in range(10):
            base = f"{Prefix[:13]}2026/11/{page // 4 + 1:02d}/{page}"
            yield {
                "IsTruncated": page < 9,
                "Contents": [
                    {"Key": f"{base}{n:03d}", "ETag": '"e"', "Size": 1, "LastModified": STAMP} for n in range(1000)
                ],
            }


@pytest.mark.slow
@pytest.mark.parametrize(("accounts", "workers"), [(30, 1), (10, 4)])
def test_however_many_keys_need_no_memory(accounts: int, workers: int) -> None:
    entries = list_objects(
        Many(accounts),
        source("{account}/{yyyy}/{mm}/{dd}/"),
        AwsAccess(),
        first=NOON,
        last=NOON,
        look_back=timedelta(days=14),
        workers=workers,
    )
    tracemalloc.start()
    try:
        assert sum(1 for _ in entries) == accounts * 10_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (4 if workers == 1 else 16) << 20
