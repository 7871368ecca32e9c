"""What an analyst gets: rule, hunting queries and workbook name only columns that their queries give."""

import contextlib
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.infra.azure import analyst
from s3sentinel_assets.infra.azure.limits import ALERT_DETAILS_BYTES, check_alert_rule
from s3sentinel_assets.local.workspace.definitions import Catalogue
from s3sentinel_assets.local.workspace.query import Query, QueryApi
from s3sentinel_assets.local.workspace.rows import RowReader
from s3sentinel_assets.local.workspace.storage import Storage
from s3sentinel_assets.sentinel.kql import query_text, write_functions
from tests.infra.azure.configurations import QUIET, configured, source
from tests.infra.azure.deployment import Deployment, resource_id
from tests.infra.azure.test_template import ALERT_RULE, IDENTIFIERS, SEARCH, TABLE, WORKBOOK, deployed
from tests.sentinel.test_kql import roll_up

ROLL_UPS = "AwsEntityHour_CL"
WORKSPACE = resource_id("Microsoft.OperationalInsights/workspaces", "law-sentinel")


@pytest.fixture(scope="module")
def made() -> Deployment:
    return deployed(configured(trail="cloudtrail", flows=source("vpc_flow", routing={"rules": [QUIET]})))


@contextlib.contextmanager
def workspace(folder: Path, roll_ups: Sequence[dict[str, Any]] = ()) -> Iterator[QueryApi]:
    """A workspace with these rows in ``AwsEntityHour_CL``, just arrived."""
    write_functions(folder / "functions")
    catalogue = Catalogue.build()
    storage = Storage(folder / "w.duckdb", catalogue, "id")
    if roll_ups:
        now = utc_now()
        frame = RowReader(catalogue.tables[ROLL_UPS]).read(json.dumps(roll_ups).encode(), now).frame
        storage.append(ROLL_UPS, frame, now.replace(tzinfo=None))
    yield QueryApi(storage, catalogue)
    storage.close()


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The columns that a query gives."""
    with workspace(tmp_path_factory.mktemp("workspace")) as api:
        yield lambda kql: set(api.run(Query(kql)).columns)


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


def details_of(made: Deployment, folder: Path, roll_ups: Sequence[dict[str, Any]]) -> list[dict[str, list[str]]]:
    """Custom details of the alerts, as an alert keeps them, in order of the details' principals."""
    (rule,) = made.of_type(ALERT_RULE)
    with workspace(folder, roll_ups) as api:
        result = api.run(Query(rule["properties"]["query"]))
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    custom = rule["properties"]["customDetails"]
    return [
        {name: ["" if row[column] is None else str(row[column])] for name, column in custom.items()}
        for row in sorted(rows, key=lambda row: row["Principal"])
    ]


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def test_a_busy_hour_names_its_events_and_principal_in_what_an_alert_keeps(made: Deployment, tmp_path: Path) -> None:
    ids = [f"111122223333/{uuid.uuid5(uuid.NAMESPACE_URL, str(number))}" for number in range(20)]
    principal = "111122223333/AWSReservedSSO_AdministratorAccess_0123456789abcdef/anna.example@example.com"
    techniques = [f"T{number}.001" for number in range(1078, 1098)]
    busy = roll_up(
        principal,
        1,
        "critical",
        19.512345,
        events=ids,
        Actions=[f"iam:AttachRolePolicy{number:02}" for number in range(50)],
        Techniques=techniques,
        Reasons="first use of iam:CreateUser, 0 of 1,234 events (9.4); " * 9,
    )
    (details,) = details_of(made, tmp_path, [busy])
    assert size(details) <= ALERT_DETAILS_BYTES
    assert json.loads(details["EventIds"][0]) == ids[:8]
    assert json.loads(details["Techniques"][0]) == techniques[:10]
    assert json.loads(details["Actions"][0]) == busy["Actions"][:8]
    assert (details["Principal"], details["Account"], details["Source"]) == ([principal], ["111122223333"], ["trail"])
    assert details["Row"] == [busy["EventId_CF"]]
    assert details["Reasons"][0] == busy["Reasons"][: 270 - 7] + "..."


ODD = ["x", '"', "\\", "\x01", "é", "😀", '","', "\x7f", "'"]


def test_no_alert_has_more_details_than_sentinel_keeps(made: Deployment, tmp_path: Path) -> None:
    worst = -1.2345678901234567e300
    rows = []
    for length in (1, 10, 37, 62, 63, 400, 5_000):
        for letter in ODD:
            long = (letter * 5_000)[:length]
            # As long as a column may be; an item has 256 letters at most.
            items = [f"{number:02}{long[:200]}" for number in range(50)]
            row = roll_up(f"{len(rows):02}{long}", 2_000_000_000, "critical", worst, events=items[:20], Actions=items)
            row |= {"AccountId": long, "SourceName": "s" * 40, "Techniques": items[:20], "Reasons": long}
            row |= {"PreviousPriority": "critical", "Events": -2_000_000_000}
            rows.append(row | {"ExpectedHoursPerDay": worst, "Confidence": worst})
    found = details_of(made, tmp_path, rows)
    assert len(found) == len(rows)
    shares = {name: share for name, (_, share) in analyst._DETAILS.items()}
    for details, row in zip(found, rows, strict=True):
        assert {name for name, value in details.items() if size(value) > shares[name]} == set()
        assert size(details) <= ALERT_DETAILS_BYTES
        # What is named is right: whole, or cut so that it is nobody's name.
        named = json.loads(details["EventIds"][0])
        assert named == row["EventIds"][: len(named)]
        (principal,) = details["Principal"]
        assert principal == row["Principal"] or principal.endswith("...")
    for details, row in zip(found, rows[: len(ODD)], strict=False):  # the short ones
        assert details["Principal"] == [row["Principal"]]
        assert json.loads(details["EventIds"][0])


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
    assert set(hunts) == {"s3sentinel: Top anomalies of the last day", "s3sentinel: New patterns"}
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
        ("x", {f"d{number}": ("c", 9) for number in range(21)}, {}, "21 custom details"),
        ("x", {"d" * 21: ("c", 9)}, {}, "21 letters"),
        ("x", {"a_b": ("c", 9)}, {}, "'a_b'"),
        ("x", {"a": ("c", 990), "b": ("c", 1_000)}, {}, "2,001 bytes of custom details"),
        ("x", {}, {"Account": dict.fromkeys("abcd", "c")}, "4 identifiers"),
    ],
)
def test_limits_of_a_rule(query: str, details: Any, entities: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_alert_rule(query, details, entities)
