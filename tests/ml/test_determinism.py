"""The same bits, whatever the row order, the number of threads, the way through a file or the cut into batches."""

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from s3sentinel_assets.ml import Counters, EntityState, load_model, score, update
from tests.ml.worlds import MODELS, World, frame, hours

ROOT = Path(__file__).parents[2]


def digest(*frames: pl.DataFrame) -> str:
    total = hashlib.sha256()
    for each in frames:
        # Floats as their exact hexadecimal form.
        exact = each.with_columns(pl.col(pl.Float64).map_elements(float.hex, return_dtype=pl.String))
        total.update(exact.write_csv().encode())
    return total.hexdigest()


def story(shuffle: int | None = None, *, files: bool = False, cut: int = 1) -> str:
    """The digest of 14 hours of scores, counters and states."""
    model, world, state, digests = load_model(MODELS, "cloudtrail"), World(3), None, []
    for hour in hours(0, 2)[6:20]:
        batch = frame(world.hour(hour))
        order = batch["event_id"] if shuffle is None else batch["event_id"].shuffle(seed=shuffle)
        batch = order.to_frame().join(batch, on="event_id", how="left", maintain_order="left").select(batch.columns)
        if state is not None:
            counters, middle = None, batch["time"].median()
            for part in (batch.filter(pl.col("time") < middle), batch.filter(pl.col("time") >= middle)):
                result = score(part, state, counters, model, hour=hour)
                counters = result.counters
                if files:
                    counters = Counters.from_parquet(restored(counters))
                digests.append(
                    digest(pl.concat([part["event_id"].to_frame(), result.scores], how="horizontal").sort("event_id"))
                )
                digests.append(digest(counters.frame))
        size = -(-batch.height // cut)
        batches = [batch.slice(start, size) for start in range(0, batch.height, size)][:: -1 if cut > 1 else 1]
        state = update(state, batches, hour, format="cloudtrail", model=model)
        if files:
            state = EntityState.from_parquet(restored(state))
        digests.append(digest(state.frame))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def restored(snapshot: EntityState | Counters) -> bytes:
    file = io.BytesIO()
    snapshot.to_parquet(file)
    return file.getvalue()


@pytest.fixture(scope="module")
def reference() -> str:
    return story()


@pytest.mark.parametrize(
    "case", [{"shuffle": 1}, {"shuffle": 2, "files": True}, {"cut": 5}], ids=["rows", "files", "cut"]
)
def test_the_story_is_bit_identical(reference, case):
    assert story(**case) == reference


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_do_not_matter(reference, threads):
    script = "import sys; sys.path.insert(0, '.'); from tests.ml.test_determinism import story; print(story(7))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "POLARS_MAX_THREADS": threads},
    )
    assert done.stdout.strip() == reference


def test_a_large_batch_is_bit_identical_in_pieces_of_one_group():
    """Groups larger than a thread's share: many events of few principals."""
    model = load_model(MODELS, "cloudtrail")
    world = World(5)
    hour, later = hours(0, 1)[9], hours(0, 1)[10]
    rows = [world.call(hour, i % 60, f"user{i % 3}", f"s3:Get{i % 17}") for i in range(30_000)]
    batch = frame(rows)
    state = update(None, [batch], hour, format="cloudtrail", model=model)
    again = update(None, [batch.sample(fraction=1, shuffle=True, seed=4)], hour, format="cloudtrail", model=model)
    assert state.frame.equals(again.frame)
    one = score(batch, state, None, model, hour=later).scores
    shuffled = batch.with_row_index("i").sample(fraction=1, shuffle=True, seed=5)
    two = (
        score(shuffled.drop("i"), state, None, model, hour=later).scores.with_columns(shuffled["i"]).sort("i").drop("i")
    )
    assert one.equals(two)


def test_snapshots_keep_their_head(tmp_path):
    model = load_model(MODELS, "cloudtrail")
    hour = hours(0, 1)[9]
    state = update(None, [frame(World().hour(hour))], hour, format="cloudtrail", model=model)
    state.to_parquet(tmp_path / "state.parquet")
    back = EntityState.from_parquet(tmp_path / "state.parquet")
    assert (back.hour, back.format, back.events, back.keys) == (state.hour, "cloudtrail", state.events, state.keys)
    assert back.frame.equals(state.frame)
    assert state.frame.equals(state.frame.sort("table", "key"))
