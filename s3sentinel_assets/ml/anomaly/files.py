"""Files of a detector: ``model.json`` and ``tables.npz``, no pickle, the same bytes for the same detector.

Belongs here: writing, reading, and distrust of what is read. Does not belong here: which folder holds the champion
(``scoring.model``) or its registration (``registry``).
"""

import io
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.anomaly.calibration import Calibration
from s3sentinel_assets.ml.anomaly.detector import Detector, DetectorKind
from s3sentinel_assets.ml.anomaly.steps import StepTable
from s3sentinel_assets.ml.parameters import TERMS

__all__ = ["MODEL_FILE", "TABLES_FILE", "read_detector", "write_detector"]

MODEL_FILE, TABLES_FILE = "model.json", "tables.npz"
#: A model is well below; a file that claims more is no model.
_MOST_BYTES = 16 << 20
_MOST_ENTRIES = 2 * len(TERMS) + 4
_RESTORE = "restore the folder from the registry or the release, or choose another champion"
#: A name that may stand in sentences, folders and records.
_NAME = r"^[A-Za-z0-9_.+-]{1,100}$"
#: What Python's reader of ZIP files says to damaged ones.
_DAMAGE = (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, OverflowError, zlib.error)
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(rb"\{'descr': '(<[fi][248])', 'fortran_order': False, 'shape': \(([0-9]{1,9}),\), \} *\n")


class _Head(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    about: str = ""
    version: str = Field(pattern=_NAME)
    kind: DetectorKind
    format: str = Field(pattern=_NAME)
    features: str = Field(pattern=_NAME)
    days: float = Field(ge=0)
    calibrated: bool
    events_per_day: float = Field(ge=0)
    events_slope: float = Field(gt=0)
    hours_per_day: float = Field(ge=0)
    hours_slope: float = Field(gt=0)
    tables: list[str]
    weights: dict[str, float]


def write_detector(folder: Path, detector: Detector) -> None:
    """Writes both files into ``folder``, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, values in sorted(detector.arrays().items()):
            data = io.BytesIO()
            np.lib.format.write_array(data, values, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # such an entry has no time
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, data.getvalue())
    (folder / TABLES_FILE).write_bytes(packed.getvalue())
    head = {"version": detector.version, **detector.head()}
    (folder / MODEL_FILE).write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")


def read_detector(folder: Path) -> Detector:
    """Reads both files; see `detector.load_detector`."""
    head = _head(Path(folder) / MODEL_FILE)
    file = Path(folder) / TABLES_FILE
    arrays = _arrays(file)
    wanted = {f"{term}.{part}" for term in head.tables for part in ("knots", "values")}
    wanted |= {f"{name}.{part}" for name in ("events", "hours") for part in ("raw", "bits")}
    if set(arrays) != wanted:
        odd = sorted(set(arrays) ^ wanted)[0]
        raise ConfigurationError(f"{file}: does not fit {MODEL_FILE} beside it ({_shown(odd)}); {_RESTORE}")
    for keys, heights in [(f"{term}.knots", f"{term}.values") for term in head.tables] + [
        ("events.raw", "events.bits"),
        ("hours.raw", "hours.bits"),
    ]:
        _check_steps(file, keys, arrays[keys], heights, arrays[heights])
    detector = Detector(
        kind=head.kind,
        format=head.format,
        events=Calibration(head.events_per_day, arrays["events.raw"], arrays["events.bits"], head.events_slope),
        hours=Calibration(head.hours_per_day, arrays["hours.raw"], arrays["hours.bits"], head.hours_slope),
        tables={term: StepTable(arrays[f"{term}.knots"], arrays[f"{term}.values"]) for term in head.tables},
        weights=head.weights,
        days=head.days,
        calibrated=head.calibrated,
        features=head.features,
    )
    if detector.version != head.version:
        raise ConfigurationError(
            f"{Path(folder) / MODEL_FILE}: says {head.version}, but the files make {detector.version}; {_RESTORE}"
        )
    return detector


def _head(file: Path) -> _Head:
    try:
        values = json.loads(_bytes(file))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: is not valid JSON ({error}); {_RESTORE}") from None
    except (ValueError, RecursionError):  # JSON, but meant to break its reader
        raise ConfigurationError(f"{file}: numbers or brackets go beyond what a model has; {_RESTORE}") from None
    try:
        head = _Head.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = _shown(".".join(str(step) for step in first["loc"])) or "top level"
        raise ConfigurationError(f"{file}: {where}: {first['msg']}; {_RESTORE}") from None
    unknown = sorted({*head.tables, *head.weights} - set(TERMS))
    if unknown:
        raise ConfigurationError(
            f"{file}: term '{_shown(unknown[0])}' is unknown to this version of s3sentinel; fit the model anew with it"
        )
    if wrong := sorted(term for term, weight in head.weights.items() if not 0 <= weight <= 100):
        raise ConfigurationError(f"{file}: weights.{wrong[0]}: must be between 0 and 100; {_RESTORE}")
    return head


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{file}: is larger than {_MOST_BYTES >> 20} MiB, so it is no model; {_RESTORE}")
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror}); {_RESTORE}") from None


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(_bytes(file))) as bundle:
            entries = bundle.infolist()
            # Asked before anything is unpacked: a small file may claim gigabytes.
            if sum(entry.file_size for entry in entries) > _MOST_BYTES or len(entries) > _MOST_ENTRIES:
                raise ConfigurationError(
                    f"{file}: unpacks to more than {_MOST_BYTES >> 20} MiB or {_MOST_ENTRIES} tables; {_RESTORE}"
                )
            if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
                raise NotImplementedError("it is packed in another way than s3sentinel does")
            return {entry.filename.removesuffix(".npy"): _array(bundle.read(entry)) for entry in entries}
    except _DAMAGE as error:
        raise ConfigurationError(f"{file}: is damaged ({_shown(str(error))}); {_RESTORE}") from None


def _array(data: bytes) -> NDArray[Any]:
    """A table in the one form that `write_detector` writes.

    NumPy's own reader takes many more: it evaluates the header as Python, and makes room for as many values as that
    claims before it looks for them.

    Raises:
        ValueError: it is something else, or has not as many values as it says.
    """
    begin = len(_MAGIC) + 2
    end = begin + int.from_bytes(data[len(_MAGIC) : begin], "little")
    header = _HEADER.fullmatch(data[begin:end])
    if not data.startswith(_MAGIC) or header is None:
        raise ValueError("an entry is no table of numbers")
    values = np.frombuffer(data[end:], np.dtype(header[1].decode()))
    if values.size != int(header[2]):
        raise ValueError(f"a table says that it has {int(header[2]):,} values, and has {values.size:,}")
    return values.copy()


def _shown(text: str) -> str:
    """What a file says, fit for a sentence: not long, and only characters that every log takes."""
    return text[:100].encode("unicode_escape").decode()


def _check_steps(file: Path, name: str, keys: NDArray[Any], height_name: str, heights: NDArray[Any]) -> None:
    """Raises unless both are tables that rise: nothing else may decide what is urgent."""
    kinds = {"knots": "<f8", "values": "<i8", "raw": "<i8", "bits": "<f8"}
    for each, values in ((name, keys), (height_name, heights)):
        if values.ndim != 1 or not values.size or values.dtype.str != kinds[each.rpartition(".")[2]]:
            raise ConfigurationError(f"{file}: {each}: is not a table of numbers; {_RESTORE}")
        if not np.isfinite(values).all():
            raise ConfigurationError(f"{file}: {each}: holds something that is no number; {_RESTORE}")
    if keys.size != heights.size or keys[0] <= 0 or heights[0] < 0:
        raise ConfigurationError(f"{file}: {name}: does not fit {height_name}; {_RESTORE}")
    if (np.diff(keys) <= 0).any() or (np.diff(heights) < 0).any():
        raise ConfigurationError(f"{file}: {height_name}: falls where it must rise with {name}; {_RESTORE}")
