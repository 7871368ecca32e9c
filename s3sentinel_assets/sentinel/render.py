"""Rows as JSON text: the columns a row has on the wire, cut where they are too long, scores and flags among them.

Belongs here: what a row looks like on the wire, except its batch stamp. Does not belong here: how JSON is written
(``json_rows``, ``json_values``), how rows share a body (``packing``) or where they go (``plan``).

A rendered row is a *tail*: ``,"EventId_CF":"…","TimeGenerated":"…"``. `packing.body` puts the batch's stamp
``{"BatchId_CF":"…"`` in front of every tail and a brace behind it, so that rows are rendered before their batch is
known.
"""

from collections.abc import Callable

import polars as pl

from s3sentinel_assets.sentinel.json_rows import encode_rows
from s3sentinel_assets.sentinel.json_values import as_json
from s3sentinel_assets.tables import TableSchema

__all__ = ["FIELD_LIMIT_BYTES", "FLAG_SEPARATOR", "RENDER_VERSION", "SCORE_COLUMNS", "cut_long_values", "render_rows"]

#: Part of every batch id: a change of the wire form must raise it, else one id would name two bodies.
RENDER_VERSION = "5"

#: The service cuts longer values silently, so we cut first and say so.
FIELD_LIMIT_BYTES = 65_536

FLAG_SEPARATOR = ";"
SCORE_COLUMNS = (
    "AnomalyScore_CF",
    "ExpectedPerDay_CF",
    "Confidence_CF",
    "Priority_CF",
    "Reasons_CF",
    "Pattern_CF",
    "Flags_CF",
)

_STAMPED = ("BatchId_CF", "Attempt_CF")
_UNSCORED = {"Priority_CF": "unknown", "Flags_CF": "unscored"}
# More digits of a score mean nothing and cost up to 16 bytes a row and column.
_TWO_DECIMALS = ("AnomalyScore_CF", "Confidence_CF")


def render_rows(
    rows: pl.DataFrame,
    scores: pl.DataFrame | None,
    schema: TableSchema,
    on_cut: Callable[[pl.DataFrame, dict[str, pl.Series]], None] | None = None,
) -> pl.Series:
    """The JSON tails of ``rows``.

    Args:
        rows: shape (n, …): columns of the table (``dynamic`` ones as JSON text; other text in them is sent as a
            string), ``EventId_CF`` (never null), ``EventTime_CF``; ``_flags`` (text, mostly null) is merged into
            ``Flags_CF``, other columns that begin with ``_`` stay here.
        scores: n rows, row-aligned, the `SCORE_COLUMNS` (others stay here); None: the rows go out unscored and say so.
        schema: the table's.
        on_cut: called where texts are too long for a field, with the rows as they were before and, by column, which
            rows are cut.

    Returns:
        Strings, shape (n,), in row order. Each begins with a comma; braces and the batch's stamp are still to come.

    Raises:
        ValueError: a column the table does not have, scores of another height or an event without an id; the workspace
            would drop or mix up such rows without a word.
    """
    unknown = [name for name in rows.columns if name not in schema.writable and not name.startswith("_")]
    if unknown:
        raise ValueError(f"table {schema.name} has no column {', '.join(unknown)}; the workspace would drop the values")
    if scores is not None and scores.height != rows.height:
        raise ValueError(f"{scores.height} scores for {rows.height} rows")
    if rows.height == 0:
        return pl.Series("tail", [], dtype=pl.String)
    if rows.get_column("EventId_CF").null_count():
        raise ValueError("an event has no EventId_CF; it could never be told from its copies")
    whole = _with_scores(rows, scores, schema)
    frame, cut = cut_long_values(whole)
    if cut and on_cut is not None:
        on_cut(whole, cut)
    json = tuple(name for name in frame.columns if schema.writable.get(name) == "dynamic")
    # After the cut: JSON that lost its end is a text.
    frame = frame.with_columns(as_json(frame.get_column(name)) for name in json)
    six_decimals = schema.plan == "Auxiliary"
    return encode_rows(_with_flags(frame, cut), hundredths=_TWO_DECIMALS, json=json, six_decimals=six_decimals)


def cut_long_values(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
    """Cuts texts over `FIELD_LIMIT_BYTES` at a character's end.

    Returns:
        The frame, and by column which rows were cut (boolean, shape (n,)).
    """
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    longest = frame.select(pl.col(texts).str.len_bytes().max()).row(0) if texts else ()
    long_columns = [name for name, size in zip(texts, longest, strict=True) if (size or 0) > FIELD_LIMIT_BYTES]
    cut: dict[str, pl.Series] = {}
    for name in long_columns:
        column = frame.get_column(name)
        cut[name] = (column.str.len_bytes() > FIELD_LIMIT_BYTES).fill_null(value=False)
        # Polars cuts by characters, the service by bytes; long values are rare enough for Python.
        shorter = [value.encode()[:FIELD_LIMIT_BYTES].decode(errors="ignore") for value in column.filter(cut[name])]
        frame = frame.with_columns(column.scatter(cut[name].arg_true(), shorter))
    return frame, cut


def _with_scores(rows: pl.DataFrame, scores: pl.DataFrame | None, schema: TableSchema) -> pl.DataFrame:
    """The columns to send, in the schema's order after the event id, typed by the schema, plus ``_flags``."""
    kinds = schema.polars_schema()
    own = [name for name in kinds if name in rows.columns and name not in (*SCORE_COLUMNS, *_STAMPED, "EventId_CF")]
    # Columns that are null in the whole slice shall cost nothing further.
    own = [name for name in own if rows.get_column(name).null_count() < rows.height]
    frame = rows.select(pl.col(name).cast(kinds[name]) for name in ("EventId_CF", *own))
    if scores is None:
        frame = frame.with_columns(pl.lit(value).alias(name) for name, value in _UNSCORED.items())
    else:
        # A score file of an earlier release may lack a column.
        said = [name for name in SCORE_COLUMNS if name in scores.columns]
        frame = frame.with_columns(scores.select(pl.col(name).cast(kinds[name]) for name in said))
    if "_flags" in rows.columns:
        frame = frame.with_columns(rows.get_column("_flags").cast(pl.String))
    return frame


def _with_flags(frame: pl.DataFrame, cut: dict[str, pl.Series]) -> pl.DataFrame:
    """``Flags_CF`` = the parser's flags, the scorer's, and the columns that were cut."""
    marks = [pl.when(which).then(pl.lit(f"truncated:{name}")) for name, which in cut.items()]
    sources = [pl.col(name) for name in ("_flags", "Flags_CF") if name in frame.columns]
    texts = [pl.when(source != "").then(source) for source in sources]
    merged = pl.concat_str(*texts, *marks, separator=FLAG_SEPARATOR, ignore_nulls=True)
    return frame.with_columns(pl.when(merged != "").then(merged).alias("Flags_CF")).drop("_flags", strict=False)
