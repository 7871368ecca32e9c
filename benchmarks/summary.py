"""From rounds to figures: medians, ratios, shares and the targets.

Belongs here: arithmetic on what the rounds brought. Does not belong here: printing it (``report``).
"""

from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.inputs import InputSet, Source

__all__ = ["STAGES", "Target", "summarise", "targets"]

#: The stages of the report, in the order of the work. ``upload`` of the ordinary way is all that the SDK does.
STAGES: tuple[str, ...] = ("parse", "score", "patterns", "state", "pack", "upload", "ledger", "files", "other")
_STAGE_OF = {"model": "score", "roll_up": "score", "send": "upload", "list": "ledger"}
_MODEL_ROWS = 4_096
_OUTPUT_BYTES = 330
_GIB = 1 << 30


def _by_stage(outcome: dict[str, Any]) -> dict[str, float]:
    seconds = dict.fromkeys(STAGES, 0.0)
    for path, value in outcome["stages"].items():
        inner = path.partition("/")[2]
        name = _STAGE_OF.get(inner, inner)
        seconds[name if name in seconds else "other"] += value
    return seconds


def _within(outcome: dict[str, Any], *outer: str) -> float:
    return sum(value for path, value in outcome["stages"].items() if path.partition("/")[0] in outer)


def _variant(inputs: InputSet, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    cpu = median(outcome["cpu"] for outcome in outcomes)
    stages = {name: median(_by_stage(outcome)[name] for outcome in outcomes) for name in STAGES}
    total = sum(stages.values()) or 1.0
    received = outcomes[0]["received"]
    learning = median(_within(outcome, "score", "state") for outcome in outcomes)
    return {
        "cpu_seconds": round(cpu, 3),
        "cpu_spread": [round(min(o["cpu"] for o in outcomes), 3), round(max(o["cpu"] for o in outcomes), 3)],
        "wall_seconds": round(median(outcome["wall"] for outcome in outcomes), 3),
        "events_per_second": round(inputs.events / cpu),
        "raw_mb_per_second": round(inputs.raw_bytes / cpu / 1e6, 2),
        "warm_up_cpu_seconds": round(median(outcome["warm_up"] for outcome in outcomes), 2),
        "imports_rss_mib": round(median(outcome["baseline"] for outcome in outcomes) / (1 << 20)),
        "peak_rss_mib": round(max(outcome["peak"] for outcome in outcomes) / (1 << 20)),
        "peak_over_imports_mib": round(max(o["peak"] - o["baseline"] for o in outcomes) / (1 << 20)),
        "stage_shares": {name: round(value / total, 4) for name, value in stages.items()},
        "send_cpu_seconds": round(median(_within(outcome, "send") for outcome in outcomes), 3),
        "scoring_events_per_second": round(inputs.events / learning) if learning else 0,
        "bodies": received["bodies"],
        "bodies_full_share": round(received["full"] / received["bodies"], 4),
        "bodies_too_large": received["too_large"],
        "body_largest_bytes": received["largest"],
        "bytes_per_event": round(received["raw_bytes"] / received["rows"], 1),
        "wire_bytes_per_event": round(received["wire_bytes"] / received["rows"], 1),
        "model_calls": outcomes[0]["entries"].get("model", 0),
    }


def _ratio(ordinary: list[dict[str, Any]], ours: list[dict[str, Any]], key: str = "cpu") -> dict[str, Any]:
    each = [theirs[key] / mine[key] for theirs, mine in zip(ordinary, ours, strict=True)]
    return {"median": round(median(each), 2), "rounds": [round(value, 2) for value in each]}


def summarise(
    source: Source, inputs: InputSet, rounds: dict[str, list[dict[str, Any]]], larger: tuple[int, dict[str, Any]] | None
) -> dict[str, Any]:
    """The figures of one source.

    Args:
        source: the source.
        inputs: what was measured.
        rounds: outcomes by variant, in the order of the rounds.
        larger: raw bytes of the longer hour and its outcome.
    """
    variants = {name: _variant(inputs, outcomes) for name, outcomes in rounds.items()}
    ours, ordinary = rounds["ours"], rounds["ordinary"]
    sending = [_within(theirs, "send") / _within(mine, "send") for theirs, mine in zip(ordinary, ours, strict=True)]
    figures: dict[str, Any] = {
        "source": source,
        "objects": len(inputs.objects),
        "events": inputs.events,
        "raw_mb": round(inputs.raw_bytes / 1e6, 2),
        "compression": round(inputs.raw_bytes / inputs.stored_bytes, 2),
        "largest_object_mb": round(inputs.largest / 1e6, 2),
        "variants": variants,
        "ratio": _ratio(ordinary, ours),
        "ratio_without_scores": _ratio(rounds["ordinary without scores"], rounds["ours without scores"]),
        "ratio_wall": _ratio(ordinary, ours, "wall"),
        "ratio_sending": {"median": round(median(sending), 2), "rounds": [round(value, 2) for value in sending]},
        "peak_ratio": round(variants["ours"]["peak_rss_mib"] / variants["ordinary"]["peak_rss_mib"], 3),
    }
    if larger is not None:
        raw_bytes, outcome = larger
        over = (outcome["peak"] - outcome["baseline"]) / (1 << 20)
        figures["longer_hour"] = {
            "times": round(raw_bytes / inputs.raw_bytes, 2),
            "peak_rss_mib": round(outcome["peak"] / (1 << 20)),
            "peak_over_imports_mib": round(over),
            "growth": round(over / max(variants["ours"]["peak_over_imports_mib"], 1), 2),
        }
    return figures


@dataclass(frozen=True)
class Target:
    """A target, what was measured, and whether that meets it."""

    text: str
    measured: str
    met: bool


def targets(figures: dict[str, Any]) -> list[Target]:
    """The targets of one source."""
    ours, source = figures["variants"]["ours"], figures["source"]
    wanted = 4 if source == "cloudtrail" else 5
    ratio, sending = figures["ratio"]["median"], figures["ratio_sending"]["median"]
    # None seen means that the benchmark looked in the wrong place, not that the model works for nothing.
    calls_fit = 1 <= ours["model_calls"] <= figures["events"] / _MODEL_ROWS + 1
    peak, over = ours["peak_rss_mib"], ours["peak_over_imports_mib"]
    largest = figures["largest_object_mb"] * 1e6 / (1 << 20)
    found = [
        Target(f"≥ {wanted} × the ordinary way, with scores", f"{ratio} ×", ratio >= wanted),
        Target("pack, gzip and upload ≥ 8 × upload(list)", f"{sending} ×", sending >= 8),
        Target("every body ≤ 1,000,000 bytes", f"{ours['body_largest_bytes']:,}", not ours["bodies_too_large"]),
        Target("peak memory ≤ 0.75 × the ordinary way", f"{figures['peak_ratio']} ×", figures["peak_ratio"] <= 0.75),
        Target("peak over imports ≤ 5 × the largest object", f"{over / largest:.1f} ×", over <= 5 * largest),
        Target("model calls ≤ rows / 4096 + 1 a part", f"{ours['model_calls']}", calls_fit),
    ]
    if source == "vpc_flow":
        size = ours["bytes_per_event"]
        found.append(Target(f"≤ {_OUTPUT_BYTES} bytes an event with scores", f"{size:.0f}", size <= _OUTPUT_BYTES))
    if longer := figures.get("longer_hour"):
        flat = longer["growth"] <= 1.25 and max(peak, longer["peak_rss_mib"]) << 20 <= _GIB
        said = f"{longer['growth']} × at {longer['times']} × the hour, {longer['peak_rss_mib']} MiB in all"
        found.append(Target("memory flat in the size of the hour, ≤ 1 GiB", said, flat))
    return found
