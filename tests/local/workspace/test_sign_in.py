"""The Entra stand-in, by the real azure-identity and by hand where that hides the body."""

import json
import ssl
import stat
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from s3sentinel_assets.local.workspace import LocalWorkspace, start_workspace


def fetch(workspace: LocalWorkspace, path: str, form: dict[str, str] | None = None) -> tuple[int, dict]:
    context = ssl.create_default_context(cafile=str(workspace.ca_file))
    data = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(workspace.url + path, data=data, context=context) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def token_form(workspace: LocalWorkspace, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": workspace.client_id,
        "client_secret": workspace.client_secret_file.read_text().strip(),
        "scope": "https://monitor.azure.com/.default",
    } | changes


def test_azure_identity_gets_a_token_that_expires(clients: Any) -> None:
    token = clients.credential.get_token("https://monitor.azure.com/.default")
    assert len(token.token) > 40


def test_wrong_secret_is_refused_as_entra_refuses(workspace: LocalWorkspace, new_clients: Any) -> None:
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        new_clients(secret="not it").credential.get_token("https://monitor.azure.com/.default")
    status, body = fetch(
        workspace, f"/{workspace.tenant_id}/oauth2/v2.0/token", token_form(workspace, client_secret="nö")
    )
    assert (status, body["error"], body["error_codes"]) == (401, "invalid_client", [7000215])


@pytest.mark.parametrize(
    ("change", "status", "number"),
    [
        ({"client_id": "someone"}, 400, 700016),
        ({"scope": "https://vault.azure.net/.default"}, 400, 500011),
        ({"scope": "https://monitor.azure.com/read"}, 400, 70011),
        ({"grant_type": "password"}, 400, 70003),
        ({"client_secret": ""}, 401, 7000215),
    ],
)
def test_token_endpoint_refuses(workspace: LocalWorkspace, change: dict[str, str], status: int, number: int) -> None:
    got, body = fetch(workspace, f"/{workspace.tenant_id}/oauth2/v2.0/token", token_form(workspace, **change))
    assert (got, body["error_codes"]) == (status, [number])
    assert f"AADSTS{number}" in body["error_description"]


def test_unknown_tenant(workspace: LocalWorkspace) -> None:
    assert fetch(workspace, "/somewhere/v2.0/.well-known/openid-configuration")[0] == 400
    assert fetch(workspace, "/somewhere/oauth2/v2.0/token", token_form(workspace))[1]["error_codes"] == [90002]


def test_discovery_names_this_server(workspace: LocalWorkspace) -> None:
    _, body = fetch(workspace, f"/{workspace.tenant_id}/v2.0/.well-known/openid-configuration")
    assert body["token_endpoint"] == f"{workspace.url}/{workspace.tenant_id}/oauth2/v2.0/token"
    _, body = fetch(workspace, "/common/discovery/instance?api-version=1.1")
    assert body["tenant_discovery_endpoint"].startswith(workspace.url)


def test_secrets_are_private_files(workspace: LocalWorkspace) -> None:
    for name in ("client_secret", "control_token", "token_key", "server.pem"):
        assert stat.S_IMODE((workspace.data_dir / name).stat().st_mode) == 0o600


def test_missing_forged_or_foreign_tokens_are_401(workspace: LocalWorkspace, clients: Any) -> None:
    class Fixed:
        def __init__(self, token: str) -> None:
            self.token = token

        def get_token(self, *scopes: str, **_: object):
            from azure.core.credentials import AccessToken

            return AccessToken(self.token, 2**31)

    good = clients.credential.get_token("https://monitor.azure.com/.default").token
    query_only = clients.credential.get_token("https://api.loganalytics.io/.default").token
    payload, _, digest = good.partition(".")
    from azure.monitor.ingestion import LogsIngestionClient

    for token in ("x", "ä.ö", f"{payload}.", f"{payload[:-4]}AAAA.{digest}", query_only):
        client = LogsIngestionClient(workspace.url, Fixed(token), connection_verify=str(workspace.ca_file))
        with pytest.raises(HttpResponseError) as caught:
            client.upload(workspace.dcr_id, "Custom-Typed_CL", [{"Id": "x"}])  # type: ignore[arg-type]
        assert caught.value.status_code == 401
        assert caught.value.error is not None
        assert caught.value.error.code == "InvalidAuthenticationToken"


def test_expired_tokens_are_refused_and_new_ones_taken(tmp_path: Path, clients_for: Any) -> None:
    # A workspace of its own: the tokens of every other test's clients would expire as well.
    with start_workspace(tmp_path) as workspace:
        clients = clients_for(workspace)
        clients.send([], "AWSVPCFlow")
        workspace.set_faults(expire_tokens=True)
        assert clients.refused([{"Id": "x"}], "AWSVPCFlow")[:2] == (401, "InvalidAuthenticationToken")
        clients_for(workspace).send([], "AWSVPCFlow")


def test_short_lived_tokens(workspace: LocalWorkspace) -> None:
    workspace.set_faults(token_lifetime_seconds=0)
    form = token_form(workspace)
    assert fetch(workspace, f"/{workspace.tenant_id}/oauth2/v2.0/token", form)[1]["expires_in"] == 0
    workspace.set_faults(respond_token=[{"status": 503}])
    assert fetch(workspace, f"/{workspace.tenant_id}/oauth2/v2.0/token", form)[0] == 503


def test_the_certificate_is_trusted_by_its_own_authority_only(workspace: LocalWorkspace) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{workspace.url}/common/discovery/instance")
