"""Logging a model to a store that is not to be trusted: its code is never run, its files are compared."""

import json
from pathlib import Path

import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ml.anomaly.detector import plain_rarity
from s3sentinel_assets.ml.registry.tracking import Tracking
from s3sentinel_assets.ml.registry.versions import Registry

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Making the database takes seconds; the tests use log families of their own."""
    return Registry(Tracking(f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"))


@pytest.fixture
def tampering(monkeypatch):
    """Whatever is uploaded is changed on the side of the store."""

    def use(change):
        upload = LocalArtifactRepository.log_artifacts

        def changed(self, local_dir, artifact_path=None):
            upload(self, local_dir, artifact_path)
            for file in Path(self.artifact_dir).rglob("*"):
                change(file)

        monkeypatch.setattr(LocalArtifactRepository, "log_artifacts", changed)

    return use


def test_code_that_lies_in_the_store_is_never_run(store, tampering, tmp_path):
    proof = tmp_path / "ran"
    changed = []

    def plant(file):
        if file.name == "pyfunc_model.py":
            file.write_text(f"open({str(proof)!r}, 'w').close()\n" + file.read_text())
            changed.append(file)

    tampering(plant)
    version, digest = store.log(plain_rarity({"new_action": 1.0}, "cloudtrail"), tags={})
    assert changed  # the store did hold it
    with store.fetched(version) as (_, fetched, _):
        assert fetched == digest
    assert not proof.exists()


def test_files_that_come_back_otherwise_are_not_registered(store, tampering):
    def weaken(file):
        if file.name == "model.json":
            file.write_text(json.dumps({**json.loads(file.read_text()), "weights": {}}))

    tampering(weaken)
    with pytest.raises(UserError, match=r"gives back other files of rarity-vpc_flow-\w+ than it was given"):
        store.log(plain_rarity({"new_action": 1.0}, "vpc_flow"), tags={})
    assert store.versions("vpc_flow") == []


def test_a_model_that_mlflow_would_load_wrongly_is_not_registered(store, monkeypatch, tmp_path):
    from s3sentinel_assets.ml.registry import versions

    code = versions._CODE.read_text().replace("raw = self.detector.raw(matrix)", "raw = self.detector.raw(matrix) + 1")
    (tmp_path / "pyfunc_model.py").write_text(code)
    monkeypatch.setattr(versions, "_CODE", tmp_path / "pyfunc_model.py")
    with pytest.raises(UserError, match="scores otherwise as MLflow would load it"):
        store.log(plain_rarity({"new_action": 1.0}, "waf"), tags={})
    assert store.versions("waf") == []
