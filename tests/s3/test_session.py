"""Clients: where credentials come from, what is cached, what is said when something is missing."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.local.aws import LocalAws
from s3sentinel_assets.s3.session import s3_client


def credentials_of(client):
    return client._request_signer._credentials.get_frozen_credentials()


def write_profiles(folder: Path, **profiles: str) -> Path:
    file = folder / "credentials"
    file.write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = secret\n" for name, key in profiles.items()
        )
    )
    return file


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


def test_a_role_is_assumed_with_the_external_id(local_aws: LocalAws, monkeypatch) -> None:
    access = AwsAccess(
        endpoint_url=local_aws.url,
        sts_endpoint_url=local_aws.url,
        credentials_file=local_aws.credentials_file,
        role_arn="arn:aws:iam::111122223333:role/reader",
        external_id="the-external-id",
    )
    from botocore.client import BaseClient

    seen = []
    original = BaseClient._make_api_call

    def spy(self, operation, parameters):
        seen.append((operation, parameters))
        return original(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", spy)
    client = s3_client(access)
    assert seen == []  # nothing is asked before it is needed
    client.list_buckets()
    assert seen[1] == (
        "AssumeRole",
        {
            "RoleArn": "arn:aws:iam::111122223333:role/reader",
            "RoleSessionName": "s3sentinel",
            "ExternalId": "the-external-id",
        },
    )
    assert credentials_of(client).token


def test_a_role_without_a_caller_says_so(monkeypatch) -> None:
    with pytest.raises(UserError, match=r"no AWS credentials were found; set aws\.profile"):
        s3_client(AwsAccess(role_arn="arn:aws:iam::111122223333:role/reader", region="ca-west-1"))


def test_nothing_of_a_secret_in_a_sentence(tmp_path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default\naws_secret_access_key = TOPSECRET\n")
    with pytest.raises(UserError) as caught:
        s3_client(AwsAccess(credentials_file=file)).list_buckets()
    assert "TOPSECRET" not in str(caught.value)
    assert os.fspath(file) in str(caught.value)
