"""Challengers from scikit-learn: what a forest, boosted trees or a plain logistic model would find.

Belongs here: models that are only compared with the champion. Does not belong here: anything that scores deliveries.

They give a raw order and cannot name the parts of a score, so they are never promoted, and never saved either: they
are fitted anew for each comparison, which takes seconds and needs no file that could run code when it is opened.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from s3sentinel_assets.ml.parameters import TERMS

__all__ = ["CHALLENGERS", "Challenger", "ChallengerKind", "fit_challenger"]

ChallengerKind = Literal["isolation_forest", "boosted_trees", "logistic"]
#: Kind → whether it learns from labels.
CHALLENGERS: dict[ChallengerKind, bool] = {"isolation_forest": False, "boosted_trees": True, "logistic": True}
_Scorer = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Challenger:
    """A fitted challenger.

    Attributes:
        kind: see `CHALLENGERS`.
    """

    kind: ChallengerKind
    _scorer: _Scorer

    def raw(self, matrix: pl.DataFrame) -> pl.Series:
        """Int64 per row: larger is more suspicious; the number means nothing beyond that.

        Args:
            matrix: Float64 columns `TERMS`.
        """
        if not matrix.height:
            return pl.Series("raw", [], dtype=pl.Int64)
        # Fine steps: these models tie less than the integers of the additive ones.
        return pl.Series("raw", np.round(self._scorer(_values(matrix)) * 1e6).astype(np.int64))


def fit_challenger(
    kind: ChallengerKind, matrix: pl.DataFrame, labels: pl.Series | None = None, *, seed: int = 0
) -> Challenger:
    """Fits a challenger.

    Args:
        kind: see `CHALLENGERS`.
        matrix: Float64 columns `TERMS`; for the isolation forest benign events.
        labels: Boolean, one per row: part of an attack; for those that learn from labels.
        seed: of whatever is random.

    Raises:
        ValueError: labels are missing or all the same.
    """
    values = _values(matrix)
    if not CHALLENGERS[kind]:
        return Challenger(kind, _forest(values, seed))
    if labels is None or labels.fill_null(False).n_unique() < 2:
        raise ValueError(f"{kind} learns from verdicts: it takes events of both kinds")
    attack = labels.fill_null(False).to_numpy()
    return Challenger(kind, _trees(values, attack, seed) if kind == "boosted_trees" else _logistic(values, attack))


def _values(matrix: pl.DataFrame) -> NDArray[np.float64]:
    return matrix.select(pl.col(term).cast(pl.Float64).fill_null(0.0).fill_nan(0.0) for term in TERMS).to_numpy()


def _forest(values: NDArray[np.float64], seed: int) -> _Scorer:
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=200, random_state=seed)
    forest.set_params(max_samples=min(4_096, len(values))).fit(values)
    return lambda each: -forest.score_samples(each)


def _trees(values: NDArray[np.float64], attack: NDArray[np.bool_], seed: int) -> _Scorer:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(class_weight="balanced", max_iter=150, random_state=seed)
    model.set_params(early_stopping=False).fit(values, attack)
    return lambda each: np.asarray(model.decision_function(each))


def _logistic(values: NDArray[np.float64], attack: NDArray[np.bool_]) -> _Scorer:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(class_weight="balanced", max_iter=2_000).fit(values, attack)
    return lambda each: np.asarray(model.decision_function(each))
