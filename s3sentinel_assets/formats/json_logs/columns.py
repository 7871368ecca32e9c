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

from s3sentinel_assets.formats.json_logs.typed import INT64, NULL, plan_of

__all__ = [
    "UNFIT_ERRORS",
    "collector_paused",
    "columns_of",
    "fits_columns",
    "null_raw",
    "raw_column",
    "raw_fields_are_utf8",
]


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


_DTYPES: dict[type, pl.DataType] = {str: pl.String(), bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}
#: What `columns_of` raises when a value does not fit: text that is not UTF-8, a number of more than 64 bits.
UNFIT_ERRORS = (pl.exceptions.PolarsError, TypeError, OverflowError)


def raw_column(name: str, values: Sequence[msgspec.Raw]) -> pl.Series:
    """Raw JSON texts; an absent value is the text ``null``, as JSON's own is.

    Raises:
        polars.exceptions.PolarsError: a text is not UTF-8.
    """
    if values[0] == values[-1] == NULL and values.count(NULL) == len(values):
        return _nulls(name, len(values))
    return pl.Series(name, list(map(bytes, values)), dtype=pl.Binary).cast(pl.String)


def _nulls(name: str, count: int) -> pl.Series:
    return pl.Series(name, ["null"], dtype=pl.String).new_from_index(0, count)


@functools.cache
def _nothing(kind: type[msgspec.Struct]) -> msgspec.Struct:
    return kind()


def columns_of(kind: type[msgspec.Struct], structs: Sequence[Any], prefix: str = "") -> dict[str, pl.Series]:
    """The fields of ``structs`` as columns named ``prefix + field``, nested ones joined by dots.

    The structs are of type ``kind`` or derived from it; fields that a derived type adds are left out.

    A raw field that is absent or JSON null becomes the text ``null``: `null_raw` mends that for a whole frame at once.

    Raises:
        UNFIT_ERRORS: a raw field's text is not UTF-8, or a whole number has more than 64 bits.
    """
    found: dict[str, pl.Series] = {}
    columns = zip(*map(msgspec.structs.astuple, structs), strict=True)
    for (_, field, inner), values in zip(plan_of(kind), columns, strict=False):
        name = prefix + field
        if inner is msgspec.Raw:
            found[name] = raw_column(name, values)
        elif issubclass(inner, msgspec.Struct):
            nothing = _nothing(inner)
            if values[0] is values[-1] is None and values.count(None) == len(values):
                one = columns_of(inner, [nothing], f"{name}.")
                found |= {path: column.new_from_index(0, len(values)) for path, column in one.items()}
            else:
                found |= columns_of(inner, [value or nothing for value in values], f"{name}.")
        elif values[0] is values[-1] is None and values.count(None) == len(values):
            found[name] = pl.Series(name, [None], dtype=_DTYPES[inner]).new_from_index(0, len(values))
        else:
            found[name] = pl.Series(name, values, dtype=_DTYPES[inner])
    return found


def null_raw(kind: type[msgspec.Struct], prefix: str = "") -> list[pl.Expr]:
    """Expressions that turn the text ``null`` in the raw columns of `columns_of` into null."""
    found: list[pl.Expr] = []
    for _, field, inner in plan_of(kind):
        column = pl.col(prefix + field)
        if inner is msgspec.Raw:
            found.append(pl.when(column != "null").then(column).alias(prefix + field))
        elif issubclass(inner, msgspec.Struct):
            found += null_raw(inner, f"{prefix}{field}.")
    return found


def raw_fields_are_utf8(kind: type[msgspec.Struct], value: msgspec.Struct) -> bool:
    """Whether `columns_of` can take the raw fields of ``value``; decoding does not look into them."""
    for attribute, _, inner in plan_of(kind):
        held = getattr(value, attribute)
        if inner is msgspec.Raw:
            try:
                bytes(held).decode()
            except UnicodeDecodeError:
                return False
        elif held is not None and issubclass(inner, msgspec.Struct) and not raw_fields_are_utf8(inner, held):
            return False
    return True


def fits_columns(kind: type[msgspec.Struct], value: msgspec.Struct) -> bool:
    """Whether `columns_of` can take ``value``: its raw fields are UTF-8, its whole numbers have 64 bits."""
    return raw_fields_are_utf8(kind, value) and _numbers_fit(kind, value)


def _numbers_fit(kind: type[msgspec.Struct], value: msgspec.Struct) -> bool:
    for attribute, _, inner in plan_of(kind):
        held = getattr(value, attribute)
        if held is None:
            continue
        if inner is int and held not in INT64:
            return False
        if issubclass(inner, msgspec.Struct) and not _numbers_fit(inner, held):
            return False
    return True
