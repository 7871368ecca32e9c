"""The query client against the local workspace: counts, and a sentence for every failure."""

from datetime import timedelta

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.sentinel import query as query_module
from s3sentinel_assets.sentinel.kql import dedupe_function
from s3sentinel_assets.sentinel.query import Found, WorkspaceQuery
from tests.sentinel.frames import cloudtrail


def test_batches_are_counted_in_chunks(world, settings, client, query, monkeypatch):
    monkeypatch.setattr(query_module, "_IDS_PER_QUERY", 3)
    part_id = world.plan(settings, 100)
    world.deliver(client, settings, part_id)
    batches = world.batches(part_id)
    assert len(batches) > 4
    expected = {batch.id: Found(batch.rows, batch.rows) for batch in batches}
    ids = [*expected, "nowhere"]
    assert query.count_batches("AWSCloudTrail", ids, since=utc_now()) == expected
    assert query.count_batches("AWSCloudTrail", ids) == expected
    assert query.count_batches("AWSCloudTrail", ids, since=utc_now() + timedelta(hours=3)) == {}
    assert query.count_batches("AWSCloudTrail", []) == {}


def test_a_query_gives_rows_by_name(query):
    assert query.run("print a = 1, b = 'x'") == [{"a": 1, "b": "x"}]


def test_failures_name_the_way_out(settings, workspace, query):
    with pytest.raises(UserError, match="the workspace refuses the query"):
        query.run("AWSCloudTrail | wher x")
    workspace.set_faults(forbid_query=True)
    with pytest.raises(UserError, match="Log Analytics Reader"):
        query.run("print 1")
    workspace.clear_faults()
    elsewhere = settings.model_copy(update={"workspace_id": "00000000-0000-4000-8000-00000000ffff"})
    with pytest.raises(UserError, match=r"knows no workspace .*ffff; check sentinel.workspace_id|role Log Analytics"):
        WorkspaceQuery(elsewhere).run("print 1")
    nowhere = settings.model_copy(update={"query_endpoint": "https://127.0.0.1:9"})
    with pytest.raises(UserError, match=r"cannot be queried at https://127.0.0.1:9 .*check sentinel.query_endpoint"):
        WorkspaceQuery(nowhere).run("print 1")


def test_the_endpoint_and_audience_follow_the_cloud(settings):
    for cloud, host in (("usgov", "https://api.loganalytics.us"), ("china", "https://api.loganalytics.azure.cn")):
        made = WorkspaceQuery(
            settings.model_copy(update={"cloud": cloud, "query_endpoint": "https://api.loganalytics.io"})
        )
        assert made._endpoint == host


def test_the_shipped_function_gives_each_event_once(world, settings, client, query):
    rows = cloudtrail(10, seed=987)
    for _ in range(2):
        world.deliver(client, settings, world.plan(settings, rows))
    ids = ", ".join(f'"{event_id}"' for event_id in rows["EventId_CF"])
    counted = f"| where EventId_CF in ({ids}) | summarize n = count(), e = dcount(EventId_CF)"
    assert query.run(f"AWSCloudTrail {counted}")[0]["n"] == 20
    assert query.run(f"{dedupe_function('AWSCloudTrail')}\n{counted}") == [{"n": 10, "e": 10}]
