"""The models that are compared: detectors, challengers, baselines, all fitted on the training days of one replay.

Belongs here: which there are, and their scores of the test days. Does not belong here: the models themselves
(``s3sentinel_assets.ml.anomaly``), figures (``report``).

Detectors are judged by the priority table as well. The others give an order only. Models that learn from labels see
attacks, so they are fitted once for each fold of techniques, on the attacks of the other folds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from s3sentinel_assets.ml.anomaly.challengers import Challenger, fit_challenger
from s3sentinel_assets.ml.anomaly.detector import Detector
from s3sentinel_assets.ml.anomaly.fitting import fit_additive, fit_ecod, fit_rarity
from s3sentinel_assets.ml.parameters import TERMS
from s3sentinel_assets.ml.scoring.model import load_weights

__all__ = ["BASELINE", "CHAMPION", "FOLDS", "MODELS", "SHIPPED", "Fitted", "detectors", "folds", "scores", "supervised"]

CHAMPION, SHIPPED, BASELINE = "ecod", "shipped", "severity_first_seen"
#: Model → what it is, in the order of the tables.
MODELS = {
    CHAMPION: "ECOD, fitted on the training days; in charge of the replay",
    SHIPPED: "the champion in models/, as it is",
    "rarity": "plain sum of bits",
    "isolation_forest": "isolation forest on the same terms",
    "additive": "monotone additive model on verdicts (other techniques)",
    "boosted_trees": "gradient boosting on verdicts (other techniques)",
    "logistic": "logistic regression on verdicts (other techniques)",
    BASELINE: "baseline: sensitive action, first time for its principal",
    "severity": "baseline: sensitive action",
    "naive_forest": "baseline: isolation forest on single events, without history",
}
FOLDS = 3
#: Rows of benign training events that models which learn from labels see; more changes nothing but the time.
_MOST_ROWS = 150_000


@dataclass(frozen=True)
class Fitted:
    """A model that was fitted for one fold of techniques.

    Attributes:
        fold: techniques that it has not seen.
        raw: higher is more suspicious, one per test event.
    """

    fold: frozenset[str]
    raw: pl.Series


def detectors(benign: pl.DataFrame, models_dir: Path, log_format: str, days: float) -> dict[str, Detector]:
    """The detectors that are fitted on benign training days (matrix columns)."""
    _, weights = load_weights(models_dir, log_format)
    return {
        CHAMPION: fit_ecod(benign, format=log_format, days=days),
        "rarity": fit_rarity(benign, weights=weights, format=log_format, days=days),
    }


def scores(training: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.Series]:
    """Scores of the test days by models that learn without labels and by the baselines."""
    # Alone, neither half of the baseline is worth looking at; together they are what rules with a list do.
    sensitive = pl.col("sensitivity") >= 2
    return {
        "isolation_forest": fit_challenger("isolation_forest", training).raw(test),
        BASELINE: test.select((sensitive & pl.col("first_seen")).cast(pl.Int64).alias("raw"))["raw"],
        "severity": test["sensitivity"],
        "naive_forest": _naive_forest(training, test),
    }


def _naive_forest(training: pl.DataFrame, test: pl.DataFrame) -> pl.Series:
    """What is usually published: an isolation forest on columns of the single event."""
    from sklearn.ensemble import IsolationForest

    counted = training.group_by("action").len("uses")
    types = sorted(training["principal_type"].drop_nulls().unique())

    def columns(events: pl.DataFrame) -> pl.DataFrame:
        return events.join(counted, on="action", how="left", maintain_order="left").select(
            pl.col("time").dt.hour().cast(pl.Float64).alias("hour"),
            pl.col("time").dt.weekday().cast(pl.Float64).alias("weekday"),
            pl.col("read_only").fill_null(True).cast(pl.Float64),
            pl.col("error").is_not_null().cast(pl.Float64),
            (pl.col("uses").fill_null(0) + 1).log().alias("frequency"),
            pl.col("principal_type")
            .replace_strict(types, list(range(len(types))), default=-1, return_dtype=pl.Float64)
            .alias("type"),
        )

    forest = IsolationForest(n_estimators=100, random_state=0).fit(columns(training).to_numpy())
    return pl.Series("raw", -forest.score_samples(columns(test).to_numpy()))


def folds(attacks: pl.DataFrame, count: int = FOLDS) -> list[frozenset[str]]:
    """Techniques in ``count`` groups that share no service: what was learned of one must not be a copy of another.

    Args:
        attacks: ``technique`` and ``service``, one row an event.
        count: how many groups at most.
    """
    main = (
        attacks.group_by("technique", "service")
        .len()
        .sort("technique", "len", "service", descending=[False, True, False])
        .group_by("technique", maintain_order=True)
        .agg(pl.col("service").first())
    )
    services = (
        main.group_by("service").agg("technique").sort(pl.col("technique").list.len(), "service", descending=True)
    )
    groups: list[set[str]] = [set() for _ in range(count)]
    for techniques in services["technique"].to_list():
        min(groups, key=len).update(techniques)
    return [frozenset(group) for group in groups if group]


def supervised(
    training: pl.DataFrame, test: pl.DataFrame, log_format: str, days: float, *, seed: int
) -> Iterator[tuple[str, Fitted]]:
    """Models that learn from labels, each once for every fold."""
    attacks = test.filter(pl.col("kind") == "attack")
    groups = folds(attacks)
    if len(groups) < 2:
        return
    benign = training.sample(_MOST_ROWS, seed=seed) if training.height > _MOST_ROWS else training
    share = benign.height / training.height
    columns = ["principal", "hour", *TERMS]
    for fold in groups:
        seen = attacks.filter(~pl.col("technique").is_in(list(fold)))
        matrix = pl.concat([benign.select(columns), seen.select(columns)])
        labels = pl.int_range(matrix.height, eager=True) >= benign.height
        models: dict[str, Detector | Challenger] = {
            "additive": fit_additive(matrix, labels, format=log_format, days=days * share),
            "boosted_trees": fit_challenger("boosted_trees", matrix, labels, seed=seed),
            "logistic": fit_challenger("logistic", matrix, labels, seed=seed),
        }
        for name, model in models.items():
            yield name, Fitted(fold, model.raw(test))
