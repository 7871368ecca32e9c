"""What the score must say about people, workloads, scanners, newcomers and flows."""

from itertools import pairwise

import polars as pl
import pytest

from s3sentinel_assets.hours import hour_start, shift_hour
from s3sentinel_assets.ml import EntityState, ScoringModel, empty_counters, load_model, score, update
from tests.ml.worlds import ACCOUNT, MODELS, World, frame, hours

RANK = {"low": 0, "medium": 1, "high": 2, "critical": 3}
KALI = {"source_ip": "203.0.113.9", "user_agent": "aws-cli/2.9 Python/3.11 Linux/6 kali"}
NOON = shift_hour(hours(7, 1)[0], 10)


@pytest.fixture(scope="module")
def model() -> ScoringModel:
    return load_model(MODELS, "cloudtrail")


@pytest.fixture(scope="module")
def history(model) -> tuple[World, EntityState, pl.DataFrame]:
    """Five days of habit, and the scores of the sixth day."""
    world, state, scored = World(), None, []
    for hour in hours(0, 6):
        if int(hour[11:13]) not in (2, *range(8, 17)):
            continue  # few events: a gap in the state, which it must bear anyway
        batch = frame(world.hour(hour))
        if hour >= hours(5, 1)[0]:
            assert state is not None
            scored.append(pl.concat([batch, score(batch, state, None, model, hour=hour).scores], how="horizontal"))
        state = update(state, [batch], hour, format="cloudtrail", model=model)
    assert state is not None
    return world, state, pl.concat(scored)


def judge(history, model, rows: list[dict]) -> list[dict]:
    """Scores rows of the seventh day's noon together with the background of that hour."""
    world, state, _ = history
    batch = pl.concat([frame(rows), frame(world.hour(NOON))])
    return score(batch, state, None, model, hour=NOON).scores.head(len(rows)).to_dicts()


def test_a_sensitive_first_from_a_new_network_is_high_with_those_reasons(history, model):
    world = history[0]
    (row,) = judge(history, model, [world.call(NOON, 5, "user0", "iam:AttachUserPolicy", **KALI)])
    assert RANK[row["Priority_CF"]] >= RANK["high"]
    assert row["Confidence_CF"] == 1.0
    assert row["Flags_CF"] is None
    reasons = row["Reasons_CF"].split("; ")
    assert len(reasons) == 3
    assert any("203.0.113.0/24" in reason or "kali" in reason for reason in reasons)
    assert all("events" in reason for reason in reasons), "with the counts behind them"
    parts = [float(reason.rsplit("(", 1)[1].rstrip(")")) for reason in reasons]
    assert parts == sorted(parts, reverse=True)
    assert sum(parts) <= row["_raw"] / 100 + 0.2
    assert row["ExpectedPerDay_CF"] < 1


def test_habits_stay_low(history, model):
    scored = history[2].filter(~pl.col("principal").str.contains("scanner"))
    assert scored.height > 500
    assert scored["Priority_CF"].unique().to_list() == ["low"]
    assert scored["AnomalyScore_CF"].max() < 5
    assert scored["Reasons_CF"].null_count() == scored.height


def test_a_scanner_that_always_does_rare_things_stays_low(history, model):
    scored = history[2].filter(pl.col("principal").str.contains("scanner"))
    assert scored.height > 50
    assert not scored["Priority_CF"].is_in(["critical", "high"]).any()
    # It does something never seen in every run, and its own rate of novelty says so.
    assert (scored["Priority_CF"] == "low").mean() > 0.5


def test_the_same_novelty_means_more_for_who_never_changes(history, model):
    world = history[0]
    user, scanner = judge(
        history,
        model,
        [
            world.call(NOON, 5, "role/worker", "ec2:DescribeVpcs", source_ip="10.0.5.20"),
            world.call(NOON, 5, "role/scanner", "ec2:DescribeVpcs", source_ip="10.0.9.9"),
        ],
    )
    assert user["_raw"] > scanner["_raw"] + 300


def test_an_anomaly_of_a_joiner_is_capped_at_medium_and_flagged(history, model):
    world = history[0]
    rows = [world.call(NOON, i, "joiner", f"new{i}:Create{i}", **KALI) for i in range(30)]
    judged = judge(history, model, rows)
    assert max(RANK[row["Priority_CF"]] for row in judged) <= RANK["medium"]
    assert {row["Flags_CF"] for row in judged} == {"cold_start"}
    assert max(row["Confidence_CF"] for row in judged) == 0.0
    sensitive = [*rows, world.call(NOON, 40, "joiner", "iam:AttachUserPolicy", **KALI)]
    assert judge(history, model, sensitive)[-1]["Priority_CF"] == "high", "sensitivity drives"


def test_sensitivity_alone_speaks_in_a_cold_start(history, model):
    world = history[0]
    (row,) = judge(history, model, [world.call(NOON, 5, "joiner", "cloudtrail:StopLogging")])
    assert (row["Priority_CF"], row["Flags_CF"]) == ("high", "cold_start")


def test_scores_are_written_with_two_decimals(history):
    scored = history[2]
    for name in ("AnomalyScore_CF", "Confidence_CF"):
        assert all(float(f"{value:.2f}") == value for value in scored[name])


def test_repeats_decay(history, model):
    world = history[0]
    rows = [world.call(NOON, 5 + i, "user1", "iam:CreateAccessKey", source_ip="198.51.101.3") for i in range(12)]
    scores = [row["AnomalyScore_CF"] for row in judge(history, model, rows)]
    assert scores[0] > 10
    assert all(earlier >= later for earlier, later in pairwise(scores))
    assert scores[-1] < scores[0] - 1, "a repetition is less than the first time"


def test_bursts_of_events_and_errors_are_named(history, model):
    world = history[0]
    action = world.habits["user3"][0]
    rows = [
        world.call(NOON, i / 20, "user3", action, source_ip="198.51.103.3", error="AccessDenied") for i in range(1_000)
    ]
    last = judge(history, model, rows)[-1]
    assert last["_raw"] > 800
    assert RANK[last["Priority_CF"]] <= RANK["medium"], "a burst alone is no incident"


def test_counters_carry_the_hour_from_part_to_part(history, model):
    world, state, _ = history
    rows = [world.call(NOON, i, "user4", "iam:CreateUser", source_ip="198.51.104.3") for i in range(8)]
    whole = score(frame(rows), state, None, model, hour=NOON)
    first = score(frame(rows[:3]), state, empty_counters(), model, hour=NOON)
    second = score(frame(rows[3:]), state, first.counters, model, hour=NOON)
    assert whole.scores.equals(pl.concat([first.scores, second.scores]))
    assert whole.counters.frame.equals(second.counters.frame)
    later = shift_hour(NOON, 1)
    assert score(frame(rows), state, second.counters, model, hour=later).counters.frame.equals(whole.counters.frame)


def test_a_novelty_is_learned_and_fades(history, model):
    world, state, _ = history
    rows = [world.call(NOON, 5, "user5", "iam:CreateUser", source_ip="198.51.105.3")]
    learned = update(state, [frame(rows)], NOON, format="cloudtrail", model=model)
    tomorrow = shift_hour(NOON, 24)
    again = score(frame(rows), learned, None, model, hour=tomorrow).scores["AnomalyScore_CF"][0]
    assert again < score(frame(rows), state, None, model, hour=NOON).scores["AnomalyScore_CF"][0] / 2
    forgotten = update(learned, [], shift_hour(NOON, 24 * 120), format="cloudtrail", model=model)
    assert not forgotten.frame.filter(
        pl.col("key").str.contains("user5") & pl.col("key").str.contains("CreateUser")
    ).height


def test_one_principal_cannot_write_history_alone(history, model):
    world, state, _ = history
    flood = frame([world.call(NOON, i / 1e3, "user6", "iam:CreateUser") for i in range(20_000)])
    poisoned = update(state, [flood], NOON, format="cloudtrail", model=model)
    grown = poisoned.frame.join(state.frame, on=["table", "key"], how="left", suffix="_before")
    grown = grown.filter(pl.col("table") != "principal").with_columns(pl.col("count_before").fill_null(0.0))
    assert (grown["count"] - grown["count_before"]).max() <= model.parameters.hourly_cap


def flow(hour: str, minute: float, serial: int, **more) -> dict:
    return {
        "event_id": f"f{serial:09d}",
        "time": hour_start(hour).replace(minute=int(minute)),
        "account": ACCOUNT,
        "region": "eu-west-1",
        "principal": "eni-1",
        "principal_type": "eni",
        "peer": f"{ACCOUNT}/subnet-1",
        "service": "tcp",
        "action": "tcp/443/egress/ACCEPT",
        "target": "192.0.2.10",
        "bytes": 5_000,
        "packets": 10,
        **more,
    }


def test_vpc_flow_new_peer_big_transfer_and_scans():
    model = load_model(MODELS, "vpc_flow")
    state = None
    serial = 0
    for hour in hours(0, 4)[::3]:
        rows = [flow(hour, i % 60, serial + i, bytes=4_000 + i) for i in range(60)]
        scans = [
            flow(hour, i % 60, serial + 100 + i, action="tcp/22/ingress/REJECT", target=f"203.0.{i}.9")
            for i in range(40)
        ]
        state = update(state, [frame(rows + scans)], hour, format="vpc_flow", model=model)
        serial += 1_000
    assert state is not None
    assert not state.frame.filter(pl.col("key").str.contains("203.0.|22/ingress")).height
    hour = shift_hour(state.hour, 1)
    exfiltration = flow(
        hour, 31, 1, target="198.51.100.99", action="udp/53/egress/ACCEPT", service="udp", bytes=9 << 30
    )
    scan = flow(hour, 32, 2, action="tcp/22/ingress/REJECT", target="203.0.113.1")
    nothing = flow(hour, 33, 3, action="-/-/-/NODATA", target=None, bytes=None, packets=None)
    habit = flow(hour, 0, 4)  # long before: what is near something unusual belongs to it
    scores = score(frame([exfiltration, scan, nothing, habit]), state, None, model, hour=hour).scores
    assert scores["Priority_CF"].to_list() == ["medium", "low", "low", "low"]
    assert scores["Flags_CF"].to_list() == [None, "inbound_reject", "no_data", None]
    assert scores["AnomalyScore_CF"][1] == 0.0
    assert scores["AnomalyScore_CF"][3] < 5
    assert "this interface" in scores["Reasons_CF"][0]
    big = score(frame([flow(hour, 1, 1, bytes=9 << 30)]), state, None, model, hour=hour).scores
    assert big["_raw"][0] > scores["_raw"][3] + 300
