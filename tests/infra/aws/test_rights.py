"""The role may do what the code asks of AWS, and nothing else."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import boto3
import pytest
from botocore import xform_name

import s3sentinel_assets
from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.infra.aws import build_template, make_plan
from s3sentinel_assets.infra.aws.role import KEY_ACTIONS
from s3sentinel_assets.s3.digests import (
    digest_template,
    fetch_digest,
    list_files,
    log_template,
    open_log,
    scope_prefixes,
)
from s3sentinel_assets.s3.heads import describe_objects
from s3sentinel_assets.s3.key_grammar import KeyFilter
from s3sentinel_assets.s3.listing import list_objects
from s3sentinel_assets.s3.object_requests import ObjectRequests, ReadFacts
from s3sentinel_assets.s3.queue import delete, depth, receive
from s3sentinel_assets.s3.session import aws_client, s3_client
from tests.infra.aws.configurations import FLOWS, TRAIL, configured
from tests.infra.aws.policies import ACCOUNT, allows, resolve

SOURCE = Path(s3sentinel_assets.__file__).parent
PARAMETERS = {"TrustedPrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/runs", "ExternalId": "abc"}

#: Every request that the project makes, and the right that it needs (service authorization reference).
NEEDED = {
    ("s3", "ListObjectsV2"): {"s3:ListBucket"},
    ("s3", "HeadBucket"): {"s3:ListBucket"},
    ("s3", "GetObject"): {"s3:GetObject", "s3:GetObjectVersion"},
    ("s3", "HeadObject"): {"s3:GetObject", "s3:GetObjectVersion"},
    ("sqs", "ReceiveMessage"): {"sqs:ReceiveMessage"},
    ("sqs", "DeleteMessageBatch"): {"sqs:DeleteMessage"},
    ("sqs", "GetQueueAttributes"): {"sqs:GetQueueAttributes"},
    ("cloudtrail", "ListPublicKeys"): {"cloudtrail:ListPublicKeys"},
}
#: Requests of those who assume the role, not of the role.
OF_THE_CALLER = {("sts", "AssumeRole"), ("sts", "AssumeRoleWithWebIdentity")}
#: Modules that write into the local stand-in, which asks for no rights.
OF_THE_STAND_IN = {"local", "cli/demo", "cli/latency.py", "cli/local.py", "cli/emit.py", "cli/dev.py"}


def wide_plan():
    return make_plan(
        configured(
            {
                "trail": {"prefix": TRAIL, "format": "cloudtrail"},
                "flows": {"prefix": FLOWS},
                "mine": {"bucket": "mine", "queue_url": "https://sqs.us-east-1.amazonaws.com/999988887777/central"},
            }
        )
    )


def policy_of(plan, **parameters):
    (policy,) = resolve(build_template(plan, plan.home), **PARAMETERS | parameters)["ConnectorRole"]["Policies"]
    return policy["PolicyDocument"]


def operations() -> dict[str, set[tuple[str, str]]]:
    """boto3's name of a method → services and operations that it may be."""
    found: dict[str, set[tuple[str, str]]] = {}
    session = boto3.Session(region_name="us-east-1")
    for service in ("s3", "sqs", "sts", "cloudtrail"):
        for operation in session.client(service).meta.service_model.operation_names:
            found.setdefault(xform_name(operation), set()).add((service, operation))
    return found


def sources() -> Iterator[Path]:
    for file in SOURCE.rglob("*.py"):
        name = file.relative_to(SOURCE).as_posix()
        if not any(name == each or name.startswith(f"{each}/") for each in OF_THE_STAND_IN):
            yield file


def called() -> set[str]:
    """Names of methods, and of what paginators and waiters are asked for, in every call of the project."""
    names = set[str]()
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            names.add(node.func.attr)
            if node.func.attr in ("get_paginator", "get_waiter", "generate_presigned_url"):
                assert isinstance(node.args[0], ast.Constant), f"{file}: the operation is not plain to see"
                names.add(str(node.args[0].value))
    return names


def test_the_list_of_requests_is_what_the_code_calls():
    known, names = operations(), called()
    made = {each for name in names for each in known.get(name, ())}
    assert made == NEEDED.keys() | OF_THE_CALLER
    # Objects of boto3's resource layer would hide requests, and so would calls by a name that is put together.
    assert not names & {
        "resource",
        "_make_api_call",
        "upload_fileobj",
        "download_fileobj",
        "download_file",
        "upload_file",
    }


def test_clients_are_made_for_these_services_only():
    services = set[str]()
    for file in sources():
        services |= set(
            re.findall(
                r"(?:aws_client|create_client|\.client)\([^()]*(?:\([^()]*\))?[^()\"]*\"(\w+)\"", file.read_text()
            )
        )
    assert services == {service for service, _ in NEEDED.keys() | OF_THE_CALLER}


def test_the_role_is_granted_exactly_what_these_requests_need():
    granted = {action for each in policy_of(wide_plan())["Statement"] for action in each["Action"]}
    assert granted == set().union(*NEEDED.values())
    with_keys = policy_of(wide_plan(), KmsKeyArns=["arn:aws:kms:us-east-1:123456789012:key/1"])
    assert {action for each in with_keys["Statement"] for action in each["Action"]} == granted | set(KEY_ACTIONS)


def test_the_role_is_granted_nothing_that_its_sources_do_not_need():
    plan = make_plan(configured({"mine": {"bucket": "arn:aws:s3:us-east-1:111122223333:accesspoint/ap"}}))
    granted = {action for each in policy_of(plan)["Statement"] for action in each["Action"]}
    assert granted == {"s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion"}


def test_nothing_is_granted_with_a_wildcard_or_on_a_whole_bucket():
    for statement in policy_of(wide_plan())["Statement"]:
        assert not any("*" in action for action in statement["Action"])
        if statement["Action"] != ["cloudtrail:ListPublicKeys"]:
            resources = statement["Resource"]
            assert not {"*", "arn:aws:s3:::logs/*"} & set([resources] if isinstance(resources, str) else resources)
        if "s3:ListBucket" in statement["Action"]:
            assert "*" not in statement["Condition"]["StringLike"]["s3:prefix"]


def as_asked(policy, bucket, operation, params):
    """Whether the role may make a request of S3, with what S3 puts into its context."""
    assert params["Bucket"] == bucket
    arn = f"arn:aws:s3:::{bucket}"
    if operation == "ListObjectsV2":
        return allows(policy, "s3:ListBucket", arn, s3_prefix=params["Prefix"])
    right = "s3:GetObjectVersion" if "VersionId" in params else "s3:GetObject"
    assert operation in ("GetObject", "HeadObject")
    return allows(policy, right, f"{arn}/{params['Key']}")


DAY = "2026/11/20"
LOG = f"AWSLogs/111122223333/CloudTrail/us-east-1/{DAY}/111122223333_CloudTrail_us-east-1_20261120T0700Z_x.json.gz"
DIGEST = f"AWSLogs/111122223333/CloudTrail-Digest/us-east-1/{DAY}/111122223333_CloudTrail-Digest_us-east-1_x.json.gz"


@pytest.mark.parametrize(
    "template",
    [TRAIL, "AWSLogs/{account}/", "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/{account}_CloudTrail_"],
)
def test_the_requests_of_listing_reading_and_verifying_are_allowed_as_they_are_made(local_aws, template):
    config = configured({"trail": {"bucket": f"asked-{len(template)}", "prefix": template, "format": "cloudtrail"}})
    source, policy = config.source("trail"), policy_of(make_plan(config))
    bucket = source.bucket
    access = AwsAccess(endpoint_url=local_aws.url, credentials_file=local_aws.credentials_file, max_attempts=1)
    local_aws.client().create_bucket(Bucket=bucket)
    local_aws.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in (LOG, DIGEST):
        version = local_aws.client().put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"]
    requests = []
    client = s3_client(access)

    def note(params, model, **_):
        requests.append((model.name, dict(params)))

    client.meta.events.register("before-parameter-build.s3", note)
    try:
        first = datetime(2026, 11, 20, 7, tzinfo=UTC)
        listed = partial(list_objects, client, source, access, first=first, last=first, look_back=timedelta(hours=48))
        (found,) = listed()
        filters = [KeyFilter(prefix="AWSLogs/1111"), KeyFilter(prefix=LOG[:60])]
        for only in [*filters, KeyFilter(account="111122223333")]:
            assert [each.key for each in listed(only=only)] == [LOG]
        assert len(list(describe_objects(client, bucket, [LOG, f"{LOG}.gone"], access=access))) == 2
        reading = ObjectRequests(client, bucket, LOG, found.etag, access, None, None, ReadFacts())
        reading.get(0)["Body"].read()
        reading.part_bytes()
        gone = ObjectRequests(client, bucket, DIGEST, "other", access, version, None, ReadFacts())
        with pytest.raises(Exception, match="replaced"):  # by its version, whose ETag is another
            gone.get(0)
        for each in (digest_template(source), log_template(source)):
            assert each is not None
            assert list(scope_prefixes(client, bucket, each, access, first))
            for file in list_files(client, bucket, each, access, first=first, last=first):
                fetch_digest(client, file, access)
                list(open_log(client, bucket, file.key, access))
    finally:
        client.meta.events.unregister("before-parameter-build.s3", note)
    assert {name for name, _ in requests} == {"ListObjectsV2", "GetObject", "HeadObject"}
    assert any("VersionId" in params for _, params in requests)
    assert [each for each in requests if not as_asked(policy, bucket, *each)] == []


def test_the_requests_for_a_queue_are_those_that_are_granted(local_aws):
    access = AwsAccess(endpoint_url=local_aws.url, credentials_file=local_aws.credentials_file)
    url = local_aws.client("sqs").create_queue(QueueName="asked")["QueueUrl"]
    local_aws.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    client, made = aws_client(access, "sqs"), set()

    def note(model, **_):
        made.add(("sqs", model.name))

    client.meta.events.register("before-parameter-build.sqs", note)
    try:
        for lot in receive(client, url, visibility_seconds=120):
            delete(client, url, lot)
        depth(client, url)
    finally:
        client.meta.events.unregister("before-parameter-build.sqs", note)
    assert made == {each for each in NEEDED if each[0] == "sqs"}
    policy = policy_of(make_plan(configured({"a": {}})))
    for action in set().union(*(NEEDED[each] for each in made)):
        assert allows(policy, action, f"arn:aws:sqs:us-east-1:{ACCOUNT}:s3sentinel-logs")
        assert not allows(policy, action, f"arn:aws:sqs:us-east-1:{ACCOUNT}:s3sentinel-logs-dead")


def test_what_lies_beside_the_prefixes_is_neither_listed_nor_read():
    policy = policy_of(wide_plan())
    arn = "arn:aws:s3:::logs"
    assert allows(policy, "s3:GetObject", f"{arn}/{LOG}")
    for key in ("secrets/x", "AWSLogs/111122223333/Config/us-east-1/2026/11/20/x", "awslogs/x"):
        assert not allows(policy, "s3:GetObject", f"{arn}/{key}")
    assert not allows(policy, "s3:GetObject", f"arn:aws:s3:::other/{LOG}")
    assert not allows(policy, "s3:ListBucket", arn, s3_prefix="")
    assert not allows(policy, "s3:ListBucket", arn, s3_prefix="secrets/")
    assert not allows(policy, "s3:ListBucket", arn)
