"""What a key says by itself: its fields, its hour, and what templates are allowed."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.s3.key_grammar import KeyFilter, KeyGrammar, key_hour
from s3sentinel_assets.s3.key_time import hour_in_name

TRAIL = "AWSLogs/{organization}/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"
HOUR = "2026-11-23-09:00"


def source(prefix: str, key_time: str | None = None) -> SourceSettings:
    return SourceSettings(bucket="logs", prefix=prefix, format="cloudtrail", hour_from="key", key_time=key_time)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


# --- fields ---


def test_a_key_says_account_region_organisation_and_day() -> None:
    parts = KeyGrammar(TRAIL).match("AWSLogs/o-abc123def4/111122223333/CloudTrail/us-gov-west-1/2026/11/03/f.json.gz")
    assert parts is not None
    assert (parts.account, parts.region, parts.organization) == ("111122223333", "us-gov-west-1", "o-abc123def4")
    assert (parts.instant, parts.precision) == (at(2026, 11, 3), "day")


@pytest.mark.parametrize(
    ("template", "key", "instant", "precision"),
    [
        ("", "anything", None, None),
        ("a/", "a/", None, None),
        ("{yyyy}/", "2026/f", at(2026, 1, 1), "year"),
        ("{yyyy}/{mm}/", "2026/11/f", at(2026, 11, 1), "month"),
        ("{yyyy}/{m}/{d}/", "2026/9/27/f", at(2026, 9, 27), "day"),
        ("{yyyy}/{m}/{d}/", "2026/11/3/f", at(2026, 11, 3), "day"),
        ("{yyyy}{mm}{dd}T{hh}", "20261103T0915Z", at(2026, 11, 3, 9), "hour"),
        ("{hh}/{dd}.{mm}.{yyyy}", "09/03.11.2026", at(2026, 11, 3, 9), "hour"),
        ("{yyyy}/{m}/{dd}-{hh}/{mm}{d}/", "2026/2/03-00/023/", at(2026, 2, 3), "hour"),
    ],
)
def test_dates_as_far_as_the_template_goes(template, key, instant, precision) -> None:
    parts = KeyGrammar(template).match(key)
    assert parts is not None
    assert (parts.instant, parts.precision) == (instant, precision)


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("a/", "b/"),
        ("a/", "a"),
        ("a/", "x/a/"),
        ("{account}/", "11112222333/"),
        ("{account}/", "1111222233334/"),
        ("{account}/", "١١١١٢٢٢٢٣٣٣٣/"),  # digits, but not those of an account
        ("{region}/", "cloudfront/"),
        ("{organization}/", "o-short/"),
        ("{folder}/", "/f"),
        ("{folder}/", "f"),
        ("{account}/{account}_", "111122223333/444455556666_"),
        ("{yyyy}/{mm}/{dd}/", "2026/02/31/f"),
        ("{yyyy}/{mm}/{dd}/", "2027/02/29/f"),
        ("{yyyy}/{mm}/{dd}/", "2026/13/01/f"),
        ("{yyyy}/{mm}/{dd}/", "2026/00/01/f"),
        ("{yyyy}/{mm}/{dd}/", "0000/01/01/f"),
        ("{yyyy}/{mm}/{dd}/", "9999/12/31/f"),
        ("{yyyy}/{mm}/{dd}/", "2026/1/3/f"),
        ("{yyyy}/{m}/{d}/", "2026/01/03/f"),
        ("{yyyy}/{mm}/{dd}/{hh}/", "2026/11/03/24/f"),
        ("{yyyy}/{m}/{mm}/", "2026/1/02/f"),
        ("{yyyy}/{yyyy}{mm}/", "2026/202711/f"),
    ],
)
def test_keys_that_do_not_match(template: str, key: str) -> None:
    grammar = KeyGrammar(template)
    assert grammar.match(key) is None
    assert not grammar.matches(key)


def test_folders_may_differ_and_other_doubled_fields_may_not() -> None:
    grammar = KeyGrammar("WAFLogs/{region}/{folder}/x-{folder}/{region}_")
    assert grammar.matches("WAFLogs/us-east-1/my acl/x-é/us-east-1_f")
    assert not grammar.matches("WAFLogs/us-east-1/my acl/x-é/us-east-2_f")
    assert not grammar.matches("WAFLogs/us-east-1/my/acl/x-é/us-east-1_f")


def test_newlines_and_pattern_characters_are_characters() -> None:
    grammar = KeyGrammar("a+b(1)\n/{{x}}/{folder}/.*/")
    assert grammar.matches("a+b(1)\n/{x}/new\nline/.*/f")
    assert not grammar.matches("aab(1)\n/{x}/new\nline/abc/f")


@settings(max_examples=200)
@given(st.lists(st.text("12/_ax-", max_size=12), max_size=20), st.sampled_from(["{account}/", "1{folder}/", "a/", ""]))
@example(["111122223333/1", "111122223333/", "111122223333"], "{account}/")
def test_the_cheap_test_agrees_with_the_full_one_whatever_came_before(keys: list[str], template: str) -> None:
    grammar = KeyGrammar(template)
    for key in keys:
        assert grammar.matches(key) == (KeyGrammar(template).match(key) is not None)


def test_a_filter_looks_at_single_keys() -> None:
    grammar = KeyGrammar("AWSLogs/{account}/CloudTrail/{region}/")
    key = "AWSLogs/111122223333/CloudTrail/us-east-1/f"
    assert KeyFilter().matches(grammar, key)
    assert KeyFilter(account="111122223333", region="us-east-1", prefix="AWSLogs/1").matches(grammar, key)
    assert not KeyFilter(account="444455556666").matches(grammar, key)
    assert not KeyFilter(region="us-east-2").matches(grammar, key)
    assert not KeyFilter(prefix="AWSLogs/4").matches(grammar, key)
    assert not KeyFilter(prefix="AWSLogs/111122223333/Config/").matches(grammar, "AWSLogs/111122223333/Config/f")


# --- hours ---

NAMES = [
    # CloudTrail, VPC flow, load balancers, WAF, Route 53 Resolver, Network Firewall, Global Accelerator
    "111122223333_CloudTrail_us-east-2_20261123T0920Z_Mu0KsOhtH1ar15ZZ.json.gz",
    "111122223333_CloudTrail-Insight_us-east-2_20261123T0920Z_Mu0KsOhtH1ar15ZZ.json.gz",
    "111122223333_vpcflowlogs_us-east-1_fl-1234abcd_20261123T0900Z_fe123456.log.gz",
    "111122223333_elasticloadbalancing_us-east-2_app.my-lb.1234567890abcdef_20261123T0940Z_172.160.001.192_20sg8hgm.log.gz",
    "111122223333_waflogs_us-east-1_ACL-20200101T0000Z_x_20261123T0950Z_e0ca43b5.log.gz",
    "111122223333_vpcdnsquerylogs_vpc-1_20261123T0905Z_d7e2a4b5.log.gz",
    "111122223333_network-firewall_flow_us-east-1_fw_202611230900_20261123T0900Z_abcd.log.gz",
    # Config: the end of the interval
    "111122223333_Config_us-east-2_ConfigHistory_AWS::CloudTrail::Trail_20261122T195818Z_20261123T095818Z_1.json.gz",
    "111122223333_Config_us-east-2_ConfigSnapshot_20261123T092005Z_16da64e4-cb65-4846-b061-e6c3ba43cb96.json.gz",
    # CloudFront
    "EMLARXS9EXAMPLE.2026-11-23-09.RT4KCN4SGK9.gz",
    "cf/2025-01-01-00/EMLARXS9EXAMPLE.2026-11-23-09.RT4KCN4SGK9.parquet",
    # S3 server access
    "2026-11-23-09-15-22-0123456789ABCDEF",
    "my-bucket2026/logs-2026-11-23-09-15-22-0123456789ABCDEF",
    "111122223333/us-east-1/bucket/2026/11/23/2026-11-23-09-15-22-0123456789ABCDEF",
    # Firehose
    "2026/11/23/09/stream-2025-01-01-00-00-00-x-1-2026-11-23-09-15-22-16da64e4-cb65-4846-b061-e6c3ba43cb96.gz",
    "any/2026/11/23/09/16da64e4.gz",
    "2026/11/23/09/f",
    "2025/01/01/00/2026/11/23/09/f",
    # WAF's folders go down to the minute
    "AWSLogs/111122223333/WAFLogs/us-east-1/acl/2026/11/23/09/50/unnamed.gz",
    # hive partitions
    "aws-region=us-east-1/year=2026/month=11/day=23/hour=09/f.parquet",
    "year=2026/month=11/day=23/hour=9/f.parquet",
    # Redshift
    "111122223333_redshift_us-east-1_mycluster_userlog_2026-11-23T09:01.gz",
]


@pytest.mark.parametrize("key", NAMES)
def test_the_names_that_services_give_say_the_hour(key: str) -> None:
    assert hour_in_name(key) == HOUR
    assert key_hour(KeyGrammar(""), key) == HOUR
    assert key_hour(source(""), f"prefix/{key}") == HOUR


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "plain.log",
        "111122223333_CloudTrail_us-east-2_20261323T0920Z_x.json.gz",
        "111122223333_CloudTrail_us-east-2_20260231T0920Z_x.json.gz",
        "111122223333_CloudTrail_us-east-2_20261123T2420Z_x.json.gz",
        "111122223333_CloudTrail_us-east-2_00000000T0000Z_x.json.gz",
        "111122223333_CloudTrail_us-east-2_99991231T2359Z_x.json.gz",
        "x_٢٠٢٦١١٢٣T٠٩٢٠Z_x",
        "E.2026-11-31-09.x.gz",
        "2026-11-23",
        "2026-11-23-09-15-22",
        "12026-11-23-09-15-22-x",
        "2026/11/23/f",
        "2026/11/23/99/f",
        "2026/11/23/09",
        "year=2026/month=13/day=23/hour=09/f",
        "region=us-east-1/eventDay=20261123/f.gz.parquet",
    ],
)
def test_a_key_without_an_hour_or_with_one_that_does_not_exist_says_none(key: str) -> None:
    assert key_hour(source(""), key) is None


def test_the_template_comes_before_the_name() -> None:
    by_hour = source("{yyyy}/{mm}/{dd}/{hh}/")
    assert key_hour(by_hour, "2026/11/23/09/x_20261123T1000Z_x.gz") == HOUR
    assert key_hour(KeyGrammar("{yyyy}/{m}/{d}/{hh}/"), "2026/11/23/09/x") == HOUR


@pytest.mark.parametrize("key", ["x_20261123T0920Z_x.gz", "2026/11/31/09/x_20261123T0920Z_x.gz"])
def test_a_key_that_does_not_match_the_template_can_still_say_its_hour(key: str) -> None:
    assert key_hour(source("{yyyy}/{mm}/{dd}/{hh}/"), key) == HOUR


@pytest.mark.parametrize(
    ("template", "folder", "hour"),
    [
        ("{yyyy}/{mm}/{dd}/", "2026/11/23/", HOUR),
        ("{yyyy}/{mm}/{dd}/", "2026/11/22/", HOUR),  # an interval that began the day before
        ("{yyyy}/{mm}/{dd}/", "2026/11/24/", HOUR),  # a time zone
        ("{yyyy}/{mm}/{dd}/", "2026/11/20/", None),
        ("{yyyy}/{mm}/{dd}/", "2026/11/25/", None),
        ("{yyyy}/{mm}/", "2026/11/", HOUR),
        ("{yyyy}/{mm}/", "2026/08/", None),
        ("{yyyy}/", "2026/", HOUR),
        ("{yyyy}/", "2024/", None),
    ],
)
def test_a_name_that_contradicts_the_template_by_more_than_a_day_is_no_time(template, folder, hour) -> None:
    assert key_hour(source(template), f"{folder}x_20261123T0920Z_x.gz") == hour


def test_a_pattern_of_ones_own_alone_decides() -> None:
    own = source("{yyyy}/{mm}/{dd}/", r"at=(?P<yyyy>\d+)\.(?P<mm>\d+)\.(?P<dd>\d+)(?:-(?P<hh>\S+))?")
    assert key_hour(own, "2026/11/01/at=2026.11.23-09/f") is None  # the pattern takes more than the number
    assert key_hour(own, "2026/11/01/at=2026.11.23-0_9 f") is None
    assert key_hour(own, "2026/11/01/at=2026.11.23-09 f") == HOUR
    assert key_hour(own, "2026/11/01/at=2026.11.23-9 f") == HOUR
    assert key_hour(own, "2026/11/01/at=2026.11.23 f") is None
    assert key_hour(own, "2026/11/01/at=2026.11.32-09 f") is None
    assert key_hour(own, "2026/11/01/at=99999999999999999999.11.32-09 f") is None
    assert key_hour(own, "2026/11/23/x_20261123T0920Z_x.gz") is None


@settings(max_examples=300)
@given(
    st.text(st.sampled_from("0123456789-_./TZ:=yearmonthdyhu"), max_size=60)
    | st.text()
    | st.from_regex(
        r"(\d{4}/\d\d/\d\d/\d\d/|_\d{8}T\d{4}(\d\d)?Z_|\.\d{4}-\d\d-\d\d-\d\d\.|-(\d+-){6}x){1,3}", fullmatch=True
    ),
    st.sampled_from(["", "{yyyy}/{mm}/{dd}/", "{yyyy}/{m}/{d}/{hh}/", "{folder}/"]),
)
def test_no_key_is_an_error_and_every_answer_is_an_hour(key: str, template: str) -> None:
    hour = key_hour(KeyGrammar(template), key)
    if hour is not None:
        assert 1970 <= hour_start(hour).year < 2100


# --- which templates are allowed ---


@pytest.mark.parametrize(
    "prefix",
    [
        "AWSLogs/{account}/Config/{region}/{yyyy}/{m}/{d}/ConfigHistory/",
        "AWSLogs/{account}/WAFLogs/{region}/{folder}/{yyyy}/{mm}/{dd}/{hh}/",
        "v/aws-region={region}/{folder}/x={folder}.d/year={yyyy}/",
        "{yyyy}/{m}-{d}_",
        "{account}/{yyyy}/{account}_vpcflowlogs_",
        "{yyyy}/{mm}/{d}/{hh}/",
    ],
)
def test_right_templates(prefix: str) -> None:
    assert source(prefix).prefix == prefix


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("{yyyy}/{m}/{d}", r"needs a character that is no digit right behind \{d\}"),
        ("{yyyy}/{m}{d}/", r"right behind \{m\}"),
        ("{yyyy}/{m}0/", r"right behind \{m\}"),
        ("{m}/", r"has \{m\} without \{yyyy\}; add \{yyyy\}, or leave \{m\} out"),
        ("{yyyy}/{d}/", r"has \{d\} without \{mm\}"),
        ("{yyyy}/{m}/{hh}/", r"has \{hh\} without \{dd\}"),
        ("x/{folder}", r"needs a '/' behind the last .* or \{folder\}"),
        ("{folder}/{folder}", r"needs a '/' behind the last"),
        ("{folder}-{account}/", r"\{folder\} must be alone there"),
        ("{folder}{folder}/", r"\{folder\} must be alone there"),
        ("{yyyy}/{folder}-{mm}/", r"\{folder\} must be alone there"),
        ("{Folder}/", r"unknown field \{Folder\}; known are .*\{folder\}.*\{m\}, \{d\}"),
    ],
)
def test_wrong_templates(prefix: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        source(prefix)
