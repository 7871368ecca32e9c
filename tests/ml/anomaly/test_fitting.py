"""Fitting from verdicts, and what cannot be fitted."""

import polars as pl
import pytest

from s3sentinel_assets.ml.anomaly.challengers import CHALLENGERS, fit_challenger
from s3sentinel_assets.ml.anomaly.fitting import fit_additive, fit_ecod
from s3sentinel_assets.ml.parameters import TERMS
from tests.ml.anomaly.matrices import attacks, benign, rows

MATRIX = benign()


def recall(model, attack: pl.DataFrame, benign_events: pl.DataFrame, budget: float = 0.001) -> float:
    """Share of attack events above the threshold that this share of benign events passes."""
    floor = model.raw(benign_events).sort(descending=True)[int(benign_events.height * budget)]
    return (model.raw(attack) > floor).mean()


def test_verdicts_teach_which_terms_matter():
    both = pl.concat([MATRIX, attacks()])
    labels = pl.Series([False] * MATRIX.height + [True] * 60)
    fitted = fit_additive(both, labels, format="cloudtrail", days=2.0)
    assert fitted.kind == "additive"
    unseen, others = attacks(200, seed=9), benign(20_000, seed=9)
    assert recall(fitted, unseen, others) >= 0.95
    assert recall(fitted, unseen, others) >= recall(fit_ecod(MATRIX, format="cloudtrail", days=2.0), unseen, others)
    again = fit_additive(both.reverse(), labels.reverse(), format="cloudtrail", days=2.0)
    assert again.version == fitted.version


def test_wrong_verdicts_cannot_turn_a_term_around():
    """Someone marks a great many rare events as benign: the term may lose its weight, but never becomes an alibi."""
    poison = attacks(3_000, seed=5)
    both = pl.concat([MATRIX, poison, benign(60, seed=6)])
    labels = pl.Series([False] * (MATRIX.height + poison.height) + [True] * 60)
    fitted = fit_additive(both, labels, format="cloudtrail", days=2.0)
    few, many = fitted.raw(rows(new_action=[0.0, 11.0]))
    assert many >= few


def test_what_cannot_be_fitted_says_why():
    with pytest.raises(ValueError, match="it takes 5"):
        fit_additive(MATRIX, pl.Series([True] + [False] * (MATRIX.height - 1)), format="cloudtrail", days=2.0)
    with pytest.raises(ValueError, match="labels for"):
        fit_additive(MATRIX, pl.Series([True]), format="cloudtrail", days=2.0)
    with pytest.raises(ValueError, match="lacks the columns new_action"):
        fit_ecod(MATRIX.drop("new_action"), format="cloudtrail", days=2.0)
    with pytest.raises(ValueError, match="no rows"):
        fit_ecod(MATRIX.clear(), format="cloudtrail", days=2.0)
    with pytest.raises(ValueError, match="days"):
        fit_ecod(MATRIX, format="cloudtrail", days=0.0)


def test_habits_without_any_surprise_can_be_fitted():
    calm = MATRIX.with_columns(pl.lit(0.0).alias(term) for term in TERMS)
    detector = fit_ecod(calm, format="cloudtrail", days=2.0)
    quiet, loud = detector.expected_events(detector.raw(rows(new_action=[0.0, 9.0])))
    assert quiet == calm.height / 2.0
    assert loud < 1.0


@pytest.mark.parametrize("kind", list(CHALLENGERS))
def test_challengers_rank_attacks_above_habits(kind):
    matrix, attack = MATRIX.head(4_000), attacks()
    both = pl.concat([matrix, attack])
    labels = pl.Series([False] * matrix.height + [True] * attack.height)
    model = fit_challenger(kind, both if CHALLENGERS[kind] else matrix, labels if CHALLENGERS[kind] else None, seed=1)
    raw, above = model.raw(matrix), model.raw(attacks(50, seed=8))
    assert raw.dtype == pl.Int64
    floor = int(raw.sort()[-40])
    assert (above > floor).sum() > above.len() / 2
    assert model.raw(matrix.clear()).len() == 0
    if CHALLENGERS[kind]:
        with pytest.raises(ValueError, match="both kinds"):
            fit_challenger(kind, matrix)
