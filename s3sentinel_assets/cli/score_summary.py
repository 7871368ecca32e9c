"""What ``s3sentinel score`` prints when it is done.

Belongs here: the summary in words, as tables and as JSON, and the choice of the events shown. Does not belong here: the
work (``score``).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from s3sentinel_assets.cli.score import Scored

__all__ = ["most_urgent", "print_json", "print_tables"]

_TOP = 20
_ORDER = ("critical", "high", "medium", "low", "unknown")


def most_urgent(frames: "list[pl.DataFrame]") -> "pl.DataFrame":
    """The first rows by priority and score, of those that are worth a look."""
    import polars as pl

    rank = pl.col("priority").replace_strict({name: place for place, name in enumerate(_ORDER)}, return_dtype=pl.Int8)
    candidates = pl.concat([frame.filter(pl.col("priority").is_in(_ORDER[:3])) for frame in frames])
    return candidates.sort(rank, -pl.col("score"), "time", "event_id", nulls_last=True).head(_TOP)


def _summary(scored: "Scored") -> dict[str, Any]:
    run = scored.run
    return {
        "output": str(scored.file),
        "records": scored.records,
        "events": run.events,
        "duplicates": run.duplicates,
        "rejected": scored.rejected,
        "hours": run.hours,
        "formats": dict(sorted(run.formats.items())),
        "priorities": {name: run.priorities[name] for name in _ORDER if run.priorities[name]},
        "unscored": {name: count for name, count in sorted(run.unscored.items()) if count},
        "unread": [report.key for report in scored.unread],
        "partly_read": [report.key for report in scored.partly_read],
    }


def print_json(scored: "Scored") -> None:
    """The summary as one JSON object on one line."""
    from s3sentinel_assets.cli.printable import json_line

    print(json_line(_summary(scored)))


def print_tables(scored: "Scored") -> None:
    """The summary in words, and the most urgent events."""
    from s3sentinel_assets.cli.consoles import table_console
    from s3sentinel_assets.cli.printable import printable

    console, run = table_console(), scored.run

    def say(text: str) -> None:
        # What is in brackets in a file's name is no markup.
        console.print(text, highlight=False, markup=False)

    formats = ", ".join(f"{name} {count:,}" for name, count in sorted(run.formats.items()))
    said = ", ".join(f"{run.priorities[name]:,} {name}" for name in _ORDER if run.priorities[name])
    say(f"{run.events:,} events of {run.hours:,} hours ({formats or 'none'}) → {_shown_path(scored.file)}")
    say(f"priorities: {said or 'none'}")
    if run.duplicates:
        say(f"{run.duplicates:,} copies of other events, left out")
    if scored.rejected:
        say(f"{scored.rejected:,} records could not be parsed")
    for name, count in sorted(run.unscored.items()):
        if count:
            say(f"{count:,} events of {name} have no score")
    for what, reports in (("could not be read", scored.unread), ("was read in part", scored.partly_read)):
        for report in reports:
            say(f"{what}: {printable(report.key)}: {printable(report.note or '')}")
    if scored.top.height:
        _print_top(scored.top)


def _shown_path(path: Path) -> str:
    from s3sentinel_assets.cli.printable import printable

    return printable(str(path))


def _print_top(top: "pl.DataFrame") -> None:
    from rich.table import Table
    from rich.text import Text

    from s3sentinel_assets.cli.consoles import table_console
    from s3sentinel_assets.cli.printable import printable

    table = Table("time", "priority", "score", "a day", "principal", "action", "why", title="most urgent")
    for row in top.iter_rows(named=True):
        expected = row["expected_per_day"]
        cells = (
            f"{row['time']:%Y-%m-%d %H:%M:%S}",
            row["priority"],
            f"{row['score']:.1f}",
            "" if expected is None else f"{expected:.3g}",
            row["principal"] or "",
            row["action"] or "",
            row["reasons"] or "",
        )
        # As text: brackets in a name are no markup.
        table.add_row(*(Text(printable(cell)) for cell in cells))
    table_console().print(table)
