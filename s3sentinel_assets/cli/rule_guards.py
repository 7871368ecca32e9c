"""``s3sentinel rules guards``: which rows the analytics rules need.

Belongs here: options, finding rules and functions, what is printed. Does not belong here: reading KQL and the file's
form (``sentinel.guards``).

Exit codes: 0 the guards are complete; 1 a file is no valid rule, and nothing was written; 2 wrong usage.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.consoles import table_console

if TYPE_CHECKING:
    from s3sentinel_assets.sentinel.guards import GuardFile, RuleText

__all__ = ["guards"]


def guards(
    paths: Annotated[list[Path], typer.Argument(help="Rule files (*.yaml, *.yml), or folders with them.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the guards there, such as models/guards.json.")
    ] = None,
    functions: Annotated[
        Path | None,
        typer.Option("--functions", help="Folder with the functions saved in your workspace, <name>.kql each."),
    ] = None,
    other_table: Annotated[
        list[str] | None,
        typer.Option("--other-table", help="A table that s3sentinel does not fill; again for more."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what --output would write.")] = False,
) -> None:
    """Find the rows that rules need, so that routing leaves them where they are.

    What is not understood of a query makes its guard wider: an unknown name may be a saved function that reads any
    table.
    """
    import msgspec

    from s3sentinel_assets.cli.printable import printable
    from s3sentinel_assets.sentinel.guards import make_guards, own_workspace, write_guards

    rules, unreadable = _rules(paths)
    for file, reason in unreadable:
        typer.echo(f"error: {printable(file)}: {printable(reason)}", err=True)
    if unreadable:
        typer.echo("error: nothing is written while a rule cannot be read: it would be unguarded", err=True)
        raise typer.Exit(1)
    made = make_guards(rules, own_workspace(_saved(functions), other_table or ()))
    if output is not None:
        write_guards(output, made)
    if as_json:
        # ASCII only: names and queries are written by others, and a terminal may take their characters for orders.
        sys.stdout.write(json.dumps(msgspec.to_builtins(made), indent=2) + "\n")
        return
    _print(made)
    if output is None:
        typer.echo("nothing is written; --output models/guards.json writes the list for routing")
    else:
        typer.echo(f"written to {output}")


def _rules(paths: Sequence[Path]) -> tuple[list["RuleText"], list[tuple[str, str]]]:
    """The rules below ``paths``, and what is none with the reason."""
    from s3sentinel_assets.rules.loading import find_rules
    from s3sentinel_assets.sentinel.guards import RuleText

    found: dict[Path, RuleText] = {}
    bad: list[tuple[str, str]] = []
    for path in paths:
        rules, unreadable = find_rules(path)
        bad += [(one.file, one.reason) for one in unreadable]
        for rule in rules:
            file = Path(rule.file)
            told = file.name if path.is_file() else f"{path.resolve().name}/{file.relative_to(path).as_posix()}"
            found.setdefault(file.resolve(), RuleText(rule.id, rule.name, told, _enabled(file), rule.query))
    return list(found.values()), bad


def _enabled(file: Path) -> bool:
    """Whether the rule runs: exported rules tell it, templates do not."""
    import yaml

    content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    values = [value for name, value in content.items() if str(name).lower() == "enabled"]
    return not any(value is False for value in values)


def _saved(folder: Path | None) -> dict[str, str]:
    from s3sentinel_assets.errors import ConfigurationError

    if folder is None:
        return {}
    if not folder.is_dir():
        raise ConfigurationError(f"--functions {folder}: there is no such folder; give the one with the *.kql files")
    return {file.stem: file.read_text(encoding="utf-8-sig") for file in sorted(folder.glob("*.kql"))}


def _print(made: "GuardFile") -> None:
    from rich.table import Table
    from rich.text import Text

    from s3sentinel_assets.cli.printable import printable

    shown = Table()
    for title in ("rule", "table", "rows that it needs"):
        shown.add_column(title, overflow="fold")
    filtered = pinned = unread = off = 0
    for rule in made.rules:
        off += not rule.enabled
        unread += not rule.tables
        name = printable(rule.name) + ("" if rule.enabled else " (not enabled)")
        if not rule.tables:
            shown.add_row(Text(name), Text("none of ours"), Text(""))
        pins = [table for table, guard in rule.tables.items() if guard.pinned]
        reasons = {rule.tables[table].because for table in pins}
        if len(pins) > 3 and len(reasons) == 1:  # every table, for one reason
            shown.add_row(Text(name), Text(f"{len(pins)} tables"), Text(f"PINNED: {printable(reasons.pop())}"))
        for table, guard in rule.tables.items():
            filtered, pinned = filtered + (not guard.pinned), pinned + guard.pinned
            if len(pins) > 3 and not reasons and guard.pinned:
                continue
            told = f"PINNED: {guard.because}" if guard.pinned else f"{guard.where}"
            if guard.because and not guard.pinned:
                told += f"\n({guard.because})"
            shown.add_row(Text(name), Text(table), Text(printable(told, keep="\n")))
    table_console().print(shown)
    typer.echo(
        f"{len(made.rules)} rules, {off} not enabled: {filtered} tables with a filter, {pinned} pinned, "
        f"{unread} rules read none of ours"
    )
