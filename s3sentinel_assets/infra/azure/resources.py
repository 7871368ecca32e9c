"""The plan as resources: tables, data collection rules, roles, diagnostic settings.

Sources: template reference of each resource type; "Add or delete tables and columns in Azure Monitor Logs"; "Structure
of a data collection rule"; "Azure built-in roles" (learn.microsoft.com).

Belongs here: what each resource says. Does not belong here: which streams and rules there are (``needs``, ``rules``),
functions (``functions``), what analysts get (``analyst``), outputs (``outputs``), syntax (``arm``, ``bicep``).

A table's columns are written whole: Azure takes a column away that a later definition leaves out. ``kept`` are the
columns that somebody else has added.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s3sentinel_assets.config import Config
from s3sentinel_assets.infra.azure.analyst import analyst_resources
from s3sentinel_assets.infra.azure.columns import Columns, listed, output_stream, stream_columns, table_columns
from s3sentinel_assets.infra.azure.expressions import (
    Call,
    Expression,
    Filled,
    Id,
    Member,
    Not,
    Parameter,
    Resource,
    Template,
    symbol_of,
)
from s3sentinel_assets.infra.azure.functions import function_resources
from s3sentinel_assets.infra.azure.outputs import write_outputs
from s3sentinel_assets.infra.azure.rules import Plan, Rule
from s3sentinel_assets.tables import TableSchema

__all__ = [
    "ENDPOINT_SUFFIX",
    "RULE_TYPE",
    "RULE_VERSION",
    "TABLE_VERSION",
    "WORKSPACE_TYPE",
    "build_template",
]

RULE_TYPE = "Microsoft.Insights/dataCollectionRules"
RULE_VERSION = "2023-03-11"
WORKSPACE_TYPE = "Microsoft.OperationalInsights/workspaces"
TABLE_VERSION = "2025-07-01"
ENDPOINT_SUFFIX = "-endpoint"

_ENDPOINT_TYPE = "Microsoft.Insights/dataCollectionEndpoints"
_ROLE_VERSION = "2022-04-01"
_DIAGNOSTIC_VERSION = "2021-05-01-preview"
_DESTINATION = "workspace"
_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"  # Monitoring Metrics Publisher
_READER = "73c42c96-874c-492b-b04d-ab87d138a893"  # Log Analytics Reader


@dataclass(frozen=True)
class _Parameters:
    workspace: Parameter
    location: Parameter
    dcr_name: Parameter
    principal: Parameter
    principal_type: Parameter
    retention: Parameter
    total_retention: Parameter
    analyst: Parameter

    @property
    def all(self) -> tuple[Parameter, ...]:
        return tuple(sorted(vars(self).values(), key=lambda each: each.name))


def build_template(config: Config, plan: Plan, kept: Mapping[str, Columns] | None = None) -> Template:
    """The template for a plan.

    Args:
        config: names and ids, used as defaults of parameters.
        plan: what is needed.
        kept: table → further columns that are there and must stay.
    """
    known = _parameters(config)
    workspace = Resource("workspace", WORKSPACE_TYPE, TABLE_VERSION, known.workspace, existing=True)
    tables = {
        schema.name: _table(schema, workspace, known, (kept or {}).get(schema.name, {})) for schema in plan.tables
    }
    endpoint = _endpoint(known) if plan.shares_endpoint else None
    rules = [(rule, _rule(rule, known, workspace, endpoint, tables)) for rule in plan.rules]
    resources = [workspace, *tables.values(), *filter(None, [endpoint])]
    for rule, resource in rules:
        resources += [resource, _diagnostics(rule, resource, workspace), _publisher(rule, resource, known)]
    functions = function_resources(plan, workspace, tables)
    resources += [_reader(workspace, known), *functions]
    resources += analyst_resources(plan, workspace, tables, known.location, known.analyst, functions)
    return Template(known.all, tuple(resources), write_outputs(plan, workspace, endpoint, rules))


def _parameters(config: Config) -> _Parameters:
    azure = config.sentinel.azure
    region = Member(Call("resourceGroup"), "location")
    return _Parameters(
        workspace=Parameter("workspaceName", "string", "Log Analytics workspace of Sentinel.", azure.workspace_name),
        location=Parameter("location", "string", "Region of the workspace.", azure.location or region),
        dcr_name=Parameter("dcrName", "string", "Data collection rules: -1, -2 … is put behind it.", azure.dcr_name),
        principal=Parameter(
            "principalId",
            "string",
            "Object id of the identity that sends and queries; empty: no role is assigned.",
            azure.principal_id or "",
        ),
        principal_type=Parameter(
            "principalType",
            "string",
            "What that identity is.",
            "ServicePrincipal",
            ("Group", "ServicePrincipal", "User"),
        ),
        retention=Parameter(
            "retentionInDays", "int", "Of custom tables on the Analytics plan; -1: as the workspace.", -1
        ),
        total_retention=Parameter(
            "totalRetentionInDays", "int", "Of custom tables, with long-term retention; -1: no longer than that.", -1
        ),
        analyst=Parameter(
            "analystContent",
            "string",
            "Analytics rule, hunting queries and workbook, for a workspace with Microsoft Sentinel; empty: none.",
            "sentinel",
            ("", "sentinel"),
        ),
    )


def _table(schema: TableSchema, workspace: Resource, known: _Parameters, kept: Columns) -> Resource:
    properties: dict[str, Any] = {"schema": {"name": schema.name, "columns": listed({**kept, **table_columns(schema)})}}
    if schema.name.endswith("_CL"):
        properties["plan"] = schema.plan
        properties["totalRetentionInDays"] = known.total_retention
        if schema.plan == "Analytics":  # the others' is fixed
            properties["retentionInDays"] = known.retention
        remark = None
    else:
        remark = "Our own columns of an Azure table. Custom columns that are not listed here are taken away."
    return Resource(
        f"table_{symbol_of(schema.name)}",
        f"{WORKSPACE_TYPE}/tables",
        TABLE_VERSION,
        schema.name,
        {"properties": properties},
        parent=workspace,
        remark=remark,
    )


def _endpoint(known: _Parameters) -> Resource:
    return Resource(
        "endpoint",
        _ENDPOINT_TYPE,
        RULE_VERSION,
        Filled("{0}" + ENDPOINT_SUFFIX, (known.dcr_name,)),
        {"location": known.location, "properties": {"networkAcls": {"publicNetworkAccess": "Enabled"}}},
        remark="One address for all rules.",
    )


def _rule(
    rule: Rule,
    known: _Parameters,
    workspace: Resource,
    endpoint: Resource | None,
    tables: Mapping[str, Resource],
) -> Resource:
    flows = [(stream, flow) for stream in rule.streams for flow in stream.flows]
    properties: dict[str, Any] = {
        "streamDeclarations": {
            stream.name: {"columns": listed(stream_columns(stream.schema))} for stream in rule.streams
        },
        "destinations": {"logAnalytics": [{"name": _DESTINATION, "workspaceResourceId": Id(workspace)}]},
        "dataFlows": [
            {
                "streams": [stream.name],
                "destinations": [_DESTINATION],
                "transformKql": flow.transform,
                "outputStream": output_stream(flow.table),
            }
            for stream, flow in flows
        ],
    }
    if endpoint is not None:
        properties["dataCollectionEndpointId"] = Id(endpoint)
    return Resource(
        f"rule{symbol_of(rule.suffix)}",
        RULE_TYPE,
        RULE_VERSION,
        Filled("{0}" + rule.suffix, (known.dcr_name,)),
        {"kind": "Direct", "location": known.location, "properties": properties},
        after=tuple(tables[name] for name in sorted({flow.table for _, flow in flows})),
    )


def _diagnostics(rule: Rule, resource: Resource, workspace: Resource) -> Resource:
    return Resource(
        f"errors{symbol_of(rule.suffix)}",
        "Microsoft.Insights/diagnosticSettings",
        _DIAGNOSTIC_VERSION,
        "s3sentinel",
        {"properties": {"workspaceId": Id(workspace), "logs": [{"category": "LogErrors", "enabled": True}]}},
        scope=resource,
        remark="What the rule refuses after it has answered 204 stands in DCRLogErrors.",
    )


def _publisher(rule: Rule, resource: Resource, known: _Parameters) -> Resource:
    return _role(
        f"publisher{symbol_of(rule.suffix)}", _PUBLISHER, resource, known, "Monitoring Metrics Publisher: sends."
    )


def _reader(workspace: Resource, known: _Parameters) -> Resource:
    return _role("reader", _READER, workspace, known, "Log Analytics Reader: asks what has arrived.")


def _role(symbol: str, role: str, scope: Resource, known: _Parameters, remark: str) -> Resource:
    definition: Expression = Call("subscriptionResourceId", ("Microsoft.Authorization/roleDefinitions", role))
    return Resource(
        symbol,
        "Microsoft.Authorization/roleAssignments",
        _ROLE_VERSION,
        Call("guid", (Id(scope), known.principal, role)),
        {
            "properties": {
                "principalId": known.principal,
                "principalType": known.principal_type,
                "roleDefinitionId": definition,
            }
        },
        scope=scope,
        condition=Not(Call("empty", (known.principal,))),
        remark=remark,
    )
