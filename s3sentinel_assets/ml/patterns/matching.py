"""Matching: which template of a catalogue each skeleton is of, by joins.

Belongs here: skeletons and a catalogue → ids. Does not belong here: growing the catalogue.
"""

import numpy as np
import polars as pl

from s3sentinel_assets.ml.patterns.catalogue import Catalogue
from s3sentinel_assets.ml.patterns.mining import absorb
from s3sentinel_assets.ml.patterns.tokens import token_table

__all__ = ["match"]


def match(distinct: pl.DataFrame, log_format: str, catalogue: Catalogue | None) -> pl.DataFrame:
    """The patterns of skeletons.

    Args:
        distinct: ``head``, ``body`` and ``pattern`` (the provisional id), as `Skeletons.distinct`.
        log_format: their format.
        catalogue: None: there is none yet.

    Returns:
        Row-aligned: ``pattern`` (the template's id; the provisional one where none fits), ``known``, and ``head`` and
        ``body`` of the template, or of the skeleton itself.
    """
    if catalogue is None or catalogue.templates.is_empty() or distinct.is_empty():
        return distinct.select("pattern", pl.lit(value=False).alias("known"), "head", "body")
    ids = catalogue.resolve(distinct["pattern"])
    templates = catalogue.templates.filter(pl.col("format") == log_format)
    known = ids.is_in(templates["pattern"].implode())
    heads = distinct["head"].filter(~known).unique()
    candidates = templates.filter(pl.col("mined") & pl.col("head").is_in(heads.implode()))
    if candidates.height:
        where = (~known).arg_true()
        found = _fitting(distinct[where], candidates)
        fits = found.is_not_null()
        ids = ids.scatter(where.filter(fits), found.filter(fits))
        known = known.scatter(where.filter(fits), True)
    own = distinct.select(pl.lit(ids).alias("pattern"), pl.lit(known).alias("known"), "head", "body")
    named = own.join(templates.select("pattern", template="body"), on="pattern", how="left", maintain_order="left")
    return named.select("pattern", "known", "head", body=pl.when("known").then("template").otherwise("body"))


def _fitting(skeletons: pl.DataFrame, templates: pl.DataFrame) -> pl.Series:
    """The id of the template that each skeleton fits; null where none does."""
    both = pl.concat([templates.select("head", "body"), skeletons.select("head", "body")])
    table = token_table(both["head"], both["body"])
    which = np.arange(both.height) < templates.height
    absorb(table, which)
    rows = table.row_hashes(table.cell_hashes())
    order = np.argsort(rows[: templates.height], kind="stable")
    sorted_rows = rows[: templates.height][order]
    wanted = rows[templates.height :]
    place = np.searchsorted(sorted_rows, wanted).clip(max=templates.height - 1)
    hit = sorted_rows[place] == wanted
    ids = templates["pattern"].gather(pl.Series(order[place]))
    return pl.select(pl.when(pl.lit(pl.Series(hit))).then(pl.lit(ids))).to_series()
