"""How models are kept, trained and changed: the ``models`` section.

Belongs here: settings and their bounds. Does not belong here: the files that ship with the project (``models_dir``),
training and promotion themselves (``pipeline.training``, ``pipeline.champions``).
"""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from s3sentinel_assets.config.section import Section

__all__ = ["ModelSettings"]


class ModelSettings(Section):
    """MLflow, how much is trained on, and who may change the model that scores."""

    tracking_uri: str | None = Field(
        default=None,
        description="MLflow server such as https://mlflow.example.com, or sqlite:///FILE. Default: what "
        "MLFLOW_TRACKING_URI says, else a SQLite file below data_dir.",
    )
    timeout_seconds: float = Field(default=10, gt=0, le=600, description="How long to wait for the MLflow server.")
    promotion: Literal["manual", "automatic"] = Field(
        default="manual",
        description="automatic: a newly trained model that the gate lets through becomes champion by itself.",
    )
    train_days: int = Field(default=14, ge=2, le=90, description="Days of history that a model is fitted on.")
    evaluate_days: int = Field(default=3, ge=1, le=30, description="Of these the last ones are kept for the gate.")
    max_training_events: int = Field(
        default=1_000_000, ge=1_000, description="More are thinned by whole principal-hours, so memory is bounded."
    )
    min_training_days: float = Field(default=5, ge=1, description="The gate refuses models fitted on less.")
    min_principals: int = Field(default=10, ge=1, description="The gate refuses models fitted on fewer principals.")
    min_verdicts: int = Field(
        default=50, ge=10, description="Events with verdict attack, and as many benign, that a model of verdicts needs."
    )
    retrain_days: int = Field(default=7, ge=1, le=90, description="Age at which a new challenger is trained.")
    drift_psi: float = Field(
        default=0.2, gt=0, le=10, description="Population stability index from which a term or the score has drifted."
    )

    @field_validator("tracking_uri")
    @classmethod
    def _server_or_file(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.startswith("sqlite:///"):
            return value
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// (http:// for a server of this machine or network) or sqlite:///")
        if "@" in value:  # wherever: a password with a slash in it ends the host
            raise ValueError(
                "must not hold a name or password; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
                "MLFLOW_TRACKING_TOKEN"
            )
        return value.rstrip("/")

    @model_validator(mode="after")
    def _days_remain(self) -> "ModelSettings":
        if self.evaluate_days >= self.train_days:
            raise ValueError("evaluate_days must be fewer than train_days: the others are what a model is fitted on")
        if self.min_training_days > self.train_days - self.evaluate_days:
            raise ValueError(
                f"min_training_days is more than train_days without evaluate_days "
                f"({self.train_days - self.evaluate_days}); no model could ever be promoted"
            )
        return self
