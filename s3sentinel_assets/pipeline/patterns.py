"""Patterns of a part: an id for each of its rows, a stage file with what there is of each, and the daily catalogue.

Belongs here: files and the ledger. Does not belong here: what a pattern is (``ml.patterns``), what an hour's patterns
tell (`pattern_reports`).

Delivery never waits for this: where patterns cannot be told, rows go out without, flagged `NO_PATTERN`, and counted.
"""

import functools
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_end, hour_range, shift_hour, utc_now
from s3sentinel_assets.ledger.catalogues import SealedCatalogue, commit_catalogue, newest_catalogue
from s3sentinel_assets.ledger.hours import first_hour, sealed_hours
from s3sentinel_assets.ledger.leases import hold_lease
from s3sentinel_assets.ledger.parts import Part, parts_of_hour
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.schema import catalogue as catalogue_table
from s3sentinel_assets.ledger.schema import part as part_table
from s3sentinel_assets.ledger.schema import stage as stage_table
from s3sentinel_assets.ledger.stages import StageFile, latest_stages
from s3sentinel_assets.pipeline.failures import tolerated
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from s3sentinel_assets.ml.patterns import Catalogue
    from s3sentinel_assets.store import Store

__all__ = [
    "LEFT_OUT",
    "NO_PATTERN",
    "PATTERNS",
    "PatternRun",
    "catalogue_due",
    "hour_counts",
    "load_catalogue",
    "make_catalogue",
]

#: Kind of the stage file.
PATTERNS = "patterns"
#: Flag of rows whose pattern could not be told.
NO_PATTERN = "no_pattern"
#: Count of a part: events of patterns that its catalogue did not know and that were too many to be kept.
LEFT_OUT = "events_of_patterns_left_out"
#: A part that is not scored keeps a catalogue waiting for so long at most, from when it was made.
_PATIENCE = timedelta(days=2)
#: Kinds in late parts of days that are learnt are learnt too, if the day is not older.
_LATE_DAYS = 90
#: A part may have been scored by another worker's clock, and committed a while after.
_CLOCKS = timedelta(minutes=5)
#: Days learnt at once, where no catalogue was made for longer.
_DAYS_AT_ONCE = 31
#: Of patterns that no catalogue knows.
_KEPT_OF_HOUR = 20_000


class PatternRun:
    """The patterns of one part, file by file.

    Attributes:
        counts: for the ledger and the UI: ``patterns``, ``new_patterns``, and, where something went wrong,
            ``without_pattern`` (events) and ``why_without_pattern``.
    """

    def __init__(self, runtime: Runtime, part: Part, catalogue: SealedCatalogue | None) -> None:
        """Prepares.

        Args:
            runtime: connections.
            part: the part that is being scored.
            catalogue: the one that the part's pin names.
        """
        self._runtime, self._part, self._pinned = runtime, part, catalogue
        self._frames: list[pl.DataFrame] = []
        self._lost: list[tuple[int, str]] = []
        self._left_out = 0

    def add_patterns(self, rows: StageFile, entities: StageFile, scores: pl.DataFrame | None) -> pl.DataFrame | None:
        """The scores with ``Pattern_CF``, and the file's patterns counted. Never raises for what is in the files.

        Args:
            rows: the part's file of rows.
            entities: the file of the same ordinal with their entity view.
            scores: row-aligned, with ``Pattern_CF`` and ``Flags_CF``; None: nothing scores these events.

        Returns:
            Row-aligned. Without scores: None where there are no ids either, else scores that say ``unscored``, as they
            would go out without any.
        """
        ids = None
        with tolerated() as trouble:
            ids = self._count(rows, entities)
        if trouble.why:
            self._lost.append((rows.rows, trouble.why))
            if scores is None:
                return None
            flag = pl.concat_str("Flags_CF", pl.lit(NO_PATTERN), separator=",", ignore_nulls=True)
            return scores.with_columns(pl.lit(None, pl.String()).alias("Pattern_CF"), flag.alias("Flags_CF"))
        if ids is None:
            return scores
        return (_unscored(rows.rows) if scores is None else scores).with_columns(ids.alias("Pattern_CF"))

    def _count(self, rows: StageFile, entities: StageFile) -> pl.Series | None:
        from s3sentinel_assets.ml.patterns import count_patterns, needed_columns

        store, log_format, table = self._runtime.store, rows.format or "", rows.table or ""
        path = store.checked_path(rows.uri, rows.sha256)
        columns = list(pl.read_parquet_schema(path))
        of_rows, of_entities = needed_columns(log_format, table, columns)
        view = pl.read_parquet(
            store.checked_path(entities.uri, entities.sha256), columns=[*of_entities, "event_id", "time"]
        )
        # Of no columns a file cannot be read; the identities are there in any.
        frame = pl.read_parquet(path, columns=of_rows or columns[:1])
        if frame.height != view.height:
            raise ValueError(f"{frame.height} rows and {view.height} entities in files of one ordinal")
        catalogue = load_catalogue(store, self._pinned)
        found = count_patterns(frame.select(of_rows) if of_rows else frame, view, log_format, table, catalogue)
        self._frames.append(found.counts)
        return found.ids

    def stage_files(self) -> list[StageFile]:
        """The part's stage file of patterns, written now; none where nothing was counted."""
        from s3sentinel_assets.ml.patterns.counting import COUNTED_NEW, add_up

        if not self._frames:
            return []
        counts, self._left_out = add_up(self._frames, COUNTED_NEW)
        self._frames = [counts]
        part = self._part
        with self._runtime.store.create(f"{part.source}/{part.hour}/scored", ".parquet") as writer:
            counts.write_parquet(writer.path, compression="zstd", statistics=False)
        stored = writer.finished
        return [StageFile(PATTERNS, stored.uri, stored.sha256, stored.size, counts.height)]

    @property
    def counts(self) -> dict[str, int | float | str]:
        """See the class."""
        counts: dict[str, int | float | str] = {
            "patterns": sum(frame.height for frame in self._frames),
            "new_patterns": sum(int((~frame["known"]).sum()) for frame in self._frames),
        }
        if self._left_out:
            counts[LEFT_OUT] = self._left_out
        if self._lost:
            counts["without_pattern"] = sum(rows for rows, _ in self._lost)
            counts["why_without_pattern"] = self._lost[-1][1]
        return counts


def _unscored(rows: int) -> pl.DataFrame:
    """Scores as rows without any have them."""
    from s3sentinel_assets.ml.scoring.score import SCORE_SCHEMA

    values = {"Priority_CF": "unknown", "Flags_CF": "unscored"}
    return pl.DataFrame(
        [pl.Series(name, [values.get(name)], dtype=kind).new_from_index(0, rows) for name, kind in SCORE_SCHEMA.items()]
    )


def load_catalogue(store: "Store", sealed: SealedCatalogue | None) -> "Catalogue | None":
    """The catalogue that the ledger names; the last few are kept in memory.

    Raises:
        UserError: its file is missing, damaged or something else.
    """
    from s3sentinel_assets.ml.parameters import ScoringUnavailable

    if sealed is None:
        return None
    try:
        return _load(store.checked_path(sealed.uri, sealed.sha256), sealed.sha256)
    except ScoringUnavailable as error:
        raise UserError(f"catalogue {sealed.uri} of {sealed.source}: {error}; restore it from a backup") from error


@functools.lru_cache(maxsize=4)
def _load(path: Path, sha256: str) -> "Catalogue":  # noqa: ARG001 - part of the key
    from s3sentinel_assets.ml.patterns import Catalogue

    return Catalogue.load(path)


def hour_counts(
    runtime: Runtime, source: str, hour: str, catalogue: "Catalogue | None" = None
) -> tuple[pl.DataFrame, int]:
    """The patterns of an hour, a row for each, and how many of its parts are not scored yet.

    Args:
        runtime: connections.
        source: the source's name.
        hour: the hour.
        catalogue: the one that they are compared with: none of its patterns is left out, however many others came.

    Raises:
        UserError: a stage file is missing or damaged.
    """
    from s3sentinel_assets.ml.patterns.counting import add_up

    with runtime.ledger.read() as connection:
        parts = [part.id for part in parts_of_hour(connection, source, hour)]
        scored = latest_stages(connection, parts, Stage.SCORED)
    files = [file for result in scored.values() for file in result.files_of(PATTERNS)]
    return add_up(_read(runtime, files), _KEPT_OF_HOUR, catalogue)[0], len(parts) - len(scored)


def catalogue_due(runtime: Runtime, source: str, hour: str) -> str | None:
    """The day that is to be learnt now that ``hour`` is sealed: the last one that is over, if no catalogue has it."""
    day = hour[:10] if hour.endswith("-23:00") else _shift(hour[:10], -1)
    with runtime.ledger.read() as connection:
        newest = newest_catalogue(connection, source, "9999")
        first = first_hour(connection, source)
    if first is None or first[:10] > day or (newest is not None and newest.day > day):
        return None
    return day


def make_catalogue(runtime: Runtime, source: str, day: str) -> StageSummary:
    """Learns the patterns of ``day``, and of days before that no catalogue has: they count from the next day on.

    Args:
        runtime: connections.
        source: the source's name.
        day: ``YYYY-MM-DD``.

    Returns:
        What was done; nothing where the day is not over, a catalogue of a later day exists, or parts of it are not
        scored: all of them, or some that were made within two days.

    Raises:
        UserError: a stage file is missing or damaged, or the disk refuses.
    """
    began, ledger = time.monotonic(), runtime.ledger
    summary = StageSummary(source, f"{day}-23:00")
    with hold_lease(ledger, f"catalogue:{source}", runtime.worker, runtime.config.limits.lease_seconds) as held:
        if held is None:
            summary.busy = 1
            return summary
        with ledger.read() as connection:
            newest = newest_catalogue(connection, source, "9999")
            first = first_hour(connection, source)
        if newest is not None and newest.day > day:
            summary.kept = 1
            summary.counts |= _described(newest)
            return summary
        hours = _hours(newest, first, day)
        if not hours:
            summary.counts["patterns"] = 0
            return summary
        if utc_now() < hour_end(hours[-1]):
            summary.problems.append(f"{day} is not over yet; its patterns can be learnt from midnight (UTC) on")
            return summary
        unscored, waits = _unscored_parts(runtime, source, hours)
        if waits:
            summary.problems.append(
                f"{unscored} parts of {hours[0][:10]} to {day} are not scored yet; materialise scored_logs for them"
            )
            return summary
        before = load_catalogue(runtime.store, newest)
        # What is scored from now on may not be among the counts, so the next catalogue has to look at it.
        asked = ledger.now()
        counted, whole = _counted(runtime, source, hours, before)
        late = _late_kinds(runtime, newest, before) if newest and before else counted.clear()
        values = _make(runtime, source, day, newest, before, pl.concat([counted, late]), whole)
        with ledger.write() as connection:
            ledger.guard(connection, source)
            commit_catalogue(connection, held, values | {"made_at": asked})
            made = newest_catalogue(connection, source, "9999")
        summary.done = 1
    summary.counts |= {"hours_learnt": len(whole)} | (_described(made) if made else {})
    summary.counts |= {"patterns_of_late_parts": late["pattern"].n_unique()} if late.height else {}
    summary.counts |= {"parts_not_scored": unscored} if unscored else {}
    summary.seconds = time.monotonic() - began
    return summary


def _make(
    runtime: Runtime,
    source: str,
    day: str,
    newest: SealedCatalogue | None,
    before: "Catalogue | None",
    counted: pl.DataFrame,
    hours: list[str],
) -> dict[str, object]:
    from s3sentinel_assets.ml.patterns import CATALOGUE_VERSION, empty_catalogue, fit

    made = fit(before or empty_catalogue(), counted, hours, _shift(day, 1))
    with runtime.store.create(f"{source}/{day}/catalogue", ".zip") as writer:
        made.save(writer.path)
    stored = writer.finished
    return {
        "source": source,
        "day": made.day,
        "based_on": newest.id if newest else None,
        "uri": stored.uri,
        "sha256": stored.sha256,
        "patterns": made.templates.height,
        "events": int(counted["events"].sum()),
        "code_version": CATALOGUE_VERSION,
    }


def _described(catalogue: SealedCatalogue) -> dict[str, int | str]:
    return {"catalogue_day": catalogue.day, "patterns": catalogue.patterns, "events": catalogue.events}


def _shift(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def _hours(newest: SealedCatalogue | None, first: str | None, day: str) -> list[str]:
    """The hours to learn."""
    if first is None:
        return []
    begin = max(f"{newest.day}-00:00" if newest else first, first, f"{_shift(day, 1 - _DAYS_AT_ONCE)}-00:00")
    return list(hour_range(begin, f"{day}-23:00"))


def _unscored_parts(runtime: Runtime, source: str, hours: list[str]) -> tuple[int, bool]:
    """How many parts of these hours are not scored, and whether that keeps a catalogue waiting."""
    with runtime.ledger.read() as connection:
        parts = _parts_between(connection, source, hours[0], hours[-1])
        scored = latest_stages(connection, [row.id for row in parts], Stage.SCORED)
    missing = [row for row in parts if row.id not in scored]
    # An old hour may just have been filled, so the age of the part counts.
    patient = runtime.ledger.now() - int(_PATIENCE.total_seconds() * 1e6)
    return len(missing), any(row.created_at > patient for row in missing) or (bool(parts) and not scored)


def _counted(
    runtime: Runtime, source: str, hours: list[str], catalogue: "Catalogue | None"
) -> tuple[pl.DataFrame, list[str]]:
    """The patterns of all the hours with their ``hour``, and which hours were counted whole.

    Those are the ones with all parts scored, and of the ones without parts the sealed ones: the others nobody has seen.
    """
    from s3sentinel_assets.ml.patterns import COUNT_SCHEMA

    with runtime.ledger.read() as connection:
        sealed = sealed_hours(connection, source)
        filled = {row.hour for row in _parts_between(connection, source, hours[0], hours[-1])}
    frames, whole = [pl.DataFrame(schema=COUNT_SCHEMA | {"hour": pl.String()})], list[str]()
    for hour in hours:
        counts, missing = hour_counts(runtime, source, hour, catalogue)
        if not missing and (hour in filled or hour in sealed):
            whole.append(hour)
        frames.append(counts.with_columns(hour=pl.lit(hour)))
    return pl.concat(frames), whole


def _late_kinds(runtime: Runtime, newest: SealedCatalogue, catalogue: "Catalogue") -> pl.DataFrame:
    """Kinds that only came in parts scored after their day had been learnt, with the ``hour``."""
    from s3sentinel_assets.ml.patterns import COUNT_SCHEMA
    from s3sentinel_assets.ml.patterns.counting import add_up

    first, last = f"{_shift(newest.day, -_LATE_DAYS)}-00:00", f"{_shift(newest.day, -1)}-23:00"
    made_at = sa.select(catalogue_table.c.made_at).where(catalogue_table.c.id == newest.id)
    with runtime.ledger.read() as connection:
        since = connection.execute(made_at).scalar_one() - int(_CLOCKS.total_seconds() * 1e6)
        late = sa.exists().where(
            stage_table.c.part_id == part_table.c.id,
            stage_table.c.stage == Stage.SCORED.value,
            stage_table.c.committed_at >= since,
        )
        parts = _parts_between(connection, newest.source, first, last, late)
        scored = latest_stages(connection, [row.id for row in parts], Stage.SCORED)
    found = [pl.DataFrame(schema=COUNT_SCHEMA | {"hour": pl.String()})]
    for hour in sorted({row.hour for row in parts}):
        files = [file for row in parts if row.hour == hour for file in scored[row.id].files_of(PATTERNS)]
        counts, _ = add_up(_read(runtime, files), _KEPT_OF_HOUR, catalogue)
        found.append(counts.filter(~catalogue.knows(counts["pattern"])).with_columns(hour=pl.lit(hour)))
    return pl.concat(found)


def _read(runtime: Runtime, files: Iterable[StageFile]) -> Iterator[pl.DataFrame]:
    return (pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256)) for file in files)


def _parts_between(
    connection: "Connection", source: str, first: str, last: str, which: sa.ColumnElement[bool] | None = None
) -> Sequence[sa.Row[Any, Any, Any]]:
    """``id``, ``hour`` and ``created_at`` of the parts of these hours."""
    query = sa.select(part_table.c.id, part_table.c.hour, part_table.c.created_at).where(
        part_table.c.source == source, part_table.c.hour.between(first, last)
    )
    return connection.execute((query if which is None else query.where(which)).order_by(part_table.c.id)).all()


def hours_before(catalogue_day: str, hour: str) -> list[str]:
    """The hours from a catalogue's day to the one before ``hour``, a week at most."""
    begin = max(f"{catalogue_day}-00:00", shift_hour(hour, -7 * 24))
    return list(hour_range(begin, shift_hour(hour, -1)))
