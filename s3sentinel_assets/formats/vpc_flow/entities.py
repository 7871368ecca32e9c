"""Who talks to whom over what: the entity view of VPC flow logs.

Belongs here: principal, peer, action and target of a flow, column-wise. Does not belong here: scoring (``ml``).

The principal is the network interface. The service port is the lower of the two, by the convention that servers
listen low; it is named itself when well known, else by its range, so that ephemeral ports do not make every flow new.
The direction is the log's own where it has one, else told from which side is a private address.
"""

import functools

import polars as pl

from s3sentinel_assets.formats.frames import EVENT_ID, EVENT_TIME, to_entity_view

__all__ = ["to_entities"]

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


def _protocol(rows: pl.DataFrame) -> pl.Series:
    return _looked_up(rows["Protocol"], _protocol_names())


def _port_class(rows: pl.DataFrame) -> pl.Series:
    lower = rows.select(pl.min_horizontal("SrcPort", "DstPort").clip(upper_bound=_EPHEMERAL)).to_series()
    return _looked_up(lower, _port_names()).fill_null("-")


def _direction() -> pl.Expr:
    from_private, to_private = pl.col("from_private"), pl.col("to_private")
    return pl.coalesce(
        "FlowDirection",
        pl.when(from_private & to_private)
        .then(pl.lit("internal"))
        .when(from_private)
        .then(pl.lit("egress"))
        .when(to_private)
        .then(pl.lit("ingress")),
        pl.lit("-"),
    )


def _peer(rows: pl.DataFrame) -> pl.Series:
    """The account, with the subnet or VPC where the log names one; null where it names nothing."""
    account = rows["AccountId"]
    if rows["SubnetId"].null_count() == rows["VpcId"].null_count() == rows.height:
        return account
    network = rows.select(pl.coalesce("SubnetId", "VpcId")).to_series()
    named = network.is_not_null().arg_true()
    texts = pl.DataFrame([account.gather(named).alias("account"), network.gather(named).alias("network")]).select(
        pl.concat_str("account", "network", separator="/", ignore_nulls=True)
    )
    return account.clone().scatter(named, texts.to_series())


def to_entities(rows: pl.DataFrame) -> pl.DataFrame:
    """The entity view, row by row with ``rows`` (what `columns.to_rows` made)."""
    parts = rows.with_columns(
        pl.col("SrcAddr").str.contains(_PRIVATE).alias("from_private"),
        pl.col("DstAddr").str.contains(_PRIVATE).alias("to_private"),
        _protocol(rows).alias("protocol"),
        _port_class(rows).alias("port"),
        _peer(rows).alias("peer"),
    ).with_columns(_direction().alias("direction"))
    # Hardly ever anything else; a column as it is costs nothing.
    principal = pl.col("InterfaceId")
    if rows["InterfaceId"].null_count():
        principal = pl.coalesce(principal, "InstanceId", "AccountId", pl.lit("unknown"))
    return to_entity_view(
        parts,
        {
            "event_id": pl.col(EVENT_ID),
            "time": pl.col(EVENT_TIME),
            "account": pl.col("AccountId"),
            "region": pl.col("Region"),
            "principal": principal,
            "principal_type": pl.lit("eni"),
            "peer": pl.col("peer"),
            "service": pl.col("protocol"),
            "action": pl.concat_str(
                pl.coalesce("protocol", pl.lit("-")),
                "port",
                "direction",
                pl.coalesce("Action", "LogStatus", pl.lit("-")),
                separator="/",
            ),
            "target": pl.when(pl.col("direction") == "ingress").then("SrcAddr").otherwise("DstAddr"),
            "source_ip": pl.col("SrcAddr"),
            "bytes": pl.col("Bytes"),
            "packets": pl.col("Packets"),
        },
    )
