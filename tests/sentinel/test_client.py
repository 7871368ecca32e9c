"""The clients and their surroundings: cloud, proxy, and what the environment may change about a request."""

import contextlib
import json
import select
import socket
import socketserver
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pydantic import SecretStr

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.security.credentials import azure_credential
from s3sentinel_assets.sentinel.client import SentinelClient, Verdict
from s3sentinel_assets.sentinel.plan import compress
from s3sentinel_assets.sentinel.query import WorkspaceQuery

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


@pytest.fixture
def sent(monkeypatch):
    """Every request as it leaves: (path, form fields)."""
    seen = []
    send = requests.Session.send

    def watched(self, request, **options):
        body = request.body if isinstance(request.body, str) else ""
        seen.append((urlsplit(request.url).path, parse_qs(body)))
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", watched)
    return seen


@pytest.mark.parametrize(
    ("cloud", "ingestion", "query"),
    [
        ("public", "https://monitor.azure.com/.default", "https://api.loganalytics.io/.default"),
        ("usgov", "https://monitor.azure.us/.default", "https://api.loganalytics.us/.default"),
        ("china", "https://monitor.azure.cn/.default", "https://api.loganalytics.azure.cn/.default"),
    ],
)
def test_the_clouds_scopes_reach_the_token_request(settings, sent, cloud, ingestion, query):
    there = settings.model_copy(update={"cloud": cloud})
    with contextlib.closing(SentinelClient(there)) as client, contextlib.closing(WorkspaceQuery(there)) as asking:
        assert upload(client, there).verdict is Verdict.ACCEPTED
        assert asking.run("print a = 1") == [{"a": 1}]
    scopes = [fields["scope"][0].split() for path, fields in sent if path.endswith("/oauth2/v2.0/token")]
    assert [next(one for one in scope if one.startswith("https:")) for scope in scopes] == [ingestion, query]


class _Tunnel(socketserver.BaseRequestHandler):
    """CONNECT and nothing else: notes what was asked for, then carries bytes both ways."""

    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.request.recv(4096)
        line, *headers = head.decode().split("\r\n")
        self.server.asked.append((line.split()[1], [one for one in headers if one.startswith("Proxy-Authorization")]))
        if self.server.refuses:
            self.request.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = line.split()[1].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as upstream:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ends = {self.request: upstream, upstream: self.request}
            while True:
                for ready in select.select(list(ends), [], [], 30)[0]:
                    content = ready.recv(65_536)
                    if not content:
                        return
                    ends[ready].sendall(content)


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.asked = []
        self.refuses = False

    @property
    def hosts(self):
        return [target.rpartition(":")[0] for target, _ in self.asked]


@pytest.fixture
def proxy():
    with _Proxy() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def behind(settings, proxy):
    """Settings with the proxy; each service by another name, so that the proxy can tell them apart."""
    port = urlsplit(settings.ingestion_endpoint).port
    return settings.model_copy(
        update={
            "proxy": SecretStr(f"http://somebody:hunter2@127.0.0.1:{proxy.server_address[1]}"),
            "authority": f"https://localhost:{port}",
        }
    )


def test_the_proxy_of_the_settings_carries_sign_in_uploads_and_queries(behind, proxy, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # the setting wins
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    # The sign-in server names its own address in the document that says where tokens are had.
    sign_in = ["localhost", "127.0.0.1"]
    azure_credential(behind).get_token("https://monitor.azure.com/.default")
    assert proxy.hosts == sign_in
    with contextlib.closing(SentinelClient(behind)) as client:
        assert upload(client, behind).verdict is Verdict.ACCEPTED
    assert proxy.hosts == [*sign_in, *sign_in, "127.0.0.1"]
    with contextlib.closing(WorkspaceQuery(behind)) as query:
        assert query.run("print a = 1") == [{"a": 1}]
    assert proxy.hosts == [*sign_in, *sign_in, "127.0.0.1", *sign_in, "127.0.0.1"]
    assert all(authorization for _, authorization in proxy.asked)


def test_without_the_setting_nothing_goes_through_a_proxy(settings, proxy):
    with contextlib.closing(SentinelClient(settings)) as client:
        assert upload(client, settings).verdict is Verdict.ACCEPTED
    assert proxy.asked == []


def test_a_proxy_that_refuses_is_named_without_its_password(behind, proxy, caplog):
    caplog.set_level("DEBUG")
    proxy.refuses = True
    with contextlib.closing(SentinelClient(behind)) as client:
        outcome = upload(client, behind)
    assert outcome.verdict is Verdict.RETRY and "407" in outcome.error
    with contextlib.closing(WorkspaceQuery(behind)) as query, pytest.raises(UserError) as raised:
        query.run("print 1")
    assert proxy.asked and "hunter2" not in repr(outcome) + str(raised.value) + caplog.text


def test_a_proxy_that_is_not_there_is_a_failure_to_connect(behind):
    gone = behind.model_copy(update={"proxy": SecretStr("http://somebody:hunter2@127.0.0.1:9")})
    with contextlib.closing(SentinelClient(gone)) as client:
        outcome = upload(client, gone)
    assert outcome.verdict is Verdict.RETRY and "hunter2" not in repr(outcome)


def test_a_rules_traffic_is_one_for_all(client):
    assert client.traffic("dcr-a") is client.traffic("dcr-a") is not client.traffic("dcr-b")
