"""What an analyst gets: rule, hunting queries and workbook name only columns that their queries give."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.infra.azure.limits import check_alert_rule
from s3sentinel_assets.local.workspace.definitions import Catalogue
from s3sentinel_assets.local.workspace.query import Query, QueryApi
from s3sentinel_assets.local.workspace.storage import Storage
from s3sentinel_assets.sentinel.kql import query_text, write_functions
from tests.infra.azure.configurations import QUIET, configured, source
from tests.infra.azure.deployment import Deployment, resource_id
from tests.infra.azure.test_template import ALERT_RULE, IDENTIFIERS, SEARCH, TABLE, WORKBOOK, deployed

WORKSPACE = resource_id("Microsoft.OperationalInsights/workspaces", "law-sentinel")


@pytest.fixture(scope="module")
def made() -> Deployment:
    return deployed(configured(trail="cloudtrail", flows=source("vpc_flow", routing={"rules": [QUIET]})))


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The columns that a query gives."""
    folder: Path = tmp_path_factory.mktemp("workspace")
    write_functions(folder / "functions")
    catalogue = Catalogue.build()
    storage = Storage(folder / "w.duckdb", catalogue, "id")
    api = QueryApi(storage, catalogue)
    yield lambda kql: set(api.run(Query(kql)).columns)
    storage.close()


def test_the_rule_names_columns_of_its_query(made: Deployment, columns: Any) -> None:
    (rule,) = made.of_type(ALERT_RULE)
    properties = rule["properties"]
    given = columns(properties["query"])
    override = properties["alertDetailsOverride"]
    formats = override["alertDisplayNameFormat"] + override["alertDescriptionFormat"]
    placed = re.findall(r"\{\{(\w+)\}\}", formats)
    assert 0 < len(placed) <= 6  # three in each at most
    named = {*placed, override["alertSeverityColumnName"], *properties["customDetails"].values()}
    named |= {one["value"] for one in override["alertDynamicProperties"]}
    named |= {field["columnName"] for entity in properties["entityMappings"] for field in entity["fieldMappings"]}
    assert named <= given


def test_the_rule_maps_entities_and_groups_by_the_principal(made: Deployment) -> None:
    (rule,) = made.of_type(ALERT_RULE)
    assert (rule["kind"], rule["scope"]) == ("Scheduled", WORKSPACE)
    assert resource_id(TABLE, "law-sentinel", "AwsEntityHour_CL") in rule["dependsOn"]
    entities = {entity["entityType"]: entity["fieldMappings"] for entity in rule["properties"]["entityMappings"]}
    assert set(entities) == {"Account", "IP", "CloudApplication"}
    for kind, fields in entities.items():
        assert {field["identifier"] for field in fields} <= IDENTIFIERS[kind]
    incidents = rule["properties"]["incidentConfiguration"]
    assert incidents["createIncident"]
    grouping = incidents["groupingConfiguration"]
    assert (grouping["matchingMethod"], grouping["groupByEntities"]) == ("Selected", ["Account"])


def test_the_rule_runs_as_often_as_its_query_looks_back(made: Deployment) -> None:
    (rule,) = made.of_type(ALERT_RULE)
    assert "ingestion_time() > ago(5m)" in rule["properties"]["query"]
    assert rule["properties"]["queryFrequency"] == "PT5M"
    # Sentinel refuses two days and more for rules that run more often than hourly.
    assert int(re.fullmatch(r"PT(\d+)H", rule["properties"]["queryPeriod"])[1]) < 48  # type: ignore[index]


def test_hunting_queries_wait_for_their_tables(made: Deployment, columns: Any) -> None:
    hunts = {
        body["properties"]["displayName"]: body
        for body in made.of_type(SEARCH)
        if body["properties"]["category"] == "Hunting Queries"
    }
    assert set(hunts) == {"s3sentinel: Top anomalies today", "s3sentinel: New patterns"}
    for body in hunts.values():
        assert columns(body["properties"]["query"])
        assert "functionAlias" not in body["properties"]
        assert {tag["name"] for tag in body["properties"]["tags"]} == {"description", "tactics", "techniques"}
    patterns = hunts["s3sentinel: New patterns"]
    assert patterns["properties"]["query"] == query_text("hunt_new_patterns")
    assert resource_id(TABLE, "law-sentinel", "S3Patterns_CL") in patterns["dependsOn"]


def test_the_workbook_leads_on_by_the_rows_id(made: Deployment, columns: Any) -> None:
    (book,) = made.of_type(WORKBOOK)
    assert (book["kind"], book["properties"]["sourceId"]) == ("shared", WORKSPACE)
    items = json.loads(book["properties"]["serializedData"])["items"]
    steps = {item["name"]: item for item in items if item["type"] == 3}
    assert list(steps) == ["principals", "hours", "events"]
    filled: set[str] = set()
    for item in steps.values():
        content, query = item["content"], item["content"]["query"]
        wanted = set(re.findall(r"\{(\w+)\}", query))
        assert wanted <= filled  # what a step needs, one before it gives
        if shown := item.get("conditionalVisibility"):
            assert {shown["parameterName"]} == wanted
        given = columns(re.sub(r"\{\w+\}", "0", query))
        if "exportParameterName" in content:
            assert content["exportFieldName"] in given
            filled.add(content["exportParameterName"])
        assert content["timeContextFromParameter"] == "TimeRange"
    assert "AWSCloudTrail, AWSVPCFlow" in steps["events"]["content"]["query"]
    assert "_Auxiliary_CL" not in steps["events"]["content"]["query"]  # no query may join such a table


def test_a_workspace_without_sentinel_gets_none_of_it() -> None:
    made = deployed(configured(trail="cloudtrail"), analystContent="")
    assert made.of_type(ALERT_RULE) == made.of_type(WORKBOOK) == []
    assert all(body["properties"]["category"] == "s3sentinel" for body in made.of_type(SEARCH))


@pytest.mark.parametrize(
    ("query", "details", "entities", "said"),
    [
        ("x" * 10_001, {}, {}, "10,001 characters of query"),
        ("x", {f"d{number}": "c" for number in range(21)}, {}, "21 custom details"),
        ("x", {"d" * 21: "c"}, {}, "21 letters"),
        ("x", {"a_b": "c"}, {}, "'a_b'"),
        ("x", {}, {"Account": dict.fromkeys("abcd", "c")}, "4 identifiers"),
    ],
)
def test_limits_of_a_rule(query: str, details: Any, entities: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_alert_rule(query, details, entities)
