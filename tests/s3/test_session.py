"""Clients: where credentials come from, which endpoint is asked, what is cached, what is said of something missing."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.local.aws import Fault, LocalAws
from s3sentinel_assets.s3.errors import s3_errors
from s3sentinel_assets.s3.session import aws_client, s3_client

VPC_ENDPOINT = "https://bucket.vpce-0a1b.s3.eu-west-1.vpce.amazonaws.com"
POINT_ENDPOINT = "https://accesspoint.vpce-0a1b.s3.eu-west-1.vpce.amazonaws.com"
POINT = "arn:aws:s3:eu-west-1:111122223333:accesspoint/logs"
STAND_IN = "http://127.0.0.1:9"


def credentials_of(client):
    return client._request_signer._credentials.get_frozen_credentials()


@pytest.fixture
def environment_keys(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def write_profiles(folder: Path, **profiles: str) -> Path:
    file = folder / "credentials"
    file.write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = secret\n" for name, key in profiles.items()
        )
    )
    return file


@pytest.mark.usefixtures("environment_keys")
def test_one_client_for_each_access_even_from_many_threads() -> None:
    access = AwsAccess(endpoint_url="http://127.0.0.1:1", region="eu-north-1")
    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda _: s3_client(access.model_copy()), range(32)))
    assert len(clients) == 1
    assert s3_client(access.model_copy(update={"region": "eu-west-3"})) not in clients


def test_the_credentials_file_wins_over_the_environment(tmp_path, monkeypatch) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nrole_arn = arn:aws:iam::111122223333:role/other\nsource_profile = default\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_PROFILE", "elsewhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    file = write_profiles(tmp_path, default="FROMFILE", second="SECOND")
    assert credentials_of(s3_client(AwsAccess(credentials_file=file))).access_key == "FROMFILE"
    assert credentials_of(s3_client(AwsAccess(credentials_file=file, profile="second"))).access_key == "SECOND"


def test_the_default_chain_is_the_default(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert credentials_of(s3_client(AwsAccess(region="sa-east-1"))).access_key == "FROMENVIRONMENT"


@pytest.mark.usefixtures("environment_keys")
def test_settings_reach_the_client() -> None:
    access = AwsAccess(
        endpoint_url="http://127.0.0.1:2",
        connect_timeout_seconds=3,
        read_timeout_seconds=4,
        max_connections=7,
        max_attempts=3,
    )
    config = s3_client(access).meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (3, 4, 7)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert config.s3["addressing_style"] == "path"
    aws = s3_client(AwsAccess(retry_mode="adaptive")).meta
    assert aws.config.s3["addressing_style"] == "auto"
    assert aws.config.retries["mode"] == "adaptive"
    assert aws.endpoint_url.startswith("https://")


@pytest.mark.parametrize("key", ["credentials_file", "ca_file"])
def test_a_missing_file_is_named(tmp_path, key) -> None:
    with pytest.raises(ConfigurationError, match=rf"aws\.{key}: .*nowhere is missing"):
        s3_client(AwsAccess(**{key: tmp_path / "nowhere"}))


def test_an_unknown_profile_is_named(tmp_path) -> None:
    file = write_profiles(tmp_path, default="A")
    with pytest.raises(UserError, match=r"profile \(absent\).*check aws.profile"):
        s3_client(AwsAccess(credentials_file=file, profile="absent"))


def test_a_role_without_a_caller_says_so(monkeypatch) -> None:
    with pytest.raises(UserError, match=r"no AWS credentials were found; set aws\.profile"):
        s3_client(AwsAccess(role_arn="arn:aws:iam::111122223333:role/reader", region="ca-west-1"))


@pytest.mark.parametrize("service", ["s3", "sts", "sqs", "cloudtrail"])
def test_keys_that_come_late_are_found_by_the_next_call(tmp_path, service) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\n# keys follow\n")
    access = AwsAccess(credentials_file=file)
    for _ in range(2):
        with pytest.raises(UserError, match=r"no AWS credentials were found; set aws\.profile"):
            aws_client(access, service)
    write_profiles(tmp_path, default="LATE")
    assert credentials_of(aws_client(access, service)).access_key == "LATE"
    assert aws_client(access, service) is aws_client(access, service)


def test_a_file_that_is_empty_at_first_is_read_at_the_next_call(tmp_path) -> None:
    access = AwsAccess(credentials_file=tmp_path / "credentials")
    (tmp_path / "credentials").write_text("")
    with pytest.raises(UserError, match=r"profile \(default\) could not be found; check .*credentials_file"):
        s3_client(access)
    write_profiles(tmp_path, default="LATE")
    assert credentials_of(s3_client(access)).access_key == "LATE"


def test_keys_of_the_default_chain_and_of_a_role_s_caller_may_come_late_too(home, local_aws: LocalAws) -> None:
    own = AwsAccess(region="ap-south-2", endpoint_url=local_aws.url)
    role = own.model_copy(update={"role_arn": "arn:aws:iam::111122223333:role/late"})
    for access in (own, role):
        with pytest.raises(UserError, match="no AWS credentials were found"):
            s3_client(access)
    write_profiles(home, default="LATE")
    assert credentials_of(s3_client(own)).access_key == "LATE"
    assert "role/late" in aws_client(role, "sts").get_caller_identity()["Arn"].replace("assumed-role", "role")


def test_a_file_without_keys_is_not_replaced_by_the_machines_keys(tmp_path, monkeypatch) -> None:
    machine = tmp_path / "boto"
    machine.write_text("[Credentials]\naws_access_key_id = MACHINE\naws_secret_access_key = secret\n")
    monkeypatch.setenv("BOTO_CONFIG", str(machine))
    assert credentials_of(s3_client(AwsAccess(region="ap-south-1"))).access_key == "MACHINE"
    file = tmp_path / "credentials"
    file.write_text("[default]\n# keys follow\n")
    with pytest.raises(UserError, match="no AWS credentials were found"):
        s3_client(AwsAccess(region="ap-south-1", credentials_file=file))


def test_nothing_of_a_secret_in_a_sentence(tmp_path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default\naws_secret_access_key = TOPSECRET\n")
    with pytest.raises(UserError) as caught:
        s3_client(AwsAccess(credentials_file=file)).list_buckets()
    assert "TOPSECRET" not in str(caught.value)
    assert os.fspath(file) in str(caught.value)


class _NotSentError(Exception):
    """Ends a request before it leaves."""


def asked(client, call) -> str:
    """The URL that a call would have asked."""
    urls = []

    def stop(request, **_):
        urls.append(request.url)
        raise _NotSentError

    client.meta.events.register("before-send", stop, unique_id="asked")
    with pytest.raises(_NotSentError):
        call(client)
    client.meta.events.unregister("before-send", stop, unique_id="asked")
    return urls[0]


@pytest.mark.parametrize(
    ("settings", "bucket", "url"),
    [
        ({}, "logs", "https://logs.s3.eu-west-1.amazonaws.com/k"),
        ({}, "dotted.logs", "https://s3.eu-west-1.amazonaws.com/dotted.logs/k"),
        ({"region": "us-east-1"}, "logs", "https://logs.s3.us-east-1.amazonaws.com/k"),
        ({"region": "cn-north-1"}, "logs", "https://logs.s3.cn-north-1.amazonaws.com.cn/k"),
        ({"addressing_style": "path"}, "logs", "https://s3.eu-west-1.amazonaws.com/logs/k"),
        ({}, POINT, "https://logs-111122223333.s3-accesspoint.eu-west-1.amazonaws.com/k"),
        ({"region": "us-east-1"}, POINT, "https://logs-111122223333.s3-accesspoint.eu-west-1.amazonaws.com/k"),
        ({"endpoint_url": STAND_IN}, "logs", "http://127.0.0.1:9/logs/k"),
        ({"endpoint_url": VPC_ENDPOINT}, "logs", f"{VPC_ENDPOINT}/logs/k"),
        (
            {"endpoint_url": VPC_ENDPOINT, "addressing_style": "virtual"},
            "logs",
            "https://logs.bucket.vpce-0a1b.s3.eu-west-1.vpce.amazonaws.com/k",
        ),
        (
            {"endpoint_url": POINT_ENDPOINT},
            POINT,
            "https://logs-111122223333.accesspoint.vpce-0a1b.s3.eu-west-1.vpce.amazonaws.com/k",
        ),
        ({"region": "us-west-2", "use_fips": True}, "logs", "https://logs.s3-fips.us-west-2.amazonaws.com/k"),
        ({"use_dual_stack": True}, "logs", "https://logs.s3.dualstack.eu-west-1.amazonaws.com/k"),
        (
            {"region": "us-west-2", "use_fips": True, "use_dual_stack": True},
            "logs",
            "https://logs.s3-fips.dualstack.us-west-2.amazonaws.com/k",
        ),
    ],
)
def test_the_address_of_an_object(monkeypatch, settings, bucket, url) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = s3_client(AwsAccess(**{"region": "eu-west-1", **settings}))
    assert asked(client, lambda client: client.get_object(Bucket=bucket, Key="k")) == url


CALLS = {
    "sts": lambda client: client.get_caller_identity(),
    "sqs": lambda client: client.receive_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/111122223333/logs"),
    "cloudtrail": lambda client: client.list_public_keys(),
}


@pytest.mark.parametrize(
    ("settings", "urls"),
    [
        ({}, ["sts.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com", "cloudtrail.eu-west-1.amazonaws.com"]),
        (
            {"endpoint_url": VPC_ENDPOINT, "sqs_endpoint_url": "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com"},
            [
                "sts.eu-west-1.amazonaws.com",
                "vpce-1.sqs.eu-west-1.vpce.amazonaws.com",
                "cloudtrail.eu-west-1.amazonaws.com",
            ],
        ),
        (
            {"region": "us-west-2", "use_fips": True},
            [
                "sts-fips.us-west-2.amazonaws.com",
                "sqs-fips.us-west-2.amazonaws.com",
                "cloudtrail-fips.us-west-2.amazonaws.com",
            ],
        ),
        (
            {"use_dual_stack": True},
            ["sts.eu-west-1.api.aws", "sqs.eu-west-1.api.aws", "cloudtrail.eu-west-1.api.aws"],
        ),
        ({"endpoint_url": STAND_IN}, ["127.0.0.1:9"] * 3),
        ({"endpoint_url": STAND_IN, "sts_endpoint_url": "http://127.0.0.1:10"}, ["127.0.0.1:10", *["127.0.0.1:9"] * 2]),
    ],
    ids=["AWS", "VPC endpoints", "FIPS", "dual stack", "stand-in", "two stand-ins"],
)
def test_other_services_are_asked_in_the_region_and_all_of_them_at_a_stand_in(monkeypatch, settings, urls) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    access = AwsAccess(**{"region": "eu-west-1", "max_connections": 9, **settings})
    for (service, call), host in zip(CALLS.items(), urls, strict=True):
        assert asked(aws_client(access, service), call).partition("://")[2] == f"{host}/"


@pytest.mark.usefixtures("environment_keys")
@pytest.mark.parametrize("wish", ["use_fips", "use_dual_stack"])
def test_an_endpoint_of_the_environment_cannot_undo_fips(monkeypatch, wish) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere.example.org")
    assert "elsewhere" in s3_client(AwsAccess(region="us-east-2")).meta.endpoint_url
    assert "elsewhere" not in s3_client(AwsAccess(region="us-east-2", **{wish: True})).meta.endpoint_url


def test_another_region_is_another_client_with_the_same_credentials(local_aws: LocalAws) -> None:
    role = {"role_arn": "arn:aws:iam::111122223333:role/one-chain"}
    access = AwsAccess(endpoint_url=local_aws.url, credentials_file=local_aws.credentials_file, **role)
    clients = [aws_client(access, "sts"), aws_client(access, "cloudtrail", "eu-west-2"), s3_client(access)]
    assert [client.meta.region_name for client in clients] == ["us-east-1", "eu-west-2", "us-east-1"]
    assert aws_client(access, "cloudtrail", "eu-west-2") is clients[1]
    assert "one-chain" in clients[0].get_caller_identity()["Arn"]
    assert len({credentials_of(client).access_key for client in clients}) == 1


@pytest.mark.usefixtures("environment_keys")
def test_a_long_poll_is_not_cut_off_by_a_short_time_out() -> None:
    access = AwsAccess(endpoint_url=STAND_IN, read_timeout_seconds=5)
    assert aws_client(access, "sqs").meta.config.read_timeout == 30
    assert s3_client(access).meta.config.read_timeout == 5


def test_a_stand_in_is_never_asked_through_a_proxy(local_aws: LocalAws, monkeypatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    access = AwsAccess(
        endpoint_url=local_aws.url, credentials_file=local_aws.credentials_file, max_attempts=1, max_connections=11
    )
    assert s3_client(access).list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_role_of_an_aws_profile_is_asked_for_at_the_stand_in_too(local_aws: LocalAws, tmp_path, monkeypatch) -> None:
    config = tmp_path / "config"
    config.write_text("[profile audit]\nrole_arn = arn:aws:iam::111122223333:role/audit\nsource_profile = default\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    access = AwsAccess(
        endpoint_url=local_aws.url, credentials_file=local_aws.credentials_file, profile="audit", max_attempts=1
    )
    assert "role/audit" in aws_client(access, "sts").get_caller_identity()["Arn"].replace("assumed-role", "role")
    local_aws.set_faults(Fault("access_denied", keys="*/audit", operations=("assume_role",)))
    client = s3_client(access.model_copy(update={"max_connections": 12}))
    sentence = "the role that profile audit names cannot be assumed .*; allow sts:AssumeRole to the caller in its trust"
    with pytest.raises(UserError, match=sentence), s3_errors(bucket="logs", access=access):
        client.list_objects_v2(Bucket="logs")
    local_aws.set_faults()
