"""The client and its surroundings: what the environment may change about a request, and what not."""

import json

import pytest

from s3sentinel_assets.sentinel.client import SentinelClient, Verdict
from s3sentinel_assets.sentinel.plan import compress

BODY = compress(json.dumps([{"TimeGenerated": "2026-11-01T13:00:00Z", "EventId_CF": "e"}]).encode())


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def upload(client, settings):
    return client.upload(settings.dcr_id, "Custom-AWSCloudTrail", BODY, "a-request")


def test_a_netrc_file_does_not_replace_the_token(settings, tmp_path, monkeypatch):
    file = tmp_path / "netrc"
    file.write_text("default login somebody password something\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    client = SentinelClient(settings)
    try:
        assert upload(client, settings).verdict is Verdict.ACCEPTED
    finally:
        client.close()


@pytest.mark.parametrize(("exempt", "verdict"), [("", Verdict.RETRY), ("127.0.0.1,localhost", Verdict.ACCEPTED)])
def test_the_environments_proxy_is_used_unless_the_host_is_exempt(settings, monkeypatch, exempt, verdict):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("NO_PROXY", exempt)
    client = SentinelClient(settings)
    monkeypatch.delenv("HTTPS_PROXY")  # sign-in has a session of its own, which shall get through
    try:
        assert upload(client, settings).verdict is verdict
    finally:
        client.close()
