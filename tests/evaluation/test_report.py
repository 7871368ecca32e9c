"""The report: figures and targets from outcomes that can be counted, and the command as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from evaluation.outcome import LIVE
from evaluation.output import show
from evaluation.report import make_report, per_technique
from evaluation.rivals import BASELINE, CHAMPION
from evaluation.tracking import track

ROOT = Path(__file__).resolve().parents[2]


def incidents() -> pl.DataFrame:
    """Two seeds, four incidents each: the champion finds three within every budget, the baseline one."""
    rows = []
    for seed in (1, 2):
        for number in range(4):
            common = {
                "incident": f"i{number}",
                "technique": f"t{number % 2}",
                "variant": "same_ip,same_agent" if number == 3 else "",
                "victim": "human",
                "cold_start": False,
                "events": 10,
                "setting": LIVE,
                "seed": seed,
            }
            found = number < 3
            judged = {"rank": 3 if found else 1, "final_rank": 3, "events_medium": 10 if found else 0}
            rows.append(
                common
                | judged
                | {"final_events_medium": 10, "model": CHAMPION}
                | {"hours_per_day": 2.0 if found else 400.0, "events_share": 0.0001 if found else 0.2}
            )
            hit = number == 0
            rows.append(
                common
                | {"model": BASELINE, "hours_per_day": 7.0 if hit else 900.0, "events_share": 0.001 if hit else 1.0}
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def benign() -> pl.DataFrame:
    row = {"account": "1", "model": CHAMPION, "setting": LIVE, "events": 75_000, "events_all": 75_000}
    counts = {"events_medium": 1_500, "events_high": 20, "events_critical": 5}
    more = {f"{name}_all": value for name, value in counts.items()} | {
        f"final_{name}": value for name, value in counts.items()
    }
    return pl.DataFrame([row | counts | more | {"principal": "ann", "seed": seed} for seed in (1, 2)])


def facts() -> list[dict]:
    placebo = {
        "sequences": 100,
        "costs": [float(place) for place in range(100)],
        "hours": 100,
        "events": 100,
        "events_medium": 2,
        "background_events": 1_000,
        "background_events_medium": 20,
    }
    return [
        {
            "seed": seed,
            "days": 1.0,
            "order": {CHAMPION: {"roc": [0.9, 1.0], "ap": [None, 0.5]}},
            "baseline_hours_per_day": 7.0,
            "benign_events": 75_000,
            "benign_hours": 2_900,
            "attack_events": 40,
            "cold_benign_share": 0.01,
            "placebo": placebo,
            "dataset": "d",
            "attacks": "own stories",
            "model": "m",
            "shipped": "s",
            "deterministic": True,
        }
        for seed in (1, 2)
    ]


def test_figures_are_what_was_counted():
    report = make_report(incidents(), benign(), facts(), 160_000.0)
    values = {
        name: report.find(name) for name in ("recall_20h", "recall_0.1pct", "recall_high", "attack_events_medium")
    }
    assert {name: figure and figure.value for name, figure in values.items()} == dict.fromkeys(values, 0.75)
    assert report.find("final_attack_events_medium").value == 1.0
    assert report.find("benign_high_per_day").value == 20.0
    assert report.find("volume_medium").value == 0.02
    assert report.find("recall_20h", part="same_ip_and_agent").value == 0.0
    assert report.find("recall_20h", part="same_ip_and_agent").count == 2
    assert report.find("roc").value == 0.95
    assert report.find("ap").value == 0.5
    # A model that the table does not judge has no priorities.
    assert report.find("recall_high", BASELINE) is None
    assert report.find("recall_5h", BASELINE).value == 0.0
    assert report.find("recall_20h", BASELINE).value == 0.25


def test_targets_are_held_against_what_was_measured():
    report = make_report(incidents(), benign(), facts(), 160_000.0)
    met = {target.name: target.met for target in report.targets}
    assert not met["incident recall at 20 principal-hours a day"]
    assert met["≥ medium: share of benign volume"]
    assert met["≥ high: benign events of 75,000 a day"]
    assert met["events/s: features, score and state"]
    assert met["placebo alerts where 5 % of the background do"]
    gain = next(target for target in report.targets if target.name.startswith("points over"))
    assert gain.value == 0.5
    slow = make_report(incidents(), benign(), facts(), 100_000.0)
    assert not {target.name: target.met for target in slow.targets}["events/s: features, score and state"]


def test_a_placebo_that_alerts_more_often_than_the_background_is_found():
    marked = facts()
    for each in marked:
        each["placebo"]["costs"] = [1.0] * 50 + [90.0] * 50
    report = make_report(incidents(), benign(), marked, 1.0)
    placebo = next(target for target in report.targets if target.name.startswith("placebo"))
    assert placebo.value == 0.5
    assert placebo.met is False


def test_recall_by_technique_names_what_is_missed():
    rows = per_technique(incidents()).filter(pl.col("model") == CHAMPION).select("technique", "incidents", "recall_20h")
    assert rows.rows() == [("t1", 4, 0.5), ("t0", 4, 1.0)]


def test_the_output_says_who_was_noticed_while_working_on_the_history(capsys):
    dripped = facts()
    dripped[0]["dripping"] = {"incidents": 200, "medium": 150, "high": 30}
    show(Console(width=200), make_report(incidents(), benign(), dripped, 1.0))
    assert "75.0% of the intruders were medium or more at some time, 15.0% high or more" in capsys.readouterr().out
    show(Console(width=200), make_report(incidents(), benign(), facts(), 1.0))
    assert "slow drip" not in capsys.readouterr().out


def test_the_output_says_when_only_own_stories_were_used(capsys):
    show(Console(width=200), make_report(incidents(), benign(), facts(), 1.0))
    shown = capsys.readouterr().out
    assert "folder of labelled attacks is missing" in shown
    assert "same_ip_and_agent" in shown


def test_runs_in_mlflow_have_the_same_few_metrics_and_everything_in_tables(tmp_path):
    from mlflow import MlflowClient

    uri = track(make_report(incidents(), benign(), facts(), 1.0), tmp_path)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("evaluation")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) >= 2
    names = {run.data.tags["model"]: set(run.data.metrics) for run in runs}
    assert names[BASELINE] <= names[CHAMPION]
    assert {"recall_20h", "recall_20h.same_ip", "recall_high"} <= names[CHAMPION]
    assert len(names[CHAMPION]) < 100
    (champion,) = (run for run in runs if run.data.tags["model"] == CHAMPION)
    stored = {entry.path for entry in client.list_artifacts(champion.info.run_id)}
    assert {"per_technique.json", "figures.json"} <= stored


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evaluation", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_a_wrong_argument_or_folder_is_one_clear_line(tmp_path):
    assert "must be 1 or more" in command("--seeds", "0").stderr
    done = command("--background", str(tmp_path / "nowhere"), "--seeds", "1", "--no-mlflow")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_quick_evaluation_ends_with_a_line_of_json(tmp_path):
    figures, chart, runs = tmp_path / "figures.json", tmp_path / "chart.svg", f"sqlite:///{tmp_path / 'runs.db'}"
    done = command("--quick", "--scale", "0.05", "--json", str(figures), "--chart", str(chart), "--mlflow-uri", runs)
    assert done.returncode == 0, done.stderr
    name, _, rest = done.stdout.splitlines()[-1].partition(": ")
    assert name == "evaluate"
    line = json.loads(rest)
    assert line["of"] == len(line["targets"])
    assert line["targets"]["a part scored again is bit-identical"]["met"]
    assert all(figure["value"] >= 0 for figure in json.loads(figures.read_text())["figures"])
    assert chart.read_text().startswith("<?xml")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=runs)
    experiment = client.get_experiment_by_name("evaluation")
    assert experiment.artifact_location == (tmp_path / "artifacts").as_uri()
    logged = {run.data.tags["model"]: run.data.metrics for run in client.search_runs([experiment.experiment_id])}
    assert {CHAMPION, BASELINE} <= set(logged)
    assert all("recall_20h" in metrics and "recall_20h.same_ip" in metrics for metrics in logged.values())
