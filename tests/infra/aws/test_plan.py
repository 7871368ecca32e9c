"""What the configuration asks for, and what one stack cannot give."""

import pytest

from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.infra.aws.names import logical_id, queue_name
from s3sentinel_assets.infra.aws.plan import ExistingQueue, make_plan
from tests.infra.aws.configurations import FLOWS, TRAIL, configured

ROLE = "arn:aws:iam::111122223333:role/path/reader"
URL = "https://sqs.us-east-1.amazonaws.com/111122223333/"


def test_sources_of_a_bucket_share_its_queue_and_each_brings_its_keys():
    config = configured(
        {
            "trail": {"prefix": TRAIL, "format": "cloudtrail"},
            "flows": {"prefix": FLOWS},
            "off": {"bucket": "other", "enabled": False},
        }
    )
    (bucket,) = make_plan(config).buckets
    assert bucket.sources == bucket.woken == ("flows", "trail")
    assert bucket.starts == bucket.event_prefixes == ("AWSLogs/",)
    assert bucket.keys == (
        "AWSLogs/*/CloudTrail-Digest/*/*",
        "AWSLogs/*/CloudTrail/*/*",
        "AWSLogs/*/vpcflowlogs/*/*",
    )
    assert [each.name for each in make_plan(config, sources=["off"]).buckets] == ["other"]


@pytest.mark.parametrize(
    ("digests", "asked", "read"),
    [
        (None, True, True),
        ({"verify": "off"}, False, False),
        ({"public_keys_file": "keys.json"}, False, True),
    ],
)
def test_digests_and_their_keys_are_allowed_where_they_are_verified(digests, asked, read):
    plan = make_plan(configured({"trail": {"prefix": TRAIL, "format": "cloudtrail", "digests": digests}}))
    assert plan.asks_public_keys is asked
    assert any("CloudTrail-Digest" in key for key in plan.buckets[0].keys) is read


def test_a_queue_of_somebody_else_is_read_and_not_made_again():
    config = configured({"a": {"queue_url": URL + "central"}, "b": {"prefix": "q/"}})
    plan = make_plan(config)
    assert plan.queues == (ExistingQueue("us-east-1", "111122223333", "central"),)
    assert plan.buckets[0].woken == ("b",)
    assert plan.buckets[0].event_prefixes == ("q/",)


def test_the_stack_still_makes_the_queue_whose_url_was_put_into_the_configuration():
    before, after = ({"a": values} for values in ({}, {"queue_url": URL + queue_name("s3sentinel", "logs")}))
    assert make_plan(configured(before)).buckets == make_plan(configured(after)).buckets
    assert make_plan(configured(after)).queues == ()


def test_regions_have_a_template_each_and_the_home_is_first():
    config = configured(
        {
            "a": {"aws": {"region": "eu-west-1"}},
            "b": {"bucket": "two", "aws": {"region": "ap-south-1"}},
            "c": {"bucket": "three"},
        },
        region="us-west-2",
    )
    assert make_plan(config).regions == ("us-west-2", "ap-south-1", "eu-west-1")
    assert make_plan(config, sources=["a", "b"]).home == "ap-south-1"


def test_the_configured_role_is_the_one_that_is_made():
    trust = make_plan(configured({"a": {}}, role_arn=ROLE, external_id="abc")).trust
    assert (trust.role_name, trust.path, trust.account, trust.principal) == ("reader", "/path/", "111122223333", None)
    first = "arn:aws:iam::999988887777:role/first"
    chain = [{"role_arn": first}, {"role_arn": ROLE, "duration_seconds": 1800}]
    trust = make_plan(configured({"a": {}}, roles=chain)).trust
    assert (trust.role_name, trust.principal, trust.session_seconds) == ("reader", first, 3600)


@pytest.mark.parametrize(
    ("sources", "options", "words"),
    [
        ({"a": {"enabled": False}}, {}, "no source is enabled"),
        ({"a": {"bucket": "x-s3alias"}}, {}, "write the ARN there"),
        ({"a": {"bucket": "x--use1-az4--x-s3"}}, {}, "directory bucket"),
        ({"a": {"bucket": "..x"}}, {}, "neither a bucket's name"),
        ({"a": {"queue_url": "https://sqs.us-east-1.amazonaws.com/logs"}}, {}, "does not end with an account id"),
        ({"a": {}, "b": {"aws": {"region": "eu-west-1"}}}, {}, "different values of aws.region"),
        ({"a": {}, "b": {"aws": {"role_arn": ROLE}}}, {}, "read by no role and source b by role"),
        ({"a": {"aws": {"role_arn": ROLE}}}, {"oidc_issuer": "x.invalid"}, "assumed with keys"),
        ({"a": {"aws": {"role_arn": ROLE, "web_identity_token_file": "t"}}}, {}, "give it with --oidc-issuer"),
        ({"a": {}}, {"oidc_issuer": "a b"}, "must be the issuer's address"),
        ({"a": {}}, {"account": "1"}, "12 digits"),
        ({"a": {}}, {"name": "x_y"}, "cannot name a stack"),
    ],
)
def test_what_one_stack_cannot_serve_is_said(sources, options, words):
    with pytest.raises(UserError, match=words):
        make_plan(configured(sources), **options)


def test_an_unknown_source_is_named():
    with pytest.raises(ConfigurationError, match="there is no source 'z'"):
        make_plan(configured({"a": {}}), sources=["z"])


def test_names_fit_and_differ_where_buckets_differ():
    long, dotted = "b" * 63, "a.b"
    names = [queue_name("s" * 41, long), queue_name("s", dotted), queue_name("s", "a-b")]
    assert len(set(names)) == 3
    assert all(len(f"{name}-dead") <= 80 and name.replace("-", "").isalnum() for name in names)
    assert logical_id(dotted) != logical_id("a-b")
    assert logical_id("my.trail-logs").isalnum()
