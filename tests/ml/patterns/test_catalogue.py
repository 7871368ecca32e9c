"""Ids stay: from the first event on, through catalogues, merges and files; what is not seen any more is forgotten."""

import io

import pytest
from polars.testing import assert_frame_equal

from s3sentinel_assets.ml.parameters import ScoringUnavailable
from s3sentinel_assets.ml.patterns import Catalogue, empty_catalogue, fit
from s3sentinel_assets.ml.patterns.counting import add_up
from tests.ml.patterns.days import counts_of, day_hours, syslog

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
