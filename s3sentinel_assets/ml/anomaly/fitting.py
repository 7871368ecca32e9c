"""Fitting detectors: ECOD's right tails, the rarity sum with a calibration, and an additive model from verdicts.

Belongs here: from feature matrices to detectors, always with the calibration on benign events. Does not belong here:
choosing training days, the gate (``registry``), models that are only compared (``challengers``).

A matrix has a row for each event: ``principal`` (with its account), ``hour`` (hour key) and the columns `TERMS`
(Float64 bits), such as `features.matrix.feature_matrix` makes. The order of rows does not matter.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from s3sentinel_assets.ml.anomaly.calibration import fit_calibration, rule_of_thumb
from s3sentinel_assets.ml.anomaly.detector import Detector, DetectorKind
from s3sentinel_assets.ml.anomaly.steps import Floats, StepTable, on_grid, right_tail
from s3sentinel_assets.ml.parameters import TERMS

__all__ = ["fit_additive", "fit_ecod", "fit_rarity"]

#: Steps that the weights of an additive model may change at, per term.
_STEPS = 12
#: How many verdicts of each kind the prior (ECOD) weighs as much as.
_PRIOR = 10.0
_LEAST_LABELS = 5
_NOTHING = rule_of_thumb(0.0)


def fit_ecod(matrix: pl.DataFrame, *, format: str, days: float) -> Detector:  # noqa: A002 - the project's word
    """The sum over terms of −log2 of the share of benign events whose term is at least that.

    Terms are taken as independent; where they are not, the sum is no probability, which is why it is calibrated.

    Args:
        matrix: benign events.
        format: log family.
        days: how long it took for them to happen.

    Raises:
        ValueError: the matrix has no rows or lacks a column.
    """
    _check(matrix)
    return _calibrated("ecod", format, matrix, days, tables=_tails(matrix))


def fit_rarity(
    matrix: pl.DataFrame,
    *,
    weights: Mapping[str, float],
    format: str,  # noqa: A002 - the project's word
    days: float,
) -> Detector:
    """The weighted sum of bits, with its calibration; arguments and errors as for `fit_ecod`."""
    _check(matrix)
    return _calibrated("rarity", format, matrix, days, weights=dict(weights))


def fit_additive(
    matrix: pl.DataFrame,
    labels: pl.Series,
    *,
    format: str,  # noqa: A002 - the project's word
    days: float,
) -> Detector:
    """A monotone additive logistic model: log-odds (in bits) of an attack, as a step function of each term.

    Maximum a posteriori with ECOD as the prior: with few verdicts it is ECOD, with many it follows them. No step may
    fall, so that more bits of a term never make an event less suspicious, whatever the verdicts say: a poisoned label
    can lower a term to nothing but not turn it around.

    Args:
        matrix: benign events and labelled ones.
        labels: Boolean, one per row: part of an attack. The calibration uses the others.
        format: log family.
        days: how long it took for the benign ones to happen.

    Raises:
        ValueError: fewer than 5 attack or no benign events, or a column is missing.
    """
    _check(matrix)
    attack = labels.fill_null(False)
    if attack.len() != matrix.height:
        raise ValueError(f"{attack.len()} labels for {matrix.height} events")
    if attack.sum() < _LEAST_LABELS or attack.all():
        raise ValueError(
            f"{attack.sum()} of {attack.len()} events are labelled as attacks; it takes 5, and benign ones"
        )
    benign = matrix.filter(~attack)
    tails = _tails(benign)
    steps = {term: _few(table) for term, table in tails.items()}
    rows, counts = _patterns(matrix, attack, steps)
    # Increments of ECOD per step, in nats: what the prior expects of the weights.
    prior = np.concatenate([np.diff(table.values, prepend=0) for table in steps.values()]) * (np.log(2.0) / 100.0)
    weights = _monotone_logistic(rows, counts, prior)
    return _calibrated("additive", format, benign, days, tables=_fitted(steps, weights))


def _check(matrix: pl.DataFrame) -> None:
    if missing := sorted({"principal", "hour", *TERMS} - set(matrix.columns)):
        raise ValueError(f"the feature matrix lacks the columns {', '.join(missing)}")
    if not matrix.height:
        raise ValueError("the feature matrix has no rows: there is nothing to fit on")


def _tails(matrix: pl.DataFrame) -> dict[str, StepTable]:
    return {term: right_tail(_bits(matrix[term])) for term in TERMS}


def _bits(column: pl.Series) -> Floats:
    return on_grid(column.cast(pl.Float64).fill_null(0.0).to_numpy())


def _calibrated(
    kind: DetectorKind,
    log_format: str,
    benign: pl.DataFrame,
    days: float,
    *,
    tables: dict[str, StepTable] | None = None,
    weights: dict[str, float] | None = None,
) -> Detector:
    tables, weights = tables or {}, weights or {}
    sums = Detector(kind, log_format, _NOTHING, _NOTHING, tables, weights)
    raw = benign.select("principal", "hour").with_columns(sums.raw(benign))
    hours = raw.group_by("principal", "hour").agg(pl.col("raw").max())
    return Detector(
        kind,
        log_format,
        events=fit_calibration(raw["raw"], days=days),
        hours=fit_calibration(hours["raw"], days=days),
        tables=tables,
        weights=weights,
        days=float(days),
    )


def _few(table: StepTable) -> StepTable:
    """A table with at most `_STEPS` steps, about evenly apart in height."""
    heights = np.linspace(table.values[0], table.values[-1], _STEPS)
    kept = np.unique(np.searchsorted(table.values, heights, side="left"))
    return StepTable(table.knots[kept], table.values[kept])


def _patterns(
    matrix: pl.DataFrame, attack: pl.Series, steps: Mapping[str, StepTable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Events that reach the same steps are one row: its steps (0 or 1), and how many were benign and attacks."""
    reached = matrix.select(
        pl.Series(term, np.searchsorted(table.knots, _bits(matrix[term]), side="right"), dtype=pl.UInt8)
        for term, table in steps.items()
    ).with_columns(attack.alias("attack"))
    rows = reached.group_by(list(steps)).agg(benign=(~pl.col("attack")).sum(), attacks=pl.col("attack").sum())
    rows = rows.sort(list(steps))
    one_hot = np.concatenate(
        [rows[term].to_numpy()[:, None] > np.arange(table.knots.size)[None, :] for term, table in steps.items()],
        axis=1,
    )
    return one_hot.astype(np.float64), rows.select("benign", "attacks").to_numpy().astype(np.float64)


def _monotone_logistic(
    rows: NDArray[np.float64], counts: NDArray[np.float64], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Non-negative weights per step: both classes weigh the same, each as much as its number of events."""
    from scipy.optimize import minimize

    attacks = counts[:, 1].sum()
    benign, attack = counts[:, 0] * (attacks / counts[:, 0].sum()), counts[:, 1]
    strength = _PRIOR / max(float(np.square(prior).mean()), 1e-6) / prior.size

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, intercept, scale = values[:-2], values[-2], values[-1]
        logits = rows @ weights + intercept
        share = 1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0)))
        total = benign @ np.logaddexp(0.0, logits) + attack @ np.logaddexp(0.0, -logits)
        away = weights - scale * prior
        slope = benign * share - attack * (1.0 - share)
        gradient = np.concatenate(
            [rows.T @ slope + 2.0 * strength * away, [slope.sum(), -2.0 * strength * (away @ prior)]]
        )
        return float(total + strength * (away @ away)), gradient

    start = np.concatenate([prior, [-float(np.mean(rows @ prior)), 1.0]])
    # The scale of the prior is free above a little: log-odds need not be as steep as a sum of rarities.
    bounds = [(0.0, None)] * prior.size + [(None, None), (0.05, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return np.maximum(found.x[:-2], 0.0)


def _fitted(steps: Mapping[str, StepTable], weights: NDArray[np.float64]) -> dict[str, StepTable]:
    tables, at = {}, 0
    for term, table in steps.items():
        heights = np.cumsum(weights[at : at + table.knots.size]) * (100.0 / np.log(2.0))
        tables[term] = StepTable(table.knots, np.round(heights).astype(np.int64))
        at += table.knots.size
    return tables
