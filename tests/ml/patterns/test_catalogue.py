"""Ids stay: from the first event on, through catalogues, merges and files; what is not seen any more is forgotten."""

import io
from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from s3sentinel_assets.ml.parameters import ScoringUnavailable
from s3sentinel_assets.ml.patterns import Catalogue, changes, empty_catalogue, fit, keeping
from s3sentinel_assets.ml.patterns.counting import add_up
from s3sentinel_assets.ml.patterns.keeping import NEWCOMERS_KEPT, TEMPLATES_KEPT
from tests.ml.patterns.days import counts_of, day_hours, next_day, syslog, visits

DAY, NEXT, AFTER = "2026-11-02", "2026-11-03", "2026-11-04"
HOUR = f"{DAY}-10:00"


def failed(*users):
    return [f"Failed password for {user} from 10.0.0.1 port {number} ssh2" for number, user in enumerate(users)]


def test_the_first_skeleton_gives_its_id_to_the_template():
    counts = syslog(failed("root", "anna", "bert", "cleo"), HOUR)
    assert counts["pattern"].n_unique() == 4
    made = fit(empty_catalogue(), counts, day_hours(DAY), NEXT)
    template = made.templates.row(0, named=True)
    assert made.templates.height == 1
    assert template["body"] == "Failed password for <*> from <ip> port <num> ssh<num>"
    assert template["pattern"] == counts.sort("first_time")["pattern"][0]
    assert template["events"] == 4
    assert set(made.resolve(counts["pattern"])) == {template["pattern"]}


def test_a_text_never_seen_fits_its_template():
    made = fit(empty_catalogue(), syslog(failed("root", "anna", "bert", "cleo"), HOUR), day_hours(DAY), NEXT)
    again = syslog([*failed("zoe"), "something else happened"], f"{NEXT}-01:00", made).sort("known")
    assert again["known"].to_list() == [False, True]
    assert again["pattern"][1] == made.templates["pattern"].item()
    assert again["body"][1] == made.templates["body"].item()


def test_templates_that_turn_out_to_be_one_keep_the_oldest_id():
    first = fit(empty_catalogue(), syslog(failed("root", "anna"), HOUR), day_hours(DAY), NEXT)
    assert first.templates.height == 2
    second = fit(first, syslog(failed("bert", "cleo", "dirk"), f"{NEXT}-01:00", first), day_hours(NEXT), AFTER)
    assert second.templates.height == 1
    kept = second.templates["pattern"].item()
    assert kept in first.templates["pattern"].to_list()
    assert set(second.resolve(first.templates["pattern"])) == {kept}
    assert second.templates["events"].item() == 5


def test_a_structure_is_not_mined():
    counts = counts_of({"a": 1, "b": 2, "c": 3}, HOUR, known=False)
    made = fit(empty_catalogue(), counts, day_hours(DAY), NEXT)
    assert made.templates["pattern"].to_list() == ["a", "b", "c"]
    assert made.templates["most"].to_list() == [1, 2, 3]


def test_what_is_not_seen_for_ninety_days_is_forgotten():
    made = fit(empty_catalogue(), counts_of({"old": 5}, HOUR), day_hours(DAY), NEXT)
    later = fit(made, counts_of({"new": 5}, "2027-01-31-10:00"), day_hours("2027-01-31"), "2027-02-01")
    assert later.templates["pattern"].to_list() == ["new"]
    assert later.rates["pattern"].unique().to_list() == ["new"]
    assert later.observed["day"].unique().to_list() == ["2027-01-31"]


def test_the_order_of_counts_does_not_matter():
    texts = failed("root", "anna", "bert", "cleo") + [f"job {name} done" for name in "abcdefgh"]
    counts = syslog(texts, HOUR)
    made = fit(empty_catalogue(), counts, day_hours(DAY), NEXT)
    other = fit(empty_catalogue(), counts.sample(fraction=1, shuffle=True, seed=3), day_hours(DAY), NEXT)
    for name in ("templates", "aliases", "rates", "observed"):
        assert_frame_equal(getattr(made, name), getattr(other, name), check_exact=True)
    files = [io.BytesIO(), io.BytesIO()]
    made.save(files[0])
    other.save(files[1])
    assert files[0].getvalue() == files[1].getvalue()


def test_it_is_the_same_after_its_file(tmp_path):
    made = fit(empty_catalogue(), syslog(failed("root", "anna", "bert"), HOUR), day_hours(DAY), NEXT)
    made.save(tmp_path / "c.zip")
    again = Catalogue.load(tmp_path / "c.zip")
    assert again.day == NEXT
    assert_frame_equal(again.templates, made.templates)
    assert_frame_equal(again.rates, made.rates, check_exact=True)


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "c.zip").write_bytes(b"no zip")
    with pytest.raises(ScoringUnavailable, match="damaged"):
        Catalogue.load(tmp_path / "c.zip")


def test_counts_add_up_and_keep_the_first_events():
    early, late = counts_of({"a": 2}, f"{DAY}-01:00"), counts_of({"a": 3, "b": 1}, f"{DAY}-02:00", known=False)
    summed, left_out = add_up([late.drop("hour"), early.drop("hour")])
    assert summed.select("pattern", "events").rows() == [("a", 5), ("b", 1)]
    assert summed["event_ids"][0].to_list() == [f"{DAY}-01:00/a", f"{DAY}-02:00/a"]
    assert left_out == 0


def test_unknown_patterns_beyond_the_limit_are_left_out_and_counted():
    new = counts_of({"a": 1, "b": 7, "c": 3}, HOUR, known=False).drop("hour")
    summed, left_out = add_up([new], keep_new=2)
    assert summed["pattern"].to_list() == ["b", "c"]
    assert left_out == 1


def test_no_counts_at_all():
    made = fit(empty_catalogue(), counts_of({}, HOUR), day_hours(DAY), NEXT)
    assert made.templates.is_empty()
    assert made.hours == 24
    assert syslog([], HOUR, made).is_empty()


def later(days):
    return (date.fromisoformat(DAY) + timedelta(days=days)).isoformat()


def learn(catalogue, day, events_by_hour):
    """The catalogue after a day: hour of the day → pattern → events."""
    frames = [counts_of(events, f"{day}-{number:02d}:00", known=False) for number, events in events_by_hour.items()]
    return fit(catalogue, pl.concat(frames), day_hours(day), next_day(day))


#: Some come all the time, one once a day.
ORDINARY = {f"usual{number:03d}": 20 for number in range(100)}
ORDINARY_DAY = {number: ORDINARY | ({"daily": 1} if number == 3 else {}) for number in range(20)}
KNOWN = ["daily", *ORDINARY]


@pytest.fixture(scope="module")
def ordinary():
    made = empty_catalogue()
    for number in range(5):
        made = learn(made, later(number), ORDINARY_DAY)
    return made


def flood(name, amount=TEMPLATES_KEPT, events=50):
    return {f"{name}{number:05d}": events for number in range(amount)}


def test_a_flood_of_made_up_kinds_displaces_nothing_that_is_known(ordinary):
    made = learn(ordinary, later(5), ORDINARY_DAY | {21: flood("a")})
    assert made.templates["pattern"].is_in(KNOWN).sum() == len(KNOWN)
    assert made.templates.height - len(KNOWN) == NEWCOMERS_KEPT
    assert set(made.rates["pattern"]) == set(made.templates["pattern"])
    # The day after, what is known is not new, and is missed if it is missing.
    before, hour = f"{later(7)}-09:00", f"{later(7)}-10:00"
    none = counts_of({}, hour).drop("hour")
    now = counts_of(ORDINARY | {"daily": 1}, hour, known=False).drop("hour")
    assert changes(made, now, none, None, hour, before).is_empty()
    gone = changes(made, none, none, None, hour, before)
    assert set(gone.select("pattern", "change").rows()) == {(pattern, "vanished") for pattern in ORDINARY}


def test_of_the_newcomers_of_a_day_those_with_most_events_stay(ordinary):
    made = learn(ordinary, later(5), ORDINARY_DAY | {21: flood("b", events=5) | {"aaa": 4, "zzz": 6}})
    assert made.templates["pattern"].is_in(["aaa", "zzz"]).sum() == 1
    assert "zzz" in made.templates["pattern"]


def test_a_flood_that_lasts_for_days_displaces_nothing_that_is_known(ordinary):
    made = ordinary
    for number in range(5, 10):
        made = learn(made, later(number), {22: flood(f"day{number:02d}x", NEWCOMERS_KEPT + 10)})
    assert made.templates.height == TEMPLATES_KEPT
    assert made.templates["pattern"].is_in(KNOWN).sum() == len(KNOWN)


def test_made_up_kinds_of_several_days_that_are_learnt_at_once_displace_nothing_either(ordinary):
    days = [later(5), later(6)]
    counts = pl.concat([counts_of(flood("c"), f"{day}-22:00", known=False) for day in days])
    made = fit(ordinary, counts, [hour for day in days for hour in day_hours(day)], later(7))
    assert made.templates.height == TEMPLATES_KEPT
    assert made.templates["pattern"].is_in(KNOWN).sum() == len(KNOWN)


@pytest.mark.parametrize(("unseen", "hours", "stays"), [(20, 5, True), (40, 1, True), (40, 5, False)])
def test_what_was_not_seen_for_long_loses_to_what_comes_again_and_again(monkeypatch, unseen, hours, stays):
    monkeypatch.setattr(keeping, "TEMPLATES_KEPT", 5)
    old = dict.fromkeys("abcde", 9)
    made = empty_catalogue()
    for day in (DAY, NEXT):
        made = learn(made, day, dict.fromkeys(range(20), old))
    assert made.templates["pattern"].to_list() == list(old)
    made = learn(made, later(unseen), {number: {"new": 2} for number in range(hours)})
    assert made.templates.height == 5
    assert ("new" not in made.templates["pattern"]) is stays


def test_of_an_hour_what_a_catalogue_knows_is_not_left_out():
    made = learn(empty_catalogue(), DAY, {1: {"a": 1, "b": 1}})
    counts = counts_of({"a": 1, "x": 5, "y": 7, "z": 3}, f"{NEXT}-01:00", known=False).drop("hour")
    summed, left_out = add_up([counts], 2, made)
    assert summed["pattern"].to_list() == ["a", "x", "y"]
    assert left_out == 3


NAMES = [f"{chr(97 + number % 26)}{chr(97 + number // 26)}page" for number in range(80)]


def deep(segments, name):
    """Paths that differ in their 30th segment and, if there is one, in the 60th."""
    return "".join(f"/{name}" if place in (30, 60) else "/seg" for place in range(1, segments + 1))


@pytest.mark.parametrize("segments", [35, 41, 70, 120])
def test_paths_of_any_length_keep_their_id(segments):
    counts = visits([deep(segments, name) for name in NAMES[:60]], HOUR)
    made = fit(empty_catalogue(), counts, day_hours(DAY), NEXT)
    assert made.templates.height == 1
    again = visits([deep(segments, name) for name in NAMES[60:]], f"{NEXT}-01:00", made)
    assert again.select("pattern", "known", "events").rows() == [(made.templates["pattern"].item(), True, 20)]


def test_long_paths_of_an_older_file_keep_their_id(tmp_path):
    now = fit(empty_catalogue(), visits([deep(70, name) for name in NAMES], HOUR), day_hours(DAY), NEXT)
    body = deep(70, "<*>").replace("/<*>", " <*>").replace("/seg", " /seg").strip()
    older = now.templates.with_columns(pattern=pl.lit("0123456789ab"), body=pl.lit(body))
    Catalogue(NEXT, older).save(tmp_path / "c.zip")
    again = visits([deep(70, "other")], f"{NEXT}-01:00", Catalogue.load(tmp_path / "c.zip"))
    assert again.select("pattern", "known").rows() == [("0123456789ab", True)]
