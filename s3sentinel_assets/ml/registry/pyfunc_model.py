"""The code that MLflow keeps beside a detector, so that other tools can load and serve it (models from code).

Belongs here: nothing but the wrapper. Does not belong here: anything the pipeline needs: it reads the detector's files
and never this. MLflow copies the file into the model and runs it there; it is never imported.
"""

from typing import Any

import mlflow
import pandas as pd
import polars as pl
from mlflow.models import set_model


class DetectorModel(mlflow.pyfunc.PythonModel):  # pyright: ignore[reportPrivateImportUsage]
    """Scores rows of term bits: one Float64 column for each term in, raw score and its calibration out."""

    def load_context(self, context: Any) -> None:
        """Reads the detector; the parameter's name is MLflow's."""
        from pathlib import Path

        from s3sentinel_assets.ml.anomaly.detector import load_detector

        self.detector = load_detector(Path(context.artifacts["model"]).parent)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Columns ``raw`` (hundredths of a bit), ``score`` (bits), ``expected_events`` and ``expected_hours`` a day."""
        matrix = pl.DataFrame({str(name): model_input[name].to_numpy() for name in model_input.columns})
        raw = self.detector.raw(matrix)
        return pd.DataFrame(
            {
                "raw": raw.to_numpy(),
                "score": self.detector.score(raw).to_numpy(),
                "expected_events": self.detector.expected_events(raw).to_numpy(),
                "expected_hours": self.detector.expected_hours(raw).to_numpy(),
            }
        )


set_model(DetectorModel())
