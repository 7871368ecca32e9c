"""The experiment "evaluation": a run for each version judged, all with the same metrics, to be compared in MLflow's UI.

Belongs here: names of experiment, metrics and tables, and logging them. Does not belong here: the figures themselves
(``ml.evaluation``), registered models (``versions``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from s3sentinel_assets.ml.registry.tracking import Tracking

__all__ = ["EVALUATION", "METRICS", "log_evaluation", "metric_name", "tag_run"]

EVALUATION = "evaluation"
#: What every run has, whatever made it; where a figure is not known the metric is left out. Slices come on top.
METRICS = (
    "incident_recall_at_20_hours",
    "benign_volume_at_medium",
    "score_psi",
    "training_days",
    "training_events",
    "training_principals",
    "unusual_training_hours",
    "gate_passed",
)


def metric_name(name: str) -> str:
    """A name that MLflow takes: letters, digits and ``_`` in place of anything else."""
    return "".join(each if each.isalnum() and each.isascii() else "_" for each in name.lower()).strip("_")


def log_evaluation(
    tracking: Tracking,
    *,
    name: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    params: Mapping[str, Any] | None = None,
    tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> str:
    """Logs one evaluation.

    Args:
        tracking: the store.
        name: of the run, such as the model's version.
        tags: among them ``role`` (champion or challenger), ``format``, ``version`` and ``dataset``.
        metrics: by name; see `METRICS`.
        params: what it was made with.
        tables: file name such as ``per_technique.json`` → rows with the same keys.

    Returns:
        The run's id.

    Raises:
        UserError: MLflow cannot be reached.
    """
    experiment = tracking.experiment(EVALUATION)
    with tracking.reached(f"logging the evaluation of {name}"):
        mlflow = tracking.mlflow
        with mlflow.start_run(experiment_id=experiment, run_name=name, tags=dict(tags)) as run:
            mlflow.log_params(dict(params or {}))
            mlflow.log_metrics({metric_name(key): float(value) for key, value in metrics.items()})
            for file, rows in (tables or {}).items():
                if rows:
                    columns = {key: [row.get(key) for row in rows] for key in rows[0]}
                    mlflow.log_table(columns, artifact_file=file)
            return run.info.run_id


def tag_run(tracking: Tracking, run_id: str, tags: Mapping[str, str]) -> None:
    """Sets tags of a run.

    Raises:
        UserError: MLflow cannot be reached.
    """
    with tracking.reached("tagging an evaluation") as client:
        for key, value in tags.items():
            client.set_tag(run_id, key, value)
