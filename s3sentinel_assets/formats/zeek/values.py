r"""Values as Zeek's tab-separated logs write them → what they stand for.

Source: Zeek, "Zeek Log Formats and Inspection" (docs.zeek.org/en/master/log-formats.html) and the options of
``LogAscii``: ``#set_separator``, ``#empty_field``, ``#unset_field``; bytes that are no text, and separators within a
value, are written as ``\xNN``.

Belongs here: escapes, truth values, sets and vectors, column-wise. Does not belong here: lines and headers (``zeek``).
"""

import re
from collections.abc import Sequence

import msgspec
import polars as pl

from s3sentinel_assets.formats.line_logs.pairs import json_text

__all__ = ["as_json", "as_value", "is_list", "unescaped"]

_ESCAPE = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_NUMBER = r"^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$"
_WHOLE_NUMBER = re.compile(_NUMBER)
_NUMERIC = {"count", "int", "double", "port", "interval", "time"}
#: Types whose values have neither escapes nor a mark for emptiness.
_BARE = _NUMERIC | {"addr", "subnet", "enum"}
_TRUTHS = {"T": "true", "F": "false"}


def is_list(kind: str) -> bool:
    """Whether a type of Zeek's is a set, a vector or the like."""
    return "[" in kind or kind in ("set", "vector", "table")


def unescaped(texts: pl.Series) -> pl.Series:
    r"""Texts with their ``\xNN`` read; what would not be UTF-8 stays as it is written."""
    escaped = texts.str.contains("\\x", literal=True).fill_null(value=False)
    if not escaped.any():
        return texts
    places = escaped.arg_true()
    return texts.scatter(places, [_read(text) for text in texts.gather(places)])


def _read(text: str) -> str:
    try:
        return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text.encode()).decode()
    except UnicodeDecodeError:
        return text


def as_value(texts: pl.Series, kind: str, *, set_separator: str, empty: str, unset: str) -> pl.Series:
    """A column for a mapping: truth values as ``true`` and ``false``, lists as JSON, anything else as text."""
    if kind == "bool":
        return texts.replace(_TRUTHS)
    if is_list(kind):
        return _lists(texts, _inner(kind), set_separator, empty, unset)
    if kind in _BARE:
        return texts
    plain = unescaped(texts)
    nothing = texts == empty
    return plain.set(nothing.fill_null(value=False), "") if nothing.any() else plain


def as_json(texts: pl.Series, kind: str, *, set_separator: str, empty: str, unset: str) -> pl.Series:
    """The same as JSON texts; null stays null."""
    value = as_value(texts, kind, set_separator=set_separator, empty=empty, unset=unset)
    if is_list(kind):
        return value
    frame = value.alias("value").to_frame()
    text = json_text(frame, "value")
    if kind == "bool":
        plain = pl.col("value").is_in(["true", "false"])
    elif kind in _NUMERIC:
        plain = pl.col("value").str.contains(_NUMBER)
    else:
        return frame.select(text.alias(texts.name)).to_series()
    return frame.select(pl.when(plain).then("value").otherwise(text).alias(texts.name)).to_series()


def _inner(kind: str) -> str:
    return kind[kind.find("[") + 1 :].rstrip("]") if "[" in kind else "string"


def _lists(texts: pl.Series, inner: str, separator: str, empty: str, unset: str) -> pl.Series:
    """Sets and vectors as JSON; each distinct one is cut once, as most are the same few."""
    distinct = texts.unique().drop_nulls()
    made = pl.Series([_list(text, inner, separator, empty, unset) for text in distinct], dtype=pl.String)
    return texts.replace_strict(distinct, made, default=None, return_dtype=pl.String)


def _list(text: str, inner: str, separator: str, empty: str, unset: str) -> str:
    if text == empty:
        return "[]"
    return msgspec.json.encode([_element(item, inner, unset) for item in _cut(text, separator)]).decode()


def _cut(text: str, separator: str) -> Sequence[str]:
    return text.split(separator) if separator else [text]


def _element(text: str, inner: str, unset: str) -> str | bool | msgspec.Raw | None:
    if text == unset:
        return None
    if inner == "bool" and text in _TRUTHS:
        return text == "T"
    if inner in _NUMERIC and _WHOLE_NUMBER.fullmatch(text):
        return msgspec.Raw(text.encode())
    return _read(text)
