"""``s3sentinel formats``: which log formats there are, which tables they fill, and every column's origin.

Belongs here: options and what is printed. Does not belong here: the reference itself (``formats.reference``).
"""

import json
import sys
from typing import Annotated

import typer

__all__ = ["formats"]


def formats(
    names: Annotated[list[str] | None, typer.Argument(help="Show these formats column by column.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/formats.md.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each format, on one line.")] = False,
) -> None:
    """List the log formats, or show where each column of some comes from."""
    from s3sentinel_assets.formats import format_names, format_parser
    from s3sentinel_assets.formats.reference import format_facts
    from s3sentinel_assets.formats.reference import markdown as reference

    for name in names or ():
        format_parser(name)  # the error for an unknown one
    if markdown:
        sys.stdout.write(reference())
    elif as_json:
        for name in names or format_names():
            sys.stdout.write(json.dumps(format_facts(name), ensure_ascii=False) + "\n")
    elif names:
        for name in names:
            _print_columns(name)
    else:
        _print_list()


def _print_list() -> None:
    from rich.console import Console
    from rich.table import Table

    from s3sentinel_assets.formats import format_names, format_parser
    from s3sentinel_assets.formats.reference import tables_of

    console = Console() if sys.stdout.isatty() else Console(width=160)
    table = Table()
    for heading in ("format", "what", "tables", "with normalise: asim"):
        table.add_column(heading, overflow="fold")
    for name in format_names():
        parser = format_parser(name)
        native, asim = tables_of(parser)
        table.add_row(
            name, parser.title, "\n".join(dict.fromkeys(native)), "\n".join(dict.fromkeys(asim)) or "the same"
        )
    console.print(table)
    console.print(
        f"{len(format_names())} formats; a source says format: auto to have each object recognised by its content. "
        "s3sentinel formats NAME shows every column.",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )


def _print_columns(name: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from s3sentinel_assets.formats import format_parser
    from s3sentinel_assets.formats.reference import column_rows

    console = Console() if sys.stdout.isatty() else Console(width=160)
    parser = format_parser(name)
    for kind, mappings in (("native", parser.native), ("asim", parser.asim)):
        for mapping in mappings:
            table = Table(title=f"{name} → {mapping.table} ({kind})", title_justify="left")
            for heading in ("column", "type", "from"):
                table.add_column(heading, overflow="fold")
            for row in column_rows(mapping):
                table.add_row(*map(Text, row))
            console.print(table)
