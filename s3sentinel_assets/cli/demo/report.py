"""What the demo prints: one table per source, the top anomalies with their reasons, and where to look next.

Belongs here: words and columns. Does not belong here: any counting (``run``).
"""

import json
from itertools import groupby

from rich.console import Console
from rich.table import Table

from s3sentinel_assets.cli.demo.integrity import IntegrityResult
from s3sentinel_assets.cli.demo.run import DemoResult, HourResult

__all__ = ["print_report", "report_json"]

_EXCEPTIONS = 10
_NUMBERS = ("objects", "records", "quarantined", "filtered", "delivered", "found")


def _numbers(hour: HourResult) -> dict[str, int]:
    account = hour.proof.account
    return {
        "objects": account.objects,
        "records": account.records,
        "quarantined": account.quarantined,
        "filtered": account.filtered,
        "delivered": account.accepted,
        "found": hour.proof.found if hour.proof.found is not None else -1,
    }


def _source_table(source: str, hours: list[HourResult]) -> Table:
    table = Table(title=source, title_justify="left", title_style="bold")
    table.add_column("hour (UTC)")
    for name in (*_NUMBERS, "late", "KB read", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("")
    for hour in hours:
        account = hour.proof.account
        verdict = "[red]differs[/]" if hour.differences else account.verdict
        table.add_row(
            account.hour,
            *(f"{number:,}" for number in _numbers(hour).values()),
            f"{account.late_objects:,}",
            f"{account.decoded_bytes / 1_000:,.0f}",
            f"{hour.seconds:.2f}",
            verdict,
        )
    totals = {name: sum(_numbers(hour)[name] for hour in hours) for name in _NUMBERS}
    table.add_section()
    table.add_row(
        "all",
        *(f"{number:,}" for number in totals.values()),
        f"{sum(hour.proof.account.late_objects for hour in hours):,}",
        f"{sum(hour.proof.account.decoded_bytes for hour in hours) / 1_000:,.0f}",
        f"{sum(hour.seconds for hour in hours):.2f}",
        "",
        style="bold",
    )
    return table


def _anomalies(result: DemoResult) -> Table:
    table = Table(title="top anomalies, from the workspace by KQL", title_justify="left", title_style="bold")
    for name, justify in (
        ("time", "left"),
        ("priority", "left"),
        ("score", "right"),
        ("who", "left"),
        ("what", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # pyright: ignore[reportArgumentType]
    table.add_column("why", overflow="fold", ratio=1)
    for row in result.anomalies:
        table.add_row(
            f"{row['Time']:%d %H:%M:%S}",
            row["Priority"],
            f"{row['Score']:.1f}",
            row["Who"] or "",
            row["What"],
            row["Reasons"],
        )
    return table


def print_report(result: DemoResult) -> None:
    """Prints the tables to the terminal."""
    console = Console(width=None if Console().is_terminal else 140)
    for source, hours in groupby(result.hours, key=lambda hour: hour.proof.account.source):
        console.print(_source_table(source, list(hours)))
    if result.quarantine:
        console.print("[bold]in quarantine[/]")
        for key, reason, records in result.quarantine:
            console.print(f"  {reason}: {records} record{'' if records == 1 else 's'} of {key}", soft_wrap=True)
    console.print(_anomalies(result))
    _print_integrity(console, result.integrity)
    for problem in (*result.problems, *result.integrity.problems):
        console.print(f"[red]{problem}[/]", soft_wrap=True)
    verdict = "every number agrees" if result.ok else "[red]numbers disagree[/]"
    console.print(
        f"\n[bold]{verdict}[/]: records = delivered + quarantined + filtered, and the workspace holds what was sent. "
        f"{result.runs} Dagster runs, {result.seconds:.0f} s.",
        soft_wrap=True,
    )
    console.print(
        "Look further:\n"
        "  make ui                                    the same hours in the Dagster UI\n"
        f"  .venv/bin/s3sentinel workspace query --dir {result.home / 'workspace'} \\\n"
        '      "AWSCloudTrail | summarize count() by EventName"\n'
        "  .venv/bin/s3sentinel parse YOUR_LOG_FILE   what your own logs would become\n",
        soft_wrap=True,
        highlight=False,
    )


def _print_integrity(console: Console, found: IntegrityResult) -> None:
    """One line on digests and log files, and one for each log file that is not verified."""
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(found.digests.items())) or "none"
    verified, rows = found.files["verified"], found.rows["verified"]
    console.print(
        f"CloudTrail's digests: {states}; {verified:,} log files verified, and with them {rows:,} rows "
        "(IntegrityStatus_CF)",
        soft_wrap=True,
    )
    for key, why, purpose in found.exceptions[:_EXCEPTIONS]:
        remark = f" ({purpose}, put there on purpose)" if purpose else ""
        console.print(f"  not verified: {key}{remark}: {why}", soft_wrap=True)


def report_json(result: DemoResult) -> str:
    """One JSON object on one line."""
    hours = [
        {"source": hour.proof.account.source, "hour": hour.proof.account.hour, **_numbers(hour)}
        for hour in result.hours
    ]
    integrity = {"digests": dict(result.integrity.digests), "files": dict(result.integrity.files)}
    return json.dumps(
        {"ok": result.ok, "hours": hours, "integrity": integrity, "seconds": round(result.seconds, 2)},
    )
