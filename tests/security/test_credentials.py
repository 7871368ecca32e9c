"""Credentials: the right class for each kind, one sentence for what is missing, never a secret in a text."""

import traceback

import pytest
from pydantic import SecretStr

from s3sentinel_assets.config import Credential, SentinelSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.security.credentials import azure_credential, ca_bundle, proxies_of

IDS = {"tenant_id": "00000000-0000-4000-8000-000000000002", "client_id": "00000000-0000-4000-8000-000000000003"}


def settings(credential=None, **changes):
    return SentinelSettings(
        ingestion_endpoint="https://x",
        workspace_id="w",
        dcr_id="d",
        credential=Credential(**(credential or {})),
        **changes,
    )


@pytest.fixture
def certificate(tmp_path):
    import trustme

    issued = trustme.CA().issue_cert("client", key_type=trustme.KeyType.RSA)
    path = tmp_path / "client.pem"
    path.write_bytes(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())
    return path


def test_every_kind_gives_its_class(tmp_path, certificate):
    secret = tmp_path / "secret"
    secret.write_text("s3cr3t\n")
    token = tmp_path / "token"
    token.write_text("jwt")
    wanted = {
        "ClientSecretCredential": {"kind": "client_secret", **IDS, "client_secret_file": secret},
        "CertificateCredential": {"kind": "certificate", **IDS, "certificate_file": certificate},
        "WorkloadIdentityCredential": {"kind": "workload_identity", **IDS, "token_file": token},
        "ManagedIdentityCredential": {"kind": "managed_identity"},
        "DefaultAzureCredential": {"kind": "default"},
    }
    for name, credential in wanted.items():
        assert type(azure_credential(settings(credential))).__name__ == name


@pytest.mark.parametrize("name", ["tenant_id", "client_id"])
@pytest.mark.parametrize("kind", ["client_secret", "certificate"])
def test_a_missing_id_is_named(kind, name):
    with pytest.raises(ConfigurationError, match=f"sentinel.credential.{name}: is missing; kind {kind} needs it"):
        azure_credential(settings({"kind": kind, **IDS, name: None}))


def test_missing_files_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
    gone = tmp_path / "gone"
    with pytest.raises(ConfigurationError, match="needs client_secret_file"):
        azure_credential(settings({"kind": "client_secret", **IDS}))
    with pytest.raises(ConfigurationError, match=r"client_secret_file: .*gone is not there"):
        azure_credential(settings({"kind": "client_secret", **IDS, "client_secret_file": gone}))
    with pytest.raises(ConfigurationError, match="certificate_file: is missing"):
        azure_credential(settings({"kind": "certificate", **IDS}))
    with pytest.raises(ConfigurationError, match=r"token_file: .*gone is not there"):
        azure_credential(settings({"kind": "workload_identity", **IDS, "token_file": gone}))
    with pytest.raises(ConfigurationError, match="workload_identity needs token_file"):
        azure_credential(settings({"kind": "workload_identity", **IDS}))
    with pytest.raises(ConfigurationError, match=r"sentinel.ca_file: .*gone is not there"):
        azure_credential(settings({"kind": "managed_identity"}, ca_file=gone))
    assert ca_bundle(settings()) is True


def test_an_empty_or_binary_secret_file_is_named(tmp_path):
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe\x00")
    for path, word in ((empty, "is empty"), (binary, "is not text")):
        with pytest.raises(ConfigurationError, match=word):
            azure_credential(settings({"kind": "client_secret", **IDS, "client_secret_file": path}))


def test_an_unusable_certificate_says_so_without_quoting_it(tmp_path):
    path = tmp_path / "broken.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nTOPSECRETKEY\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigurationError, match="holds no usable certificate") as raised:
        azure_credential(settings({"kind": "certificate", **IDS, "certificate_file": path}))
    assert "TOPSECRETKEY" not in "".join(traceback.format_exception(raised.value))


def test_secrets_do_not_show():
    made = settings({"kind": "client_secret", **IDS, "client_secret": SecretStr("hunter2hunter2")})
    credential = azure_credential(made)
    assert "hunter2" not in repr(made) + str(made) + repr(credential) + made.model_dump_json()


@pytest.mark.parametrize(
    ("cloud", "host"),
    [
        ("public", "login.microsoftonline.com"),
        ("usgov", "login.microsoftonline.us"),
        ("china", "login.chinacloudapi.cn"),
    ],
)
def test_the_authority_follows_the_cloud(cloud, host):
    made = azure_credential(settings({"kind": "client_secret", **IDS, "client_secret": SecretStr("s")}, cloud=cloud))
    assert host in made._authority


def test_a_proxy_is_for_https_alone():
    """Managed identity answers on a plain http address of the machine, which no proxy can reach."""
    assert proxies_of(settings()) is None
    assert proxies_of(settings(proxy="http://proxy:3128")) == {"https": "http://proxy:3128"}


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy:3128",
        "socks5://u:hunter2@proxy:1080",
        "http://u:hunter2@proxy:port",
        "http://u:hunter2@proxy:0",
        "http://u:hunter2@",
        "http://[u:hunter2@proxy",
        "",
    ],
)
def test_what_is_no_address_of_a_proxy_is_named_without_quoting_it(proxy):
    with pytest.raises(ConfigurationError, match=r"sentinel\.proxy: is not the address") as raised:
        azure_credential(settings({"kind": "managed_identity"}, proxy=proxy))
    assert "hunter2" not in str(raised.value) and "hunter2" not in repr(raised.value.__cause__)
