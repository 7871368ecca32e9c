"""Parts of values that access logs keep in one field: ``client:port`` and ``"GET /path HTTP/1.1"``, column-wise.

Belongs here: what several access logs write in the same way. Does not belong here: any one format.

The usual form is cut at speed; only the rows that have another are looked at by pattern.
"""

from collections.abc import Callable, Sequence

import polars as pl

__all__ = [
    "READ_ONLY_METHODS",
    "milliseconds",
    "places_of",
    "split_arn",
    "split_endpoint",
    "split_request",
    "status_error",
    "with_parts",
]

#: Methods that change nothing.
READ_ONLY_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")

#: What follows the last colon is the port, unless it closes a bracket.
_PORT = r":([^:\]]*)$"
_USUAL_REQUEST = r"^[A-Za-z][A-Za-z_-]* [^ ]+ HTTP/[0-9.]+$"
#: Method, target and protocol; blanks in the target stay in it, and load balancers write ``- - - `` for none at all.
_REQUEST = r"^(-|[A-Za-z][A-Za-z_-]*) (.*?)(?: (-|HTTP/[^ ]*) ?)?$"
_FIRST_ERROR = "400"


def with_parts(
    frame: pl.DataFrame, column: str, split: Callable[[pl.Series], Sequence[pl.Series]], names: Sequence[str]
) -> pl.DataFrame:
    """``frame`` with the parts that ``split`` makes of ``column``, under ``names``."""
    parts = split(frame[column])
    return frame.with_columns(part.alias(name) for part, name in zip(parts, names, strict=True))


def split_endpoint(endpoints: pl.Series) -> tuple[pl.Series, pl.Series]:
    """``10.0.0.1:80``, ``[2001:db8::1]:80`` or ``2001:db8::1:80`` → address, port; both as text.

    Load balancers always write the port, so what follows the last colon is one. ``-`` is no value.
    """
    parts = endpoints.str.splitn(":", 2).struct.unnest()
    host, port = parts.to_series(0), parts.to_series(1)
    odd = port.str.contains(":", literal=True).fill_null(value=False)
    if odd.any():
        text = pl.col("text")
        bracketless = pl.when(pl.col("port").is_null()).then(text)
        rest = bracketless.otherwise(text.str.head(text.str.len_chars() - pl.col("port").str.len_chars() - 1))
        found = (
            endpoints.filter(odd)
            .alias("text")
            .to_frame()
            .with_columns(text.str.extract(_PORT).alias("port"))
            .select(rest.str.strip_chars("[]").alias("host"), "port")
        )
        places = odd.arg_true()
        host, port = host.scatter(places, found["host"]), port.scatter(places, found["port"])
    return _valued(host), _valued(port)


def split_request(requests: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """``GET /path HTTP/1.1`` → method, target, protocol; a text of no such form is all target."""
    parts = requests.str.splitn(" ", 3).struct.unnest()
    method, target, protocol = (parts.to_series(place) for place in range(3))
    odd = ~requests.str.contains(_USUAL_REQUEST).fill_null(value=True)
    if odd.any():
        texts = requests.filter(odd)
        found = texts.str.extract_groups(_REQUEST).struct.unnest()
        places = odd.arg_true()
        method = method.scatter(places, found.to_series(0))
        target = target.scatter(places, found.to_series(1).zip_with(found.to_series(1).is_not_null(), texts))
        protocol = protocol.scatter(places, found.to_series(2))
        return _valued(method), _valued(target), _valued(protocol)
    return method, target, protocol


def places_of(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The distinct texts, and where among them each row's is; null stays null.

    For columns of few distinct values: what is made of these is then gathered, which costs little for each row.
    """
    distinct = texts.unique().drop_nulls()
    return distinct, texts.replace_strict(
        distinct, pl.Series(range(distinct.len()), dtype=pl.UInt32), default=None, return_dtype=pl.UInt32
    )


def split_arn(arns: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Region and account of ARNs."""
    distinct, places = places_of(arns)
    parts = distinct.str.splitn(":", 6).struct.unnest()
    region, account = (_valued(parts.to_series(part)).gather(places) for part in (3, 4))
    return region, account


def status_error(status: str) -> pl.Expr:
    """The status where it says that the request failed, that is from 400 on; else null."""
    return pl.when(pl.col(status) >= _FIRST_ERROR).then(status)


def milliseconds(seconds: str) -> pl.Expr:
    """Whole milliseconds of seconds as text; null where it is none, or negative, as load balancers write for none."""
    value = pl.col(seconds).cast(pl.Float64, strict=False)
    return pl.when(value >= 0).then((value * 1_000).round().cast(pl.Int64, strict=False))


def _valued(texts: pl.Series) -> pl.Series:
    """Without the texts that stand for no value."""
    empty = (texts == "-") | (texts == "")
    return texts.set(empty.fill_null(value=False), None) if empty.any() else texts
