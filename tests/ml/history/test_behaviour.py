"""What each family makes of the things it is there for, with the reasons an analyst reads."""

import random

import polars as pl
import pytest

from s3sentinel_assets.ml import score
from s3sentinel_assets.ml.features.matrix import feature_matrix
from tests.ml.history.made_logs import (
    HOURS,
    ONE_OF_EACH,
    dns_hour,
    flow,
    flow_hour,
    query,
    request,
    settled,
    web_hour,
)
from tests.ml.worlds import frame

WEB, DNS, FLOWS = settled("web_access"), settled("route53_resolver"), settled("vpc_flow")


def scored(world, rows: list[dict]) -> pl.DataFrame:
    """Scores with the columns of the events, the highest first."""
    model, state, hour = world
    batch = frame(rows)
    result = score(batch, state, None, model, hour=hour).scores
    return result.hstack(batch.select("event_id", "principal", "action", "target")).sort(
        "_raw", "event_id", descending=[True, False]
    )


def matrix(world, rows: list[dict]) -> pl.DataFrame:
    """The bits of every term, in the order of event ids."""
    model, state, hour = world
    return feature_matrix(frame(rows), state, None, model.parameters, format=model.format, hour=hour)[0].sort(
        "event_id"
    )


def of(scores: pl.DataFrame, first: int) -> pl.DataFrame:
    """The events that were put among the background, in order."""
    return scores.filter(pl.col("event_id").cast(pl.Int64) >= first).sort("event_id")


def highest(scores: pl.DataFrame) -> int:
    """The highest raw score."""
    return scores["_raw"].sort().item(-1)


def background(scores: pl.DataFrame, first: int = 10_000) -> int:
    """The highest raw score of the background."""
    return highest(scores.filter(pl.col("event_id").cast(pl.Int64) < first))


@pytest.mark.parametrize("log_format", [name for name in ONE_OF_EACH if name not in ("cloudtrail", "guardduty")])
def test_a_usual_hour_is_quiet(log_format):
    world = {"web_access": WEB, "route53_resolver": DNS, "vpc_flow": FLOWS}.get(log_format) or settled(log_format)
    assert set(scored(world, HOURS[log_format](world[2]))["Priority_CF"]) == {"low"}


def test_a_page_that_nobody_ever_asked_for_and_that_answers():
    hour = WEB[2]
    agent = "python-requests/2.31"
    shell = request(hour, 30, 10_000, "203.0.113.9", "/uploads/shell.php", user_agent=agent)
    scores = scored(WEB, [*web_hour(hour), shell])
    top = scores.row(0, named=True)
    assert (top["event_id"], top["Priority_CF"]) == ("000000010000", "medium")
    assert "path /uploads/shell.php never seen on shop.example.com in" in top["Reasons_CF"]
    assert "client python-requests/2 never seen on shop.example.com in" in top["Reasons_CF"]
    # Refused, the same page says far less: what is asked for in vain is the client's choice.
    refused = request(hour, 30, 10_000, "203.0.113.9", "/uploads/shell.php", 404, user_agent=agent)
    assert of(scored(WEB, [*web_hour(hour), refused]), 10_000)["_raw"][0] < top["_raw"] / 2


def test_items_of_a_known_kind_are_not_new():
    hour = WEB[2]
    scores = scored(WEB, [*web_hour(hour), request(hour, 30, 10_000, "198.51.100.77", "/items/999999999")])
    assert of(scores, 10_000)["_raw"][0] <= background(scores)


def test_scanners_and_rare_methods_stand_out_from_visitors():
    hour = WEB[2]
    scan = [request(hour, 30 + i / 100, 10_000 + i, "203.0.113.9", f"/wp-{chr(97 + i % 26)}/{'x' * (i // 26)}", 404)
            for i in range(400)]  # fmt: skip
    scores = of(all_scores := scored(WEB, [*web_hour(hour), *scan]), 10_000)
    assert scores["_raw"][-1] > 3 * background(all_scores)
    assert scores["_raw"][-1] > scores["_raw"][20]
    assert (scores["Priority_CF"] == "low").all() or scores["Priority_CF"][-1] == "medium"
    odd = request(hour, 30, 10_000, "198.51.100.9", "/cart", method="PROPFIND")
    scores = scored(WEB, [*web_hour(hour), odd])
    assert of(scores, 10_000)["_raw"][0] > 3 * background(scores)


def test_names_that_carry_data():
    hour, choose = DNS[2], random.Random(1)
    tunnel = [
        query(hour, 20 + i / 100, 10_000 + i, "i-1", f"{choose.getrandbits(220):055x}.t.evil.example", answer="NOERROR")
        for i in range(1_500)
    ]
    scores = of(scored(DNS, [*dns_hour(hour), *tunnel]), 10_000)
    late = scores.row(-1, named=True)
    assert late["Priority_CF"] == "medium"
    assert "1500 different names below evil.example this hour, usually 8.0" in late["Reasons_CF"]
    assert "name below evil.example says more than all but" in late["Reasons_CF"]
    # The domain with many names that everybody uses stays usual.
    content = [query(hour, 20 + i / 100, 10_000 + i, "i-2", f"d{i:013x}.cdn.example.net") for i in range(100)]
    usual = of(scored(DNS, [*dns_hour(hour), *content]), 10_000)
    assert highest(usual) < scores["_raw"][-1] / 2


def test_names_that_do_not_exist_and_domains_that_are_new():
    hour, choose = DNS[2], random.Random(2)
    made = ["".join(choose.choices("abcdefghijklmnopqrstuvwxyz", k=14)) for _ in range(100)]
    rows = [query(hour, 30 + i / 100, 10_000 + i, "i-1", f"{made[i]}.com", "NXDOMAIN") for i in range(100)]
    scores = scored(DNS, [*dns_hour(hour), *rows])
    top = of(scores, 10_000).sort("_raw").row(-1, named=True)
    assert top["Priority_CF"] == "medium"
    assert "never seen on 111122223333 in" in top["Reasons_CF"]
    assert "events failed this hour, usually" in top["Reasons_CF"]
    assert (scores.filter(pl.col("principal") != "i-1")["Priority_CF"] == "low").all()
    one = scored(DNS, [*dns_hour(hour), query(hour, 30, 10_000, "i-1", "c2.evil.example")])
    assert of(one, 10_000)["_raw"][0] > 3 * background(one)
    known = scored(DNS, [*dns_hour(hour), query(hour, 30, 10_000, "i-1", "new.example.org")])
    assert of(known, 10_000)["_raw"][0] < of(one, 10_000)["_raw"][0] / 3


def test_a_sweep_of_the_neighbours():
    hour = FLOWS[2]
    more = {"action": "tcp/445/internal/REJECT", "bytes": 40, "packets": 1}
    rows = [flow(hour, 30 + i / 100, 10_000 + i, f"10.0.{i // 200}.{i % 200}", **more) for i in range(300)]
    scores = of(scored(FLOWS, [*flow_hour(hour), *rows]), 10_000)
    assert (scores["Priority_CF"] == "medium").sum() > 250
    assert "events failed this hour, usually" in scores["Reasons_CF"][-1]
    fan_out = matrix(FLOWS, [*flow_hour(hour), *rows]).filter(pl.col("event_id") >= f"{10_000:012}")["fan_out"]
    assert (fan_out[0], fan_out.is_sorted()) == (0.0, True)
    assert fan_out[-1] > 1
    # The same number of flows to the same few servers is no sweep.
    calm = [flow(hour, 30 + i / 100, 10_000 + i, f"192.0.2.{i % 12}") for i in range(300)]
    assert highest(of(scored(FLOWS, [*flow_hour(hour), *calm]), 10_000)) < scores["_raw"].sort().item(0)
    assert matrix(FLOWS, [*flow_hour(hour), *calm])["fan_out"].max() == 0


def test_packets_of_another_size():
    hour = FLOWS[2]
    tiny = flow(hour, 30, 10_000, "192.0.2.3", bytes=30_000, packets=700)
    usual = flow(hour, 30, 10_000, "192.0.2.3", bytes=30_000, packets=40)
    odd, even = (of(scored(FLOWS, [*flow_hour(hour), each]), 10_000)["_raw"][0] for each in (tiny, usual))
    assert odd > even


def test_findings_go_by_the_vendors_word():
    model, state, hour = settled("guardduty")
    rows = HOURS["guardduty"](hour)
    rows[0] |= {"severity": "critical", "error": "critical"}
    scores = scored((model, state, hour), rows)
    assert scores.filter(pl.col("event_id") == rows[0]["event_id"])["Priority_CF"][0] == "critical"
    assert scores["_rule"].null_count() == scores.height
