"""What a detector says: monotone, calibrated, in parts that add up."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from s3sentinel_assets.ml.anomaly.detector import Detector, plain_rarity
from s3sentinel_assets.ml.anomaly.fitting import fit_additive, fit_ecod, fit_rarity
from s3sentinel_assets.ml.parameters import TERMS
from tests.ml.anomaly.matrices import attacks, benign, rows

DAYS = 2.0
MATRIX = benign()


def labelled(matrix: pl.DataFrame, attack: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    return pl.concat([matrix, attack]), pl.Series([False] * matrix.height + [True] * attack.height)


@pytest.fixture(
    scope="module",
    params=[
        lambda: fit_ecod(MATRIX, format="cloudtrail", days=DAYS),
        lambda: fit_rarity(MATRIX, weights={"new_action": 1.0, "burst": 0.5}, format="cloudtrail", days=DAYS),
        lambda: fit_additive(*labelled(MATRIX, attacks()), format="cloudtrail", days=DAYS),
        lambda: plain_rarity({"new_action": 1.0, "burst": 0.5}, "cloudtrail"),
    ],
    ids=["ecod", "rarity", "additive", "plain"],
)
def detector(request: pytest.FixtureRequest) -> Detector:
    return request.param()


def test_the_parts_add_up_to_the_raw_score(detector):
    parts = [detector.contributions(term, MATRIX[term]) for term in TERMS]
    total = sum(parts[1:], parts[0])
    assert detector.raw(MATRIX).equals(total, check_names=False)
    assert detector.raw(MATRIX).dtype == pl.Int64
    assert all(part.min() >= 0 for part in parts)


def test_nothing_said_adds_nothing(detector):
    silent = rows(new_action=[0.0, float("nan")]).with_columns(pl.lit(None, pl.Float64).alias("burst"))
    assert detector.raw(silent)[0] == 0
    for term in TERMS:
        assert detector.contributions(term, pl.Series([0.0, None], dtype=pl.Float64)).to_list() == [0, 0]
    assert detector.score(pl.Series([0])).to_list() == [0.0]


def test_more_bits_never_make_an_event_less_suspicious(detector):
    bits = pl.Series(np.linspace(0.0, 40.0, 2_000))
    for term in TERMS:
        assert (detector.contributions(term, bits).diff().drop_nulls() >= 0).all()
    raw = pl.Series(range(0, 40_000, 7))
    assert (detector.score(raw).diff().drop_nulls() >= 0.0).all()
    assert (detector.expected_events(raw).diff().drop_nulls() <= 0.0).all()
    assert (detector.expected_hours(raw).diff().drop_nulls() <= 0.0).all()


def test_beyond_everything_seen_rarer_still_means_rarer(detector):
    highest = detector.raw(MATRIX).max()
    assert isinstance(highest, int)
    beyond = pl.Series([highest + step for step in (0, 500, 1_000, 2_000)])
    for values in (detector.score(beyond), -detector.expected_events(beyond), -detector.expected_hours(beyond)):
        assert all(earlier < later for earlier, later in pairwise(values))


def test_the_number_a_day_is_the_number_that_was(detector):
    if not detector.calibrated:
        pytest.skip("a rule of thumb promises nothing")
    raw = detector.raw(MATRIX)
    hours = MATRIX.select("principal", "hour").with_columns(raw).group_by("principal", "hour").agg(pl.col("raw").max())
    assert detector.events_per_day == MATRIX.height / DAYS
    assert detector.hours_per_day == hours.height / DAYS
    for quantile in (0.5, 0.9, 0.99, 0.999):
        at = raw.quantile(quantile, "higher")
        assert at is not None
        wanted = pl.Series([int(at)])
        if at == 0:
            continue
        assert detector.expected_events(wanted)[0] == pytest.approx((raw >= at).sum() / DAYS, rel=0.05)
        assert detector.expected_hours(wanted)[0] == pytest.approx((hours["raw"] >= at).sum() / DAYS, rel=0.05)
        assert detector.score(wanted)[0] == pytest.approx(-np.log2((raw >= at).mean()), abs=0.08)


def test_the_same_events_in_another_order_give_the_same_detector():
    shuffled = MATRIX.sample(fraction=1.0, shuffle=True, seed=3)
    again = fit_ecod(shuffled, format="cloudtrail", days=DAYS)
    assert again.version == fit_ecod(MATRIX, format="cloudtrail", days=DAYS).version
    other = fit_ecod(MATRIX.head(19_999), format="cloudtrail", days=DAYS)
    assert other.version != again.version


def test_a_term_is_worth_the_rarity_of_its_bits():
    detector = fit_ecod(MATRIX, format="cloudtrail", days=DAYS)
    at = MATRIX["burst"].sort()[-20]
    share = (MATRIX["burst"] >= at).mean()
    assert detector.contributions("burst", pl.Series([at]))[0] == round(-np.log2(share) * 100)
    # Never seen at all: worth its own bits, up to what as many events could show.
    assert detector.contributions("unusual_size", pl.Series([3.0, 99.0])).to_list() == [300, 1_450]
    assert len(detector.tables["burst"].knots) <= 256
