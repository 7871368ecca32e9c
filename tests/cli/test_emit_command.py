"""``s3sentinel emit`` as a user runs it: what it writes, how it is bounded, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from s3sentinel_assets import cli
from s3sentinel_assets.cli import emit as emit_command
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import LocalAws, start_aws

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "s3sentinel_assets.cli", "emit"]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with start_aws(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def config_file(aws: LocalAws, tmp_path: Path) -> Path:
    values = yaml.safe_load((REPOSITORY / "s3sentinel.yaml").read_text())
    values["aws"] |= {"endpoint_url": aws.url, "credentials_file": str(aws.credentials_file)}
    values["sources"]["cloudtrail"] |= {"bucket": f"trail-{tmp_path.name.replace('_', '-')}"[:60].rstrip("-")}
    values["sources"]["vpc_flow"] |= {"bucket": f"flows-{tmp_path.name.replace('_', '-')}"[:60].rstrip("-")}
    file = tmp_path / "s3sentinel.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def bucket(config_file: Path, source: str) -> str:
    return yaml.safe_load(config_file.read_text())["sources"][source]["bucket"]


def keys(aws: LocalAws, name: str) -> list[str]:
    return [entry["Key"] for entry in aws.client().list_objects_v2(Bucket=name).get("Contents", [])]


def emit(config_file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, "--config", str(config_file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_writes_for_every_source_until_the_number_is_reached(aws: LocalAws, config_file: Path) -> None:
    done = emit(config_file, "--rate", "50", "--every", "0.2", "--events", "45", "--attack", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["events"] == 45
    assert set(report["by_source"]) == {"cloudtrail", "vpc_flow"}
    assert sum(report["by_source"].values()) == 45
    assert report["attack_events"] > 0
    written = [*keys(aws, bucket(config_file, "cloudtrail")), *keys(aws, bucket(config_file, "vpc_flow"))]
    assert len(written) == report["objects"]
    # Not at a terminal: a line for each object.
    assert all(any(line.endswith(f"/{key}") for line in done.stdout.splitlines()) for key in written)


def test_a_time_bounds_it_and_a_source_can_be_chosen(aws: LocalAws, config_file: Path) -> None:
    done = emit(config_file, "--source", "cloudtrail", "--rate", "10", "--every", "0.5", "--for", "1s", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["events"], report["by_source"]) == (10, {"cloudtrail": 10})
    assert len(keys(aws, bucket(config_file, "cloudtrail"))) == 2


def test_it_goes_on_until_interrupted_and_then_sums_up(config_file: Path) -> None:
    command = [*COMMAND, "--config", str(config_file), "--every", "0.1", "--rate", "30", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "cloudtrail: 3 events" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(rest.splitlines()[-1])["events"] >= 3


@pytest.fixture
def own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_what_was_written_before_a_refusal_is_summed_up(
    config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    puts = []

    def refused(_client, bucket, _objects, **_options):
        puts.append(bucket)
        if len(puts) == 3:
            raise UserError("S3 has had enough")

    monkeypatch.setattr("s3sentinel_assets.local.generator.seeding.seed", refused)
    with pytest.raises(SystemExit) as ended:
        cli.main(["emit", "--config", str(config_file), "--rate", "50", "--every", "0.1", "--json"])
    said = capsys.readouterr()
    assert (ended.value.code, said.err) == (1, "error: S3 has had enough\n")
    assert json.loads(said.out.splitlines()[-1])["objects"] == 2


@pytest.mark.usefixtures("own_signals")
def test_a_clock_that_is_set_back_is_said(
    config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        shift = timedelta(0)

        @classmethod
        def now(cls, tz=None):
            moment, cls.shift = datetime.now(tz) + cls.shift, timedelta(hours=-1)
            return moment

    monkeypatch.setattr(emit_command, "datetime", Clock)
    with pytest.raises(SystemExit) as ended:
        cli.main(["emit", "--config", str(config_file), "--events", "5"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: the clock was set back by 36")


@pytest.mark.usefixtures("own_signals")
def test_a_second_request_to_end_does_not_wait() -> None:
    stop = threading.Event()
    emit_command._until_told(stop)
    os.kill(os.getpid(), signal.SIGINT)
    assert stop.wait(10)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(10)


def test_two_that_begin_in_the_same_second_write_different_objects(aws: LocalAws, config_file: Path) -> None:
    command = [*COMMAND, "--config", str(config_file), "--source", "cloudtrail", "--every", "0.2", "--events", "20"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    wrote = [line for process in both for line in process.communicate(timeout=120)[0].splitlines() if "s3://" in line]
    assert len(wrote) == len(keys(aws, bucket(config_file, "cloudtrail"))) > 2


@pytest.mark.parametrize("url", [None, "https://s3.eu-central-1.amazonaws.com", "http://10.1.2.3:9000"])
def test_nothing_is_invented_into_a_real_bucket(config_file: Path, capsys: pytest.CaptureFixture[str], url) -> None:
    values = yaml.safe_load(config_file.read_text())
    values["sources"]["vpc_flow"]["aws"] = {"endpoint_url": url}
    config_file.write_text(yaml.safe_dump(values))
    with pytest.raises(SystemExit) as ended:
        cli.main(["emit", "--config", str(config_file), "--events", "1"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: source vpc_flow is read from ")
    assert (url or "AWS itself") in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "nonsense"], "there is no source 'nonsense'"),
        (["--for", "soon"], "write a time such as 90s, 10m or 2h"),
        (["--for", "0s"], "write a time such as 90s, 10m or 2h"),
    ],
)
def test_mistakes_are_named(config_file: Path, capsys: pytest.CaptureFixture[str], arguments, said) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["emit", "--config", str(config_file), *arguments])
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_stand_ins_that_never_ran_are_said_before_anything_is_waited_for(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = yaml.safe_load(config_file.read_text())
    values["aws"]["credentials_file"] = str(tmp_path / "nowhere")
    config_file.write_text(yaml.safe_dump(values))
    with pytest.raises(SystemExit) as ended:
        cli.main(["emit", "--config", str(config_file), "--every", "3600"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "nowhere is missing" in said.err
    assert said.out == ""


def test_a_server_that_is_away_is_one_sentence(config_file: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(config_file.read_text())
    values["aws"] |= {"endpoint_url": "http://127.0.0.1:1", "max_attempts": 1}
    config_file.write_text(yaml.safe_dump(values))
    done = emit(config_file, "--every", "0.1", "--events", "9")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "check that S3 runs" in done.stderr
    assert "Traceback" not in done.stderr
