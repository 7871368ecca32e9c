"""The roll-up of a principal's hour: rows as it rises, one at close, the same for any order and any cut into parts."""

import itertools
import json
import random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.ml.priority.entity_hours import (
    ENTITY_HOUR_SCHEMA,
    ESCALATED_AT,
    advance,
    closing,
    empty_entity_hours,
    summarise,
    with_escalation_times,
)
from s3sentinel_assets.tables import load_schema
from tests.ml.priority.judged import HALVING, Model
from tests.ml.worlds import ACCOUNT, call, frame, hours

HOUR = hours(0, 1)[9]


def event(serial: int, priority: str = "low", raw: int = 0, principal: str = "anna", **more) -> dict:
    row = call(HOUR, serial % 60, principal, "s3:ListBuckets", serial) | {"principal": f"{ACCOUNT}/{principal}"}
    scores = {"priority": priority, "raw": raw, "technique": None, "sensitivity": 0, "reasons": None, "confidence": 1.0}
    return row | scores | more


def part(rows: list[dict]) -> pl.DataFrame:
    scores = pl.DataFrame(
        {
            "Priority_CF": [row["priority"] for row in rows],
            "AnomalyScore_CF": [row["raw"] / 100 for row in rows],
            "Confidence_CF": [row["confidence"] for row in rows],
            "Reasons_CF": [row["reasons"] for row in rows],
            "_raw": [row["raw"] for row in rows],
            "_sensitivity": [row["sensitivity"] for row in rows],
            "_technique": [row["technique"] for row in rows],
        },
        schema_overrides={"Priority_CF": pl.String, "Reasons_CF": pl.String, "_technique": pl.String, "_raw": pl.Int64},
    )
    return summarise(frame(rows), scores, Model(), source="trail", source_table="AWSCloudTrail", hour=HOUR)


def hour_of(parts: list[list[dict]]) -> tuple[pl.DataFrame, list[dict]]:
    known, made = None, []
    for rows in parts:
        known, escalations = advance(known, part(rows))
        made += escalations.to_dicts()
    assert known is not None
    return known, made


def test_a_row_at_each_escalation_and_one_at_close():
    known, made = hour_of(
        [
            [event(1), event(2, principal="ben")],
            [event(3, "medium", 400, reasons="new network (4.0)", technique="T1078.004")],
            [event(4, "medium", 300)],
            [event(5, "critical", 900, action="iam:CreateUser", technique="T1136.003,T1098", sensitivity=2)],
            [event(6)],
        ]
    )
    assert [(row["Principal"], row["Priority"], row["PreviousPriority"], row["Final"]) for row in made] == [
        (f"{ACCOUNT}/anna", "medium", None, False),
        (f"{ACCOUNT}/anna", "critical", "medium", False),
    ]
    last = closing(known).to_dicts()
    assert len(last) == 1
    row = last[0]
    assert (row["Final"], row["Priority"], row["Events"]) == (True, "critical", 5)
    assert (row["CriticalEvents"], row["HighEvents"], row["MediumEvents"]) == (1, 0, 2)
    assert (row["AnomalyScore"], row["Sensitivity"]) == (9.0, 2)
    assert row["ExpectedHoursPerDay"] == HALVING.expected_hours(pl.Series([900]))[0] == 2.0
    assert json.loads(row["Techniques"]) == ["T1098", "T1136.003", "T1078.004"]
    assert json.loads(row["EventIds"]) == [f"{serial:012d}" for serial in (5, 3, 4)]
    assert (row["FirstEvent"].minute, row["LastEvent"].minute) == (1, 6)
    assert row["ModelVersion"] == Model().version
    revisions = [each["Revision"] for each in [*made, *last]]
    assert revisions == sorted(set(revisions))
    assert len({each["EventId_CF"] for each in [*made, *last]}) == 3


def test_an_escalation_after_the_close_is_newer_than_the_close():
    known, made = hour_of([[event(1, "medium", 400)]])
    closed = closing(known)
    known, late = advance(known, part([event(2, "high", 600)]))
    again = closing(known)
    assert made[0]["Revision"] < closed["Revision"][0] < late["Revision"][0] < again["Revision"][0]
    assert len({made[0]["EventId_CF"], closed["EventId_CF"][0], late["EventId_CF"][0], again["EventId_CF"][0]}) == 4
    assert closing(known).equals(again)


def test_nobody_reached_medium_nobody_is_told_of():
    known, made = hour_of([[event(1), event(2, "unknown", principal="x") | {"principal": None}]])
    assert (made, closing(known).height, known.height) == ([], 0, 1)
    known, escalations = advance(None, empty_entity_hours())
    assert (known.height, escalations.height, closing(known).height) == (0, 0, 0)
    assert escalations.schema == pl.Schema(
        {
            name: kind
            for name, kind in load_schema("AwsEntityHour_CL").polars_schema().items()
            if name in escalations.columns
        }
    )


def test_rows_have_the_columns_of_the_table_and_lists_are_json():
    _, made = hour_of([[event(1, "high", 600, user_agent='evil"\n\\' + "x" * 900, source_ip=None)]])
    schema = load_schema("AwsEntityHour_CL")
    assert list(made[0]) == [*schema.columns, "EventId_CF"]
    for name, kind in schema.columns.items():
        if kind == "dynamic":
            assert isinstance(json.loads(made[0][name]), list)
    assert len(json.loads(made[0]["UserAgents"])[0]) == 256
    assert json.loads(made[0]["SourceIps"]) == []


def test_lists_are_capped_and_keep_what_matters_most():
    rows = [event(serial, "medium", serial, action=f"svc:Do{serial:03}") for serial in range(200)]
    known, _ = hour_of([rows[:70], rows[70:130], rows[130:], [event(300, "high", 0, action="iam:CreateUser")]])
    actions = json.loads(closing(known)["Actions"][0])
    assert actions[:3] == ["iam:CreateUser", "svc:Do199", "svc:Do198"]
    assert len(actions) == 50
    assert len(json.loads(closing(known)["EventIds"][0])) == 20


EVENT = st.tuples(
    st.sampled_from(["low", "medium", "high", "critical"]),
    st.integers(0, 900),
    st.sampled_from(["anna", "ben"]),
    st.sampled_from(["a:A", "b:B", "c:C"]),
    st.sampled_from([None, "T1078", "T1078,T1098"]),
)


@settings(max_examples=40, deadline=None)
@given(given=st.lists(EVENT, max_size=25), cuts=st.lists(st.integers(0, 25), max_size=3), seed=st.integers(0, 9))
def test_parts_and_order_do_not_matter_to_what_is_known_at_the_end(given, cuts, seed):
    rows = [
        event(serial, priority, raw, principal, action=action, technique=technique)
        for serial, (priority, raw, principal, action, technique) in enumerate(given)
    ]
    whole, _ = hour_of([rows])
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pieces = [rows[first:last] for first, last in itertools.pairwise(edges)]
    for piece in pieces:
        random.Random(seed).shuffle(piece)
    cut, made = hour_of(pieces)
    assert dict(cut.schema) == ENTITY_HOUR_SCHEMA
    assert cut.sort("principal").drop("escalations").equals(whole.sort("principal").drop("escalations"))
    for principal in {row["principal"] for row in rows}:
        ranks = [
            ("low", "medium", "high", "critical").index(row["Priority"])
            for row in made
            if row["Principal"] == principal
        ]
        assert ranks == sorted(set(ranks))


def minutes(known: pl.DataFrame, rows: pl.DataFrame) -> list[tuple[str, int | None]]:
    """Priorities of rows, and the minutes of the events that made principals that urgent."""
    timed = with_escalation_times(rows, known)
    assert timed.drop(ESCALATED_AT).equals(rows)
    return [(row["Priority"], row[ESCALATED_AT] and row[ESCALATED_AT].minute) for row in timed.to_dicts()]


def test_rows_tell_which_event_made_the_principal_urgent():
    # A whole hour in one part, urgent in its second minute.
    known, rows = advance(None, part([event(7, "medium", 400), event(2, "high", 900), event(9, "high"), event(59)]))
    assert minutes(known, rows) == [("high", 2)]
    assert rows["LastEvent"][0].minute == 59
    # More than one file: a later one may hold an earlier event that is as urgent.
    known, more = advance(known, part([event(30, "critical", 950), event(1, "high")]))
    known, none = advance(known, part([event(20, "critical", 950)]))
    assert none.height == 0
    assert minutes(known, more) == [("critical", 20)]


def test_an_event_that_comes_late_tells_its_own_time_and_one_without_time_none():
    known, _ = advance(None, part([event(minute) for minute in range(3, 60)]))
    known, rows = advance(known, part([event(2, "high", 900), event(4, "critical", principal="ben") | {"time": None}]))
    assert minutes(known, rows) == [("high", 2), ("critical", None)]


def test_what_an_older_release_handed_on_is_taken_up():
    since = ["medium_since", "high_since", "critical_since"]
    known, _ = advance(None, part([event(1, "medium", 400)]))
    known, rows = advance(known.drop(since), part([event(9, "high", 600), event(5, "medium", 300)]))
    assert dict(known.schema) == ENTITY_HOUR_SCHEMA
    assert minutes(known, rows) == [("high", 9)]
    assert closing(known.drop(since)).height == 1


def test_survives_its_file(tmp_path):
    known, _ = hour_of([[event(1, "medium", 400, technique="T1078")]])
    known.write_parquet(tmp_path / "known.parquet")
    restored = pl.read_parquet(tmp_path / "known.parquet")
    assert restored.equals(known)
    assert advance(restored, part([event(2, "high", 600)]))[1]["Priority"].to_list() == ["high"]
