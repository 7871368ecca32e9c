"""Table mappings: which column of a Sentinel table is filled from what, as data that code and documentation share.

Belongs here: the words of a mapping (`field`, `constant`, `derived`), and putting a format's own columns into a table's
shape by one. Does not belong here: any one mapping (each format has its own), ASIM's common columns (``asim``).

Values are fitted to the column's type here and nowhere else. What does not fit becomes null and is told in ``_flags``:
``packets_overflow=4294967296`` for a whole number too big for its column, ``bad_SrcPort=abc`` for text that is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import polars as pl

from s3sentinel_assets.formats.frames import (
    EVENT_ID,
    EVENT_TIME,
    EXTRA,
    EXTRA_FIELDS,
    FLAGS,
    OBJECT,
    ORDINAL,
    conform,
    flags,
    to_entity_view,
)
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.model import ParsedFrame
from s3sentinel_assets.tables import load_schema
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from s3sentinel_assets.tables.types import POLARS_TYPES

__all__ = ["TIME", "Origin", "TableMapping", "constant", "derived", "field", "placed_ids", "to_frames"]

#: Raw column every format makes: when the event happened, Datetime(us, UTC), never null.
TIME = "_time"
_QUOTED = 100
_WHOLE = r"^[+-]?\d+$"
_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


@dataclass(frozen=True)
class Origin:
    """Where a value comes from.

    Attributes:
        text: for people, in Markdown: a field's name in backquotes, or half a sentence.
        value: an expression over the format's raw columns.
    """

    text: str
    value: pl.Expr


def field(name: str, label: str | None = None) -> Origin:
    """The log's own field, in the raw column ``name``; ``label`` where the log calls it otherwise."""
    return Origin(f"`{label or name}`", pl.col(name))


def constant(value: str | int | bool) -> Origin:
    """The same value in every row."""
    return Origin(f"always `{value}`", pl.lit(value))


def derived(text: str, value: pl.Expr) -> Origin:
    """Something computed; ``text`` says from what, such as ``host part of `client:port` ``."""
    return Origin(text, value)


@dataclass(frozen=True)
class TableMapping:
    """How records of a format become rows of one table.

    ``TimeGenerated``, ``EventId_CF`` and ``EventTime_CF`` are filled for every table; a mapping does not name them.

    Attributes:
        table: a table with a schema.
        columns: column → origin. A raw column that a record set does not have counts as null.
        entities: columns of the entity view → origin, of `ENTITY_SCHEMA`; ``principal`` must be among them.
        where: which records go to this table, over raw columns; None: all. The mappings of a format share its records
            out in order, each record goes to the first that wants it; the last one must take all.
        event_id: id of the event that is unique per record version and the same in every copy of it; None: the object's
            identity and the record's place in it.
        note: for the documentation.
    """

    table: str
    columns: Mapping[str, Origin]
    entities: Mapping[str, Origin]
    where: pl.Expr | None = None
    event_id: pl.Expr | None = None
    note: str = ""
    _needed: dict[str, tuple[str, ...]] = dataclass_field(default_factory=dict, repr=False, compare=False)

    def raw_columns(self) -> set[str]:
        """The raw columns that the mapping reads."""
        exprs = [origin.value for origin in (*self.columns.values(), *self.entities.values())]
        exprs += [expr for expr in (self.where, self.event_id) if expr is not None]
        return {name for expr in exprs for name in expr.meta.root_names()}


def to_frames(
    format_name: str, mappings: Sequence[TableMapping], raw: pl.DataFrame, identities: Mapping[int, str]
) -> list[ParsedFrame]:
    """Records as rows of their tables.

    Args:
        format_name: the format.
        mappings: its mappings, in order; see `TableMapping.where`.
        raw: the records: the format's own columns of any type, `TIME`, ``_object``, ``_ordinal``, ``_flags``, and,
            where the format keeps fields that no table has a place for, ``_extra`` (a JSON object as text).
        identities: object id → object identity.

    Returns:
        One frame for each table that got rows, columns and types as `ParsedFrame` says.
    """
    missing = set[str]().union(*(mapping.raw_columns() for mapping in mappings)) - set(raw.columns)
    raw = raw.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in sorted(missing))
    frames = []
    for mapping in mappings:
        if raw.is_empty():
            break
        chosen = raw
        if mapping.where is not None:
            wanted = raw.select(mapping.where.fill_null(value=False).alias("wanted")).to_series()
            if not wanted.any():
                continue
            if wanted.all():
                raw = raw.clear()
            else:
                chosen, raw = raw.filter(wanted), raw.filter(~wanted)
        else:
            raw = raw.clear()
        frames.append(_to_frame(format_name, mapping, chosen, identities))
    if not raw.is_empty():
        raise ValueError(f"{format_name}: {raw.height} records belong to none of its tables")
    return frames


def placed_ids(identities: Mapping[int, str]) -> pl.Expr:
    """Event ids made of the object's identity and the record's place in it."""
    prefixes = {object_id: f"{identity}-" for object_id, identity in identities.items()}
    prefix = pl.col(OBJECT).replace_strict(prefixes, return_dtype=pl.String)
    return prefix + pl.col(ORDINAL).cast(pl.String)


def _to_frame(format_name: str, mapping: TableMapping, raw: pl.DataFrame, identities: Mapping[int, str]) -> ParsedFrame:
    kinds = load_schema(mapping.table).columns
    made = raw.select(origin.value.alias(name) for name, origin in mapping.columns.items())
    if made.height != raw.height:  # constants alone
        made = made.select(pl.all().repeat_by(raw.height).explode())
    told: list[pl.Series] = []
    fitted = [_fitted(made[name], kinds[name], told) for name in mapping.columns]
    common = raw.select(
        pl.col(TIME).alias("TimeGenerated"),
        pl.col(TIME).alias(EVENT_TIME),
        _event_ids(mapping, raw, identities),
        OBJECT,
        ORDINAL,
        FLAGS,
        *([pl.col(EXTRA).alias(EXTRA_FIELDS)] if EXTRA in raw.columns else []),
    )
    if told:
        texts = pl.DataFrame([common[FLAGS], *(series.alias(f"told {n}") for n, series in enumerate(told))])
        common = common.with_columns(texts.select(flags(pl.all())).to_series().alias(FLAGS))
    prepared = common.hstack(fitted)
    columns = {name: pl.col(name) for name in prepared.columns if name not in (OBJECT, ORDINAL, FLAGS)}
    rows = conform(prepared, mapping.table, columns)
    return ParsedFrame(format_name, mapping.table, rows, _entities(mapping, raw, rows))


def _event_ids(mapping: TableMapping, raw: pl.DataFrame, identities: Mapping[int, str]) -> pl.Series:
    own = None if mapping.event_id is None else raw.select(mapping.event_id.alias(EVENT_ID)).to_series()
    if own is not None and not own.null_count():
        return own
    placed = raw.select(placed_ids(identities).alias(EVENT_ID)).to_series()
    return placed if own is None else own.zip_with(own.is_not_null(), placed)


def _entities(mapping: TableMapping, raw: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    made = raw.select(
        rows[EVENT_ID].alias("event_id"),
        pl.col(TIME).alias("time"),
        *(
            origin.value.cast(ENTITY_SCHEMA[name], strict=False).alias(name)
            for name, origin in mapping.entities.items()
        ),
    ).with_columns(pl.col("principal").fill_null("unknown"))
    return to_entity_view(made, {name: pl.col(name) for name in made.columns})


def _fitted(values: pl.Series, kind: str, told: list[pl.Series]) -> pl.Series:
    """``values`` in the type of a column of this kind; adds flags for what did not fit to ``told``."""
    wanted = POLARS_TYPES[kind]
    if values.dtype == wanted and not wanted.is_float():
        return values
    if values.dtype == pl.Null or wanted == pl.String():
        return values.cast(wanted)
    if isinstance(wanted, pl.Datetime):
        made = parse_iso8601(values) if values.dtype == pl.String else values.cast(wanted, strict=False)
    elif values.dtype == pl.String and wanted == pl.Boolean():
        made = values.str.to_lowercase().replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    else:
        made = values.cast(wanted, strict=False)
    if wanted.is_float():
        made = _where(made, made.is_finite())  # JSON has neither NaN nor infinities
    elif wanted.is_integer() and values.dtype.is_float():
        made = _where(made, values == values.round(0))
    if made.null_count() > values.null_count():
        lost = made.is_null() & values.is_not_null()
        # A semicolon ends a flag.
        text = values.cast(pl.String).str.replace_all(";", ",", literal=True)
        frame = pl.DataFrame({"text": text, "lost": lost})
        number = pl.col("text").str.contains(_WHOLE) if wanted.is_integer() else pl.lit(value=False)
        name, quoted = values.name, pl.col("text").str.slice(0, _QUOTED)
        told.append(
            frame.select(
                pl.when("lost").then(
                    pl.when(number)
                    .then(pl.format(f"{name}_overflow={{}}", quoted))
                    .otherwise(pl.format(f"bad_{name}={{}}", quoted))
                )
            ).to_series()
        )
    return made


def _where(values: pl.Series, stays: pl.Series) -> pl.Series:
    """The values with null for those that do not stay."""
    return values if stays.all() else values.set(~stays.fill_null(value=True), None)
