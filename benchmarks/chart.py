"""The chart: speed of both ways, and where the time goes.

Belongs here: drawing. The same figures give the same file.
"""

from pathlib import Path
from typing import Any

from benchmarks.summary import STAGES

__all__ = ["draw"]

_COLOURS = {
    "parse": "#4477aa",
    "score": "#aa3377",
    "patterns": "#882255",
    "state": "#cc6699",
    "pack": "#228833",
    "upload": "#66ccee",
    "ledger": "#ccbb44",
    "files": "#ee8866",
    "other": "#bbbbbb",
}
_TITLES = {"cloudtrail": "CloudTrail", "vpc_flow": "VPC flow logs"}
_RATIOS = {"ours": "ratio", "ours without scores": "ratio_without_scores"}


def draw(document: dict[str, Any], file: Path) -> None:
    """Writes the chart as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    settings: Any = {"svg.hashsalt": "s3sentinel", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
    sources = document["sources"]
    with mpl.rc_context(settings):
        figure, grid = plt.subplots(1, len(sources), figsize=(5.2 * len(sources), 3.4), squeeze=False)
        for axes, (source, figures) in zip(grid[0], sources.items(), strict=True):
            _bars(axes, source, figures)
        handles = [Patch(color=_COLOURS[stage]) for stage in STAGES]
        figure.legend(handles, STAGES, loc="lower center", ncols=len(STAGES), frameon=False)
        figure.suptitle("CPU per event on one core, from file to workspace (shorter is better)")
        figure.tight_layout(rect=(0, 0.07, 1, 1))
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _bars(axes: Any, source: str, figures: dict[str, Any]) -> None:
    """One bar a way: microseconds of CPU an event, stacked by stage, with the speed written behind it."""
    names = list(figures["variants"])[::-1]
    for place, name in enumerate(names):
        values, left = figures["variants"][name], 0.0
        micros = values["cpu_seconds"] / figures["events"] * 1e6
        for stage in STAGES:
            width = micros * values["stage_shares"][stage]
            axes.barh(place, width, left=left, color=_COLOURS[stage], height=0.62)
            left += width
        text = f" {values['events_per_second'] / 1000:.0f} k events/s"
        if name in _RATIOS:
            text += f" ({figures[_RATIOS[name]]['median']:.1f} ×)"
        axes.text(left, place, text, va="center")
    slowest = max(values["cpu_seconds"] for values in figures["variants"].values()) / figures["events"] * 1e6
    axes.set_xlim(0, slowest * 1.35)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("µs of CPU an event")
    axes.set_title(_TITLES[source])
    axes.spines[["top", "right"]].set_visible(False)
