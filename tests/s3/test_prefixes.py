"""Prefix templates: what is found in the bucket, what is enumerated, and how often S3 is asked."""

from datetime import UTC, datetime
from typing import Any

import pytest

from s3sentinel_assets.s3.key_grammar import KeyFilter
from s3sentinel_assets.s3.prefixes import expand

FIRST, LAST = datetime(2026, 10, 31, 22, tzinfo=UTC), datetime(2026, 11, 1, 1, tzinfo=UTC)


class FolderClient:
    """Answers Delimiter listings over a set of keys, as S3 does, and notes what was asked."""

    def __init__(self, *keys: str) -> None:
        self.keys, self.asked = keys, []

    def get_paginator(self, _name: str) -> "FolderClient":
        return self

    def paginate(self, *, Bucket: str, Prefix: str, Delimiter: str, **_owner: str) -> Any:  # noqa: N803
        self.asked.append(Prefix)
        found = {
            Prefix + key.removeprefix(Prefix).partition(Delimiter)[0] + Delimiter
            for key in self.keys
            if key.startswith(Prefix) and Delimiter in key.removeprefix(Prefix)
        }
        yield {"CommonPrefixes": [{"Prefix": prefix} for prefix in sorted(found)]}
        yield {}


def run(template: str, *keys: str, **options: Any) -> tuple[list[str], list[str]]:
    client = FolderClient(*keys)
    return list(expand(client, "b", template, FIRST, LAST, **options)), client.asked


def test_no_fields_need_no_question() -> None:
    assert run("plain/folder/") == (["plain/folder/"], [])
    assert run("") == ([""], [])
    assert run("starts-with") == (["starts-with"], [])


def test_dates_are_enumerated_across_a_month() -> None:
    assert run("x/{yyyy}/{mm}/{dd}/")[0] == ["x/2026/10/31/", "x/2026/11/01/"]
    assert run("x/{yyyy}/{mm}/")[0] == ["x/2026/10/", "x/2026/11/"]
    assert run("x/{yyyy}/")[0] == ["x/2026/"]
    assert run("x/{yyyy}-{mm}-{dd}")[0] == ["x/2026-10-31", "x/2026-11-01"]


def test_hours_are_enumerated_with_the_last_included() -> None:
    assert run("{yyyy}/{mm}/{dd}/{hh}/")[0] == [
        "2026/10/31/22/", "2026/10/31/23/", "2026/11/01/00/", "2026/11/01/01/",
    ]  # fmt: skip


def test_accounts_and_regions_are_found_and_each_folder_is_asked_once() -> None:
    keys = [
        f"AWSLogs/{account}/CloudTrail/{region}/2026/11/01/f.json.gz"
        for account in ("111122223333", "444455556666")
        for region in ("us-east-1", "us-gov-west-1", "ap-southeast-2", "eusc-de-east-1")
    ]
    prefixes, asked = run("AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/", *keys)
    assert len(prefixes) == len(set(prefixes)) == 2 * 4 * 2
    assert "AWSLogs/111122223333/CloudTrail/eusc-de-east-1/2026/11/01/" in prefixes
    assert asked == ["AWSLogs/", "AWSLogs/111122223333/CloudTrail/", "AWSLogs/444455556666/CloudTrail/"]


def test_what_is_no_account_or_region_is_reported() -> None:
    skipped: list[str] = []
    prefixes, _ = run(
        "AWSLogs/{account}/CloudTrail/{region}/",
        "AWSLogs/o-abc123def4/111122223333/CloudTrail/us-east-1/f",
        "AWSLogs/12345/CloudTrail/us-east-1/f",
        "AWSLogs/111122223333/CloudTrail/us-east-1/f",
        "AWSLogs/111122223333/CloudTrail/old stuff/f",
        on_skipped=skipped.append,
    )
    assert prefixes == ["AWSLogs/111122223333/CloudTrail/us-east-1/"]
    assert sorted(skipped) == ["AWSLogs/111122223333/CloudTrail/old stuff/", "AWSLogs/12345/", "AWSLogs/o-abc123def4/"]


def test_organisation_trails() -> None:
    prefixes, _ = run(
        "AWSLogs/{organization}/{account}/CloudTrail/{region}/{yyyy}/",
        "AWSLogs/o-abc123def4/111122223333/CloudTrail/us-east-1/2026/f",
        "AWSLogs/o-abc123def4/444455556666/CloudTrail/eu-west-1/2026/f",
        "AWSLogs/999988887777/CloudTrail/us-east-1/2026/f",
    )
    assert prefixes == [
        "AWSLogs/o-abc123def4/111122223333/CloudTrail/us-east-1/2026/",
        "AWSLogs/o-abc123def4/444455556666/CloudTrail/eu-west-1/2026/",
    ]


def test_hive_style_segments() -> None:
    key = (
        "v/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=11/day=01/hour=00/f"
    )
    prefixes, asked = run(
        "v/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={yyyy}/month={mm}/day={dd}/hour={hh}/",
        key,
    )
    assert len(prefixes) == 4
    assert prefixes[2] == key.removesuffix("f")
    assert asked == [
        "v/aws-account-id=",
        "v/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=",
    ]


def test_dates_before_accounts_and_a_field_used_twice() -> None:
    prefixes, asked = run(
        "{yyyy}/{mm}/{account}/{account}_{region}/",
        "2026/10/111122223333/111122223333_us-east-1/f",
        "2026/11/111122223333/111122223333_us-east-1/f",
        "2026/11/111122223333/444455556666_us-east-1/f",
    )
    assert prefixes == ["2026/10/111122223333/111122223333_us-east-1/", "2026/11/111122223333/111122223333_us-east-1/"]
    assert asked[0] == "2026/10/"


def test_braces_and_pattern_characters_in_literals_are_literal() -> None:
    prefixes, _ = run("a+b(1)/{{x}}/{account}.d/", "a+b(1)/{x}/111122223333.d/f", "a+b(1)/{x}/111122223333xd/f")
    assert prefixes == ["a+b(1)/{x}/111122223333.d/"]


def test_days_and_months_without_leading_zeros() -> None:
    assert run("x/{yyyy}/{m}/{d}/")[0] == ["x/2026/10/31/", "x/2026/11/1/"]
    assert run("x/{yyyy}-{m}-")[0] == ["x/2026-10-", "x/2026-11-"]


def test_any_folder_is_found_each_time_with_a_value_of_its_own() -> None:
    skipped: list[str] = []
    prefixes, asked = run(
        "WAF/{folder}/acl={folder}/{yyyy}/{mm}/",
        "WAF/cloudfront/acl=b c/2026/11/f",
        "WAF/us-east-1/acl=é/2026/11/f",
        "WAF/us-east-1/acl=/2026/11/f",
        "WAF/us-east-1/other/2026/11/f",
        "WAF//acl=x/2026/11/f",
        on_skipped=skipped.append,
    )
    assert prefixes == [
        "WAF/cloudfront/acl=b c/2026/10/", "WAF/cloudfront/acl=b c/2026/11/",
        "WAF/us-east-1/acl=é/2026/10/", "WAF/us-east-1/acl=é/2026/11/",
    ]  # fmt: skip
    assert asked == ["WAF/", "WAF/cloudfront/acl=", "WAF/us-east-1/acl="]
    assert skipped == ["WAF//", "WAF/us-east-1/acl=/"]


def test_a_date_behind_an_account_in_one_folder_asks_once_and_takes_no_other_date_for_a_strange_folder() -> None:
    skipped: list[str] = []
    prefixes, asked = run(
        "{account}-{yyyy}{mm}{dd}/",
        "111122223333-20261030/f",
        "111122223333-20261031/f",
        "444455556666-20261101/f",
        "444455556666-2026110/f",
        on_skipped=skipped.append,
    )
    assert prefixes == ["111122223333-20261031/", "444455556666-20261101/"]
    assert asked == [""]
    assert skipped == ["444455556666-2026110/"]


def test_a_filter_narrows_the_prefixes() -> None:
    key = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/f"
    prefixes, asked = run("AWSLogs/{account}/CloudTrail/{region}/", key, only=KeyFilter(account="111122223333"))
    assert prefixes == ["AWSLogs/111122223333/CloudTrail/us-east-1/"]
    assert asked == ["AWSLogs/111122223333/CloudTrail/"]


@pytest.mark.parametrize("name", ["us-east-1", "cn-northwest-1", "us-iso-east-1", "mx-central-1", "il-central-1"])
def test_region_names(name: str) -> None:
    assert run("{region}/", f"{name}/f")[0] == [f"{name}/"]
