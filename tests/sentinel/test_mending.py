"""Mending: an edited row arrives exactly once, a wrong edit changes nothing, and the account balances at every step."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from s3sentinel_assets.config import Destination
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.accounts import account_of_hour
from s3sentinel_assets.ledger.audit import decisions
from s3sentinel_assets.ledger.batches import delivery_lease
from s3sentinel_assets.ledger.dead_letters import DeadLetter, LetterFilter, find_letters
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.named_files import named_files
from s3sentinel_assets.ledger.schema import BatchState, Stage, audit, batch, dead_letter, objects
from s3sentinel_assets.ledger.stages import StageFile
from s3sentinel_assets.sentinel import mending as module
from s3sentinel_assets.sentinel.dead_rows import DeadRows
from s3sentinel_assets.sentinel.letter_files import RowsRefusedError, export_rows
from s3sentinel_assets.sentinel.mending import Mender
from s3sentinel_assets.sentinel.plan import PlannedBodies, commit_plan, plan_part
from s3sentinel_assets.sentinel.reject_lines import RowTarget, reject_line
from s3sentinel_assets.sentinel.requeue import drop_dead, requeue_dead
from tests.sentinel.frames import cloudtrail, rows_frame, scores_frame
from tests.sentinel.test_refusals import MARK, PickyClient
from tests.sentinel.worlds import HOUR

BAD = {1, 2, 40}


def account(world):
    with world.ledger.read() as connection:
        found = account_of_hour(connection, "cloudtrail", HOUR)
    assert found.balanced
    return found.accepted, found.pending, found.dead


def count(world, part_id, rows):
    """Makes the account know of the part's rows."""
    with world.ledger.write() as connection:
        values = {
            "source": "cloudtrail", "hour": HOUR, "bucket": "b", "key": str(part_id), "version": "v", "etag": "e",
            "size": 1, "last_modified": 0, "discovered_at": 0, "late": False, "part_id": part_id, "state": "read",
            "records": rows, "rows": rows, "quarantined": 0, "filtered": 0, "decoded_bytes": 1,
        }  # fmt: skip
        connection.execute(sa.insert(objects).values(values))


def letters(world, **options):
    with world.ledger.read() as connection:
        return find_letters(connection, LetterFilter("cloudtrail", **options))


def mender(world, settings, **changes):
    options = {"max_batch_bytes": settings.max_batch_bytes, "principal": "ada@host"} | changes
    rows = DeadRows(world.ledger, world.store, lambda _, table: Destination(table=table), settings.dcr_id)
    return Mender(world.ledger, world.store, rows, **options)


def edit(path, change):
    """Changes the rows of an exported file; None leaves a row out."""
    rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows if row is not None))


def everything(world):
    """What the ledger says of batches and letters, and what lies in the store."""
    with world.ledger.read() as connection:
        rows = [connection.execute(sa.select(table)).all() for table in (batch, dead_letter, audit)]
    return rows, sorted(path.name for path in world.store.root.rglob("*") if path.is_file())


@pytest.fixture
def dead_part(world, settings):
    """A part of 60 rows, three of which were refused."""
    agent = pl.when(pl.int_range(60).is_in(sorted(BAD))).then(pl.lit(MARK.decode())).otherwise("UserAgent")
    part_id = world.plan(settings, cloudtrail(60, 11).with_columns(UserAgent=agent))
    count(world, part_id, 60)
    client = PickyClient(settings)
    assert world.deliver(client, settings, part_id).done
    client.close()
    assert account(world) == (57, 0, 3)
    return part_id


@pytest.fixture
def exported(world, settings, dead_part, tmp_path):
    """The dead rows as a file."""
    path = tmp_path / "rows.ndjson"
    assert export_rows(mender(world, settings).rows.of_all(letters(world)), path) == 3
    return path


def in_workspace(query, world, part_id, *columns, table="AWSCloudTrail"):
    """The part's rows that the workspace holds, by event id; none twice."""
    ids = ",".join(f'"{one.id}"' for one in world.batches(part_id))
    names = ", ".join(("EventId_CF", *columns))
    rows = query.run(f"{table} | where BatchId_CF in ({ids}) | project {names}")
    found = {row["EventId_CF"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_an_exported_file_holds_the_rows_and_only_its_owner_reads_it(world, dead_part, exported):
    rows = [json.loads(line) for line in exported.read_text().splitlines()]
    assert [next(iter(row)) for row in rows] == ["_dead_letter"] * 3
    assert [row["_dead_letter"] for row in rows] == [letter.id for letter in letters(world)]
    ids = cloudtrail(60, 11)["EventId_CF"]
    assert [row["EventId_CF"] for row in rows] == [ids[place] for place in sorted(BAD)]
    assert {row["UserAgent"] for row in rows} == {MARK.decode()} and "BatchId_CF" not in rows[0]
    assert exported.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="is there already and may hold edits"):
        export_rows([], exported)


def test_mended_rows_arrive_exactly_once(world, settings, query, dead_part, exported):
    old = {letter.id: letter.batch_id for letter in letters(world)}
    edit(exported, lambda row: row | {"UserAgent": "mended", "SourceIpAddress": "192.0.2.1"})
    done = mender(world, settings).take_file(exported)
    assert (done.rows, done.cut, done.hours) == (3, 0, {"cloudtrail": [HOUR]})
    assert letters(world) == [] and account(world) == (57, 3, 0)
    states = {one.id: one for one in world.batches(dead_part)}
    new = [one for one in states.values() if one.state is BatchState.PLANNED]
    assert sorted(one.parent_id for one in new) == sorted(old.values())
    for one in new:
        parent = states[one.parent_id]
        assert parent.state is BatchState.SUPERSEDED
        same = ("part_id", "stage_id", "stream", "dcr_id", "table_name", "kind", "route", "row_start", "row_end")
        assert all(getattr(one, name) == getattr(parent, name) for name in same)
    client = PickyClient(settings)
    summary = world.deliver(client, settings, dead_part)
    client.close()
    assert summary.done and summary.accepted_rows == 3 and account(world) == (60, 0, 0)
    found = in_workspace(query, world, dead_part, "UserAgent", "SourceIpAddress")
    assert len(found) == 60 and sum(row["UserAgent"] == "mended" for row in found.values()) == 3
    with world.ledger.read() as connection:
        [decision] = decisions(connection)
    assert (decision.principal, decision.action, decision.hour) == ("ada@host", "dead-letter fix", HOUR)
    assert (decision.detail["rows"], decision.detail["file"]) == (3, str(exported))
    told = decision.detail["letters"][str(min(old))]
    assert told["batch"] == old[min(old)] and told["changed"] == ["SourceIpAddress", "UserAgent"]
    assert set(told["mended"]) <= states.keys()
    with pytest.raises(RowsRefusedError, match="was it mended or sent again already"):  # once is once
        mender(world, settings).take_file(exported)


def test_some_rows_can_be_mended_and_the_others_later(world, settings, client, query, dead_part, exported):
    keep = letters(world)[1].id
    edit(exported, lambda row: row | {"UserAgent": "mended"} if row["_dead_letter"] == keep else None)
    exported.write_bytes(b"\xef\xbb\xbf" + exported.read_bytes().replace(b"\n", b"\r\n\r\n"))  # as some editors do
    assert mender(world, settings).take_file(exported).rows == 1
    assert account(world) == (57, 1, 2)
    assert requeue_dead(world.ledger, "cloudtrail").rows == 2
    assert account(world) == (57, 3, 0)
    assert world.deliver(client, settings, dead_part).done and account(world) == (60, 0, 0)
    assert len(in_workspace(query, world, dead_part)) == 60


def test_a_mended_row_can_be_refused_and_mended_again(world, settings, client, dead_part, exported, tmp_path):
    picky = PickyClient(settings)
    for turn in range(2):
        path = tmp_path / f"{turn}.ndjson"
        export_rows(mender(world, settings).rows.of_all(letters(world)), path)
        mender(world, settings).take_file(path)
        assert account(world) == (57, 3, 0)
        world.deliver(picky, settings, dead_part)
        assert account(world) == (57, 0, 3)
    picky.close()
    export_rows(mender(world, settings).rows.of_all(letters(world)), tmp_path / "last")
    mender(world, settings).take_file(tmp_path / "last")
    assert world.deliver(client, settings, dead_part).done and account(world) == (60, 0, 0)


WRONG = [
    (lambda row: row | {"Quark": 1}, "table AWSCloudTrail has no column Quark"),
    (lambda row: row | {"ReadOnly": "yes"}, "column ReadOnly takes true or false"),
    (lambda row: row | {"EventId_CF": "other"}, "column EventId_CF must stay 111122223333/"),
    (lambda row: {name: row[name] for name in row if name != "EventId_CF"}, "column EventId_CF must stay"),
    (lambda row: row | {"UserAgent": "x" * 65_537}, "column UserAgent has 65,537 bytes"),
    (lambda row: row | {"UserAgent": "x" * 12_000}, "a request may have 10,000; shorten it or use --cut"),
    (lambda row: row | {"_dead_letter": 99_999}, "no dead letter has the number 99999"),
    (lambda row: {name: row[name] for name in row if name != "_dead_letter"}, "_dead_letter, the number"),
]


@pytest.mark.parametrize(("change", "problem"), WRONG)
def test_a_wrong_edit_changes_nothing(world, settings, dead_part, exported, change, problem):
    before = everything(world)
    second = letters(world)[1].id
    edit(exported, lambda row: change(row) if row["_dead_letter"] == second else row | {"UserAgent": "mended"})
    with pytest.raises(RowsRefusedError) as raised:
        mender(world, settings).take_file(exported)
    [sentence] = raised.value.problems
    assert sentence.startswith(f"{exported}, line 2: ") and problem in sentence
    assert everything(world) == before and account(world) == (57, 0, 3)


def test_every_bad_line_gets_a_sentence(world, settings, dead_part, exported):
    exported.write_text(exported.read_text() + exported.read_text().splitlines()[0] + "\n")
    with pytest.raises(RowsRefusedError, match=r"line 1: dead letter \d+ stands in 2 lines and has 1 rows"):
        mender(world, settings).take_file(exported)
    edit(exported, lambda row: row | {"Quark": 1, "ReadOnly": "no"})
    lines = exported.read_text().splitlines()[:3]
    exported.write_text("\n".join(lines))
    with pytest.raises(RowsRefusedError) as raised:
        mender(world, settings).take_file(exported)
    assert len(raised.value.problems) == 3
    assert all("Quark" in one and "ReadOnly" in one for one in raised.value.problems)
    for text, problem in (("", "holds no rows"), (None, "cannot be read")):
        exported.write_text(text) if text is not None else exported.unlink()
        with pytest.raises(UserError, match=problem):
            mender(world, settings).take_file(exported)


def test_a_busy_part_and_a_lost_lease_change_nothing(world, settings, dead_part, exported, monkeypatch):
    before = everything(world)
    real = module.replace_dead_letter

    def late(connection, *arguments, **options):
        real(connection, *arguments, **options)
        connection.exec_driver_sql("UPDATE lease SET epoch = epoch + 1")

    monkeypatch.setattr(module, "replace_dead_letter", late)
    with pytest.raises(UserError, match="nothing was changed, since another worker got in between"):
        mender(world, settings).take_file(exported)
    assert everything(world)[0] == before[0]
    monkeypatch.undo()
    take_lease(world.ledger, delivery_lease(dead_part), "somebody", 60)
    with pytest.raises(UserError, match=f"part {dead_part} is being sent by another worker"):
        mender(world, settings).take_file(exported)
    assert everything(world)[0] == before[0]


VICTIM = """
import os, signal, sys
from pathlib import Path
from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.sentinel import mending
from tests.sentinel.test_mending import mender
from tests.sentinel.worlds import World

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

{point} = die
folder, settings, path = sys.argv[1:]
mender(World(Path(folder)), SentinelSettings.model_validate_json(settings)).take_file(Path(path))
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["mending.Mender._commit", "mending.record_decision"])
def test_killed_before_the_commit_nothing_is_changed(world, settings, client, query, dead_part, exported, point):
    edit(exported, lambda row: row | {"UserAgent": "mended"})
    rows, files = everything(world)
    code = VICTIM.format(point=point)
    command = [sys.executable, "-c", code, str(world.folder), settings.model_dump_json(), str(exported)]
    died = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    rows_after, files_after = everything(world)
    assert rows_after == rows and account(world) == (57, 0, 3)
    [orphan] = set(files_after) - set(files)
    with world.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET expires_at = 0")  # as if its time had run out

    def known():
        with world.ledger.read() as connection:
            return named_files(connection)

    assert [Path(uri).name for uri in world.store.sweep(known, -60)] == [orphan]
    assert mender(world, settings).take_file(exported).rows == 3
    assert world.store.sweep(known, -60) == []  # what the ledger names now is left alone
    assert world.deliver(client, settings, dead_part).done and account(world) == (60, 0, 0)
    assert len(in_workspace(query, world, dead_part)) == 60


def test_a_dropped_letter_is_taken_only_if_it_is_named(world, settings, dead_part, exported):
    first, second, _ = letters(world)
    assert drop_dead(world.ledger, [first, second], " known noise ", "bob@host") == 2
    assert account(world) == (57, 0, 3)
    named = mender(world, settings)
    with pytest.raises(RowsRefusedError) as raised:
        named.take_file(exported)
    assert "was dropped by bob@host (known noise); --id" in raised.value.problems[0]
    with pytest.raises(RowsRefusedError, match="line 2: "):
        named.take_file(exported, dropped=frozenset([first.id]))
    assert named.take_file(exported, dropped=frozenset([first.id, second.id])).rows == 3
    assert account(world) == (57, 3, 0)


def lone_part(world, settings, places):
    """A part with rows at ``places`` that fit no body; gives its id and frame."""
    frame = cloudtrail(30, 5).with_columns(
        UserAgent=pl.when(pl.int_range(30).is_in(places)).then(pl.lit("x" * 12_000)).otherwise("UserAgent")
    )
    part_id = world.part()
    world.commit(world.draft(part_id, settings, [frame], [scores_frame(30)]))
    count(world, part_id, 30)
    return part_id, frame


def test_rows_that_fit_no_request_are_cut_and_arrive(world, settings, client, query):
    part_id, frame = lone_part(world, settings, [0, 7, 29])
    assert account(world) == (0, 27, 3)
    wanted = LetterFilter("cloudtrail", reason="row_too_large", ids=frozenset([letters(world)[1].id]))
    assert mender(world, settings).cut_letters(wanted).cut == 1  # one first: the others keep their lines
    assert account(world) == (0, 28, 2)
    left = [row.json for row in mender(world, settings).rows.of_all(letters(world))]
    assert [json.loads(row)["EventId_CF"] for row in left] == [frame["EventId_CF"][place] for place in (0, 29)]
    done = mender(world, settings).cut_letters(LetterFilter("cloudtrail"))
    assert (done.rows, done.cut, done.hours) == (2, 2, {"cloudtrail": [HOUR]}) and letters(world) == []
    assert mender(world, settings).cut_letters(LetterFilter("cloudtrail")).rows == 0
    assert world.deliver(client, settings, part_id).done and account(world) == (30, 0, 0)
    found = in_workspace(query, world, part_id, "UserAgent", "Flags_CF", "EventName")
    assert found.keys() == set(frame["EventId_CF"])
    for place in (0, 7, 29):
        row = found[frame["EventId_CF"][place]]
        assert row["Flags_CF"] == "truncated:UserAgent" and row["EventName"] == frame["EventName"][place]
        assert 8_000 < len(row["UserAgent"]) < 10_000
    with world.ledger.read() as connection:
        told = decisions(connection)
    assert [one.action for one in told] == ["dead-letter fix --cut"] * 2
    assert {name for one in told[1].detail["letters"].values() for name in one["cut"]} == {"UserAgent"}


def test_a_lone_row_is_mended_from_a_file(world, settings, client, query, tmp_path):
    part_id, _ = lone_part(world, settings, [0, 7])
    path = tmp_path / "rows.ndjson"
    export_rows(mender(world, settings).rows.of_all(letters(world)), path)
    with pytest.raises(RowsRefusedError) as raised:
        mender(world, settings).take_file(path)
    assert len(raised.value.problems) == 2
    edit(path, lambda row: row | {"UserAgent": "short"} if row["_dead_letter"] == letters(world)[0].id else row)
    done = mender(world, settings).take_file(path, cut=True)
    assert (done.rows, done.cut) == (2, 1)
    assert world.deliver(client, settings, part_id).done and account(world) == (30, 0, 0)
    agents = sorted(len(row["UserAgent"]) for row in in_workspace(query, world, part_id, "UserAgent").values())
    assert agents[0] == 5 and 8_000 < agents[-1] < 10_000 and agents[-2] < 100


def test_the_table_of_a_lone_row_is_that_of_its_file(world, settings, client):
    """A part with rows for two tables."""
    part_id = world.part()
    flows = rows_frame(
        [{"EventId_CF": f"flow-{number}", "AccountId": "1" * (12_000 if number == 1 else 3)} for number in range(3)],
        "AWSVPCFlow",
    )
    trail = cloudtrail(4, 8)
    parsed = world.stage(part_id, Stage.PARSED, [trail], "rows", "AWSCloudTrail")
    with world.store.create("x", ".parquet") as writer:
        flows.write_parquet(writer.path)
    stored = writer.finished
    more = dataclasses.replace(
        parsed.files[0], uri=stored.uri, sha256=stored.sha256, size=stored.size, rows=3, ordinal=1, table="AWSVPCFlow"
    )
    parsed = dataclasses.replace(parsed, files=(*parsed.files, more))
    with world.ledger.write() as connection:
        files = json.dumps([vars(file) for file in parsed.files])
        connection.execute(sa.text("UPDATE stage SET files = :files WHERE id = :id"), {"files": files, "id": parsed.id})
    planned = plan_part(world.store, "x", parsed, None, lambda name: Destination(table=name), settings)
    held = take_lease(world.ledger, f"plan:{part_id}", "w", 60)
    with world.ledger.write() as connection:
        commit_plan(connection, held, planned, generation=1, seconds=0.0, now=world.ledger.now())
    count(world, part_id, 7)
    [row] = mender(world, settings).rows.of_all(letters(world))
    assert (row.target.table, row.target.stream, row.target.dcr_id) == (
        "AWSVPCFlow",
        "Custom-AWSVPCFlow",
        settings.dcr_id,
    )
    assert mender(world, settings).cut_letters(LetterFilter("cloudtrail")).rows == 1
    assert world.deliver(client, settings, part_id).done and account(world) == (7, 0, 0)


def test_rows_of_several_routes_are_told_apart(world, settings, client):
    """Each route counts its rows for itself: two of them may have a row of the same number."""
    part_id, limit = world.part(), settings.max_batch_bytes
    targets = [
        RowTarget("AWSCloudTrail", settings.dcr_id, "Custom-AWSCloudTrail", route=route)
        for route in ("loud", None, "loud")
    ]
    tails = [f',"EventId_CF":"{part_id}-{number}","UserAgent":"{"x" * limit}"' for number in range(3)]
    rows = [4, 4, 9]
    with world.store.create("x", ".ndjson") as writer:
        for tail, row, target in zip(tails, rows, targets, strict=True):
            writer.file.write(reject_line(tail, row, target))
    stored = writer.finished
    files = [StageFile("rejects", stored.uri, stored.sha256, stored.size, 3)]
    dead = [DeadLetter(part_id, None, row, row + 1, "row_too_large", "huge", stored.uri) for row in rows]
    world.commit(PlannedBodies(part_id, files, [], dead, {"routing": {"loud": {}}}))
    count(world, part_id, 3)
    for left in (3, 2, 1):
        found = list(mender(world, settings).rows.of_all(letters(world)))
        assert [(json.loads(row.json)["EventId_CF"], row.number, row.target) for row in found] == [
            (f"{part_id}-{place}", rows[place], targets[place]) for place in range(3 - left, 3)
        ]
        first = LetterFilter(ids=frozenset([letters(world)[0].id]))
        assert mender(world, settings).cut_letters(first).rows == 1
        assert account(world) == (0, 4 - left, left - 1)
    assert [one.route for one in world.batches(part_id)].count("loud") == 2
    assert world.deliver(client, settings, part_id).done and account(world) == (3, 0, 0)


def test_a_row_that_the_service_alone_finds_too_large_needs_a_smaller_size(world, settings, client):
    part_id = world.plan(settings, cloudtrail(1, 3).with_columns(UserAgent=pl.lit("x" * 8_000)))
    count(world, part_id, 1)
    with world.ledger.write() as connection:
        connection.execute(sa.update(batch).where(batch.c.part_id == part_id).values(state="dead"))
        [one] = world.batches(part_id)
        values = {"source": "cloudtrail", "hour": HOUR, "part_id": part_id, "batch_id": one.id, "rows": 1}
        values |= {"row_start": 0, "row_end": 1, "reason": "row_too_large", "uri": one.uri, "created_at": 1}
        connection.execute(sa.insert(dead_letter).values(values))
    assert account(world) == (0, 0, 1)
    with pytest.raises(RowsRefusedError, match="--max-bytes"):
        mender(world, settings).cut_letters(LetterFilter("cloudtrail"))
    assert mender(world, settings).cut_letters(LetterFilter("cloudtrail"), 5_000).cut == 1
    [new] = [one for one in world.batches(part_id) if one.state is BatchState.PLANNED]
    assert 4_900 < new.raw_bytes <= 5_000
    assert world.deliver(client, settings, part_id).done and account(world) == (1, 0, 0)


def test_damaged_files_are_told_and_change_nothing(world, settings, dead_part, exported):
    lone_part(world, settings, [3])
    lone = letters(world, reason="row_too_large")[0]
    world.store.path(lone.uri).write_bytes(world.store.path(lone.uri).read_bytes().replace(b"xxx", b"yyy", 1))
    for letter in letters(world, reason="refused"):
        bodies = world.store.path(letter.uri)
        bodies.write_bytes(b"\0" * bodies.stat().st_size)
    problems: list[str] = []
    assert list(mender(world, settings).rows.of_all(letters(world), problems)) == []
    assert len(problems) == 4 and all("is damaged" in one and "dead letter" in one for one in problems)
    before = everything(world)
    attempts = (
        lambda: mender(world, settings).take_file(exported),
        lambda: mender(world, settings).cut_letters(LetterFilter(ids=frozenset([lone.id]))),
    )
    for attempt in attempts:
        with pytest.raises(UserError, match="is damaged"):
            attempt()
    assert everything(world) == before


def test_drop_balances_and_is_audited(world, dead_part):
    before = account(world)
    with pytest.raises(UserError, match="--because must not be empty"):
        drop_dead(world.ledger, letters(world), "  ")
    first, *rest = letters(world)
    assert drop_dead(world.ledger, [first], "test traffic", "bob@host") == 1
    assert drop_dead(world.ledger, [first, *rest], "all of it", "bob@host") == 2  # the first is dropped already
    assert account(world) == before and letters(world) == []
    assert requeue_dead(world.ledger, "cloudtrail").batches == 0
    dropped = letters(world, with_dropped=True)
    assert [one.dropped_because for one in dropped] == ["test traffic", "all of it", "all of it"]
    with world.ledger.read() as connection:
        told = decisions(connection)
    assert [(one.principal, one.action, one.hour, one.reason, one.detail["rows"]) for one in told] == [
        ("bob@host", "dead-letter drop", HOUR, "test traffic", 1),
        ("bob@host", "dead-letter drop", HOUR, "all of it", 2),
    ]
    assert requeue_dead(world.ledger, "cloudtrail", ids=frozenset([first.id]), principal="eve@host").rows == 1
    assert account(world) == (57, 1, 2)
    with world.ledger.read() as connection:
        last = decisions(connection)[-1]
    assert (last.principal, last.action) == ("eve@host", "dead-letter requeue")
    assert last.detail["letters"] == {str(first.id): first.batch_id}
