"""How fast an hour of 200,000 events is scored and learned, in a process of its own on two cores.

Belongs here: measuring. Does not belong here: the hour itself (``seed`` leaves it). A rough figure: whatever else the
machine does is in it.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["measure"]

_THREADS = 2
_ROUNDS = 3


def measure(folder: Path, models_dir: Path) -> float:
    """Events a second: features, score and the next state together; the best of three rounds after a first one.

    Raises:
        RuntimeError: the process failed.
    """
    environment = os.environ | {"POLARS_MAX_THREADS": str(_THREADS)}
    command = [sys.executable, "-m", "evaluation.throughput", str(folder), str(models_dir)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"the speed could not be measured: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout.split()[-1])


def _main(folder: Path, models_dir: Path) -> None:
    import polars as pl

    from evaluation.seed import BATCH, FORMAT, STATE
    from s3sentinel_assets.ml import EntityState, load_model, score, update

    batch = pl.read_parquet(folder / BATCH)
    state = EntityState.from_parquet(folder / STATE)
    model = load_model(models_dir, FORMAT)
    hour = json.loads((folder / "hour.json").read_text(encoding="utf-8"))["hour"]
    seconds = []
    for _ in range(_ROUNDS + 1):
        begin = time.perf_counter()
        score(batch, state, None, model, hour=hour)
        update(state, [batch], hour, format=FORMAT, model=model)
        seconds.append(time.perf_counter() - begin)
    sys.stdout.write(f"{batch.height / min(seconds[1:])}\n")


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
