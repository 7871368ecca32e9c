"""The shipped detector of flow records belongs to the files beside it, and fitting one gives something of use."""

from pathlib import Path

import polars as pl
import pytest

from evaluation import fit_flows
from s3sentinel_assets.ml import load_model
from s3sentinel_assets.ml.scoring.model import load_weights

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_the_shipped_detector_has_the_weights_of_its_file():
    """Else a change there would count for nothing."""
    _, weights = load_weights(MODELS, "vpc_flow")
    detector = load_model(MODELS, "vpc_flow").detector
    assert detector.calibrated
    assert detector.weights == weights


def test_more_bits_are_never_less_rare_and_stay_believable():
    detector = load_model(MODELS, "vpc_flow").detector
    raw = pl.Series(range(0, 6_000, 50))
    assert detector.score(raw).is_sorted()
    assert detector.expected_hours(raw).is_sorted(descending=True)
    # One bit of a term is one bit of rarity at most, beyond what was seen.
    score = detector.score(pl.Series([2_000, 6_000]))
    assert score[1] - score[0] <= 40.01


@pytest.mark.slow
def test_a_fitted_detector_finds_the_sample_attack_and_little_else():
    detector = fit_flows.fitted("rarity", (5_901,), 4, scale=0.3)
    again = fit_flows.fitted("rarity", (5_901,), 4, scale=0.3)
    assert detector.version == again.version
    found = fit_flows.check(detector, 5_902, 4, scale=0.3)
    assert found.urgent < 0.02 * found.events
    assert found.attack["sweep"] == {"medium": 60}
    assert found.attack["transfer"] == {"medium": 15}
