"""The keys that only some families have: web requests, names of domains, sizes of flows.

Belongs here: dimensions and groups made of their columns. Does not belong here: what all families have in common
(``keys``).
"""

import polars as pl

from s3sentinel_assets.ml.history.dimensions import Dimension, collapse, dense, encode, encode_raw
from s3sentinel_assets.ml.history.domains import domains_and_information
from s3sentinel_assets.ml.history.groups import Groups, group

__all__ = ["DENSITY_ALL", "SIZE_BASE_BITS", "SIZE_STEPS", "name_groups", "request_words", "size_groups"]

#: Sizes are counted in steps of 2 ** SIZE_BASE_BITS bytes.
SIZE_BASE_BITS = 2
SIZE_STEPS = 24
#: Bytes per packet are counted in steps of one bit: 40 bytes are step 5, 9,000 are step 13.
_DENSITY_STEPS = 16
#: The item that counts all of a direction, whatever their density.
DENSITY_ALL = "**"
_DIRECTION = r"(?:^|/)(ingress|egress|internal|inbound|outbound|in|out)(?:/|$)"
#: Methods of HTTP and WebDAV and operations that S3 logs; a client can send any other word.
_METHOD = (
    r"^(?:s3:)?((?:REST|WEBSITE|BATCH|SOAP|S3)\.[A-Z]+(?:\.[A-Z_]+)?|GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|"
    r"CONNECT|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|SEARCH|REPORT|DEBUG|TRACK|PURGE)(?:/|$)"
)
_OTHER_METHOD = "other method"
_NAME_LENGTH = 255


def request_words(words: pl.DataFrame) -> pl.DataFrame:
    """Web requests, group by group: ``action``, ``method``, ``path``, ``template`` and ``client``.

    Args:
        words: ``action`` (method and status, or operation), ``target`` (path template), ``error`` and ``principal``.

    A refused request has no path in its action: what clients ask for in vain is theirs to choose and has no end.
    """
    status = pl.col("action").str.extract(r"/(\d)\d\d$", 1)
    outcome = (
        pl.when(status.is_not_null())
        .then(status + "xx")
        .when(pl.col("error").is_null())
        .then(pl.lit("ok"))
        .otherwise(pl.lit("refused"))
    )
    nothing = pl.col("action").is_null() | pl.col("action").str.contains(r"^-/-?$")
    failed = pl.col("error").is_not_null()
    network = pl.col("principal").str.contains(r"^[0-9a-f.:]+/\d+$").fill_null(False)
    made = words.with_columns(
        method=pl.when(~nothing).then(
            pl.col("action").str.to_uppercase().str.extract(r"(?i)" + _METHOD, 1).fill_null(_OTHER_METHOD)
        ),
        template=pl.col("target").fill_null(""),
        outcome=outcome,
        failed=failed,
    )
    return made.with_columns(
        path=pl.when(~failed).then("template").otherwise(pl.lit("")),
        client=pl.when(network).then("principal"),
        action=pl.when(~nothing & pl.col("method").is_not_null()).then(
            pl.concat_str(
                "method", pl.when(~failed & (pl.col("template") != "")).then("template"), "outcome",
                separator=" ", ignore_nulls=True,
            )
        ),
    )  # fmt: skip


def name_groups(who: Dimension, names: pl.Series) -> Groups:
    """Queries of one owner for one name: ``domain``, ``name`` (how much it says) and ``fqdn`` (domain and name)."""
    raw = encode_raw(names)
    codes, queried = group({"who": who, "name": raw})
    places, used = dense(queried["name"], raw.size)
    distinct = raw.values[used].str.slice(0, _NAME_LENGTH).str.to_lowercase().str.strip_chars(". ").fill_null("")
    plain = Dimension(distinct, places)
    said = domains_and_information(distinct)
    label = pl.format("name {}", pl.col("step").cast(pl.String).str.zfill(2))
    return Groups(
        codes,
        queried.height,
        {
            "who": Dimension(queried["who"], queried["who"]),
            "domain": collapse(plain, said["domain"]),
            "name": collapse(plain, said.select(label).to_series()),
            "fqdn": collapse(plain, distinct),
        },
    )


def size_groups(
    who: Dimension, action: pl.Series, codes: pl.Series, size: pl.Series, packets: pl.Series | None
) -> Groups:
    """Direction and size step of an event, such as ``egress 07``, and the same of its bytes per packet.

    Args:
        who: account and principal, a number an event.
        action: of each group of events.
        codes: the group of each event.
        size: Int64 per event: bytes; "" without any.
        packets: the same of packets; None for formats that have none.
    """
    words = action.str.to_lowercase().str.extract(_DIRECTION, 1).fill_null("any")
    direction = encode(words)
    at = direction.codes[codes]
    columns = {"who": who, "size": _steps(direction, at, size, SIZE_BASE_BITS, SIZE_STEPS)}
    if packets is not None:
        each = pl.DataFrame({"size": size, "packets": packets}).select(
            pl.when((pl.col("packets") > 0) & (pl.col("size") > 0)).then(pl.col("size") // pl.col("packets"))
        )
        columns["density"] = _steps(direction, at, each.to_series(), 1, _DENSITY_STEPS)
    numbers, grouped = group(columns)
    dimensions = {"who": Dimension(grouped["who"], grouped["who"])}
    for name in columns:
        if name != "who":
            dimensions[name] = encode(columns[name].values[grouped[name]])
    return Groups(numbers, grouped.height, dimensions)


def _steps(direction: Dimension, at: pl.Series, amounts: pl.Series, bits: int, steps: int) -> Dimension:
    """``<direction> <step>`` per event; "" where the amount is not above 0."""
    # The position of the highest bit: a logarithm could fall either side of a power of two.
    step = ((63 - pl.col("amount").bitwise_leading_zeros().cast(pl.Int64)) // bits).clip(0, steps - 1)
    labels = pl.DataFrame({"amount": amounts, "direction": at}).select(
        pl.when(pl.col("amount") > 0)
        .then(pl.col("direction").cast(pl.Int64) * steps + step)
        .otherwise(direction.size * steps)
        .cast(pl.UInt32)
    )["direction"]
    names = [f"{word} {number:02}" for word in direction.values for number in range(steps)]
    return Dimension(pl.Series("step", [*names, ""]), labels)
