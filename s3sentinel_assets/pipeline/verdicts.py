"""Finding what a verdict is about: the events behind event ids, and whether a principal was there in an hour.

Belongs here: looking into the stage files. Does not belong here: recording verdicts (`ledger.verdicts`), reading them
from incidents (``incidents``).
"""

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import polars as pl
import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_key, shift_hour, utc_now
from s3sentinel_assets.ledger.audit import Decision, record_decision
from s3sentinel_assets.ledger.schema import Stage, part
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.ledger.verdicts import Verdict, record_verdicts
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["FOUND_SCHEMA", "complete", "find_events", "give_verdicts", "like_names"]

FOUND_SCHEMA: dict[str, pl.DataType] = {
    "event_id": pl.String(),
    "source": pl.String(),
    "hour": pl.String(),
    "account": pl.String(),
    "principal": pl.String(),
}
#: How far back an event is looked for where its hour is not told.
LOOK_BACK_DAYS = 90
#: More names of an hour are not compared letter by letter.
_MOST_COMPARED = 2_000


def find_events(
    runtime: Runtime, event_ids: Collection[str], *, source: str | None = None, hours: Collection[str] | None = None
) -> pl.DataFrame:
    """Where events are, the newest hours first; those that are nowhere are left out.

    Args:
        runtime: the runtime.
        event_ids: values of ``EventId_CF``.
        source: look into this source only.
        hours: look into these hours only; by default into those of the last 90 days.

    Returns:
        ``FOUND_SCHEMA``, one row an event.

    Raises:
        UserError: a stage file is missing.
    """
    wanted, frames = set(event_ids), [pl.DataFrame(schema=FOUND_SCHEMA)]
    begin = shift_hour(hour_key(utc_now()), -24 * LOOK_BACK_DAYS)
    query = sa.select(part.c.id, part.c.source, part.c.hour).where(
        sa.true() if source is None else part.c.source == source,
        part.c.hour >= begin if hours is None else part.c.hour.in_(sorted(hours)),
    )
    with runtime.ledger.read() as connection:
        parts = connection.execute(query.order_by(part.c.hour.desc(), part.c.id.desc())).all()
        parsed = latest_stages(connection, [row.id for row in parts], Stage.PARSED)
    for row in parts:
        if not wanted:
            break
        for file in parsed[row.id].files_of("entities") if row.id in parsed else ():
            scan = pl.scan_parquet(runtime.store.path(file.uri)).select("event_id", "account", "principal")
            found = scan.filter(pl.col("event_id").is_in(sorted(wanted))).collect()
            if found.height:
                found = found.unique("event_id", keep="first", maintain_order=True)
                frames.append(
                    found.with_columns(source=pl.lit(row.source), hour=pl.lit(row.hour)).select(list(FOUND_SCHEMA))
                )
                wanted -= set(found["event_id"])
    return pl.concat(frames)


def complete(runtime: Runtime, given: Sequence[Verdict]) -> tuple[list[Verdict], list[int]]:
    """Verdicts about events with source, account, principal and hour of the events; others if the principal was there.

    Returns:
        The verdicts, those about events and principals that are nowhere left out, and the places of the others.
    """
    about: dict[tuple[str | None, str | None], set[str]] = {}
    hours: dict[tuple[str | None, str], set[str]] = {}
    for one in given:
        if one.event_id is not None:
            about.setdefault((one.source, one.hour), set()).add(one.event_id)
        elif one.principal is not None and one.hour is not None:
            hours.setdefault((one.source, one.hour), set()).add(one.principal)
    places: dict[str, dict[str, str | None]] = {}
    for (source, hour), ids in about.items():
        found = find_events(runtime, ids, source=source, hours=[hour] if hour else None)
        places |= {row.pop("event_id"): row for row in found.iter_rows(named=True)}
    there: set[tuple[str | None, ...]] = set()
    for (source, hour), names in hours.items():
        for account, name in _names_of(runtime, hour, source, names).iter_rows():
            there |= {(source, hour, name, account), (source, hour, name, None)}
    known, unknown = list[Verdict](), list[int]()
    for place, one in enumerate(given):
        if one.event_id in places:
            known.append(replace(one, **places[one.event_id]))
        elif one.event_id is None and (one.source, one.hour, one.principal, one.account) in there:
            known.append(one)
        else:
            unknown.append(place)
    return known, unknown


def _names_of(runtime: Runtime, hour: str, source: str | None, only: Collection[str] | None = None) -> pl.DataFrame:
    """Account and principal of whoever did something in an hour, as history knows them; ``only`` some principals."""
    frames = [pl.DataFrame(schema={"account": pl.String(), "principal": pl.String()})]
    for scan in _entities(runtime, hour, source):
        # As the ledger can keep them, like the names of events that wait for a verdict.
        principal = pl.col("principal").str.replace_all("\0", "\N{REPLACEMENT CHARACTER}", literal=True)
        names = scan.select("account", principal).filter(pl.col("principal") != "").unique()
        wanted = pl.lit(True) if only is None else pl.col("principal").is_in(sorted(only))
        frames.append(names.filter(wanted).collect())
    return pl.concat(frames).unique().sort("principal", "account")


def _entities(runtime: Runtime, hour: str, source: str | None) -> Iterator[pl.LazyFrame]:
    query = sa.select(part.c.id).where(part.c.hour == hour, sa.true() if source is None else part.c.source == source)
    with runtime.ledger.read() as connection:
        ids = list(connection.execute(query).scalars())
        parsed = latest_stages(connection, ids, Stage.PARSED)
    for stage in parsed.values():
        for file in stage.files_of("entities"):
            yield pl.scan_parquet(runtime.store.path(file.uri))


def like_names(runtime: Runtime, one: Verdict, most: int = 3) -> list[str]:
    """Principals of a verdict's hour whose names hold the one it gives, or have nearly the same letters."""
    if one.principal is None or one.hour is None:
        return []
    names = _names_of(runtime, one.hour, one.source)["principal"].unique().sort()
    text = one.principal.lower()
    holding, near = list[str](), list[str]()
    for each in filter(None, (text, re.split(r"[:/]", text)[-1])):  # of an ARN the logs keep the end
        holding = holding or names.filter(names.str.to_lowercase().str.contains(each, literal=True)).to_list()
    if not holding:
        near = difflib.get_close_matches(one.principal, names.head(_MOST_COMPARED).to_list(), most)
    return [*holding, *near][:most]


def give_verdicts(runtime: Runtime, given: Sequence[Verdict], principal: str, how: str) -> list[int]:
    """Records verdicts, and in the audit trail that they were given; both or neither.

    Args:
        runtime: the runtime.
        given: the verdicts, complete.
        principal: who gives them, for the audit trail.
        how: the command, for the audit trail.

    Raises:
        UserError: there is nothing to record.
    """
    if not given:
        raise UserError("no verdict was given")
    words = sorted({one.verdict.value for one in given})
    sources, hours = {one.source for one in given}, {one.hour for one in given}
    targets = [one.event_id or f"{one.principal} in {one.hour}" for one in given[:5]]
    with runtime.ledger.write() as connection:
        ids = record_verdicts(connection, given)
        record_decision(
            connection,
            Decision(
                principal=principal,
                action=how,
                source=sources.pop() if len(sources) == 1 else None,
                hour=hours.pop() if len(hours) == 1 else None,
                target=", ".join(targets) + (f" and {len(given) - 5} more" if len(given) > 5 else ""),
                reason=given[0].note,
                detail={"verdicts": words, "number": len(given), "ids": ids[:100]},
            ),
            runtime.ledger.now(),
        )
    return ids
