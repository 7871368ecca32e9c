"""``s3sentinel models`` on a real MLflow store in a folder."""

import json

import pytest
import yaml

from s3sentinel_assets.cli import main
from s3sentinel_assets.ml.anomaly.detector import plain_rarity
from s3sentinel_assets.pipeline.champions import registry_of
from s3sentinel_assets.pipeline.runtime import Runtime
from tests.pipeline.model_worlds import config_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A configuration file, and two registered versions that nobody judged."""
    folder = tmp_path_factory.mktemp("models-command")
    config = config_in(folder)
    values = config.model_dump(mode="json", include={"data_dir", "models_dir", "models"})
    sentinel = {"ingestion_endpoint": "https://127.0.0.1:1", "workspace_id": "w", "dcr_id": "dcr-1"}
    sources = {"trail": {"bucket": "logs", "prefix": "p/", "format": "cloudtrail"}}
    file = folder / "s3sentinel.yaml"
    file.write_text(yaml.safe_dump({**values, "sentinel": sentinel, "sources": sources}))
    runtime = Runtime(config)
    for weight in (1.0, 2.0):
        registry_of(runtime).log(plain_rarity({"new_action": weight}, "cloudtrail"), tags={"hours": "a..b"})
    runtime.close()
    return file


@pytest.fixture
def run(place, capsys, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["models", *arguments, "--config", str(place)])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


def test_list_show_promote_sync_and_roll_back(run):
    code, out, _ = run("list", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, [row["number"] for row in rows], [row["scores"] for row in rows]) == (0, [2, 1], [False, False])
    code, out, err = run("promote", "cloudtrail", "1")
    assert code == 1
    assert "the gate has not judged it" in err
    code, out, _ = run("promote", "cloudtrail", "1", "--force", "--reason", "tried on the test stage", "--json")
    assert (code, json.loads(out)["changed"]) == (0, True)
    assert [json.loads(line)["scores"] for line in run("list", "--json")[1].splitlines()] == [False, True]
    assert run("sync")[0] == 0
    code, out, _ = run("show", "cloudtrail", "1")
    assert (code, "champion" in out) == (0, True)
    code, out, _ = run("rollback", "cloudtrail", "--reason", "too loud")
    assert (code, "ships with s3sentinel" in out) == (0, True)
    assert "cloudtrail is scored by the model that ships" in run("list")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "cloudtrail", "99"), 1, "there is no version 99"),
        (("compare", "cloudtrail", "1", "2"), 1, "was never judged"),
        (("show", "syslog", "1"), 2, "no enabled source has syslog events"),
        (("train", "cloudtrail"), 1, "no hour with cloudtrail events is sealed"),
        (("rollback", "cloudtrail"), 1, "no champion before"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run, arguments, code, words):
    got, _, err = run(*arguments)
    assert (got, words in err) == (code, True), err


def test_a_rollback_without_the_registry_is_done_with_a_warning_that_shows_no_password(run, monkeypatch):
    run("promote", "cloudtrail", "2", "--force", "--reason", "tried on the test stage")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:S3cret@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, out, err = run("rollback", "cloudtrail")
    assert (code, "ships with s3sentinel from now on" in out) == (0, True)
    assert "warning: the alias champion was not moved" in err
    assert "http://127.0.0.1:1 does not answer" in err
    assert "S3cret" not in out + err
