"""The ARM template: its form, and what a deployment of it would make."""

import json
from typing import Any

import jsonschema
import pytest

from s3sentinel_assets.config import Config
from s3sentinel_assets.infra.azure import Options, plan_infrastructure
from s3sentinel_assets.infra.azure.arm import arm_text
from s3sentinel_assets.infra.azure.expressions import Output, Template
from s3sentinel_assets.infra.azure.resources import build_template
from s3sentinel_assets.infra.azure.rules import Plan
from s3sentinel_assets.tables import load_schema
from tests.infra.azure.configurations import QUIET, configured, source
from tests.infra.azure.deployment import Deployment, resource_id

DCR, DCE = "Microsoft.Insights/dataCollectionRules", "Microsoft.Insights/dataCollectionEndpoints"
TABLE = "Microsoft.OperationalInsights/workspaces/tables"
SEARCH = "Microsoft.OperationalInsights/workspaces/savedSearches"
ALERT_RULE, WORKBOOK = "Microsoft.SecurityInsights/alertRules", "Microsoft.Insights/workbooks"
ROLE, DIAGNOSTIC = "Microsoft.Authorization/roleAssignments", "Microsoft.Insights/diagnosticSettings"


def _column(types: list[str]) -> dict[str, Any]:
    name = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{1,44}$"}
    return {
        "type": "object",
        "required": ["name", "type"],
        "additionalProperties": False,
        "properties": {"name": name, "type": {"enum": types}},
    }


def _columns(types: list[str]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": 500, "items": _column(types)}


_EXPRESSION = {"type": "string", "pattern": r"^\[[^\[].*\]$"}
_TEXT = {"type": "string", "minLength": 1}
_STREAM = {"type": "string", "pattern": "^Custom-.+"}
_TRUTH = {"type": "boolean"}
_AGGREGATIONS = ("AlertPerResult", "SingleAlert")
_DURATION = {"type": "string", "pattern": r"^P(\d+D)?(T(\d+H)?(\d+M)?)?$"}
TACTICS = [
    *("Reconnaissance", "ResourceDevelopment", "InitialAccess", "Execution", "Persistence", "PrivilegeEscalation"),
    *("DefenseEvasion", "CredentialAccess", "Discovery", "LateralMovement", "Collection", "Exfiltration"),
    *("CommandAndControl", "Impact", "PreAttack", "ImpairProcessControl", "InhibitResponseFunction"),
]
DYNAMIC_PROPERTIES = [
    *("AlertLink", "ConfidenceLevel", "ConfidenceScore", "ExtendedLinks", "ProductComponentName", "ProductName"),
    *("ProviderName", "RemediationSteps", "Techniques", "SubTechniques"),
]
#: Kind of entity → the identifiers that Sentinel knows of it; only those that AWS logs can fill.
IDENTIFIERS = {
    "Account": {"Name", "FullName", "DisplayName", "CloudAppAccountId", "UPNSuffix"},
    "IP": {"Address"},
    "CloudApplication": {"AppId", "Name", "InstanceName"},
}
_TYPES = ["dynamic", "int", "long", "real", "string"]
#: What is known of each resource; whatever is not named is refused.
PROPERTIES: dict[str, dict[str, Any]] = {
    DCR: {
        "required": ["streamDeclarations", "destinations", "dataFlows"],
        "properties": {
            "dataCollectionEndpointId": _EXPRESSION,
            "streamDeclarations": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 10,
                "propertyNames": _STREAM,
                "additionalProperties": {
                    "type": "object",
                    "required": ["columns"],
                    "additionalProperties": False,
                    "properties": {"columns": _columns([*_TYPES, "boolean", "datetime"])},
                },
            },
            "destinations": {
                "type": "object",
                "required": ["logAnalytics"],
                "additionalProperties": False,
                "properties": {"logAnalytics": {"type": "array", "minItems": 1, "maxItems": 1}},
            },
            "dataFlows": {
                "type": "array",
                "minItems": 1,
                "maxItems": 10,
                "items": {
                    "type": "object",
                    "required": ["streams", "destinations", "transformKql", "outputStream"],
                    "additionalProperties": False,
                    "properties": {
                        "streams": {"type": "array", "minItems": 1, "maxItems": 1, "items": _STREAM},
                        "destinations": {"const": ["workspace"]},
                        "transformKql": {"type": "string", "maxLength": 15_360, "pattern": "^source"},
                        "outputStream": {"type": "string", "pattern": "^(Microsoft-.*(?<!_CL)|Custom-.*_CL)$"},
                    },
                },
            },
        },
    },
    TABLE: {
        "required": ["schema"],
        "properties": {
            "plan": {"enum": ["Analytics", "Basic", "Auxiliary"]},
            "retentionInDays": _EXPRESSION,
            "totalRetentionInDays": _EXPRESSION,
            "schema": {
                "type": "object",
                "required": ["name", "columns"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{4,63}$"},
                    "columns": _columns([*_TYPES, "boolean", "dateTime"]),
                },
            },
        },
    },
    DCE: {"required": ["networkAcls"], "properties": {"networkAcls": {"type": "object"}}},
    ROLE: {
        "required": ["principalId", "principalType", "roleDefinitionId"],
        "properties": dict.fromkeys(("principalId", "principalType", "roleDefinitionId"), _EXPRESSION),
    },
    DIAGNOSTIC: {
        "required": ["workspaceId", "logs"],
        "properties": {
            "workspaceId": _EXPRESSION,
            "logs": {"const": [{"category": "LogErrors", "enabled": True}]},
        },
    },
    SEARCH: {
        "required": ["category", "displayName", "query"],
        "properties": {
            **dict.fromkeys(("category", "displayName", "functionAlias", "query"), _TEXT),
            "etag": {"const": "*"},
            "version": {"const": 2},
            "tags": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "value"],
                    "additionalProperties": False,
                    "properties": {"name": {"enum": ["description", "tactics", "techniques"]}, "value": _TEXT},
                },
            },
        },
    },
    ALERT_RULE: {
        "required": [
            *("displayName", "enabled", "query", "queryFrequency", "queryPeriod", "severity", "suppressionDuration"),
            *("suppressionEnabled", "triggerOperator", "triggerThreshold"),
        ],
        "properties": {
            **dict.fromkeys(("displayName", "description"), _TEXT),
            **dict.fromkeys(("enabled", "suppressionEnabled"), _TRUTH),
            **dict.fromkeys(("queryFrequency", "queryPeriod", "suppressionDuration"), _DURATION),
            "query": {"type": "string", "minLength": 1, "maxLength": 10_000},
            "severity": {"enum": ["High", "Medium", "Low", "Informational"]},
            "triggerOperator": {"enum": ["Equal", "GreaterThan", "LessThan", "NotEqual"]},
            "triggerThreshold": {"type": "integer", "minimum": 0, "maximum": 10_000},
            "tactics": {"type": "array", "uniqueItems": True, "items": {"enum": TACTICS}},
            "techniques": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": r"^T\d{4}$"}},
            "eventGroupingSettings": {
                "enum": [{"aggregationKind": kind} for kind in ("AlertPerResult", "SingleAlert")]
            },
            "alertDetailsOverride": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "alertDisplayNameFormat": {"type": "string", "maxLength": 256},
                    "alertDescriptionFormat": {"type": "string", "maxLength": 5_000},
                    **dict.fromkeys(("alertSeverityColumnName", "alertTacticsColumnName"), _TEXT),
                    "alertDynamicProperties": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["alertProperty", "value"],
                            "additionalProperties": False,
                            "properties": {"alertProperty": {"enum": DYNAMIC_PROPERTIES}, "value": _TEXT},
                        },
                    },
                },
            },
            "customDetails": {
                "type": "object",
                "maxProperties": 20,
                "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9]{0,19}$"},
                "additionalProperties": _TEXT,
            },
            "entityMappings": {
                "type": "array",
                "maxItems": 10,
                "items": {
                    "type": "object",
                    "required": ["entityType", "fieldMappings"],
                    "additionalProperties": False,
                    "properties": {
                        "entityType": {"enum": list(IDENTIFIERS)},
                        "fieldMappings": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 3,
                            "items": {
                                "type": "object",
                                "required": ["identifier", "columnName"],
                                "additionalProperties": False,
                                "properties": dict.fromkeys(("identifier", "columnName"), _TEXT),
                            },
                        },
                    },
                },
            },
            "incidentConfiguration": {
                "type": "object",
                "required": ["createIncident"],
                "additionalProperties": False,
                "properties": {
                    "createIncident": {"type": "boolean"},
                    "groupingConfiguration": {
                        "type": "object",
                        "required": ["enabled", "reopenClosedIncident", "lookbackDuration", "matchingMethod"],
                        "additionalProperties": False,
                        "properties": {
                            **dict.fromkeys(("enabled", "reopenClosedIncident"), _TRUTH),
                            "lookbackDuration": _DURATION,
                            "matchingMethod": {"enum": ["AllEntities", "AnyAlert", "Selected"]},
                            "groupByEntities": {"type": "array", "items": {"enum": list(IDENTIFIERS)}},
                            "groupByAlertDetails": {"type": "array", "items": {"enum": ["DisplayName", "Severity"]}},
                            "groupByCustomDetails": {"type": "array", "items": _TEXT},
                        },
                    },
                },
            },
        },
    },
    WORKBOOK: {
        "required": ["displayName", "serializedData", "category"],
        "properties": {
            **dict.fromkeys(("displayName", "serializedData"), _TEXT),
            "category": {"const": "sentinel"},
            "sourceId": _EXPRESSION,
            "version": {"const": "Notebook/1.0"},
        },
    },
}
FORM = {
    "type": "object",
    "required": ["$schema", "contentVersion", "resources"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"},
        "contentVersion": {"type": "string", "pattern": r"^\d+(\.\d+){3}$"},
        "metadata": {"type": "object"},
        "parameters": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["type"],
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": ["string", "int"]},
                    "defaultValue": {},
                    "allowedValues": {"type": "array"},
                    "metadata": {"type": "object"},
                },
            },
        },
        "outputs": {
            "type": "object",
            "additionalProperties": {"type": "object", "required": ["type", "value"], "additionalProperties": False}
            | {"properties": {"type": {"enum": ["string", "array", "object"]}, "value": {}}},
        },
        "resources": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "apiVersion", "name", "properties"],
                "properties": {
                    "type": {"enum": list(PROPERTIES)},
                    "apiVersion": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d(-preview)?$"},
                    "scope": _EXPRESSION,
                    "dependsOn": {"type": "array", "uniqueItems": True, "items": _EXPRESSION},
                },
                "allOf": [
                    {
                        "if": {"properties": {"type": {"const": kind}}},
                        "then": {
                            "properties": {
                                "properties": {"type": "object", "additionalProperties": False, **known},
                            }
                        },
                    }
                    for kind, known in PROPERTIES.items()
                ],
            },
        },
    },
}


def text_of(config: Config, plan: Plan | None = None, kept: Any = None) -> str:
    return arm_text(build_template(config, plan or plan_infrastructure(config), kept), "a test")


def deployed(config: Config, options: Options | None = None, **given: Any) -> Deployment:
    document = json.loads(text_of(config, plan_infrastructure(config, options)))
    jsonschema.validate(document, FORM)
    return Deployment(document, given)


@pytest.fixture(scope="module")
def everything() -> Deployment:
    """All tables, a divided stream, three groups of two rules."""
    config = configured(all=source("auto", routing={"rules": [QUIET]}), asim=source("auto", normalise="asim"))
    apart = config.sources["asim"].model_copy(update={"routing": config.sources["all"].routing})
    config = config.model_copy(update={"sources": config.sources | {"asim": apart}})
    return deployed(config, Options(spread=2, split=True))


def test_what_is_referred_to_is_there(everything: Deployment) -> None:
    workspace = resource_id("Microsoft.OperationalInsights/workspaces", "law-sentinel")
    for name, body in everything.resources.items():
        for needed in body.get("dependsOn", []):
            assert needed in everything.resources, f"{name} waits for {needed}"
        if "scope" in body:
            assert body["scope"] == workspace or body["scope"] in body["dependsOn"]
    versions = {name: body["apiVersion"] for name, body in everything.resources.items()} | {workspace: "2025-07-01"}
    assert everything.asked
    assert all(versions[name] == version for name, version in everything.asked)


def test_nothing_waits_for_itself(everything: Deployment) -> None:
    left = {name: set(body.get("dependsOn", [])) for name, body in everything.resources.items()}
    while ready := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in ready:
            del left[name]
    assert not left


def test_streams_have_the_tables_columns_without_the_services(everything: Deployment) -> None:
    seen = set()
    for rule in everything.of_type(DCR):
        assert rule["kind"] == "Direct"
        assert rule["location"] == "westeurope"
        for stream, declared in rule["properties"]["streamDeclarations"].items():
            schema = load_schema(stream.removeprefix("Custom-"))
            names = [column["name"] for column in declared["columns"]]
            assert set(names) == set(schema.writable)
            assert names == sorted(names)
            assert not set(names) & set(schema.system_columns)
            for column in declared["columns"]:
                kind = schema.writable[column["name"]]
                assert column["type"] == {"bool": "boolean", "guid": "string"}.get(kind, kind)
                seen.add(column["type"])
    assert "boolean" in seen


def test_each_stream_flows_to_its_table_which_waits_there(everything: Deployment) -> None:
    workspace = resource_id("Microsoft.OperationalInsights/workspaces", "law-sentinel")
    for rule in everything.of_type(DCR):
        properties = rule["properties"]
        assert properties["destinations"]["logAnalytics"] == [{"name": "workspace", "workspaceResourceId": workspace}]
        flows = {(flow["streams"][0], flow["outputStream"]) for flow in properties["dataFlows"]}
        assert {stream for stream, _ in flows} == set(properties["streamDeclarations"])
        for _, output in flows:
            table = output.partition("-")[2]
            assert output.startswith("Custom-") == table.endswith("_CL")
            assert resource_id(TABLE, "law-sentinel", table) in rule["dependsOn"]
    divided = [
        (flow["outputStream"], flow["transformKql"])
        for rule in everything.of_type(DCR)
        for flow in rule["properties"]["dataFlows"]
        if flow["streams"] == ["Custom-AWSVPCFlow"]
    ]
    assert sorted(set(divided)) == [
        ("Custom-AWSVPCFlow_Auxiliary_CL", 'source | where Priority_CF in ("low", "unknown")'),
        ("Microsoft-AWSVPCFlow", 'source | where Priority_CF !in ("low", "unknown")'),
    ]


def test_tables(everything: Deployment) -> None:
    tables = {body["properties"]["schema"]["name"]: body["properties"] for body in everything.of_type(TABLE)}
    trail = tables["AWSCloudTrail"]
    assert set(trail) == {"schema"}  # plan and retention of an Azure table are its owner's
    names = {column["name"] for column in trail["schema"]["columns"]}
    assert names == set(load_schema("AWSCloudTrail").own_columns)
    assert all(name.endswith("_CF") for name in names)
    overflow = tables["S3Overflow_CL"]
    assert (overflow["plan"], overflow["retentionInDays"], overflow["totalRetentionInDays"]) == ("Analytics", -1, -1)
    assert {"name": "TimeGenerated", "type": "dateTime"} in overflow["schema"]["columns"]
    twin = tables["AWSVPCFlow_Auxiliary_CL"]
    assert twin["plan"] == "Auxiliary"
    assert "retentionInDays" not in twin
    assert {column["name"] for column in twin["schema"]["columns"]} == set(load_schema("AWSVPCFlow").writable)


def test_retention_is_a_parameter() -> None:
    made = deployed(configured(trail="cloudtrail"), retentionInDays=90, totalRetentionInDays=365)
    (overflow,) = [body for body in made.of_type(TABLE) if body["properties"]["schema"]["name"] == "S3Overflow_CL"]
    assert overflow["properties"]["retentionInDays"] == 90
    assert overflow["properties"]["totalRetentionInDays"] == 365


def test_columns_of_others_can_be_kept() -> None:
    config = configured(trail="cloudtrail")
    document = json.loads(text_of(config, kept={"AWSCloudTrail": {"Team_CF": "string"}}))
    made = Deployment(document, {})
    (trail,) = [body for body in made.of_type(TABLE) if body["properties"]["schema"]["name"] == "AWSCloudTrail"]
    assert {"name": "Team_CF", "type": "string"} in trail["properties"]["schema"]["columns"]
    for rule in made.of_type(DCR):  # rows that we send do not have it
        assert "Team_CF" not in json.dumps(rule)


def test_roles_and_reports_of_errors(everything: Deployment) -> None:
    rules = {name for name, body in everything.resources.items() if body["type"] == DCR}
    workspace = resource_id("Microsoft.OperationalInsights/workspaces", "law-sentinel")
    roles = everything.of_type(ROLE)
    given = {(body["scope"], body["properties"]["roleDefinitionId"].rpartition("/")[2]) for body in roles}
    assert given == {(rule, "3913510d-42f4-4e42-8a64-420c390055eb") for rule in rules} | {
        (workspace, "73c42c96-874c-492b-b04d-ab87d138a893")
    }
    assert len({body["name"] for body in roles}) == len(roles)
    assert {body["properties"]["principalId"] for body in roles} == {"99999999-2222-4333-8444-555555555555"}
    assert {body["properties"]["principalType"] for body in roles} == {"ServicePrincipal"}
    errors = everything.of_type(DIAGNOSTIC)
    assert {body["scope"] for body in errors} == rules
    assert {body["properties"]["workspaceId"] for body in errors} == {workspace}


def test_without_a_principal_no_role_is_assigned() -> None:
    made = deployed(configured(trail="cloudtrail", azure={"workspace_name": "w"}))
    assert made.of_type(ROLE) == []
    assert made.of_type(DCR)
    assert len(deployed(configured(trail="cloudtrail", azure={"workspace_name": "w"}), principalId="p").of_type(ROLE))


def test_what_the_configuration_leaves_out_is_asked_for_or_taken_from_the_group() -> None:
    document = json.loads(text_of(configured(trail="cloudtrail", azure={})))
    assert "defaultValue" not in document["parameters"]["workspaceName"]
    made = Deployment(document, {"workspaceName": "elsewhere"})
    (rule,) = made.of_type(DCR)
    assert rule["location"] == "westeurope"
    assert rule["name"] == "dcr-s3sentinel-1"


def test_functions_of_tables_that_are_written_one_after_the_other(everything: Deployment) -> None:
    made = deployed(configured(trail="cloudtrail", flows=source("vpc_flow", routing={"rules": [QUIET]})))
    once = {alias: body for body in made.of_type(SEARCH) if (alias := body["properties"].get("functionAlias"))}
    assert {name for name in once if name.endswith("_Once")} == {
        "AWSCloudTrail_Once",
        "AWSVPCFlow_Once",
        "AwsEntityHour_CL_Once",
        "S3Overflow_CL_Once",
        "S3Patterns_CL_Once",
    }
    assert set(once) - {name for name in once if name.endswith("_Once")} == {
        "AWSCloudTrail_Latest",
        "AWSVPCFlow_Latest",
        "EntityHours",
    }
    assert "arg_min" in once["AWSVPCFlow_Once"]["properties"]["query"]
    assert resource_id(TABLE, "law-sentinel", "AWSVPCFlow") in once["AWSVPCFlow_Once"]["dependsOn"]
    searches = [name for name, body in everything.resources.items() if body["type"] == SEARCH]
    waits = [name for name in searches for needed in everything.resources[name]["dependsOn"] if needed in searches]
    assert len(waits) == len(searches) - 1


def test_one_rule_is_sent_to_at_its_own_address() -> None:
    made = deployed(configured(trail="cloudtrail"))
    assert made.of_type(DCE) == []
    (told,) = made.outputs["rules"]
    assert told["name"] == "dcr-s3sentinel-1"
    assert made.outputs["s3sentinel"] == {
        "sentinel": {
            "dcr_id": told["immutableId"],
            "ingestion_endpoint": "https://dcr-s3sentinel-1.ingest.invalid",
            "workspace_id": "00000000-0000-4000-8000-000000000001",
        }
    }
    assert "routingTargets" not in made.outputs


def test_several_rules_share_an_endpoint(everything: Deployment) -> None:
    (endpoint,) = everything.of_type(DCE)
    for rule in everything.of_type(DCR):
        assert rule["properties"]["dataCollectionEndpointId"] == resource_id(DCE, endpoint["name"])
    address = everything.outputs["s3sentinel"]["sentinel"]["ingestion_endpoint"]
    assert address == "https://dcr-s3sentinel-endpoint.shared.invalid"


def test_outputs_can_be_pasted_into_the_configuration() -> None:
    sources = {"all": source("auto", routing={"rules": [QUIET]}), "trail": source("cloudtrail")}
    sources["mine"] = source("vpc_flow", destination={"table": "AWSVPCFlow", "stream": "Custom-Mine"})
    made = deployed(configured(**sources), Options(spread=2))
    told = made.outputs["s3sentinel"]
    for name, more in told["sources"].items():
        sources[name] = {key: value for key, value in sources[name].items() if key != "destination"} | more
    sources["all"]["routing"]["rules"] = [QUIET | {"to": made.outputs["routingTargets"]["all"]["quiet"]}]
    pasted = configured(sentinel=told["sentinel"], **sources)
    ids = {rule["immutableId"]: set(rule["streams"]) for rule in made.outputs["rules"]}
    plan = plan_infrastructure(pasted)
    for use in plan.uses:
        named = use.destination.rules(pasted.sentinel.dcr_id)
        assert len(named) == 2
        for rule in named:
            assert use.destination.stream_name in ids[rule]
    # The same rules again: what is told changes nothing about what is needed.
    assert plan.rules == plan_infrastructure(configured(**sources), Options(spread=2)).rules


def test_the_same_configuration_gives_the_same_text() -> None:
    one = text_of(configured(a="auto", b="cloudtrail", c=source("vpc_flow", normalise="asim")))
    other = text_of(configured(c=source("vpc_flow", normalise="asim"), b="cloudtrail", a="auto"))
    assert one == other
    assert json.dumps(json.loads(one), indent=2, sort_keys=True, ensure_ascii=False) + "\n" == one


def test_a_text_in_brackets_is_no_expression() -> None:
    template = Template((), (), (Output("odd", "array", ["[guid('x')]", "[", "it's [x]", "[a] b"]),))
    document = json.loads(arm_text(template, "a test"))
    assert document["outputs"]["odd"]["value"][0] == "[[guid('x')]"
    assert Deployment(document, {}).outputs["odd"] == ["[guid('x')]", "[", "it's [x]", "[a] b"]
