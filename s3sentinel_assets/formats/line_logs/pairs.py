r"""Keys and values found in lines: made into columns where the keys are known, into JSON or text where they are not.

Belongs here: what CEF, LEEF, logfmt and structured data of syslog do alike with a frame of pairs. Does not belong here:
finding the pairs in a line (each format).

A frame of pairs has the columns ``row`` (UInt32, ascending), ``key`` and ``value`` (String), in the order of the lines.
"""

from collections.abc import Collection

import polars as pl

__all__ = ["KEY", "ROW", "VALUE", "columns_to_json", "json_objects", "json_text", "to_columns", "to_text"]

ROW, KEY, VALUE = "row", "key", "value"
_PLACE = "place"
#: Odd, and about 2**64 over the golden ratio: neighbouring rows get hashes that are far apart.
_SPREAD = 0x9E3779B97F4A7C15
_CONTROLS = {chr(code): f"\\u{code:04x}" for code in range(32)} | {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def to_columns(pairs: pl.DataFrame, rows: int, known: Collection[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Known keys as columns.

    Args:
        pairs: of all rows.
        rows: how many rows there are.
        known: the keys that become columns.

    Returns:
        A String column for each known key that occurs, null where a row does not have it, shape (``rows``, keys); and
        the other pairs, among them those of a known key that its row had already.
    """
    wanted = pairs[KEY].is_in(list(known))
    rest = pairs.filter(~wanted)
    nothing = pl.Series([None], dtype=pl.String()).new_from_index(0, rows)
    columns, again = [], list[pl.DataFrame]()
    parts = pairs.with_row_index(_PLACE).filter(wanted).partition_by(KEY, as_dict=True, maintain_order=True)
    for (key,), part in parts.items():
        repeated = (part[ROW] == part[ROW].shift()).fill_null(value=False)
        if repeated.any():
            again.append(part.filter(repeated))
            part = part.filter(~repeated)
        values = part[VALUE]
        columns.append((values if values.len() == rows else nothing.clone().scatter(part[ROW], values)).alias(str(key)))
    if again:
        places = pairs.with_row_index(_PLACE).filter(~wanted)
        rest = pl.concat([places, *again]).sort(_PLACE).drop(_PLACE)
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=rows), rest


def to_text(pairs: pl.DataFrame, rows: int) -> pl.Series:
    """``key=value;key=value`` of each row; null where it has no pairs."""
    text = pl.when(pl.col(KEY) != "").then(pl.concat_str(KEY, pl.lit("="), VALUE, ignore_nulls=True)).otherwise(VALUE)
    return _joined(pairs.select(ROW, text.alias(VALUE)), ";", rows)


def json_objects(pairs: pl.DataFrame, rows: int, *, encoded: bool = False) -> pl.Series:
    """A JSON object of each row's pairs; null where it has none. Several values of one key become a list.

    Args:
        pairs: a null value becomes ``true``: a key that stands alone.
        rows: how many there are.
        encoded: whether the values are JSON already.
    """
    value = pl.col(VALUE) if encoded else json_text(pairs, VALUE)
    made = pairs.select(ROW, json_text(pairs, KEY).alias(KEY), value.fill_null("true").alias(VALUE))
    # A hash of row and key: a chance agreement of two costs time and changes nothing.
    place = pl.col(KEY).hash() ^ (pl.col(ROW).cast(pl.UInt64) * _SPREAD)
    if made.select(place.n_unique()).item() < made.height:
        grouped = made.group_by(ROW, KEY, maintain_order=True).agg(
            pl.col(VALUE).str.join(",").alias(VALUE), pl.len().alias("values")
        )
        several = pl.concat_str(pl.lit("["), VALUE, pl.lit("]"))
        made = grouped.with_columns(pl.when(pl.col("values") > 1).then(several).otherwise(VALUE).alias(VALUE))
    members = _joined(made.select(ROW, pl.concat_str(KEY, pl.lit(":"), VALUE).alias(VALUE)), ",", rows)
    return members.to_frame().select(pl.concat_str(pl.lit("{"), VALUE, pl.lit("}"))).to_series()


def json_text(frame: pl.DataFrame, column: str) -> pl.Expr:
    """The texts of ``frame[column]`` as JSON strings."""
    text = pl.col(column)
    if frame[column].str.contains("\\", literal=True).any():
        text = text.str.replace_all("\\", "\\\\", literal=True)
    if frame[column].str.contains('"', literal=True).any():
        text = text.str.replace_all('"', '\\"', literal=True)
    if frame[column].str.contains(r"[\x00-\x1f]").any():
        text = text.str.replace_many(_CONTROLS)
    return pl.concat_str(pl.lit('"'), text, pl.lit('"'))


def columns_to_json(frame: pl.DataFrame, *, encoded: Collection[str] = ()) -> pl.Series:
    """A JSON object of each row, members in the order of the columns; what is null is left out, null where all is.

    Args:
        frame: String columns.
        encoded: columns whose values are JSON already.
    """
    members = [
        pl.concat_str(pl.lit(f'"{name}":'), pl.col(name) if name in encoded else json_text(frame, name))
        for name in frame.columns
        if frame[name].null_count() < frame.height
    ]
    if not members:
        return pl.Series([None], dtype=pl.String()).new_from_index(0, frame.height)
    joined = pl.concat_str(*members, separator=",", ignore_nulls=True)
    return frame.select(pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))).to_series()


def _joined(texts: pl.DataFrame, separator: str, rows: int) -> pl.Series:
    """The texts of each row as one; null where it has none."""
    lists = texts.with_columns(pl.col(ROW).set_sorted()).group_by(ROW, maintain_order=True).agg(VALUE)
    found = lists.select(ROW, pl.col(VALUE).list.join(separator, ignore_nulls=True))
    if found.height == rows:
        return found[VALUE]
    return pl.Series(VALUE, [None], dtype=pl.String()).new_from_index(0, rows).scatter(found[ROW], found[VALUE])
