"""Paths and names of actions without what is different each time: numbers, ids, hashes.

Belongs here: Polars expressions and columns over distinct values. Does not belong here: which column is masked
(``keys`` and its neighbours).

``https://shop.example.com/users/4711/orders/0af3…`` → ``/users/{n}/orders/{id}``. What is left is bounded by how a site
is built, not by how many visitors it has; a path that is new is a part of the site that is new.
"""

import polars as pl

from s3sentinel_assets.ml.history.dimensions import encode

__all__ = ["MAX_DEPTH", "masked_words", "path_templates"]

#: Deeper folders count as one.
MAX_DEPTH = 6
_MAX_LENGTH = 120
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: Long runs of word characters are tokens, hashes or the titles of articles.
_LONG = r"[a-z0-9_=+%-]{24,}"


def path_templates(targets: pl.Series) -> pl.Series:
    """Paths, URLs, or host and path → path templates in lower case; "" where there is no path."""
    path = (
        pl.col("value")
        .str.slice(0, 2_000)
        .str.to_lowercase()
        # Without the query, scheme and host.
        .str.splitn("?", 2)
        .struct.field("field_0")
        .str.replace(r"^(?:[^/#]*://)?[^/#]*", "")
        # Plain numbers are most of what differs: without them few distinct paths are left for the rest.
        .str.replace_all(r"/\d+/", "/{n}/")
        .str.replace(r"/\d+$", "/{n}")
    )
    plain = encode(targets.to_frame("value").select(path).to_series())
    masked = (
        pl.col("value")
        .str.replace(r"#.*$", "")
        .str.replace_all(r";[^/]*", "")
        .str.replace_all(r"/{2,}", "/")
        .str.replace_all(_UUID, "{id}")
        .str.replace_all(r"\b[0-9a-f]{8,}\b", "{id}")
        .str.replace_all(_LONG, "{id}")
        .str.replace_all(r"/\d+\b", "/{n}")
        .str.replace_all(r"\d{2,}", "{n}")
    )
    deep = masked.str.extract(rf"^((?:/[^/]*){{{MAX_DEPTH}}})/.", 1)
    whole = pl.when(deep.is_not_null()).then(deep + "/…").otherwise(masked).str.slice(0, _MAX_LENGTH)
    return plain.values.to_frame("value").select(whole).to_series()[plain.codes]


def masked_words(values: pl.Series) -> pl.Series:
    """Names of actions without ids and long numbers; short numbers (ports, codes) stay; null stays null."""
    masked = (
        pl.col("value")
        .str.slice(0, 500)
        .str.replace_all(rf"(?i){_UUID}", "{id}")
        .str.replace_all(r"(?i)\b[0-9a-f]{12,}\b", "{id}")
        .str.replace_all(r"\d{6,}", "{n}")
    )
    return values.to_frame("value").select(masked.str.slice(0, _MAX_LENGTH)).to_series()
