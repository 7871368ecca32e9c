"""Both ways at a tiny size: the same events, the same values, the same scores."""

import contextlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ours
from benchmarks.clock import StageClock
from benchmarks.history import make_history
from benchmarks.inputs import SOURCES, InputSet, make_inputs
from benchmarks.job import Job, Outcome, Way, measured
from benchmarks.ordinary import way as ordinary
from benchmarks.sink import LIMIT_BYTES, Counts, running_sink
from s3sentinel_assets.ledger.states import newest_state
from s3sentinel_assets.pipeline.histories import read_history

SIZE = 1_500_000
#: Ours are not the ordinary way's: which body a row travelled with, times that a native column holds as well, and the
#: pattern of a row, which the ordinary way does not look for.
OWN_COLUMNS = {"BatchId_CF", "EventTime_CF", "ExtraFields_CF", "Pattern_CF"}

#: Three digits are told of a rate, however small; its last one may be rounded the other way.
_TOLERANCES = {"AnomalyScore_CF": {"abs": 0.011}, "Confidence_CF": {"abs": 0.011}, "ExpectedPerDay_CF": {"rel": 0.011}}

Deliver = Callable[[Way, bool], tuple[Outcome, Counts, dict[str, dict[str, Any]]]]


@pytest.fixture(scope="module", params=SOURCES)
def world(request, tmp_path_factory):
    """Inputs and history of one source, and a sink that keeps what it gets."""
    work = tmp_path_factory.mktemp("bench")
    inputs = make_inputs(work, request.param, SIZE)
    history = make_history(work, request.param, SIZE)
    with running_sink(work, keep=True) as sink:
        yield inputs, history, sink, work


@pytest.fixture(scope="module")
def inputs(world) -> InputSet:
    return world[0]


@pytest.fixture(scope="module")
def deliver(world) -> Deliver:
    """Runs one way once and gives outcome, counts and rows by event id."""
    inputs, history, sink, work = world
    done: dict[tuple[str, bool], Any] = {}

    def run(way: Way, scored: bool):
        if (way, scored) not in done:
            rule = f"{way}-{scored}"
            job = Job(way, inputs, history if scored else None, work / rule, sink.endpoint, sink.ca_file, rule)
            outcome = measured(job, ours.run, ours.prepare) if way == "ours" else measured(job, ordinary.run)
            counts = sink.settled(rule)
            rows = [row for body in sink.bodies[rule] for row in json.loads(body)]
            done[way, scored] = outcome, counts, {row["EventId_CF"]: row for row in rows}
        return done[way, scored]

    return run


@pytest.mark.parametrize("scored", [True, False], ids=["scored", "unscored"])
def test_every_event_arrives_once_both_ways(deliver, inputs, scored):
    for way in ("ours", "ordinary"):
        _, counts, rows = deliver(way, scored)
        assert counts.rows == len(rows) == inputs.events
    assert deliver("ours", scored)[2].keys() == deliver("ordinary", scored)[2].keys()


@pytest.mark.parametrize("scored", [True, False], ids=["scored", "unscored"])
def test_our_bodies_fit_and_are_full(deliver, scored):
    _, counts, _ = deliver("ours", scored)
    assert counts.bodies > 1
    assert counts.too_large == 0
    assert counts.largest <= LIMIT_BYTES
    assert counts.full == counts.bodies - 1


@pytest.mark.parametrize("scored", [True, False], ids=["scored", "unscored"])
def test_rows_have_the_same_values_both_ways(deliver, scored):
    mine, theirs = deliver("ours", scored)[2], deliver("ordinary", scored)[2]
    differing = {
        (name, str(row.get(name)), str(other.get(name)))
        for row, other in ((mine[key], theirs[key]) for key in mine)
        for name in (row.keys() | other.keys()) - OWN_COLUMNS
        if not _alike(row.get(name), other.get(name), **_TOLERANCES.get(name, {}))
    }
    assert not differing


def test_the_history_is_real(deliver):
    rows = deliver("ours", True)[2].values()
    assert max(row["Confidence_CF"] for row in rows) > 0.3
    assert any(row["AnomalyScore_CF"] > 0 for row in rows)


def test_what_was_learnt_agrees(deliver, world):
    """Both ways would score the next hour alike, too."""
    inputs, _, _, work = world
    deliver("ours", True)
    deliver("ordinary", True)
    config = ours.bench_config(inputs.source, work / "ours-True", "https://127.0.0.1:1", None, "none")
    with contextlib.closing(ours.FileRuntime(config, inputs)) as runtime:
        with runtime.ledger.read() as connection:
            sealed = newest_state(connection, inputs.source, inputs.hour)
        state = read_history(runtime.ledger, runtime.store, sealed).states[inputs.source]
    assert state.hour == inputs.hour
    rows = list(state.stored.iter_rows())
    mine = {(table, key): count for table, key, count, _, _ in rows}
    tables = pickle.loads((work / "ordinary-True" / "state.pickle").read_bytes())["tables"]
    theirs = {(table, key): entry[0] for table, entries in tables.items() for key, entry in entries.items()}
    assert theirs == pytest.approx(mine, rel=1e-9)
    hours = {(table, key): entry[1:] for table, entries in tables.items() for key, entry in entries.items()}
    assert hours == {(table, key): (first, last) for table, key, _, first, last in rows}


def test_every_stage_is_timed(deliver):
    outcome = deliver("ours", True)[0]
    assert {"list", "parse", "score", "model", "state", "send", "pack", "upload", "ledger", "files"} <= set(
        outcome.entries
    )
    assert sum(outcome.stages.values()) == pytest.approx(outcome.cpu, rel=0.2)
    assert outcome.entries["model"] == 1


def test_a_stage_that_is_not_found_ends_the_job(world, monkeypatch):
    """Else its cost would be shown as nothing."""
    inputs, history, sink, work = world
    monkeypatch.setattr(StageClock, "attached", lambda *_args, **_more: contextlib.nullcontext())
    job = Job("ours", inputs, history, work / "unseen", sink.endpoint, sink.ca_file, "unseen")
    with pytest.raises(RuntimeError, match="files, model, pack, patterns, roll_up, upload were not seen"):
        measured(job, ours.run, ours.prepare)


def test_inputs_are_kept_and_compress_as_real_logs_do(inputs, world):
    again = make_inputs(world[3], inputs.source, SIZE)
    assert again == inputs
    # Less than at full size: the smaller an object, the less it has to repeat.
    low, high = (6.0, 10.5) if inputs.source == "cloudtrail" else (4.5, 6.0)
    assert low <= inputs.raw_bytes / inputs.stored_bytes <= high


def test_equal_seeds_give_equal_inputs(tmp_path: Path, inputs):
    def bodies(folder: str, seed: int) -> list[bytes]:
        made = make_inputs(tmp_path / folder, inputs.source, 60_000, seed=seed)
        return [(made.folder / entry.file).read_bytes() for entry in made.objects]

    assert bodies("a", 7) == bodies("b", 7) != bodies("c", 8)


def _alike(mine: Any, theirs: Any, **tolerance: float) -> bool:
    if mine == theirs:
        return True
    if isinstance(mine, float) and isinstance(theirs, float):
        return mine == pytest.approx(theirs, **tolerance)
    try:  # nested JSON: theirs is written anew, with other spaces
        return json.loads(mine) == json.loads(theirs)
    except (TypeError, ValueError):
        return False
