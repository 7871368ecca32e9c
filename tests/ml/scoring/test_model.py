"""Which files make up a model, which champion scores, and that every change shows in the version."""

import json
import shutil
from pathlib import Path

import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.anomaly.detector import plain_rarity
from s3sentinel_assets.ml.parameters import Parameters
from s3sentinel_assets.ml.scoring.model import champion_folder, load_model, load_weights
from tests.ml.worlds import MODELS


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the folder that ships."""
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_champion_scores_cloudtrail(models):
    model = load_model(models, "cloudtrail")
    assert model.version == load_model(MODELS, "cloudtrail").version
    assert (model.detector.kind, model.detector.calibrated) == ("ecod", True)
    assert model.version.startswith("ecod-cloudtrail-")
    assert model.sensitivity.rules
    assert not load_model(models, "vpc_flow").sensitivity.rules, "these rules name CloudTrail actions"


def test_without_a_champion_the_rarity_sum_scores(models):
    (models / "champions.json").unlink()
    model = load_model(models, "cloudtrail")
    assert (model.detector.kind, model.detector.calibrated) == ("rarity", False)
    changed(models / "rarity_cloudtrail.json", '"new_action": 1.0', '"new_action": 1.5')
    assert load_model(models, "cloudtrail").version != model.version


def test_a_promoted_champion_wins_over_the_shipped_one(models, tmp_path):
    champions = tmp_path / "champions"
    assert load_model(models, "cloudtrail", champions).detector.kind == "ecod"
    plain_rarity(load_weights(models, "cloudtrail")[1], "cloudtrail").save(champions / "promoted-7")
    (champions / "champions.json").write_text('{"cloudtrail": "promoted-7"}')
    assert load_model(models, "cloudtrail", champions).detector.kind == "rarity"
    assert champion_folder(models, "cloudtrail", champions) == champions / "promoted-7"
    assert champion_folder(models, "vpc_flow", champions) == champion_folder(models, "vpc_flow")
    # The same detector by another way is the same model.
    model = load_model(models, "cloudtrail")
    assert model.with_detector(load_model(models, "cloudtrail", champions).detector).version == (
        load_model(models, "cloudtrail", champions).version
    )
    with pytest.raises(ValueError, match="vpc_flow"):
        model.with_detector(plain_rarity({}, "vpc_flow"))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("rarity_cloudtrail.json", '"half_life_hours": 336', '"half_life_hours": 337'),
        ("priority.json", '"hours_per_day": ', '"hours_per_day": 1'),
        ("sensitivity.json", '"level": 2', '"level": 1'),
    ],
)
def test_every_change_makes_another_version(models, file, old, new):
    before = load_model(models, "cloudtrail").version
    changed(models / file, old, new)
    assert load_model(models, "cloudtrail").version != before


def test_numbers_of_other_families_are_no_part_of_the_version_until_a_file_changes_them(models):
    before = load_model(models, "cloudtrail").version
    file = models / "rarity_cloudtrail.json"
    right = json.loads(file.read_text(encoding="utf-8"))
    for value, same in ((Parameters.model_fields["fan_out_prior"].default, True), (99, False)):
        named = right | {"parameters": right["parameters"] | {"fan_out_prior": value}}
        file.write_text(json.dumps(named), encoding="utf-8")
        assert (load_model(models, "cloudtrail").version == before) is same


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("rarity_cloudtrail.json", None, "rarity_cloudtrail.json"),
        ("rarity_cloudtrail.json", '{"parameters"', "valid JSON"),
        ("priority.json", None, "priority.json"),
        ("sensitivity.json", None, "sensitivity.json"),
        ("champions.json", "[]", "must map"),
        ("champions.json", "{", "valid JSON"),
        ("champions.json", '{"cloudtrail": "../elsewhere"}', "name of a folder"),
        ("champions.json", '{"cloudtrail": "gone"}', "cannot be read"),
    ],
)
def test_missing_and_damaged_files_are_named(models, file, text, says):
    if text is None:
        (models / file).unlink()
    else:
        (models / file).write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        load_model(models, "cloudtrail")


def test_wrong_values_are_named(models):
    file = models / "rarity_cloudtrail.json"
    right = json.loads(file.read_text(encoding="utf-8"))
    for part, change, says in (
        ("weights", {"new_actoin": 1.0}, "new_actoin"),
        ("weights", {"new_action": -1.0}, "between 0 and 100"),
        ("parameters", {"half_life_hours": 0}, "half_life_hours"),
    ):
        file.write_text(json.dumps(right | {part: right[part] | change}), encoding="utf-8")
        with pytest.raises(ConfigurationError, match=says):
            load_model(models, "cloudtrail")
    with pytest.raises(ConfigurationError, match="nonesuch"):
        load_model(models, "nonesuch")


def test_a_champion_of_another_format_is_refused(models):
    shutil.copytree(models / "ecod_cloudtrail", models / "other")
    (models / "champions.json").write_text('{"vpc_flow": "other"}')
    with pytest.raises(ConfigurationError, match="is a model of cloudtrail events"):
        load_model(models, "vpc_flow")
