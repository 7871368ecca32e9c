"""Refused content: a row is given up only when it is surely that row's fault, and never its neighbours with it."""

import random

import polars as pl
import pytest
from isal import igzip

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.dead_letters import dead_letters_of_hour
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel.client import SentinelClient
from tests.sentinel.frames import cloudtrail
from tests.sentinel.worlds import HOUR

MARK = b"row-that-is-refused"


class PickyClient(SentinelClient):
    """A client whose bodies the service really refuses (malformed JSON) if they hold a marked row."""

    sent = 0

    def upload(self, dcr_id, stream, body, request_id):
        self.sent += 1
        if MARK in igzip.decompress(body):
            body = igzip.compress(igzip.decompress(body)[:-1])
        return super().upload(dcr_id, stream, body, request_id)


@pytest.fixture
def picky(settings):
    made = PickyClient(settings)
    yield made
    made.close()


@pytest.fixture
def whole(settings):
    """One body holds a whole part."""
    return settings.model_copy(update={"max_batch_bytes": 1_000_000})


def marked(count, bad, seed):
    rows = pl.int_range(count).is_in(sorted(bad))
    return cloudtrail(count, seed).with_columns(
        UserAgent=pl.when(rows).then(pl.lit(MARK.decode())).otherwise("UserAgent")
    )


def letters(world):
    with world.ledger.read() as connection:
        return dead_letters_of_hour(connection, "cloudtrail", HOUR)


def ends(world, part_id):
    """Every row of the part with the state of the one batch that holds it."""
    leaves = [batch for batch in world.batches(part_id) if batch.state is not BatchState.SUPERSEDED]
    return [batch.state.value for batch in leaves for _ in range(batch.rows)]


def respond(workspace, status, count, code="InjectedFault", stream=None):
    workspace.set_faults(respond=[{"status": status, "count": count, "code": code, "stream": stream}])


@pytest.mark.parametrize("bad", [{0}, {99}, {57}, {3, 4, 50}, {0, 99}, set(range(40, 60))])
@pytest.mark.parametrize("threads", [1, 3])
def test_bad_rows_cost_no_neighbour(world, workspace, whole, query, picky, bad, threads):
    settings = whole.model_copy(update={"upload_threads": threads})
    part_id = world.plan(settings, marked(100, bad, threads))
    assert len(world.batches(part_id)) == 1
    summary = world.deliver(picky, settings, part_id)
    assert summary.done and summary.problem is None
    assert ends(world, part_id) == ["dead" if row in bad else "accepted" for row in range(100)]
    assert sorted((letter.row_start, letter.rows, letter.reason) for letter in letters(world)) == [
        (row, 1, "refused") for row in sorted(bad)
    ]
    assert summary.requests == picky.sent <= 2 * 8 * len(bad) + 1
    assert summary.accepted_rows == 100 - len(bad)
    ids = [batch.id for batch in world.batches(part_id) if batch.state is BatchState.ACCEPTED]
    found = query.count_batches("AWSCloudTrail", ids).values()
    assert sum(there.rows for there in found) == sum(there.events for there in found) == 100 - len(bad)


def test_bad_rows_among_many_batches(world, settings, picky):
    bad = set(random.Random(5).sample(range(400), 9))
    part_id = world.plan(settings, marked(400, bad, 6))
    summary = world.deliver(picky, settings, part_id)
    assert summary.done and ends(world, part_id) == ["dead" if row in bad else "accepted" for row in range(400)]


def test_a_bad_row_that_goes_first_waits_for_its_neighbours(world, settings, picky):
    """A batch of one bad row is refused before anything was accepted, and judged afterwards."""
    settings = settings.model_copy(update={"max_batch_bytes": 1_500, "upload_threads": 1})
    part_id = world.plan(settings, marked(6, {0}, 7).with_columns(ResponseElements=pl.lit("x" * 100)))
    assert len(world.batches(part_id)) == 6
    summary = world.deliver(picky, settings, part_id)
    assert summary.done and summary.problem is None
    assert ends(world, part_id) == ["dead"] + ["accepted"] * 5


def test_a_part_of_one_bad_row_waits_for_proof_from_elsewhere(world, settings, client, picky):
    part_id = world.plan(settings, marked(1, {0}, 8))
    world.deliver(client, settings, world.plan(settings, 5))  # before: no proof that the rule is still right
    for _ in range(2):
        summary = world.deliver(picky, settings, part_id)
        assert ends(world, part_id) == ["retry"] and letters(world) == []
        assert settings.dcr_id in summary.problem and "Custom-AWSCloudTrail" in summary.problem
    world.deliver(client, settings, world.plan(settings, 5))
    summary = world.deliver(picky, settings, part_id)
    assert summary.done and summary.problem is None and ends(world, part_id) == ["dead"]


@pytest.mark.parametrize("status", [400, 422])
def test_a_service_that_refuses_everything_gets_nothing_killed(world, workspace, settings, client, query, status):
    part_id = world.plan(settings, 300)
    planned = len(world.batches(part_id))
    respond(workspace, status, 100_000)
    for _ in range(5):
        with pytest.raises(UserError, match="refuses what is sent to its stream Custom-AWSCloudTrail") as raised:
            world.deliver(client, settings, part_id)
        assert settings.dcr_id in str(raised.value)
    assert letters(world) == [] and set(ends(world, part_id)) <= {"retry", "planned"}
    # An outage does not grind the part to dust.
    assert len(world.batches(part_id)) <= planned + 14 * (settings.upload_threads + 16)
    workspace.clear_faults()
    assert world.deliver(client, settings, part_id).done
    assert ends(world, part_id) == ["accepted"] * 300
    found = query.count_batches("AWSCloudTrail", [batch.id for batch in world.batches(part_id)]).values()
    assert sum(there.rows for there in found) == sum(there.events for there in found) == 300


def test_what_was_accepted_before_a_rule_broke_is_no_proof(world, workspace, settings, client):
    settings = settings.model_copy(update={"upload_threads": 1})
    part_id = world.plan(settings, 300)

    def break_rule(progress):
        if progress.state is BatchState.ACCEPTED:
            respond(workspace, 429, 100_000)  # ends the run

    world.deliver(client, settings, part_id, on_progress=break_rule)
    assert "accepted" in ends(world, part_id)
    respond(workspace, 400, 100_000)
    for _ in range(3):
        with pytest.raises(UserError):
            world.deliver(client, settings, part_id)
    assert letters(world) == []
    workspace.clear_faults()
    assert world.deliver(client, settings, part_id).done and ends(world, part_id) == ["accepted"] * 300


def test_a_rule_that_breaks_in_a_run_stops_it(world, workspace, whole, client):
    settings = whole.model_copy(update={"upload_threads": 1, "max_batch_bytes": 100_000})
    part_id = world.plan(settings, 800)

    def break_rule(progress):
        if progress.state is BatchState.ACCEPTED:
            respond(workspace, 400, 100_000)

    summary = world.deliver(client, settings, part_id, on_progress=break_rule)
    assert "refuses what is sent" in summary.problem and letters(world) == []
    workspace.clear_faults()
    assert world.deliver(client, settings, part_id).done and ends(world, part_id) == ["accepted"] * 800


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidStream"),
        (400, "InvalidDcrImmutableId"),
        (400, "InvalidDataCollectionRule"),
        (400, "InvalidApiVersion"),
        (422, "StreamNotFound"),
    ],
)
def test_a_code_that_names_the_set_up_stops_with_a_sentence(world, workspace, settings, client, status, code):
    part_id = world.plan(settings, 60)
    planned = len(world.batches(part_id))
    world.deliver(client, settings, world.plan(settings, 5))
    respond(workspace, status, 100_000, code)
    with pytest.raises(UserError, match=code) as raised:
        world.deliver(client, settings, part_id)
    assert settings.dcr_id in str(raised.value) and "stream Custom-AWSCloudTrail" in str(raised.value)
    assert len(world.batches(part_id)) == planned and letters(world) == []
    assert set(ends(world, part_id)) <= {"retry", "planned"}
    workspace.clear_faults()
    assert world.deliver(client, settings, part_id).done


def test_an_old_api_version_stops(world, workspace, settings, client, monkeypatch):
    """As the server itself says it, not a canned answer."""
    part_id = world.plan(settings, 20)
    monkeypatch.setattr(client._client._config, "api_version", "2020-01-01")
    with pytest.raises(UserError, match="InvalidApiVersion"):
        world.deliver(client, settings, part_id)
    assert set(ends(world, part_id)) <= {"retry", "planned"}
