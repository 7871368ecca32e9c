"""Detectors in files: the same bytes again, and nothing damaged or hostile gets in."""

import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.anomaly.detector import Detector, load_detector, plain_rarity
from s3sentinel_assets.ml.anomaly.fitting import fit_ecod
from tests.ml.anomaly.matrices import benign


@pytest.fixture(scope="module")
def detector() -> Detector:
    return fit_ecod(benign(3_000), format="cloudtrail", days=2.0)


@pytest.fixture
def folder(detector: Detector, tmp_path: Path) -> Path:
    detector.save(tmp_path / "model")
    return tmp_path / "model"


def test_what_is_read_is_what_was_saved(detector, folder, tmp_path):
    back = load_detector(folder)
    matrix = benign(2_000, seed=4)
    raw = detector.raw(matrix)
    assert back.raw(matrix).equals(raw)
    assert back.score(raw).equals(detector.score(raw))
    assert back.expected_hours(raw).equals(detector.expected_hours(raw))
    back.save(tmp_path / "again")
    for name in ("model.json", "tables.npz"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_sum_without_tables_goes_through_files(tmp_path):
    plain = plain_rarity({"new_action": 1.0}, "vpc_flow")
    plain.save(tmp_path)
    assert load_detector(tmp_path).version == plain.version
    assert not load_detector(tmp_path).calibrated


def packed(folder: Path, **changed: bytes) -> None:
    """Writes the tables anew, with some entries changed."""
    with zipfile.ZipFile(folder / "tables.npz") as bundle:
        entries = {entry.filename: bundle.read(entry) for entry in bundle.infolist()}
    with zipfile.ZipFile(folder / "tables.npz", "w") as bundle:
        for name, data in {**entries, **changed}.items():
            bundle.writestr(name, data)


def array(values: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.lib.format.write_array(data, values, allow_pickle=True)
    return data.getvalue()


class Harmful:
    """Would write a file if it were ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_nothing_in_the_files_is_executed(folder, tmp_path):
    packed(folder, **{"burst.knots.npy": array(np.array([Harmful(tmp_path / "executed")], dtype=object))})
    with pytest.raises(ConfigurationError, match="damaged"):
        load_detector(folder)
    (folder / "tables.npz").write_bytes(pickle.dumps(Harmful(tmp_path / "executed")))
    with pytest.raises(ConfigurationError, match="damaged"):
        load_detector(folder)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("entry", "values", "says"),
    [
        ("burst.values.npy", lambda old: old[::-1], "falls"),
        ("burst.knots.npy", lambda old: -old, "does not fit"),
        ("burst.knots.npy", lambda old: old[:-1], "does not fit"),
        ("burst.knots.npy", lambda old: np.where(old == old, np.nan, old), "no number"),
        ("events.bits.npy", lambda old: old.astype("<f4"), "not a table"),
        ("hours.raw.npy", lambda old: old[:0], "not a table"),
        ("burst.values.npy", lambda old: old + 1, "but the files make"),
    ],
)
def test_damaged_tables_are_named(folder, entry, values, says):
    with zipfile.ZipFile(folder / "tables.npz") as bundle:
        old = np.lib.format.read_array(io.BytesIO(bundle.read(entry)))
    packed(folder, **{entry: array(np.ascontiguousarray(values(old)))})
    with pytest.raises(ConfigurationError, match=says):
        load_detector(folder)


def test_a_small_file_that_unpacks_to_much_is_refused(folder):
    with zipfile.ZipFile(folder / "tables.npz", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("burst.knots.npy", b"\0" * (17 << 20))
    with pytest.raises(ConfigurationError, match="unpacks to more"):
        load_detector(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"days": -1}, "days"),
        ({"kind": "forest"}, "kind"),
        ({"tables": ["burst"]}, "does not fit"),
        ({"weights": {"new_actoin": 1.0}}, "new_actoin"),
        ({"weights": {"burst": -1.0}}, "between 0 and 100"),
        ({"events_per_day": 1.0}, "but the files make"),
        ({"code": "print()"}, "code"),
    ],
)
def test_damaged_heads_are_named(folder, change, says):
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ConfigurationError, match=says):
        load_detector(folder)


def test_missing_files_are_named(folder):
    (folder / "tables.npz").unlink()
    with pytest.raises(ConfigurationError, match=r"tables\.npz: cannot be read"):
        load_detector(folder)
    shutil.rmtree(folder)
    with pytest.raises(ConfigurationError, match=r"model\.json: cannot be read"):
        load_detector(folder)
