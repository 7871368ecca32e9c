"""Patterns of parts, days and hours over a real ledger and store."""

import itertools
import json
from datetime import timedelta
from types import SimpleNamespace

import polars as pl
import pytest
import sqlalchemy as sa

from s3sentinel_assets.config import SentinelSettings, SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.formats.frames import conform
from s3sentinel_assets.hours import hour_range, hour_start, shift_hour
from s3sentinel_assets.ledger.batches import batches_of_part
from s3sentinel_assets.ledger.catalogues import newest_catalogue
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.hours import mark_listed, seal
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.parts import Part, parts_of_hour
from s3sentinel_assets.ledger.schema import Stage, objects, part
from s3sentinel_assets.ledger.stages import StageFile, commit_stage
from s3sentinel_assets.ledger.states import ScorePin, pin_of, record_pin
from s3sentinel_assets.ml.patterns import counting
from s3sentinel_assets.ml.scoring.score import SCORE_SCHEMA
from s3sentinel_assets.pipeline import pattern_reports, patterns
from s3sentinel_assets.pipeline.patterns import (
    LEFT_OUT,
    NO_PATTERN,
    PatternRun,
    catalogue_due,
    hour_counts,
    make_catalogue,
)
from s3sentinel_assets.sentinel.bodies import load_raw
from s3sentinel_assets.sentinel.hour_rows import render_hour_rows
from s3sentinel_assets.store import Store
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

SETTINGS = SentinelSettings(ingestion_endpoint="https://x", workspace_id="w", dcr_id="dcr-1")
DAYS = ["2026-10-05", "2026-10-06", "2026-10-07", "2026-10-08"]
_numbers = itertools.count(1)


class World:
    """A source whose parts are written as parsing and scoring would."""

    def __init__(self, ledger, folder):
        self.name = f"source{next(_numbers)}"
        self.ledger, self.store = ledger, Store(folder)
        source = SourceSettings(name=self.name, bucket="bucket", prefix="x/", format="syslog")
        config = SimpleNamespace(limits=SimpleNamespace(lease_seconds=60), sentinel=SETTINGS)
        self.runtime = SimpleNamespace(
            ledger=ledger, store=self.store, worker="me", config=config, source=lambda _name: source
        )

    def part(self, hour, created_at=0):
        entry = {"source": self.name, "hour": hour}
        with self.ledger.write() as connection:
            part_id = connection.execute(
                sa.insert(part)
                .values(**entry, created_at=created_at, late=False, objects=1, bytes=1)
                .returning(part.c.id)
            ).scalar_one()
            connection.execute(
                sa.insert(objects)
                .values(**entry, bucket="b", key=f"k/{part_id}.log", version="v", etag="v", size=1, part_id=part_id)
                .values(last_modified=0, discovered_at=0, state="read", position=0)
            )
            return next(found for found in parts_of_hour(connection, self.name, hour) if found.id == part_id)

    def files(self, of: Part, texts, log_format="syslog", table="Syslog", column="SyslogMessage", entities=None):
        start = hour_start(of.hour)
        times = [start + timedelta(milliseconds=number) for number in range(len(texts))]
        raw = pl.DataFrame(
            {"EventTime_CF": times, column: texts, "_object": 1, "_ordinal": range(len(texts)), "_flags": None},
            schema_overrides={"EventTime_CF": pl.Datetime("us", "UTC"), "_object": pl.Int64, "_flags": pl.String},
        )
        ids = pl.format("{}-{}", pl.lit(of.id), "_ordinal")
        rows = conform(
            raw,
            table,
            {
                "TimeGenerated": pl.col("EventTime_CF"),
                "EventId_CF": ids,
                column: pl.col(column),
                "EventTime_CF": pl.col("EventTime_CF"),
            },
        )
        view = pl.DataFrame({"event_id": rows["EventId_CF"], "time": rows["EventTime_CF"], **(entities or {})})
        missing = [pl.lit(None, kind).alias(name) for name, kind in ENTITY_SCHEMA.items() if name not in view.columns]
        named = []
        for kind, frame in (("rows", rows), ("entities", view.with_columns(missing).select(list(ENTITY_SCHEMA)))):
            with self.store.create("x", ".parquet") as writer:
                frame.write_parquet(writer.path)
            done = writer.finished
            named.append(StageFile(kind, done.uri, done.sha256, done.size, frame.height, 0, log_format, table))
        return named

    def commit(self, of: Part, files, which=Stage.SCORED, counts=None):
        held = take_lease(self.ledger, f"{which.value}:{of.id}", "me", 60)
        with self.ledger.write() as connection:
            commit_stage(
                connection,
                held,
                part_id=of.id,
                which=which,
                generation=1,
                code_version="1",
                files=files,
                counts=counts or {},
                seconds=0.0,
                now=self.ledger.now(),
            )

    def run(self, of: Part, day=None):
        """With the newest catalogue, or the newest of ``day``; it is pinned as scoring would."""
        with self.ledger.read() as connection:
            catalogue = newest_catalogue(connection, self.name, day or of.hour[:10])
        held = take_lease(self.ledger, f"score:{of.id}", "me", 60)
        pin = ScorePin(None, None, None, "", catalogue.id if catalogue else None)
        with self.ledger.write() as connection:
            if pin_of(connection, of.id, 1) is None:
                record_pin(connection, held, of.id, 1, pin, 0)
        return PatternRun(self.runtime, of, catalogue)

    def score(self, hour, texts, day=None):
        of = self.part(hour)
        run = self.run(of, day)
        scores = run.add_patterns(*self.files(of, texts), scores_of(len(texts)))
        files = run.stage_files()
        self.commit(of, files, counts=run.counts)
        return scores, run

    def seal(self, hour):
        mark_listed(self.ledger, self.name, [hour], 1)
        seal(self.ledger, self.name, hour)


def scores_of(rows):
    return pl.DataFrame(
        {name: pl.Series([None] * rows, dtype=kind) for name, kind in SCORE_SCHEMA.items()}
    ).with_columns(pl.lit("low").alias("Priority_CF"))


def usual(hour, amount=30):
    return [f"job {number} of {hour} done" for number in range(amount)] + ["heartbeat"] * amount


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    opened = Ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.fixture
def world(ledger, tmp_path):
    return World(ledger, tmp_path)


@pytest.fixture(scope="module")
def learnt(ledger, tmp_path_factory):
    """A source after three days with a catalogue each; the hours of the fourth are free, two of them are sealed."""
    world = World(ledger, tmp_path_factory.mktemp("store"))
    for day in DAYS[:3]:
        for hour in hour_range(f"{day}-00:00", f"{day}-23:00"):
            world.score(hour, usual(hour))
        assert make_catalogue(world.runtime, world.name, day).done == 1
    return world


def test_rows_get_the_id_of_their_pattern(world):
    scores, run = world.score("2026-10-05-10:00", ["job 1 done", "job 2 done", "heartbeat"])
    ids = scores["Pattern_CF"].to_list()
    assert ids[0] == ids[1] != ids[2]
    assert scores["Priority_CF"].to_list() == ["low"] * 3
    assert run.counts == {"patterns": 2, "new_patterns": 2}
    counts, unscored = hour_counts(world.runtime, world.name, "2026-10-05-10:00")
    assert unscored == 0
    assert dict(counts.select("pattern", "events").rows()) == {ids[0]: 2, ids[2]: 1}


def test_rows_that_nothing_scores_get_an_id_all_the_same(world):
    of = world.part("2026-10-05-10:00")
    scores = world.run(of).add_patterns(*world.files(of, ["a b", "c d"]), None)
    assert scores.columns == list(SCORE_SCHEMA)
    assert scores["Pattern_CF"].null_count() == 0
    assert scores.select("Priority_CF", "Flags_CF").unique().rows() == [("unknown", "unscored")]


def test_flows_are_counted_and_carry_no_id(world):
    of = world.part("2026-10-05-10:00")
    actions = {"action": ["6/443/ingress/ACCEPT", "6/443/ingress/ACCEPT", "6/22/ingress/REJECT"]}
    files = world.files(of, ["10.0.0.1"] * 3, "vpc_flow", "AWSVPCFlow", "SrcAddr", actions)
    run = world.run(of)
    scores = run.add_patterns(*files, scores_of(3))
    assert scores["Pattern_CF"].null_count() == 3
    world.commit(of, run.stage_files())
    counts, _ = hour_counts(world.runtime, world.name, "2026-10-05-10:00")
    assert sorted(counts["events"]) == [1, 2]
    assert world.run(of).add_patterns(*files, None) is None


@pytest.mark.parametrize("scored", [True, False])
def test_a_damaged_file_stops_no_delivery(world, scored):
    of = world.part("2026-10-05-10:00")
    rows, entities = world.files(of, ["a", "b"])
    world.store.path(rows.uri).write_bytes(b"PAR1")
    run = world.run(of)
    scores = run.add_patterns(rows, entities, scores_of(2) if scored else None)
    if scored:
        assert scores["Flags_CF"].to_list() == [NO_PATTERN] * 2
        assert scores["Pattern_CF"].null_count() == 2
    else:
        assert scores is None
    assert run.stage_files() == []
    assert run.counts["without_pattern"] == 2
    assert "damaged" in run.counts["why_without_pattern"]


def test_a_damaged_catalogue_stops_no_delivery(world):
    world.score(f"{DAYS[0]}-10:00", ["a"])
    make_catalogue(world.runtime, world.name, DAYS[0])
    with world.ledger.read() as connection:
        made = newest_catalogue(connection, world.name, "9999")
    world.store.path(made.uri).write_bytes(b"PK")
    patterns._load.cache_clear()
    scores, run = world.score(f"{DAYS[1]}-10:00", ["a", "b"])
    assert scores["Flags_CF"].to_list() == [NO_PATTERN] * 2
    assert run.counts["without_pattern"] == 2
    with pytest.raises(UserError, match="damaged"):
        make_catalogue(world.runtime, world.name, DAYS[1])


def test_a_day_is_learnt_once_and_in_order(learnt):
    with learnt.ledger.read() as connection:
        newest = newest_catalogue(connection, learnt.name, "9999")
        assert newest_catalogue(connection, learnt.name, DAYS[2]).day == DAYS[2]
    assert newest.day == DAYS[3]
    assert newest.patterns == 2
    assert make_catalogue(learnt.runtime, learnt.name, DAYS[1]).kept == 1
    assert catalogue_due(learnt.runtime, learnt.name, f"{DAYS[3]}-05:00") is None
    assert catalogue_due(learnt.runtime, learnt.name, f"{DAYS[3]}-23:00") == DAYS[3]


def test_days_that_were_left_out_are_learnt_with_the_next(world):
    for day in DAYS[:2]:
        world.score(f"{day}-10:00", [f"of {day[-1]}x"])
    for hour in hour_range(f"{DAYS[0]}-11:00", f"{DAYS[1]}-23:00"):
        world.seal(hour)
    made = make_catalogue(world.runtime, world.name, DAYS[1])
    assert (made.done, made.counts["hours_learnt"]) == (1, 38)
    assert made.counts["events"] == 2


def test_a_day_with_unscored_parts_waits_and_a_day_that_is_not_over_too(world, monkeypatch):
    world.score(f"{DAYS[0]}-09:00", ["a"])
    world.part(f"{DAYS[0]}-10:00", created_at=world.ledger.now())
    monkeypatch.setattr(patterns, "utc_now", lambda: hour_start(f"{DAYS[0]}-13:00"))
    assert "not over" in make_catalogue(world.runtime, world.name, DAYS[0]).problems[0]
    # However old the hour is: the part has just been made.
    monkeypatch.undo()
    made = make_catalogue(world.runtime, world.name, DAYS[0])
    assert made.done == 0
    assert "1 parts" in made.problems[0]
    monkeypatch.setattr(patterns, "_PATIENCE", timedelta(0))
    made = make_catalogue(world.runtime, world.name, DAYS[0])
    assert (made.done, made.counts["hours_learnt"], made.counts["parts_not_scored"]) == (1, 1, 1)


def newest(world):
    with world.ledger.read() as connection:
        found = patterns.load_catalogue(world.store, newest_catalogue(connection, world.name, "9999"))
    assert found
    return found


def test_no_catalogue_is_made_of_hours_that_nobody_has_scored(world):
    # A back-fill seals its hours before it scores them, and the newest state is of a later hour already.
    parts = {hour: world.part(hour) for day in DAYS[:3] for hour in hour_range(f"{day}-00:00", f"{day}-23:00")}
    for day in DAYS[:3]:
        world.seal(f"{day}-23:00")
        assert make_catalogue(world.runtime, world.name, day).done == 0
    for hour, of in parts.items():
        run = world.run(of)
        run.add_patterns(*world.files(of, usual(hour)), scores_of(2 * 30))
        world.commit(of, run.stage_files(), counts=run.counts)
    made = make_catalogue(world.runtime, world.name, DAYS[2])
    assert (made.done, made.counts["hours_learnt"], made.counts["patterns"]) == (1, 72, 2)
    hour = f"{DAYS[3]}-10:00"
    world.score(hour, ["heartbeat"] * 30)
    world.seal(hour)
    told = pattern_reports.pattern_report(world.runtime, world.name, hour)
    assert told.rows["Change"].to_list() == ["vanished"]


def test_of_a_day_that_is_half_scored_only_whole_hours_say_how_often_kinds_come(world):
    hours = list(hour_range(f"{DAYS[0]}-08:00", f"{DAYS[0]}-11:00"))
    for hour in hours:
        world.score(hour, ["heartbeat"] * 10)
    world.part(hours[1])
    world.score(hours[1], ["odd one out"])
    made = make_catalogue(world.runtime, world.name, DAYS[0])
    assert (made.done, made.counts["patterns"], made.counts["hours_learnt"]) == (1, 2, 3)
    learned = newest(world)
    assert learned.hours == 3
    assert learned.rates.select("events", "present").rows() == [(30.0, 3.0)]


def test_hours_that_were_never_listed_are_no_silence(world):
    world.score(f"{DAYS[0]}-22:00", ["a"])
    world.seal(f"{DAYS[0]}-23:00")
    world.score(f"{DAYS[1]}-10:00", ["a"])
    made = make_catalogue(world.runtime, world.name, DAYS[1])
    assert made.counts["hours_learnt"] == newest(world).hours == 3


def test_kinds_in_a_late_part_of_a_learnt_day_are_learnt_with_the_next(world):
    for day in DAYS[:3]:
        for number in range(24):
            world.score(f"{day}-{number:02d}:00", usual(f"{day}-10:00"))
        make_catalogue(world.runtime, world.name, day)
    late = [f"Failed password for {user} from 10.0.0.1" for user in ("anna", "bert", "cleo", "dirk")]
    ids = world.score(f"{DAYS[2]}-22:00", late, DAYS[2])[0]["Pattern_CF"]
    world.score(f"{DAYS[2]}-21:00", usual(f"{DAYS[2]}-10:00"))
    for number in range(24):
        world.score(f"{DAYS[3]}-{number:02d}:00", usual(f"{DAYS[3]}-10:00"))
    made = make_catalogue(world.runtime, world.name, DAYS[3])
    assert (made.counts["hours_learnt"], made.counts["patterns_of_late_parts"]) == (24, 4)
    learned = newest(world)
    template = learned.templates.filter(pl.col("body") == "Failed password for <*> from <ip>").row(0, named=True)
    assert template["first_hour"] == f"{DAYS[3]}-00:00"
    assert set(learned.resolve(ids)) == {template["pattern"]}
    assert template["pattern"] in ids
    # Their day was counted before; what came late says nothing of the rates.
    assert learned.hours == 4 * 24
    assert template["pattern"] not in learned.rates["pattern"]
    hour = "2026-10-09-01:00"
    world.score(hour, [*usual(hour), late[0].replace("anna", "zoe")])
    world.seal(hour)
    assert pattern_reports.pattern_report(world.runtime, world.name, hour).report.passed
    # Learnt once: what is known is not looked at again.
    made = make_catalogue(world.runtime, world.name, "2026-10-09")
    assert "patterns_of_late_parts" not in made.counts


def test_an_ordinary_hour_has_nothing_to_tell(learnt):
    hour = f"{DAYS[3]}-01:00"
    _, run = learnt.score(hour, usual(hour, 33))
    assert run.counts == {"patterns": 2, "new_patterns": 0}
    learnt.seal(hour)
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert told.report.passed, told.report.problems
    assert told.sealed
    assert told.rows.is_empty()


def test_an_open_hour_is_not_judged(learnt):
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, f"{DAYS[3]}-22:00")
    assert not told.sealed
    assert told.report.passed


def test_new_and_vanished_patterns_become_rows(learnt, monkeypatch):
    planned = []
    monkeypatch.setattr(
        "s3sentinel_assets.pipeline.hour_rows.plan_hour_rows",
        lambda _runtime, source, hour, kind, rows: planned.append((source, hour, kind, rows)) or rows.height,
    )
    before, hour = f"{DAYS[3]}-05:00", f"{DAYS[3]}-06:00"
    learnt.score(before, usual(before))
    learnt.score(hour, ["heartbeat"] * 30 + ["backdoor opened on port 4444"])
    learnt.seal(hour)
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert not told.report.passed
    assert told.planned == 2
    rows = {row["Change"]: row for row in told.rows.iter_rows(named=True)}
    assert rows["new"]["Template"] == "-: backdoor opened on port <num>"
    assert len(json.loads(rows["new"]["EventIds"])) == 1
    assert (rows["vanished"]["Events"], round(rows["vanished"]["UsualEvents"])) == (0, 30)
    assert rows["vanished"]["CatalogueDay"] == DAYS[3]
    assert render_hour_rows(told.rows, "S3Patterns_CL", 1_000_000).len() == 2
    again = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert again.rows["EventId_CF"].to_list() == told.rows["EventId_CF"].to_list()


def test_what_is_not_scored_yet_has_not_vanished(learnt):
    hour = f"{DAYS[3]}-12:00"
    learnt.score(shift_hour(hour, -1), usual(hour))
    learnt.part(hour)
    learnt.seal(hour)
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert told.report.passed
    assert told.report.counts["parts_not_scored"] == 1


def strange(word):
    """Six made-up messages of different lengths, so that each is a kind of its own, more often than what is usual."""
    return [" ".join([word] * (number + 3)) for number in range(6)] * 30


@pytest.mark.parametrize(("time", "day"), [("18:00", DAYS[3]), ("19:00", "2026-01-01")])
def test_a_flood_of_new_kinds_makes_no_known_one_vanish(learnt, monkeypatch, time, day):
    # A part that was scored before there was a catalogue knows nothing.
    monkeypatch.setattr(patterns, "_KEPT_OF_HOUR", 4)
    hour = f"{DAYS[3]}-{time}"
    learnt.score(hour, usual(hour, 28) + strange("lorem" if day == DAYS[3] else "amet"), day)
    learnt.seal(hour)
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert told.report.counts["patterns"] == 2 + 4
    assert told.rows["Change"].to_list() == ["new"] * 4


def test_what_a_part_left_out_has_not_vanished(learnt, monkeypatch):
    monkeypatch.setattr(counting, "COUNTED_NEW", 4)
    hour, after = f"{DAYS[3]}-20:00", f"{DAYS[3]}-21:00"
    learnt.score(shift_hour(hour, -1), usual(hour))
    # What the part kept of an unknown flood, its catalogue being another one, is not all that came.
    _, run = learnt.score(hour, usual(hour, 28) + strange("ipsum"), "2026-01-01")
    assert run.counts[LEFT_OUT] == 2 * 30 + 2 * 28
    learnt.seal(hour)
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert set(told.rows["Change"]) == {"new"}
    assert told.report.counts["parts_counted_in_part"] == 1
    # With the catalogue that judges, only unknown ones are left out: what is missing is missing, and told now.
    _, run = learnt.score(after, ["heartbeat"] * 28 + strange("dolor"))
    assert run.counts[LEFT_OUT] == 2 * 30
    learnt.seal(after)
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, after)
    assert told.rows.filter(pl.col("Change") != "new").select("Change", "Template").rows() == [
        ("vanished", "-: job <num> of <time>-<time> done")
    ]


def test_a_silent_hour_is_told(learnt):
    hour = f"{DAYS[3]}-16:00"
    learnt.score(shift_hour(hour, -1), usual(hour))
    learnt.seal(hour)
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert "nothing came at all" in told.report.problems[0]
    assert told.rows["Change"].to_list() == ["vanished"] * 2
    # Nothing is planned yet that could carry the rows; with the part before it in delivery they go out, once.
    assert told.planned == 0
    with learnt.ledger.read() as connection:
        (last,) = parts_of_hour(connection, learnt.name, shift_hour(hour, -1))
    learnt.commit(last, [], Stage.PLANNED)
    assert [pattern_reports.pattern_report(learnt.runtime, learnt.name, hour).planned for _ in range(2)] == [2, 0]
    with learnt.ledger.read() as connection:
        (made,) = batches_of_part(connection, last.id)
    body = json.loads(load_raw(learnt.store, made))
    assert made.table_name == "S3Patterns_CL"
    assert [(row["Change"], row["HourStart"], row["Events"]) for row in body] == [
        ("vanished", hour_start(hour).strftime("%Y-%m-%dT%H:%M:%SZ"), 0)
    ] * 2


def test_a_new_kind_is_told_once_whatever_a_late_part_brings(learnt):
    hour = f"{DAYS[3]}-08:00"
    users = [f"Failed password for user_{letter} from 10.0.0.1" for letter in "abcd"]
    learnt.score(shift_hour(hour, -1), usual(hour))
    learnt.score(hour, usual(hour) + users)
    with learnt.ledger.read() as connection:
        (first,) = parts_of_hour(connection, learnt.name, hour)
    learnt.commit(first, [], Stage.PLANNED)
    learnt.seal(hour)
    told = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert (told.planned, told.rows["Template"].to_list()) == (1, ["-: Failed password for <*> from <ip>"])
    # The late one came first, so it leads now; it is the same kind all the same.
    learnt.score(hour, ["Failed password for user_z from 10.0.0.1"])
    again = pattern_reports.pattern_report(learnt.runtime, learnt.name, hour)
    assert again.rows["Pattern"].to_list() != told.rows["Pattern"].to_list()
    assert again.rows["Events"].to_list() == [5]
    assert again.planned == 0
    # Another kind is another row.
    learnt.score(hour, ["disk full on 10.0.0.1"])
    assert pattern_reports.pattern_report(learnt.runtime, learnt.name, hour).planned == 1


def test_a_silence_stays_a_warning_until_it_ends(world):
    for day in DAYS[:3]:
        for number in range(24):
            world.score(f"{day}-{number:02d}:00", usual(day))
        make_catalogue(world.runtime, world.name, day)

    def told(hour):
        world.seal(hour)
        return pattern_reports.pattern_report(world.runtime, world.name, hour)

    day = DAYS[3]
    for number in range(10):
        world.score(f"{day}-{number:02d}:00", usual(day))
    first = told(f"{day}-10:00")
    assert first.rows["Change"].to_list() == ["vanished"] * 2
    assert first.report.problems == [
        "nothing came at all in an hour in which there always was something",
        "2 patterns are missing",
    ]
    for number in range(11, 24):
        after = told(f"{day}-{number:02d}:00")
        assert after.rows.is_empty()
        assert not after.report.passed
        assert after.report.problems[0] == f"nothing has come at all since {day}-10:00"
        assert after.report.counts["patterns_away"] == 2
    # The silence is not learnt as what is usual, and lasts beyond the day.
    assert make_catalogue(world.runtime, world.name, day).done == 1
    after = told("2026-10-09-03:00")
    assert after.report.problems[0] == f"nothing has come at all since {day}-10:00"
    assert after.rows.is_empty()
    # One kind is back.
    hour = "2026-10-09-04:00"
    world.score(hour, ["heartbeat"] * 30)
    back = told(hour)
    assert back.rows.is_empty()
    assert back.report.problems == [f"1 pattern that was missing before stays away, since {day}-10:00"]
    hour = "2026-10-09-05:00"
    world.score(hour, usual(day))
    assert told(hour).report.passed
    # Stopped again, it is told again.
    assert told("2026-10-09-06:00").rows["Change"].to_list() == ["vanished"] * 2
    # What is not counted yet says nothing of who is away.
    world.part("2026-10-09-07:00")
    assert told("2026-10-09-07:00").report.passed
