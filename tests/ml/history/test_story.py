"""One format of each family: the same bits whatever the row order, the cut into parts or the number of threads."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from s3sentinel_assets.ml import Counters, EntityState, load_model, score, update
from tests.ml.history.made_logs import HOURS, ONE_OF_EACH, shuffled
from tests.ml.test_determinism import digest, restored
from tests.ml.worlds import MODELS, frame, hours

ROOT = Path(__file__).parents[3]
EVERY = hours(0, 3)


def story(log_format: str, shuffle: int | None = None, *, files: bool = False, cut: int = 1) -> str:
    """The digest of some hours of scores, counters and states, across the end of a day."""
    model, state, digests = load_model(MODELS, log_format), None, []
    for hour in EVERY[20:26:2]:
        batch = frame(HOURS[log_format](hour))
        if shuffle is not None:
            batch = shuffled(batch, shuffle)
        if state is not None:
            counters, middle = None, batch["time"].median()
            for part in (batch.filter(pl.col("time") < middle), batch.filter(pl.col("time") >= middle)):
                result = score(part, state, counters, model, hour=hour)
                counters = result.counters
                if files:
                    counters = Counters.from_parquet(restored(counters))
                digests.append(digest(part.select("event_id").hstack(result.scores).sort("event_id")))
                digests.append(digest(counters.frame))
        size = -(-batch.height // cut)
        batches = [batch.slice(start, size) for start in range(0, batch.height, size)][:: -1 if cut > 1 else 1]
        state = update(state, batches, hour, format=log_format, model=model)
        if files:
            state = EntityState.from_parquet(restored(state))
        digests.append(digest(state.frame))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


@pytest.mark.parametrize("log_format", [name for name in ONE_OF_EACH if name != "cloudtrail"])
def test_the_story_is_bit_identical(log_format):
    reference = story(log_format)
    assert story(log_format, 1) == reference
    assert story(log_format, 2, files=True) == reference
    assert story(log_format, cut=5) == reference


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_do_not_matter(threads):
    names = ("web_access", "route53_resolver", "vpc_flow", "syslog")
    script = f"from tests.ml.history.test_story import story; print([story(name, 7) for name in {names}])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == str([story(name) for name in names])


@pytest.mark.parametrize("log_format", ["web_access", "route53_resolver", "vpc_flow", "syslog"])
def test_an_event_scores_by_what_came_before_it_whatever_the_parts(log_format):
    """The counters hand on all that the terms need: one event a part gives the scores of one part."""
    model = load_model(MODELS, log_format)
    state = update(None, [frame(HOURS[log_format](EVERY[9]))], EVERY[9], format=log_format, model=model)
    batch = frame(HOURS[log_format](EVERY[10], seed=2)).sort("time").head(12)
    whole = score(batch, state, None, model, hour=EVERY[10])
    counters, alone = None, []
    for row in range(batch.height):
        result = score(batch[row], state, counters, model, hour=EVERY[10])
        counters = result.counters
        alone.append(result.scores)
    assert pl.concat(alone)["_raw"].equals(whole.scores["_raw"])
    assert counters is not None
    assert counters.frame.equals(whole.counters.frame)
