"""Cost and saving: by plan, for demoted, promoted and dropped rows, with a price list that users can edit."""

import json
from importlib import resources

import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ledger.filtered import Filtered
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.ledger.volumes import Volume
from s3sentinel_assets.sentinel.cost import PlanPrice, Prices, load_prices, reckon

HOUR = "2026-11-20-07:00"
PRICES = Prices(
    "EUR",
    {"Analytics": PlanPrice(4.0, 0.0), "Basic": PlanPrice(1.0, 0.01), "Auxiliary": PlanPrice(0.2, 0.005)},
    billed_share=0.5,
)
GB = 1_000_000_000


def volume(table="AWSVPCFlow", gb=1.0, rows=10, route=None, kind=BatchKind.ROWS, source="flows", hour=HOUR):
    return Volume(source, hour, table, route, kind, rows, round(gb * GB))


def told(cost):
    return [
        (line.table, line.plan, line.kind, line.rows, line.raw_bytes, line.cost, line.saving, line.scan)
        for line in cost.lines
    ]


def test_bytes_cost_by_plan_and_the_share_that_is_billed():
    cost = reckon([volume(gb=2), volume(gb=1, hour="2026-11-20-08:00")], {}, PRICES)
    assert told(cost) == [("AWSVPCFlow", "Analytics", "rows", 20, 3 * GB, pytest.approx(6.0), 0.0, 0.0)]
    assert (cost.cost, cost.saving, cost.unmeasured_rows) == (pytest.approx(6.0), 0.0, 0)


@pytest.mark.parametrize(
    ("plan", "cost", "saving", "scan"), [("Auxiliary", 0.1, 1.9, 0.0025), ("Basic", 0.5, 1.5, 0.005)]
)
def test_demoted_bytes_save_the_difference_of_the_prices(plan, cost, saving, scan):
    table = f"AWSVPCFlow_{plan}_CL"
    found = reckon([volume(table, route="quiet")], {}, PRICES)
    [line] = found.lines
    assert (line.plan, line.cost, line.saving, line.scan) == (plan, *map(pytest.approx, (cost, saving, scan)))
    unrouted = reckon([volume(table)], {}, PRICES)
    assert unrouted.saving == 0  # it was to go there all the same
    sideways = reckon([volume("S3Events_CL", route="odd")], {}, PRICES)
    assert sideways.saving == 0  # another table, as dear


def test_what_is_sent_once_more_lessens_the_saving():
    found = reckon(
        [
            volume("AWSVPCFlow_Auxiliary_CL", 10, route="quiet"),
            volume(gb=1, kind=BatchKind.PROMOTED),
            volume("S3Overflow_CL", 0.5, kind=BatchKind.OVERFLOW),
        ],
        {},
        PRICES,
    )
    kinds = {line.kind: line for line in found.lines}
    assert kinds["promoted"].saving == pytest.approx(-2.0) and kinds["promoted"].cost == pytest.approx(2.0)
    assert kinds["overflow"].saving == 0 and kinds["overflow"].cost == pytest.approx(1.0)
    assert found.saving == pytest.approx(10 * 0.5 * 3.8 - 2.0)


def test_dropped_rows_save_what_is_known_of_them():
    filtered = {"flows": [{"health": Filtered(5, 2 * GB), "noise": Filtered(7, None)}, {"health": Filtered(1, GB)}]}
    found = reckon([volume()], filtered, PRICES)
    lines = {line.rule: line for line in found.lines if line.kind == "filtered"}
    assert (lines["health"].rows, lines["health"].raw_bytes, lines["health"].saving) == (6, 3 * GB, pytest.approx(6.0))
    assert (lines["noise"].rows, lines["noise"].raw_bytes, lines["noise"].saving) == (7, None, None)
    assert (found.saving, found.unmeasured_rows) == (pytest.approx(6.0), 7)
    assert [line.cost for line in found.lines if line.kind == "filtered"] == [0.0, 0.0]


def test_sources_and_tables_are_apart():
    found = reckon([volume(source="b"), volume(), volume("AWSVPCFlow_Basic_CL", route="r")], {}, PRICES)
    assert [(line.source, line.table) for line in found.lines] == [
        ("b", "AWSVPCFlow"),
        ("flows", "AWSVPCFlow"),
        ("flows", "AWSVPCFlow_Basic_CL"),
    ]


def test_the_shipped_list_is_whole_and_says_what_it_is():
    prices = load_prices()
    plans = [prices.plans[plan].ingestion_per_gb for plan in ("Analytics", "Basic", "Auxiliary")]
    assert plans == sorted(plans, reverse=True) and plans[-1] > 0
    assert "List prices" in prices.note and "sentinel.prices_file" in prices.note
    assert all((prices.currency, prices.region, prices.as_of, prices.source, prices.billed_share_source))
    assert prices.as_of in prices.basis and "75%" in prices.basis


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["plans"].pop("Basic"), "no prices of the plan Basic"),
        (lambda data: data["plans"]["Basic"].update(ingestion_per_gb=-1), "negative"),
        (lambda data: data.update(billed_share=-0.1), "negative"),
        (lambda data: data["plans"]["Basic"].pop("scan_per_gb"), "no price list"),
        (lambda data: data.update(curency="EUR"), "no price list"),
        (lambda data: data.update(billed_share="much"), "no price list"),
    ],
)
def test_a_list_of_ones_own_is_checked(tmp_path, change, words):
    text = (resources.files("s3sentinel_assets.sentinel") / "prices.json").read_text(encoding="utf-8")
    file = tmp_path / "mine.json"
    data = json.loads(text)
    data["plans"]["Analytics"]["ingestion_per_gb"] = 2.0
    file.write_text(json.dumps(data))
    assert load_prices(file).plans["Analytics"].ingestion_per_gb == 2.0
    change(data)
    file.write_text(json.dumps(data))
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_prices(file)
    assert str(file) in str(caught.value)


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.json is no price list"):
        load_prices(tmp_path / "nowhere.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConfigurationError, match="is no price list"):
        load_prices(tmp_path / "broken.json")
