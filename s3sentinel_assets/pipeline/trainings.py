"""What is on record of trainings: the ledger's rows, and histograms of the days a model was fitted on, in a folder.

Belongs here: writing and reading both. Does not belong here: fitting (``training``), what follows from a record
(``judging``, ``model_drift``, ``assets.models``).
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.model_records import JUDGED, TRAINED, recorded
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.ml.evaluation.drift import Histograms

__all__ = [
    "TrainingFacts",
    "facts_of",
    "last_trained",
    "newest_challengers",
    "reference_of",
    "unjudged",
    "write_reference",
]


@dataclass(frozen=True)
class TrainingFacts:
    """What the gate wants to know of the events that a model was fitted on; see ``gate.Evidence``."""

    days: float
    principals: int
    events: int
    top_share: float
    top_principal: str
    informative_terms: int
    attacks_left_in: int
    urgent_left_in: int
    unusual_hours: int
    expected_unusual_hours: float
    champion_calibrated: bool


def facts_of(runtime: Runtime, log_format: str, digest: str) -> tuple[TrainingFacts, dict[str, Any]] | None:
    """What the ledger knows of the training of the model with this digest; None: it was not trained here."""
    with runtime.ledger.read() as connection:
        rows = recorded(connection, (TRAINED,), log_format)
    for row in reversed(rows):
        if row.detail.get("sha256") == digest:
            return TrainingFacts(**row.detail["facts"]), row.detail
    return None


def last_trained(runtime: Runtime, log_format: str) -> datetime | None:
    """When models of the log family were last trained."""
    with runtime.ledger.read() as connection:
        rows = recorded(connection, (TRAINED,), log_format)
    return from_micros(rows[-1].at) if rows else None


def newest_challengers(runtime: Runtime, log_format: str) -> Sequence[dict[str, Any]]:
    """The records of the models made by the last training, the one to promote first."""
    with runtime.ledger.read() as connection:
        rows = [row.detail for row in recorded(connection, (TRAINED,), log_format)]
    last = [row for row in rows if row["span"] == rows[-1]["span"]] if rows else []
    newest: dict[str, dict[str, Any]] = {row["kind"]: row for row in last}
    return sorted(newest.values(), key=lambda row: row["number"])


def unjudged(runtime: Runtime, log_format: str) -> Sequence[dict[str, Any]]:
    """Those of `newest_challengers` that the gate has never judged, as where MLflow went away after the training."""
    with runtime.ledger.read() as connection:
        rows = recorded(connection, (JUDGED,), log_format)
    judged = {(row.detail.get("number"), row.detail.get("sha256")) for row in rows}
    return [row for row in newest_challengers(runtime, log_format) if (row["number"], row["sha256"]) not in judged]


def _reference_file(runtime: Runtime, version: str) -> Path:
    return runtime.config.data_dir / "references" / f"{version}.json"


def write_reference(runtime: Runtime, version: str, histograms: "Histograms", hours: str, champion: str) -> Path:
    """Keeps the histograms of the days that a model was fitted on; gives the file.

    Args:
        runtime: connections.
        version: of the model.
        histograms: of terms, its score and the champion's score.
        hours: which days, for people.
        champion: version of the champion then.

    Raises:
        UserError: the file cannot be written.
    """
    file = _reference_file(runtime, version)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
        data = {"hours": hours, "champion": champion, **histograms.as_data()}
        unfinished.write_text(json.dumps(data) + "\n", encoding="utf-8")
        unfinished.replace(file)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error
    return file


def reference_of(runtime: Runtime, version: str) -> "tuple[Histograms, str, str] | None":
    """The histograms of the days that a model was fitted on, which hours, and the champion then; None: no record."""
    from s3sentinel_assets.ml.evaluation.drift import Histograms

    try:
        data = json.loads(_reference_file(runtime, version).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = Histograms.from_data(data) if isinstance(data, dict) else None
    return (found, str(data.get("hours")), str(data.get("champion"))) if found else None
