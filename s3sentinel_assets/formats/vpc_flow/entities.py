"""Who talks to whom over what: the entity view of VPC flow logs.

Belongs here: principal, peer, action and target of a flow, column-wise. Does not belong here: scoring (``ml``).

The principal is the network interface. The service port is the lower of the two, by the convention that servers
listen low; it is named itself when well known, else by its range, so that ephemeral ports do not make every flow new.
The direction is the log's own where it has one, else told from which side is a private address.
"""

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


def _port_class() -> pl.Expr:
    port = pl.min_horizontal("SrcPort", "DstPort")
    return (
        pl.when(port.is_null())
        .then(pl.lit("-"))
        .when((port < _WELL_KNOWN) | port.is_in(_SERVICE_PORTS))
        .then(port.cast(pl.String))
        .when(port < _EPHEMERAL)
        .then(pl.lit("user"))
        .otherwise(pl.lit("ephemeral"))
    )


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


def to_entities(rows: pl.DataFrame) -> pl.DataFrame:
    """The entity view, row by row with ``rows`` (what `columns.to_rows` made)."""
    number = pl.col("Protocol")
    protocol = number.replace_strict(_PROTOCOLS, default=number.cast(pl.String), return_dtype=pl.String)
    parts = rows.with_columns(
        pl.col("SrcAddr").str.contains(_PRIVATE).alias("from_private"),
        pl.col("DstAddr").str.contains(_PRIVATE).alias("to_private"),
        protocol.alias("protocol"),
    ).with_columns(_direction().alias("direction"))
    # Hardly ever anything else; a column as it is costs nothing.
    principal = pl.col("InterfaceId")
    if rows["InterfaceId"].null_count():
        principal = pl.coalesce(principal, "InstanceId", "AccountId", pl.lit("unknown"))
    peer = pl.col("AccountId")
    if not rows["SubnetId"].null_count() == rows["VpcId"].null_count() == rows.height:
        peer = pl.concat_str(peer, pl.coalesce("SubnetId", "VpcId"), separator="/", ignore_nulls=True)
    return to_entity_view(
        parts,
        {
            "event_id": pl.col(EVENT_ID),
            "time": pl.col(EVENT_TIME),
            "account": pl.col("AccountId"),
            "region": pl.col("Region"),
            "principal": principal,
            "principal_type": pl.lit("eni"),
            "peer": peer,
            "service": pl.col("protocol"),
            "action": pl.concat_str(
                pl.coalesce("protocol", pl.lit("-")),
                _port_class(),
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
