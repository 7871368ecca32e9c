"""Patterns and prefixes match all keys of a template, and say where they match more."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.config.prefix import check_prefix
from s3sentinel_assets.infra.aws.patterns import event_prefix, key_pattern, list_pattern, shortest, static_start
from s3sentinel_assets.s3.key_template import fill, segments
from tests.infra.aws.policies import like


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/", "AWSLogs/*/CloudTrail/*/*"),
        ("AWSLogs/aws-account-id={account}/x={region}/year={yyyy}/", "AWSLogs/aws-account-id=*/x=*/year=*"),
        ("access-logs/{yyyy}-{mm}-{dd}-{hh}", "access-logs/*"),
        ("plain/", "plain/*"),
        ("", "*"),
        ("{account}/", "*/*"),
        ("{folder}/{folder}/a", "*/*/a*"),
        ("a*b?c$d/é/{{x}}/", "a?b?c?d/*/{x}/*"),
    ],
)
def test_key_patterns(template, pattern):
    assert key_pattern(template) == pattern


def test_neighbours_of_a_service_are_not_read():
    pattern = key_pattern("AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/")
    for folder in ("Config", "CloudTrail-Digest", "vpcflowlogs"):
        assert not like(pattern, f"AWSLogs/111122223333/{folder}/eu-west-1/2026/11/20/x.json.gz")


_VALUES = {
    "account": "111122223333",
    "region": "eu-west-1",
    "organization": "o-abcdefghij",
    "folder1": "a b",
    "folder2": "c",
}


@given(
    parts=st.lists(
        st.sampled_from(
            ["{account}/", "{region}/", "{folder}/", "{yyyy}/", "{mm}-{dd}/", "a*/", "b=", "$x${{/", "é+/", "logs/"]
        ),
        max_size=7,
    ),
    tail=st.text(max_size=5),
    cut=st.integers(0, 60),
)
def test_everything_listed_read_or_announced_is_matched(parts, tail, cut):
    template = "".join(parts)
    try:
        check_prefix(template)
    except ValueError:
        return
    pieces = [piece for segment in segments(template) for piece in segment]
    if sum(bool(field and field.startswith("folder")) for _, field in pieces) > 2:
        return
    key = fill(pieces, datetime(2026, 11, 20, 7, tzinfo=UTC), _VALUES) + tail
    start = static_start(template)
    assert like(key_pattern(template), key)
    assert key.startswith(event_prefix(start))
    assert like(list_pattern(start), start)
    assert like(list_pattern(start), key[: max(cut, len(start))])


def test_prefixes_that_begin_with_another_are_covered_by_it():
    assert shortest(["b/", "a/x/", "a/", "a/"]) == ("a/", "b/")
    assert shortest(["a/", ""]) == ("",)
    assert shortest([]) == ()


def test_filters_hold_nothing_that_would_have_to_be_encoded():
    assert event_prefix("AWSLogs/aws-account-id=") == "AWSLogs/aws-account-id"
    assert event_prefix("my logs/") == "my"
    assert event_prefix("a_b-c.d!'()/") == "a_b-c.d!'()/"
    assert event_prefix("*") == ""
