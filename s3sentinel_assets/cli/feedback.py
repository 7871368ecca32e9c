"""``s3sentinel feedback``: what analysts found out about events, as labels for history and models.

Belongs here: options, the form of a CSV file, and what is printed. Does not belong here: what verdicts do
(`pipeline.held`), incidents (`pipeline.incidents`).
"""

import contextlib
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.audit import parse_since
from s3sentinel_assets.cli.backfill import parse_hour
from s3sentinel_assets.cli.consoles import table_console
from s3sentinel_assets.cli.printable import json_line, printable
from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.verdicts import RecordedVerdict, Verdict
    from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Say which events were attacks and which were not, and list what was said."
)

_COLUMNS = ("verdict", "event_id", "source", "account", "principal", "hour", "technique", "note")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


class _Said(StrEnum):
    attack = "attack"
    benign = "benign"
    unsure = "unsure"


@app.command()
def give(
    verdict: Annotated[_Said, typer.Argument(help="attack, benign, or unsure, which takes an earlier one back.")],
    event_id: Annotated[
        list[str] | None, typer.Option("--event-id", "-e", help="An event's EventId_CF; again for more.")
    ] = None,
    principal: Annotated[str | None, typer.Option("--principal", help="Or all that this principal did …")] = None,
    hour: Annotated[
        str | None, typer.Option("--hour", help="… in this hour, such as 2026-11-20-07:00 (UTC). Finds events sooner.")
    ] = None,
    account: Annotated[str | None, typer.Option("--account", help="The principal's account.")] = None,
    source: Annotated[str | None, typer.Option("--source", "-s", help="The source. Default: all.")] = None,
    technique: Annotated[str | None, typer.Option("--technique", help="MITRE ATT&CK ids, separated by commas.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what events were, or what a principal did in an hour. It is recorded with your name in the audit trail.

    Urgent events that you call benign enter the history with its next state; those that you call an attack never do.
    """
    if (event_id is None) == (principal is None):
        raise typer.BadParameter("give either --event-id or --principal with --hour")
    if principal is not None and hour is None:
        raise typer.BadParameter("--principal needs --hour: a verdict is about what somebody did in an hour")
    key = _past_hour(hour) if hour is not None else None
    with _open(config) as runtime:
        from s3sentinel_assets.ledger.audit import current_principal
        from s3sentinel_assets.ledger.verdicts import Verdict, Word

        if source is not None:
            runtime.source(source)
        common = {
            "at": runtime.ledger.now(),
            "given_by": current_principal(),
            "verdict": Word(verdict.value),
            "source": source,
            "account": account,
            "hour": key,
            "technique": technique,
            "note": note,
        }
        given = [Verdict(**common, event_id=one, principal=principal) for one in event_id or [None]]
        _record(runtime, given, "feedback give", as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help=f"CSV with a header; columns: {', '.join(_COLUMNS)}.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take verdicts from a CSV file: ``verdict`` and either ``event_id`` or ``principal`` and ``hour`` in each line.

    A file with a wrong line, or with two that contradict each other, is refused as a whole. Equal lines count once.
    """
    with _open(config) as runtime:
        from s3sentinel_assets.ledger.audit import current_principal

        given = _read_csv(file, runtime, current_principal())
        _record(runtime, list(given.values()), "feedback import", as_json, [f"{file}, line {line}" for line in given])


@app.command("list")
def list_(
    since: Annotated[str, typer.Option("--since", help="How far back: 12h, 7d, 4w, or a day (UTC).")] = "30d",
    source: Annotated[str | None, typer.Option("--source", "-s", help="About this source.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print what was said, the newest last."""
    with _open(config) as runtime:
        from s3sentinel_assets.ledger.engine import from_micros, to_micros
        from s3sentinel_assets.ledger.verdicts import verdicts

        first = to_micros(parse_since(since, datetime.now(UTC)))
        with runtime.ledger.read() as connection:
            found = verdicts(connection, since=first, source=source)
    if as_json:
        for one in found:
            at = from_micros(one.at).isoformat().replace("+00:00", "Z")
            sys.stdout.write(json_line(asdict(one) | {"at": at}) + "\n")
    elif not found:
        typer.echo(f"nobody gave a verdict since {from_micros(first):%Y-%m-%d %H:%M} (UTC)")
    else:
        _print_table(found)


@app.command()
def incidents(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Read verdicts from the workspace's closed incidents. With feedback.incidents the hourly sweep does it, too."""
    with _open(config) as runtime:
        from s3sentinel_assets.pipeline.incidents import take_incidents

        taken = take_incidents(runtime)
    if as_json:
        typer.echo(json_line(taken.counts | {"busy": bool(taken.busy), "problems": taken.problems}))
        return
    if taken.busy:
        typer.echo("another run is reading the incidents just now", err=True)
        return
    counts = taken.counts
    back = f", {counts['taken_back']} taken back" if counts["taken_back"] else ""
    typer.echo(
        f"{counts['incidents']} closed incidents with a classification, {counts['incidents_about_other_things']} of "
        f"them about other things: {counts['new_verdicts']} new verdicts{back}"
    )
    for problem in taken.problems:
        typer.echo(f"note: {problem}", err=True)


@contextlib.contextmanager
def _open(config: Path | None) -> "Iterator[Runtime]":
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.pipeline.runtime import Runtime

    with contextlib.closing(Runtime(load_config(config))) as runtime:
        yield runtime


def _past_hour(text: str) -> str:
    """The hour key of what was typed.

    Raises:
        UserError: it is no hour, or one that has not begun.
    """
    from s3sentinel_assets.hours import hour_key, utc_now

    key = parse_hour(text)
    if key > hour_key(utc_now()):
        raise UserError(f"the hour {key} (UTC) has not begun; a verdict is about what was done")
    return key


def _record(
    runtime: "Runtime", given: "Sequence[Verdict]", how: str, as_json: bool, places: Sequence[str] = ()
) -> None:
    """Records verdicts and prints them; ``places`` says of each where it stands."""
    from s3sentinel_assets.ledger.audit import current_principal
    from s3sentinel_assets.pipeline.verdicts import complete, give_verdicts

    known, unknown = complete(runtime, given)
    if unknown:
        told = _unknown(runtime, [given[place] for place in unknown])
        raise UserError(f"{_several([places[place] for place in unknown])}: {told}" if places else told)
    ids = give_verdicts(runtime, known, current_principal(), how)
    if as_json:
        for number, one in zip(ids, known, strict=True):
            typer.echo(json_line(asdict(one) | {"id": number}))
        return
    for one in known[:20]:
        about = one.event_id or one.principal or ""
        who = f" ({one.principal}, {one.hour})" if one.event_id else f" in {one.hour}"
        typer.echo(printable(f"{one.verdict.value}: {about}{who}"))
    if len(known) > 20:
        typer.echo(f"and {len(known) - 20:,} more")


def _unknown(runtime: "Runtime", unknown: "Sequence[Verdict]") -> str:
    """The sentence about events and principals that are nowhere."""
    from s3sentinel_assets.pipeline.verdicts import LOOK_BACK_DAYS, like_names

    told = list[str]()
    if events := [one.event_id for one in unknown if one.event_id]:
        told.append(
            f"no event {_several(events)} in the hours looked at; take the id from EventId_CF, and name --hour if it "
            f"is older than {LOOK_BACK_DAYS} days"
        )
    if others := [one for one in unknown if not one.event_id]:
        names = [
            f"{one.principal}"
            + (f" of account {one.account}" if one.account else "")
            + (f" of {one.source}" if one.source else "")
            + f" in {one.hour}"
            for one in others
        ]
        like = [printable(name) for name in like_names(runtime, others[0])]
        told.append(
            f"nobody did anything as {_several(names)}; the name must be whole, as in the alert's custom detail "
            "Principal or the column of AwsEntityHour_CL" + (f"; that hour has {', '.join(like)}" if like else "")
        )
    return f"{'; '.join(told)}. Nothing was recorded"


def _several(texts: Sequence[str], most: int = 3) -> str:
    """The first of them, and how many more."""
    once = list(dict.fromkeys(texts))
    return ", ".join(once[:most]) + (f" and {len(once) - most:,} more" if len(once) > most else "")


def _read_csv(file: Path, runtime: "Runtime", who: str) -> "dict[int, Verdict]":
    """The verdicts of a file by line; all of them, or an error that names the wrong lines."""
    now, found, wrong = runtime.ledger.now(), dict[int, "Verdict"](), list[str]()
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            names = [str(name).strip().lower() for name in reader.fieldnames or ()]
            if "verdict" not in names or not {"event_id", "principal"} & set(names):
                raise UserError(
                    f"{file}: the first line must name the columns; needed: verdict, and event_id or principal"
                )
            if strange := sorted(set(names) - set(_COLUMNS)):
                raise UserError(f"{file}: unknown column {strange[0]!r}; columns: {', '.join(_COLUMNS)}")
            if twice := [name for name in _COLUMNS if names.count(name) > 1]:
                raise UserError(f"{file}: the first line names the column {twice[0]} twice; name each column once")
            for row in reader:
                values = {name: (value or "").strip() or None for name, value in zip(names, row.values(), strict=False)}
                try:
                    found[reader.line_num] = _verdict(values, runtime, now, who)
                except UserError as error:
                    wrong.append(f"line {reader.line_num}: {error}")
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: is no CSV file in UTF-8 ({error})") from None
    wrong += _contradictions(found)
    if wrong:
        more = f"; and {len(wrong) - 5:,} more lines" if len(wrong) > 5 else ""
        raise UserError(f"{file}, {'; '.join(wrong[:5])}{more}. Nothing was recorded")
    once = {one: line for line, one in reversed(found.items())}  # of equal lines the first
    return {line: one for one, line in reversed(once.items())}


def _contradictions(found: "Mapping[int, Verdict]") -> list[str]:
    """Pairs of lines that say different things of the same event, or of the same principal's hour."""
    told, groups = list[str](), dict[tuple[str | None, ...], list[int]]()
    for line, one in found.items():
        about = (one.event_id,) if one.event_id is not None else (one.principal, one.hour)
        groups.setdefault(about, []).append(line)
    for lines in groups.values():
        words = {found[line].verdict for line in lines}
        if len(words) == 1:
            continue
        for place, line in enumerate(lines):
            one = found[line]
            for other in lines[:place]:
                if found[other].verdict is not one.verdict and _may_be_same(found[other], one):
                    what = one.event_id or f"{one.principal} in {one.hour}"
                    said = found[other].verdict.value
                    told.append(f"line {line}: says {one.verdict.value} of {what}, and line {other} {said}")
                    break
    return told


def _may_be_same(left: "Verdict", right: "Verdict") -> bool:
    """Whether two verdicts about an event, or about a principal's hour, can be about the same one."""
    if left.event_id is not None:
        return True
    pairs = ((left.account, right.account), (left.source, right.source))
    return all(a == b or a is None or b is None for a, b in pairs)


def _verdict(values: "dict[str, str | None]", runtime: "Runtime", now: int, who: str) -> "Verdict":
    """A line's verdict.

    Raises:
        UserError: it is none.
    """
    from s3sentinel_assets.ledger.verdicts import Verdict, Word

    word = (values.pop("verdict") or "").lower()
    if word not in set(Word):
        raise UserError(f"verdict must be attack, benign or unsure, not {word!r}")
    if values.get("source"):
        runtime.source(str(values["source"]))
    if values.get("hour"):
        values["hour"] = _past_hour(str(values["hour"]))
    if not values.get("event_id") and not (values.get("principal") and values.get("hour")):
        raise UserError("needs event_id, or principal and hour")
    return replace(Verdict(at=now, given_by=who, verdict=Word(word)), **values)


def _print_table(found: "Sequence[RecordedVerdict]") -> None:
    from rich.table import Table
    from rich.text import Text

    from s3sentinel_assets.ledger.engine import from_micros

    table = Table("when (UTC)", "who", "verdict", "event", "principal", "hour", "technique", "incident", "note")
    for one in found:
        values = (f"{from_micros(one.at):%Y-%m-%d %H:%M:%S}", one.given_by, one.verdict.value, one.event_id)
        more = (one.principal, one.hour, one.technique, one.incident, one.note)
        table.add_row(*(Text(printable(value or "")) for value in (*values, *more)))  # not markup
    table_console().print(table)
