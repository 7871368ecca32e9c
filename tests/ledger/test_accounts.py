"""Accounts on both databases: only rows of events count, rules are named, and earlier proofs say what they may."""

import itertools

import pytest
import sqlalchemy as sa

from s3sentinel_assets.ledger.accounts import CheckReport, Proof, accepted_batches, account_of_hour, request_ids
from s3sentinel_assets.ledger.filtered import filtered_by_rules
from s3sentinel_assets.ledger.proofs import earlier_proofs, hours_to_prove, record_proof
from s3sentinel_assets.ledger.schema import batch, dead_letter, hour, objects, part, proof, stage
from s3sentinel_assets.ledger.volumes import accepted_volumes

SOURCE, HOUR = "flows", "2026-11-20-07:00"
numbers = itertools.count(1)


class World:
    """One hour, written straight into the ledger; instants are small numbers."""

    def __init__(self, ledger):
        self.ledger = ledger

    def add(self, table, **values):
        with self.ledger.write() as connection:
            return connection.execute(sa.insert(table).values(**values)).inserted_primary_key[0]

    def part(self, rows=100, counts=None, generations=1):
        """A part whose object had so many rows, with its plans."""
        made = self.add(part, source=SOURCE, hour=HOUR, created_at=1, late=False, objects=1, bytes=1)
        common = {"part_id": made, "code_version": "1", "files": [], "seconds": 1.0, "committed_at": 1}
        self.add(stage, stage="parsed", generation=1, counts={"filtered": 9}, **common)
        for generation in range(1, generations + 1):
            planned = counts if generation == generations else {"filtered": {"old": 1}}
            self.planned = self.add(stage, stage="planned", generation=generation, counts=planned or {}, **common)
        self.add(
            objects,
            source=SOURCE,
            bucket="b",
            key=f"k{made}",
            version="1",
            etag="1",
            size=5,
            last_modified=1,
            hour=HOUR,
            discovered_at=1,
            part_id=made,
            state="read",
            records=rows + 3,
            rows=rows,
            quarantined=1,
            filtered=2,
        )
        return made

    def batch(self, part_id, rows, state="accepted", settled=10, raw=1_000, **values):
        name = f"b{next(numbers)}"
        self.add(
            batch,
            id=name,
            part_id=part_id,
            stage_id=self.planned,
            dcr_id="d",
            stream="s",
            position=0,
            row_start=0,
            row_end=rows,
            uri="u",
            offset=0,
            length=1,
            raw_bytes=raw,
            sha256="x",
            state=state,
            tries=1,
            planned_at=5,
            **(
                {
                    "attempt": 1,
                    "table_name": "AWSVPCFlow",
                    "sent_at": 7,
                    "settled_at": settled,
                    "request_id": f"r-{name}",
                }
                | values
            ),
        )
        return name

    def seal(self, at):
        self.add(hour, source=SOURCE, hour=HOUR, state="sealed", sealed_at=at)

    def ask(self, what, *arguments):
        with self.ledger.read() as connection:
            return what(connection, SOURCE, HOUR, *arguments)

    def prove(self, at, found, *, passed=True):
        made = Proof(self.ask(account_of_hour), found, at, CheckReport(passed), listed=4, log_errors=2)
        with self.ledger.write() as connection:
            record_proof(connection, made)
        return made


@pytest.fixture
def world(ledger):
    return World(ledger)


def test_only_rows_of_events_count(world):
    one = world.part()
    world.batch(one, 100)
    for kind in ("overflow", "promoted"):
        world.batch(one, 7, kind=kind)
    account = world.ask(account_of_hour)
    assert (account.accepted, account.pending, account.other_open) == (100, 0, 0)
    assert account.balanced and account.verdict == "complete with exceptions"  # one record is in quarantine
    assert [batch.rows for batch in world.ask(accepted_batches)["AWSVPCFlow"]] == [100]
    assert len(world.ask(request_ids)[0]) == 3  # what a rule reports may be about any of them


@pytest.mark.parametrize("state", ["planned", "sending", "retry", "unknown"])
def test_open_batches_of_other_kinds_keep_the_hour_pending_and_are_told_apart(world, state):
    one = world.part()
    world.batch(one, 100)
    world.batch(one, 7, state, kind="promoted")
    account = world.ask(account_of_hour)
    assert (account.accepted, account.unknown, account.pending, account.other_open) == (100, 0, 0, 1)
    assert account.balanced and account.verdict == "pending"


def test_dead_rows_of_other_kinds_are_no_rows_of_the_account(world):
    one = world.part()
    world.batch(one, 95)
    letters = {"source": SOURCE, "hour": HOUR, "part_id": one, "row_start": 0, "reason": "refused", "created_at": 1}
    world.add(dead_letter, batch_id=world.batch(one, 4, "dead"), row_end=4, rows=4, **letters)
    world.add(dead_letter, batch_id=None, row_end=1, rows=1, **letters)
    world.add(dead_letter, batch_id=world.batch(one, 7, "dead", kind="overflow"), row_end=7, rows=7, **letters)
    account = world.ask(account_of_hour)
    assert (account.dead, account.other_dead, account.pending) == (5, 7, 0)
    assert account.verdict == "complete with exceptions"


def test_what_rules_left_out_is_filtered_by_name_and_not_to_be_delivered(world):
    one = world.part(counts={"filtered": {"health": 30, "noise": 10}}, generations=2)
    two = world.part(counts={"filtered": {"noise": 5}, "filtered_bytes": {"noise": 500}})
    world.batch(one, 60)
    world.batch(two, 95)
    account = world.ask(account_of_hour)
    assert (account.records, account.rows, account.filtered) == (206, 155, 4 + 45)
    assert account.filtered_by == {"health": 30, "noise": 15}
    assert (account.accepted, account.pending, account.balanced) == (155, 0, True)
    [rules] = world.ask(filtered_by_rules, HOUR).values()
    assert (rules["noise"].rows, rules["noise"].bytes) == (15, None)  # one plan did not tell


def test_a_rule_that_takes_too_much_unbalances_the_account(world):
    one = world.part(counts={"filtered": {"health": 30}})
    world.batch(one, 100)
    assert world.ask(account_of_hour).verdict == "unbalanced"


def test_a_proof_holds_every_figure(world):
    one = world.part(counts={"filtered": {"health": 40}})
    world.batch(one, 60)
    world.prove(20, 60)
    with world.ledger.read() as connection:
        row = connection.execute(sa.select(proof)).one()
    assert (row.listed, row.records, row.accepted, row.pending, row.unknown) == (4, 103, 60, 0, 0)
    assert (row.dead, row.quarantined, row.filtered, row.found, row.log_errors, row.agrees) == (0, 1, 42, 60, 2, True)


def test_earlier_proofs_speak_only_of_the_hour_as_it_is(world):
    one = world.part()
    world.batch(one, 100)
    world.prove(12, 100)
    assert world.ask(earlier_proofs).final_at is None  # not sealed: it may still grow
    world.seal(30)
    said = world.ask(earlier_proofs)
    assert (said.final_at, said.asked_at, said.agreed) == (30, None, False)
    assert hours_to_prove_of(world) == [HOUR]
    world.prove(40, None, passed=False)  # not asked for all
    assert world.ask(earlier_proofs).asked_at is None
    world.prove(50, 90, passed=False)
    assert (world.ask(earlier_proofs).asked_at, world.ask(earlier_proofs).agreed) == (50, False)
    world.prove(60, 100)
    assert (world.ask(earlier_proofs).asked_at, world.ask(earlier_proofs).agreed) == (60, True)
    assert hours_to_prove_of(world) == []
    world.batch(one, 5, settled=70, kind="promoted")  # says nothing of the hour's rows
    assert world.ask(earlier_proofs).agreed
    world.batch(one, 5, settled=70)
    said = world.ask(earlier_proofs)
    assert (said.final_at, said.asked_at, said.agreed) == (70, None, False)
    assert hours_to_prove_of(world) == [HOUR]


def hours_to_prove_of(world):
    with world.ledger.read() as connection:
        return hours_to_prove(connection, SOURCE)


def test_volumes_are_grouped_by_what_they_cost(world):
    one = world.part()
    world.batch(one, 10, raw=1_000)
    world.batch(one, 20, raw=3_000)
    world.batch(one, 5, raw=700, table_name="AWSVPCFlow_Auxiliary_CL", route="quiet")
    world.batch(one, 2, raw=300, kind="promoted")
    world.batch(one, 9, "retry", raw=9_000)
    with world.ledger.read() as connection:
        found = accepted_volumes(connection, HOUR, HOUR)
        assert accepted_volumes(connection, HOUR, HOUR, SOURCE) == found
        assert accepted_volumes(connection, HOUR, HOUR, "other") == []
        assert accepted_volumes(connection, "2026-11-20-08:00", "2026-11-20-09:00") == []
    told = sorted((volume.table, volume.route, volume.kind.value, volume.rows, volume.raw_bytes) for volume in found)
    assert told == [
        ("AWSVPCFlow", None, "promoted", 2, 300),
        ("AWSVPCFlow", None, "rows", 30, 4_000),
        ("AWSVPCFlow_Auxiliary_CL", "quiet", "rows", 5, 700),
    ]


def test_an_hour_with_a_batch_sent_again_is_asked_about_until_no_first_copy_can_turn_up(world):
    """Beyond the bound the first copy shows after the proof agreed; nobody would ever tell of the doubled rows."""
    one = world.part()
    world.batch(one, 100, settled=10, attempt=2)
    world.seal(11)
    world.prove(12, 100)
    assert hours_to_prove_of(world) == [HOUR]
    world.prove(10 + 24 * 3_600 * 1_000_000 + 1, 100)
    assert hours_to_prove_of(world) == []
