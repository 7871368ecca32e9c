"""Resolution: found is accepted, absent is sent again only when absence is proved, anything else stays unknown."""

from datetime import timedelta

import pytest

from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger.batches import begin_sending, delivery_lease
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel import packing, resolution
from s3sentinel_assets.sentinel.bodies import load_raw
from s3sentinel_assets.sentinel.client import Verdict
from s3sentinel_assets.sentinel.plan import compress
from s3sentinel_assets.sentinel.query import Found
from s3sentinel_assets.sentinel.resolution import resolve_unknown


@pytest.fixture
def resolve(world, client, query, settings):
    def run(now=None, **changes):
        return resolve_unknown(
            world.ledger, world.store, client, query, settings.model_copy(update=changes), now or soon()
        )

    return run


def soon():
    return utc_now() + timedelta(minutes=10)


def lose(workspace, world, client, settings, switch, rows=20):
    """A part with one batch, whose answer got lost."""
    whole = settings.model_copy(update={"max_batch_bytes": 1_000_000})
    part_id = world.plan(whole, rows)
    workspace.set_faults(**{switch: 1})
    world.deliver(client, whole, part_id)
    assert world.states(part_id) == ["unknown"]
    return part_id


def send_later(world, client, settings):
    part_id = world.plan(settings, 2)
    assert world.deliver(client, settings, part_id).done


def copies(query, world, part_id):
    found = query.count_batches("AWSCloudTrail", [batch.id for batch in world.batches(part_id)])
    return sum(there.rows for there in found.values()), sum(there.events for there in found.values())


def test_found_is_accepted(world, workspace, settings, client, query, resolve):
    part_id = lose(workspace, world, client, settings, "store_then_disconnect_next")
    summary = resolve(now=utc_now())
    assert (summary.accepted, summary.resent, summary.still_unknown, summary.problems) == (1, 0, 0, [])
    assert world.states(part_id) == ["accepted"]
    assert copies(query, world, part_id) == (20, 20)


def test_absent_is_sent_again_once_that_is_proved(world, workspace, settings, client, query, resolve):
    part_id = lose(workspace, world, client, settings, "disconnect_next")
    assert resolve().still_unknown == 1  # nothing later is visible
    send_later(world, client, settings)
    assert resolve(now=utc_now()).still_unknown == 1  # the time-out has not passed
    assert resolve(unknown_bound_minutes=30).still_unknown == 1  # the bound has not passed
    summary = resolve()
    assert (summary.accepted, summary.resent, summary.still_unknown) == (0, 1, 0)
    assert [delivery.accepted_rows for delivery in summary.deliveries] == [20]
    batch = world.batches(part_id)[0]
    assert (batch.state, batch.attempt) == (BatchState.ACCEPTED, 2)
    assert copies(query, world, part_id) == (20, 20)
    rows = query.run(f"AWSCloudTrail | where BatchId_CF == '{batch.id}' | summarize n = count() by Attempt_CF")
    assert rows == [{"Attempt_CF": 2, "n": 20}]
    assert resolve().accepted == 0


def test_a_late_first_copy_is_counted(world, workspace, settings, client, query, resolve):
    part_id = lose(workspace, world, client, settings, "store_then_disconnect_next")
    with world.ledger.write() as connection:
        connection.exec_driver_sql(f"UPDATE batch SET state = 'retry', attempt = 2 WHERE part_id = {part_id}")
    workspace.set_faults(store_then_disconnect_next=1)
    world.deliver(client, settings.model_copy(update={"max_batch_bytes": 1_000_000}), part_id)
    assert copies(query, world, part_id) == (40, 20)
    summary = resolve()
    assert (summary.accepted, summary.extra_rows) == (1, 20)


def test_a_full_batch_keeps_its_id_and_fits_when_sent_again(world, workspace, settings, client, query, resolve):
    part_id = world.plan(settings, 30)
    workspace.set_faults(disconnect_next=1)
    world.deliver(client, settings, part_id)
    planned = [batch.id for batch in world.batches(part_id)]
    send_later(world, client, settings)
    assert resolve().resent == 1
    assert [batch.id for batch in world.batches(part_id)] == planned
    assert set(world.states(part_id)) == {"accepted"}
    assert copies(query, world, part_id) == (30, 30)


def test_a_resend_that_is_too_large_all_the_same_is_split(world, workspace, settings, client, query, resolve):
    part_id = lose(workspace, world, client, settings, "disconnect_next")
    parent = world.batches(part_id)[0]
    send_later(world, client, settings)
    workspace.set_faults(respond=[{"status": 413}])
    assert resolve().resent == 1
    children = [batch for batch in world.batches(part_id) if batch.parent_id == parent.id]
    assert [(child.state, child.attempt) for child in children] == [(BatchState.ACCEPTED, 2)] * 2
    assert copies(query, world, part_id) == (20, 20)


def test_a_failing_query_changes_nothing(world, workspace, settings, client, resolve):
    part_id = lose(workspace, world, client, settings, "store_then_disconnect_next")
    workspace.set_faults(forbid_query=True)
    summary = resolve()
    assert summary.still_unknown == 1 and "Log Analytics Reader" in summary.problems[0]
    assert world.states(part_id) == ["unknown"]


def test_a_failing_resend_is_reported(world, workspace, settings, client, resolve):
    part_id = lose(workspace, world, client, settings, "disconnect_next")
    send_later(world, client, settings)
    workspace.set_faults(forbid_ingestion=True)
    summary = resolve()
    assert "Monitoring Metrics Publisher" in summary.problems[0]
    assert world.states(part_id) == ["retry"]


def test_rows_found_in_part_stay_unknown(world, workspace, settings, client, query, resolve, monkeypatch):
    part_id = lose(workspace, world, client, settings, "store_then_disconnect_next")
    batch = world.batches(part_id)[0]
    monkeypatch.setattr(query, "count_batches", lambda *_, **__: {batch.id: Found(7, 7)})
    summary = resolve()
    assert (summary.partial, summary.still_unknown) == (1, 1)
    assert f"holds 7 rows of batch {batch.id} with 7 different events, and the batch has 20" in summary.problems[0]
    assert world.states(part_id) == ["unknown"]


@pytest.mark.parametrize("there", [Found(20, 10), Found(40, 19), Found(21, 21), Found(20, 0)])
def test_as_many_rows_are_not_the_same_rows(world, workspace, settings, client, query, resolve, monkeypatch, there):
    part_id = lose(workspace, world, client, settings, "store_then_disconnect_next")
    batch = world.batches(part_id)[0]
    monkeypatch.setattr(query, "count_batches", lambda *_, **__: {batch.id: there})
    summary = resolve()
    assert (summary.accepted, summary.partial, summary.still_unknown) == (0, 1, 1)
    assert world.states(part_id) == ["unknown"]


def test_half_a_batch_stored_twice_is_not_the_batch(world, workspace, settings, client, query, resolve):
    """Both copies are really in the workspace: as many rows as the batch has, of half its events."""
    part_id = lose(workspace, world, client, settings, "disconnect_next")
    batch = world.batches(part_id)[0]
    tails = packing.tails_of(load_raw(world.store, batch), batch.id)[:10]
    half = compress(packing.join_tails(tails, batch.id))
    for request_id in ("r1", "r2"):
        assert client.upload(batch.dcr_id, batch.stream, half, request_id).verdict is Verdict.ACCEPTED
    send_later(world, client, settings)
    summary = resolve()
    assert (summary.accepted, summary.partial, summary.resent) == (0, 1, 0)
    assert copies(query, world, part_id) == (20, 10) and world.states(part_id) == ["unknown"]


def test_what_stays_unknown_for_a_day_is_a_problem(world, workspace, settings, client, query, resolve):
    part_id = lose(workspace, world, client, settings, "disconnect_next")
    batch = world.batches(part_id)[0]
    sent = from_micros(batch.sent_at)
    assert resolve(now=sent + timedelta(hours=23)).problems == []
    [problem] = resolve(now=sent + timedelta(hours=25)).problems
    for word in (batch.id, "AWSCloudTrail", f"{sent:%Y-%m-%d %H:%M} UTC", batch.request_id):
        assert word in problem
    workspace.set_faults(forbid_query=True)  # whatever the reason
    assert [batch.id in text for text in resolve(now=sent + timedelta(hours=25)).problems] == [False, True]
    workspace.clear_faults()
    send_later(world, client, settings)
    settled = resolve(now=sent + timedelta(hours=25))
    assert settled.problems == [] and settled.resent == 1


def test_many_old_unknown_batches_are_counted(world, workspace, settings, client, resolve, monkeypatch):
    monkeypatch.setattr(resolution, "_NAMED", 2)
    for _ in range(3):
        lose(workspace, world, client, settings, "disconnect_next", rows=2)
    problems = resolve(now=utc_now() + timedelta(hours=25)).problems
    assert len(problems) == 3 and problems[-1] == "1 more batches have been unknown for more than a day"


def test_a_busy_part_is_left_alone(world, workspace, settings, client, resolve):
    part_id = lose(workspace, world, client, settings, "store_then_disconnect_next")
    take_lease(world.ledger, delivery_lease(part_id), "somebody", 60)
    summary = resolve()
    assert summary.busy_parts == 1 and world.states(part_id) == ["unknown"]


def test_a_dead_workers_batch_is_taken_over_only_when_its_lease_is_out(world, settings, client, query, resolve):
    part_id = world.plan(settings.model_copy(update={"max_batch_bytes": 1_000_000}), 20)
    batch = world.batches(part_id)[0]
    held = take_lease(world.ledger, delivery_lease(part_id), "dead", 60)
    with world.ledger.write() as connection:
        begin_sending(connection, held, batch.id, "r", world.ledger.now())
    assert resolve().busy_parts == 0 and world.states(part_id) == ["sending"]
    with world.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET expires_at = 0")
    assert resolve().still_unknown == 1 and world.states(part_id) == ["unknown"]
    send_later(world, client, settings)
    assert resolve().resent == 1
    assert copies(query, world, part_id) == (20, 20)


def test_a_batch_that_never_arrives_is_for_a_human(world, workspace, settings, client, resolve, monkeypatch):
    monkeypatch.setattr(resolution, "MAX_RESENDS", 1)
    part_id = lose(workspace, world, client, settings, "disconnect_next")
    send_later(world, client, settings)
    workspace.set_faults(disconnect_next=1)
    assert resolve().resent == 1
    send_later(world, client, settings)
    summary = resolve()
    assert summary.still_unknown == 1 and "was sent 2 times" in summary.problems[0]
    assert world.states(part_id) == ["unknown"]


def test_nothing_in_doubt_asks_nothing(world, client, query, settings, monkeypatch):
    monkeypatch.setattr(query, "count_batches", None)
    assert resolve_unknown(world.ledger, world.store, client, query, settings).still_unknown == 0
