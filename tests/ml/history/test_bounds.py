"""What clients choose for themselves does not fill the state: bounds by hour, by owner, by site, and a fade."""

import polars as pl

from s3sentinel_assets.ml import load_model, score, update
from s3sentinel_assets.ml.features import distinct
from s3sentinel_assets.ml.history.deltas import changes_since, with_changes
from s3sentinel_assets.ml.history.families import family_of
from s3sentinel_assets.ml.history.family_counts import within_owner_bounds
from tests.ml.history.made_logs import flow, query, request, web_hour
from tests.ml.worlds import MODELS, frame, hours

EVERY = hours(0, 20)
WEB = load_model(MODELS, "web_access")


def letters(number: int) -> str:
    """A word of its own for each number, without digits."""
    return "".join(chr(103 + int(digit)) for digit in str(number))


def keys(state, table: str) -> pl.Series:
    return state.frame.filter(pl.col("table") == table)["key"]


def test_an_owner_brings_its_most_frequent_items_only():
    many = family_of("web_access").hourly_items
    assert many is not None
    rows = [request(EVERY[9], i % 60, i, "203.0.113.9", f"/{letters(i)}/page") for i in range(5 * many)]
    rows += [request(EVERY[9], i % 60, 100_000 + i, "203.0.113.9", "/often") for i in range(50)]
    state = update(None, [frame(rows)], EVERY[9], format="web_access", model=WEB)
    paths = keys(state, "site/path")
    assert len(paths) == len(keys(state, "principal/action")) == many
    assert paths.str.ends_with("/often").any()
    assert state.events == len(rows)


def test_refused_paths_leave_no_trace_of_their_own():
    rows = [request(EVERY[9], i % 60, i, "203.0.113.9", f"/{letters(i)}/page", 404) for i in range(500)]
    state = update(None, [frame(rows)], EVERY[9], format="web_access", model=WEB)
    assert len(keys(state, "site/path")) == 0
    assert keys(state, "principal/action").to_list() == ["(unknown)\x1f203.0.113.0/24\x1fGET 4xx"]


def test_once_a_day_owners_and_sites_are_cut_to_the_clearest():
    family = family_of("web_access")
    most = family.owner_items
    assert most is not None
    names = [f"a\x1fb\x1f{i:06}" for i in range(most + 7)] + [f"a\x1fc\x1f{i}" for i in range(3)]
    stored = pl.DataFrame({"table": "principal/action", "key": names})
    left = pl.Series([float(i % 5 + 1) for i in range(len(names))])
    kept = within_owner_bounds(stored, left, family)
    gone = stored.filter(~kept)["key"].to_list()
    # Of the faintest the last in the order of names.
    faintest = [name for i, name in enumerate(names[: most + 7]) if i % 5 == 0]
    assert gone == faintest[-7:]
    other = stored.with_columns(table=pl.lit("principal"))
    assert within_owner_bounds(other, left, family).all(), "statistics are few"


def test_a_bounded_state_is_told_by_its_changes():
    family = family_of("web_access")
    assert family.owner_items is not None
    whole = None
    for place in range(family.owner_items // 200 + 2):
        rows = [request(EVERY[place], 1, i, "203.0.113.9", f"/{letters(place * 1_000 + i)}/x") for i in range(200)]
        whole = update(whole, [frame(rows)], EVERY[place], format="web_access", model=WEB)
    assert whole is not None
    assert len(keys(whole, "principal/action")) > family.owner_items
    later = update(whole, [frame(web_hour(EVERY[24]))], EVERY[24], format="web_access", model=WEB)
    busiest = keys(later, "principal/action").str.contains("203.0.113.0/24", literal=True).sum()
    assert busiest == family.owner_items
    assert later.crowded_out == 0, "it is not the state as a whole that has too many"
    changes = changes_since(later, whole)
    assert changes is not None
    assert with_changes(whole, changes).stored.equals(later.stored)


def test_a_client_seen_once_is_forgotten_after_a_fortnight():
    state = update(
        None, [frame([request(EVERY[0], 1, 1, "203.0.113.9", "/x")])], EVERY[0], format="web_access", model=WEB
    )
    for day, left in ((14, True), (18, False)):
        later = update(state, [], hours(day, 1)[0], format="web_access", model=WEB)
        assert bool(later.keys) == left


def test_the_counters_stop_remembering_items(monkeypatch):
    monkeypatch.setattr(distinct, "MOST", 20)
    model = load_model(MODELS, "vpc_flow")
    state = update(None, [frame([flow(EVERY[8], 1, 1, "192.0.2.1")])], EVERY[8], format="vpc_flow", model=model)
    counters = None
    for part in range(4):
        rows = [flow(EVERY[9], part, 100 * part + i, f"10.{part}.0.{i}") for i in range(15)]
        counters = score(frame(rows), state, counters, model, hour=EVERY[9]).counters
    assert counters is not None
    remembered = counters.frame.filter(pl.col("table") == "principal/remote").height
    number = counters.frame.filter(pl.col("table") == "number of principal/remote")["count"].to_list()
    assert (remembered, number) == (30, [30])


def test_few_names_below_a_domain_are_not_worth_a_key():
    model = load_model(MODELS, "route53_resolver")
    few = [query(EVERY[9], 1, i, "i-1", f"h{i}.example.com") for i in range(7)]
    many = [query(EVERY[9], 2, 100 + i, "i-1", f"h{i}.example.net") for i in range(60)]
    state = update(None, [frame(few + many)], EVERY[9], format="route53_resolver", model=model)
    assert keys(state, "domain").to_list() == [
        f"111122223333\x1fexample.net\x1f{name}" for name in ("hours", "log_names")
    ]
    assert len(keys(state, "site/domain")) == 2
