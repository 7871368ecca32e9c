"""The query API by the real azure-monitor-query over TLS."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from azure.core.exceptions import HttpResponseError
from azure.monitor.query import LogsBatchQuery, LogsQueryClient, LogsQueryError

from s3sentinel_assets.sentinel.packing import body
from s3sentinel_assets.sentinel.render import render_rows
from s3sentinel_assets.tables import load_schema


def ago(**length: float) -> str:
    return (datetime.now(UTC) - timedelta(**length)).isoformat()


@pytest.fixture(scope="module", autouse=True)
def trail(shared_clients: Any) -> None:
    """Four CloudTrail rows and two flows."""
    names = ["ConsoleLogin", "GetObject", "GetObject", "PutBucketPolicy"]
    rows: list[dict[str, Any]] = [
        {
            "TimeGenerated": ago(minutes=10 * i),
            "EventName": name,
            "BatchId_CF": f"batch-{i % 2}",
            "UserIdentityArn": f"arn:aws:sts::123:assumed-role/Admin/user{i}@example.org",
            "SourceIpAddress": f"198.51.100.{i}",
            "RequestParameters": '{"bucketName":"b1","list":[{"k":1},{"k":2}]}',
        }
        for i, name in enumerate(names)
    ]
    rows[3]["ErrorCode"] = "AccessDenied"
    shared_clients.send(rows, "AWSCloudTrail")
    flows = [{"TimeGenerated": ago(minutes=5), "SrcAddr": f"198.51.100.{i}", "Bytes": 10 * i} for i in range(2)]
    shared_clients.send(flows, "AWSVPCFlow")


def refused(clients: Any, kql: str, **options: Any) -> tuple[int | None, dict[str, Any]]:
    with pytest.raises(HttpResponseError) as caught:
        clients.queries.query_workspace(clients.workspace.workspace_id, kql, timespan=None, **options)
    response = caught.value.response
    assert response is not None
    return caught.value.status_code, response.json()["error"]


@pytest.mark.parametrize(
    ("kql", "expected"),
    [
        (
            "AWSCloudTrail | summarize count() by EventName | sort by EventName asc",
            [["ConsoleLogin", 1], ["GetObject", 2], ["PutBucketPolicy", 1]],
        ),
        ("AWSCloudTrail | where TimeGenerated > ago(15m) | count", [[2]]),
        ("AWSCloudTrail | where BatchId_CF in ('batch-1', 'x') | summarize count() by BatchId_CF", [["batch-1", 2]]),
        ("AWSCloudTrail | summarize dcount(EventName)", [[3]]),
        (
            "AWSCloudTrail | join (AWSVPCFlow) on $left.SourceIpAddress == $right.SrcAddr | summarize sum(Bytes)",
            [[10]],
        ),
        ("AWSCloudTrail | where isempty(ErrorCode) and ErrorCode != 'x' | count", [[3]]),
        # Constructs of published analytics rules that need rewriting.
        (
            "AWSCloudTrail | take 1 | project split(UserIdentityArn, '/', 1)[0], split(UserIdentityArn, '@')[1]",
            [["Admin", "example.org"]],
        ),
        ("AWSCloudTrail | take 1 | project indexof_regex(UserIdentityArn, @'\\d+')", [[13]]),
        ("AWSCloudTrail | project indexof_regex(EventName, 'Z{3}') | distinct Column1", [[-1]]),
        ("let L = dynamic(['GetObject', 'ConsoleLogin']); AWSCloudTrail | where EventName has_any (L) | count", [[3]]),
        ("let L = dynamic(['getobject']); AWSCloudTrail | where EventName in~ (L) | count", [[2]]),
        ("AWSCloudTrail | mv-expand l = todynamic(RequestParameters).list | summarize sum(toint(l.k))", [[12]]),
        ("AWSCloudTrail | mv-expand todynamic(RequestParameters) | count", [[8]]),
        ("AWSCloudTrail | take 1 | extend type = 'mine' | project type, Type", [["mine", "AWSCloudTrail"]]),
        # Text that looks like a construct is left alone.
        ("print 'split(a,b,1) ingestion_time()' // split(a,b,1)", [["split(a,b,1) ingestion_time()"]]),
    ],
)  # fmt: skip
def test_kql(clients: Any, kql: str, expected: list[list[Any]]) -> None:
    assert clients.ask(kql) == expected


def test_dynamic_columns_are_read_by_path(clients: Any) -> None:
    requests = ['{"clientIp":"198.51.100.7","headers":[{"name":"Host","value":"a.example"}]}', "no json", None]
    rows = pl.DataFrame(
        {
            "EventId_CF": ["1", "2", "3"],
            "TimeGenerated": [datetime.now(UTC)] * 3,
            "HttpRequest": requests,
            "ExtraFields_CF": ['{"new":{"n":7}}', None, None],
        }
    )
    clients.send(body(render_rows(rows, None, load_schema("AWSWAF")), "0" * 14), "AWSWAF")
    kql = (
        "AWSWAF | where BatchId_CF == '00000000000000' | extend x = HttpRequest.clientIp | sort by EventId_CF asc"
        " | project tostring(x), tostring(HttpRequest.headers[0].value), toint(ExtraFields_CF.new.n)"
    )
    assert clients.ask(kql) == [["198.51.100.7", "a.example", 7], ["", "", None], ["", "", None]]
    kept = clients.ask("AWSWAF | where EventId_CF == '2' | project s = tostring(HttpRequest), HttpRequest")
    assert kept == [["no json", "no json"]]
    [[count]] = clients.ask("AWSWAF | mv-expand h = HttpRequest.headers | where tostring(h.name) == 'Host' | count")
    assert count == 1


def test_columns_carry_log_analytics_types(clients: Any) -> None:
    kql = (
        "AWSVPCFlow | take 1 | project TimeGenerated, Bytes, Packets, d=parse_json('{\"a\":1}'), s=SrcAddr, r=1.5, "
        "b=true, t=1d + 2h, g=guid(74be27de-1e4e-49d9-b579-fe0b331d3642), nan=real(nan)"
    )
    [table] = clients.queries.query_workspace(clients.workspace.workspace_id, kql, timespan=None).tables
    types = ["datetime", "long", "int", "dynamic", "string", "real", "bool", "timespan", "guid", "real"]
    assert table.name == "PrimaryResult"
    assert table.columns_types == types
    assert list(table.rows[0])[3:] == [
        '{"a":1}',
        "198.51.100.0",
        1.5,
        True,
        "1.02:00:00",
        "74be27de-1e4e-49d9-b579-fe0b331d3642",
        "NaN",
    ]


def test_ingestion_time_is_when_rows_landed_and_stays_hidden(clients: Any) -> None:
    [[first, count]] = clients.ask(
        "AWSCloudTrail | where ingestion_time() > ago(5m) | summarize min(ingestion_time()), count()"
    )
    assert datetime.now(UTC) - timedelta(minutes=5) < first <= datetime.now(UTC)
    assert count == 4
    result = clients.queries.query_workspace(
        clients.workspace.workspace_id, "AWSCloudTrail | where ingestion_time() > ago(5m) | take 1", timespan=None
    )
    assert not [name for name in result.tables[0].columns if "ingestion" in name]


def test_timespan_bounds_time_generated(clients: Any) -> None:
    now = datetime.now(UTC)
    assert clients.ask("AWSCloudTrail | count", timedelta(minutes=15)) == [[2]]
    assert clients.ask("AWSCloudTrail | count", (now - timedelta(minutes=25), now - timedelta(minutes=5))) == [[2]]
    assert clients.ask("AWSCloudTrail | count", (now - timedelta(minutes=35), timedelta(minutes=10))) == [[1]]


@pytest.mark.parametrize(
    ("kql", "code", "says"),
    [
        ("AWSCloudTrail | where", "SyntaxError", "could not be parsed"),
        ("", "SyntaxError", "empty"),
        ("Nope | count", "SemanticError", "'Nope'"),
        ("AWSCloudTrail | where Nope == 1", "SemanticError", "'Nope'"),
        ("AWSCloudTrail | project nope(EventName)", "SemanticError", "nope"),
        (".drop table AWSCloudTrail", "SyntaxError", "Control commands"),
        ("// first\n.show tables", "SyntaxError", "Control commands"),
        ("externaldata(a:string)[@'/etc/passwd']", "SemanticError", "externaldata"),
        ("database('stored').AWSCloudTrail | count", "SemanticError", "database()"),
        ("pg_tables | count", "SemanticError", "pg_tables"),
        ("AWSCloudTrail | where " + "(" * 3000 + "1==1" + ")" * 3000, "SyntaxError", "nested"),
    ],
)
def test_bad_queries_are_400_with_the_reason_inside(clients: Any, kql: str, code: str, says: str) -> None:
    status, error = refused(clients, kql)
    assert (status, error["code"]) == (400, "BadArgumentError")
    assert error["innererror"]["code"] == code
    assert says in error["innererror"]["innererror"]["message"]


def test_the_sdk_shows_the_innermost_message(clients: Any) -> None:
    with pytest.raises(HttpResponseError) as caught:
        clients.ask("Nope | count")
    assert isinstance(caught.value.model, LogsQueryError)
    assert "Nope" in caught.value.model.message


def test_unknown_workspace_missing_role_and_injected_failures(clients: Any) -> None:
    with pytest.raises(HttpResponseError) as caught:
        clients.queries.query_workspace("elsewhere", "AWSCloudTrail | count", timespan=None)
    assert caught.value.status_code == 404
    clients.workspace.set_faults(forbid_query=True)
    assert refused(clients, "AWSCloudTrail | count")[1]["code"] == "InsufficientAccessError"
    clients.workspace.set_faults(forbid_query=False, respond_query=[{"status": 500}, {"status": 429, "retry_after": 1}])
    assert refused(clients, "AWSCloudTrail | count")[0] == 500
    assert refused(clients, "AWSCloudTrail | count")[0] == 429
    assert clients.ask("AWSCloudTrail | count") == [[4]]


def test_an_ingestion_token_does_not_open_queries_but_the_endpoints_own_audience_does(clients: Any) -> None:
    workspace = clients.workspace
    verify = str(workspace.ca_file)
    wrong = LogsQueryClient(
        clients.credential, endpoint=workspace.url, audience="https://monitor.azure.com", connection_verify=verify
    )
    with pytest.raises(HttpResponseError) as caught:
        wrong.query_workspace(workspace.workspace_id, "AWSCloudTrail | count", timespan=None)
    assert caught.value.status_code == 401
    plain = LogsQueryClient(clients.credential, endpoint=workspace.url, connection_verify=verify)
    assert plain.query_workspace(workspace.workspace_id, "AWSCloudTrail | count", timespan=None).tables[0].rows


def test_batches_answer_each_query(clients: Any) -> None:
    name = clients.workspace.workspace_id
    good, bad = clients.queries.query_batch(
        [
            LogsBatchQuery(name, "AWSCloudTrail | count", timespan=None),
            LogsBatchQuery(name, "Nope | count", timespan=None),
        ]
    )
    assert list(good.tables[0].rows[0]) == [4]
    assert isinstance(bad, LogsQueryError)


def test_a_query_that_takes_too_long_is_broken_off(clients: Any) -> None:
    numbers = "range {} from 1 to 100000 step 1 | extend k=1"
    heavy = f"{numbers.format('a')} | join kind=inner ({numbers.format('b')}) on k"
    status, error = refused(clients, f"{heavy} | summarize sum(a * b % 7)", server_timeout=1)
    assert (status, error["code"]) == (504, "GatewayTimeout")
    assert clients.ask("AWSCloudTrail | count") == [[4]]


def test_the_shipped_deduplication_runs(clients: Any) -> None:
    from s3sentinel_assets.sentinel.kql import dedupe_function

    twice = [{"EventId_CF": "once", "SrcAddr": "203.0.113.1"}] * 2
    clients.send([*twice, {"SrcAddr": "203.0.113.1"}], "AWSVPCFlow")
    once = dedupe_function("AWSVPCFlow")
    assert clients.ask(f"{once} | where SrcAddr == '203.0.113.1' | count") == [[2]]
