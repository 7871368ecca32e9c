"""Scoring: entity history by the hour, in-hour counters, detectors, judgement and reasons.

Belongs here: pure functions from frames to frames. Does not belong here: which part is scored with which state (the
pipeline pins that in the ledger), files (the store), or how a log format maps to the entity view (formats).
"""

from s3sentinel_assets.ml.history.counters import Counters, empty_counters
from s3sentinel_assets.ml.history.keys import learned_columns, scored_columns
from s3sentinel_assets.ml.history.state import EntityState, empty_state
from s3sentinel_assets.ml.history.update import update
from s3sentinel_assets.ml.parameters import ScoringUnavailable
from s3sentinel_assets.ml.scoring.model import ScoringModel, load_model
from s3sentinel_assets.ml.scoring.score import INTERNAL_SCHEMA, SCORE_SCHEMA, ScoreResult, score

__all__ = [
    "INTERNAL_SCHEMA",
    "SCORE_SCHEMA",
    "Counters",
    "EntityState",
    "ScoreResult",
    "ScoringModel",
    "ScoringUnavailable",
    "empty_counters",
    "empty_state",
    "learned_columns",
    "load_model",
    "score",
    "scored_columns",
    "update",
]
