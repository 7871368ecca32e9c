"""Delivery against a real TLS server: whatever it answers, every row ends in exactly one place."""

import pytest

from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.ledger.batches import begin_sending, delivery_lease
from s3sentinel_assets.ledger.dead_letters import dead_letters_of_hour
from s3sentinel_assets.ledger.leases import hold_lease, take_lease
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel.client import SentinelClient
from s3sentinel_assets.sentinel.delivery import deliver_part
from tests.sentinel.worlds import HOUR, sentinel_settings


def found(query, world, part_id, state=BatchState.ACCEPTED):
    """(rows, events) in the workspace of the part's batches in ``state``."""
    ids = [batch.id for batch in world.batches(part_id) if batch.state is state]
    counts = query.count_batches("AWSCloudTrail", ids).values()
    return sum(count.rows for count in counts), sum(count.events for count in counts)


def respond(workspace, status, count=1, retry_after=None):
    workspace.set_faults(respond=[{"status": status, "count": count, "retry_after": retry_after}])


def test_a_part_arrives_whole_and_once(world, workspace, settings, client, query):
    part_id = world.plan(settings, 200)
    told = []
    summary = world.deliver(client, settings, part_id, on_progress=told.append)
    batches = world.batches(part_id)
    assert len(batches) > 10
    assert summary.done and summary.problem is None
    assert summary.accepted_rows == 200 and summary.accepted_batches == summary.requests == len(batches)
    assert summary.batches == {BatchState.ACCEPTED: (len(batches), 200)}
    assert summary.raw_bytes == sum(batch.raw_bytes for batch in batches)
    assert sorted(progress.batches_left for progress in told) == list(range(len(batches)))
    assert found(query, world, part_id) == (200, 200)
    assert {(batch.status, batch.tries, batch.attempt) for batch in batches} == {(204, 1, 1)}
    again = world.deliver(client, settings, part_id)
    assert (again.requests, again.accepted_rows, again.done) == (0, 0, True)
    assert found(query, world, part_id) == (200, 200)


@pytest.mark.parametrize(("status", "retry_after"), [(429, None), (429, 0), (503, 0), (408, None)])
def test_a_refusal_before_the_body_is_repeated(world, workspace, settings, client, query, status, retry_after):
    part_id = world.plan(settings, 20)
    respond(workspace, status, 2, retry_after)
    summary = world.deliver(client, settings, part_id)
    assert summary.done and summary.requests == summary.accepted_batches + 2
    assert found(query, world, part_id) == (20, 20)


def test_what_is_refused_again_and_again_waits_for_a_later_run(world, workspace, settings, client, query):
    part_id = world.plan(settings, 200)
    respond(workspace, 429, 100)
    summary = world.deliver(client, settings, part_id)
    assert not summary.done and summary.accepted_rows == 0
    assert "answered 429" in summary.problem and "run the hour again" in summary.problem
    assert set(world.states(part_id)) == {"retry", "planned"}
    assert summary.requests <= settings.max_attempts * settings.upload_threads
    workspace.clear_faults()
    assert world.deliver(client, settings, part_id).done
    assert found(query, world, part_id) == (200, 200)


@pytest.mark.parametrize(("status", "retry_after"), [(500, None), (502, None), (503, None), (504, None), (500, 1)])
def test_an_answer_that_proves_nothing_is_unknown(world, workspace, settings, client, status, retry_after):
    part_id = world.plan(settings, 20)
    respond(workspace, status, 1, retry_after)
    summary = world.deliver(client, settings, part_id)
    assert sorted(world.states(part_id)) == ["accepted"] * summary.accepted_batches + ["unknown"]
    assert summary.requests == len(world.batches(part_id))
    assert world.deliver(client, settings, part_id).requests == 0


def test_a_lost_answer_is_unknown_though_the_rows_are_there(world, workspace, settings, client, query):
    part_id = world.plan(settings, 20)
    workspace.set_faults(store_then_disconnect_next=1)
    world.deliver(client, settings, part_id)
    lost = [batch for batch in world.batches(part_id) if batch.state is BatchState.UNKNOWN]
    assert len(lost) == 1 and lost[0].request_id and lost[0].tries == 1
    assert query.count_batches("AWSCloudTrail", [lost[0].id])[lost[0].id].rows == lost[0].rows


def test_a_silent_server_stops_the_run_instead_of_putting_all_in_doubt(world, workspace, settings, client):
    part_id = world.plan(settings, 200)
    workspace.set_faults(disconnect_next=1000)
    summary = world.deliver(client, settings, part_id)
    assert "run the hour again" in summary.problem
    assert world.states(part_id).count("unknown") <= 3 + settings.upload_threads
    assert "planned" in world.states(part_id)


def test_a_time_out_is_unknown(world, workspace, settings):
    hasty = settings.model_copy(update={"read_timeout_seconds": 0.2, "max_batch_bytes": 1_000_000})
    part_id = world.plan(hasty, 20)
    workspace.set_faults(slow_seconds=1)
    world.deliver(SentinelClient(hasty), hasty, part_id)
    assert world.states(part_id) == ["unknown"]


def test_an_unreachable_server_leaves_all_open(world, settings):
    nowhere = settings.model_copy(update={"ingestion_endpoint": "https://127.0.0.1:9"})
    part_id = world.plan(settings, 200)
    summary = world.deliver(SentinelClient(nowhere), nowhere, part_id)
    assert "https://127.0.0.1:9 could not be reached" in summary.problem
    assert set(world.states(part_id)) == {"retry", "planned"}


def test_an_unreachable_sign_in_leaves_all_open(world, settings):
    nowhere = settings.model_copy(update={"authority": "https://127.0.0.1:9"})
    part_id = world.plan(settings, 20)
    summary = world.deliver(SentinelClient(nowhere), nowhere, part_id)
    assert summary.problem is not None
    assert set(world.states(part_id)) <= {"retry", "planned"}


def test_an_expired_token_is_renewed_once(world, workspace, settings, client, query):
    world.deliver(client, settings, world.plan(settings, 5))
    part_id = world.plan(settings, 50)
    workspace.set_faults(expire_tokens=True)
    summary = world.deliver(client, settings, part_id)
    assert summary.done and found(query, world, part_id) == (50, 50)


def test_a_refused_token_stops_with_a_sentence(world, workspace, settings, client):
    part_id = world.plan(settings, 20)
    respond(workspace, 401, 1000)
    with pytest.raises(UserError, match="refuses a fresh token"):
        world.deliver(client, settings, part_id)
    assert set(world.states(part_id)) <= {"retry", "planned"}


def test_a_wrong_secret_stops_with_a_sentence_without_the_secret(world, workspace, settings, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("wrong-secret-value")
    wrong = settings.model_copy(
        update={"credential": settings.credential.model_copy(update={"client_secret_file": secret})}
    )
    part_id = world.plan(settings, 20)
    with pytest.raises(UserError, match=r"sign-in to Microsoft Entra ID failed for client .* AADSTS7000215") as raised:
        world.deliver(SentinelClient(wrong), wrong, part_id)
    assert "wrong-secret-value" not in str(raised.value)
    assert set(world.states(part_id)) <= {"retry", "planned"}


def test_an_untrusted_certificate_stops_with_a_sentence(world, workspace, settings):
    wrong = settings.model_copy(update={"ca_file": None})
    part_id = world.plan(settings, 20)
    with pytest.raises(UserError, match=r"is not trusted; set sentinel\.ca_file"):
        world.deliver(SentinelClient(wrong), wrong, part_id)


def test_a_missing_role_stops_with_a_sentence(world, workspace, settings, client, query):
    part_id = world.plan(settings, 50)
    workspace.set_faults(forbid_ingestion=True)
    with pytest.raises(UserError, match="Monitoring Metrics Publisher") as raised:
        world.deliver(client, settings, part_id)
    assert settings.dcr_id in str(raised.value)
    assert set(world.states(part_id)) <= {"retry", "planned"}
    workspace.clear_faults()
    assert world.deliver(client, settings, part_id).done
    assert found(query, world, part_id) == (50, 50)


def test_an_unknown_rule_stops_with_a_sentence(world, workspace, settings, client):
    lost = settings.model_copy(update={"dcr_id": "dcr-ffffffffffffffffffffffffffffffff"})
    part_id = world.plan(lost, 20)
    with pytest.raises(UserError, match=r"knows no data collection rule dcr-f+ with stream Custom-AWSCloudTrail"):
        world.deliver(client, lost, part_id)
    assert set(world.states(part_id)) <= {"retry", "planned"}


def test_a_body_that_is_too_large_is_halved(world, workspace, settings, client, query):
    whole = settings.model_copy(update={"max_batch_bytes": 1_000_000})
    part_id = world.plan(whole, 100)
    respond(workspace, 413, 2)
    summary = world.deliver(client, whole, part_id)
    batches = world.batches(part_id)
    assert summary.done and summary.accepted_rows == 100
    assert [batch.state for batch in batches].count(BatchState.SUPERSEDED) == 2
    parents = {batch.id: batch for batch in batches if batch.state is BatchState.SUPERSEDED}
    leaves = [batch for batch in batches if batch.state is BatchState.ACCEPTED]
    assert all(leaf.parent_id in parents for leaf in leaves)
    ranges = sorted((leaf.row_start, leaf.row_end) for leaf in leaves)
    assert [row for start, end in ranges for row in range(start, end)] == list(range(100))
    assert found(query, world, part_id) == (100, 100)


def test_a_lone_row_that_is_too_large_is_a_dead_letter(world, workspace, settings, client):
    whole = settings.model_copy(update={"max_batch_bytes": 1_000_000})
    part_id = world.plan(whole, 2)
    respond(workspace, 413, 2)
    summary = world.deliver(client, whole, part_id)
    assert summary.accepted_rows == 1 and summary.done
    with world.ledger.read() as connection:
        letters = dead_letters_of_hour(connection, "cloudtrail", HOUR)
    assert [(letter.rows, letter.reason) for letter in letters] == [(1, "row_too_large")]
    assert letters[0].uri and world.store.path(letters[0].uri)


def test_refused_content_is_halved_and_what_is_taken_then_is_not_lost(world, workspace, settings, client, query):
    part_id = world.plan(settings, 60)
    respond(workspace, 400, 1)
    summary = world.deliver(client, settings, part_id)
    assert summary.done and summary.problem is None and summary.accepted_rows == 60
    assert world.states(part_id).count("superseded") == 1
    assert found(query, world, part_id) == (60, 60)


def test_a_damaged_file_is_not_the_rows_fault(world, workspace, settings, client):
    part_id = world.plan(settings, 20)
    batch = world.batches(part_id)[0]
    path = world.store.path(batch.uri)
    content = bytearray(path.read_bytes())
    content[batch.offset + batch.length // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged; restore it"):
        world.deliver(client, settings, part_id)
    assert world.states(part_id)[0] == "retry" and set(world.states(part_id)) <= {"retry", "planned", "accepted"}


def test_a_secret_that_vanished_stops_with_a_sentence(world, workspace, settings, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(settings.credential.client_secret_file.read_bytes())
    moved = settings.credential.model_copy(update={"client_secret_file": secret})
    mine = settings.model_copy(update={"credential": moved, "upload_threads": 1})
    client = SentinelClient(mine)
    assert world.deliver(client, mine, world.plan(mine, 5)).done
    part_id = world.plan(mine, 20)
    secret.unlink()
    workspace.set_faults(expire_tokens=True)
    with pytest.raises(UserError, match=r"client_secret_file: .*secret is not there"):
        world.deliver(client, mine, part_id)
    assert set(world.states(part_id)) <= {"retry", "planned"}


def test_what_a_dead_worker_left_is_unknown(world, settings, client):
    part_id = world.plan(settings, 20)
    first = world.batches(part_id)[0]
    dead = take_lease(world.ledger, delivery_lease(part_id), "dead", 0)
    with world.ledger.write() as connection:
        begin_sending(connection, dead, first.id, "r", world.ledger.now())
    summary = world.deliver(client, settings, part_id)
    assert world.states(part_id)[0] == "unknown"
    assert summary.batches[BatchState.UNKNOWN] == (1, first.rows)
    assert not summary.done


def test_a_worker_that_lost_its_part_writes_nothing(world, workspace, settings, client, query):
    part_id = world.plan(settings, 300)
    stolen = []

    def steal(progress):
        if not stolen:
            with world.ledger.write() as connection:
                connection.exec_driver_sql("UPDATE lease SET expires_at = 0")
            stolen.append(take_lease(world.ledger, delivery_lease(part_id), "thief", 60))
            stolen.append(world.batches(part_id))

    held = take_lease(world.ledger, delivery_lease(part_id), "victim", 60)
    with pytest.raises(LeaseLostError):
        deliver_part(world.ledger, world.store, client, held, part_id, settings, on_progress=steal)
    assert world.batches(part_id) == stolen[1]
    deliver_part(world.ledger, world.store, client, stolen[0], part_id, settings)
    rows, events = found(query, world, part_id)
    assert rows == events
    assert set(world.states(part_id)) <= {"accepted", "unknown"}


def test_two_workers_on_one_part_send_each_batch_once(world, workspace, settings, client, query):
    import concurrent.futures

    part_id = world.plan(settings, 200)

    def work(_):
        with hold_lease(world.ledger, delivery_lease(part_id), f"worker-{_}", 30) as held:
            if held is None:
                return 0
            return deliver_part(world.ledger, world.store, client, held, part_id, settings).requests

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        requests = list(pool.map(work, range(4)))
    assert sum(requests) == len(world.batches(part_id))
    assert set(world.states(part_id)) == {"accepted"}
    assert found(query, world, part_id) == (200, 200)


def test_many_threads_share_one_client(world, workspace, query):
    settings = sentinel_settings(workspace.sentinel_settings(), upload_threads=16)
    part_id = world.plan(settings, 400)
    before = workspace.stats()["requests"]["token"].get("200", 0)
    client = SentinelClient(settings)
    assert world.deliver(client, settings, part_id).done
    assert found(query, world, part_id) == (400, 400)
    assert workspace.stats()["requests"]["token"]["200"] - before <= 16
