"""Tables on a cheaper plan, over TLS by the real client: counted by search, in a bounded range, and seldom."""

from datetime import timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.pipeline.proofs import prove_hour
from s3sentinel_assets.sentinel.query import Found, LogErrors, WorkspaceQuery
from s3sentinel_assets.sentinel.resolution import _due, resolve_unknown
from tests.sentinel.frames import cloudtrail
from tests.sentinel.worlds import HOUR

TWIN = "AWSCloudTrail_Auxiliary_CL"


def plan(world, settings, rows=40, hours_ago=5.0, table=TWIN):
    """A part whose rows are to go to the table, with events that were so long ago."""
    part_id = world.part()
    at = utc_now() - timedelta(hours=hours_ago)
    frame = cloudtrail(rows, part_id).with_columns(TimeGenerated=pl.lit(at, pl.Datetime("us", "UTC")))
    world.commit(world.draft(part_id, settings, [frame], None, table))
    return part_id


def scanned(workspace):
    return workspace.stats()["scanned_bytes"].get(TWIN, 0)


def asked(workspace):
    return sum(workspace.stats()["requests"]["query"].values())


def test_batches_are_counted_by_search_in_a_range(world, workspace, settings, client, query):
    part_id = plan(world, settings)
    world.deliver(client, settings, part_id)
    batches = world.batches(part_id)
    assert len(batches) > 1
    ids = [*(batch.id for batch in batches), "nowhere"]
    now, hour = utc_now(), timedelta(hours=1)
    before, questions = scanned(workspace), asked(workspace)
    found = query.count_batches(TWIN, ids, time_range=(now - 6 * hour, now))
    assert found == {batch.id: Found(batch.rows, batch.rows) for batch in batches}
    assert asked(workspace) == questions + 1
    assert scanned(workspace) > before
    assert query.count_batches(TWIN, ids, time_range=(now - 4 * hour, now)) == {}
    with pytest.raises(ValueError, match="need a time range"):
        query.count_batches(TWIN, ids, since=now)


def test_failures_of_a_search_name_the_way_out(settings, workspace, query):
    now = utc_now()
    day = (now - timedelta(days=1), now)
    with pytest.raises(UserError, match="the workspace refuses the query: The operator 'join"):
        query.search(f"{TWIN} | join (AWSCloudTrail) on EventName", day)
    with pytest.raises(UserError, match=r"the workspace refuses the query: .*'/v1/workspaces.*/search' instead"):
        query.run(f"{TWIN} | count")
    workspace.set_faults(forbid_query=True)
    with pytest.raises(UserError, match="Log Analytics Reader"):
        query.search(f"{TWIN} | count", day)
    workspace.clear_faults()
    workspace.set_faults(respond_query=[{"status": 500, "count": 9}])
    with pytest.raises(UserError, match="cannot be queried"):
        WorkspaceQuery(settings).search(f"{TWIN} | count", day)


def test_log_errors_are_counted_by_request(world, workspace, settings, client, query):
    part_id = world.plan(settings.model_copy(update={"max_batch_bytes": 1_000_000}), 20)
    workspace.set_faults(accept_then_drop_next=1)
    world.deliver(client, settings, part_id)
    [batch] = world.batches(part_id)
    found = query.log_errors([batch.request_id, "other"], from_micros(batch.sent_at))
    assert found == LogErrors(1, ("20 rows could not be written to the destination and were dropped.",))
    assert query.log_errors([batch.request_id], utc_now() + timedelta(hours=3)) == LogErrors(0)
    assert query.log_errors(["other"]) == LogErrors(0)


@pytest.fixture
def sweep(world, client, query, settings):
    def run(after=timedelta(minutes=10), **changes):
        changed = settings.model_copy(update=changes)
        return resolve_unknown(world.ledger, world.store, client, query, changed, utc_now() + after)

    return run


def lose(world, workspace, client, settings, switch):
    whole = settings.model_copy(update={"max_batch_bytes": 1_000_000})
    part_id = plan(world, whole, 20)
    workspace.set_faults(**{switch: 1})
    world.deliver(client, whole, part_id)
    assert world.states(part_id) == ["unknown"]
    return part_id


def test_an_unknown_batch_is_asked_for_once_the_answer_settles_it(world, workspace, settings, client, sweep):
    part_id = lose(world, workspace, client, settings, "store_then_disconnect_next")
    before = scanned(workspace)
    assert sweep(unknown_bound_minutes=30).still_unknown == 1
    assert sweep(timedelta()).still_unknown == 1
    assert scanned(workspace) == before and world.states(part_id) == ["unknown"]
    summary = sweep()
    assert (summary.accepted, summary.still_unknown, summary.problems) == (1, 0, [])
    assert scanned(workspace) > before and world.states(part_id) == ["accepted"]


def test_an_absent_batch_is_sent_again_once_a_later_one_is_visible(world, workspace, settings, client, query, sweep):
    part_id = lose(world, workspace, client, settings, "disconnect_next")
    assert sweep().still_unknown == 1
    # A later batch with events of quite another time: it must be looked for where it is.
    later = plan(world, settings, 2, hours_ago=30)
    world.deliver(client, settings, later)
    summary = sweep()
    assert (summary.resent, summary.problems) == (1, [])
    assert world.states(part_id) == ["accepted"] and world.batches(part_id)[0].attempt == 2
    now = utc_now()
    [found] = query.count_batches(
        TWIN, [world.batches(part_id)[0].id], time_range=(now - timedelta(hours=9), now)
    ).values()
    assert found == Found(20, 20)


def test_sweeps_ask_at_growing_intervals(settings):
    sent = utc_now()
    batch = SimpleNamespace(sent_at=int(sent.timestamp() * 1e6), id="b", state="unknown")
    patient = settings.model_copy(
        update={"connect_timeout_seconds": 0, "read_timeout_seconds": 0, "unknown_bound_minutes": 30}
    )
    due = [hours for hours in range(64) if _due([batch], patient, sent + timedelta(hours=hours, minutes=35))]
    assert due == [0, 1, 2, 4, 8, 16, 32]
    assert not _due([batch], patient, sent + timedelta(minutes=29))


@pytest.fixture
def prove(world, query):
    runtime = SimpleNamespace(ledger=world.ledger, store=world.store, query=query)
    return lambda: prove_hour(runtime, "cloudtrail", HOUR)


def seal(world):
    with world.ledger.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO hour (source, hour, state, sealed_at) "
            f"VALUES ('cloudtrail', '{HOUR}', 'sealed', {world.ledger.now()})"
        )


def test_an_hour_of_two_tiers_is_proved_when_it_is_sealed_and_then_left_alone(
    world, workspace, settings, client, prove
):
    parts = [plan(world, settings), plan(world, settings, 30, table="AWSCloudTrail")]
    for part_id in parts:
        world.deliver(client, settings, part_id)
    before = scanned(workspace)
    open_hour = prove()
    assert (open_hour.found, open_hour.agrees, open_hour.log_errors) == (None, False, 0)
    assert open_hour.report.counts == {
        "accepted": 70,
        "distinct_events": 30,
        "not_asked": 40,
        "found_so_far": 30,
    }
    assert open_hour.report.problems == [
        f"40 rows in {TWIN} are counted once the hour is sealed: each query there is billed by what it scans"
    ]
    assert scanned(workspace) == before
    seal(world)
    sealed = prove()
    assert (sealed.found, sealed.agrees, sealed.report.passed) == (70, True, True)
    assert scanned(workspace) > before
    before = scanned(workspace)
    again = prove()
    assert (again.found, again.agrees) == (70, True)
    assert scanned(workspace) == before


def test_what_a_rule_reported_is_told_and_what_cannot_be_asked_is_a_note(
    world, workspace, settings, client, prove, query, monkeypatch
):
    part_id = world.plan(settings.model_copy(update={"max_batch_bytes": 1_000_000}), 20)
    workspace.set_faults(accept_then_drop_next=1)
    world.deliver(client, settings, part_id)
    made = prove()
    assert (made.found, made.log_errors, made.report.passed) == (0, 1, False)
    assert made.report.problems[-1] == (
        "DCRLogErrors: 20 rows could not be written to the destination and were dropped."
    )
    whole = world.plan(settings, 5)
    world.deliver(client, settings, whole)
    run = query.run

    def without(kql, timespan=None):
        if "DCRLogErrors" in kql:
            raise UserError("the workspace refuses the query: no table named 'DCRLogErrors'")
        return run(kql, timespan)

    monkeypatch.setattr(query, "run", without)
    made = prove()
    assert (made.found, made.log_errors) == (5, None)
    assert made.report.counts["note"].startswith("DCRLogErrors could not be asked: the workspace refuses the query")
