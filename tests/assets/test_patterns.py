"""``pattern_catalogue`` and the check ``patterns``: what Dagster is told, and that neither stops a run."""

from types import SimpleNamespace

import dagster as dg
import polars as pl
import pytest

from s3sentinel_assets.assets import patterns
from s3sentinel_assets.assets.patterns import catalogue_key, daily_partitions, learn_at_seal, pattern_catalogue
from s3sentinel_assets.checks.patterns import check_patterns, pattern_check_specs
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.accounts import CheckReport
from s3sentinel_assets.partitions import hourly_partitions
from s3sentinel_assets.pipeline.pattern_reports import PatternReport
from s3sentinel_assets.pipeline.summary import StageSummary
from tests.stages import FakeStages, config_of, hour

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
DAY = "2026-11-20"
NO_ROWS = pl.DataFrame(
    schema={
        "Change": pl.String,
        "Pattern": pl.String,
        "Events": pl.Int64,
        "UsualEvents": pl.Float64,
        "Template": pl.String,
    }
)


class Stages(FakeStages):
    """Stages that learn days and tell reports as a test wants."""

    due: str | None = DAY
    report = PatternReport(CheckReport(passed=True, counts={"patterns": 2}, problems=[]), NO_ROWS, 0, sealed=True)

    def pattern_catalogue(self, source, day):
        self.calls.append(("catalogue", source, day))
        for name in (("catalogue", day),):
            if self.errors.get(name):
                raise self.errors[name].pop(0)
        return StageSummary(source, f"{day}-23:00", done=1, counts={"patterns": 7})

    def catalogue_due(self, _source, _hour):
        return self.due

    def pattern_report(self, _source, _hour):
        if isinstance(self.report, Exception):
            raise self.report
        return self.report


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(patterns, "RETRY_POLICY", None)


@pytest.fixture
def stages():
    return Stages()


def materialize(stages, instance, day=DAY):
    config = config_of()
    asset = pattern_catalogue(config.source("cloudtrail"), daily_partitions(config))
    return dg.materialize(
        [asset],
        partition_key=day,
        instance=instance,
        resources={"stages": stages},
        run_config=QUIET,
        raise_on_error=False,
        selection=[asset.key],
    )


def test_a_day_is_learnt(stages):
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize(stages, instance).success
        event = instance.get_latest_materialization_event(catalogue_key("cloudtrail"))
    assert event.asset_materialization.partition == DAY
    assert event.asset_materialization.metadata["patterns"].value == 7
    assert stages.calls == [("catalogue", "cloudtrail", DAY)]


def test_a_day_that_cannot_be_learnt_fails_with_its_sentence(stages):
    stages.errors[("catalogue", DAY)] = [UserError("stage file x is missing")]
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(stages, instance)
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "stage file x is missing" in failure.step_failure_data.user_failure_data.description


def test_a_day_leans_on_its_hours_and_the_day_before():
    config = config_of()
    days, hours = daily_partitions(config), hourly_partitions(config)
    asset = pattern_catalogue(config.source("cloudtrail"), days)
    mapping = asset.get_partition_mapping(dg.AssetKey(["cloudtrail", "scored_logs"]))
    upstream = mapping.get_upstream_mapped_partitions_result_for_partitions(
        days.subset_with_partition_keys(["2026-11-21"]), days, hours
    )
    assert list(upstream.partitions_subset.get_partition_keys()) == [f"2026-11-21-{n:02d}:00" for n in range(24)]


@pytest.mark.parametrize("error", [None, UserError("no"), RuntimeError("boom")])
def test_the_seal_learns_the_day_and_never_fails_for_it(stages, error):
    told, warned = [], []
    context = SimpleNamespace(log_event=told.append, log=SimpleNamespace(warning=warned.append))
    if error:
        stages.errors[("catalogue", DAY)] = [error]
    learn_at_seal(context, stages, "cloudtrail", hour(23))
    assert [event.partition for event in told] == ([] if error else [DAY])
    assert len(warned) == bool(error)
    stages.due = None
    learn_at_seal(context, stages, "cloudtrail", hour(3))
    assert len(stages.calls) == 1


def evaluate(stages):
    return list(check_patterns(stages, "cloudtrail", hour(9)))


def test_an_hour_as_usual_passes(stages):
    (evaluation,) = evaluate(stages)
    assert evaluation.passed
    assert evaluation.partition == hour(9)
    assert evaluation.description == "all 2 patterns are known and come as usual"


def test_changes_are_a_warning_with_a_table(stages):
    rows = pl.DataFrame(
        {"Change": ["new"], "Pattern": ["0a1b"], "Events": [3], "UsualEvents": [None], "Template": ["<b>x</b> <*>"]},
        schema=NO_ROWS.schema,
    )
    stages.report = PatternReport(
        CheckReport(passed=False, counts={}, problems=["1 patterns are new"]), rows, 1, sealed=True
    )
    (evaluation,) = evaluate(stages)
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert not evaluation.blocking
    assert evaluation.metadata["changes"].records[0].data == {
        "Change": "new",
        "Pattern": "0a1b",
        "Events": 3,
        "UsualEvents": "",
        "Template": "<b>x</b> <*>",
    }


def test_an_open_hour_is_not_judged(stages):
    stages.report = PatternReport(CheckReport(passed=True, counts={}, problems=[]), NO_ROWS, 0, sealed=False)
    assert evaluate(stages) == []


def test_a_report_that_cannot_be_made_says_so(stages):
    stages.report = UserError("stage file y is damaged")
    (evaluation,) = evaluate(stages)
    assert not evaluation.passed
    assert "stage file y is damaged" in evaluation.description


def test_the_check_belongs_to_the_hours_of_scored_logs():
    (spec,) = pattern_check_specs("cloudtrail", hourly_partitions(config_of()))
    assert spec.key == dg.AssetCheckKey(dg.AssetKey(["cloudtrail", "scored_logs"]), "patterns")
    assert not spec.blocking
