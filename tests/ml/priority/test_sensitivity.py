"""Sensitivity: parameters raise and lower an action, however a policy is written; wrong rules are refused by name."""

import json
import random
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.history.keys import prepare
from s3sentinel_assets.ml.priority import sensitivity as module
from s3sentinel_assets.ml.priority.checks import CHECKS, Call
from s3sentinel_assets.ml.priority.conditions import Caller, Condition
from s3sentinel_assets.ml.priority.documents import parse
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRules, load_sensitivity
from tests.ml.priority.calls import (
    ALL,
    HOUR,
    ONE_BUCKET,
    added,
    bucket,
    ingress,
    level,
    levels,
    policy,
    selectors,
    trust,
)
from tests.ml.priority.judged import SENSITIVITY
from tests.ml.worlds import ACCOUNT, MODELS, call, frame


@pytest.mark.parametrize(
    ("action", "given", "expected"),
    [
        ("iam:AttachRolePolicy", {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, 3),
        ("iam:AttachUserPolicy", {"policyArn": "arn:aws-us-gov:iam::aws:policy/PowerUserAccess"}, 3),
        ("iam:AttachRolePolicy", {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}, 1),
        ("iam:AttachRolePolicy", {"policyArn": f"arn:aws:iam::{ACCOUNT}:policy/app"}, 2),
        ("iam:AttachRolePolicy", None, 2),
        ("iam:PutUserPolicy", policy(ALL), 3),
        ("iam:PutUserPolicy", policy(ONE_BUCKET), 2),
        ("iam:PutUserPolicy", policy({**ALL, "Effect": "Deny"}), 2),
        ("iam:PutRolePolicy", policy(ONE_BUCKET, {**ALL, "Action": ["s3:*", "iam:PassRole"], "Resource": ["*"]}), 3),
        ("iam:PutRolePolicy", policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), 3),
        ("iam:CreatePolicyVersion", policy(ALL, setAsDefault=True), 3),
        ("sts:GetFederationToken", {"name": "x", "policy": json.dumps({"Statement": ALL})}, 3),
        ("iam:CreateRole", {"assumeRolePolicyDocument": json.dumps({"Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})}, 1),
        ("iam:UpdateAssumeRolePolicy", trust({"AWS": "arn:aws:iam::444455556666:root"}), 3),
        ("iam:UpdateAssumeRolePolicy", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), 2),
        ("iam:CreateRole", {"assumeRolePolicyDocument": json.dumps({"Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]})}, 3),
        ("iam:CreateAccessKey", {"userName": "ben"}, 2),
        ("iam:CreateAccessKey", {"userName": "anna"}, 1),
        ("iam:CreateAccessKey", None, 1),
        ("iam:UpdateLoginProfile", {"userName": "ben", "passwordResetRequired": False}, 3),
        ("iam:UpdateLoginProfile", {"userName": "ben", "passwordResetRequired": True}, 1),
        ("s3:PutBucketPolicy", bucket(Principal="*"), 3),
        ("s3:PutBucketPolicy", bucket(Principal={"AWS": ["*"]}), 3),
        ("s3:PutBucketPolicy", bucket(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), 1),
        ("s3:PutBucketPolicy", bucket(Principal="*", Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}), 3),
        ("s3:PutBucketPolicy", bucket(Principal={"AWS": "444455556666"}), 2),
        ("s3:PutBucketPolicy", bucket(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/x"}), 1),
        ("s3:PutBucketAcl", {"bucketName": "b", "x-amz-acl": ["public-read"]}, 3),
        ("s3:PutBucketAcl", {"AccessControlPolicy": {"AccessControlList": {"Grant": [{"Grantee": {
            "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}]}}}, 3),
        ("s3:PutBucketPublicAccessBlock", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": False}}, 2),
        ("s3:PutBucketPublicAccessBlock", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}, 0),
        ("s3:PutBucketVersioning", {"VersioningConfiguration": {"Status": "Suspended"}}, 2),
        ("s3:PutBucketVersioning", {"VersioningConfiguration": {"Status": "Enabled"}}, 0),
        ("s3:PutBucketLogging", {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "t"}}}, 0),
        ("s3:PutBucketLogging", {"BucketLoggingStatus": {"xmlns": "…"}}, 2),
        ("s3:PutBucketLifecycle", {"bucketName": "org-cloudtrail", "LifecycleConfiguration": {
            "Rule": {"Status": "Enabled", "Expiration": {"Days": 1}}}}, 3),
        ("s3:PutBucketLifecycle", {"bucketName": "tmp", "LifecycleConfiguration": {
            "Rule": [{"Status": "Enabled", "Expiration": {"Days": 30}}]}}, 0),
        ("s3:PutBucketEncryption", {"k": {"KMSMasterKeyID": "arn:aws:kms:eu-west-1:444455556666:key/x"}}, 3),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("0.0.0.0/0"), 3),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("::/0", 3389), 3),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("0.0.0.0/1", 5432), 3),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("0.0.0.0/0", 20_000, 40_000), 3),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("0.0.0.0/0", None, None, "-1"), 3),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("0.0.0.0/0", 443), 1),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("0.0.0.0/0", 8443), 2),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("10.0.0.0/8"), 1),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("203.0.113.7/32"), 2),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("fd00:1::/48"), 1),
        ("ec2:AuthorizeSecurityGroupIngress", {"cidrIp": "208.1.2.3/0", "fromPort": 22, "ipProtocol": "tcp"}, 3),
        ("ec2:ModifySnapshotAttribute", added(group="all"), 3),
        ("ec2:ModifySnapshotAttribute", added(userId="444455556666"), 3),
        ("ec2:ModifySnapshotAttribute", added(userId=ACCOUNT), 0),
        ("ec2:ModifySnapshotAttribute", {"createVolumePermission": {"remove": {"items": [{"group": "all"}]}}}, 0),
        ("rds:ModifyDBSnapshotAttribute", {"attributeName": "restore", "valuesToAdd": ["all"]}, 3),
        ("rds:ModifyDBSnapshotAttribute", {"attributeName": "restore", "valuesToRemove": ["444455556666"]}, 0),
        ("rds:ModifyDBInstance", {"publiclyAccessible": True}, 3),
        ("rds:ModifyDBInstance", {"allocatedStorage": 40}, 0),
        ("rds:DeleteDBInstance", {"skipFinalSnapshot": True}, 3),
        ("ec2:ModifyInstanceAttribute", {"instanceId": "i-1", "userData": "<sensitiveDataRemoved>"}, 3),
        ("ec2:ModifyInstanceAttribute", {"instanceId": "i-1", "disableApiTermination": {"value": False}}, 1),
        ("ec2:RunInstances", {"instanceType": "p4d.24xlarge"}, 2),
        ("ec2:RunInstances", {"instanceType": "t3.micro"}, 1),
        ("cloudtrail:PutEventSelectors", selectors(includeManagementEvents=False), 3),
        ("cloudtrail:PutEventSelectors", selectors(includeManagementEvents=True, readWriteType="All"), 0),
        ("cloudtrail:PutEventSelectors", {"advancedEventSelectors": [{"fieldSelectors": [
            {"field": "eventCategory", "equals": ["Data"]}]}]}, 3),
        ("cloudtrail:UpdateTrail", {"name": "t", "isMultiRegionTrail": False}, 3),
        ("cloudtrail:UpdateTrail", {"name": "t", "snsTopicName": "x"}, 1),
        ("guardduty:UpdateDetector", {"enable": False}, 3),
        ("guardduty:UpdateDetector", {"findingPublishingFrequency": "ONE_HOUR"}, 1),
        ("kms:ScheduleKeyDeletion", {"keyId": "k", "pendingWindowInDays": 7}, 3),
        ("kms:ScheduleKeyDeletion", {"keyId": "k", "pendingWindowInDays": 30}, 2),
        ("lambda:AddPermission20150331v2", {"principal": "*", "action": "lambda:InvokeFunction"}, 3),
        ("lambda:AddPermission20150331v2", {"principal": "*", "sourceAccount": ACCOUNT}, 1),
        ("lambda:AddPermission20150331v2", {"principal": "444455556666"}, 2),
        ("lambda:UpdateFunctionCode20150331v2", {"dryRun": False}, 2),
        ("lambda:CreateFunctionUrlConfig", {"authType": "NONE"}, 3),
        ("bedrock:DeleteModelInvocationLoggingConfiguration", None, 3),
        ("bedrock:PutModelInvocationLoggingConfiguration", {"loggingConfig": {"textDataDeliveryEnabled": False}}, 2),
        ("bedrock:DeleteGuardrail", {"guardrailIdentifier": "x"}, 2),
        ("ram:CreateResourceShare", {"principals": ["444455556666"], "name": "x"}, 3),
        ("ssm:SendCommand", {"documentName": "AWS-RunPatchBaseline"}, 1),
        ("ssm:SendCommand", {"documentName": "AWS-RunShellScript"}, 2),
        ("signin:ConsoleLogin", {"MFAUsed": "No", "LoginTo": "https://console.aws.amazon.com/"}, 2),
        ("signin:ConsoleLogin", {"MFAUsed": "No", "SamlProviderArn": f"arn:aws:iam::{ACCOUNT}:saml-provider/x"}, 0),
        ("signin:ConsoleLogin", {"MFAUsed": "Yes"}, 0),
        ("s3:GetObject", None, 0),
    ],
)  # fmt: skip
def test_parameters_raise_and_lower(action, given, expected):
    assert level(action, given) == expected


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text,
        lambda text: json.dumps(text),
        lambda text: json.dumps(json.dumps(text)),
        lambda text: quote(text, safe=""),
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: text.replace("*", "\\u002a"),
        lambda text: json.dumps(json.loads(text), indent=2).replace("\n", "\r\n\t"),
    ],
    ids=["plain", "in a string", "twice in a string", "percent", "twice percent", "escapes", "spread out"],
)
def test_a_policy_means_the_same_however_it_is_written(spell):
    document = json.dumps({"Statement": [ONE_BUCKET, ALL]})
    assert level("iam:PutRolePolicy", {"roleName": "r", "policyDocument": spell(document)}) == 3
    harmless = json.dumps({"Statement": [ONE_BUCKET]})
    assert level("iam:PutRolePolicy", {"roleName": "r", "policyDocument": spell(harmless)}) == 2


def test_callers_and_errors_count():
    root = {"principal": f"{ACCOUNT}/root", "principal_type": "Root", "peer": f"{ACCOUNT}/Root"}
    service = {"principal": "autoscaling.amazonaws.com", "peer": f"{ACCOUNT}/AWSService"}
    assert level("iam:CreateAccessKey", None, **root) == 3
    assert level("signin:ConsoleLogin", {"MFAUsed": "Yes"}, **root) == 3
    assert level("s3:ListBuckets", None, **root) >= 1
    assert level("ec2:RunInstances", {"instanceType": "p4d.24xlarge"}, **service) == 0
    assert level("cloudtrail:StopLogging", {"name": "t"}) == 3
    assert level("cloudtrail:StopLogging", {"name": "t"}, error="AccessDenied") == 2
    assert levels([("signin:ConsoleLogin", {"MFAUsed": "No"}, {"error": "Failed authentication"})]) == [
        (1, "sign-in-failed")
    ]
    assert level("iam:GetRole", None, error="AccessDenied") == 1
    assert level("iam:GetRole", None, error="NoSuchEntityException") == 0


KEYS = [
    *(
        "Effect",
        "Principal",
        "Action",
        "Resource",
        "NotResource",
        "Condition",
        "StringEquals",
        "aws:SourceArn",
        "aws:SourceIp",
    ),
    *("cidrIp", "fromPort", "ipProtocol", "userName", "add", "Owner", "AccessControlList", "Grant", "x-amz-grant-read"),
    *("eventSelectors", "advancedEventSelectors", "fieldSelectors", "field", "equals", "Status", "Expiration", "Date"),
]


@settings(max_examples=30, deadline=None)
@given(
    given=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["*", "::/0", "{"])),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(KEYS),
                inner, max_size=4,
            ),
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_parameters_are_judged(given):
    parsed = parse(json.dumps(given))
    for check in CHECKS.values():
        assert check(Call(parsed, ACCOUNT, "anna")) in (True, False)
    assert 0 <= level("ec2:AuthorizeSecurityGroupIngress", given) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "{",
        "[" * 5_000,
        '{"a":' * 2_000,
        '"' * 999,
        "%",
        "%7B" * 99,
        '{"policyDocument":"' + "%25" * 500 + '"}',
    ],
)
def test_broken_and_hostile_parameters_fall_back_to_the_base_level(text):
    assert level("iam:PutRolePolicy", text) == 2


def test_equal_parameters_are_looked_at_once_and_others_not_at_all(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "parse", lambda text: seen.append(text) or parse(text))
    cases = [("s3:PutObject", {"policyArn": "x"}, {})] * 30 + [("iam:AttachRolePolicy", {"policyArn": "x"}, {})] * 30
    levels([*cases, ("iam:AttachRolePolicy", {"policyArn": "y"}, {}), ("cloudtrail:StopLogging", {"name": "z"}, {})])
    assert sorted(seen) == ['{"policyArn": "x"}', '{"policyArn": "y"}']


def test_the_order_of_rows_does_not_matter():
    cases = [
        ("iam:PutRolePolicy", policy(ALL), {}),
        ("ec2:AuthorizeSecurityGroupIngress", ingress("0.0.0.0/0"), {"error": "UnauthorizedOperation"}),
        ("s3:PutBucketPolicy", bucket(Principal={"AWS": "444455556666"}), {"account": "444455556666"}),
        ("iam:CreateUser", None, {}),
        ("s3:GetObject", None, {}),
    ] * 4
    expected = levels(cases)
    order = list(range(len(cases)))
    random.Random(3).shuffle(order)
    # `levels` answers in the order of time, which follows the order of cases.
    assert levels([cases[place] for place in order]) == [expected[place] for place in order]


def test_other_formats_have_no_rules():
    assert SENSITIVITY.for_format("vpc_flow").rules == ()
    batch = frame([call(HOUR, 1, "anna", "cloudtrail:StopLogging", 1)])
    found = SensitivityRules().levels(prepare(batch, "cloudtrail"), batch["detail"])
    assert (found.level.to_list(), found.rule.to_list(), found.technique.to_list()) == ([0], [None], [None])


GOOD = {"id": "a", "actions": ["s3:Put*"], "level": 2, "why": "x"}


def nested(depth: int) -> dict:
    condition: dict = {"failed": True}
    for _ in range(depth):
        condition = {"not": condition}
    return condition


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([{**GOOD, "levle": 2}], r"rules\.0\.levle"),
        ([{**GOOD, "level": 4}], r"rules\.0\.level"),
        ([{**GOOD, "actions": ["PutObject"]}], r"rules\.0\.actions\.0"),
        ([{**GOOD, "technique": ["persistence"]}], r"rules\.0\.technique\.0"),
        ([{**GOOD, "when": [{"path": "a"}]}], r"rules\.0\.when\.0.*exactly one of is, in"),
        ([{**GOOD, "when": [{"path": "a", "is": 1, "contains": "b"}]}], r"rules\.0\.when\.0"),
        ([{**GOOD, "when": [{"check": "publik"}]}], r"rules\.0\.when\.0\.check.*there is no check 'publik'"),
        ([{**GOOD, "when": [{"path": "a", "matches": "("}]}], r"rules\.0\.when\.0\.matches.*regular expression"),
        ([{**GOOD, "when": [{"not": {"caller": ["Root"], "failed": True}}]}], r"rules\.0\.when\.0\.not"),
        ([GOOD, {**GOOD, "actions": ["ec2:Run*"]}], r"rules\.1\.id.*taken by rules\.0"),
        ([GOOD, {**GOOD, "id": "b", "actions": ["s3:PutObject"]}], r"rules\.1\.actions.*decided by rules\.0"),
        (
            [{**GOOD, "when": [{"caller": ["AssumeRole"]}]}],
            r"rules\.0\.when\.0\.caller\.0.*no caller type 'AssumeRole'",
        ),
        (
            [{**GOOD, "when": [{"path": "requestParameters.userName", "is": "x"}]}],
            r"when\.0\.path.*'requestParameters'",
        ),
        ([{**GOOD, "when": [{"path": "a", "at_most": float("nan")}]}], r"rules\.0\.when\.0\.at_most.*finite"),
        ([{**GOOD, "when": [nested(17)]}], r"rules\.0\.when\.0\.not.*more than 16 deep"),
        ([{**GOOD, "when": [nested(400)]}], r"rules\.0\.when\.0\.not.*…: is nested too deeply"),
        ([{**GOOD, "actions": ["lambda:UpdateFunctionCode2015*"]}], r"rules\.0\.actions\.0.*API date"),
        ([{**GOOD, "actions": ["s3:[Pp]ut*"]}], r"rules\.0\.actions\.0"),
        ([], r"rules: is missing or empty"),
    ],
)
def test_wrong_rules_are_refused_with_their_path(tmp_path, rules, says):
    file = tmp_path / "sensitivity.json"
    file.write_text(json.dumps({"formats": ["cloudtrail"], "rules": rules}))
    with pytest.raises(ConfigurationError, match=says) as error:
        load_sensitivity(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ({"rules": [GOOD]}, "formats: is missing or empty"),
        ({"formats": [], "rules": [GOOD]}, "formats: is missing or empty"),
        ({"formats": ["CloudTrail"], "rules": [GOOD]}, r"formats\.0: there is no log family 'CloudTrail'"),
        ({"formats": ["cloudtrail"]}, "rules: is missing or empty"),
        ('{"formats": ["cloudtrail"], "rules": [], "rules": []}', "the key 'rules' stands twice"),
        ('{"rules": [{"id": "a", "level": 3, "why": "x", "level": 0}]}', "the key 'level' of 'a' stands twice"),
        ('{"rules": ' + "[" * 100_000, "nested too deeply"),
    ],
    ids=["no formats", "empty formats", "other case", "no rules", "two rules", "two levels", "deep"],
)
def test_edits_that_would_switch_rules_off_are_refused(tmp_path, text, says):
    file = tmp_path / "sensitivity.json"
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    with pytest.raises(ConfigurationError, match=says) as error:
        load_sensitivity(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("action", "more", "condition"),
    [
        ("lambda:UpdateFunctionCode20150331v2", {}, {}),
        ("lambda:UpdateFunctionCode", {"principal_type": "Root", "peer": f"{ACCOUNT}/Root"}, {"caller": ["root"]}),
        ("lambda:UpdateFunctionCode", {"error": "AccessDenied"}, {"error": "accessdenied"}),
        ("lambda:UpdateFunctionCode", {}, {"path": "**", "matches": "mine"}),
    ],
    ids=["date", "caller", "error", "leaf"],
)
def test_spelling_does_not_switch_a_rule_off(tmp_path, action, more, condition):
    file = tmp_path / "sensitivity.json"
    rule = {**GOOD, "actions": [action], "level": 3, "when": [condition] if condition else []}
    file.write_text(json.dumps({"formats": ["cloudtrail"], "rules": [rule]}))
    given = {"functionName": "mine"}
    assert levels([("lambda:UpdateFunctionCode20150331v2", given, more)], load_sensitivity(file))[0][1] == "a"


@pytest.mark.parametrize("condition", [{"path": "**", "matches": "name"}, {"path": "**", "contains": "name"}])
def test_names_of_keys_are_no_values(condition):
    held = Condition.model_validate(condition)
    cases = [({"name": "x"}, False), ({"a": [{"b": ["my name"]}]}, True), ({"a": {"name": {}}}, False)]
    for parameters, expected in cases:
        assert held.holds(Caller(), Call(parse(json.dumps(parameters)), ACCOUNT, "")) is expected


def test_the_shipped_rules_say_why_and_name_techniques():
    assert load_sensitivity(MODELS / "sensitivity.json") == SENSITIVITY
    strong = [rule for rule in SENSITIVITY.rules if rule.level >= 2]
    assert all(rule.technique for rule in strong)
    assert pl.Series([rule.id for rule in SENSITIVITY.rules]).is_unique().all()
