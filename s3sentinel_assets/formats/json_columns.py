"""Turning lists of decoded structs into Polars columns.

Belongs here: the struct → columns step, driven by the struct's own field types. Does not belong here: naming columns
after a table or computing anything.
"""

import functools
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_typed import plan_of

__all__ = ["collector_paused", "columns_of", "null_raw", "raw_fields_are_utf8"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Stops the cycle collector meanwhile: it would walk every decoded record again and again, in vain."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _raw_column(name: str, values: Sequence[msgspec.Raw]) -> pl.Series:
    """Raw JSON texts; an absent value is the text ``null``, as JSON's own is.

    Raises:
        polars.exceptions.PolarsError: a text is not UTF-8.
    """
    return pl.Series(name, list(map(bytes, values)), dtype=pl.Binary).cast(pl.String)


@functools.cache
def _nothing(kind: type[msgspec.Struct]) -> msgspec.Struct:
    return kind()


def columns_of(kind: type[msgspec.Struct], structs: Sequence[Any], prefix: str = "") -> dict[str, pl.Series]:
    """The fields of ``structs`` as columns named ``prefix + field``, nested ones joined by dots.

    The structs are of type ``kind`` or derived from it; fields that a derived type adds are left out.

    A raw field that is absent or JSON null becomes the text ``null``: `null_raw` mends that for a whole frame at once.

    Raises:
        polars.exceptions.PolarsError: a raw field's text is not UTF-8.
    """
    found: dict[str, pl.Series] = {}
    columns = zip(*map(msgspec.structs.astuple, structs), strict=True)
    for (field, inner), values in zip(plan_of(kind), columns, strict=False):
        name = prefix + field
        if inner is msgspec.Raw:
            found[name] = _raw_column(name, values)
        elif issubclass(inner, msgspec.Struct):
            nothing = _nothing(inner)
            found |= columns_of(inner, [value or nothing for value in values], f"{name}.")
        else:
            found[name] = pl.Series(name, values, dtype=pl.Boolean if inner is bool else pl.String)
    return found


def null_raw(kind: type[msgspec.Struct], prefix: str = "") -> list[pl.Expr]:
    """Expressions that turn the text ``null`` in the raw columns of `columns_of` into null."""
    found: list[pl.Expr] = []
    for field, inner in plan_of(kind):
        column = pl.col(prefix + field)
        if inner is msgspec.Raw:
            found.append(pl.when(column != "null").then(column).alias(prefix + field))
        elif issubclass(inner, msgspec.Struct):
            found += null_raw(inner, f"{prefix}{field}.")
    return found


def raw_fields_are_utf8(kind: type[msgspec.Struct], value: msgspec.Struct) -> bool:
    """Whether `columns_of` can take the raw fields of ``value``; decoding does not look into them."""
    for field, inner in plan_of(kind):
        held = getattr(value, field)
        if inner is msgspec.Raw:
            try:
                bytes(held).decode()
            except UnicodeDecodeError:
                return False
        elif held is not None and issubclass(inner, msgspec.Struct) and not raw_fields_are_utf8(inner, held):
            return False
    return True
