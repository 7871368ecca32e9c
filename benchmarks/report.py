"""The figures as tables for a terminal and for the documentation's own Markdown.

Belongs here: layout. Does not belong here: arithmetic (``summary``).
"""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.summary import STAGES, targets
from s3sentinel_assets.errors import UserError

__all__ = ["print_report", "update_table"]

_BEGIN, _END = "<!-- bench: begin -->", "<!-- bench: end -->"


def _speed(figures: dict[str, Any]) -> Table:
    about = (
        f"{figures['source']}: {figures['objects']} objects, {figures['raw_mb']:.0f} MB of raw log, "
        f"{figures['events']:,} events, compressed {figures['compression']:.1f}:1"
    )
    table = Table(title=about, title_justify="left")
    names = (
        "events/s",
        "MB/s raw",
        "CPU s",
        "wall s",
        "peak MiB",
        "over imports",
        "B/event",
        "on the wire",
        "full bodies",
    )
    table.add_column("way")
    for name in names:
        table.add_column(name, justify="right")
    for name, values in figures["variants"].items():
        low, high = values["cpu_spread"]
        table.add_row(
            name,
            f"{values['events_per_second']:,}",
            f"{values['raw_mb_per_second']:.1f}",
            f"{values['cpu_seconds']:.2f} ({low:.2f}–{high:.2f})",
            f"{values['wall_seconds']:.2f}",
            f"{values['peak_rss_mib']:,}",
            f"{values['peak_over_imports_mib']:,}",
            f"{values['bytes_per_event']:.0f}",
            f"{values['wire_bytes_per_event']:.0f}",
            f"{values['bodies_full_share']:.0%} of {values['bodies']}",
        )
    return table


def _shares(figures: dict[str, Any]) -> Table:
    table = Table(title=f"{figures['source']}: share of CPU by stage", title_justify="left")
    table.add_column("way")
    for stage in STAGES:
        table.add_column(stage, justify="right")
    for name, values in figures["variants"].items():
        shares = values["stage_shares"]
        table.add_row(name, *(f"{shares[stage]:.0%}" if shares[stage] >= 0.005 else "–" for stage in STAGES))
    return table


def _ratios(figures: dict[str, Any]) -> str:
    parts = []
    for key, text in (
        ("ratio", "with scores"),
        ("ratio_without_scores", "without scores"),
        ("ratio_sending", "pack, gzip and upload alone"),
        ("ratio_wall", "with scores, wall clock"),
    ):
        rounds = ", ".join(f"{value:.1f}" for value in figures[key]["rounds"])
        parts.append(f"{text} {figures[key]['median']:.1f} × (rounds: {rounds})")
    return f"CPU of the ordinary way to ours: {'; '.join(parts)}"


def _targets(figures: dict[str, Any]) -> Table:
    table = Table("target", "measured", "", title=f"{figures['source']}: targets", title_justify="left")
    for target in targets(figures):
        table.add_row(target.text, target.measured, "met" if target.met else "missed")
    return table


def print_report(document: dict[str, Any], console: Console) -> None:
    """Prints everything."""
    for figures in document["sources"].values():
        console.print(_speed(figures))
        console.print(_ratios(figures))
        console.print(_shares(figures))
        console.print(_targets(figures))
        console.print()
    console.print(_circumstances(document))


def _circumstances(document: dict[str, Any]) -> str:
    """How and on what it was measured."""
    machine = document["machine"]
    where = "another core" if machine["sink_core"] != machine["core"] else "the same core, the only one"
    return (
        f"{document['rounds']} interleaved rounds, each job in a fresh process pinned to core {machine['core']} of "
        f"{machine['cores']}; the sink ran on {where}; load average {machine['load_before']} before, "
        f"{machine['load_after']} after; {document['seconds']:.0f} s in all."
    )


def _markdown(figures: dict[str, Any]) -> list[str]:
    """One source: speed, shares, targets."""
    about = (
        f"{figures['objects']} objects, {figures['raw_mb']:.0f} MB of raw log, {figures['events']:,} events, "
        f"{figures['compression']:.1f}:1, the largest object {figures['largest_object_mb']:.1f} MB."
    )
    lines = [
        f"### {figures['source']}",
        "",
        f"{about} {_ratios(figures)}.",
        "",
        f"| way | events/s | MB/s raw | peak MiB (over imports) | B/event | {' | '.join(STAGES)} |",
        f"|---|{'---:|' * (4 + len(STAGES))}",
    ]
    for name, values in figures["variants"].items():
        shares = (f"{values['stage_shares'][stage]:.0%}" for stage in STAGES)
        lines.append(
            f"| {name} | {values['events_per_second']:,} | {values['raw_mb_per_second']:.1f} | "
            f"{values['peak_rss_mib']} ({values['peak_over_imports_mib']}) | {values['bytes_per_event']:.0f} | "
            f"{' | '.join(shares)} |"
        )
    lines += ["", "| target | measured | |", "|---|---|---|"]
    lines += [f"| {entry.text} | {entry.measured} | {'met' if entry.met else 'missed'} |" for entry in targets(figures)]
    return [*lines, ""]


def update_table(document: dict[str, Any], file: Path) -> None:
    """Replaces what stands between the two marks of a Markdown file.

    Raises:
        UserError: the file or the marks are not there.
    """
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise UserError(f"{file} has no lines {_BEGIN} and {_END} to write the figures between; add them")
    lines = [line for figures in document["sources"].values() for line in _markdown(figures)]
    lines = [_circumstances(document), "", *lines]
    file.write_text("\n".join([before + begin, "", *lines, end + after]), encoding="utf-8")
