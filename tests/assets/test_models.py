"""The assets of models: when the daily look trains, what people see, and that nothing of the chain hangs on them."""

from datetime import timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from s3sentinel_assets.assets.models import model_assets, model_jobs, model_schedules
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ml.evaluation.gate import Check, GateReport
from s3sentinel_assets.pipeline import champions, judging, training
from s3sentinel_assets.pipeline.champions import Synced
from s3sentinel_assets.pipeline.judging import Judgement
from s3sentinel_assets.pipeline.training import Drift, Trained, TrainingFacts
from tests.stages import config_of

FACTS = TrainingFacts(11.0, 100, 1000, 0.2, "w", 9, 0, 0, 1, 1.1, champion_calibrated=True)
NAMES = ["anomaly_model", "model_evaluation", "champion"]


class Fake:
    """The pipeline's functions, with a record of what was called."""

    def __init__(
        self,
        monkeypatch,
        *,
        psi=0.05,
        age=timedelta(days=2),
        passed=True,
        promotion="manual",
        challenger_psi=None,
        unjudged=(),
    ):
        self.calls: list = []
        self.runtime = SimpleNamespace(config=config_of(models={"promotion": promotion}))
        self.psi, self.age, self.passed, self.challenger_psi = psi, age, passed, challenger_psi
        monkeypatch.setattr(training, "drift_of", self.drift)
        monkeypatch.setattr(training, "last_trained", lambda *_: None if self.age is None else utc_now() - self.age)
        monkeypatch.setattr(training, "train", self.train)
        monkeypatch.setattr(training, "newest_challengers", lambda *_: [{"number": 7}, {"number": 8}])
        waiting = [{"kind": "ecod", "number": n, "version": "v", "sha256": "0" * 64, "span": "a..b"} for n in unjudged]
        monkeypatch.setattr(training, "unjudged", lambda *_: waiting)
        monkeypatch.setattr(judging, "evaluate", self.evaluate)
        monkeypatch.setattr(champions, "promote", self.promote)
        monkeypatch.setattr(champions, "sync_champions", self.sync)

    def drift(self, runtime, log_format):
        if isinstance(self.psi, str):
            raise UserError(self.psi)
        learned = {} if self.challenger_psi is None else {"new_action": self.challenger_psi}
        psi = {} if self.psi is None else {"new_action": self.psi}
        return Drift(log_format, "ecod-x", "before", "now", psi, 0.2, (40, 30), "ecod-y", learned)

    def train(self, runtime, log_format):
        self.calls.append("train")
        return [Trained(log_format, 7, "ecod-y", "ecod", "0" * 64, "a..b", FACTS)]

    def evaluate(self, runtime, log_format, numbers):
        self.calls.append(("evaluate", tuple(numbers)))
        check = Check("replay", "identical", "identical", self.passed, "because")
        metrics = {"gate_passed": 1.0}
        return [Judgement(log_format, 7, "ecod-y", "ecod-x", GateReport((check,)), metrics, {}, "c..d", "run")]

    def promote(self, runtime, log_format, number, *, reason, automatic):
        assert automatic  # so that a rollback counts more
        self.calls.append(("promote", number))
        return Synced(log_format, "ecod-y", number, changed=True)

    def sync(self, runtime, formats):
        self.calls.append("sync")
        return [Synced(formats[0], "ecod-x", problem="MLflow does not answer")]

    def materialize(self, *, only_when_due: bool):
        config = {"ops": {"models__cloudtrail__anomaly_model": {"config": {"only_when_due": only_when_due}}}}
        return dg.materialize(
            model_assets("cloudtrail"), resources={"stages": self}, run_config=config, raise_on_error=False
        )


def made(result) -> list[str]:
    return [event.asset_key.path[-1] for event in result.get_asset_materialization_events()]


def test_by_hand_it_trains_judges_and_follows_the_alias(monkeypatch):
    fake = Fake(monkeypatch)
    result = fake.materialize(only_when_due=False)
    assert result.success
    assert made(result) == NAMES
    assert fake.calls == ["train", ("evaluate", (7, 8)), "sync"]
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed
    metadata = result.asset_materializations_for_node("models__cloudtrail__model_evaluation")[0].metadata
    assert metadata["gate"].records[0].data["name"] == "replay"
    assert metadata["verdict"].value == "passed"
    champion = result.asset_materializations_for_node("models__cloudtrail__champion")[0].metadata
    assert champion["problem"].value == "MLflow does not answer"


@pytest.mark.parametrize(
    ("psi", "age", "trains"),
    [
        (0.05, timedelta(days=2), False),
        (0.05, timedelta(days=6), False),
        (0.05, timedelta(days=6, hours=23), True),  # it took an hour to train: a week later is a week later
        (0.05, None, True),
        (0.5, timedelta(days=2, hours=23), True),
        (0.5, timedelta(days=2), False),  # the last three days are never trained on: it could not learn the drift
        ("too little history", None, False),
    ],
)
def test_the_daily_look_trains_what_is_old_or_has_drifted(monkeypatch, psi, age, trains):
    fake = Fake(monkeypatch, psi=psi, age=age)
    result = fake.materialize(only_when_due=True)
    assert result.success
    assert ("train" in fake.calls) is trains
    assert made(result) == (NAMES if trains else [])
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed is (psi == 0.05)


@pytest.mark.parametrize(("challenger_psi", "trains"), [(None, True), (0.3, True), (0.1, False)])
def test_what_lastingly_drifted_is_trained_until_a_challenger_has_learned_it(monkeypatch, challenger_psi, trains):
    fake = Fake(monkeypatch, psi=0.5, age=timedelta(days=4), challenger_psi=challenger_psi)
    result = fake.materialize(only_when_due=True)
    assert ("train" in fake.calls) is trains
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert ("a new model is due" in evaluation.description) is trains
    assert ("the challenger ecod-y was fitted on days like these" in evaluation.description) is not trains


def test_too_few_events_are_no_drift_and_the_check_says_so(monkeypatch):
    fake = Fake(monkeypatch, psi=None)
    (evaluation,) = fake.materialize(only_when_due=True).get_asset_check_evaluations()
    assert evaluation.passed
    assert "drift is not judged: now has 30 events, before 40" in evaluation.description
    assert fake.calls == []


def test_what_was_trained_and_never_judged_is_judged_by_the_next_look(monkeypatch):
    fake = Fake(monkeypatch, unjudged=(8,))
    result = fake.materialize(only_when_due=True)
    assert made(result) == NAMES
    assert fake.calls == [("evaluate", (7, 8)), "sync"]  # of all, or the second kind would pass for the first
    metadata = result.asset_materializations_for_node("models__cloudtrail__anomaly_model")[0].metadata
    assert [row.data["number"] for row in metadata["challengers"].records] == [8]
    assert "not in this run" in metadata["trained"].value


def test_by_hand_too_little_history_fails_with_its_sentence(monkeypatch):
    result = Fake(monkeypatch, psi="too little history").materialize(only_when_due=False)
    assert not result.success


@pytest.mark.parametrize(
    ("promotion", "passed", "promoted"),
    [("automatic", True, True), ("automatic", False, False), ("manual", True, False)],
)
def test_only_an_explicit_setting_promotes_and_never_past_the_gate(monkeypatch, promotion, passed, promoted):
    fake = Fake(monkeypatch, promotion=promotion, passed=passed)
    fake.materialize(only_when_due=False)
    assert (("promote", 7) in fake.calls) is promoted


def test_the_schedules_run_with_the_jobs_and_the_config_fits():
    formats = ["cloudtrail", "vpc_flow"]
    jobs = model_jobs(formats)
    defs = dg.Definitions(
        assets=[asset for each in formats for asset in model_assets(each)],
        jobs=list(jobs.values()),
        schedules=model_schedules(jobs, formats),
        resources={"stages": SimpleNamespace()},
        executor=dg.in_process_executor,
    )
    repository = defs.get_repository_def()
    assert {schedule.name for schedule in repository.schedule_defs} == {"models_daily", "models_hourly"}
    assert len(repository.get_job("models_train").nodes) == 6
    assert len(repository.get_job("models_sync").nodes) == 2
    due = {f"models__{each}__anomaly_model": {"config": {"only_when_due": True}} for each in formats}
    assert dg.validate_run_config(repository.get_job("models_train"), {"ops": due})
