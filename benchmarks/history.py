"""The history: what the model has learnt before the measured hour, made once by the product's own stages.

Belongs here: the folder that every scored job starts from: ``home`` (ledger and state file) for our way, and the same
state as dictionaries for the ordinary way. Does not belong here: the learning itself.
"""

import contextlib
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

from benchmarks.inputs import HISTORY, HOUR, Source, code_digest, make_inputs
from benchmarks.job import DICTIONARIES, MODELS
from benchmarks.ours import FileRuntime, bench_config, list_inputs
from s3sentinel_assets.ledger import hours as ledger_hours
from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.ledger.states import newest_state
from s3sentinel_assets.ml.history.counters import RECENT, RECENT_SENSITIVE, Counters
from s3sentinel_assets.ml.history.dimensions import SEPARATOR
from s3sentinel_assets.ml.history.state import EntityState
from s3sentinel_assets.ml.scoring.model import load_model
from s3sentinel_assets.pipeline import parsing, states
from s3sentinel_assets.pipeline.histories import read_counters, read_history
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["as_dictionaries", "make_history"]

#: To be raised with the form of the dictionaries, so that kept ones are made anew.
_VERSION = 2


def make_history(work: Path, source: Source, size: int, *, seed: int = 7) -> Path:
    """The folder of a history of ``size`` raw bytes an hour, from the cache where it was made before.

    A change to the model, or to code that the state or the ledger's form depends on, makes it anew.
    """
    version = load_model(MODELS, source).version.rpartition("-")[2]
    code = code_digest("formats", "ml", "ledger", "tables", "pipeline", "local/generator")
    folder = work / "history" / f"{source}-{size}-seed{seed}-v{_VERSION}-{version}-{code}"
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
                _write_dictionaries(runtime, source, unfinished / DICTIONARIES)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def _write_dictionaries(runtime: Runtime, source: Source, file: Path) -> None:
    with runtime.ledger.read() as connection:
        sealed = newest_state(connection, source, HISTORY[-1])
    if sealed is None:
        raise RuntimeError(f"the history of {source} has no state")
    state = read_history(runtime.ledger, runtime.store, sealed).states[source]
    learnt = as_dictionaries(state, _counters(runtime, source), HOUR)
    with file.open("wb") as sink:
        pickle.dump(learnt, sink)


def _counters(runtime: Runtime, source: Source) -> Counters:
    """What the last hour of the history left."""
    with runtime.ledger.read() as connection:
        parts = [part.id for part in parts_of_hour(connection, source, HISTORY[-1])]
        scored = latest_stages(connection, parts, Stage.SCORED)
    files = [file for part in parts if part in scored for file in scored[part].files_of("counters")]
    return read_counters(runtime.store.checked_path(files[-1].uri, files[-1].sha256), (source,))[source]


def as_dictionaries(state: EntityState, counters: Counters, hour: str) -> dict[str, Any]:
    """A state as the ordinary way keeps it, with who stood out lately, as ``hour`` sees it.

    Each count is as of the hour that touched it last, which is the last number beside it.
    """
    tables: dict[str, dict[str, tuple[float, int, int]]] = {}
    for table, key, count, first, last in state.stored.iter_rows():
        tables.setdefault(table, {})[key] = (count, first, last)
    lately: dict[str, dict[str, dict[int, int]]] = {RECENT: {}, RECENT_SENSITIVE: {}}
    for table, key, raw in counters.for_hour(hour).frame.iter_rows():
        if table in lately:
            principal, _, minute = key.rpartition(SEPARATOR)
            lately[table].setdefault(principal, {})[int(minute)] = raw
    return {"tables": tables, **lately}
