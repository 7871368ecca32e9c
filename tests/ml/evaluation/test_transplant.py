"""Recorded sequences in the name of others: what is shared with the victim, what must not be left of the recording."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from s3sentinel_assets.ml.evaluation.circumstances import GLOBAL_SERVICES, Shared
from s3sentinel_assets.ml.evaluation.transplant import SEQUENCE_SCHEMA, transplant
from s3sentinel_assets.ml.evaluation.victims import victims
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

FIRST = datetime(2026, 11, 12, tzinfo=UTC)
LAST = FIRST + timedelta(days=4)
RECORDED = datetime(2024, 7, 30, 21, 31, tzinfo=UTC)
NOTHING, ALL = Shared(0, 0, 0, 0), Shared(1, 1, 1, 1)


def frame(rows: list[dict], schema: dict) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def background(principals: int = 30) -> pl.DataFrame:
    rows = [
        {
            "account": f"11112222333{number % 3}",
            "principal": f"user{number}",
            "principal_type": "IAMUser",
            "peer": f"11112222333{number % 3}/IAMUser",
            "time": FIRST - timedelta(days=day) + timedelta(hours=9 + hour),
            "source_ip": f"198.51.100.{number + 1}",
            "user_agent": f"console/{number}",
            "region": "eu-west-1",
        }
        for number in range(principals)
        for day in range(1, 3)
        for hour in range(3)
    ]
    return frame(rows, ENTITY_SCHEMA)


def habits(**more) -> pl.DataFrame:
    return victims([background(**more)]).with_columns(victim=pl.lit("human"))


def recordings(count: int = 40) -> pl.DataFrame:
    rows = []
    for number in range(count):
        for place, (service, region) in enumerate(
            [("iam", "us-east-1"), ("ec2", "ap-east-1"), ("ec2", "me-south-1"), ("ec2", "ap-east-1")]
        ):
            rows.append(
                {
                    "sequence": f"recording{number:02}",
                    "technique": f"technique{number % 7}",
                    "offset": timedelta(seconds=20 * place),
                    "event_id": f"old-{number}-{place}",
                    "time": RECORDED + timedelta(seconds=20 * place),
                    "account": "999988887777",
                    "principal": "arn:aws:iam::999988887777:user/red-team",
                    "principal_type": "AssumedRole",
                    "peer": "999988887777/AssumedRole/red",
                    "region": region,
                    "service": service,
                    "action": f"{service}:Action{place}",
                    "target": "arn:aws:iam::999988887777:user/red-team" if place else "arn:aws:ec2:x:999988887777:i/1",
                    "source_ip": "203.0.113.9" if place < 3 else "ec2.amazonaws.com",
                    "user_agent": "red-tool/1.0" if place < 3 else "ec2.amazonaws.com",
                    "error": "AccessDenied" if place == 2 else None,
                    "detail": '{"principal":"999988887777"}',
                }
            )
    return frame(rows, SEQUENCE_SCHEMA)


def put(**more) -> pl.DataFrame:
    return transplant(recordings(), habits(), **{"first": FIRST, "last": LAST, "seed": 3, "copies": 3} | more)


def test_nothing_of_the_recording_is_left_but_what_was_done():
    events = put()
    text = (
        events.drop("technique")
        .select(pl.concat_str(pl.col(pl.String), separator=" ", ignore_nulls=True))
        .to_series()
        .str.join(" ")[0]
    )
    for trace in ("999988887777", "red-team", "red-tool", "203.0.113.9", "old-", "me-south-1", "ap-east-1"):
        assert trace not in text
    assert events["time"].min() >= FIRST
    assert events["time"].max() < LAST
    one = events.filter(pl.col("incident") == "recording00#1")
    assert one["action"].to_list() == ["iam:Action0", "ec2:Action1", "ec2:Action2", "ec2:Action3"]
    assert one["time"].diff().drop_nulls().unique().to_list() == [timedelta(seconds=20)]
    assert one["error"].to_list() == [None, None, "AccessDenied", None]


def test_what_is_given_to_another_account_is_still_given_to_another():
    shared = recordings().with_columns(detail=pl.lit('{"userId":"555566667777","owner":"999988887777"}'))
    events = transplant(shared, habits(), first=FIRST, last=LAST, seed=3)
    for row in events.select("account", "detail").iter_rows(named=True):
        assert row["detail"] == f'{{"userId":"555566667777","owner":"{row["account"]}"}}'
    # Whose recording it is must be known for that.
    unknown = transplant(shared.with_columns(account=pl.lit(None, pl.String)), habits(), first=FIRST, last=LAST, seed=3)
    for row in unknown.select("account", "detail").iter_rows(named=True):
        assert row["detail"] == f'{{"userId":"{row["account"]}","owner":"{row["account"]}"}}'


def test_an_incident_is_one_intruder_in_one_name():
    events = put(shared=NOTHING)
    by_incident = events.filter(pl.col("source_ip") != "ec2.amazonaws.com").group_by("incident")
    counts = by_incident.agg(pl.col("principal", "account", "peer", "source_ip", "user_agent", "variant").n_unique())
    assert counts.height == 120
    assert counts.drop("incident").unique().row(0) == (1, 1, 1, 1, 1, 1)
    assert events["event_id"].is_unique().all()
    # Services act as themselves.
    assert events.filter(pl.col("action") == "ec2:Action3")["source_ip"].unique().to_list() == ["ec2.amazonaws.com"]


def test_what_is_shared_is_the_victims_and_what_is_not_is_foreign():
    who = {row["principal"]: row for row in habits().to_dicts()}
    same, foreign = put(shared=ALL), put(shared=NOTHING)
    own_calls = pl.col("source_ip") != "ec2.amazonaws.com"
    for row in same.filter(own_calls).to_dicts():
        assert row["source_ip"] in who[row["principal"]]["networks"]
        assert row["user_agent"] in who[row["principal"]]["agents"]
        assert row["peer"] == who[row["principal"]]["peer"]
        assert row["variant"] == "same_ip,same_agent,same_region,working_hours"
    for row in foreign.filter(own_calls).to_dicts():
        assert row["source_ip"] not in who[row["principal"]]["networks"]
        assert row["user_agent"] not in who[row["principal"]]["agents"]
        assert row["variant"] == ""
    starts = same.group_by("incident").agg(pl.col("time").min())["time"].dt.hour()
    assert set(starts) <= {9, 10, 11}
    assert foreign.group_by("incident").agg(pl.col("time").min())["time"].dt.hour().n_unique() > 12


def test_regions_move_together_and_global_services_stay_where_they_are_logged():
    for row in put(shared=NOTHING).group_by("incident", maintain_order=True).agg("service", "region").to_dicts():
        regions = dict(zip(("iam", "first", "second", "third"), row["region"], strict=True))
        assert "iam" in GLOBAL_SERVICES
        assert regions["iam"] == "us-east-1"
        assert regions["first"] == regions["third"] != regions["second"]
        assert regions["first"] != "eu-west-1"


def test_shares_are_as_asked_for_and_independent():
    events = transplant(recordings(200), habits(), first=FIRST, last=LAST, seed=9, copies=10)
    variant = events.unique("incident")["variant"].str.split(",")
    drawn = pl.DataFrame(
        {name: variant.list.contains(name) for name in ("same_ip", "same_agent", "same_region", "working_hours")}
    )
    assert drawn.mean().row(0) == pytest.approx((0.25, 0.40, 0.80, 0.50), abs=0.04)
    together = drawn.select((pl.col("same_ip") & pl.col("same_agent")).mean()).item()
    assert together == pytest.approx(0.25 * 0.40, abs=0.03)


def test_equal_seeds_give_equal_events_and_others_do_not():
    assert put().equals(put())
    assert not put().equals(put(seed=4))


def test_a_placebo_stays_with_its_own_principal():
    own = (
        background()
        .with_columns(
            sequence=pl.col("principal"),
            technique=pl.lit("benign"),
            offset=pl.col("time") - pl.col("time").min().over("principal"),
        )
        .select(list(SEQUENCE_SCHEMA))
    )
    events = transplant(own, habits(), first=FIRST, last=LAST, seed=1, shared=ALL, kind="placebo", own=True)
    assert events.height == own.height
    assert events.select("account", "principal").unique().height == 30
    assert (events["incident"] == events["principal"] + "#1").all()
    assert events["kind"].unique().to_list() == ["placebo"]


def test_nobody_is_robbed_before_they_are_there():
    joined = FIRST + timedelta(days=3)
    who = habits(principals=1).with_columns(first=pl.lit(joined))
    events = transplant(recordings(), who, first=FIRST, last=LAST, seed=3, copies=2)
    assert events["time"].min() >= joined


def test_nobody_shares_what_the_victim_does_not_use_yet():
    later = FIRST + timedelta(days=2)
    new = background().with_columns(
        time=pl.lit(later), source_ip=pl.lit("198.51.100.200"), user_agent=pl.lit("tool/2"), region=pl.lit("eu-south-1")
    )
    who = victims([background(), new]).with_columns(victim=pl.lit("human"))
    events = transplant(recordings(), who, first=FIRST, last=LAST, seed=3, copies=5, shared=ALL)
    own = events.filter(pl.col("source_ip") != "ec2.amazonaws.com").with_columns(
        early=pl.col("time").min().over("incident") <= later
    )
    early, late = own.filter("early"), own.filter(~pl.col("early"))
    assert "tool/2" not in set(early["user_agent"])
    assert "198.51.100.200" not in set(early["source_ip"])
    assert "eu-south-1" not in set(early["region"])
    assert {"tool/2"} < set(late["user_agent"])
    assert {"198.51.100.200"} < set(late["source_ip"])


def test_habits_are_what_is_used_most_and_one_seldom_address_is_none():
    usual = background(principals=1)
    seldom = usual.head(1).with_columns(source_ip=pl.lit("192.0.2.1"))
    found = victims([*[usual] * 20, seldom]).row(0, named=True)
    assert found["networks"] == ["198.51.100.1"]
    assert found["networks_since"] == [FIRST - timedelta(days=2) + timedelta(hours=9)]
    assert found["hours"] == [9, 10, 11]
    assert found["events"] == 121
    assert found["first"] == FIRST - timedelta(days=2) + timedelta(hours=9)
    assert not victims([usual.with_columns(principal=pl.lit(None, pl.String))]).height


def test_without_victims_or_time_it_says_so():
    with pytest.raises(ValueError, match="victims and time"):
        transplant(recordings(), habits().clear(), first=FIRST, last=LAST, seed=1)
    with pytest.raises(ValueError, match="victims and time"):
        transplant(recordings(), habits(), first=FIRST, last=FIRST, seed=1)
