"""Several models over the same hours: history is one for all, attacks leave no trace in it."""

import json

import polars as pl
import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.formats import ParsedFrame, PartParser
from s3sentinel_assets.formats.model import ObjectInput
from s3sentinel_assets.ml import load_model
from s3sentinel_assets.ml.anomaly.fitting import fit_ecod
from s3sentinel_assets.ml.parameters import TERMS
from s3sentinel_assets.pipeline import comparison
from s3sentinel_assets.pipeline.offline_events import HourlyEvents
from s3sentinel_assets.pipeline.offline_volumes import VolumeMeter, by_class, cost_a_day, guards_without
from s3sentinel_assets.pipeline.rehearsal import Rehearsal, days_between, transplanted, with_rates
from s3sentinel_assets.sentinel.cost import load_prices
from s3sentinel_assets.sentinel.guards import GuardFile, Guards
from tests.formats.parsing import record, trail
from tests.ml.worlds import MODELS, World, frame, hours

SPAN = hours(0, 1)[6:18]


@pytest.fixture(scope="module")
def champion():
    return load_model(MODELS, "cloudtrail")


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    world, taken = World(), HourlyEvents(tmp_path_factory.mktemp("hours"))
    for number, hour in enumerate(SPAN):
        entities = frame(world.hour(hour))
        rows = pl.DataFrame({"_object": [number] * entities.height}, schema={"_object": pl.Int64})
        taken.take(ParsedFrame("cloudtrail", "AWSCloudTrail", rows, entities))
    return taken


@pytest.fixture(scope="module")
def attacks(events):
    return transplanted(events, "cloudtrail", SPAN[8:], MODELS, habits=SPAN[:8])


def test_attacks_are_judged_and_never_learned(events, champion, attacks):
    with_them, without = Rehearsal(events, champion), Rehearsal(events, champion)
    assert with_them.learn(8) == without.learn(8) > 0
    said = with_them.judge(2, {"champion": champion}, attacks)
    calm = without.judge(2, {"champion": champion})
    assert (said.events["kind"] == "attack").sum() > 0
    assert with_them._learning.state.stored.equals(without._learning.state.stored)
    assert with_them.hours == without.hours == SPAN[10:]
    assert said.days == pytest.approx(2 / 24)
    assert calm.calm().events.equals(calm.events)
    mine = said.calm()
    assert set(mine.events["kind"]) == {"background"}
    assert mine.days < said.days
    assert mine.models["champion"].height == mine.events.height


def test_a_challenger_is_fitted_and_compared(events, champion, attacks):
    rehearsal = Rehearsal(events, champion)
    rehearsal.learn(4)
    matrix = rehearsal.training(4)
    assert {"principal", "hour", *TERMS} <= set(matrix.columns)
    models = {"champion": champion, "ECOD": champion.with_detector(fit_ecod(matrix, format="cloudtrail", days=4 / 24))}
    said = rehearsal.judge(4, models, attacks)
    assert set(said.events["hour"]) == set(SPAN[8:])
    figures = comparison.figures(said)
    assert figures["model"].to_list() == ["champion", "ECOD"]
    assert figures["incidents"].unique().to_list() == [said.events["incident"].drop_nulls().n_unique()]
    assert all(low <= value <= high for low, value, high in figures.select("low", "recall", "high").iter_rows())
    assert (figures["found_high"] <= figures["found_medium"]).all()
    techniques = comparison.technique_costs(said)
    assert techniques["champion"].is_sorted(descending=True)
    counted = comparison.agreement(said, "champion", "ECOD")
    assert counted.select(pl.sum_horizontal(pl.exclude("champion"))).sum().item() == said.calm().events.height
    moved = comparison.changes(said, "champion", "ECOD")
    assert (moved["champion"] != moved["ECOD"]).all()
    assert moved.height == (said.models["champion"]["priority"] != said.models["ECOD"]["priority"]).sum()


def test_without_attacks_there_is_no_recall(events, champion):
    rehearsal = Rehearsal(events, champion)
    said = rehearsal.judge(3, {"champion": champion})
    figures = comparison.figures(said)
    assert figures["incidents"].to_list() == [0]
    assert figures["recall"].to_list() == [None]
    assert comparison.technique_costs(said).is_empty()
    rehearsal.learn(100)
    with pytest.raises(UserError, match="no hours of events are left to judge"):
        rehearsal.judge(1, {"champion": champion})


def test_other_formats_have_no_rehearsal(events):
    with pytest.raises(UserError, match="no vpc_flow events"):
        Rehearsal(events, load_model(MODELS, "vpc_flow"))
    assert transplanted(events, "vpc_flow", SPAN, MODELS).is_empty()
    assert days_between(SPAN) == pytest.approx(0.5)


def test_rates_are_scaled_and_nothing_else(champion):
    doubled = with_rates(champion, {"hours_per_day": 2})
    for before, after in zip(champion.rules, doubled.rules, strict=True):
        assert after.hours_per_day == (before.hours_per_day and before.hours_per_day * 2)
        assert after.event_hours_per_day == before.event_hours_per_day
        assert after.priority == before.priority
    assert doubled.version != champion.version
    for wrong in ({"minutes": 2.0}, 0.0):
        with pytest.raises(UserError, match="give a factor above 0"):
            with_rates(champion, wrong)


GUARD = {"id": "x", "file": "x.yaml", "enabled": True}
WHERE = {"where": "EventName = 'DeleteTrail'", "pinned": False, "because": ""}


@pytest.fixture
def guards_file(tmp_path):
    pinning = {"where": None, "pinned": True, "because": "no condition"}
    content = {
        "version": 1,
        "rules": [
            {**GUARD, "name": "trails", "tables": {"AWSCloudTrail": WHERE}},
            {**GUARD, "name": "everything", "tables": {"AWSCloudTrail": pinning}},
        ],
    }
    file = tmp_path / "guards.json"
    file.write_text(json.dumps(content))
    return file


def measured(guards):
    """A hundred calls, four of which a rule needs, as the meter sees them; and the meter."""
    calls = [record(number, eventName="DeleteTrail" if number % 25 == 0 else "ListUsers") for number in range(100)]
    (one,) = PartParser().frames([ObjectInput(0, "trail.json", "ab" * 16, lambda: iter([trail(*calls)]))])
    meter = VolumeMeter(guards, audit_share=0)
    return pl.DataFrame(meter(one)), meter


def test_rows_that_a_rule_needs_stay_in_the_dear_table(guards_file):
    guards = guards_without(guards_file, ["everything"])
    rows, meter = measured(guards)
    assert meter.needed_by == {"trails": 4}
    assert rows["needed"].sum() == 4
    said = pl.DataFrame({"priority": ["low"] * 90 + ["high"] * 10, "score": [1.0] * 100})
    terms = {"table": "AWSCloudTrail", "cheap": ("low",), "prices": load_prices()}
    kept = cost_a_day(rows, said, 1.0, guards=guards, **terms)
    free = cost_a_day(rows, said, 1.0, guards=None, **terms)
    nothing = cost_a_day(rows, said, 1.0, guards=None, **(terms | {"cheap": ()}))
    assert [(line.table, line.rows) for line in free.lines] == [
        ("AWSCloudTrail", 10),
        ("AWSCloudTrail_Auxiliary_CL", 90),
    ]
    assert [line.rows for line in kept.lines] == [14, 86]
    assert nothing.cost > kept.cost > free.cost
    assert free.cost + free.saving == pytest.approx(nothing.cost, rel=1e-3)


def test_a_rule_that_pins_the_table_is_named_and_keeps_everything(guards_file):
    rows, meter = measured(guards_without(guards_file))
    assert meter.needed_by == {"trails": 4, "everything": 100}
    assert rows["needed"].all()
    with pytest.raises(UserError, match="guards no rule called 'nobody'"):
        guards_without(guards_file, ["nobody"])


def test_volume_by_class_adds_up():
    rows, _ = measured(Guards(GuardFile(1, [])))
    table = by_class(rows, pl.Series(["low"] * 75 + ["medium"] * 25), 0.5)
    assert table["priority"].to_list() == ["medium", "low"]
    assert table["rows_per_day"].to_list() == [50, 150]
    assert table["share"].sum() == pytest.approx(1)
    assert table["mb_per_day"].sum() == pytest.approx(rows["row_bytes"].sum() * 2 / 1e6)
