"""The template deployed: what CloudFormation makes of it, and whether news of objects then reaches the reader."""

import ast
import json
from types import SimpleNamespace

import pytest

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.infra.aws import build_template, documents, make_plan, rendered
from s3sentinel_assets.infra.aws.names import logical_id
from s3sentinel_assets.s3.notifications import read_message
from s3sentinel_assets.s3.queue import receive
from s3sentinel_assets.s3.session import aws_client
from tests.infra.aws.configurations import FLOWS, TRAIL, configured
from tests.infra.aws.policies import ACCOUNT, resolve

PARAMETERS = {"TrustedPrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/runs", "ExternalId": "abc"}
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"


def deploy(local_aws, config, name, **parameters):
    plan = make_plan(config, name=name, account=ACCOUNT)
    template = build_template(plan, plan.home)
    given = PARAMETERS | parameters
    stacks = local_aws.client("cloudformation")
    stacks.create_stack(
        StackName=name,
        TemplateBody=rendered(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return SimpleNamespace(name=name, plan=plan, template=template, outputs=outputs)


@pytest.fixture(scope="module")
def by_events(local_aws):
    """A stack for two sources of one bucket, with EventBridge."""
    config = configured(
        {
            "trail": {"bucket": "by-events", "prefix": TRAIL, "format": "cloudtrail"},
            "flows": {"bucket": "by-events", "prefix": FLOWS},
        }
    )
    return deploy(local_aws, config, "by-events", KmsKeyArns=KEY, MaxReceiveCount="9")


def test_the_role_is_what_the_template_means(local_aws, by_events):
    iam = local_aws.client("iam")
    role = iam.get_role(RoleName="by-events")["Role"]
    assert by_events.outputs["RoleArn"] == role["Arn"]
    meant = resolve(by_events.template, **PARAMETERS, KmsKeyArns=[KEY])["ConnectorRole"]
    assert role["AssumeRolePolicyDocument"] == meant["AssumeRolePolicyDocument"]
    assert iam.list_role_policies(RoleName="by-events")["PolicyNames"] == ["read-logs"]
    assert iam.list_attached_role_policies(RoleName="by-events")["AttachedPolicies"] == []
    found = iam.get_role_policy(RoleName="by-events", PolicyName="read-logs")["PolicyDocument"]
    found = ast.literal_eval(found)  # moto keeps the text of Python's mapping
    assert found == meant["Policies"][0]["PolicyDocument"]
    (decrypt,) = (each for each in found["Statement"] if each["Action"] == ["kms:Decrypt"])
    assert decrypt["Resource"] == [KEY]


def test_the_queue_has_its_dead_letter_queue_encryption_and_retention(local_aws, by_events):
    sqs = local_aws.client("sqs")
    url = by_events.outputs[f"{logical_id('by-events')}QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert queue["MessageRetentionPeriod"] == "1209600"
    assert queue["VisibilityTimeout"] == "120"
    assert queue["SqsManagedSseEnabled"] == "true"
    redrive = json.loads(queue["RedrivePolicy"])
    dead_url = sqs.get_queue_url(QueueName="by-events-by-events-dead")["QueueUrl"]
    dead = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["All"])["Attributes"]
    assert redrive == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 9}
    assert (dead["MessageRetentionPeriod"], dead["SqsManagedSseEnabled"]) == ("1209600", "true")


def test_sqs_takes_the_policies(local_aws, by_events):
    """moto's CloudFormation leaves queue policies out, so they are given to SQS as CloudFormation would."""
    sqs = local_aws.client("sqs")
    found = resolve(by_events.template, **PARAMETERS)
    policies = {name: each for name, each in found.items() if name.endswith("Policy")}
    assert len(policies) == 2
    for policy in policies.values():
        (queue,) = policy["Queues"]
        url = sqs.get_queue_url(QueueName=found[queue]["QueueName"])["QueueUrl"]
        text = json.dumps(policy["PolicyDocument"])
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})
        kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        assert json.loads(kept) == policy["PolicyDocument"]


def test_rules_are_on_the_default_bus_and_send_to_the_queue(local_aws, by_events):
    events = local_aws.client("events")
    rules = [rule for rule in events.list_rules(EventBusName="default")["Rules"] if "by-events" in rule["Description"]]
    (rule,) = rules
    assert rule["State"] == "ENABLED"
    assert json.loads(rule["EventPattern"])["detail"] == {
        "bucket": {"name": ["by-events"]},
        "object": {"key": [{"prefix": "AWSLogs/"}]},
    }
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"] == f"arn:aws:sqs:us-east-1:{ACCOUNT}:by-events-by-events"
    assert "InputTransformer" not in target


def access_to(local_aws):
    return AwsAccess(endpoint_url=local_aws.url, credentials_file=local_aws.credentials_file)


def announced(local_aws, url):
    """Bucket and key of all that the queue announces, as the product reads it."""
    client = aws_client(access_to(local_aws), "sqs")
    messages = [message for lot in receive(client, url) for message in lot]
    read = [read_message(message.body) for message in messages]
    assert not [rejected for each in read for rejected in each.rejected]
    return sorted((found.bucket, found.key) for each in read for found in each.objects)


def put_all(local_aws, bucket):
    s3 = local_aws.client("s3")
    for key in ("AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/20/a b+c.json.gz", "plain/x", "other/y"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")


def test_what_is_written_below_the_prefix_reaches_the_reader_by_events(local_aws, by_events):
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="by-events")
    s3.put_bucket_notification_configuration(
        Bucket="by-events",
        NotificationConfiguration=json.loads(documents(by_events.plan)["eventbridge-by-events.json"]),
    )
    put_all(local_aws, "by-events")
    found = announced(local_aws, by_events.outputs[f"{logical_id('by-events')}QueueUrl"])
    assert found == [("by-events", "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/20/a b+c.json.gz")]


def test_what_is_written_below_the_prefixes_reaches_the_reader_by_s3_itself(local_aws):
    config = configured(
        {
            "trail": {"bucket": "by-s3", "prefix": TRAIL, "format": "cloudtrail"},
            "plain": {"bucket": "by-s3", "prefix": "plain/"},
        }
    )
    stack = deploy(local_aws, config, "by-s3", SendBy="S3")
    events = local_aws.client("events")
    assert not [rule for rule in events.list_rules()["Rules"] if "by-s3" in rule["Description"]]
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="by-s3")
    wanted = json.loads(documents(stack.plan)["notifications-by-s3.json"])
    s3.put_bucket_notification_configuration(Bucket="by-s3", NotificationConfiguration=wanted)
    put_all(local_aws, "by-s3")
    assert announced(local_aws, stack.outputs[f"{logical_id('by-s3')}QueueUrl"]) == [
        ("by-s3", "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/20/a b+c.json.gz"),
        ("by-s3", "plain/x"),
    ]
