"""Roles: a chain whose every link renews itself in mid-run, web identity, and what a refusal says."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.httpsession import URLLib3Session

from s3sentinel_assets.config import AssumedRole, AwsAccess
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.local.aws import Fault, LocalAws
from s3sentinel_assets.s3.session import s3_client

HUB = "arn:aws:iam::111122223333:role/hub"
READER = "arn:aws:iam::444455556666:role/logs/reader"
OTHER = "arn:aws:iam::777788889999:role/other"
ALL_READS = ("list", "get", "head", "other", "assume_role")


class Sent:
    """What really went out: (what, the access key that signed it, the body's fields)."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    def roles(self) -> list[tuple[str, str]]:
        return [(fields["RoleArn"].rpartition("/")[2], key) for what, key, fields in self.requests if what != "s3"]

    def keys(self) -> list[str]:
        return [key for what, key, _ in self.requests if what == "s3"]


@pytest.fixture
def sent(monkeypatch) -> Sent:
    sent, send = Sent(), URLLib3Session.send

    def record(self: Any, request: Any) -> Any:
        header = request.headers.get("Authorization", b"")
        header = header.decode() if isinstance(header, bytes) else header
        form = request.body if request.method == "POST" else ""
        form = form.decode() if isinstance(form, bytes) else form or ""
        fields = {name: values[0] for name, values in parse_qs(form).items()}
        what = fields.get("Action", "s3")
        sent.requests.append((what, header.partition("Credential=")[2].partition("/")[0], fields))
        return send(self, request)

    monkeypatch.setattr(URLLib3Session, "send", record)
    return sent


def chain(local_aws: LocalAws, *links: dict[str, Any], **more: Any) -> AwsAccess:
    settings: dict[str, Any] = {"endpoint_url": local_aws.url, "backoff_seconds": 0, "max_attempts": 1} | more
    if "web_identity_token_file" not in more:
        settings.setdefault("credentials_file", local_aws.credentials_file)
    return AwsAccess(roles=links, **settings)  # pyright: ignore[reportArgumentType] - validation makes roles of them


def test_roles_are_assumed_one_after_another_with_all_that_belongs_to_them(local_aws, sent) -> None:
    access = chain(
        local_aws,
        {"role_arn": HUB, "session_tags": {"team": "siem", "env": "prod"}, "transitive_tag_keys": ["team"]},
        {
            "role_arn": READER,
            "external_id": "the-external-id",
            "session_name": "reader",
            "duration_seconds": 900,
            "policy_arns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"],
        },
    )
    client = s3_client(access)
    assert sent.requests == []  # nothing is asked before it is needed
    client.list_buckets()
    client.list_buckets()
    (_, first_signer, hub), (_, second_signer, reader), *_ = sent.requests
    assert len(sent.roles()) == 2
    assert first_signer == "AKIALOCALONLY0000000"
    assert second_signer not in ("", first_signer)
    assert set(sent.keys()) == {client._request_signer._credentials.get_frozen_credentials().access_key}
    assert not {first_signer, second_signer} & set(sent.keys())
    assert (hub["RoleArn"], hub["RoleSessionName"], hub["TransitiveTagKeys.member.1"]) == (HUB, "s3sentinel", "team")
    tags = {hub[f"Tags.member.{number}.Key"]: hub[f"Tags.member.{number}.Value"] for number in (1, 2)}
    assert tags == {"team": "siem", "env": "prod"}
    assert "ExternalId" not in hub
    assert "DurationSeconds" not in hub
    assert (reader["ExternalId"], reader["RoleSessionName"]) == ("the-external-id", "reader")
    assert (reader["DurationSeconds"], reader["PolicyArns.member.1.arn"]) == (
        "900", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
    )  # fmt: skip


def test_credentials_that_expire_in_mid_run_are_replaced_in_every_link(local_aws, bucket, sent, clock) -> None:
    for number in range(6):
        bucket.put(f"{number}")
    sent.requests.clear()
    client = s3_client(chain(local_aws, {"role_arn": HUB}, {"role_arn": READER}))
    pages = iter(client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, PaginationConfig={"PageSize": 2}))
    listed = [entry["Key"] for entry in next(pages)["Contents"]]
    old = {key for _, key, _ in sent.requests} - {"AKIALOCALONLY0000000"}
    assert listed == ["0", "1"]
    clock.ahead = timedelta(minutes=50)  # in the last quarter of the hour
    local_aws.set_faults(*(Fault("expired_token", access_keys=key, operations=ALL_READS) for key in old))
    sent.requests.clear()
    for page in pages:  # the paginator, and with it the listing, goes on where it was
        listed += [entry["Key"] for entry in page["Contents"]]
    assert listed == [f"{number}" for number in range(6)]
    assert len(old) == 2
    assert not old & {key for _, key, _ in sent.requests}
    (first, by_file), (second, by_hub) = sent.roles()
    assert (first, by_file, second) == ("hub", "AKIALOCALONLY0000000", "reader")
    assert by_hub not in old
    assert sum(rule["fired"] for rule in local_aws.faults()) == 0


def test_old_keys_do_stop_working_there(local_aws, bucket, clock) -> None:
    """The test above proves something only if the stand-in refuses expired keys."""
    client = s3_client(chain(local_aws, {"role_arn": HUB, "session_name": "expires"}))
    client.head_bucket(Bucket=bucket.name)
    key = client._request_signer._credentials.get_frozen_credentials().access_key
    local_aws.set_faults(Fault("expired_token", access_keys=key, operations=ALL_READS))
    with pytest.raises(client.exceptions.ClientError, match="ExpiredToken"):
        client.list_objects_v2(Bucket=bucket.name)
    clock.ahead = timedelta(minutes=46)  # in the last quarter of the hour
    assert client.list_objects_v2(Bucket=bucket.name)["KeyCount"] == 0


def test_two_sources_with_different_roles_side_by_side(local_aws, bucket, sent) -> None:
    bucket.put("a")
    one = chain(local_aws, {"role_arn": READER, "session_name": "side-by-side"})
    two = chain(local_aws, {"role_arn": OTHER, "external_id": "other-id"})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: s3_client((one, two)[n % 2]).head_object(Bucket=bucket.name, Key="a"), range(16)))
    assert sorted(role for role, _ in sent.roles()) == ["other", "reader"]  # once each, from eight threads
    keys = [s3_client(access)._request_signer._credentials.get_frozen_credentials() for access in (one, two)]
    assert keys[0].access_key != keys[1].access_key
    assert [key.account_id for key in keys] == ["444455556666", "777788889999"]
    assert [sent.keys().count(key.access_key) for key in keys] == [8, 8]


@pytest.mark.parametrize(
    ("denied", "caller"), [("*/hub", "the keys in .*credentials"), ("*/reader", f"role {HUB}")], ids=["first", "second"]
)
def test_a_denied_role_is_named_with_who_asked_and_what_to_allow(local_aws, bucket, denied, caller) -> None:
    access = chain(
        local_aws,
        {"role_arn": HUB, "session_tags": {"team": "siem"}, "session_name": f"denied{len(caller)}"},
        {"role_arn": READER, "external_id": "the-external-id"},
    )
    local_aws.set_faults(Fault("access_denied", keys=denied, operations=("assume_role",)))
    with pytest.raises(UserError) as caught:
        s3_client(access).list_objects_v2(Bucket=bucket.name)
    sentence = str(caught.value)
    role = HUB if "hub" in denied else READER
    assert sentence.startswith(f"the role {role} cannot be assumed by ")
    assert f"is not authorized to perform: sts:AssumeRole on resource: {role}" in sentence
    assert "its trust policy must allow sts:AssumeRole" in sentence
    assert ("sts:TagSession" in sentence) == (role == HUB)
    assert ("for the external id that is configured for it" in sentence) == (role == READER)
    assert ("none is configured: if it asks for one, set external_id" in sentence) == (role == HUB)
    assert "the-external-id" not in sentence
    assert "\n" not in sentence
    assert re.search(f"cannot be assumed by {caller}", sentence)


def test_a_role_that_is_allowed_again_works_again_without_a_new_client(local_aws, bucket, clock) -> None:
    client = s3_client(chain(local_aws, {"role_arn": HUB, "session_name": "allowed-later"}))
    local_aws.set_faults(Fault("access_denied", operations=("assume_role",)))
    for _ in range(3):
        with pytest.raises(UserError, match="cannot be assumed"):
            client.head_bucket(Bucket=bucket.name)
    assert local_aws.faults()[0]["fired"] == 1  # no storm: the answer is kept for some seconds
    local_aws.set_faults()
    clock.ahead = timedelta(seconds=6)
    client.head_bucket(Bucket=bucket.name)


def test_sts_that_cannot_be_reached_is_named(local_aws, bucket) -> None:
    access = chain(local_aws, {"role_arn": HUB}, sts_endpoint_url="http://127.0.0.1:9", connect_timeout_seconds=1)
    with pytest.raises(UserError, match=r"STS at http://127\.0\.0\.1:9 did not answer when role .*/hub was to be"):
        s3_client(access).head_bucket(Bucket=bucket.name)


def token(folder: Path, text: str = "first-token") -> Path:
    file = folder / "token"
    file.write_text(text + "\n")
    return file


def test_a_web_identity_token_is_read_again_at_each_renewal(local_aws, bucket, tmp_path, sent, clock) -> None:
    file = token(tmp_path)
    client = s3_client(chain(local_aws, {"role_arn": HUB}, {"role_arn": READER}, web_identity_token_file=file))
    client.head_bucket(Bucket=bucket.name)
    token(tmp_path, "second-token")
    clock.ahead = timedelta(minutes=50)
    client.head_bucket(Bucket=bucket.name)
    asked = [(what, fields.get("WebIdentityToken"), bool(key)) for what, key, fields in sent.requests if what != "s3"]
    assert asked == [
        ("AssumeRoleWithWebIdentity", "first-token", False),
        ("AssumeRole", None, True),
        ("AssumeRoleWithWebIdentity", "second-token", False),
        ("AssumeRole", None, True),
    ]


def test_buckets_of_the_stand_in_outlive_a_web_identity(local_aws, bucket, tmp_path) -> None:
    file = token(tmp_path)
    s3_client(chain(local_aws, {"role_arn": OTHER}, web_identity_token_file=file)).head_bucket(Bucket=bucket.name)
    assert (local_aws.data_dir / "s3" / bucket.name / "bucket.json").is_file()


def test_a_token_of_the_environment_is_used_by_the_default_chain(
    local_aws, bucket, tmp_path, sent, monkeypatch
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token(tmp_path)))
    monkeypatch.setenv("AWS_ROLE_ARN", HUB)
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "pod")
    s3_client(AwsAccess(endpoint_url=local_aws.url, roles=({"role_arn": READER},))).head_bucket(Bucket=bucket.name)  # pyright: ignore[reportArgumentType]
    (what, signer, fields), (_, second, _), _ = sent.requests
    assert (what, signer, fields["RoleSessionName"]) == ("AssumeRoleWithWebIdentity", "", "pod")
    assert [role for role, _ in sent.roles()] == ["hub", "reader"]
    assert second
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")  # which comes first in that chain
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    sent.requests.clear()
    s3_client(AwsAccess(endpoint_url=local_aws.url, max_connections=3)).head_bucket(Bucket=bucket.name)
    assert sent.requests == [("s3", "FROMENVIRONMENT", {})]


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (
            lambda file: file.unlink(),
            r"cannot be read from .*token \(No such file or directory\); see that the file is",
        ),
        (lambda file: file.write_text(" \n"), r"token, the web identity token for role .*hub, is empty"),
        (lambda file: file.write_bytes(b"\xff"), r"cannot be read from .*token \(it is no ASCII text\)"),
    ],
    ids=["gone", "empty", "binary"],
)
def test_a_token_file_that_is_wrong_at_the_renewal_is_named(local_aws, bucket, tmp_path, prepare, words) -> None:
    file = token(tmp_path)
    client = s3_client(chain(local_aws, {"role_arn": HUB}, web_identity_token_file=file))
    prepare(file)
    with pytest.raises(UserError, match=words):
        client.head_bucket(Bucket=bucket.name)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("access_denied", "its trust policy must allow sts:AssumeRoleWithWebIdentity to the token's issuer, audience"),
        ("expired_token", "the web identity token in .* for role .*hub has expired; see who replaces the file"),
        ("internal_error", "STS refuses to let role .*hub be assumed: InternalError"),
    ],
)
def test_a_refused_token_is_one_sentence_without_the_token(local_aws, bucket, tmp_path, kind, words) -> None:
    access = chain(local_aws, {"role_arn": HUB}, web_identity_token_file=token(tmp_path, "t0ken"))
    local_aws.set_faults(Fault(kind, operations=("assume_role",)))
    with pytest.raises(UserError, match=words) as caught:
        s3_client(access).head_bucket(Bucket=bucket.name)
    assert "t0ken" not in str(caught.value)


def test_a_token_file_must_be_there_at_the_start(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=r"aws\.web_identity_token_file: .*absent is missing"):
        s3_client(AwsAccess(web_identity_token_file=tmp_path / "absent", role_arn=HUB))


def test_a_role_can_be_a_key_of_a_dictionary() -> None:
    role = AssumedRole(role_arn=HUB, session_tags={"b": "2", "a": "1"})  # pyright: ignore[reportArgumentType]
    assert hash(role) == hash(role.model_copy())
    assert role.session_tags == (("b", "2"), ("a", "1"))
