"""The arithmetic, the report and the chart, on figures made up for the purpose."""

import contextlib
import io
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from benchmarks.chart import draw
from benchmarks.clock import StageClock
from benchmarks.inputs import InputObject, InputSet
from benchmarks.report import print_report, update_table
from benchmarks.rounds import VARIANTS
from benchmarks.summary import summarise, targets
from s3sentinel_assets.errors import UserError

MIB = 1 << 20


def outcome(cpu: float, peak: int = 300, **stages: float) -> dict:
    given = {name.replace("_", "/"): value for name, value in stages.items()} or {
        "parse/parse": cpu / 2,
        "send/pack": cpu / 2,
    }
    received = {"bodies": 4, "rows": 1_000, "raw_bytes": 400_000, "wire_bytes": 40_000}
    received |= {"too_large": 0, "full": 3, "largest": 990_000}
    return {
        "cpu": cpu,
        "wall": cpu * 2,
        "stages": given,
        "baseline": 100 * MIB,
        "peak": peak * MIB,
        "entries": {"model": 1},
        "warm_up": 1.0,
        "received": received,
    }


@pytest.fixture
def inputs() -> InputSet:
    one = InputObject("0.gz", "k", 200_000, "e", "2026-11-20T10:00:00+00:00", 500, 1_000_000)
    return InputSet("vpc_flow", "2026-11-20-10:00", Path(), (one, one))


def rounds(ours: list[float], ordinary: list[float]) -> dict:
    return {
        name: [outcome(cpu, peak=300 if way == "ours" else 600) for cpu in (ours if way == "ours" else ordinary)]
        for name, (way, _) in VARIANTS.items()
    }


def document(figures: dict) -> dict:
    machine = {"core": 1, "sink_core": 0, "cores": 2, "load_before": 0.1, "load_after": 0.2}
    return {"rounds": 3, "seconds": 5, "machine": machine, "sources": {"vpc_flow": figures}}


def test_ratios_are_of_rounds_not_of_medians(inputs):
    figures = summarise("vpc_flow", inputs, rounds([1.0, 2.0, 1.0], [5.0, 20.0, 8.0]), None)
    assert figures["ratio"] == {"median": 8.0, "rounds": [5.0, 10.0, 8.0]}
    assert figures["variants"]["ours"]["events_per_second"] == 1_000
    assert figures["variants"]["ours"]["raw_mb_per_second"] == 2.0
    assert figures["variants"]["ordinary"]["cpu_seconds"] == 8.0
    assert figures["compression"] == 5.0
    assert figures["peak_ratio"] == 0.5


def test_sending_counts_everything_within_delivery(inputs):
    mine = outcome(1.0, parse_parse=0.2, send_pack=0.1, send_ledger=0.1, send_upload=0.2, send_files=0.1)
    theirs = outcome(8.0, parse_parse=4.0, send_send=4.0)
    found = summarise(
        "vpc_flow", inputs, {name: [mine if way == "ours" else theirs] for name, (way, _) in VARIANTS.items()}, None
    )
    assert found["ratio_sending"]["median"] == 8.0
    assert found["variants"]["ordinary"]["stage_shares"]["upload"] == 0.5
    assert sum(found["variants"]["ours"]["stage_shares"].values()) == pytest.approx(1, abs=0.001)


def test_targets_tell_met_from_missed(inputs):
    figures = summarise("vpc_flow", inputs, rounds([1.0], [5.1]), (8_000_000, outcome(4.0, peak=320)))
    met = {target.text: target.met for target in targets(figures)}
    assert met["≥ 5 × the ordinary way, with scores"]
    assert not met["≤ 330 bytes an event with scores"]
    assert met["memory flat in the size of the hour, ≤ 1 GiB"]
    slower = summarise("vpc_flow", inputs, rounds([1.0], [4.9]), (8_000_000, outcome(4.0, peak=900)))
    met = {target.text: target.met for target in targets(slower)}
    assert not met["≥ 5 × the ordinary way, with scores"]
    assert not met["memory flat in the size of the hour, ≤ 1 GiB"]


def test_no_model_call_seen_is_not_a_target_met(inputs):
    outcomes = rounds([1.0], [5.0])
    outcomes["ours"][0]["entries"] = {}
    met = {target.text: target.met for target in targets(summarise("vpc_flow", inputs, outcomes, None))}
    assert not met["model calls ≤ rows / 4096 + 1 a part"]


def test_report_names_every_way_and_target(inputs):
    figures = summarise("vpc_flow", inputs, rounds([1.0], [5.0]), None)
    text = io.StringIO()
    print_report(document(figures), Console(file=text, width=200))
    for name in (*VARIANTS, *(target.text for target in targets(figures))):
        assert name in text.getvalue()


def test_the_table_in_a_document_is_replaced(inputs, tmp_path):
    figures = document(summarise("vpc_flow", inputs, rounds([1.0], [5.0]), None))
    file = tmp_path / "notes.md"
    file.write_text("# Title\n\n<!-- bench: begin -->\nold\n<!-- bench: end -->\n\nEnd.\n")
    update_table(figures, file)
    once = file.read_text()
    update_table(figures, file)
    assert file.read_text() == once
    assert once.startswith("# Title\n")
    assert once.endswith("\nEnd.\n")
    assert "| ours | 1,000 | 2.0 |" in once
    assert "old" not in once
    file.write_text("# Nothing to replace\n")
    with pytest.raises(UserError, match="bench: begin"):
        update_table(figures, file)


def test_equal_figures_give_an_equal_chart(inputs, tmp_path):
    figures = document(summarise("vpc_flow", inputs, rounds([1.0], [5.0]), None))
    draw(figures, tmp_path / "a.svg")
    draw(figures, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"events/s (5.0" in (tmp_path / "a.svg").read_bytes()


class HandClock:
    """Stands in for the module ``time``: CPU passes only where a test says so."""

    def __init__(self) -> None:
        self.process = 0.0
        self.threads: Counter[int] = Counter()

    def spend(self, seconds: float) -> None:
        self.process += seconds
        self.threads[threading.get_ident()] += seconds

    def process_time(self) -> float:
        return self.process

    def thread_time(self) -> float:
        return self.threads[threading.get_ident()]


def test_inner_stages_and_threads_are_charged_once(monkeypatch):
    hand = HandClock()
    monkeypatch.setattr("benchmarks.clock.time", hand)
    clock = StageClock()

    def upload() -> None:
        hand.spend(0.5)  # in no stage of its own: the main thread's
        with clock.stage("ledger"):
            hand.spend(2)
            with clock.stage("files"):
                hand.spend(4)

    hand.spend(0.25)
    with clock.stage("send"):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(upload).result()
        hand.spend(1)
        with clock.stage("pack"):
            hand.spend(8)
    assert clock.finish() == {"other/other": 0.25, "send/send": 1.5, "send/ledger": 2, "send/files": 4, "send/pack": 8}
    assert clock.entries == {"send": 1, "ledger": 1, "files": 1, "pack": 1}


def test_functions_and_managers_are_stages_while_attached(monkeypatch):
    hand = HandClock()
    monkeypatch.setattr("benchmarks.clock.time", hand)

    class Product:
        def work(self) -> str:
            hand.spend(1)
            return "done"

        @contextlib.contextmanager
        def hold(self):
            hand.spend(2)
            yield "held"

    clock, product, before = StageClock(), Product(), (Product.work, Product.hold)
    with clock.attached({"work": [(Product, "work")]}), clock.attached({"hold": [(Product, "hold")]}, managers=True):
        assert product.work() == "done"
        with product.hold() as value:
            hand.spend(4)
    assert value == "held"
    assert (Product.work, Product.hold) == before
    seconds = clock.finish()
    assert (seconds["work/work"], seconds["hold/hold"]) == (1, 6)


def test_a_function_is_a_stage_under_every_name_that_modules_gave_it(monkeypatch):
    inner, outer, foreign = (ModuleType(name) for name in ("product.inner", "product", "elsewhere"))
    for module in (inner, outer, foreign):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    inner.score = outer.judge = foreign.score = original = lambda: "scored"
    clock = StageClock()
    with clock.attached({"model": [(inner, "score")]}):
        assert [inner.score(), outer.judge(), foreign.score()] == ["scored"] * 3
    assert clock.entries["model"] == 2
    assert inner.score is outer.judge is original


def test_a_function_that_is_gone_is_named():
    clock = StageClock()
    with (
        pytest.raises(RuntimeError, match="nothing_of_the_kind"),
        clock.attached({"x": [(time, "nothing_of_the_kind")]}),
    ):
        pass
