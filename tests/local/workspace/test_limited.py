"""Tables on the Basic and Auxiliary plan: the search address alone answers, with less KQL, and tells the scan."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest, HttpResponse

from s3sentinel_assets.local.workspace.app import SCANNED_HEADER
from s3sentinel_assets.local.workspace.definitions import Catalogue, routed_tables
from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.limited import searched_table
from s3sentinel_assets.tables import load_schema
from tests.stages import config_of

BASIC, CHEAP = "AWSVPCFlow_Basic_CL", "AWSVPCFlow_Auxiliary_CL"
TABLES = {name: load_schema(name) for name in ("AWSVPCFlow", BASIC, CHEAP)}
NOW = datetime(2026, 11, 20, 12)  # noqa: DTZ001 - as the storage has it: UTC without a zone
DAY = timedelta(days=1)


def search(clients: Any, kql: str, hours: float | None = 24, body: dict[str, Any] | None = None) -> HttpResponse:
    now = datetime.now(UTC)
    span = "" if hours is None else f"?timespan={now - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}/P2D"
    request = HttpRequest(
        "POST", f"/workspaces/{clients.workspace.workspace_id}/search{span}", json={"query": kql} | (body or {})
    )
    return clients.queries.send_request(request)


@pytest.fixture(scope="module", autouse=True)
def rows(shared_clients: Any) -> None:
    now = datetime.now(UTC)
    shared_clients.send(
        [{"TimeGenerated": now.isoformat(), "Id": f"limited-{i % 2}", "Count": i} for i in range(4)], "Cheap_CL"
    )
    old = now - timedelta(hours=30)
    shared_clients.send([{"TimeGenerated": old.isoformat(), "Id": "limited-old"}], "Cheap_CL")


def test_the_ordinary_address_refuses_such_a_table_and_names_the_other(clients: Any) -> None:
    for kql in ("Cheap_CL | count", "union Cheap_CL, Typed_CL", "Typed_CL | where Id in (Cheap_CL | project Id)"):
        with pytest.raises(HttpResponseError) as caught:
            clients.ask(kql)
        assert caught.value.response is not None
        error = json.loads(caught.value.response.text())["error"]
        assert (caught.value.status_code, error["code"]) == (400, "BadArgumentError")
        assert error["innererror"]["code"] == "UnsupportedApiQueryValidationError"
        assert "/search' instead" in error["innererror"]["message"]


def test_a_wildcard_leaves_such_tables_out(clients: Any) -> None:
    clients.send([{"Id": "limited-0"}])
    assert clients.ask("search 'limited-0' | summarize count() by Type") == [["Typed_CL", 1]]


def test_the_search_address_answers_and_tells_what_it_scanned(clients: Any) -> None:
    before = clients.workspace.stats()["scanned_bytes"].get("Cheap_CL", 0)
    response = search(
        clients, "Cheap_CL | where Id startswith 'limited' | summarize n = sum(Count) by Id | sort by Id asc"
    )
    assert response.status_code == 200
    assert response.json()["tables"][0]["rows"] == [["limited-0", 2], ["limited-1", 4]]
    day = int(response.headers[SCANNED_HEADER])
    # A narrower condition scans as much, a longer range more.
    assert int(search(clients, "Cheap_CL | where Id == 'nobody' | count").headers[SCANNED_HEADER]) == day > 0
    assert int(search(clients, "Cheap_CL | count", 40).headers[SCANNED_HEADER]) > day
    assert clients.workspace.stats()["scanned_bytes"]["Cheap_CL"] - before > 3 * day


def test_a_search_needs_its_range_in_the_address(clients: Any) -> None:
    response = search(clients, "Cheap_CL | count", None, {"timespan": "P1D"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "BadArgumentError")
    assert "'timespan'" in response.json()["error"]["message"]


def test_a_search_is_of_one_cheaper_table_and_needs_the_right(clients: Any, workspace: Any) -> None:
    said = search(clients, "AWSCloudTrail | count").json()["error"]["innererror"]["message"]
    assert "'AWSCloudTrail' is no table on the Basic or Auxiliary plan" in said
    workspace.set_faults(forbid_query=True)
    assert search(clients, "Cheap_CL | count").status_code == 403


@pytest.mark.parametrize(
    "kql",
    [
        f"{CHEAP}",
        f"{CHEAP} | where BatchId_CF in ('a', 'b') | summarize Copies = count() by BatchId_CF, EventId_CF",
        f"{BASIC} | extend x = tolower(SrcAddr) | project-away Action | top 5 by TimeGenerated asc",
        f"{BASIC} | where Action has_any ('x') and ingestion_time() > ago(1h) | sort by SrcAddr | take 3;",
        f"{CHEAP} | distinct SrcAddr | count",
    ],
)
def test_what_such_a_table_takes(kql: str) -> None:
    assert searched_table(kql, TABLES, {"F"}, NOW - DAY, NOW, NOW) in (BASIC, CHEAP)


@pytest.mark.parametrize(
    ("kql", "words"),
    [
        (f"{CHEAP} | join (AWSVPCFlow) on SrcAddr", "operator 'join"),
        (f"{CHEAP} | union AWSVPCFlow", "operator 'union"),
        (f"{CHEAP} | lookup AWSVPCFlow on SrcAddr", "operator 'lookup"),
        (f"{CHEAP} | search 'x'", "operator 'search"),
        (f"{CHEAP} | invoke F()", "operator 'invoke"),
        (f"{CHEAP} | where SrcAddr in (AWSVPCFlow | project SrcAddr)", "names 'AWSVPCFlow', too"),
        (f"{CHEAP} | where SrcAddr in ({CHEAP} | project SrcAddr)", f"names '{CHEAP}', too"),
        (f"{CHEAP} | extend x = F(1)", "User-defined functions are not supported"),
        (f"{CHEAP} | where Bytes > toscalar(print 1)", "toscalar() is not supported"),
        (f"let n = 1; {CHEAP} | take n", "a single statement"),
        (f"union {CHEAP}, {BASIC}", "does not begin with one"),
        (f"search in ({CHEAP}) 'x'", "does not begin with one"),
        ("AWSVPCFlow | count", "'AWSVPCFlow' is no table on the Basic or Auxiliary plan"),
        ("Nope | count", "'Nope' is no table"),
        ("", "single statement"),
    ],
)
def test_what_it_does_not_take(kql: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        searched_table(kql, TABLES, {"F"}, NOW - DAY, NOW, NOW)
    assert caught.value.status == 400
    assert re.search(re.escape(words), caught.value.details["innererror"]["message"])


def test_how_far_back_a_query_may_reach_goes_by_the_plan() -> None:
    start = NOW - timedelta(days=31)
    assert searched_table(f"{CHEAP} | count", TABLES, {}, start, NOW, NOW) == CHEAP
    with pytest.raises(ApiError, match="invalid properties") as caught:
        searched_table(f"{BASIC} | count", TABLES, {}, start, NOW, NOW)
    assert "past 30 days" in caught.value.details["innererror"]["message"]


def test_twins_are_added_by_name() -> None:
    catalogue = Catalogue.build([CHEAP, BASIC])
    assert catalogue.streams[f"Custom-{CHEAP}"] == CHEAP
    assert (catalogue.tables[CHEAP].plan, catalogue.tables[BASIC].plan) == ("Auxiliary", "Basic")
    assert catalogue.tables[CHEAP].columns == load_schema("AWSVPCFlow").columns


def test_the_tables_that_routing_names_are_served() -> None:
    source = {"bucket": "logs", "prefix": "x/", "format": "vpc_flow"}
    rules = [
        {"name": "quiet", "priority": ["low"], "to": {"table": CHEAP, "stream": "Custom-Quiet"}},
        {"name": "odd", "priority": ["high"], "to": {"table": "S3Events_CL"}},
        {"name": "gone", "where": "Action = 'NODATA'", "drop": True},
    ]
    config = config_of(sources={"flows": source | {"routing": {"rules": rules}}, "plain": source})
    tables, streams = routed_tables(config)
    assert [table.name for table in tables] == [CHEAP]
    assert streams == {"Custom-Quiet": CHEAP, "Custom-S3Events_CL": "S3Events_CL"}
    assert Catalogue.build(tables, streams).streams["Custom-Quiet"] == CHEAP
    assert routed_tables(config_of()) == ([], {})
