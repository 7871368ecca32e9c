"""Figures in MLflow: one experiment, a run for each model and data set, the same metric names everywhere.

Belongs here: writing runs. Does not belong here: the registry of models (``s3sentinel_assets.ml.registry``).
"""

import contextlib
import os
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.outcome import LIVE
from evaluation.report import Figure, Report, per_technique
from evaluation.rivals import CHAMPION, MODELS, SHIPPED

__all__ = ["EXPERIMENT", "track"]

EXPERIMENT = "evaluation"
#: What is compared of slices and of poisoned histories as well.
_OF_SLICES = ("recall_20h", "recall_high")


def track(report: Report, home: Path, uri: str | None = None) -> str:
    """Writes a run for each model.

    Args:
        report: the figures.
        home: folder of the default tracking database, and of the artifacts of a database server.
        uri: of a tracking server or database instead.

    Returns:
        The tracking URI.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # MLflow reports every migration step of a new database.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    home.mkdir(parents=True, exist_ok=True)
    tracking = uri or f"sqlite:///{(home / 'mlflow.db').resolve()}"
    client = MlflowClient(tracking_uri=tracking)
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is None:
        place = _artifacts(tracking, home)
        with contextlib.suppress(MlflowException):  # somebody else was a moment earlier
            client.create_experiment(EXPERIMENT, artifact_location=place)
        known = client.get_experiment_by_name(EXPERIMENT)
    techniques = per_technique(report.incidents)
    for model in MODELS:
        figures = [figure for figure in report.figures if figure.model == model]
        if figures and known is not None:
            _run(client, known.experiment_id, model, figures, report, techniques.filter(pl.col("model") == model))
    return tracking


def _artifacts(tracking: str, home: Path) -> str | None:
    """Where artifacts go: a server knows; with a database MLflow would take whatever folder this runs in."""
    if tracking.startswith(("http://", "https://")):
        return None
    file = tracking.removeprefix("sqlite:///")
    folder = home if file == tracking else Path(file).parent
    return (folder / "artifacts").resolve().as_uri()


def _run(
    client: Any, experiment: str, model: str, figures: list[Figure], report: Report, techniques: pl.DataFrame
) -> None:
    from mlflow.entities import Metric, Param, RunTag

    facts = report.facts
    dataset = ", ".join(facts["datasets"])
    role = "champion" if model in (CHAMPION, SHIPPED) else "baseline" if "baseline" in MODELS[model] else "challenger"
    now = int(time.time() * 1_000)
    tags = {"role": role, "model": model, "dataset": dataset[:500], "attacks": facts["attacks"], "about": MODELS[model]}
    if model == SHIPPED:
        tags["version"] = facts["shipped"]
    run = client.create_run(experiment, tags=tags, run_name=f"{model}, {len(facts['seeds'])} seeds")
    metrics = {_name(figure): figure.value for figure in figures if _compared(figure)}
    values = [Metric(name, value, now, 0) for name, value in sorted(metrics.items())]
    parameters = [Param("seeds", str(facts["seeds"])), Param("test_days", str(facts["test_days"]))]
    kind = [RunTag("dataset_kind", dataset.split(",")[0])]
    client.log_batch(run.info.run_id, metrics=values, params=parameters, tags=kind)
    columns = {name: techniques[name].to_list() for name in techniques.columns if name != "model"}
    client.log_table(run.info.run_id, data=columns, artifact_file="per_technique.json")
    everything = pl.DataFrame([asdict(figure) for figure in figures]).drop("model").rename({"part": "slice"})
    client.log_table(run.info.run_id, data=everything.to_dict(as_series=False), artifact_file="figures.json")
    client.set_terminated(run.info.run_id)


def _compared(figure: Figure) -> bool:
    """Whether a figure is one of the few by which people compare runs in a list; all are in ``figures.json``."""
    if figure.part == "all":
        return figure.setting == LIVE or figure.metric in _OF_SLICES
    return figure.setting == LIVE and figure.metric in _OF_SLICES


def _name(figure: Figure) -> str:
    """Metric, slice and setting as one name that MLflow takes."""
    parts = [figure.metric, *([] if figure.part == "all" else [figure.part])]
    if figure.setting != LIVE:
        parts.append(figure.setting)
    return re.sub(r"[^\w./ -]", "_", ".".join(parts))
