"""Keys that change under a client: renewal before the end, one thread for all, a file that is written anew."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import LocalAws
from s3sentinel_assets.s3.credentials import FileCredentials, RenewingCredentials
from s3sentinel_assets.s3.session import s3_client
from tests.s3.conftest import Clock


class Issuer:
    """Gives numbered keys that live for an hour of the clock, as often as it is asked; or refuses."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.issued, self.refuses = clock, 0, False

    def __call__(self) -> tuple[ReadOnlyCredentials, datetime]:
        if self.refuses:
            raise UserError("refused")
        self.issued += 1
        return ReadOnlyCredentials(f"key-{self.issued}", "secret", "token"), self.clock() + timedelta(hours=1)


def test_while_old_keys_work_a_failed_renewal_is_no_failure(clock, caplog) -> None:
    issuer = Issuer(clock)
    credentials = RenewingCredentials(issuer)
    assert credentials.access_key == "key-1"
    issuer.refuses = True
    clock.ahead = timedelta(minutes=46)
    assert credentials.access_key == "key-1"
    assert credentials.access_key == "key-1"
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # once a minute, not at each request
    assert "refused" in caplog.text
    clock.ahead = timedelta(minutes=59, seconds=30)
    with pytest.raises(UserError, match="refused"):
        credentials.get_frozen_credentials()
    issuer.refuses = False
    clock.ahead += timedelta(seconds=6)
    assert credentials.access_key == "key-2"


def test_keys_of_a_short_life_are_not_fetched_at_each_request(clock) -> None:
    issued = []

    def fetch() -> tuple[ReadOnlyCredentials, datetime]:
        issued.append(1)
        return ReadOnlyCredentials("key", "secret", "token"), clock() + timedelta(minutes=15)

    credentials = RenewingCredentials(fetch)
    for minute in range(12):
        clock.ahead = timedelta(minutes=minute * 0.9)
        credentials.get_frozen_credentials()
    assert len(issued) == 1


def test_many_threads_get_whole_keys_and_one_of_them_renews(clock) -> None:
    issuer = Issuer(clock)
    credentials = RenewingCredentials(issuer)
    with ThreadPoolExecutor(8) as pool:
        assert {keys.access_key for keys in pool.map(lambda _: credentials.get_frozen_credentials(), range(64))} == {
            "key-1"
        }
        clock.ahead = timedelta(hours=2)
        assert {keys.access_key for keys in pool.map(lambda _: credentials.get_frozen_credentials(), range(64))} == {
            "key-2"
        }
    assert issuer.issued == 2


def test_others_go_on_with_the_old_keys_while_one_renews(clock) -> None:
    issuer, entered, go_on = Issuer(clock), threading.Event(), threading.Event()

    def slowly() -> tuple[ReadOnlyCredentials, datetime]:
        if issuer.issued:
            entered.set()
            assert go_on.wait(30)
        return issuer()

    credentials = RenewingCredentials(slowly)
    assert credentials.access_key == "key-1"
    clock.ahead = timedelta(minutes=50)
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(credentials.get_frozen_credentials)
        assert entered.wait(30)
        assert credentials.access_key == "key-1"  # does not wait
        go_on.set()
        assert renewing.result(30).access_key == "key-2"


def test_keys_that_come_expired_point_at_the_clock(clock) -> None:
    credentials = RenewingCredentials(lambda: (ReadOnlyCredentials("key", "s", "t"), clock() - timedelta(minutes=1)))
    with pytest.raises(UserError, match="set the clock of this machine right"):
        credentials.get_frozen_credentials()


def write_keys(file, key: str, *, section: str = "default", whole: bool = True) -> None:
    """As tools do that sign in: another file under the same name."""
    fresh = file.with_suffix(".new")
    text = f"[{section}]\naws_access_key_id = {key}\naws_secret_access_key = secret\n"
    fresh.write_text(text if whole else text.replace("]", ""))
    os.replace(fresh, file)  # noqa: PTH105


def test_keys_that_are_written_anew_into_the_file_are_used_at_once(local_aws: LocalAws, tmp_path, caplog) -> None:
    file = tmp_path / "credentials"
    write_keys(file, "FIRST")
    client = s3_client(AwsAccess(endpoint_url=local_aws.url, credentials_file=file))
    signed = []
    client.meta.events.register("before-send.s3", lambda request, **_: signed.append(request.headers["Authorization"]))
    client.list_buckets()
    write_keys(file, "SECOND")
    client.list_buckets()
    write_keys(file, "", whole=False)
    client.list_buckets()  # half-written: the keys that last stood there
    file.unlink()
    client.list_buckets()
    write_keys(file, "THIRD")
    client.list_buckets()
    keys = [header.decode().partition("Credential=")[2].partition("/")[0] for header in signed]
    assert keys == ["FIRST", "SECOND", "SECOND", "SECOND", "THIRD"]
    assert "cannot be read now" in caplog.text
    assert "secret" not in caplog.text


def keys_of(client) -> str:
    return client._request_signer._credentials.get_frozen_credentials().access_key


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the home folder", "where the environment says"])
@pytest.mark.parametrize(
    ("file", "profile", "section"),
    [
        ("credentials", None, "default"),
        ("credentials", "reader", "reader"),
        ("config", None, "default"),
        ("config", "reader", "profile reader"),
    ],
)
def test_keys_that_a_profile_stands_for_are_read_again_too(
    home, monkeypatch, tmp_path, file, profile, section, elsewhere
) -> None:
    path = home / file
    if elsewhere:
        path = tmp_path / "elsewhere"
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE" if file == "credentials" else "AWS_CONFIG_FILE", str(path))
    write_keys(path, "FIRST", section=section)
    client = s3_client(AwsAccess(profile=profile, region=f"eu-{file}-{1 + elsewhere}"))
    assert keys_of(client) == "FIRST"
    write_keys(path, "SECOND", section=section)
    assert keys_of(client) == "SECOND"


def test_a_file_that_loses_its_keys_gives_way_to_nobody(home, tmp_path, monkeypatch) -> None:
    machine = tmp_path / "boto"
    machine.write_text("[Credentials]\naws_access_key_id = MACHINE\naws_secret_access_key = secret\n")
    monkeypatch.setenv("BOTO_CONFIG", str(machine))
    write_keys(home / "credentials", "FILE")
    client = s3_client(AwsAccess(region="eu-loses-1"))
    assert keys_of(client) == "FILE"
    write_keys(home / "credentials", "OTHER", section="other")
    assert keys_of(client) == "FILE"


def test_keys_of_the_environment_stay_botocores(home, monkeypatch) -> None:
    write_keys(home / "credentials", "FILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = s3_client(AwsAccess(region="eu-environment-1"))
    write_keys(home / "credentials", "SECOND")
    assert keys_of(client) == "ENVIRONMENT"
    assert type(client._request_signer._credentials) is Credentials


def test_keys_of_a_profiles_role_still_renew_themselves(local_aws: LocalAws, home) -> None:
    write_keys(home / "credentials", "CALLER")
    with (home / "credentials").open("a") as stream:
        stream.write("[audit]\nrole_arn = arn:aws:iam::111122223333:role/audit\nsource_profile = default\n")
    client = s3_client(AwsAccess(endpoint_url=local_aws.url, profile="audit"))
    assert client.list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert isinstance(client._request_signer._credentials, RefreshableCredentials)


def test_a_file_that_stays_without_keys_is_not_read_for_each_request(tmp_path, clock) -> None:
    file, loads = tmp_path / "credentials", []
    file.write_text("")
    found: list[ReadOnlyCredentials | None] = [None]

    def load() -> ReadOnlyCredentials | None:
        loads.append(1)
        return found[0]

    credentials = FileCredentials(file, load, ReadOnlyCredentials("FIRST", "secret", None))
    assert {credentials.access_key for _ in range(20)} == {"FIRST"}
    assert len(loads) == 1
    found[0] = ReadOnlyCredentials("SECOND", "secret", None)
    clock.ahead = timedelta(seconds=6)
    assert {credentials.access_key for _ in range(20)} == {"SECOND"}
    assert len(loads) == 2


def test_keys_that_change_between_reading_and_first_use_are_not_missed(tmp_path) -> None:
    file = tmp_path / "credentials"
    write_keys(file, "SECOND")
    credentials = FileCredentials(
        file, lambda: ReadOnlyCredentials("SECOND", "secret", None), ReadOnlyCredentials("FIRST", "secret", None)
    )
    assert credentials.access_key == "SECOND"
