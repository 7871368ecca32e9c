"""The shape of parsed rows: which columns are filled, which unknown fields there are, which values did not fit.

Belongs here: measuring a frame, and putting shapes of several frames together. Does not belong here: keeping shapes
(`ledger.shapes`), comparing an hour with those before it (`pipeline.shape_changes`).

It is measured while a part is parsed and must cost next to nothing beside that: columns are counted by their null
masks. Unknown fields are JSON keys and need decoding, so of rows that have any, at most `LOOKED_AT` evenly spread ones
of a frame are decoded and the counts reckoned up; a field in a few rows out of a hundred thousand can be missed by that
in one frame. Nothing is missed in the rows themselves, they keep every field.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import EVENT_ID, EXTRA_FIELDS, FLAGS
from s3sentinel_assets.ledger.shapes import Shape, Sighting

__all__ = ["FIELDS_KEPT", "LOOKED_AT", "SAMPLE_CHARACTERS", "merged", "shape_of"]

#: Rows of a frame whose unknown fields are decoded, and as many whose flags are.
LOOKED_AT = 4_096
#: Names kept: more are no fields any more, but values used as names.
FIELDS_KEPT = 200
SAMPLE_CHARACTERS = 200
# A piece without such a name is another flag, or the rest of a quoted value that holds a ";".
_MISFIT = r"^(?:drift:.+|bad_[A-Za-z0-9_.:-]+|[A-Za-z0-9_.:-]+_overflow)$"

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def shape_of(log_format: str, table: str, rows: pl.DataFrame) -> Shape:
    """Measures the rows of one frame.

    Args:
        log_format: their format.
        table: their Sentinel table.
        rows: rows as in `formats.ParsedFrame`; ``EventId_CF``, ``ExtraFields_CF`` and ``_flags`` are looked into.
    """
    filled = {
        column.name: rows.height - column.null_count()
        for column in rows
        if not column.name.startswith("_") and column.null_count() < rows.height
    }
    fields, broken, some_fields = _unknown_fields(rows)
    drift, some_drift = _misfits(rows)
    if broken is not None:
        drift[f"bad_{EXTRA_FIELDS}"] = broken
    return Shape(
        log_format,
        table,
        rows.height,
        filled,
        _most(fields),
        _most(drift),
        estimated=some_fields or some_drift,
        crowded=len(fields) > FIELDS_KEPT,
    )


def merged(shapes: Iterable[Shape]) -> list[Shape]:
    """One shape for each format and table, in the order of their first ones; shapes of no rows are left out."""
    groups: dict[tuple[str, str], list[Shape]] = {}
    for entry in shapes:
        if entry.rows:
            groups.setdefault((entry.format, entry.table), []).append(entry)
    return [group[0] if len(group) == 1 else _together(group) for group in groups.values()]


def _together(group: Sequence[Shape]) -> Shape:
    filled: dict[str, int] = {}
    for entry in group:
        for column, count in entry.filled.items():
            filled[column] = filled.get(column, 0) + count
    fields = _sum([entry.fields for entry in group])
    return Shape(
        group[0].format,
        group[0].table,
        sum(entry.rows for entry in group),
        filled,
        _most(fields),
        _most(_sum([entry.drift for entry in group])),
        estimated=any(entry.estimated for entry in group),
        crowded=any(entry.crowded for entry in group) or len(fields) > FIELDS_KEPT,
    )


def _sum(several: Sequence[Mapping[str, Sighting]]) -> dict[str, Sighting]:
    """Counts added up; of several samples the first stays."""
    counts: dict[str, int] = {}
    first: dict[str, Sighting] = {}
    for sightings in several:
        for name, seen in sightings.items():
            counts[name] = counts.get(name, 0) + seen.records
            first.setdefault(name, seen)
    return {name: Sighting(counts[name], seen.sample, seen.event_id) for name, seen in first.items()}


def _most(sightings: Mapping[str, Sighting]) -> dict[str, Sighting]:
    """The most frequent ones, as many as are kept."""
    if len(sightings) <= FIELDS_KEPT:
        return dict(sightings)
    return dict(sorted(sightings.items(), key=lambda entry: -entry[1].records)[:FIELDS_KEPT])


def _spread(column: pl.Series) -> tuple[pl.Series, float]:
    """Places of at most `LOOKED_AT` evenly spread values that are not null, and how many values each stands for."""
    places = column.is_not_null().arg_true()
    chosen = places.gather_every(max(1, -(-len(places) // LOOKED_AT)))
    return chosen, len(places) / max(1, len(chosen))


def _unknown_fields(rows: pl.DataFrame) -> tuple[dict[str, Sighting], Sighting | None, bool]:
    """The unknown fields, the values of the column that are no JSON object, and whether not all were looked at."""
    if EXTRA_FIELDS not in rows.columns or rows[EXTRA_FIELDS].null_count() == rows.height:
        return {}, None, False
    places, weight = _spread(rows[EXTRA_FIELDS])
    counts: dict[str, int] = {}
    first: dict[str, tuple[str, str]] = {}
    broken: Sighting | None = None
    texts, ids = rows[EXTRA_FIELDS].gather(places).to_list(), rows[EVENT_ID].gather(places).to_list()
    for text, event_id in zip(texts, ids, strict=True):
        try:
            values = _object.decode(text)
        except (msgspec.DecodeError, RecursionError):
            broken = (
                replace(broken, records=broken.records + 1) if broken else Sighting(1, _cut(text), _cut(event_id or ""))
            )
            continue
        for written, value in values.items():
            name = _cut(written)
            if name in counts:
                counts[name] += 1
            else:
                counts[name] = 1
                first[name] = _cut(bytes(value).decode("utf-8", "replace")), _cut(event_id or "")
    found = {name: Sighting(round(count * weight), *first[name]) for name, count in counts.items()}
    if broken is not None:
        broken = replace(broken, records=round(broken.records * weight))
    return found, broken, weight > 1


def _misfits(rows: pl.DataFrame) -> tuple[dict[str, Sighting], bool]:
    """What ``_flags`` tells of values that did not fit, and whether not all rows were looked at."""
    if FLAGS not in rows.columns or rows[FLAGS].null_count() == rows.height:
        return {}, False
    places, weight = _spread(rows[FLAGS])
    told = (
        rows.select(FLAGS, EVENT_ID)[places]
        .with_columns(pl.col(FLAGS).str.split(";"))
        .explode(FLAGS)
        .select(pl.col(FLAGS).str.splitn("=", 2).struct.rename_fields(["name", "sample"]), EVENT_ID)
        .unnest(FLAGS)
        .filter(pl.col("name").str.contains(_MISFIT))
        .select(
            pl.col("name", "sample", EVENT_ID).fill_null("").str.slice(0, SAMPLE_CHARACTERS),
        )
        .group_by("name", maintain_order=True)
        .agg(pl.len(), pl.col("sample").first(), pl.col(EVENT_ID).first())
    )
    found = {name: Sighting(round(count * weight), sample, event) for name, count, sample, event in told.iter_rows()}
    return found, weight > 1


def _cut(text: str) -> str:
    return text if len(text) <= SAMPLE_CHARACTERS else text[: SAMPLE_CHARACTERS - 1] + "…"
