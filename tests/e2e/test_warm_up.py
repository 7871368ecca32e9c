"""Warming up: history is there before the first hour that is delivered, and nothing else of it is."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_key, hour_start, shift_hour
from s3sentinel_assets.ledger.schema import batch, state
from s3sentinel_assets.pipeline import discovery, parsing, progress, states, warm_up, work
from s3sentinel_assets.pipeline.runtime import Runtime
from tests.e2e import logs

TRAIL = "cloudtrail"


@pytest.fixture
def world(make_world, now):
    """Delivery starts two hours ago; two days of logs lie before."""
    start = hour_start(hour_key(now - timedelta(hours=3)))
    made = make_world(start=start.isoformat())
    for back, count in ((40, 60), (39, 60), (10, 30), (1, 20)):
        moment = start - timedelta(hours=back)
        body = logs.cloudtrail(logs.records(moment, count, 100 * back))
        made.put(logs.key(TRAIL, moment, f"old-{back}.json.gz"), body, moment + timedelta(minutes=7))
    return made


def learned(runtime) -> list[tuple[str, int]]:
    with runtime.ledger.read() as connection:
        return [
            tuple(row) for row in connection.execute(sa.select(state.c.hour, state.c.events).order_by(state.c.hour))
        ]


def test_history_is_built_and_the_first_delivered_hour_is_scored(world):
    runtime, start = world.runtime, hour_key(world.runtime.config.start)
    told = []
    result = warm_up.warm_up(runtime, warm_up.span_of(runtime, TRAIL, 2), lambda _, hour: told.append(hour))
    assert (result.done, result.objects, result.events) == (48, 4, 170)
    assert (told[0], told[-1], len(told)) == (shift_hour(start, -48), shift_hour(start, -1), 48)
    with runtime.ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(batch)).scalar_one() == 0
    # Sensors, schedules and progress know nothing of these hours.
    assert work.touched_hours(runtime, TRAIL).hours == {}
    assert all(hour >= start for hour in states.hours_to_seal(runtime, TRAIL))
    assert progress.delivery_progress(runtime, TRAIL).waiting_events == 0
    # An event that turns up again, in an object of its own and as a copy of an object, is delivered.
    moment = hour_start(start)
    again = logs.records(moment - timedelta(hours=1), 5, 100)
    world.put(logs.key(TRAIL, moment, "new.json.gz"), logs.cloudtrail(again + logs.records(moment, 7)), moment)
    world.bring_up(TRAIL, start)
    world.close_hour(TRAIL, start)
    account = world.account(TRAIL, start)
    assert (account.records, account.accepted, account.verdict) == (12, 12, "complete")
    rows = world.rows("AWSCloudTrail | summarize rows = count(), unscored = countif(Flags_CF has 'unscored')")
    assert rows == [{"rows": 12, "unscored": 0}]
    assert learned(runtime)[-1] == (start, 12)


def test_it_goes_on_where_it_was_stopped_and_counts_nothing_twice(world, monkeypatch):
    runtime = world.runtime
    span = warm_up.span_of(runtime, TRAIL, 2)
    stop = span.hours[30]

    def interrupt(_, hour):
        if hour == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        warm_up.warm_up(runtime, span, interrupt)
    rest = warm_up.span_of(runtime, TRAIL, 2)
    assert (rest.resume, len(rest.hours)) == (shift_hour(stop, 1), 17)
    result = warm_up.warm_up(runtime, rest)
    assert (result.done, result.events) == (17, 50)
    assert sum(events for _, events in learned(runtime)) == 170
    assert warm_up.span_of(runtime, TRAIL, 2).hours == []


def test_who_moves_the_start_back_asks_for_delivery_and_gets_each_event_once(world):
    result = warm_up.warm_up(world.runtime, warm_up.span_of(world.runtime, TRAIL, 2))
    assert result.done == 48
    config = world.runtime.config
    hour = shift_hour(hour_key(config.start), -10)
    runtime = Runtime(config.model_copy(update={"start": hour_start(hour)}))
    assert hour in work.touched_hours(runtime, TRAIL).hours
    world.bring_up(TRAIL, hour, runtime)
    account = world.account(TRAIL, hour)
    assert (account.accepted, account.verdict) == (30, "complete")
    before = learned(runtime)
    assert states.advance_state(runtime, TRAIL, hour).done == 0
    assert learned(runtime) == before
    runtime.close()


def test_what_is_delivered_anyway_or_lies_beneath_a_history_is_refused(world):
    runtime = world.runtime
    start = hour_key(runtime.config.start)
    with pytest.raises(UserError, match="where delivery starts"):
        warm_up.span_of(runtime, TRAIL, 2, start)
    discovery.discover(runtime, TRAIL, [start])
    parsing.parse_hour(runtime, TRAIL, start)
    world.close_hour(TRAIL, start)
    with pytest.raises(UserError, match="cannot be put beneath it"):
        warm_up.span_of(runtime, TRAIL, 2)


def test_the_command_says_what_it_did(world, capsys):
    from s3sentinel_assets.cli import main

    file = str(world.laptop.home / "s3sentinel.yaml")
    with pytest.raises(SystemExit) as ended:
        main(["warm-up", "--days", "1", "--source", TRAIL, "--config", file, "--json"])
    assert ended.value.code == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["delivered"], said["sources"][0]["done"], said["sources"][0]["events"]) == (0, 24, 50)
    with pytest.raises(SystemExit):
        main(["warm-up", "--days", "1", "--source", TRAIL, "--config", file])
    printed = capsys.readouterr().out
    assert "(24 had been learned before)" in printed
    assert "nothing was delivered" in printed


def test_hours_beneath_a_history_are_not_called_learned(world, capsys):
    from s3sentinel_assets.cli import main

    def command(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["warm-up", *arguments, "-s", TRAIL, "--config", str(world.laptop.home / "s3sentinel.yaml")])
        told = capsys.readouterr()
        return ended.value.code, told.out, " ".join(told.err.split())

    start = hour_key(world.runtime.config.start)
    assert command("--days", "1", "--until", shift_hour(start, -30))[0] == 0
    # A gap of five hours, which the second warm-up leaves behind because nobody asks for it.
    assert command("--days", "1", "--json")[0] == 0
    code, out, err = command("--days", "3", "--json")
    assert code == 1
    (span,) = [each["span"] for each in json.loads(out.splitlines()[-1])["sources"]]
    assert (span["learned_before"], span["never_learned"]) == (48, 24)
    begins = shift_hour(start, -53)
    assert f"begins at {begins}; the 19 hours before it, from {shift_hour(start, -72)}, cannot be put beneath it" in err
    assert "; 5 hours in it were left out by earlier warm-ups" in err
    assert "another name" in err
    code, out, err = command("--days", "2")
    assert code == 1
    assert "(43 had been learned before)" in out
    assert "before it" not in err
    assert "5 hours in it" in err


def test_a_lack_at_the_beginning_does_not_keep_later_hours_from_being_learned(world):
    runtime, start = world.runtime, hour_key(world.runtime.config.start)
    until = shift_hour(start, -12)
    assert warm_up.warm_up(runtime, warm_up.span_of(runtime, TRAIL, 1, until)).done == 24
    assert warm_up.span_of(runtime, TRAIL, 1, until).lack is None
    span = warm_up.span_of(runtime, TRAIL, 2)
    assert (span.learned_before, span.never_learned, len(span.hours)) == (24, 13, 11)
    assert warm_up.warm_up(runtime, span).done == 11
