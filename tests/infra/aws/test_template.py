"""What the template says once CloudFormation has carried out its functions."""

import json
import re

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.infra.aws import build_template, documents, make_plan, rendered
from s3sentinel_assets.infra.aws.names import logical_id
from s3sentinel_assets.infra.aws.role import _length, _statements
from tests.infra.aws.configurations import FLOWS, TRAIL, configured
from tests.infra.aws.policies import ACCOUNT, resolve

ROLE = "arn:aws:iam::111122223333:role/reader"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
PARAMETERS = {"TrustedPrincipalArn": "arn:aws:iam::123456789012:role/runs", "ExternalId": "abc"}
LOGS, FOREIGN = logical_id("logs"), logical_id("foreign")

WIDE = {
    "trail": {"prefix": TRAIL, "format": "cloudtrail"},
    "flows": {"prefix": FLOWS},
    "plain": {"prefix": "plain/"},
    "foreign": {"bucket": "foreign", "aws": {"expected_bucket_owner": "999988887777"}},
}


def resources(plan, **parameters):
    template = build_template(plan, plan.home)
    needed = {name: value for name, value in PARAMETERS.items() if name in template["Parameters"]}
    return resolve(template, **needed | parameters)


def linted(template):
    """What cfn-lint finds, informational rules included; I4010 wants a block of metadata for writers of templates."""
    api = pytest.importorskip("cfnlint.api")
    return [str(match) for match in api.lint_all(rendered(template)) if match.rule.id != "I4010"]


def statements(properties):
    return {statement["Sid"]: statement for statement in properties["PolicyDocument"]["Statement"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sources", "aws", "options"),
    [
        (WIDE, {}, {}),
        (WIDE, {"role_arn": ROLE, "external_id": "abc"}, {"sources": ["trail", "flows", "plain"]}),
        ({"a": {"queue_url": "https://sqs.us-east-1.amazonaws.com/111122223333/q"}}, {}, {}),
        ({"a": {"bucket": "arn:aws:s3:us-east-1:111122223333:accesspoint/ap"}}, {}, {}),
        ({"a": {"aws": {"region": "eu-west-1"}}, "b": {"bucket": "two"}}, {}, {}),
        (
            {"a": {"prefix": ""}},
            {"role_arn": ROLE, "web_identity_token_file": "t"},
            {"oidc_issuer": "https://x.invalid/id"},
        ),
        ({"a": {}}, {"roles": [{"role_arn": ROLE, "session_tags": {"team": "soc"}}]}, {}),
    ],
)
def test_cfn_lint_finds_nothing(sources, aws, options):
    """Checked with cfn-lint 1.58.0, which comes with moto's server."""
    plan = make_plan(configured(sources, **aws), **options)
    for region in plan.regions:
        assert linted(build_template(plan, region)) == []


@pytest.mark.slow
def test_cfn_lint_would_find_something():
    template = build_template(make_plan(configured({"a": {}})), "us-east-1")
    template["Resources"]["ConnectorRole"]["Properties"]["MaxSession"] = 1
    assert [finding.split(":")[0].strip("[") for finding in linted(template)] == ["E3002"]


def test_the_same_configuration_gives_the_same_text_in_whatever_order_sources_stand():
    one, other = (configured(dict(order)) for order in (WIDE.items(), reversed(WIDE.items())))
    assert documents(make_plan(one)) == documents(make_plan(other))


def test_a_source_more_changes_nothing_of_another_bucket():
    less, more = (resources(make_plan(configured(WIDE | extra))) for extra in ({}, {"x": {"bucket": "another"}}))
    assert {name: more[name] for name in less if name != "ConnectorRole"} == {
        name: less[name] for name in less if name != "ConnectorRole"
    }


def test_queues_keep_messages_for_two_weeks_encrypted_and_give_up_after_the_given_receives():
    found = resources(make_plan(configured(WIDE)), MaxReceiveCount=7)
    queue, dead = found[f"{LOGS}Queue"], found[f"{LOGS}DeadLetters"]
    for each in (queue, dead):
        assert each["MessageRetentionPeriod"] == 14 * 86_400
        assert each["SqsManagedSseEnabled"] is True
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:"
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": arn + dead["QueueName"], "maxReceiveCount": 7}
    assert dead["RedriveAllowPolicy"]["sourceQueueArns"] == [arn + queue["QueueName"]]


def test_every_queue_demands_tls():
    found = resources(make_plan(configured(WIDE)))
    for queue in (f"{start}{kind}" for start in (LOGS, FOREIGN) for kind in ("Queue", "DeadLetters")):
        deny = statements(found[f"{queue}Policy"])["DenyWithoutTls"]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "sqs:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert deny["Resource"].endswith(found[queue]["QueueName"])
        assert found[f"{queue}Policy"]["Queues"] == [queue]


def test_by_default_only_the_rules_of_the_bucket_may_send_and_s3_only_for_a_foreign_bucket():
    found = resources(make_plan(configured(WIDE)))
    rules = [name for name in found if re.fullmatch(rf"{LOGS}Rule\w+", name)]
    (sender,) = statements(found[f"{LOGS}QueuePolicy"]).keys() - {"DenyWithoutTls"}
    sends = statements(found[f"{LOGS}QueuePolicy"])[sender]
    assert sends["Principal"] == {"Service": "events.amazonaws.com"}
    assert sends["Action"] == "sqs:SendMessage"
    assert sends["Condition"] == {
        "ArnEquals": {"aws:SourceArn": [f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}" for rule in rules]}
    }
    assert not [name for name in found if name.startswith(f"{FOREIGN}Rule")]
    foreign = statements(found[f"{FOREIGN}QueuePolicy"])["SendFromS3"]
    assert foreign["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::foreign"},
        "StringEquals": {"aws:SourceAccount": "999988887777"},
    }


def test_with_s3_as_sender_there_are_no_rules_and_only_s3_for_the_bucket_may_send():
    found = resources(make_plan(configured(WIDE)), SendBy="S3")
    assert not [name for name in found if "Rule" in name]
    for start, bucket, owner in ((LOGS, "logs", ACCOUNT), (FOREIGN, "foreign", "999988887777")):
        policy = statements(found[f"{start}QueuePolicy"])
        assert policy.keys() == {"SendFromS3", "DenyWithoutTls"}
        assert policy["SendFromS3"]["Principal"] == {"Service": "s3.amazonaws.com"}
        assert policy["SendFromS3"]["Condition"] == {
            "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
            "StringEquals": {"aws:SourceAccount": owner},
        }


def test_a_bucket_whose_owner_is_the_stacks_account_has_rules():
    plan = make_plan(configured(WIDE))
    found = resolve(build_template(plan, plan.home), account="999988887777", **PARAMETERS)
    assert [name for name in found if name.startswith(f"{FOREIGN}Rule")]


def test_the_trust_policy_wants_principal_and_external_id():
    trust = resources(make_plan(configured(WIDE)))["ConnectorRole"]["AssumeRolePolicyDocument"]
    assert trust["Statement"] == [
        {
            "Sid": "AssumeWithExternalId",
            "Effect": "Allow",
            "Principal": {"AWS": PARAMETERS["TrustedPrincipalArn"]},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "abc"}},
        }
    ]


def test_session_tags_are_allowed_with_their_values_only():
    plan = make_plan(configured({"a": {}}, roles=[{"role_arn": ROLE, "session_tags": {"team": "soc"}}]))
    _, tags = resources(plan)["ConnectorRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert tags["Action"] == "sts:TagSession"
    assert tags["Condition"] == {
        "StringEquals": {"aws:RequestTag/team": "soc"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
    }


def test_tokens_of_one_subject_alone_assume_the_role():
    aws = {"role_arn": ROLE, "web_identity_token_file": "t"}
    plan = make_plan(configured({"a": {}}, **aws), oidc_issuer="https://oidc.eks.eu-west-1.amazonaws.com/id/AB/")
    role = resources(plan, OidcSubject="system:serviceaccount:soc:reader")["ConnectorRole"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    issuer = "oidc.eks.eu-west-1.amazonaws.com/id/AB"
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"}
    assert statement["Condition"]["StringEquals"] == {
        f"{issuer}:sub": "system:serviceaccount:soc:reader",
        f"{issuer}:aud": "sts.amazonaws.com",
    }
    assert role["RoleName"] == "reader"


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            "TrustedPrincipalArn",
            ["arn:aws:iam::111122223333:role/a/b"],
            ["*", "", "arn:aws:iam::111122223333:root", "111122223333"],
        ),
        ("ExternalId", ["a-b.c:d"], ["a b", "*"]),
    ],
)
def test_parameters_take_nothing_that_would_open_the_role(parameter, good, bad):
    given = build_template(make_plan(configured({"a": {}})), "us-east-1")["Parameters"][parameter]
    assert "Default" not in given
    assert all(re.fullmatch(given["AllowedPattern"], each) for each in good)
    assert not any(re.fullmatch(given["AllowedPattern"], each) for each in bad)


def test_an_external_id_of_the_configuration_stands_in_no_file():
    plan = make_plan(configured({"a": {}}, role_arn=ROLE, external_id="very-own-id"))
    assert not any("very-own-id" in text for text in documents(plan).values())


def test_keys_are_allowed_only_where_they_are_given_and_only_by_way_of_s3():
    plan = make_plan(configured(WIDE))

    def granted(**parameters):
        (policy,) = resources(plan, **parameters)["ConnectorRole"]["Policies"]
        return statements(policy).get("DecryptWithGivenKeys")

    assert granted(KmsKeyArns=[""]) is granted() is None
    given = granted(KmsKeyArns=[KEY])
    assert (given["Action"], given["Resource"]) == (["kms:Decrypt"], [KEY])
    assert given["Condition"] == {"StringEquals": {"kms:ViaService": ["s3.us-east-1.amazonaws.com"]}}


def test_queues_of_other_regions_and_of_others_are_read_by_name():
    sources = {
        "a": {},
        "b": {"bucket": "two", "aws": {"region": "eu-west-1"}},
        "c": {"bucket": "three", "queue_url": "https://sqs.eu-west-1.amazonaws.com/999988887777/central"},
    }
    (policy,) = resources(make_plan(configured(sources)))["ConnectorRole"]["Policies"]
    assert statements(policy)["ReadQueues"]["Resource"] == [
        f"arn:aws:sqs:us-east-1:{ACCOUNT}:s3sentinel-logs",
        f"arn:aws:sqs:eu-west-1:{ACCOUNT}:s3sentinel-two",
        "arn:aws:sqs:eu-west-1:999988887777:central",
    ]
    other = build_template(make_plan(configured(sources)), "eu-west-1")
    assert "ConnectorRole" not in other["Resources"]
    assert list(other["Outputs"]) == [f"{logical_id('two')}QueueUrl"]


def test_an_access_point_is_read_as_such_and_has_no_queue():
    arn = "arn:aws:s3:us-east-1:111122223333:accesspoint/ap"
    found = resources(make_plan(configured({"a": {"bucket": arn}})))
    assert list(found) == ["ConnectorRole"]
    (policy,) = found["ConnectorRole"]["Policies"]
    lists, reads = policy["PolicyDocument"]["Statement"]
    assert (lists["Resource"], reads["Resource"]) == ([arn], [f"{arn}/object/p/*"])


def test_outputs_say_where_they_go():
    config = configured({"a": {}, "b": {"bucket": "two", "aws": {"region": "us-east-1"}}})
    outputs = build_template(make_plan(config), "us-east-1")["Outputs"]
    assert "aws.role_arn and sources.b.aws.role_arn" in outputs["RoleArn"]["Description"]
    assert "sources.a.queue_url" in outputs[f"{LOGS}QueueUrl"]["Description"]


def many(count, length=20):
    return configured(
        {f"s{number}": {"bucket": f"bucket-{number:0{length}}", "prefix": TRAIL} for number in range(count)}
    )


def test_what_is_listed_alike_is_allowed_together():
    (policy,) = resources(make_plan(many(3)))["ConnectorRole"]["Policies"]
    (lists,) = (each for each in policy["PolicyDocument"]["Statement"] if each["Action"] == ["s3:ListBucket"])
    assert len(lists["Resource"]) == 3


def test_a_template_that_would_be_too_long_is_written_without_white_space():
    few, more = (rendered(build_template(make_plan(many(count)), "us-east-1")) for count in (2, 10))
    assert few.count("\n") > 100
    assert more.count("\n") == 1
    assert len(more) < 51_200
    assert len(json.loads(more)["Resources"]) == 1 + 10 * 5


def test_more_than_iam_takes_is_an_error_that_says_so():
    with pytest.raises(UserError, match="IAM takes 10,240"):
        build_template(make_plan(many(80)), "us-east-1")


def test_the_length_that_is_compared_with_iams_limit_is_never_too_short():
    plan = make_plan(many(30))
    (policy,) = resources(plan)["ConnectorRole"]["Policies"]
    exact = len(json.dumps(policy["PolicyDocument"]["Statement"], separators=(",", ":")))
    assert exact <= _length(_statements(plan)) < exact * 1.2


def test_owners_elsewhere_allow_the_role_the_same_and_no_more():
    config = configured(
        {
            "a": {"aws": {"expected_bucket_owner": "999988887777", "role_arn": ROLE}},
            "b": {"bucket": "here", "aws": {"role_arn": ROLE}},
        }
    )
    files = documents(make_plan(config))
    assert "bucket-policy-here.json" not in files
    assert "eventbridge-logs.json" not in files
    policy = json.loads(files["bucket-policy-logs.json"])
    assert {each["Principal"]["AWS"] for each in policy["Statement"]} == {ROLE}
    assert [(each["Action"], each["Resource"], each.get("Condition")) for each in policy["Statement"]] == [
        (["s3:ListBucket"], ["arn:aws:s3:::logs"], {"StringLike": {"s3:prefix": ["p/*"]}}),
        (["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::logs/p/*"], None),
    ]
    statement = json.loads(files["kms-key-statement.json"])
    assert (statement["Principal"]["AWS"], statement["Action"]) == (ROLE, ["kms:Decrypt"])


def test_an_account_that_nobody_told_is_a_placeholder_that_no_service_takes():
    files = documents(make_plan(configured({"a": {}})))
    assert ":ACCOUNT_ID:" in files["notifications-logs.json"]
    files = documents(make_plan(configured({"a": {}}), account="111122223333"))
    assert "ACCOUNT_ID" not in "".join(files.values())
