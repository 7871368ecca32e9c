"""Rendering: what arrives is what went in, nulls apart."""

import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.sentinel import render
from s3sentinel_assets.sentinel.packing import body, tails_of
from s3sentinel_assets.sentinel.render import FIELD_LIMIT_BYTES, render_rows
from s3sentinel_assets.tables import load_schema
from tests.sentinel.frames import cloudtrail, rows_frame, scores_frame

SCHEMA = load_schema("AWSCloudTrail")
MOMENT = datetime(2026, 11, 1, 13, 0, 5, tzinfo=UTC)


def events(rows, scores=None, schema=SCHEMA):
    found = json.loads(body(render_rows(rows, scores, schema), "0" * 14))
    assert len(found) == rows.height
    for event in found:
        assert event.pop("BatchId_CF") == "0" * 14
    return found


def one(**values):
    return {"EventId_CF": "e", "TimeGenerated": MOMENT, "EventTime_CF": MOMENT} | values


tricky = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.sampled_from(
        [
            '","ErrorCode":null}',
            ',"ErrorCode":null',
            "x,",
            '"',
            "\\",
            '\\"',
            '{"BatchId_CF":"",',
            "\x00\x1f\u2028😀",
            ",",
            "\\,",
        ]
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"ErrorCode": tricky, "ErrorMessage": tricky, "UserAgent": tricky, "ReadOnly": st.none() | st.booleans()}
        ),
        min_size=1,
        max_size=12,
    )
)
def test_values_survive_and_only_nulls_are_left_out(values):
    found = events(rows_frame([one(**value) for value in values]), scores_frame(len(values)))
    for event, value in zip(found, values, strict=True):
        for name in ("ErrorCode", "ErrorMessage", "UserAgent", "ReadOnly"):
            assert (name in event) == (value[name] is not None)
            assert event.get(name) == value[name]
        assert "AwsEventId" not in event and "Reasons_CF" not in event and "_ordinal" not in event
        assert event["EventTime_CF"] == "2026-11-01T13:00:05Z"


def test_scores_and_flags_are_merged():
    rows = rows_frame([one(), one(_flags="late"), one(_flags=""), one(_flags="late")])
    scores = scores_frame(
        4,
        AnomalyScore_CF=[0.123456789, math.nan, math.inf, None],
        Reasons_CF=["new country", None, None, None],
        Flags_CF=[None, "cold_start", "", ""],
    )
    found = events(rows, scores)
    assert [event.get("AnomalyScore_CF") for event in found] == [0.12, None, None, None]
    assert all("AnomalyScore_CF" not in event for event in found[1:])
    assert [event.get("Flags_CF") for event in found] == [None, "late;cold_start", None, "late"]
    assert [event.get("Reasons_CF") for event in found] == ["new country", None, None, None]
    assert {event["Priority_CF"] for event in found} == {"low"}


def test_without_scores_rows_say_so():
    found = events(rows_frame([one(), one(_flags="late")]))
    assert [event["Flags_CF"] for event in found] == ["unscored", "late;unscored"]
    assert {event["Priority_CF"] for event in found} == {"unknown"}
    assert all("AnomalyScore_CF" not in event and "Confidence_CF" not in event for event in found)


@pytest.mark.parametrize("character", ["x", "é", "漢", "😀"])
def test_long_values_are_cut_at_a_character_and_marked(character):
    exact = character * (FIELD_LIMIT_BYTES // len(character.encode()))
    rows = rows_frame(
        [
            one(RequestParameters=exact),
            one(RequestParameters="ab" + exact, UserAgent="b" * 70_000),
            one(UserAgent="short"),
        ]
    )
    found = events(rows, scores_frame(3, Flags_CF=[None, "cold_start", None]))
    assert found[0]["RequestParameters"] == exact and "Flags_CF" not in found[0]
    cut = found[1]["RequestParameters"]
    assert ("ab" + exact).startswith(cut)
    assert FIELD_LIMIT_BYTES - len(character.encode()) < len(cut.encode()) <= FIELD_LIMIT_BYTES
    assert found[1]["UserAgent"] == "b" * FIELD_LIMIT_BYTES
    assert found[1]["Flags_CF"] == "cold_start;truncated:RequestParameters;truncated:UserAgent"
    assert found[2]["UserAgent"] == "short" and "Flags_CF" not in found[2]


@pytest.mark.parametrize(
    ("micros", "text"), [(0, "05Z"), (7_000, "05.007000Z"), (7_001, "05.007001Z"), (1, "05.000001Z")]
)
def test_instants_lose_nothing(micros, text):
    moment = MOMENT + timedelta(microseconds=micros)
    found = events(rows_frame([one(TimeGenerated=moment), one(), one(TimeGenerated=None)]))
    assert [event.get("TimeGenerated") for event in found] == [
        f"2026-11-01T13:00:{text}",
        "2026-11-01T13:00:05Z",
        None,
    ]


def test_auxiliary_instants_have_six_decimals():
    auxiliary = dataclasses.replace(SCHEMA, plan="Auxiliary")
    found = events(rows_frame([one()]), None, auxiliary)[0]
    assert found["TimeGenerated"] == found["EventTime_CF"] == "2026-11-01T13:00:05.000000Z"


def test_numbers_keep_every_digit():
    schema = load_schema("AWSVPCFlow")
    rows = rows_frame([one(Bytes=2**63 - 1, Packets=2**31 - 1), one(Bytes=0, Packets=None)], "AWSVPCFlow")
    found = events(rows, None, schema)
    assert (found[0]["Bytes"], found[0]["Packets"]) == (2**63 - 1, 2**31 - 1)
    assert found[1]["Bytes"] == 0 and "Packets" not in found[1]


def test_what_the_workspace_would_swallow_is_refused():
    rows = rows_frame([one()])
    with pytest.raises(ValueError, match="no column Surprise"):
        render_rows(rows.with_columns(Surprise=pl.lit(1)), None, SCHEMA)
    with pytest.raises(ValueError, match="2 scores for 1 rows"):
        render_rows(rows, scores_frame(2), SCHEMA)
    with pytest.raises(ValueError, match="no EventId_CF"):
        render_rows(rows_frame([one(EventId_CF=None)]), None, SCHEMA)


def test_a_row_does_not_depend_on_its_neighbours():
    rows = cloudtrail(40).with_columns(
        TimeGenerated=pl.col("TimeGenerated") + pl.duration(microseconds=pl.int_range(40) % 3),
        ErrorCode=pl.when(pl.int_range(40) > 30).then(pl.lit("AccessDenied")),
    )
    scores = scores_frame(40, Reasons_CF=["why" if row % 7 == 0 else None for row in range(40)])
    alone = [render_rows(rows[row], scores[row], SCHEMA)[0] for row in range(40)]
    assert render_rows(rows, scores, SCHEMA).to_list() == alone


def waf(*values):
    schema = load_schema("AWSWAF")
    rows = rows_frame([one(HttpRequest=value, Headers="[]", Uri="/a\\b") for value in values], "AWSWAF")
    tails = render_rows(rows, scores_frame(len(values)), schema)
    assert [render_rows(rows[row], scores_frame(1), schema)[0] for row in range(len(values))] == tails.to_list()
    assert tails_of(body(tails, "0" * 14), "0" * 14) == [tail.encode() for tail in tails]
    return events(rows, scores_frame(len(values)), schema)


def test_dynamic_columns_hold_json_values_and_one_bad_value_stays_alone():
    good = {"clientIp": "10.0.0.1", "headers": [{"name": "Host", "value": 'a"b'}], "n": 1.5}
    hostile = '"},{"BatchId_CF":"00000000000000"'
    like_a_row = '[{},{"BatchId_CF":"00000000000000"}]'
    found = waf(json.dumps(good), None, '{"clientIp":', hostile, json.dumps(good, indent=2), like_a_row)
    wanted = [good, None, '{"clientIp":', hostile, good, like_a_row]
    assert [event.get("HttpRequest") for event in found] == wanted
    assert [event["Headers"] for event in found] == [[]] * 6
    assert [event["Uri"] for event in found] == ["/a\\b"] * 6
    assert "HttpRequest" not in found[1]


def test_a_dynamic_value_that_is_cut_becomes_a_string_and_says_so():
    fits = json.dumps({"a": "x" * (FIELD_LIMIT_BYTES - 20)})
    long = json.dumps({"a": "é" * FIELD_LIMIT_BYTES}, ensure_ascii=False)
    first, second, third = waf(fits, long, '{"a":1}')
    assert first["HttpRequest"] == json.loads(fits) and "Flags_CF" not in first
    assert long.startswith(second["HttpRequest"])
    assert FIELD_LIMIT_BYTES - 2 < len(second["HttpRequest"].encode()) <= FIELD_LIMIT_BYTES
    assert second["Flags_CF"] == "truncated:HttpRequest"
    assert third["HttpRequest"] == {"a": 1}


def test_every_table_gets_extra_fields_as_an_object():
    for table in ("AWSCloudTrail", "ASimDnsActivityLogs", "S3Events_CL"):
        rows = rows_frame([one(ExtraFields_CF='{"a":{"b":[1,null]}}'), one(ExtraFields_CF=None)], table)
        first, second = events(rows, None, load_schema(table))
        assert first["ExtraFields_CF"] == {"a": {"b": [1, None]}} and "ExtraFields_CF" not in second


def test_text_columns_keep_json_as_text():
    assert events(rows_frame([one(RequestParameters='{"a":1}')]))[0]["RequestParameters"] == '{"a":1}'


def test_no_rows_give_no_tails():
    assert render_rows(rows_frame([]), None, SCHEMA).to_list() == []


def test_our_columns_are_a_small_part_of_a_cloudtrail_row():
    found = events(cloudtrail(500), scores_frame(500))
    own = sum(len(f',"{k}":{json.dumps(v)}') for e in found for k, v in e.items() if k.endswith("_CF"))
    batch_id = 500 * len(',"BatchId_CF":"01234567890123"')
    whole = len(body(render_rows(cloudtrail(500), scores_frame(500), SCHEMA), "0" * 14))
    assert (own + batch_id) / whole < 0.3  # these test rows are half as long as real ones
    assert render.RENDER_VERSION
