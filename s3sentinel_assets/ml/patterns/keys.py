"""The names of the members of JSON objects, without decoding every one of them.

Belongs here: texts of JSON objects → their sorted top-level names. Does not belong here: which column holds such texts
(``recipes``).

Values are wiped first, by one expression over the whole column. What is left of millions of calls are a few hundred
different skeletons, and only those are taken apart. A name that ends with a colon is read wrongly; no API has one.
"""

import polars as pl

__all__ = ["KEYS_KEPT", "member_names"]

#: More members than this are data used as names; the rest is shown as ``…``.
KEYS_KEPT = 32
_STRING = r'"(?:[^"\\]|\\.)*"'
# A string with a colon behind it is a name and stays; other strings, numbers and words are values and go.
_VALUES = rf"({_STRING}\s*:)|{_STRING}|[-+.0-9A-Za-z]+|\s+"
# The same for values behind a colon only, ten times as fast because nothing is captured: done first, over all texts.
_MOST_VALUES = rf":\s*(?:{_STRING}|[-0-9tfn][-+.0-9A-Za-z]*)"
_INNERMOST = r"\{[^{}\[\]]*\}|\[[^{}\[\]]*\]"
_DEEPEST = 32
# Members that every record of a Zeek log has say nothing of its kind.
_PLUMBING = r"^(?:id\..*|ts|uid)$"
# Names that are ids, addresses or sentences: long ones, ones with several digits or with signs of ARNs and paths.
_DATA_LIKE = r"\d{3,}|[0-9a-fA-F-]{12,}|[:/@\s]|.{41,}"


def member_names(texts: pl.Series) -> pl.Series:
    """``{bucketName, key}`` for each JSON object; null for null, ``{?}`` for what is no JSON object.

    Args:
        texts: JSON texts.

    Returns:
        String, shape (n,). Names that must be data are shown as ``<*>``, once.
    """
    most = texts.str.replace_all(_MOST_VALUES, ":").rename("most")
    each = most.unique(maintain_order=True).drop_nulls().to_frame()
    each = each.with_columns(wiped=pl.col("most").str.replace_all(_VALUES, "${1}"))
    distinct = each.select("wiped").unique(maintain_order=True)
    if distinct.is_empty():
        return most.rename("names")
    inner = distinct["wiped"].str.replace(r"^\{", "").str.replace(r"\}$", "")
    whole = distinct["wiped"].str.starts_with("{") & distinct["wiped"].str.ends_with("}")
    for _ in range(_DEEPEST):
        if not inner.str.contains(r"[\[{]").any():
            break
        inner = inner.str.replace_all(_INNERMOST, "")
    names = (
        inner.to_frame("inner")
        .select(
            pl.col("inner")
            .str.extract_all(rf"{_STRING}\s*:")
            .list.eval(pl.element().str.replace(r'^"', "").str.replace(r'"\s*:$', "").alias("name"))
            .list.eval(pl.when(pl.element().str.contains(_DATA_LIKE)).then(pl.lit("<*>")).otherwise(pl.element()))
            .list.eval(pl.element().filter(~pl.element().str.contains(_PLUMBING)))
            .list.unique()
            .list.sort()
        )
        .to_series()
    )
    shown = pl.DataFrame({"wiped": distinct["wiped"], "names": names, "whole": whole}).select(
        "wiped",
        pl.when("whole")
        .then(
            pl.concat_str(
                pl.lit("{"),
                pl.col("names").list.head(KEYS_KEPT).list.join(", "),
                pl.when(pl.col("names").list.len() > KEYS_KEPT).then(pl.lit(", …")).otherwise(pl.lit("")),
                pl.lit("}"),
            )
        )
        .otherwise(pl.lit("{?}"))
        .alias("names"),
    )
    by_text = each.join(shown, on="wiped", how="left").select("most", "names")
    return most.to_frame().join(by_text, on="most", how="left", maintain_order="left")["names"]
