"""``s3sentinel audit``: who decided what, when and why.

Belongs here: options and what is printed. Does not belong here: recording decisions (whoever carries them out does),
what the ledger keeps (`ledger.audit`).
"""

import contextlib
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.consoles import table_console
from s3sentinel_assets.cli.printable import json_line, printable
from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.audit import RecordedDecision

__all__ = ["audit", "parse_since"]

_AGE = re.compile(r"(\d{1,5})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LISTED = 200


def audit(
    since: Annotated[
        str, typer.Option("--since", help="How far back: 30m, 12h, 7d, 4w, or a day such as 2026-11-20 (UTC).")
    ] = "7d",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help=f"The newest only; default {_LISTED}, all with --json.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a decision.")] = False,
) -> None:
    """Print what people decided: dead letters dropped, mended or sent again, and so on; the newest last."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.ledger.audit import decisions
    from s3sentinel_assets.ledger.engine import Ledger, from_micros, to_micros

    first = to_micros(parse_since(since, datetime.now(UTC)))
    limit = limit if limit is not None or as_json else _LISTED
    with contextlib.closing(Ledger(load_config(config).ledger_url)) as ledger, ledger.read() as connection:
        found = decisions(connection, first, limit)
    if as_json:
        for decision in found:
            at = from_micros(decision.at).isoformat().replace("+00:00", "Z")
            sys.stdout.write(json_line(asdict(decision) | {"at": at}) + "\n")
    elif not found:
        typer.echo(f"nothing was decided since {from_micros(first):%Y-%m-%d %H:%M} (UTC)")
    else:
        _print_table(found)
        if len(found) == limit:
            typer.echo(f"the newest {limit:,}; --limit shows more")


def parse_since(text: str, now: datetime) -> datetime:
    """The instant that a user means.

    Args:
        text: an age such as ``7d``, or an ISO 8601 day or instant; UTC where it names no zone.
        now: the present, aware.

    Raises:
        UserError: it is neither.
    """
    if match := _AGE.fullmatch(text.strip().lower()):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise UserError(f"{text!r} is no time; write an age like 7d or 12h, or a day like 2026-11-20")


def _print_table(found: Sequence["RecordedDecision"]) -> None:
    from rich.table import Table
    from rich.text import Text

    from s3sentinel_assets.ledger.engine import from_micros

    table = Table("when (UTC)", "who", "what", "source", "hour", "to", "why")
    for one in found:
        values = (f"{from_micros(one.at):%Y-%m-%d %H:%M:%S}", one.principal, one.action, one.source, one.hour)
        table.add_row(*(Text(printable(value or "")) for value in (*values, one.target, one.reason)))  # not markup
    table_console().print(table)
