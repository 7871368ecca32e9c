r"""Structured data of RFC 5424 as JSON.

Source: RFC 5424 section 6.3: ``[id@enterprise name="value" …]``; ``\"``, ``\\`` and ``\]`` are escapes.

Belongs here: the columns of structured data and message id → one JSON object. Does not belong here: finding them in a
line (``header``).
"""

import polars as pl

from s3sentinel_assets.formats.line_logs.pairs import KEY, ROW, VALUE, columns_to_json, json_objects

__all__ = ["structured_data"]

_ELEMENT = r'\[[^\[\]"= ]+(?: +[^\[\]"= ]+= ?"(?:[^"\\]|\\.)*")* ?\]'
_PARAMETER = r'[^\[\]"= ]+= ?"(?:[^"\\]|\\.)*"'
_PARTS = r'^([^=]+)= ?"((?s:.*))"$'


def structured_data(data: pl.Series, msgid: pl.Series) -> pl.Series:
    """``{"msgid": "ID47", "structured_data": {"id@1": {"name": "value"}}}``.

    Args:
        data: structured data as they stand in the line, null mostly.
        msgid: message ids, as many.

    Returns:
        String; null where there is neither; only what is there is named.
    """
    rows = data.len()
    if data.null_count() == rows and msgid.null_count() == rows:
        return pl.Series([None], dtype=pl.String()).new_from_index(0, rows)
    frame = pl.DataFrame({"msgid": msgid, "structured_data": _elements(data)})
    return columns_to_json(frame, encoded=["structured_data"])


def _elements(data: pl.Series) -> pl.Series:
    """A JSON object for each text, one member for each element; null where there is none."""
    rows = data.len()
    there = data.is_not_null()
    elements = pl.DataFrame({ROW: there.arg_true(), "element": data.filter(there).str.extract_all(_ELEMENT)})
    elements = elements.explode("element")
    # Several rows may have the same elements, and one element no parameter at all.
    parameters = pl.DataFrame(
        {ROW: pl.int_range(elements.height, dtype=pl.UInt32, eager=True), "pair": elements["element"]}
    ).with_columns(pl.col("pair").str.extract_all(_PARAMETER))
    pairs = parameters.explode("pair").drop_nulls("pair")
    parts = pairs["pair"].str.extract_groups(_PARTS).struct.rename_fields([KEY, VALUE]).struct.unnest()
    value = pl.col(VALUE).str.replace_all(r'\\(["\\\]])', "$1")
    found = json_objects(parts.with_columns(value, pairs[ROW]), elements.height)
    members = pl.DataFrame(
        {ROW: elements[ROW], KEY: elements["element"].str.extract(r"^\[([^ \]]+)"), VALUE: found.fill_null("{}")}
    )
    return json_objects(members, rows, encoded=True)
