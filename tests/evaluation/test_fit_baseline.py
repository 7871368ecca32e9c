"""The champion that ships can be made again, byte by byte."""

from pathlib import Path

import pytest

from evaluation import fit_baseline
from s3sentinel_assets.ml.anomaly.detector import load_detector


@pytest.mark.slow
def test_the_champion_can_be_made_again(tmp_path: Path):
    small = ["--seed", "5", "--days", "4", "--scale", "0.05"]
    for name in ("one", "two"):
        fit_baseline.main([*small, "--output", str(tmp_path / name)])
    for name in ("model.json", "tables.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    detector = load_detector(tmp_path / "one")
    assert (detector.kind, detector.format, detector.days) == ("ecod", "cloudtrail", 1.0)
    assert detector.events_per_day > 1_000
    # As many events are this rare as the model says, because it learnt it from them.
    assert "new_write" in detector.terms
