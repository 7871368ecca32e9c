"""Values that do not fit their column: null, and told. Nothing that does not fit goes unsaid."""

from datetime import UTC, datetime

import polars as pl
import pytest

from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, field, to_frames

TABLE = "CommonSecurityLog"
COLUMNS = {"int": "SourcePort", "real": "DeviceCustomFloatingPoint1"}


def fitted(kind: str, value: object) -> tuple[object, str | None]:
    """What ``value`` becomes in a column of this kind, and what is said of it."""
    column = COLUMNS[kind]
    mapping = TableMapping(TABLE, {column: field("x")}, {"principal": constant("p")})
    raw = pl.DataFrame(
        [
            pl.Series("x", [value]),
            pl.Series(TIME, [datetime(2026, 1, 1, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC")),
            pl.Series("_object", [0], dtype=pl.Int64),
            pl.Series("_ordinal", [0], dtype=pl.Int64),
            pl.Series("_flags", [None], dtype=pl.String),
        ]
    )
    (frame,) = to_frames("cef", [mapping], raw, {0: "0" * 16})
    row = frame.rows.row(0, named=True)
    return row[column], row["_flags"]


@pytest.mark.parametrize(
    ("kind", "value", "made", "told"),
    [
        ("int", "443", 443, None),
        ("int", "4294967296", None, "SourcePort_overflow=4294967296"),
        ("int", "abc", None, "bad_SourcePort=abc"),
        ("int", 2**31 - 1, 2**31 - 1, None),
        ("int", 2**31, None, "SourcePort_overflow=2147483648"),
        ("int", 443.0, 443, None),
        ("int", 443.5, None, "bad_SourcePort=443.5"),
        ("int", float("nan"), None, "bad_SourcePort=NaN"),
        ("real", "0.25", 0.25, None),
        ("real", 0.25, 0.25, None),
        ("real", "NaN", None, "bad_DeviceCustomFloatingPoint1=NaN"),
        ("real", "inf", None, "bad_DeviceCustomFloatingPoint1=inf"),
        ("real", "1e400", None, "bad_DeviceCustomFloatingPoint1=1e400"),
        ("real", float("-inf"), None, "bad_DeviceCustomFloatingPoint1=-inf"),
        ("real", None, None, None),
    ],
)
def test_what_does_not_fit_is_null_and_told(kind, value, made, told):
    assert fitted(kind, value) == (made, told)


def test_a_quoted_value_ends_no_flag():
    assert fitted("int", "1;unscored;bad_X=2") == (None, "bad_SourcePort=1,unscored,bad_X=2")
