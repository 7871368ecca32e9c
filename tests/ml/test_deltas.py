"""States that say what changed: read back they are the state itself, bit for bit, and few keys are written."""

import io
from dataclasses import replace

import polars as pl
import pytest

from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ml import EntityState, ScoringUnavailable, load_model, update
from s3sentinel_assets.ml.history.deltas import StateChanges, changes_since, with_changes
from tests.ml.worlds import MODELS, World, frame, hours

MODEL = load_model(MODELS, "cloudtrail")


def through_file(snapshot):
    file = io.BytesIO()
    snapshot.to_parquet(file)
    return type(snapshot).from_parquet(file.getvalue())


def same(one: EntityState, other: EntityState) -> bool:
    """Every bit, of stored and of faded counts, and all that is said beside the rows."""
    bits = [state.frame.with_columns(pl.col("count").map_elements(float.hex, pl.String)) for state in (one, other)]
    return one.stored.equals(other.stored) and bits[0].equals(bits[1]) and one.values == other.values


def carried(max_keys: int | None = None, fast: bool = False):
    """(state carried in memory, the same read from its last whole state and changes) for 31 hours."""
    parameters = MODEL.parameters.model_copy(update={"half_life_hours": 2.0}) if fast else MODEL.parameters
    model = replace(MODEL, parameters=parameters)
    world, state, read, whole = World(11), None, None, None
    for hour in hours(0, 2)[5:36]:
        batches = [frame(world.hour(hour))]
        state = update(state, batches, hour, format="cloudtrail", model=model, max_keys=max_keys)
        # The chain that only ever knows what it read from files.
        again = update(read, batches, hour, format="cloudtrail", model=model, max_keys=max_keys)
        if whole is None or hour.endswith("-00:00"):
            whole = read = through_file(again)
            yield state, read, whole, None
        else:
            changes = through_file(changes_since(again, whole))
            read = with_changes(whole, changes)
            yield state, read, whole, changes


@pytest.mark.parametrize("fast", [False, True])
def test_thirty_hours_of_changes_give_the_states_that_were_never_saved(fast):
    seen = list(carried(fast=fast))
    assert len(seen) == 31
    assert sum(changes is not None for _, _, _, changes in seen) > 24
    for state, read, _, _ in seen:
        assert same(state, read)
    # Keys fade away between whole states when they fade fast: that needs no word in the changes.
    if fast:
        _, read, whole, changes = next(one for one in reversed(seen) if one[3] is not None)
        assert not whole.stored.join(read.stored, on=["table", "key"], how="anti").is_empty()
        assert (changes.frame["count"] > 0).all()


def test_an_hour_of_a_few_events_writes_a_few_keys():
    world, hour = World(3), hours(0, 1)[10]
    whole = update(None, [frame(world.hour(hour))], hour, format="cloudtrail", model=MODEL)
    later = shift_hour(hour, 1)
    one = update(whole, [frame([world.call(later, 1, "user1", "svc1:New")])], later, format="cloudtrail", model=MODEL)
    changes = changes_since(one, whole)
    assert changes.frame.height < 30 < whole.keys
    assert same(with_changes(whole, changes), one)
    none = update(one, [], shift_hour(hour, 2), format="cloudtrail", model=MODEL)
    assert changes_since(none, one).frame.is_empty()


def test_keys_over_the_limit_go_faintest_first_and_stay_gone_in_the_changes():
    free = [state for state, _, _, _ in carried()]
    limit = free[-1].keys // 2
    seen = list(carried(max_keys=limit))
    assert all(state.keys <= limit for state, _, _, _ in seen)
    assert sum(state.crowded_out for state, _, _, _ in seen) > 0
    for state, read, _, _ in seen:
        assert same(state, read)
    assert any(changes is not None and (changes.frame["count"] == 0).any() for _, _, _, changes in seen)
    # The first hour that has too many keys: what was left has at least as much as what had to go.
    place = next(place for place, (state, _, _, _) in enumerate(seen) if state.crowded_out)
    kept, all_of_it = seen[place][0].frame, free[place].frame
    gone = all_of_it.join(kept, on=["table", "key"], how="anti")
    assert gone.height == seen[place][0].crowded_out
    assert gone["count"].max() <= kept["count"].min()


def test_another_half_life_needs_a_whole_state_and_changes_no_count_of_the_past():
    world, hour = World(4), hours(0, 1)[9]
    state = update(None, [frame(world.hour(hour))], hour, format="cloudtrail", model=MODEL)
    later = shift_hour(hour, 6)
    faded = update(state, [], later, format="cloudtrail", model=MODEL)
    other = MODEL.parameters.model_copy(update={"half_life_hours": 24.0})
    model = replace(MODEL, parameters=other)
    next_hour = shift_hour(later, 24)
    changed = update(faded, [], next_hour, format="cloudtrail", model=model)
    assert changes_since(changed, faded) is None
    both = faded.frame.join(changed.frame, on=["table", "key"], suffix="_later")
    assert both.select((pl.col("count") / 2 - pl.col("count_later")).abs().max()).item() < 1e-12


def test_changes_of_another_state_are_refused():
    world, hour = World(5), hours(0, 1)[9]
    states = [
        update(None, [frame(world.hour(each))], each, format="cloudtrail", model=MODEL) for each in hours(0, 1)[9:11]
    ]
    third = update(states[1], [], shift_hour(hour, 2), format="cloudtrail", model=MODEL)
    with pytest.raises(ScoringUnavailable, match=hour):
        with_changes(states[0], changes_since(third, states[1]))
    with pytest.raises(ScoringUnavailable):
        StateChanges.from_parquet(b"PAR1 damaged")
