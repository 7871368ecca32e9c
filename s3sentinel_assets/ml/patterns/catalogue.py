"""The catalogue of a source: every kind of event known before a day, under ids that stay.

Belongs here: the frames of a catalogue, its file, its growth by a day. Does not belong here: matching (``matching``),
rates (``rates``), which templates stay (``keeping``), which parts a day has (``pipeline``).

A template's id is that of the earliest skeleton it was made of, and the id of a skeleton is a hash of itself. So an
event that came before any catalogue knew it carries an id that the catalogue keeps, and the ids of the other skeletons
of the same template lead to it by the table of aliases. Where templates turn out to be one, the oldest id stays.
"""

import io
import zipfile
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from s3sentinel_assets.ml.history.snapshots import Sink, Source, read_snapshot, write_snapshot
from s3sentinel_assets.ml.parameters import ScoringUnavailable
from s3sentinel_assets.ml.patterns.absence import expected, judged_hours, passed_over, telling
from s3sentinel_assets.ml.patterns.keeping import STALE_DAYS, kept_templates
from s3sentinel_assets.ml.patterns.masks import cut_paths
from s3sentinel_assets.ml.patterns.mining import mine
from s3sentinel_assets.ml.patterns.rates import (
    LEARNING_HOURS,
    OBSERVED_SCHEMA,
    RATE_SCHEMA,
    advance,
    block_of,
    pass_over,
)

__all__ = [
    "ALIAS_SCHEMA",
    "CATALOGUE_VERSION",
    "COUNT_SCHEMA",
    "TEMPLATE_SCHEMA",
    "Catalogue",
    "empty_catalogue",
    "fit",
    "last_hours",
]

#: Changes when equal counts would give another catalogue.
CATALOGUE_VERSION = "patterns-3"
#: Templates that were not seen for so long are forgotten, aliases too.
KEPT_DAYS = 90
ALIASES_KEPT = 100_000
#: New skeletons of a day that are looked at, the most frequent ones.
_NEW_LOOKED_AT = 40_000

#: One row a template, sorted by id.
TEMPLATE_SCHEMA: dict[str, pl.DataType] = {
    "pattern": pl.String(),
    "format": pl.String(),
    "table": pl.String(),
    "head": pl.String(),
    "body": pl.String(),
    "mined": pl.Boolean(),
    "path": pl.Boolean(),
    "first_hour": pl.String(),
    "last_hour": pl.String(),
    "events": pl.Int64(),
    "most": pl.Int64(),
}
#: Id of a skeleton or former template → id of its template. Sorted.
ALIAS_SCHEMA: dict[str, pl.DataType] = {"alias": pl.String(), "pattern": pl.String(), "last_hour": pl.String()}
#: What parts tell of their patterns: ``events`` by pattern; head and body are of the template, or of the skeleton.
COUNT_SCHEMA: dict[str, pl.DataType] = {
    "format": pl.String(),
    "table": pl.String(),
    "pattern": pl.String(),
    "known": pl.Boolean(),
    "head": pl.String(),
    "body": pl.String(),
    "mined": pl.Boolean(),
    "path": pl.Boolean(),
    "events": pl.Int64(),
    "first_time": pl.Datetime("us", "UTC"),
    "event_ids": pl.List(pl.String()),
}
_FRAMES: dict[str, dict[str, pl.DataType]] = {
    "templates": TEMPLATE_SCHEMA,
    "aliases": ALIAS_SCHEMA,
    "rates": RATE_SCHEMA,
    "observed": OBSERVED_SCHEMA,
}
_KIND = "pattern catalogue: "


@dataclass(frozen=True)
class Catalogue:
    """What is known of a source's patterns.

    Attributes:
        day: everything before this day is in it, as ``YYYY-MM-DD``; empty: nothing is.
        templates: `TEMPLATE_SCHEMA`.
        aliases: `ALIAS_SCHEMA`.
        rates: see ``rates``.
        observed: see ``rates``.
    """

    day: str = ""
    templates: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TEMPLATE_SCHEMA), repr=False)
    aliases: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ALIAS_SCHEMA), repr=False)
    rates: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RATE_SCHEMA), repr=False)
    observed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OBSERVED_SCHEMA), repr=False)

    @property
    def hours(self) -> int:
        """Hours observed in the last `KEPT_DAYS` days."""
        return int(self.observed["hours"].sum())

    def resolve(self, patterns: pl.Series) -> pl.Series:
        """The ids that these ids lead to; those that are no aliases are their own."""
        found = (
            patterns.rename("alias")
            .to_frame()
            .join(self.aliases.select("alias", "pattern"), on="alias", how="left", maintain_order="left")
        )
        return found.select(pl.coalesce("pattern", "alias")).to_series().rename(patterns.name)

    def knows(self, patterns: pl.Series) -> pl.Series:
        """Boolean: whether these ids are of templates, or lead to some."""
        return self.resolve(patterns).is_in(self.templates["pattern"].implode())

    def save(self, path: Sink) -> None:
        """Writes a zip file of Parquet files; equal catalogues give equal bytes."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
            for name in _FRAMES:
                data = io.BytesIO()
                write_snapshot(getattr(self, name), data, _KIND + name, {"day": self.day})
                bundle.writestr(zipfile.ZipInfo(f"{name}.parquet"), data.getvalue())  # such an entry has no time

    @classmethod
    def load(cls, source: Source) -> "Catalogue":
        """Reads what `save` wrote.

        Raises:
            ScoringUnavailable: the file is damaged or something else.
            OSError: it cannot be read at all.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as bundle:
                parts = {name: bundle.read(f"{name}.parquet") for name in _FRAMES}
        except (zipfile.BadZipFile, KeyError) as error:
            raise ScoringUnavailable(f"the catalogue of patterns is damaged: {error}") from None
        frames, day = {}, ""
        for name, schema in _FRAMES.items():
            frames[name], values = read_snapshot(parts[name], _KIND + name, schema, ("day",))
            day = values["day"]
        # Files of an earlier version hold paths of any length; cut as paths are now, they go on under their ids.
        templates = frames["templates"]
        cut = cut_paths(templates["body"])
        frames["templates"] = templates.with_columns(body=pl.when("path").then(pl.lit(cut)).otherwise("body"))
        return cls(day=day, **frames)


def empty_catalogue() -> Catalogue:
    """A catalogue before the first day."""
    return Catalogue()


def fit(catalogue: Catalogue, counts: pl.DataFrame, hours: list[str], day: str) -> Catalogue:
    """The catalogue after these hours.

    Args:
        catalogue: the newest one before.
        counts: `COUNT_SCHEMA` and ``hour`` of hours before ``day``, in any order. Of hours that are not among ``hours``
            only the kinds are learnt, not how often they come.
        hours: the hour keys between its day and ``day`` that were observed whole, those without any event too.
        day: the day that the new one is for; all hours lie before it.
    """
    counts = counts.with_columns(catalogue.resolve(counts["pattern"]))
    catalogue, counts = _learn(catalogue, counts)
    counted = counts.group_by("pattern", "hour").agg(pl.col("events").sum()).sort("pattern", "hour")
    templates = _seen(catalogue.templates, counted)
    rates, observed, before = catalogue.rates, catalogue.observed, catalogue.day
    blocks = pl.DataFrame(
        {"hour": hours, "block": [block_of(hour) for hour in hours]}, schema={"hour": pl.String, "block": pl.Int8}
    )
    firsts = templates.select("pattern", "first_hour")
    for date_of in sorted({hour[:10] for hour in hours}):
        of_day = blocks.filter(pl.col("hour").str.starts_with(date_of))
        new = counted.join(of_day, on="hour", how="inner")
        until = Catalogue(before, catalogue.templates, rates=rates, observed=observed)
        over = _passed_over(until, counted, of_day, date_of)
        rates = advance(rates, new, _days(before, date_of, 1) if before else 0)
        seen = of_day.group_by("block").agg(pl.len().cast(pl.Int64).alias("hours")).sort("block")
        observed = pl.concat([observed, seen.select(pl.lit(date_of).alias("day"), "block", "hours")])
        before = _shift(date_of, 1)
        if over is not None:
            rates = pass_over(rates, observed, firsts, before, over)
    if before and before < day:
        rates = advance(rates, counted.head(0).with_columns(block=pl.lit(0, pl.Int8)), _days(before, day, 0))
    return _pruned(Catalogue(day, templates, catalogue.aliases, rates, observed))


def _passed_over(until: Catalogue, counted: pl.DataFrame, of_day: pl.DataFrame, day: str) -> pl.DataFrame | None:
    """The hours of a day that are not learnt; None: all are. ``until``: what is known the day before."""
    if until.hours < LEARNING_HOURS:
        return None
    where = telling(expected(until.templates, until.rates, until.observed, until.day))
    if where.is_empty():
        return None
    last = last_hours(until, counted.filter(pl.col("hour") < day))
    new = counted.join(of_day, on="hour", how="semi").select("pattern", "hour")
    return passed_over(where, last, new, of_day, judged_hours(until.observed))


def last_hours(catalogue: Catalogue, seen: pl.DataFrame) -> pl.DataFrame:
    """``pattern`` and ``last_hour`` of each template.

    Args:
        catalogue: the catalogue.
        seen: ``pattern`` (its id in the catalogue) and ``hour``: where it came later.
    """
    since = seen.group_by("pattern").agg(pl.col("hour").max())
    return catalogue.templates.join(since, on="pattern", how="left").select(
        "pattern", last_hour=pl.max_horizontal("last_hour", "hour")
    )


def _days(before: str, after: str, more: int) -> int:
    return (date.fromisoformat(after) - date.fromisoformat(before)).days + more


def _shift(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def _learn(catalogue: Catalogue, counts: pl.DataFrame) -> tuple[Catalogue, pl.DataFrame]:
    """Templates and aliases with those of the counts, and the counts with the ids they have by then."""
    first = ["hour", "first_time", "pattern"]
    new = (
        counts.join(catalogue.templates.select("pattern"), on="pattern", how="anti")
        .sort(first)
        .group_by("pattern", maintain_order=True)
        .agg(
            pl.col("format", "table", "head", "body", "mined", "path", "first_time").first(),
            # A kind that came late into a day that is learnt is known from then on: until then nobody counted it.
            pl.max_horizontal(pl.col("hour").first(), pl.lit(f"{catalogue.day}-00:00")).alias("first_hour"),
            pl.col("events").sum(),
        )
        .sort("events", "pattern", descending=[True, False])
        .head(_NEW_LOOKED_AT)
    )
    if new.is_empty():
        return catalogue, counts
    known = catalogue.templates.filter(pl.col("mined")).join(
        new.filter(pl.col("mined")).select("format", "head").unique(), on=["format", "head"], how="semi"
    )
    columns = ["pattern", "format", "table", "head", "body", "mined", "path", "first_hour"]
    members = pl.concat(
        [
            known.select(*columns, first_time=pl.lit(None, pl.Datetime("us", "UTC")), old=pl.lit(value=True)),
            new.select(*columns, "first_time", old=pl.lit(value=False)),
        ]
    ).sort("old", "first_hour", "first_time", "pattern", descending=[True, False, False, False])
    template = mine(members["format"] + "\x1f" + members["head"], members["body"], members["path"])
    # Only what is mined may change; a structure stands for itself.
    members = members.with_columns(template=pl.when("mined").then(template).otherwise("body")).with_columns(
        keeps=pl.col("pattern").first().over("format", "head", "template", "mined")
    )
    leaders = members.filter(pl.col("pattern") == pl.col("keeps"))
    fresh = leaders.filter(~pl.col("old")).select(
        *columns[:4],
        pl.col("template").alias("body"),
        "mined",
        "path",
        "first_hour",
        pl.col("first_hour").alias("last_hour"),
        events=pl.lit(0, pl.Int64),
        most=pl.lit(0, pl.Int64),
    )
    moved = members.filter(pl.col("pattern") != pl.col("keeps")).select(alias="pattern", pattern="keeps")
    generalised = leaders.filter("old").select("pattern", "template")
    templates = (
        catalogue.templates.join(generalised, on="pattern", how="left")
        .with_columns(body=pl.coalesce("template", "body"))
        .drop("template")
    )
    merged = templates.join(moved, left_on="pattern", right_on="alias", how="left")
    templates = _united(merged.with_columns(pattern=pl.coalesce("pattern_right", "pattern")).drop("pattern_right"))
    latest = str(counts["hour"].max())
    aliases = pl.concat(
        [
            catalogue.aliases.join(moved, left_on="pattern", right_on="alias", how="left")
            .with_columns(pattern=pl.coalesce("pattern_right", "pattern"))
            .drop("pattern_right"),
            moved.with_columns(last_hour=pl.lit(latest)),
        ]
    )
    rates = (
        catalogue.rates.join(moved, left_on="pattern", right_on="alias", how="left")
        .with_columns(pattern=pl.coalesce("pattern_right", "pattern"))
        .drop("pattern_right")
    )
    # Two templates that came in the same hours become one that came in them once: squares and hours are bounds then.
    rates = (
        rates.group_by("pattern", "block")
        .agg(pl.col("events", "squares").sort().sum(), pl.col("present").max())
        .sort("pattern", "block")
    )
    learned = Catalogue(
        catalogue.day, pl.concat([templates, fresh]).sort("pattern"), aliases.sort("alias"), rates, catalogue.observed
    )
    renamed = counts.join(moved, left_on="pattern", right_on="alias", how="left").with_columns(
        pattern=pl.coalesce("pattern_right", "pattern")
    )
    return learned, renamed.drop("pattern_right")


def _united(templates: pl.DataFrame) -> pl.DataFrame:
    """One row for each id, the oldest one's words."""
    return (
        templates.sort("pattern", "first_hour")
        .group_by("pattern", maintain_order=True)
        .agg(
            pl.col("format", "table", "head", "body", "mined", "path", "first_hour").first(),
            pl.col("last_hour").max(),
            pl.col("events").sum(),
            pl.col("most").max(),
        )
        .select(list(TEMPLATE_SCHEMA))
    )


def _seen(templates: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """Templates with what the hours add."""
    seen = counted.group_by("pattern").agg(
        pl.col("hour").max().alias("now"), pl.col("events").sum().alias("more"), pl.col("events").max().alias("top")
    )
    return (
        templates.join(seen, on="pattern", how="left", maintain_order="left")
        .with_columns(
            last_hour=pl.max_horizontal("last_hour", "now"),
            events=pl.col("events") + pl.col("more").fill_null(0),
            most=pl.max_horizontal("most", "top"),
        )
        .select(list(TEMPLATE_SCHEMA))
    )


def _pruned(catalogue: Catalogue) -> Catalogue:
    """Without what was not seen for `KEPT_DAYS` days, and with no more than is kept."""
    since = _shift(catalogue.day, -KEPT_DAYS)
    templates = kept_templates(
        catalogue.templates.filter(pl.col("last_hour") >= since), catalogue.rates, _shift(catalogue.day, -STALE_DAYS)
    )
    kept = templates.select("pattern")
    aliases = (
        catalogue.aliases.filter(pl.col("last_hour") >= since)
        .join(kept, on="pattern", how="semi")
        .sort("last_hour", "alias", descending=[True, False])
        .head(ALIASES_KEPT)
        .unique("alias", keep="first", maintain_order=True)
        .sort("alias")
    )
    return Catalogue(
        catalogue.day,
        templates,
        aliases,
        catalogue.rates.join(kept, on="pattern", how="semi").sort("pattern", "block"),
        catalogue.observed.filter(pl.col("day") >= since).sort("day", "block"),
    )
