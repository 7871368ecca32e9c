"""Models from training to champion, on a real MLflow store in a folder."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ledger.audit import decisions
from s3sentinel_assets.ledger.verdicts import Verdict, Word, record_verdicts
from s3sentinel_assets.ml.anomaly.detector import plain_rarity
from s3sentinel_assets.ml.evaluation.gate import Evidence, judge_challenger
from s3sentinel_assets.ml.parameters import TERMS
from s3sentinel_assets.ml.scoring.model import load_model
from s3sentinel_assets.pipeline import champions, judging, training, training_data
from tests.pipeline.model_worlds import History, strange_events

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Twelve days, trained and judged; making it takes a while, so the tests share copies."""
    folder = tmp_path_factory.mktemp("models")
    history = History(folder)
    history.run(12)
    made = training.train(history.runtime, "cloudtrail")
    judged = judging.evaluate(history.runtime, "cloudtrail", [one.number for one in made])
    history.runtime.close()
    return folder, made, judged


@pytest.fixture
def world(template, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(template[0], tmp_path / "w")
    history = History(tmp_path / "w")
    yield history
    history.runtime.close()


@pytest.fixture
def runtime(world):
    return world.runtime


def scored_by(runtime) -> str:
    return load_model(runtime.config.models_dir, "cloudtrail", champions.champions_dir(runtime.config)).detector.version


def artifact(runtime, number: int, name: str) -> Path:
    """The file of a version in the store."""
    registry = champions.registry_of(runtime)
    source = registry.tracking.client.get_model_version("s3sentinel-cloudtrail", str(number)).source
    model = registry.tracking.client.get_logged_model(source.removeprefix("models:/"))
    return Path(model.artifact_location.removeprefix("file://")) / "artifacts" / name


def test_training_registers_each_kind_and_the_evaluations_have_the_same_metrics(template, runtime):
    _, made, judged = template
    assert [one.kind for one in made] == ["ecod", "rarity"]
    versions = {version.number: version for version in champions.registry_of(runtime).versions("cloudtrail")}
    assert set(versions[1].aliases) == {"challenger", "challenger-ecod"}
    assert versions[1].tags["kind"] == "ecod"
    assert versions[1].tags["sources"] == "trail"
    assert versions[1].tags["hours"] == made[0].span
    assert judged[0].report.passed, judged[0].report.refusals
    assert versions[1].tags["gate"] == "passed"
    shared = {"incident_recall_at_20_hours", "benign_volume_at_medium", "events_judged"}
    assert shared <= set(judged[0].metrics) & set(judged[0].champion_metrics)
    client = champions.tracking_of(runtime).client
    experiment = client.get_experiment_by_name("evaluation").experiment_id
    roles = [run.data.tags["role"] for run in client.search_runs([experiment])]
    assert sorted(roles) == ["challenger", "challenger", "champion"]
    assert "per_technique.json" in [file.path for file in client.list_artifacts(judged[0].run_id)]


def test_training_twice_on_the_same_days_gives_the_same_model(template, runtime):
    again = training.fit_models(runtime, training.collect(runtime, span(runtime)))
    assert [fitted.detector.version for fitted in again] == [one.version for one in template[1]]


def span(runtime):
    settings = runtime.config.models
    days = settings.train_days - settings.evaluate_days
    return training_data.span_of(runtime, "cloudtrail", days=days, skip_days=settings.evaluate_days)


def test_a_promoted_version_scores_and_is_on_record(template, runtime):
    shipped = scored_by(runtime)
    assert runtime.model("cloudtrail").detector.version == shipped
    assert [result.champion for result in champions.sync_champions(runtime)] == [None]  # no alias yet
    result = champions.promote(runtime, "cloudtrail", 1, reason="better")
    assert (result.champion, result.changed) == (template[1][0].version, True)
    assert scored_by(runtime) == template[1][0].version != shipped
    # A process that goes on for long takes it over as well.
    assert runtime.model("cloudtrail").detector.version == template[1][0].version
    assert not champions.sync_champions(runtime)[0].changed
    with runtime.ledger.read() as connection:
        last = decisions(connection)[-1]
    assert (last.action, last.reason, last.detail["number"]) == ("models champion", "better", 1)


def test_an_alias_moved_by_hand_is_followed(template, runtime):
    champions.registry_of(runtime).set_alias("cloudtrail", "champion", 1)
    assert champions.sync_champions(runtime)[0].changed
    assert scored_by(runtime) == template[1][0].version


def test_rollback_goes_back_one_champion_at_a_time(template, runtime):
    shipped, (first, second) = scored_by(runtime), template[1]
    champions.promote(runtime, "cloudtrail", 1)
    champions.promote(runtime, "cloudtrail", 2, force=True, reason="for the test")
    assert scored_by(runtime) == second.version
    assert champions.rollback(runtime, "cloudtrail").champion == first.version
    assert scored_by(runtime) == first.version
    assert champions.rollback(runtime, "cloudtrail").champion is None
    assert scored_by(runtime) == shipped
    assert champions.sync_champions(runtime)[0].champion is None
    with pytest.raises(UserError, match="no champion before"):
        champions.rollback(runtime, "cloudtrail")


def test_what_the_gate_never_judged_is_not_followed_and_takes_force_and_a_reason(runtime):
    champions.promote(runtime, "cloudtrail", 1)
    before, registry = scored_by(runtime), champions.registry_of(runtime)
    stranger, _ = registry.log(plain_rarity({"new_action": 9.0}, "cloudtrail"), tags={})
    registry.set_alias("cloudtrail", "champion", stranger.number)
    result = champions.sync_champions(runtime)[0]
    assert "the gate has not judged it" in result.problem
    assert (scored_by(runtime), result.champion) == (before, before)
    with pytest.raises(UserError, match="not judged"):
        champions.promote(runtime, "cloudtrail", stranger.number)
    with pytest.raises(UserError, match="--reason"):
        champions.promote(runtime, "cloudtrail", stranger.number, force=True)
    with pytest.raises(UserError, match="not trained here"):
        judging.evaluate(runtime, "cloudtrail", [stranger.number])
    champions.promote(runtime, "cloudtrail", stranger.number, force=True, reason="comes from the test stage")
    assert scored_by(runtime) == stranger.version
    with runtime.ledger.read() as connection:
        admitted = [row for row in decisions(connection) if row.action == "models promote"]
    assert [row.reason for row in admitted] == ["comes from the test stage"]


@pytest.mark.parametrize("what", ["damaged", "replaced", "huge"])
def test_a_version_that_was_changed_in_the_registry_is_refused(runtime, tmp_path, what):
    champions.promote(runtime, "cloudtrail", 1)
    before, registry = scored_by(runtime), champions.registry_of(runtime)
    with registry.fetched(registry.version("cloudtrail", 2)) as (detector, _, _):
        mine = replace(detector, weights={**detector.weights, "new_action": 0.0})
    version, digest = registry.log(mine, tags={})
    with runtime.ledger.write() as connection:
        detail = {"sha256": digest, "passed": True}
        target = f"s3sentinel-cloudtrail {version.number} ({version.version})"
        decision = champions.Decision(principal="test", action="models gate", target=target, detail=detail)
        champions.record_decision(connection, decision, runtime.ledger.now())
    if what == "damaged":
        file = artifact(runtime, version.number, "model.json")
        file.write_text(file.read_text().replace('"new_action": 0.0', '"new_action": 0.5'))
    elif what == "replaced":  # whole and consistent, only not what was judged
        plain_rarity({"new_action": 7.0}, "cloudtrail").save(artifact(runtime, version.number, "model.json").parent)
    else:
        artifact(runtime, version.number, "tables.npz").write_bytes(b"0" * (17 << 20))
    registry.set_alias("cloudtrail", "champion", version.number)
    result = champions.sync_champions(runtime)[0]
    words = {"damaged": "but the files make", "replaced": "has not judged it", "huge": "no model is that large"}
    assert words[what] in result.problem
    assert scored_by(runtime) == before


def test_a_damaged_folder_of_champions_is_mended_by_the_next_sync(runtime):
    version = champions.promote(runtime, "cloudtrail", 1).champion
    folder = champions.champions_dir(runtime.config)
    (folder / version / "tables.npz").write_bytes(b"x")
    (folder / "champions.json").write_text("{")
    assert champions.sync_champions(runtime)[0].changed
    assert scored_by(runtime) == version


def test_without_the_server_the_champion_goes_on_and_the_sentence_says_so(runtime, tmp_path):
    version = champions.promote(runtime, "cloudtrail", 1).champion
    away = History(runtime.config.data_dir.parent, tracking_uri="http://127.0.0.1:1", timeout_seconds=1)
    result = champions.sync_champions(away.runtime)[0]
    assert "http://127.0.0.1:1 does not answer" in result.problem
    assert result.champion == version == scored_by(away.runtime)
    with pytest.raises(UserError, match="does not answer"):
        training.train(away.runtime, "cloudtrail")
    away.runtime.close()


def test_scoring_with_a_champion_never_loads_mlflow(runtime):
    champions.promote(runtime, "cloudtrail", 1)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from s3sentinel_assets.pipeline import scoring\nfrom s3sentinel_assets.ml.scoring.model import load_model\n"
        f"load_model(Path({str(runtime.config.models_dir)!r}), 'cloudtrail', "
        f"Path({str(champions.champions_dir(runtime.config))!r}))\n"
        "print(sorted({'mlflow', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tracking_store_comes_from_the_configuration_then_the_environment(runtime, monkeypatch):
    own = runtime.config.data_dir / "mlflow" / "mlflow.db"
    assert champions.tracking_of(runtime).uri == f"sqlite:///{own}"
    champions.registry_of(runtime).versions("cloudtrail")
    assert "MLFLOW_TRACKING_URI" not in os.environ  # MLflow would have left it there for the next
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:5000")
    assert champions.tracking_of(runtime).uri == "http://ann:secret@127.0.0.1:5000"
    assert champions.tracking_of(runtime).shown == "http://127.0.0.1:5000"


def test_urgent_events_and_attacks_are_left_out_and_cleared_ones_are_not(world):
    hour = shift_hour("2026-11-14-00:00", 9)
    rows = [world.world.call(hour, minute, "user1", "svc1:Describe1") for minute in range(6)]
    from tests.ml.worlds import frame

    batch = frame(rows)
    world.add_hour(hour, batch, urgent=pl.Series([True, True, False, False, False, False]))
    ids = batch["event_id"].to_list()
    who = {"principal": batch["principal"][0], "source": "trail", "hour": hour}
    words = [(ids[1], Word.BENIGN), (ids[2], Word.ATTACK), (ids[3], Word.ATTACK), (ids[3], Word.UNSURE)]
    with world.runtime.ledger.write() as connection:
        given = [
            Verdict(at=place, given_by="ann", verdict=word, event_id=event) for place, (event, word) in enumerate(words)
        ]
        record_verdicts(connection, given)
    read = list(training_data.read_parts(world.runtime, training_data.Span("cloudtrail", hour, hour, ("trail",))))
    assert read[0].benign.to_list() == [False, True, False, True, True, True]
    with world.runtime.ledger.write() as connection:
        record_verdicts(connection, [Verdict(at=9, given_by="ann", verdict=Word.ATTACK, **who)])
    (part,) = training_data.read_parts(world.runtime, training_data.Span("cloudtrail", hour, hour, ("trail",)))
    assert not part.benign.any()


def test_a_model_with_attacks_left_in_is_refused(world):
    champions.promote(world.runtime, "cloudtrail", 1)
    world.runtime.close()
    poisoned = History(world.runtime.config.data_dir.parent)  # a new process reads the new champion
    poisoned.world = world.world
    poisoned._state = _newest_state(poisoned.runtime)

    def attack(hour):
        day = int(hour[8:10])
        users = [f"user{(day + more) % 8}" for more in (0, 3, 5)] if hour[11:13] == "09" else []
        return [event for user in users for event in strange_events(poisoned.world, hour, user)]

    poisoned.run(9, first_day=12, add=attack, scored=False)
    made = training.train(poisoned.runtime, "cloudtrail")
    (judged,) = judging.evaluate(poisoned.runtime, "cloudtrail", [made[0].number])
    assert not judged.report.passed
    assert any("attacks may have been left in" in why for why in judged.report.refusals), judged.report.refusals
    with pytest.raises(UserError, match=r"the gate refused it: .*attacks may have been left in"):
        champions.promote(poisoned.runtime, "cloudtrail", made[0].number)
    poisoned.runtime.close()


def _newest_state(runtime):
    from s3sentinel_assets.ledger.states import newest_state
    from s3sentinel_assets.pipeline.histories import read_history

    with runtime.ledger.read() as connection:
        sealed = newest_state(connection, "trail", "9999")
    return read_history(runtime.ledger, runtime.store, sealed).states["cloudtrail"]


def test_a_verdict_after_the_training_refuses_what_was_fitted_on_it(template, runtime):
    first_hour = span(runtime).first
    with runtime.ledger.write() as connection:
        word = Verdict(at=runtime.ledger.now(), given_by="ann", verdict=Word.ATTACK, principal="x", hour=first_hour)
        record_verdicts(connection, [word])
    (judged,) = judging.evaluate(runtime, "cloudtrail", [1])
    assert [check.name for check in judged.report.checks if not check.passed] == ["attacks left in"]


def test_a_weak_model_is_refused_because_incidents_are_lost(runtime):
    events = training.collect(runtime, span(runtime))
    fitted = training.fit_models(runtime, events)[0]
    tables = {"unusual_hour": fitted.detector.tables["unusual_hour"]}  # blind to all the rest
    weak = replace(fitted, detector=replace(fitted.detector, tables=tables))
    made = training._register(runtime, events, weak, first=False)
    (judged,) = judging.evaluate(runtime, "cloudtrail", [made.number])
    assert any("points are lost" in why for why in judged.report.refusals), judged.report.rows()


@pytest.mark.parametrize("only", ["worker", "nothing"])
def test_degenerate_training_events_are_refused(runtime, only):
    events = training.collect(runtime, span(runtime))
    if only == "worker":
        matrix = events.matrix.filter(pl.col("principal").str.contains("worker"))
        words = "a model of one principal says nothing about the others"
    else:
        matrix = events.matrix.with_columns(pl.lit(0.0).alias(term) for term in TERMS)
        words = "the training events are degenerate"
    facts = training.fit_models(runtime, replace(events, matrix=matrix))[0].facts
    fields = {name: getattr(facts, name) for name in training.TrainingFacts.__dataclass_fields__}
    assert any(words in why for why in judge_challenger(Evidence(**fields)).refusals)


def test_everything_left_in_is_counted(world):
    hour = "2026-11-14-09:00"
    rows = strange_events(world.world, hour, "user1")
    from tests.ml.worlds import frame

    world.add_hour(hour, frame(rows), urgent=pl.Series([True] * len(rows)))
    events = training.collect(world.runtime, training_data.Span("cloudtrail", "2026-11-12-00:00", hour, ("trail",)))
    assert training.fit_models(world.runtime, events)[0].facts.urgent_left_in == 0
    assert training.fit_models(world.runtime, events, everything=True)[0].facts.urgent_left_in == len(rows)


def test_thinning_keeps_whole_principal_hours_and_the_same_ones(runtime):
    every = 3
    whole = training.collect(runtime, span(runtime)).matrix
    parts = training_data.read_parts(runtime, span(runtime))
    thin = pl.concat([matrix for _, matrix in training_data.matrices(runtime, parts, every=every)])
    kept = thin.select("principal", "hour").unique()
    assert whole.join(kept, on=["principal", "hour"], how="semi").height == thin.height < whole.height


def test_drift_is_told_against_the_champions_own_training_days(world):
    before = training.drift_of(world.runtime, "cloudtrail")
    assert before.since.startswith("the days before")
    champions.promote(world.runtime, "cloudtrail", 1)
    world.runtime.close()
    later = History(world.runtime.config.data_dir.parent)
    later.world, later._state = world.world, _newest_state(later.runtime)
    later.run(2, first_day=12, add=lambda hour: strange_events(later.world, hour, "user1", 60))
    drift = training.drift_of(later.runtime, "cloudtrail")
    assert drift.champion in drift.since
    assert drift.drifted, drift.psi
    assert "a new model is due" in drift.sentence
    later.runtime.close()


def test_references_lie_beside_and_are_optional(template, runtime):
    version = template[1][0].version
    kept = training.reference_of(runtime, version)
    assert kept is not None and kept[0].events > 0
    file = runtime.config.data_dir / "references" / f"{version}.json"
    file.write_text(json.dumps({"counts": 1}))
    assert training.reference_of(runtime, version) is None


def test_a_verdict_given_before_the_training_and_read_after_it_refuses_what_was_fitted_on_it(template, runtime):
    first_hour = span(runtime).first
    with runtime.ledger.write() as connection:  # an incident that was closed long ago, read by the next sweep
        word = Verdict(at=1, given_by="ann", verdict=Word.ATTACK, principal="x", hour=first_hour, source="trail")
        record_verdicts(connection, [word])
    (judged,) = judging.evaluate(runtime, "cloudtrail", [1])
    assert [check.name for check in judged.report.checks if not check.passed] == ["attacks left in"]
