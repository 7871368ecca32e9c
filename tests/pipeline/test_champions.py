"""Champions: rollback is one command whatever the registry does, and what was rolled back from does not come back."""

import shutil
from pathlib import Path

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.audit import Decision, record_decision
from s3sentinel_assets.ledger.model_records import JUDGED, model_target
from s3sentinel_assets.ml.anomaly.detector import plain_rarity
from s3sentinel_assets.ml.scoring.model import load_model
from s3sentinel_assets.pipeline import champions
from s3sentinel_assets.pipeline.champion_records import Change, before, rolled_back_from, why_not_by_itself
from s3sentinel_assets.pipeline.runtime import Runtime
from tests.pipeline.model_worlds import config_in

pytestmark = pytest.mark.slow

TRAIL, FLOWS = "cloudtrail", "vpc_flow"
DAY = 86_400_000_000


class Models:
    """Versions 1 to 3 of a log family, and a runtime over the ledger that let them in.

    Attributes:
        names: the versions, in order.
        runtime: with the registry.
        away: the same ledger and files, and no registry.
    """

    def __init__(self, folder: Path) -> None:
        self.runtime = Runtime(config_in(folder))
        self.away = Runtime(config_in(folder, tracking_uri="http://127.0.0.1:1", timeout_seconds=1))
        self.registry = champions.registry_of(self.runtime)

    def close(self) -> None:
        self.runtime.close()
        self.away.close()

    def log(self, log_format: str, weight: float) -> None:
        made, digest = self.registry.log(plain_rarity({"new_action": weight}, log_format), tags={})
        self.judge(log_format, made.number, made.version, digest, passed=True)

    def judge(self, log_format: str, number: int, version: str, digest: str, *, passed: bool) -> None:
        detail = {"sha256": digest, "passed": passed, "refusals": [] if passed else ["score stability"]}
        target = model_target(log_format, number, version)
        with self.runtime.ledger.write() as connection:
            decision = Decision(principal="gate", action=JUDGED, target=target, detail=detail)
            record_decision(connection, decision, self.runtime.ledger.now())

    def judge_again(self, number: int, *, passed: bool) -> None:
        version = self.registry.version(TRAIL, number)
        self.judge(TRAIL, number, version.version, version.tags["sha256"], passed=passed)

    @property
    def names(self) -> list[str]:
        return [each.version for each in reversed(self.registry.versions(TRAIL))]

    @property
    def scores(self) -> int | None:
        """The number of the version that scores; None: the shipped model."""
        config = self.runtime.config
        version = load_model(config.models_dir, TRAIL, champions.champions_dir(config)).detector.version
        return self.names.index(version) + 1 if version in self.names else None

    @property
    def alias(self) -> int | None:
        found = self.registry.with_alias(TRAIL, "champion")
        return found.number if found else None

    def local(self, number: int) -> Path:
        return champions.champions_dir(self.runtime.config) / self.names[number - 1]

    def promote(self, *numbers: int) -> None:
        for number in numbers:
            champions.promote(self.runtime, TRAIL, number)

    def sync(self):
        return champions.sync_champions(self.runtime, [TRAIL])[0]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("champions")
    models = Models(folder)
    for weight in (1.0, 2.0, 3.0):
        models.log(TRAIL, weight)
    models.log(FLOWS, 1.0)
    models.close()
    return folder


@pytest.fixture
def models(template, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    shutil.copytree(template, tmp_path / "w")
    made = Models(tmp_path / "w")
    yield made
    made.close()


def test_a_rollback_goes_to_a_champion_that_the_gate_refuses_by_now(models):
    models.promote(1, 2)
    models.judge_again(1, passed=False)
    result = champions.rollback(models.runtime, TRAIL)
    assert (result.number, result.problem, result.warning) == (1, "", "")
    assert (models.scores, models.alias) == (1, 1)
    assert (models.sync().problem, models.scores) == ("", 1)
    (models.local(1) / "tables.npz").write_bytes(b"x")
    assert (models.sync().changed, models.scores) == (True, 1)  # mended, though promoting it anew would take force


def test_without_the_registry_a_rollback_is_done_and_its_alias_is_not_followed_back(models):
    models.promote(1, 2)
    result = champions.rollback(models.away, TRAIL, reason="too loud")
    assert (result.number, result.changed, models.scores) == (1, True, 1)
    assert "does not answer" in result.warning
    assert "models promote cloudtrail 1" in result.warning
    assert models.alias == 2
    synced = models.sync()
    assert (synced.changed, models.scores) == (False, 1)
    assert "was rolled back from" in synced.problem
    models.promote(1)  # what the warning says
    assert (models.alias, models.scores, models.sync().problem) == (1, 1, "")


def test_what_was_rolled_back_from_scores_again_once_it_is_promoted_anew(models):
    models.promote(1, 2)
    champions.rollback(models.away, TRAIL)
    models.promote(2)
    assert models.scores == 2
    shutil.rmtree(models.local(2))
    assert (models.sync().changed, models.scores) == (True, 2)


def test_a_rollback_to_the_shipped_model_needs_no_registry_and_lasts(models):
    models.promote(1)
    (champions.champions_dir(models.runtime.config) / "champions.json").write_text("{")  # nor a whole file
    result = champions.rollback(models.away, TRAIL)
    assert (result.champion, result.previous, models.scores) == (None, models.names[0], None)
    assert "take it away in MLflow" in result.warning
    assert (models.alias, "was rolled back from" in models.sync().problem, models.scores) == (1, True, None)
    with pytest.raises(UserError, match="no champion before"):
        champions.rollback(models.away, TRAIL)


def test_a_rollback_fetches_files_that_are_damaged_and_only_the_very_ones(models):
    models.promote(1, 2)
    file = models.local(1) / "model.json"
    file.write_text("{")
    with pytest.raises(UserError, match=r"goes on: .* is missing or damaged, and MLflow at .* does not answer"):
        champions.rollback(models.away, TRAIL)
    assert (models.scores, models.alias) == (2, 2)
    assert champions.rollback(models.runtime, TRAIL).number == 1
    assert models.scores == 1


def test_files_that_are_no_longer_those_of_the_champion_are_not_gone_back_to(models):
    models.promote(1, 2)
    shutil.rmtree(models.local(1))
    stored = stored_file(models, TRAIL, 1, "model.json")
    whole = stored.read_bytes()
    try:
        stored.write_bytes(whole + b" ")  # the same model in other bytes, which nobody let in
        with pytest.raises(UserError, match="has other files than when it was champion"):
            champions.rollback(models.runtime, TRAIL)
    finally:
        stored.write_bytes(whole)
    assert (models.scores, models.alias) == (2, 2)


def stored_file(models, log_format: str, number: int, name: str) -> Path:
    client = models.registry.tracking.client
    source = client.get_model_version(f"s3sentinel-{log_format}", str(number)).source
    model = client.get_logged_model(source.removeprefix("models:/"))
    return Path(model.artifact_location.removeprefix("file://")) / "artifacts" / name


def test_nothing_is_promoted_by_itself_against_a_rollback(models, monkeypatch):
    models.promote(1, 2)
    champions.rollback(models.runtime, TRAIL)
    same = champions.promote(models.runtime, TRAIL, 2, automatic=True)
    twin = champions.promote(models.runtime, TRAIL, 3, automatic=True)
    assert ("was rolled back from" in same.problem, "models.retrain_days" in twin.problem) == (True, True)
    assert (models.scores, models.alias) == (1, 1)
    later = models.runtime.ledger.now() + models.runtime.config.models.retrain_days * DAY
    monkeypatch.setattr(models.runtime.ledger, "now", lambda: later)
    assert not champions.promote(models.runtime, TRAIL, 2, automatic=True).changed
    assert (models.scores, models.alias) == (1, 1)
    assert champions.promote(models.runtime, TRAIL, 3, automatic=True).changed
    assert (models.scores, models.alias) == (3, 3)


def test_a_hostile_version_of_one_log_family_keeps_no_other_waiting(models):
    models.promote(1)
    stored = stored_file(models, TRAIL, 2, "model.json")
    whole = stored.read_bytes()
    for log_format, number in ((TRAIL, 2), (FLOWS, 1)):
        models.registry.set_alias(log_format, "champion", number)
    try:
        stored.write_text("[" * 200_000)
        trail, flows = champions.sync_champions(models.runtime, [TRAIL, FLOWS])
    finally:
        stored.write_bytes(whole)
    assert "beyond what a model has" in trail.problem
    assert models.scores == 1
    assert (flows.problem, flows.changed) == ("", True)


def made(*steps: tuple[str | None, str | None] | str) -> list[Change]:
    """Changes from names that were promoted, and (from, to) of rollbacks."""
    changes, present = [], None
    for at, step in enumerate(steps):
        back = isinstance(step, tuple)
        version = step[1] if back else step
        changes.append(Change(version, at, version or "", step[0] if back else present, back, at * DAY))
        present = version
    return changes


@pytest.mark.parametrize(
    ("steps", "present", "expected"),
    [
        (("a", "b", "c"), "c", ["a", "b"]),
        (("a", "b", ("b", "a")), "a", []),
        (("a", "b", "c", ("c", "b")), "b", ["a"]),
        (("a", "b", ("b", "a"), "c"), "c", ["a"]),
        (("a", "b", "a", ("a", "b")), "b", []),  # never to what was rolled back from
        (("x", "a", "b", "a", ("a", "b"), ("b", "x")), "x", []),
        (("x", "a", "b", "a", ("a", "b")), "b", ["x"]),
        (("a", ("a", None), "b"), "b", []),
        (("a", ("a", None), "a", "b"), "b", ["a"]),  # promoted anew
        (("a", "b"), "c", ["a", "b"]),  # named, and never recorded
        (("a", ("c", "a")), "a", []),
    ],
)
def test_one_goes_back_one_champion_at_a_time(steps, present, expected):
    assert [change.version for change in before(made(*steps), present)] == expected


def test_a_version_is_rolled_back_from_until_it_is_champion_again():
    assert rolled_back_from(made("a", "b", ("b", "a"))) == {"b"}
    assert rolled_back_from(made("a", "b", ("b", "a"), "b")) == set()


def test_what_speaks_against_promoting_by_itself():
    changes = made("a", "b", ("b", "a"), "b", "c")
    assert why_not_by_itself(made("a", "b"), "c", 9 * DAY, 7) == ""
    assert "b was rolled back from" in why_not_by_itself(changes, "b", 99 * DAY, 7)
    assert "retrain_days" in why_not_by_itself(changes, "d", 2 * DAY + 7 * DAY - 1, 7)
    assert why_not_by_itself(changes, "d", 2 * DAY + 7 * DAY, 7) == ""
