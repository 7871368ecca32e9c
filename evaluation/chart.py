"""The chart: how many incidents are found for how many false alarms a day, by model.

Belongs here: drawing. The same figures give the same file.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from evaluation.outcome import LIVE
from evaluation.rivals import MODELS
from s3sentinel_assets.ml.evaluation.metrics import recall_at

__all__ = ["draw"]

_COLOURS = (
    "#4477aa",
    "#aa3377",
    "#228833",
    "#66ccee",
    "#ccbb44",
    "#ee8866",
    "#bbbbbb",
    "#000000",
    "#999933",
    "#882255",
)
_BUDGETS = np.geomspace(0.5, 500, 60)


def draw(incidents: pl.DataFrame, file: Path) -> None:
    """Writes the chart as SVG.

    Args:
        incidents: see `outcome.Outcomes`.
        file: is replaced.
    """
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    settings: Any = {"svg.hashsalt": "s3sentinel", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
    live = incidents.filter(pl.col("setting") == LIVE)
    with mpl.rc_context(settings):
        figure, axes = plt.subplots(figsize=(7.2, 4.4))
        for (model, what), colour in zip(MODELS.items(), _COLOURS, strict=True):
            costs = live.filter(pl.col("model") == model)["hours_per_day"]
            if costs.len():
                style = ":" if what.startswith("baseline") else "-"
                width = 2.4 if model == next(iter(MODELS)) else 1.2
                recalls = [recall_at(costs, float(budget)) or 0.0 for budget in _BUDGETS]
                axes.plot(_BUDGETS, recalls, style, color=colour, linewidth=width, label=model)
        axes.axvline(20, color="#bbbbbb", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_ylim(0, 1.01)
        axes.set_xlabel("benign principal-hours a day that alert")
        axes.set_ylabel("incidents found")
        axes.set_title("Incidents found, by the false alarms one is ready to look at")
        axes.grid(alpha=0.3)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, title="dotted: baselines")
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
