"""The dagster-aws resource of each source: in ops, sensors' helpers, file and IO managers; without a secret to see."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster_aws.s3 import S3PickleIOManager, S3Resource
from dagster_aws.s3.sensor import get_objects

from s3sentinel_assets.aws_resources import source_resources
from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.local.aws import LocalAws, start_aws
from s3sentinel_assets.s3.session import aws_client
from s3sentinel_assets.source_s3 import SourceS3
from tests.stages import FakeStages, config_of

READER = "arn:aws:iam::444455556666:role/reader"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory):
    with start_aws(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def access(local_aws: LocalAws) -> AwsAccess:
    return AwsAccess(
        endpoint_url=local_aws.url, credentials_file=local_aws.credentials_file, role_arn=READER, max_attempts=2
    )


@pytest.fixture
def bucket(access) -> str:
    name = f"own-{next(_numbers)}"
    aws_client(access, "s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def config(access):
    config = config_of()
    sources = {
        "cloudtrail": config.sources["cloudtrail"].model_copy(update={"aws": access}),
        "vpc_flow": config.sources["vpc_flow"].model_copy(update={"enabled": False}),
    }
    return config.model_copy(update={"sources": sources})


def run(config, *assets) -> dg.ExecuteInProcessResult:
    """Materialises a user's own assets beside ours."""
    defs = dg.Definitions.merge(build_defs(config, stages=FakeStages()), dg.Definitions(assets=assets))
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=instance, asset_selection=[key for each in assets for key in each.keys])


def test_an_asset_of_your_own_gets_the_client_of_the_source(config, access, bucket) -> None:
    aws_client(access, "s3").put_object(Bucket=bucket, Key="a/1", Body=b"x")
    seen = {}

    @dg.asset
    def own(cloudtrail_s3: S3Resource) -> None:
        client = cloudtrail_s3.get_client()
        seen["client"] = client
        seen["keys"] = [entry["Key"] for entry in get_objects(bucket, "a/", client=client)]
        seen["signed as"] = client._request_signer._credentials.account_id

    assert run(config, own).success
    assert seen == {"client": aws_client(access, "s3"), "keys": ["a/1"], "signed as": "444455556666"}


def test_a_context_has_the_client_itself_as_with_dagster_aws(config, access) -> None:
    seen = []

    @dg.asset(required_resource_keys={"cloudtrail_s3"})
    def own(context: dg.AssetExecutionContext) -> None:
        seen.append(context.resources.cloudtrail_s3)

    assert run(config, own).success
    assert seen == [aws_client(access, "s3")]


def test_what_the_bucket_of_the_source_asks_for_goes_to_no_other_bucket(config, access, bucket) -> None:
    wanted = access.model_copy(update={"expected_bucket_owner": "999999999999", "requester_pays": True})
    sources = {"cloudtrail": config.sources["cloudtrail"].model_copy(update={"aws": wanted, "bucket": "source-logs"})}
    aws_client(access, "s3").create_bucket(Bucket="source-logs")
    sent = {}

    @dg.asset
    def own(cloudtrail_s3: S3Resource) -> None:
        client = cloudtrail_s3.get_client()
        client.meta.events.register("before-send.s3", lambda request, **_: sent.update({request.url: request.headers}))
        client.list_objects_v2(Bucket=bucket)
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.list_objects_v2(Bucket="source-logs")
        cloudtrail_s3.get_client()  # asked for again, nothing is added twice

    assert run(config.model_copy(update={"sources": sources}), own).success
    own_bucket, source_bucket = sent.values()
    assert "x-amz-request-payer" not in own_bucket
    assert source_bucket["x-amz-request-payer"] in ("requester", b"requester")


def test_files_are_kept_with_the_access_of_the_source(config, access, bucket) -> None:
    @dg.asset
    def own(cloudtrail_s3: SourceS3) -> None:
        manager = cloudtrail_s3.file_manager(bucket, "files")
        handle = manager.write_data(b"kept")
        assert manager.read_data(handle) == b"kept"

    assert run(config, own).success
    (entry,) = aws_client(access, "s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert entry["Key"].startswith("files/")


def test_an_io_manager_reads_the_configuration_when_it_runs(local_aws, bucket, tmp_path, monkeypatch) -> None:
    text = f"""
sentinel: {{ingestion_endpoint: "https://x.example.org", workspace_id: w, dcr_id: d}}
aws: {{endpoint_url: "{local_aws.url}", credentials_file: "{local_aws.credentials_file}", role_arn: "{READER}"}}
sources: {{cloudtrail: {{bucket: logs, prefix: "", format: cloudtrail}}}}
"""
    file = tmp_path / "own.yaml"
    file.write_text(text)
    monkeypatch.setenv("S3SENTINEL_CONFIG", str(file))

    @dg.asset
    def numbers() -> list[int]:
        return [1, 2, 3]

    @dg.asset
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    manager = S3PickleIOManager(s3_resource=SourceS3(source="cloudtrail"), s3_bucket=bucket)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([numbers, total], resources={"io_manager": manager}, instance=instance)
    assert result.output_for_node("total") == 6
    keys = [entry["Key"] for entry in local_aws.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["dagster/numbers", "dagster/total"]


def test_an_unknown_source_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("S3SENTINEL_CONFIG", str(Path(__file__).resolve().parent.parent / "s3sentinel.yaml"))
    with pytest.raises(ConfigurationError, match="there is no source 'cloudtrial' in the configuration; there are"):
        SourceS3(source="cloudtrial").get_client()


def test_only_enabled_sources_have_a_resource(config) -> None:
    assert set(source_resources(config)) == {"cloudtrail_s3"}


def test_nothing_of_the_access_is_shown_by_dagster(config, access) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    repository = build_defs(config, stages=FakeStages()).get_repository_def()
    shown = serialize_value(RepositorySnap.from_def(repository))
    assert "cloudtrail_s3" in shown
    for hidden in (READER, str(access.credentials_file), str(access.endpoint_url), "aws_secret_access_key"):
        assert hidden not in shown


@pytest.mark.parametrize("name", ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile_name"])
def test_a_key_cannot_be_given_to_the_resource(name) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} comes from the source's access in s3sentinel.yaml") as caught:
        SourceS3(source="cloudtrail", **{name: "TOPSECRET"})
    assert "TOPSECRET" not in str(caught.value)


def test_definitions_with_the_resources_load_no_boto3() -> None:
    code = (
        "import json, sys\n"
        "from s3sentinel_assets.config import load_config\n"
        "from s3sentinel_assets.definitions import build_defs\n"
        "resources = build_defs(load_config('s3sentinel.yaml')).get_repository_def().get_top_level_resources()\n"
        "print(json.dumps([sorted(resources), sorted({'boto3', 'dagster_aws'} & set(sys.modules))]))\n"
    )
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, env=os.environ)
    names, loaded = json.loads(done.stdout.splitlines()[-1])
    assert {"cloudtrail_s3", "vpc_flow_s3"} <= set(names)
    assert loaded == []
