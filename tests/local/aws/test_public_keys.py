"""CloudTrail's ListPublicKeys at the local stand-in, asked through the product's own client."""

from datetime import timedelta

import pytest

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.local.aws import Fault, start_aws
from s3sentinel_assets.s3.digests import KeysRefusedError, list_public_keys
from s3sentinel_assets.s3.session import aws_client
from tests.integrity.chains import LONG, key_entry, printed


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with start_aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture
def client(server):
    access = AwsAccess(endpoint_url=server.url, credentials_file=server.credentials_file, max_attempts=1)
    yield aws_client(access, "cloudtrail", "eu-west-1")
    server.set_faults()


def test_all_pages_of_keys_come_as_bytes(server, client):
    entries = [key_entry(name) for name in ("first", "second", "third", "fourth", "fifth")]
    server.set_public_keys(printed(*entries))
    found = list_public_keys(client, *LONG)
    assert [(entry["Fingerprint"], entry["Value"]) for entry in found] == [
        (entry["Fingerprint"], entry["Value"]) for entry in entries
    ]
    assert found[0]["ValidityStartTime"] == LONG[0]


def test_only_keys_of_the_time_asked_for_come(server, client):
    early = key_entry("second", valid=(LONG[0] - timedelta(days=60), LONG[0] - timedelta(days=30)))
    server.set_public_keys(printed(key_entry(), early))
    assert [entry["Fingerprint"] for entry in list_public_keys(client, *LONG)] == [key_entry()["Fingerprint"]]
    before = LONG[0] - timedelta(days=45)
    assert [entry["Fingerprint"] for entry in list_public_keys(client, before, before)] == [early["Fingerprint"]]


def test_a_refusal_names_the_permission_and_the_other_way(server, client):
    server.set_faults(Fault("access_denied", operations=("keys",)))
    with pytest.raises(KeysRefusedError, match=r"eu-west-1.*cloudtrail:ListPublicKeys.*digests\.public_keys_file"):
        list_public_keys(client, *LONG)
