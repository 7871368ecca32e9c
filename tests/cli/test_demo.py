"""The demo as a user runs it, small."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_demo_agrees_with_itself_and_ends_with_json(tmp_path):
    command = [sys.executable, "-m", "s3sentinel_assets.cli", "demo", "--hours", "3", "--scale", "0.1", "--json"]
    done = subprocess.run([*command, "--home", str(tmp_path / "demo")], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["ok"] is True
    assert len(report["hours"]) == 6
    assert {"source", "hour", "objects", "records", "quarantined", "filtered", "delivered", "found"} <= set(
        report["hours"][0]
    )
    totals = {name: sum(hour[name] for hour in report["hours"]) for name in ("quarantined", "filtered", "delivered")}
    assert all(totals.values()), totals
    for hour in report["hours"]:
        assert hour["records"] == hour["delivered"] + hour["quarantined"] + hour["filtered"]
        assert hour["found"] == hour["delivered"]
    assert "top anomalies" in done.stdout
    files = sum(hour["objects"] for hour in report["hours"] if hour["source"] == "cloudtrail")
    # 3 accounts in 2 regions; a digest more than hours for each, and one for the late log file
    assert report["integrity"] == {"digests": {"verified": 25}, "files": {"verified": files - 1, "failed": 1}}
    said = done.stdout.splitlines()
    at = next(number for number, line in enumerate(said) if line.startswith("CloudTrail's digests: 25 verified"))
    assert f"{files - 1} log files verified" in said[at]
    assert "(empty, put there on purpose)" in said[at + 1]


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    command = [sys.executable, "-m", "s3sentinel_assets.cli", "demo", "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "is not a demo" in done.stderr
    assert (tmp_path / "precious.txt").read_text() == "mine"
