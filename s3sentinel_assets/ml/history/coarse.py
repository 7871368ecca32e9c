"""Columns made coarser before events are grouped: owners, clients, paths, names of actions.

Belongs here: what each family merges, distinct value by distinct value. Does not belong here: groups and keys made of
them (``keys``), the forms themselves (``normalise``, ``templates``).
"""

import polars as pl

from s3sentinel_assets.ml.history.dimensions import Dimension, collapse
from s3sentinel_assets.ml.history.families import Family
from s3sentinel_assets.ml.history.normalise import agent_family, is_private, networks
from s3sentinel_assets.ml.history.templates import masked_words, path_templates

__all__ = ["coarse"]

#: An address and nothing else, perhaps with a port; what `networks` cuts.
_ADDRESS = r"^(?:::ffff:)?\d{1,3}(?:\.\d{1,3}){3}$|^[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*$"


def coarse(raw: dict[str, Dimension], log_format: str, family: Family) -> dict[str, Dimension]:
    """The encoded columns of a batch with the values merged that are counted as one.

    Args:
        raw: by name of the column, null among the values.
        log_format: of the batch.
        family: of the format.
    """
    made = dict(raw)
    if not family.exact:
        made["principal"] = collapse(raw["principal"], owners(raw["principal"].values, family))
    if family.name in ("web", "generic", "findings"):
        made["user_agent"] = collapse(raw["user_agent"], _agents(raw["user_agent"].values))
        if family.name != "web":
            made["action"] = collapse(raw["action"], masked_words(raw["action"].values))
    if family.name == "web":
        if log_format == "s3_access":
            # The requester says nothing about the place: the bucket is the site.
            buckets = raw["target"].values.str.splitn("/", 2).struct.field("field_0")
            made["peer"] = collapse(raw["target"], buckets)
        made["target"] = collapse(raw["target"], path_templates(raw["target"].values))
    if log_format == "route53_public":
        # Queries of a public zone name no account: the zone stands for it.
        made["account"] = raw["peer"]
    return made


def owners(principals: pl.Series, family: Family) -> pl.Series:
    """Principals, with the network of an address in its place where the family asks for it."""
    index = principals.str.contains(_ADDRESS).fill_null(False).arg_true()
    if family.private_exact and index.len():
        index = index.filter(~is_private(principals[index]))
    if not index.len():
        return principals
    return principals.clone().scatter(index, networks(principals[index])["network"])


def _agents(values: pl.Series) -> pl.Series:
    return values.to_frame("value").select(agent_family()).to_series()
