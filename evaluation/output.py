"""What the terminal shows: targets, models, slices, the techniques that are missed most.

Belongs here: tables. Does not belong here: figures (``report``).
"""

from rich.console import Console
from rich.table import Table

from evaluation.dataset import OWN_STORIES
from evaluation.outcome import LIVE
from evaluation.report import Figure, Report, per_technique
from evaluation.rivals import CHAMPION, MODELS
from s3sentinel_assets.ml.evaluation.slices import SLICES

__all__ = ["show"]

_WORST = 12


def show(console: Console, report: Report) -> None:
    """Prints everything worth reading."""
    if report.facts["attacks"] == OWN_STORIES:
        console.print(
            "The shared folder of labelled attacks is missing: these figures come from the project's own stories and "
            "say less.",
            style="yellow",
        )
    for table in (_models(report), _slices(report), _settings(report), _techniques(report), _targets(report)):
        if table.row_count:
            console.print(table)
    facts = report.facts
    console.print(
        f"{len(facts['seeds'])} seeds, {facts['test_days']:g} test days, {facts['benign_events_per_day']:,} benign "
        f"events and {facts['benign_hours_per_day']:,} principal-hours a day; attacks: {facts['attacks']}; baseline: "
        f"{facts['baseline_hours_per_day']:g} benign principal-hours a day; {facts['cold_benign_share']:.1%} of benign "
        f"events at a cold start",
        highlight=False,
    )
    if drip := facts["dripping"]["incidents"]:
        console.print(
            f"slow drip: while they made it a habit, {facts['dripping']['medium'] / drip:.1%} of the intruders were "
            f"medium or more at some time, {facts['dripping']['high'] / drip:.1%} high or more",
            highlight=False,
        )


def _share(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if figure.value > 2 or "per_day" in figure.metric:
        bounds = f" ({figure.low:.1f}–{figure.high:.1f})" if figure.low is not None and figure.high is not None else ""
        return f"{figure.value:.1f}{bounds}"
    digits = 4 if "volume" in figure.metric else 3
    if figure.low is None or figure.high is None:
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} ({figure.low:.{digits}f}–{figure.high:.{digits}f})"


def _models(report: Report) -> Table:
    metrics = {
        "20 h/day": "recall_20h",
        "5 h/day": "recall_5h",
        "0.1 %": "recall_0.1pct",
        "1 %": "recall_1pct",
        "≥ high": "recall_high",
        "ROC": "roc",
        "AP": "ap",
    }
    table = Table("model", *metrics, title="incident recall (95 % interval) by budget of benign alarms")
    for model in MODELS:
        if report.find("recall_20h", model):
            table.add_row(model, *(_share(report.find(metric, model)) for metric in metrics.values()))
    return table


def _slices(report: Report) -> Table:
    metrics = {
        "20 h/day": "recall_20h",
        "0.1 %": "recall_0.1pct",
        "≥ high": "recall_high",
        "≥ high, final": "final_recall_high",
        "critical": "recall_critical",
        "attack events ≥ medium": "attack_events_medium",
        "… final": "final_attack_events_medium",
    }
    table = Table("slice", "incidents", *metrics, title=f"{CHAMPION} by slice, priorities as delivered and final")
    for part in SLICES:
        figure = report.find("recall_20h", part=part)
        if figure:
            shown = (_share(report.find(metric, part=part)) for metric in metrics.values())
            table.add_row(part, str(figure.count), *shown)
    return table


def _settings(report: Report) -> Table:
    metrics = {
        "20 h/day": "recall_20h",
        "0.1 %": "recall_0.1pct",
        "incidents ≥ high": "recall_high",
        "benign ≥ high of 75,000": "benign_high_per_day",
        "with shadows": "benign_high_per_day_with_shadows",
        "benign ≥ medium": "volume_medium",
        "… with shadows": "volume_medium_with_shadows",
    }
    table = Table("model", "history", *metrics, title="priorities, and what a poisoned history costs")
    found = {(figure.model, figure.setting): None for figure in report.figures if figure.metric == "volume_medium"}
    for model, setting in found:
        shown = (_share(report.find(metric, model, setting=setting)) for metric in metrics.values())
        table.add_row(model, "as it is" if setting == LIVE else setting, *shown)
    return table


def _techniques(report: Report) -> Table:
    table = Table(
        "technique", "incidents", "20 h/day", "0.1 %", "≥ high", title=f"techniques that {CHAMPION} misses most"
    )
    rows = per_technique(report.incidents)
    for row in rows.filter(rows["model"] == CHAMPION).head(_WORST).to_dicts():
        if row["recall_20h"] < 1:
            numbers = (row["recall_20h"], row["recall_0.1pct"], row["recall_high"])
            table.add_row(row["technique"], str(row["incidents"]), *(f"{value:.2f}" for value in numbers))
    return table


def _targets(report: Report) -> Table:
    table = Table("target", "wanted", "measured", "", title="targets")
    for target in report.targets:
        measured = "" if target.value is None else f"{target.value:,.4g}"
        if target.value is not None and target.value >= 1_000:
            measured = f"{target.value:,.0f}"
        if target.low is not None and target.high is not None:
            measured += f" ({target.low:.4g}–{target.high:.4g})"
        verdict = {True: "[green]met", False: "[red]missed", None: "not measured"}[target.met]
        table.add_row(target.name, target.wanted, measured, verdict)
    return table
