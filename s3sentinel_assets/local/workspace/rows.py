"""From the body of an upload to typed rows, by the rules of the Logs Ingestion API.

Belongs here: JSON → frame, wrong types, unknown columns, long values, the life of ``TimeGenerated``. Does not belong
here: HTTP (``ingestion``) and files (``storage``).

Two ways through: rows that are exactly as the table wants them are decoded and checked in one go; as soon as anything
is unusual, the body is decoded loosely and mended column by column. Both give the same result for good rows.

Types are taken strictly (the service does not document what it does; this is the reading that hides no mistake of a
sender): text in a number column, a fraction in an integer column or a number outside 32 or 64 bits become null. A
string column keeps any value as text. As in Log Analytics a string is never null: what is missing is the empty string.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Optional

import msgspec
import polars as pl

from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.tables import TableSchema
from s3sentinel_assets.tables.types import POLARS_TYPES

__all__ = ["FIELD_LIMIT", "RowReader", "Rows"]

FIELD_LIMIT = 64 * 1024  # bytes of UTF-8
OLDEST = timedelta(days=2)
NEWEST = timedelta(days=1)
AUXILIARY_SPAN = timedelta(minutes=30)
INT, LONG = 2**31, 2**63
TIME_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d",
)
EXACT = {
    "string": str | None,
    "guid": str | None,
    "datetime": str | None,
    "dynamic": Any,
    "bool": bool | None,
    "int": Optional[Annotated[int, msgspec.Meta(ge=-INT, le=INT - 1)]],  # noqa: UP045 - "|" does not take Annotated
    "long": Optional[Annotated[int, msgspec.Meta(ge=-LONG, le=LONG - 1)]],  # noqa: UP045
    "real": float | None,
}


@dataclass
class Rows:
    """What became of one upload.

    Attributes:
        frame: the rows to store: every writable column, plus ``_BilledSize``; instants are UTC without a zone.
        counts: what was changed on the way: ``values_dropped`` (unknown columns), ``values_nulled`` (wrong types),
            ``values_truncated``, ``times_replaced``, ``rows_rejected``.
        problems: sentences for ``DCRLogErrors``.
    """

    frame: pl.DataFrame
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class RowReader:
    """Reads uploads for one table."""

    def __init__(self, table: TableSchema) -> None:
        self._table = table
        self._kinds = table.writable
        fields = [(f"f{i}", EXACT[kind], None) for i, kind in enumerate(self._kinds.values())]
        names = {f"f{i}": name for i, name in enumerate(self._kinds)}
        row = msgspec.defstruct(f"{table.name}Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
        self._exact = msgspec.json.Decoder(list[row])

    def read(self, body: bytes, now: datetime) -> Rows:
        """The rows of ``body`` (a JSON array of objects, UTF-8) as received at ``now`` (aware).

        Raises:
            ApiError: 400; the body is not JSON, or breaks a rule of the Auxiliary plan.
        """
        rows = Rows(pl.DataFrame())
        try:
            records = self._exact.decode(body)
            columns = dict(zip(self._kinds, zip(*map(msgspec.structs.astuple, records), strict=True), strict=False))
        except (msgspec.ValidationError, RecursionError, UnicodeDecodeError):
            columns = self._mend(body, rows)
        except msgspec.DecodeError as error:
            raise _malformed(str(error)) from None
        frame = self._truncate(self._frame(columns), rows)
        rows.frame = self._time(frame, now, rows).with_columns(_billed_size(self._kinds).alias("_BilledSize"))
        return rows

    def _mend(self, body: bytes, rows: Rows) -> dict[str, Sequence[Any]]:
        """Columns of a body that is not exactly as the table wants it."""
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _malformed(str(error)) from None
        except RecursionError:
            raise _malformed("the document is nested too deeply") from None
        if isinstance(document, dict):
            # As the real service does: accepted, and never seen again.
            rows.problems.append(
                "The payload is a JSON object where an array of objects is expected; nothing was ingested."
            )
            _count(rows, "rows_rejected", 1)
            return {}
        if not isinstance(document, list):
            raise _malformed("an array of objects is expected")
        records = [record for record in document if isinstance(record, dict)]
        if len(records) < len(document):
            rejected = len(document) - len(records)
            rows.problems.append(f"{rejected} elements of the payload are not JSON objects and were dropped.")
            _count(rows, "rows_rejected", rejected)
        unknown = {name for record in records for name in record} - self._kinds.keys()
        _count(rows, "values_dropped", sum(name in record for record in records for name in unknown))
        columns: dict[str, Sequence[Any]] = {}
        for name, kind in self._kinds.items():
            values = [record.get(name) for record in records]
            if self._table.plan == "Auxiliary" and kind != "dynamic":
                self._refuse_nested(name, values)
            mended = [MEND[kind](value) for value in values]
            _count(rows, "values_nulled", values.count(None) * -1 + mended.count(None))
            columns[name] = mended
        return columns

    @staticmethod
    def _refuse_nested(name: str, values: list[Any]) -> None:
        if any(isinstance(value, (dict, list)) for value in values):
            raise _malformed(f"nested values are allowed in dynamic columns only, not in '{name}'")

    def _frame(self, columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
        """Typed columns: few Polars calls for all columns together, since each call costs more than a column's work."""
        series = [_raw_series(name, kind, columns.get(name, ())) for name, kind in self._kinds.items()]
        times = [one for one in series if self._kinds[one.name] == "datetime"]
        texts = [name for name, kind in self._kinds.items() if kind in ("string", "guid")]
        frame = pl.DataFrame(series).with_columns(
            *(_instant(pl.col(one.name), TIME_FORMATS[0]) for one in times),
            *(pl.col(name).fill_null("") for name in texts),
        )
        unread = [one for one in times if frame[one.name].null_count() > one.null_count()]
        return frame.with_columns(
            pl.coalesce(pl.col(one.name), *(_instant(pl.lit(one), pattern) for pattern in TIME_FORMATS[1:])).alias(
                one.name
            )
            for one in unread
        )

    def _truncate(self, frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
        """Cuts values over 64 KB, at a character's edge."""
        texts = [name for name, kind in self._kinds.items() if POLARS_TYPES[kind] == pl.String]
        longest = frame.select(pl.col(texts).str.len_bytes().max()).row(0, named=True) if frame.height else {}
        for name, longest_bytes in longest.items():
            if (longest_bytes or 0) > FIELD_LIMIT:
                values = frame[name].to_list()
                cut = [_cut(value) for value in values]
                _count(rows, "values_truncated", sum(a is not b for a, b in zip(values, cut, strict=True)))
                frame = frame.with_columns(pl.Series(name, cut, pl.String))
        return frame

    def _time(self, frame: pl.DataFrame, now: datetime, rows: Rows) -> pl.DataFrame:
        """Replaces a missing, too old or too new ``TimeGenerated`` by the time of receipt."""
        received = now.astimezone(UTC).replace(tzinfo=None)
        times = frame["TimeGenerated"]
        if self._table.plan == "Auxiliary" and times.count():
            first, last = times.min(), times.max()
            if isinstance(first, datetime) and isinstance(last, datetime) and last - first > AUXILIARY_SPAN:
                raise ApiError(
                    400,
                    "RecordsTimeRangeIsMoreThan30Minutes",
                    "The time range of the records in the request must not be more than 30 minutes.",
                )
        kept = times.is_between(received - OLDEST, received + NEWEST).fill_null(value=False)
        _count(rows, "times_replaced", int((~kept).sum()))
        return frame.with_columns(pl.when(kept).then(times).otherwise(pl.lit(received)).alias("TimeGenerated"))


def _raw_series(name: str, kind: str, values: Sequence[Any]) -> pl.Series:
    """One column before its instants are read."""
    if kind == "dynamic":
        values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    return pl.Series(name, values, pl.String if kind == "datetime" else POLARS_TYPES[kind])


def _instant(text: pl.Expr, pattern: str) -> pl.Expr:
    """ISO 8601 text → UTC without a zone; what does not follow ``pattern`` becomes null."""
    return text.str.to_datetime(pattern, time_unit="us", strict=False).dt.replace_time_zone(None)


def _billed_size(kinds: dict[str, str]) -> pl.Expr:
    """Bytes of a row that would be billed: text by its length, any other value as eight bytes."""
    texts = [name for name, kind in kinds.items() if POLARS_TYPES[kind] == pl.String]
    others = [name for name in kinds if name not in texts]
    return (
        pl.sum_horizontal(
            [pl.col(name).str.len_bytes().fill_null(0).cast(pl.Int64) for name in texts]
            + [pl.col(name).is_not_null().cast(pl.Int64) * 8 for name in others]
        )
        .cast(pl.Float64)
    )  # fmt: skip


def _cut(value: str | None) -> str | None:
    if value is None or len(value) * 4 <= FIELD_LIMIT:
        return value
    data = value.encode()
    return value if len(data) <= FIELD_LIMIT else data[:FIELD_LIMIT].decode(errors="ignore")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _whole(bound: int) -> Callable[[Any], int | None]:
    return lambda value: value if type(value) is int and -bound <= value < bound else None


MEND: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "guid": _text,
    "datetime": lambda value: value if isinstance(value, str) else None,
    "dynamic": lambda value: value,
    "bool": lambda value: value if isinstance(value, bool) else None,
    "int": _whole(INT),
    "long": _whole(LONG),
    "real": lambda value: float(value) if type(value) in (int, float) and abs(value) < 1e300 else None,
}


def _count(rows: Rows, name: str, number: int) -> None:
    if number:
        rows.counts[name] = rows.counts.get(name, 0) + number


def _malformed(reason: str) -> ApiError:
    return ApiError(400, "InvalidPayload", f"The request body is malformed JSON: {reason}.")
