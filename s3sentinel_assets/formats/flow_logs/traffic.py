"""Names for traffic: protocol, service port, direction, TCP flags, column-wise.

Belongs here: what both kinds of flow logs say about who talks to whom over what. Does not belong here: tables.

The service port is the lower of the two, by the convention that servers listen low; it is named itself when well known,
else by its range, so that ephemeral ports do not make every flow new. The direction is the log's own where it has one,
else told from which side is a private address.
"""

import functools

import polars as pl

from s3sentinel_assets.formats.mapping import Origin, derived

__all__ = ["DIRECTION", "PORT", "PROTOCOL", "TCP_FLAGS", "action", "with_traffic"]

#: Raw columns that `with_traffic` makes.
PROTOCOL, PORT, DIRECTION = "_protocol", "_port", "_direction"

_PROTOCOLS = {
    1: "icmp",
    4: "ipip",
    6: "tcp",
    17: "udp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmpv6",
    132: "sctp",
}
_WELL_KNOWN = 1024
_EPHEMERAL = 32768
_SERVICE_PORTS = [
    1433, 1521, 2049, 2375, 2376, 3128, 3306, 3389, 5432, 5439, 5601, 5900, 5985, 5986, 6379, 6443, 8000, 8080, 8443,
    8888, 9000, 9092, 9200, 9300, 10250, 11211, 27017,
]  # fmt: skip
_PRIVATE = (
    r"^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.|f[cd]|fe80)"
)
_FLAG_BITS = {"Fin": 1, "Syn": 2, "Rst": 4, "Psh": 8, "Ack": 16, "Urg": 32}


@functools.cache
def _protocol_names() -> pl.Series:
    return pl.Series([_PROTOCOLS.get(number, str(number)) for number in range(256)])


@functools.cache
def _port_names() -> pl.Series:
    """The name of each port below the ephemeral ones, then theirs."""
    named = {*range(_WELL_KNOWN), *_SERVICE_PORTS}
    return pl.Series([*(str(port) if port in named else "user" for port in range(_EPHEMERAL)), "ephemeral"])


def _looked_up(numbers: pl.Series, names: pl.Series) -> pl.Series:
    """``names`` at ``numbers``; a number outside of them stays a number, null stays null."""
    least, most = numbers.min(), numbers.max()
    if least is None or (least >= 0 and most < names.len()):  # type: ignore[operator]
        return names.gather(numbers)
    inside = numbers.is_between(0, names.len() - 1)
    return names.gather(numbers.set(~inside, None)).zip_with(inside.fill_null(value=True), numbers.cast(pl.String))


def with_traffic(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds the names of protocol and service port, ``-`` where there is no port, and the direction.

    Args:
        raw: columns under AWS's names; those that are missing count as null.
    """
    missing = {"protocol": pl.Int32(), "srcport": pl.Int32(), "dstport": pl.Int32()}
    missing |= dict.fromkeys(("srcaddr", "dstaddr", "flow-direction"), pl.String())
    used = raw.select(
        pl.col(name) if name in raw.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in missing.items()
    )
    if used.height != raw.height:  # none of them is there
        used = pl.DataFrame([pl.Series(n, [None], dtype=t).new_from_index(0, raw.height) for n, t in missing.items()])
    lower = used.select(pl.min_horizontal("srcport", "dstport").clip(upper_bound=_EPHEMERAL)).to_series()
    return raw.with_columns(
        _looked_up(used["protocol"], _protocol_names()).alias(PROTOCOL),
        _looked_up(lower, _port_names()).fill_null("-").alias(PORT),
        _direction(used).alias(DIRECTION),
    )


def _direction(used: pl.DataFrame) -> pl.Series:
    from_private, to_private = pl.col("from_private"), pl.col("to_private")
    return (
        used.select(
            "flow-direction",
            pl.col("srcaddr").str.contains(_PRIVATE).alias("from_private"),
            pl.col("dstaddr").str.contains(_PRIVATE).alias("to_private"),
        )
        .select(
            pl.coalesce(
                "flow-direction",
                pl.when(from_private & to_private)
                .then(pl.lit("internal"))
                .when(from_private)
                .then(pl.lit("egress"))
                .when(to_private)
                .then(pl.lit("ingress")),
                pl.lit("-"),
            )
        )
        .to_series()
    )


def action(verdict: pl.Expr, text: str) -> Origin:
    """What flows of one kind have in common: ``tcp/443/egress/ACCEPT``."""
    return derived(
        f"protocol, service port or its range, direction, {text}: `tcp/443/egress/ACCEPT`",
        pl.concat_str(pl.coalesce(PROTOCOL, pl.lit("-")), PORT, DIRECTION, verdict, separator="/"),
    )


TCP_FLAGS: dict[str, Origin] = {
    f"TcpFlags{name}": derived(f"bit {bit} of `tcp-flags`", (pl.col("tcp-flags").cast(pl.Int32) & bit) > 0)
    for name, bit in _FLAG_BITS.items()
}
