"""``infra diff`` against the stand-in for Azure Resource Manager."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from s3sentinel_assets.errors import ConfigurationError, UserError
from tests.infra.azure.configurations import AZURE, QUIET, source
from tests.infra.azure.conftest import Laptop

RULE, RULE_ID = "rule dcr-s3sentinel-1", "/dataCollectionRules/dcr-s3sentinel-1"
TRAIL, OVERFLOW = "/tables/AWSCloudTrail", "/tables/S3Overflow_CL"


def test_what_was_deployed_is_as_it_would_be_written(deployed: Laptop) -> None:
    done = deployed.run("diff")
    assert done.exit_code == 0
    assert done.stdout == "no difference: 1 data collection rules with 5 streams, 5 tables\n"
    assert deployed.differences() == []


def test_several_rules_and_a_split(laptop: Laptop) -> None:
    laptop.configure(all=source("auto", routing={"rules": [QUIET]}))
    made = laptop.deploy("--spread", "2", "--split")
    laptop.configure(
        sentinel={"dcr_id": made.outputs["s3sentinel"]["sentinel"]["dcr_id"]},
        all=source(
            "auto",
            routing={"rules": [QUIET | {"to": made.outputs["routingTargets"]["all"]["quiet"]}]},
            **made.outputs["s3sentinel"]["sources"]["all"],
        ),
    )
    assert laptop.differences("--split") == []


def test_a_split_is_a_difference_to_none(laptop: Laptop) -> None:
    laptop.configure(flows=source("vpc_flow", routing={"rules": [QUIET]}))
    made = laptop.deploy("--split")
    told = {"dcr_id": made.outputs["s3sentinel"]["sentinel"]["dcr_id"]}
    laptop.configure(sentinel=told, flows=source("vpc_flow", routing={"rules": [QUIET]}))
    assert laptop.differences("--split") == []
    assert laptop.differences() == [
        (RULE, "flow Custom-AWSVPCFlow → Custom-AWSVPCFlow_Auxiliary_CL", "surplus"),
        (RULE, "flow Custom-AWSVPCFlow → Microsoft-AWSVPCFlow", "different"),
    ]


def _rule(laptop: Laptop) -> dict[str, Any]:
    return laptop.body(RULE_ID)["properties"]


def _stream(laptop: Laptop) -> list[dict[str, str]]:
    return _rule(laptop)["streamDeclarations"]["Custom-AWSVPCFlow"]["columns"]


def _columns(laptop: Laptop, table: str) -> list[dict[str, str]]:
    return laptop.body(table)["properties"]["schema"]["columns"]


def _remove(columns: list[dict[str, str]], name: str) -> None:
    columns[:] = [column for column in columns if column["name"] != name]


def _retype(columns: list[dict[str, str]], name: str) -> None:
    next(column for column in columns if column["name"] == name)["type"] = "string"


CHANGES: dict[str, tuple[Callable[[Laptop], Any], tuple[str, str, str]]] = {
    "no rule": (lambda it: it.told.pop(next(n for n in it.told if n.endswith(RULE_ID))), (RULE, "", "missing")),
    "kind": (lambda it: it.body(RULE_ID).pop("kind"), (RULE, "kind", "different")),
    "region": (lambda it: it.body(RULE_ID).update(location="North Europe"), (RULE, "location", "different")),
    "workspace": (
        lambda it: _rule(it)["destinations"]["logAnalytics"][0].update(workspaceResourceId="/other"),
        (RULE, "workspace", "different"),
    ),
    "no stream": (
        lambda it: _rule(it)["streamDeclarations"].pop("Custom-AWSVPCFlow"),
        (RULE, "stream Custom-AWSVPCFlow", "missing"),
    ),
    "another stream": (
        lambda it: _rule(it)["streamDeclarations"].update({"Custom-Old": {"columns": []}}),
        (RULE, "stream Custom-Old", "surplus"),
    ),
    "no column in a stream": (
        lambda it: _remove(_stream(it), "Bytes"),
        (RULE, "stream Custom-AWSVPCFlow, column Bytes", "missing"),
    ),
    "another column in a stream": (
        lambda it: _stream(it).append({"name": "Old", "type": "string"}),
        (RULE, "stream Custom-AWSVPCFlow, column Old", "surplus"),
    ),
    "another type in a stream": (
        lambda it: _retype(_stream(it), "Bytes"),
        (RULE, "stream Custom-AWSVPCFlow, column Bytes", "different"),
    ),
    "no flow": (
        lambda it: _rule(it)["dataFlows"].pop(0),
        (RULE, "flow Custom-AWSCloudTrail → Microsoft-AWSCloudTrail", "missing"),
    ),
    "another flow": (
        lambda it: _rule(it)["dataFlows"].append({"streams": ["Custom-AWSVPCFlow"], "outputStream": "Custom-X_CL"}),
        (RULE, "flow Custom-AWSVPCFlow → Custom-X_CL", "surplus"),
    ),
    "another transformation": (
        lambda it: _rule(it)["dataFlows"][0].update(transformKql="source | where false"),
        (RULE, "flow Custom-AWSCloudTrail → Microsoft-AWSCloudTrail", "different"),
    ),
    "no table": (
        lambda it: it.told.pop(next(n for n in it.told if n.endswith(OVERFLOW))),
        ("table S3Overflow_CL", "", "missing"),
    ),
    "plan": (
        lambda it: it.body(OVERFLOW)["properties"].update(plan="Basic"),
        ("table S3Overflow_CL", "plan", "different"),
    ),
    "no column of ours": (
        lambda it: _remove(_columns(it, TRAIL), "Priority_CF"),
        ("table AWSCloudTrail", "column Priority_CF", "missing"),
    ),
    "another type": (
        lambda it: _retype(_columns(it, TRAIL), "EventTime_CF"),
        ("table AWSCloudTrail", "column EventTime_CF", "different"),
    ),
    "a column of others": (
        lambda it: _columns(it, TRAIL).append({"name": "Team_CF", "type": "string"}),
        ("table AWSCloudTrail", "column Team_CF", "surplus"),
    ),
    "another column of a custom table": (
        lambda it: _columns(it, OVERFLOW).append({"name": "Old", "type": "string"}),
        ("table S3Overflow_CL", "column Old", "surplus"),
    ),
    "another rule's id in the configuration": (
        lambda it: _rule(it).update(immutableId="dcr-other"),
        ("sources.trail", "dcr_id for AWSCloudTrail", "different"),
    ),
    "another workspace's id in the configuration": (
        lambda it: it.body("/law-sentinel")["properties"].update(customerId="other"),
        ("configuration", "sentinel.workspace_id", "different"),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_difference_is_told(deployed: Laptop, name: str) -> None:
    change, expected = CHANGES[name]
    change(deployed)
    deployed.save()
    found = deployed.differences()
    assert expected in found
    # A wrong id is told for every place that names it, everything else once.
    assert len(found) == (8 if expected[0].startswith("sources.") else 1)


def test_the_table_for_people(deployed: Laptop) -> None:
    _retype(_stream(deployed), "Bytes")
    _columns(deployed, TRAIL).append({"name": "[red]\x1b[31mx_CF", "type": "string"})
    deployed.save()
    done = deployed.run("diff")
    assert done.exit_code == 1
    assert "2 differences" in done.stdout
    assert "\x1b" not in done.stdout
    assert "[red]" in done.stdout


def test_azure_may_write_names_as_it_likes(deployed: Laptop) -> None:
    body = deployed.body(RULE_ID)
    body["location"] = "West Europe"
    target = body["properties"]["destinations"]["logAnalytics"][0]
    target["workspaceResourceId"] = target["workspaceResourceId"].lower()
    for flow in body["properties"]["dataFlows"]:
        flow["transformKql"] = None
    for column in _columns(deployed, OVERFLOW):
        column["type"] = column["type"].upper()
    deployed.save()
    assert deployed.differences() == []


def test_odd_answers_are_no_crash(deployed: Laptop) -> None:
    deployed.body(RULE_ID)["properties"].update(streamDeclarations=[], dataFlows={"a": 1}, destinations=None)
    deployed.body(TRAIL)["properties"]["schema"] = None
    deployed.save()
    assert (RULE, "stream Custom-AWSVPCFlow", "missing") in deployed.differences()


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "InvalidAuthenticationToken", "refuses the token of 00000000-0000-4000-8000-000000000003"),
        (403, "AuthorizationFailed", "role Monitoring Reader on resource group rg-sentinel"),
        (404, "ResourceGroupNotFound", "check sentinel.azure.resource_group"),
        (404, "SubscriptionNotFound", "check sentinel.azure.subscription_id"),
        (400, "Odd", "answered 400"),
    ],
)
def test_refusals(deployed: Laptop, status: int, code: str, said: str) -> None:
    body = deployed.body(RULE_ID)
    body.clear()
    body.update(status=status, code=code, message="No.\nReally.")
    deployed.save()
    done = deployed.run("diff")
    assert done.exit_code == 1
    assert isinstance(done.exception, UserError)
    assert said in str(done.exception)
    assert f"{code}: No. Really." in str(done.exception)


def test_no_such_workspace(deployed: Laptop) -> None:
    deployed.told = {}
    deployed.save()
    done = deployed.run("diff")
    assert isinstance(done.exception, UserError)
    assert "there is no workspace law-sentinel in resource group rg-sentinel" in str(done.exception)


def test_a_wrong_secret(deployed: Laptop, tmp_path: Any) -> None:
    wrong = tmp_path / "secret"
    wrong.write_text("wrong")
    credential = deployed.workspace.sentinel_settings()["credential"] | {"client_secret_file": str(wrong)}
    deployed.configure(sentinel={"credential": credential})
    done = deployed.run("diff")
    assert isinstance(done.exception, UserError)
    assert "sign-in for Azure Resource Manager failed" in str(done.exception)


@pytest.mark.parametrize("name", ["subscription_id", "resource_group", "workspace_name"])
def test_where_the_resources_are_must_be_known(laptop: Laptop, name: str) -> None:
    laptop.configure(sentinel={"azure": {key: value for key, value in AZURE.items() if key != name}})
    done = laptop.run("diff")
    assert isinstance(done.exception, ConfigurationError)
    assert f"sentinel.azure.{name} is missing" in str(done.exception)


def test_a_token_for_something_else_is_not_taken(laptop: Laptop) -> None:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy
    from azure.core.rest import HttpRequest

    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.security.credentials import azure_credential

    settings = load_config(laptop.config).sentinel
    scope = "https://monitor.azure.com/.default"
    policy = BearerTokenCredentialPolicy(azure_credential(settings), scope)
    with PipelineClient(laptop.workspace.url, policies=[policy], connection_verify=str(settings.ca_file)) as client:
        path = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights{RULE_ID}?api-version=2023-03-11"
        assert client.send_request(HttpRequest("GET", laptop.workspace.url + path)).status_code == 401


def test_the_local_workspace_itself_has_one_rule_for_every_table(laptop: Laptop) -> None:
    laptop.configure(sentinel={"azure": AZURE | {"workspace_name": "local", "location": "local"}})
    found = laptop.differences()
    assert found
    # What is needed is there; there is more, too.
    assert {kind for _, _, kind in found} == {"surplus"}
    assert all(where == RULE and part.startswith(("stream", "flow")) for where, part, _ in found)


def test_columns_of_others_are_kept_when_asked_for(deployed: Laptop) -> None:
    _columns(deployed, TRAIL).append({"name": "Team_CF", "type": "guid"})
    deployed.save()
    told = json.dumps(deployed.told, sort_keys=True)
    assert deployed.differences() == [("table AWSCloudTrail", "column Team_CF", "surplus")]
    deployed.deploy("--keep-columns")
    assert json.dumps(deployed.told, sort_keys=True) == told
    deployed.deploy()
    assert deployed.differences() == []
    assert json.dumps(deployed.told, sort_keys=True) != told
