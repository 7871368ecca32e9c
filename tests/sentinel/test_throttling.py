"""Throttling and outages, end to end: a real server counts, and what one rule suffers is no other rule's business."""

import contextlib
import threading

import pytest
import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.rates import pause_rule, take_tokens
from s3sentinel_assets.ledger.schema import batch as batch_table
from s3sentinel_assets.ledger.schema import rate
from s3sentinel_assets.local.workspace.process import start_workspace
from s3sentinel_assets.sentinel import traffic as traffic_module
from s3sentinel_assets.sentinel.client import SentinelClient
from s3sentinel_assets.sentinel.traffic import RuleTraffic
from tests.sentinel.worlds import World, sentinel_settings

OTHER = "dcr-0000000000000000000000000000beef"


@pytest.fixture(scope="module")
def workspace_of_two_rules(tmp_path_factory):
    with start_workspace(tmp_path_factory.mktemp("two-rules"), extra_dcr_ids=[OTHER]) as started:
        yield started


@pytest.fixture
def two_rules(workspace_of_two_rules):
    workspace_of_two_rules.clear_faults()
    return workspace_of_two_rules


def give_half_to(world, part_id, dcr_id):
    """Every other batch of a planned part goes to another rule."""
    ids = [batch.id for batch in world.batches(part_id)][::2]
    with world.ledger.write() as connection:
        connection.execute(sa.update(batch_table).where(batch_table.c.id.in_(ids)).values(dcr_id=dcr_id))
    return ids


def answers(workspace):
    return workspace.stats()["requests"]["ingestion"]


def test_at_the_rules_own_limit_nothing_is_ever_refused(world, two_rules):
    """Two workers with ledgers, clients and parts of their own share what the rule takes.

    300 a minute are a burst of 10 and 4.75 a second: 19.5 in two seconds; the rest is for a machine that stalls.
    """
    settings = sentinel_settings(two_rules.sentinel_settings(), dcr_requests_per_minute=300)
    parts = [world.plan(settings, 200), world.plan(settings, 200)]
    number = sum(len(world.batches(part_id)) for part_id in parts)
    assert number > 30
    two_rules.set_faults(requests_per_minute=28, rate_window_seconds=2)
    before = answers(two_rules)
    summaries = []

    def work(part_id):
        mine = World(world.folder)
        with contextlib.closing(mine.ledger), contextlib.closing(SentinelClient(settings)) as client:
            summaries.append(mine.deliver(client, settings, part_id))

    threads = [threading.Thread(target=work, args=(part_id,)) for part_id in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [summary.problem for summary in summaries] == [None, None] and all(one.done for one in summaries)
    after = answers(two_rules)
    assert after.get("429", 0) == before.get("429", 0)
    assert after["204"] - before.get("204", 0) == number == sum(one.requests for one in summaries)
    # Without the setting the server does refuse.
    careless = settings.model_copy(update={"dcr_requests_per_minute": 12_000, "max_attempts": 1, "upload_threads": 1})
    two_rules.set_faults(rate_window_seconds=600)
    part_id = world.plan(careless, 400)
    with contextlib.closing(SentinelClient(careless)) as client:
        assert "answered 429" in world.deliver(client, careless, part_id).problem


def test_the_bytes_that_are_taken_are_those_of_the_raw_body(world, workspace, settings, client):
    part_id = world.plan(settings, 100)
    summary = world.deliver(client, settings, part_id)
    with world.ledger.write() as connection:
        row = connection.execute(sa.select(rate)).one()
        assert row.dcr_id == settings.dcr_id
    # As if nothing flowed in: the first take of a rule finds it full, the sum of all is at most what is missing now
    # plus what flowed in while the test ran.
    full_bytes, full_requests = 2_000_000_000 / 30 - 1_048_576, 12_000 / 30 - 1
    assert 0 <= full_bytes - row.byte_tokens <= summary.raw_bytes
    assert 0 <= full_requests - row.request_tokens <= summary.requests
    assert full_bytes - row.byte_tokens >= world.batches(part_id)[-1].raw_bytes / 2


def test_the_tokens_cost_no_transaction_of_their_own(world, workspace, settings, client, monkeypatch):
    part_id = world.plan(settings, 100)
    write, writes = Ledger.write, []
    monkeypatch.setattr(Ledger, "write", lambda self: writes.append(1) or write(self))
    assert world.deliver(client, settings, part_id).done
    batches = len(world.batches(part_id))
    assert len(writes) == 2 * batches + 3  # and the lease taken and given back, and what was left in sending


def test_a_429_with_retry_after_pauses_the_rule_for_other_processes(world, workspace, settings, client, tmp_path):
    once = settings.model_copy(update={"max_attempts": 1, "upload_threads": 1})
    part_id = world.plan(once, 20)
    workspace.set_faults(respond=[{"status": 429, "count": 1, "retry_after": 40}])
    assert "answered 429" in world.deliver(client, once, part_id).problem
    elsewhere = Ledger(str(world.ledger.engine.url))
    limits = {"bytes_per_minute": 2_000_000_000, "requests_per_minute": 12_000}
    with elsewhere.write() as connection:
        wait = take_tokens(connection, settings.dcr_id, 1, elsewhere.now(), **limits)
        assert 20 < wait <= 40 + settings.backoff_seconds
        assert take_tokens(connection, OTHER, 1, elsewhere.now(), **limits) == 0
    elsewhere.close()
    # And for this process's threads.
    assert 20 < client.traffic(settings.dcr_id).pause.remaining() <= 41
    assert client.traffic(OTHER).pause.remaining() == 0


def test_a_429_without_retry_after_is_this_processs_business(world, workspace, settings, client):
    part_id = world.plan(settings, 20)
    workspace.set_faults(respond=[{"status": 429, "count": 1}])
    assert world.deliver(client, settings, part_id).done
    with world.ledger.read() as connection:
        assert connection.execute(sa.select(rate.c.paused_until)).scalars().all() == [None]


def test_while_one_rule_is_paused_another_goes_on_in_the_same_part(world, two_rules, monkeypatch):
    monkeypatch.setattr(traffic_module, "_ASK_AGAIN_SECONDS", 0.02)
    settings = sentinel_settings(two_rules.sentinel_settings(), upload_threads=2)
    part_id = world.plan(settings, 150)
    paused = set(give_half_to(world, part_id, OTHER))
    others = len(world.batches(part_id)) - len(paused)
    with world.ledger.write() as connection:
        pause_rule(connection, OTHER, world.ledger.now() + 500_000_000)
    order = []

    def told(progress):
        order.append(progress.batch.id)
        if len(order) == others:
            with world.ledger.write() as connection:
                connection.execute(sa.update(rate).where(rate.c.dcr_id == OTHER).values(paused_until=None))

    with contextlib.closing(SentinelClient(settings)) as client:
        assert world.deliver(client, settings, part_id, on_progress=told).done
    assert others > 3 and not paused & set(order[:others]) and set(order[others:]) == paused


def test_a_rule_that_is_gone_keeps_no_other_from_being_served(world, workspace, settings, client):
    part_id = world.plan(settings, 150)
    gone = set(give_half_to(world, part_id, "dcr-ffffffffffffffffffffffffffffffff"))
    with pytest.raises(UserError, match=r"knows no data collection rule dcr-f+ "):
        world.deliver(client, settings, part_id)
    states = {batch.id: batch.state.value for batch in world.batches(part_id)}
    assert {states[one] for one in gone} <= {"retry", "planned"}
    assert {state for one, state in states.items() if one not in gone} == {"accepted"}


def test_later_parts_fail_fast_while_a_server_cannot_be_reached(world, settings):
    nowhere = settings.model_copy(
        update={"ingestion_endpoint": "https://127.0.0.1:9", "backoff_seconds": 0.001, "backoff_limit_seconds": 60}
    )
    parts = [world.plan(settings, 60) for _ in range(3)]
    with contextlib.closing(SentinelClient(nowhere)) as client:
        first, *later = [world.deliver(client, nowhere, part_id) for part_id in parts]
    assert first.requests >= nowhere.max_attempts
    assert [summary.requests for summary in later] == [0, 0]
    assert {summary.problem for summary in later} == {first.problem}
    assert "could not be reached" in first.problem and "run the hour again later" in first.problem
    assert {state for part_id in parts[1:] for state in world.states(part_id)} == {"planned"}


def test_futile_batches_are_counted_over_parts_and_one_is_let_through_again(world, workspace, settings):
    settings = settings.model_copy(update={"upload_threads": 2, "backoff_limit_seconds": 60})
    now = [0.0]
    parts = [world.plan(settings.model_copy(update={"max_batch_bytes": 1_000_000}), 5) for _ in range(4)]
    with contextlib.closing(SentinelClient(settings)) as client:
        client._traffic[settings.dcr_id] = RuleTraffic(settings.dcr_id, settings, lambda: now[0])
        workspace.set_faults(disconnect_next=4)
        assert [world.deliver(client, settings, part_id).problem is None for part_id in parts[:3]] == [
            True,
            True,
            False,
        ]
        many = world.plan(settings, 100)
        for seconds, requests in ((58, 0), (2, 1), (118, 0)):
            now[0] += seconds
            summary = world.deliver(client, settings, many)
            assert (summary.requests, summary.accepted_batches) == (requests, 0)
            assert "again and again" in summary.problem
        assert world.states(many).count("unknown") == 1  # only the one that tried
        now[0] += 2
        summary = world.deliver(client, settings, many)
        assert summary.problem is None and summary.accepted_batches == len(world.batches(many)) - 1


def test_refusals_under_load_make_fewer_uploads_at_once(world, workspace, settings, client):
    part_id = world.plan(settings, 100)
    slots = client.traffic(settings.dcr_id).slots
    assert slots.limit == settings.upload_threads == 4
    seen = []
    workspace.set_faults(respond=[{"status": 429, "count": 2}])
    assert world.deliver(client, settings, part_id, on_progress=lambda _: seen.append(slots.limit)).done
    assert min(seen) <= 2 < slots.limit == 4
