"""The history: what the model has learnt before the measured hour, made once by the product's own stages.

Belongs here: the folder that every scored job starts from: ``home`` (ledger and state file) for our way, and the same
state as dictionaries for the ordinary way. Does not belong here: the learning itself.
"""

import contextlib
import os
import pickle
import shutil
from pathlib import Path

from benchmarks.inputs import HISTORY, Source, code_digest, make_inputs
from benchmarks.job import DICTIONARIES, MODELS
from benchmarks.ours import FileRuntime, bench_config, list_inputs
from s3sentinel_assets.ledger import hours as ledger_hours
from s3sentinel_assets.ledger.states import newest_state
from s3sentinel_assets.ml.history.state import EntityState
from s3sentinel_assets.ml.scoring.model import load_model
from s3sentinel_assets.pipeline import parsing, states
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["make_history"]


def make_history(work: Path, source: Source, size: int, *, seed: int = 7) -> Path:
    """The folder of a history of ``size`` raw bytes an hour, from the cache where it was made before.

    A change to the model, or to code that the state or the ledger's form depends on, makes it anew.
    """
    version = load_model(MODELS, source).version.rpartition("-")[2]
    code = code_digest("formats", "ml", "ledger", "tables", "local/generator")
    folder = work / "history" / f"{source}-{size}-seed{seed}-{version}-{code}"
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    home = unfinished / "home"
    home.mkdir(parents=True)
    for hour in HISTORY:
        inputs = make_inputs(work, source, size, seed=seed, hour=hour)
        config = bench_config(source, home, "https://127.0.0.1:1", None, "none")
        with contextlib.closing(FileRuntime(config, inputs)) as runtime:
            list_inputs(runtime, inputs)
            parsing.parse_hour(runtime, source, hour)
            ledger_hours.seal(runtime.ledger, source, hour)
            states.advance_state(runtime, source, hour)
            if hour == HISTORY[-1]:
                _as_dictionaries(runtime, source, unfinished / DICTIONARIES)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def _as_dictionaries(runtime: Runtime, source: Source, file: Path) -> None:
    with runtime.ledger.read() as connection:
        sealed = newest_state(connection, source, HISTORY[-1])
    if sealed is None:
        raise RuntimeError(f"the history of {source} has no state")
    state = EntityState.from_parquet(runtime.store.checked_path(sealed.uri, sealed.sha256))
    tables: dict[str, dict[str, tuple[float, int, int]]] = {}
    for table, key, count, first, last in state.frame.iter_rows():
        tables.setdefault(table, {})[key] = (count, first, last)
    with file.open("wb") as sink:
        pickle.dump({"hour": state.hour, "tables": tables}, sink)
