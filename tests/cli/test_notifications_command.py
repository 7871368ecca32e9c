"""``s3sentinel notifications``: what needs attention, and the queues."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from s3sentinel_assets.cli.notifications import app
from s3sentinel_assets.config import load_config
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.notifications import KeptNotification, keep_notifications
from s3sentinel_assets.local.aws import start_aws


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with start_aws(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def settings(tmp_path, aws):
    """A configuration whose only source has a queue, and that queue's URL."""
    url = aws.client("sqs").create_queue(QueueName="logs")["QueueUrl"]
    values = {
        "data_dir": str(tmp_path),
        "aws": {"endpoint_url": aws.url, "credentials_file": str(aws.credentials_file)},
        "sentinel": {"ingestion_endpoint": "https://x.invalid", "workspace_id": "w", "dcr_id": "d"},
        "sources": {"flows": {"bucket": "logs", "prefix": "p/", "format": "vpc_flow", "queue_url": url}},
    }
    file = tmp_path / "s3sentinel.yaml"
    file.write_text(yaml.safe_dump(values))
    return file, url


def keep(file, url, *bodies: str) -> None:
    ledger = Ledger(load_config(file).ledger_url)
    with ledger.write() as connection:
        entries = [KeptNotification(url, "m", "unknown_shape", "nobody knows it", body) for body in bodies]
        keep_notifications(connection, entries, ledger.now())
    ledger.close()


def run(file, *arguments: str):
    return CliRunner().invoke(app, [*arguments, "--config", str(file)], catch_exceptions=False)


def test_what_is_kept_is_shown_until_it_is_dropped_with_a_reason(settings):
    file, url = settings
    assert "no notification needs attention" in run(file, "list").stdout
    keep(file, url, "[red]not markup[/red]", "other")
    assert "[red]" in run(file, "list").stdout.replace("\n", "")
    (first, second) = map(json.loads, run(file, "list", "--json").stdout.splitlines())
    assert (first["reason"], first["times"], second["body"]) == ("unknown_shape", 1, "other")
    assert run(file, "drop", str(first["id"]), "--because", "a test").exit_code == 0
    assert [json.loads(line)["body"] for line in run(file, "list", "--json").stdout.splitlines()] == ["other"]
    everything = [json.loads(line) for line in run(file, "list", "--all", "--json").stdout.splitlines()]
    assert everything[0]["dropped_because"] == "a test"
    with pytest.raises(UserError, match="no open notification"):
        run(file, "drop", str(first["id"]), "--because", "again")


def test_queues_are_shown_with_what_waits_in_them(settings, aws):
    file, url = settings
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    keep(file, url, "a")
    (shown,) = map(json.loads, run(file, "queues", "--json").stdout.splitlines())
    assert shown["queue"] == url
    assert (shown["sources"], shown["waiting"], shown["kept"]) == (["flows"], 1, {"unknown_shape": 1})
    assert "flows" in run(file, "queues").stdout
