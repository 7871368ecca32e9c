"""What the state keeps for some families beyond what all have: sites, spread, failures, domains; and how much at most.

Belongs here: counts of one hour, made from those of owners and items, and the bounds on distinct items. Does not belong
here: the advance of the state (``update``), which factors a family has (``families``).

Everything is sums of whole numbers, and bounds keep the most frequent items, ties in the order of names: nothing
depends on the order of rows.
"""

import polars as pl

from s3sentinel_assets.ml.history.dimensions import SEPARATOR
from s3sentinel_assets.ml.history.families import Family
from s3sentinel_assets.ml.history.items import DENSITY_ALL
from s3sentinel_assets.ml.history.keys import Events
from s3sentinel_assets.ml.history.state import EntityState
from s3sentinel_assets.ml.parameters import Parameters

__all__ = [
    "MANY_NAMES",
    "NAMES",
    "count_more",
    "domain_habits",
    "owner_habits",
    "site_counts",
    "with_density_total",
    "within_hourly_bounds",
    "within_owner_bounds",
]

#: Counts of distinct names an owner asked for, by domain.
NAMES = "names"
#: Fewer names below a domain in an hour are not worth a key: every site has a handful.
MANY_NAMES = 8
_UNITS = 1 << 16
#: Tables whose keys begin with a site: the others begin with an account and a principal.
_SITE = "site/"


def count_more(events: Events) -> dict[str, pl.DataFrame]:
    """Whole counts of one batch, beside those of owner and factor.

    Returns:
        ``site/<factor>`` (principal, site, item, count), the family's spread (principal, item, count) and `NAMES`
        (principal, domain, item, count).
    """
    wanted: dict[str, tuple[str, ...]] = {
        f"{_SITE}{factor}": ("principal", "site", factor) for factor in events.family.site_factors
    }
    if events.family.spread:
        wanted[events.family.spread] = ("principal", events.family.spread)
    if events.family.name == "dns":
        wanted[NAMES] = ("principal", "domain", "fqdn")
    counted = {}
    for name, dimensions in wanted.items():
        if events.absent(dimensions[-1]):
            continue
        groups = events.home(*dimensions)
        sums = pl.DataFrame({each: groups[each].codes for each in dimensions} | {"count": groups.counts})
        sums = sums.group_by(dimensions).agg(pl.col("count").sum())
        text = {each: groups[each].values[sums[each]] for each in dimensions}
        frame = pl.DataFrame(text | {"count": sums["count"]}).filter(pl.col(dimensions[-1]) != "")
        counted[name] = frame.rename({dimensions[-1]: "item"})
    return counted


def within_hourly_bounds(counts: dict[str, pl.DataFrame], family: Family) -> dict[str, pl.DataFrame]:
    """The counts of an hour with at most so many distinct items of each owner, and of each site."""
    if family.hourly_items is None:
        return counts
    bounded = {}
    for name, frame in counts.items():
        kept = frame
        if name not in (family.spread, NAMES):
            kept = _most_frequent(frame, "principal", family.hourly_items)
        if name.startswith(_SITE):
            kept = _most_frequent(kept, "site", family.site_items // 10)
        bounded[name] = kept
    return bounded


def _most_frequent(frame: pl.DataFrame, owner: str, most: int) -> pl.DataFrame:
    """The rows of the most frequent items of each owner."""
    sizes = frame.group_by(owner).agg(pl.col("item").n_unique())
    full = sizes.filter(pl.col("item") > most).select(owner)
    if not full.height:
        return frame
    items = (
        frame.join(full, on=owner, how="semi")
        .group_by(owner, "item")
        .agg(pl.col("count").sum())
        .sort(owner, "count", "item", descending=[False, True, False])
        .filter(pl.int_range(pl.len()).over(owner) < most)
    )
    rest = frame.join(full, on=owner, how="anti")
    return pl.concat([rest, frame.join(items.select(owner, "item"), on=[owner, "item"], how="semi")])


def within_owner_bounds(stored: pl.DataFrame, left: pl.Series, family: Family) -> pl.Series:
    """Boolean per row of a state: whether it is among those of its owner, or site, of which most is left."""
    table, key = pl.col("table"), pl.col("key")
    own = table.str.starts_with("principal/")
    site = table.str.starts_with(_SITE) | table.is_in(["peer/action", "domain"])
    pieces = key.str.splitn(SEPARATOR, 3).struct
    owner = pl.when(own).then(pl.concat_str(pieces.field("field_0"), pieces.field("field_1"), separator=SEPARATOR))
    numbered = stored.select("table", "key").with_columns(left.alias("left")).with_row_index("row")
    limited = (
        numbered.filter(own | site)
        .with_columns(owner=owner.otherwise(pieces.field("field_0")))
        .with_columns(most=pl.when(own).then(family.owner_items).otherwise(family.site_items))
        .filter(pl.len().over("table", "owner") > pl.col("most"))
    )
    gone = limited.sort("table", "owner", "left", "key", descending=[False, False, True, False]).filter(
        pl.int_range(pl.len()).over("table", "owner") >= pl.col("most")
    )
    kept = pl.Series([True]).new_from_index(0, stored.height)
    return kept.scatter(gone["row"], False) if gone.height else kept


def with_density_total(densities: pl.DataFrame) -> pl.DataFrame:
    """Each density, and once more the sum of its direction."""
    total = densities.with_columns(item=pl.concat_str(pl.col("item").str.head(-2), pl.lit(DENSITY_ALL)))
    return pl.concat([densities, total])


def owner_habits(capped: dict[str, pl.DataFrame], principals: pl.Series, family: Family) -> list[pl.DataFrame]:
    """Statistics of each of ``principals``: ``errors`` (units), ``log_spread`` (log2 of 1 + distinct items)."""
    habits = []
    if family.error_ratio and "error" in capped:
        habits.append(capped["error"].group_by("principal").agg(pl.col("units").sum().alias("errors")))
    if family.spread in capped:
        distinct = capped[family.spread].group_by("principal").agg(pl.col("item").n_unique().alias("log_spread"))
        every = principals.to_frame("principal").join(distinct, on="principal", how="left")
        habits.append(every.with_columns(_log(pl.col("log_spread").fill_null(0))))
    return habits


def _log(count: pl.Expr) -> pl.Expr:
    return ((count + 1).cast(pl.Float64).log(2.0) * _UNITS).round().cast(pl.Int64)


def site_counts(
    capped: dict[str, pl.DataFrame], previous: EntityState, decay: float, parameters: Parameters, family: Family
) -> list[pl.DataFrame]:
    """Frames of table, key, units: ``site/<factor>``, and the table ``site`` with statistics of each site.

    ``events``; and once a site is warm, as for owners, ``trials`` and ``new <factor>``.
    """
    tables, news = [], []
    by_site = _site_events(capped, family)
    history = previous.history(
        "site", by_site["site"] + SEPARATOR + "events", decay=decay, drop_below=parameters.drop_below
    )
    warm = by_site.filter(history >= parameters.warm_events)
    for factor in family.site_factors:
        frame = capped.get(f"{_SITE}{factor}")
        if frame is None or not frame.height:
            continue
        table = frame.group_by("site", "item").agg(pl.col("units").sum())
        keys = pl.concat_str("site", "item", separator=SEPARATOR)
        named = table.select("site", "units", key=keys)
        tables.append(named.select(pl.lit(f"{_SITE}{factor}").alias("table"), "key", "units"))
        known = previous.history(f"{_SITE}{factor}", named["key"], decay=decay, drop_below=parameters.drop_below)
        new = named.filter(known == 0.0).group_by("site").agg(pl.len().cast(pl.Int64) * _UNITS)
        news.append(new.rename({"len": f"new {factor}"}).join(warm, on="site", how="semi"))
    statistics = [by_site.rename({"units": "events"}), warm.rename({"units": "trials"}), *news]
    rows = pl.concat([frame.unpivot(index="site", variable_name="name", value_name="units") for frame in statistics])
    tables.append(
        rows.select(
            pl.lit("site").alias("table"), pl.concat_str("site", "name", separator=SEPARATOR).alias("key"), "units"
        )
    )
    return tables


def _site_events(capped: dict[str, pl.DataFrame], family: Family) -> pl.DataFrame:
    """site, units: the events of each."""
    actions = capped["action"]
    site = pl.col("peer") if family.site == "peer" else pl.col("principal").str.split(SEPARATOR).list.first()
    return actions.group_by(site.alias("site")).agg(pl.col("units").sum())


def domain_habits(names: pl.DataFrame) -> pl.DataFrame:
    """table, key, units: ``domain``: how many names below it an owner asks for in an hour, where they are many.

    Keys: account, domain and ``hours`` (of owners) or ``log_names`` (log2 of 1 + names, summed over them).
    """
    account = pl.col("principal").str.split(SEPARATOR).list.first()
    hours = (
        names.group_by("principal", "domain")
        .agg(pl.col("item").n_unique().alias("names"))
        .filter(pl.col("names") >= MANY_NAMES)
        .select("domain", account=account, hours=pl.lit(_UNITS, dtype=pl.Int64), log_names=_log(pl.col("names")))
        .group_by("account", "domain")
        .agg(pl.col("hours", "log_names").sum())
    )
    rows = hours.unpivot(index=["account", "domain"], variable_name="name", value_name="units")
    return rows.select(
        pl.lit("domain").alias("table"),
        pl.concat_str("account", "domain", "name", separator=SEPARATOR).alias("key"),
        "units",
    )
