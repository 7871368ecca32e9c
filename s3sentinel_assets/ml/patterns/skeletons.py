"""Skeletons: what is left of an event when its values are masked. Events with equal skeletons are of one kind.

Belongs here: rows → few distinct skeletons and which of them each row has. Does not belong here: which skeletons are
one template (``mining``, ``matching``).

A skeleton is a *head* of constants and a *body* of text. Everything is computed once for each distinct combination of
inputs, and ids once for each distinct skeleton.
"""

import hashlib
from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.patterns.keys import member_names
from s3sentinel_assets.ml.patterns.masks import TOKENS, mask_paths, mask_texts
from s3sentinel_assets.ml.patterns.recipes import Recipe, recipe_of

__all__ = ["ID_CHARACTERS", "SEPARATOR", "Skeletons", "needed_columns", "pattern_id", "printable", "skeletons"]

ID_CHARACTERS = 12
#: Between the constants of a head; an absent one is ``-``.
SEPARATOR = " | "
_VALUE_CHARACTERS = 100
# JSON in a text column counts by its members, and by the words of the member that says what happened.
_SAYING = r'"(?:message|msg|Message|event|eventName|eventType|log|error)"\s*:\s*"((?:[^"\\]|\\.)*)"'


@dataclass(frozen=True)
class Skeletons:
    """The skeletons of some rows.

    Attributes:
        codes: UInt32, shape (rows,): place of each row's skeleton in ``distinct``.
        distinct: ``head``, ``body`` (empty where there is no text) and ``pattern``, the provisional id.
    """

    codes: pl.Series
    distinct: pl.DataFrame


def needed_columns(log_format: str, table: str, columns: list[str]) -> tuple[list[str], list[str]]:
    """The columns of rows, and those of the entity view, that `skeletons` reads.

    Args:
        log_format: the rows' format.
        table: their table.
        columns: the columns that the rows have.
    """
    recipe = recipe_of(log_format, table)
    if recipe.filled:
        return [name for name in columns if _counted(name)], list(recipe.entities)
    wanted = (*recipe.values, *recipe.classes, *recipe.keys, *recipe.texts, *recipe.path)
    return [name for name in columns if name in wanted], list(recipe.entities)


def pattern_id(log_format: str, head: str, body: str) -> str:
    """The id of a skeleton or template: 12 hex characters of a SHA-256."""
    text = "\x1f".join((log_format, head, body))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_CHARACTERS]


def printable(head: str, body: str, *, path: bool = False) -> str:
    """Head and body as people read them."""
    if path:
        body = body.replace(" /", "/").replace(" <*>", "/<*>")
    return f"{head}: {body}" if head and body else head or body


def skeletons(rows: pl.DataFrame, entities: pl.DataFrame, log_format: str, table: str) -> Skeletons:
    """The skeletons of rows of one format in one table.

    Args:
        rows: the columns that `needed_columns` names; others are not looked at.
        entities: row-aligned, the entity columns it names.
        log_format: the rows' format.
        table: their table.
    """
    recipe = recipe_of(log_format, table)
    inputs, codes = _distinct(_inputs(rows, entities, recipe))
    masked = pl.DataFrame({"head": _head(inputs, recipe), "body": _body(inputs)})
    kinds, places = _distinct(masked)
    ids = [pattern_id(log_format, head, body) for head, body in kinds.iter_rows()]
    return Skeletons(places.gather(codes), kinds.with_columns(pl.Series("pattern", ids, dtype=pl.String)))


def _counted(name: str) -> bool:
    return not name.startswith("_") and not name.endswith("_CF") and name != "TimeGenerated"


def _inputs(rows: pl.DataFrame, entities: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """The inputs of each row, as texts."""
    columns = [
        entities[name].cast(pl.String).alias(f"e:{name}") for name in recipe.entities if name in entities.columns
    ]
    for group in (recipe.values, recipe.classes, recipe.keys):
        columns += [rows[name].cast(pl.String) for name in group if name in rows.columns]
    for name, group in (("text", recipe.texts), ("path", recipe.path)):
        having = [pl.col(column).cast(pl.String) for column in group if column in rows.columns]
        if having:
            filled = pl.coalesce(pl.when(column != "").then(column) for column in having)
            columns.append(rows.select(filled.alias(f"{name}:")).to_series())
    if recipe.filled:
        names = sorted(name for name in rows.columns if _counted(name))
        marks = [pl.when(pl.col(name).is_not_null()).then(pl.lit(name)) for name in names]
        shown = pl.concat_str(marks, separator=", ", ignore_nulls=True) if marks else pl.lit("")
        columns.append(rows.select(shown.alias("filled:")).to_series())
    return (
        pl.DataFrame(columns)
        if columns
        else pl.DataFrame({"none": pl.Series([""], dtype=pl.String)}).select(
            pl.col("none").repeat_by(rows.height).explode()
        )
    )


def _distinct(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The distinct rows, in order of appearance, and the place of each row among them (UInt32)."""
    if frame.is_empty():
        return frame, pl.Series("code", [], dtype=pl.UInt32)
    numbered = frame.with_row_index("row")
    names = frame.columns
    first = numbered.group_by(names, maintain_order=True).agg(pl.col("row"))
    codes = first.select(pl.col("row"), code=pl.int_range(pl.len(), dtype=pl.UInt32)).explode("row").sort("row")["code"]
    return first.select(names), codes


def _head(inputs: pl.DataFrame, recipe: Recipe) -> pl.Series:
    def shown(value: pl.Expr) -> pl.Expr:
        return value.fill_null("-").str.slice(0, _VALUE_CHARACTERS).str.replace_all(r"\s+", " ")

    parts = [shown(pl.col(f"e:{name}")) for name in recipe.entities if f"e:{name}" in inputs.columns]
    parts += [shown(pl.col(name)) for name in recipe.values if name in inputs.columns]
    for name in recipe.classes:
        if name in inputs.columns:
            digit = pl.col(name).str.extract(r"^\s*([1-5])\d\d\b", 1)
            parts.append((digit + "xx").fill_null("-"))
    for name in recipe.keys:
        if name in inputs.columns:
            parts.append(pl.lit(member_names(inputs[name])).fill_null("-"))
    if recipe.filled:
        parts.append(pl.concat_str(pl.lit("["), pl.col("filled:"), pl.lit("]")))
    if not parts:
        return pl.Series("head", [""], dtype=pl.String).new_from_index(0, inputs.height)
    return inputs.select(pl.concat_str(parts, separator=SEPARATOR).alias("head")).to_series()


def _body(inputs: pl.DataFrame) -> pl.Series:
    empty = pl.Series("body", [""], dtype=pl.String).new_from_index(0, inputs.height)
    if "path:" in inputs.columns:
        return mask_paths(inputs["path:"]).fill_null("-")
    if "text:" not in inputs.columns:
        return empty
    texts = inputs["text:"]
    masked = mask_texts(texts)
    is_json = texts.str.starts_with("{") & texts.str.strip_chars_end().str.ends_with("}")
    where = is_json.fill_null(value=False).arg_true()
    if where.len():
        json = texts.gather(where)
        said = mask_texts(json.str.extract(_SAYING, 1))
        names = member_names(json)
        new = pl.DataFrame({"names": names, "said": said}).select(
            pl.concat_str(
                pl.col("names").str.replace_all(", ", ",", literal=True), "said", separator=" ", ignore_nulls=True
            )
        )
        masked = masked.scatter(where, new.to_series())
    tokens = masked.fill_null("-").str.split(" ")
    return tokens.list.head(TOKENS).list.join(" ")
