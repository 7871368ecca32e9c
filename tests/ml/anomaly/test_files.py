"""Detectors in files: the same bytes again, and nothing damaged or hostile gets in."""

import io
import json
import pickle
import shutil
import struct
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


def claiming(shape: str, descr: str = "'<f8'") -> bytes:
    """An array of no bytes whose header claims something."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.mark.parametrize(
    "data",
    [
        claiming("(10000000000000,)"),
        claiming("(100000000,)"),
        claiming("(100000000,)", "'|S0'"),
        claiming("(-1,)"),
        claiming("(" * 3_000),
        claiming("(9,)", "((("),
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x03\x00",
        b"",
    ],
    ids=["huge", "large", "of nothing", "negative", "deep", "broken", "cut off", "another version", "empty"],
)
def test_a_table_that_claims_what_it_has_not_is_refused(folder, data):
    packed(folder, **{"events.raw.npy": data})
    with pytest.raises(ConfigurationError, match=r"tables\.npz: is damaged"):
        load_detector(folder)


def test_a_bundle_in_another_form_is_refused(folder):
    with zipfile.ZipFile(folder / "tables.npz", "w", zipfile.ZIP_LZMA) as bundle:
        bundle.writestr("events.raw.npy", b"\0" * 100)
    with pytest.raises(ConfigurationError, match="another way"):
        load_detector(folder)
    packed(folder, **{f"{number}.npy": b"" for number in range(1_000)})
    with pytest.raises(ConfigurationError, match="unpacks to more"):
        load_detector(folder)


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ('"x": ' + "[" * 200_000, "beyond what a model has"),
        ('"days": ' + "9" * 5_000, "beyond what a model has"),
        ('"weights": ' + "9" * 4_000, "weights: "),
        ('"\\ud800": 1', "json: "),
        ('"\\u001b[2J": 1', r"\x1b[2J: Extra"),
        (f'"{"x" * 100_000}": 1', "xxx: Extra"),
        ("{", "not valid JSON"),
    ],
    ids=["deep", "long number", "large number", "half a character", "order to a terminal", "long name", "cut off"],
)
def test_a_hostile_head_is_one_sentence_that_can_be_written_anywhere(folder, first, says):
    file = folder / "model.json"
    head = {name: value for name, value in json.loads(file.read_text()).items() if name not in first}
    file.write_text("{" + first + ", " + json.dumps(head)[1:])
    with pytest.raises(ConfigurationError) as refused:
        load_detector(folder)
    assert says in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1_000


def test_names_in_a_head_can_be_written_anywhere(folder):
    file = folder / "model.json"
    for name in ("x\ud800", "a/../b", "x\x1b[2J", ""):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"format": name}))
        with pytest.raises(ConfigurationError, match=r"model\.json: format: ") as refused:
            load_detector(folder)
        assert str(refused.value).isprintable()


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
