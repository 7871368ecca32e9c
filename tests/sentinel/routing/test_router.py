"""Choosing: the first rule that fits decides, and what must not be lost stays where it was."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.sentinel.routing import Router, check_routing
from tests.sentinel.frames import START, cloudtrail, scores_frame
from tests.sentinel.routing.guards import FewGuards, NoGuards

NOW = datetime(2026, 11, 1, 15, tzinfo=UTC)
CHEAP = {"table": "AWSCloudTrail_Auxiliary_CL"}


def source(rules, demotion="on", **more):
    values = {"demotion": demotion, "audit_share": 0, "rules": rules, **more}
    return SourceSettings(name="trail", bucket="bucket", prefix="x/", format="cloudtrail", routing=values)


def chosen(router, rows, scores=None):
    """Event id → where it goes (a table, "dropped"), and the choice."""
    choice = router.choose(rows, scores, "AWSCloudTrail")
    ids, where = rows["EventId_CF"].to_list(), {}
    for target, places in choice.groups:
        for place in range(len(ids)) if places is None else places:
            assert ids[place] not in where
            where[ids[place]] = target.destination.table
    return {event: where.get(event, "dropped") for event in ids}, choice


def test_without_rules_all_rows_go_home_and_nothing_is_looked_at():
    rows = cloudtrail(10)
    router = Router(source([]), None, NOW)
    ((target, places),) = router.choose(rows.select("EventId_CF"), None, "AWSCloudTrail").groups
    assert (target.destination.table, target.rule, places) == ("AWSCloudTrail", None, None)
    assert router.digest == ""


def test_the_first_rule_that_fits_decides():
    rules = [
        {"name": "noise", "where": "EventName = 'GetObject'", "drop": True},
        {"name": "reads", "where": "ReadOnly", "to": CHEAP},
    ]
    rows = cloudtrail(200)
    router = Router(source(rules), NoGuards(), NOW)
    where, _ = chosen(router, rows)
    expected = {
        event: "dropped" if name == "GetObject" else "AWSCloudTrail_Auxiliary_CL" if only else "AWSCloudTrail"
        for event, name, only in rows.select("EventId_CF", "EventName", "ReadOnly").iter_rows()
    }
    assert where == expected and len(set(where.values())) == 3
    counts = Counter(where.values())
    assert router.reports["noise"].rows == counts["dropped"] and router.filtered == {"noise": counts["dropped"]}
    assert router.reports["reads"].rows == counts["AWSCloudTrail_Auxiliary_CL"]


@pytest.mark.parametrize("rule", [{"to": CHEAP}, {"drop": True}], ids=["demote", "drop"])
def test_rows_that_an_analytics_rule_needs_stay_and_are_counted(rule):
    rows = cloudtrail(200)
    router = Router(source([{"name": "all", "table": "AWSCloudTrail", **rule}]), FewGuards(), NOW)
    where, _ = chosen(router, rows)
    needed = rows.filter(EventName="GetObject")["EventId_CF"].to_list()
    assert all((where[event] == "AWSCloudTrail") == (event in needed) for event in where)
    report = router.reports["all"]
    assert (report.guarded, report.rows) == (len(needed), 200 - len(needed))
    assert report.needed == {"reads": len(needed), "whole table": len(needed)}


def test_urgent_rows_stay_unless_the_rule_names_their_priority():
    rows = cloudtrail(4)
    scores = scores_frame(4, Priority_CF=["critical", "high", "medium", "low"])
    router = Router(source([{"name": "all", "table": "AWSCloudTrail", "to": CHEAP}]), NoGuards(), NOW)
    where, _ = chosen(router, rows, scores)
    assert list(where.values()) == ["AWSCloudTrail"] * 2 + ["AWSCloudTrail_Auxiliary_CL"] * 2
    assert router.reports["all"].urgent == 2
    named = source([{"name": "all", "priority": ["high", "low"], "to": CHEAP}])
    where, _ = chosen(Router(named, NoGuards(), NOW), rows, scores)
    assert list(where.values()) == [
        "AWSCloudTrail",
        "AWSCloudTrail_Auxiliary_CL",
        "AWSCloudTrail",
        "AWSCloudTrail_Auxiliary_CL",
    ]


def test_unscored_rows_have_no_priority_that_a_rule_could_name():
    where, _ = chosen(
        Router(source([{"name": "low", "priority": ["low"], "to": CHEAP}]), NoGuards(), NOW), cloudtrail(5)
    )
    assert set(where.values()) == {"AWSCloudTrail"}


def test_a_drawn_share_stays_and_is_told_and_another_seed_draws_others():
    rows = cloudtrail(2_000)
    rule = {"name": "all", "table": "AWSCloudTrail", "to": CHEAP}
    drawn = {}
    for seed in (1, 2):
        router = Router(source([rule], audit_share=0.1, audit_seed=seed), NoGuards(), NOW)
        where, choice = chosen(router, rows)
        stayed = {event for event, table in where.items() if table == "AWSCloudTrail"}
        assert stayed == set(rows["EventId_CF"].gather(choice.audited)) and router.reports["all"].audited == len(stayed)
        assert 120 < len(stayed) < 280
        drawn[seed] = stayed
    assert drawn[1] != drawn[2]
    # A row is drawn or not whatever stands around it.
    half, _ = chosen(Router(source([rule], audit_share=0.1, audit_seed=1), NoGuards(), NOW), rows[::2])
    assert {event for event, table in half.items() if table == "AWSCloudTrail"} == drawn[1] & set(half)


def test_demotion_is_off_by_default_and_later_rules_are_asked():
    rules = [
        {"name": "cheap", "where": "ReadOnly", "to": CHEAP},
        {"name": "noise", "where": "ReadOnly AND EventName = 'PutObject'", "drop": True},
    ]
    rows = cloudtrail(100)
    off = SourceSettings(name="trail", bucket="bucket", prefix="x/", format="cloudtrail", routing={"rules": rules})
    assert off.routing.demotion == "off"
    where, _ = chosen(Router(off, None, NOW), rows)
    dropped = set(rows.filter(pl.col("ReadOnly") & (pl.col("EventName") == "PutObject"))["EventId_CF"])
    assert {event for event, table in where.items() if table == "dropped"} == dropped
    assert "AWSCloudTrail_Auxiliary_CL" not in where.values()


def test_shadow_changes_nothing_and_counts_what_it_would_have_done():
    rows = cloudtrail(300)
    rule = {"name": "all", "table": "AWSCloudTrail", "to": CHEAP}
    shadow = Router(source([rule], "shadow", audit_share=0.1), FewGuards(), NOW)
    where, choice = chosen(shadow, rows)
    assert set(where.values()) == {"AWSCloudTrail"} and choice.audited is None
    real = Router(source([rule], "on", audit_share=0.1), FewGuards(), NOW)
    moved, _ = chosen(real, rows)
    cheap = [event for event, table in moved.items() if table != "AWSCloudTrail"]
    assert rows["EventId_CF"].gather(choice.tried["all"]).to_list() == cheap
    mine, theirs = shadow.reports["all"].as_counts(), real.reports["all"].as_counts()
    assert mine.pop("shadow") is True and theirs.pop("shadow") is False and mine == theirs


def test_old_rows_go_where_the_rule_says():
    rows = cloudtrail(50)
    rule = {"name": "old", "older_than_hours": 1.5, "to": {"table": "AWSCloudTrail_Basic_CL"}}
    where, _ = chosen(Router(source([rule]), NoGuards(), NOW), rows)
    old = set(rows.filter(pl.col("TimeGenerated") < START + timedelta(minutes=30))["EventId_CF"])
    assert {event for event, table in where.items() if table == "AWSCloudTrail_Basic_CL"} == old and old
    later = Router(source([rule]), NoGuards(), NOW + timedelta(hours=1))
    assert later.digest != Router(source([rule]), NoGuards(), NOW).digest


def test_the_digest_follows_rules_and_guards():
    one = Router(source([{"name": "a", "where": "ReadOnly", "to": CHEAP}]), NoGuards(), NOW)
    assert one.digest == Router(source([{"name": "a", "where": "ReadOnly", "to": CHEAP}]), NoGuards(), START).digest
    assert one.digest != Router(source([{"name": "a", "where": "NOT ReadOnly", "to": CHEAP}]), NoGuards(), NOW).digest
    assert one.digest != Router(source([{"name": "a", "where": "ReadOnly", "to": CHEAP}]), FewGuards(), NOW).digest


def test_demotion_needs_the_list_of_guards():
    with pytest.raises(ConfigurationError, match="s3sentinel rules guards"):
        Router(source([{"name": "a", "where": "ReadOnly", "to": CHEAP}]), None, NOW)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"where": "EventNam = 'x'", "drop": True}, "there is no column EventNam; did you mean EventName"),
        ({"where": "EventName LIKE", "drop": True}, "where cannot be read"),
        ({"where": "count(*)", "drop": True}, "true or false for each row"),
        ({"where": "EventName", "drop": True}, "true or false for each row"),
        ({"where": "ReadOnly; DROP TABLE x", "drop": True}, "where cannot be read"),
        ({"where": "EventName > 3", "drop": True}, "cannot be applied"),
        ({"table": "AWSVPCFlow", "drop": True}, "no row goes to the table AWSVPCFlow"),
        ({"where": "ReadOnly", "to": {"table": "AWSVPCFlow_Basic_CL"}}, "has no column"),
        ({"where": "ReadOnly", "to": {"table": "Unknown_CL"}}, "no schema for table 'Unknown_CL'"),
    ],
)
def test_a_rule_that_cannot_work_is_one_sentence(rule, sentence):
    with pytest.raises(ConfigurationError, match=sentence.replace("(", r"\(")):
        check_routing(source([{"name": "odd", **rule}], "shadow"))
