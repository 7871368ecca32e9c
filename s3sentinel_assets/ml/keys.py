"""What is counted: the keys of each log family, taken from the entity view.

Belongs here: which columns form which key, which events are left out of history and why, the order of events. Does not
belong here: counting (``update``, ``counters``) or bits (``features``).
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.dimensions import Dimension, collapse, combine, constant, encode
from s3sentinel_assets.ml.normalise import agent_family, network, wide_network
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["FACTORS", "FORMATS", "SIZE_BASE_BITS", "UNKNOWN", "Events", "prepare"]

FORMATS = ("cloudtrail", "vpc_flow")
#: What can be new for a principal. Each is a state table ``principal/<factor>``.
FACTORS = ("action", "network", "wide_network", "agent", "region", "error")
#: Sizes are counted in steps of 2 ** SIZE_BASE_BITS bytes.
SIZE_BASE_BITS = 2
UNKNOWN = "(unknown)"


@dataclass(frozen=True)
class Events:
    """A batch in the order in which scoring sees it (time, then event id), dictionary-encoded.

    Attributes:
        rows: Int64, N: the row of the original batch, for the events that are scored.
        left_out: row and flag of those that are not (scans, flow records without data, rows without any identity).
        dimensions: ``principal`` (with its account), ``peer``, ``account``, ``action``, ``network``, ``wide_network``,
            ``agent``, ``region``, ``error``, ``hour`` and ``size``.
        failed: Boolean, N: the event carries an error.
        named: Boolean, N: the principal is known.
        kind: String, N: principal type.
    """

    rows: pl.Series
    left_out: pl.DataFrame
    dimensions: dict[str, Dimension]
    failed: pl.Series
    named: pl.Series
    kind: pl.Series

    def __len__(self) -> int:
        return self.rows.len()

    def __getitem__(self, name: str) -> Dimension:
        return self.dimensions[name]


def prepare(batch: pl.DataFrame, log_format: str) -> Events:
    """Sorts and encodes a batch of the entity view.

    Args:
        batch: columns and types of ``ENTITY_SCHEMA`` (a column of nulls may have any type), any row order.
        log_format: one of ``FORMATS``.

    Raises:
        ConfigurationError: the format has no keys here.
        ValueError: a column is missing.
    """
    if log_format not in FORMATS:
        raise ConfigurationError(f"format {log_format!r} cannot be scored; formats with keys: {', '.join(FORMATS)}")
    missing = sorted(set(ENTITY_SCHEMA) - set(batch.columns))
    if missing:
        raise ValueError(f"the entity view lacks the columns {', '.join(missing)}")
    frame = (
        batch.select(pl.col(name).cast(kind) for name, kind in ENTITY_SCHEMA.items())
        # "" and the parsers' own words for nothing say as little as null.
        .with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)).name.keep())
        .with_columns(pl.col("principal").replace("unknown", None), pl.col("action").replace("-:-", None))
        .with_row_index("row")
        .with_columns(pl.col("row").cast(pl.Int64), flag=_left_out(log_format))
    )
    left_out = frame.filter(pl.col("flag").is_not_null()).select("row", "flag", "time", "event_id")
    frame = frame.filter(pl.col("flag").is_null()).sort("time", "event_id", maintain_order=True)
    return Events(
        rows=frame["row"],
        left_out=left_out.select("row", "flag"),
        dimensions=_dimensions(frame, log_format),
        failed=(frame["error"].is_not_null() if log_format == "cloudtrail" else _rejected(frame)),
        named=frame["principal"].is_not_null(),
        kind=frame["principal_type"],
    )


def _left_out(log_format: str) -> pl.Expr:
    """The flag of events that neither count nor score, null for all others."""
    nobody = pl.col("principal").is_null() & pl.col("action").is_null()
    if log_format == "cloudtrail":
        return pl.when(nobody).then(pl.lit("no_principal"))
    action = pl.col("action").str.to_lowercase()
    # Anyone on the internet can cause these: in the state they would only drown the interface's own habits.
    scan = action.str.contains(r"(^|/)reject(/|$)") & action.str.contains(r"(^|/)(ingress|inbound|in)(/|$)")
    return (
        pl.when(nobody)
        .then(pl.lit("no_principal"))
        .when(pl.col("action").is_null() | action.str.contains(r"(^|/)(nodata|skipdata|-)$"))
        .then(pl.lit("no_data"))
        .when(scan)
        .then(pl.lit("inbound_reject"))
    )


def _rejected(frame: pl.DataFrame) -> pl.Series:
    return frame["action"].str.to_lowercase().str.contains(r"(^|/)reject(/|$)")


def _dimensions(frame: pl.DataFrame, log_format: str) -> dict[str, Dimension]:
    account = encode(frame["account"].fill_null(UNKNOWN))
    peer = encode(frame["peer"].fill_null(frame["account"]).fill_null(UNKNOWN))
    address = encode(frame["source_ip"] if log_format == "cloudtrail" else frame["target"])
    nothing = constant("", frame.height)
    dimensions = {
        "account": account,
        "principal": combine(account, encode(frame["principal"].fill_null(UNKNOWN))),
        "peer": peer,
        "action": encode(frame["action"].fill_null(UNKNOWN)),
        "network": collapse(address, network()),
        "wide_network": collapse(address, wide_network()),
        "hour": _hour_of_day(frame["time"]),
        "agent": nothing,
        "region": nothing,
        "size": nothing,
    }
    service = encode(frame["service"].fill_null(UNKNOWN))
    if log_format == "cloudtrail":
        dimensions["agent"] = collapse(encode(frame["user_agent"]), agent_family())
        dimensions["region"] = encode(frame["region"])
        dimensions["error"] = combine(service, encode(frame["error"]))
    else:
        reject = pl.select(pl.when(_rejected(frame)).then(pl.lit("REJECT")))["literal"].fill_null("")
        dimensions["error"] = combine(service, encode(reject))
        dimensions["size"] = _size(frame)
    return dimensions


def _hour_of_day(time: pl.Series) -> Dimension:
    return encode(time.dt.hour().cast(pl.String).str.zfill(2))


def _size(frame: pl.DataFrame) -> Dimension:
    """Direction and size step of a flow, such as ``egress 07``; "" without a byte count."""
    action = frame["action"].str.to_lowercase()
    direction = action.str.extract(r"(?:^|/)(ingress|egress|internal|inbound|outbound|in|out)(?:/|$)", 1).fill_null(
        "any"
    )
    # Thresholds and integer compares: a logarithm could fall either side of a power of four.
    size = frame["bytes"]
    step = pl.Series("step", [0], dtype=pl.Int64).new_from_index(0, frame.height)
    for exponent in range(1, 24):
        step = step + (size >= 1 << (SIZE_BASE_BITS * exponent)).fill_null(False).cast(pl.Int64)
    label = pl.select(
        label=pl.when(size.is_not_null() & (size > 0)).then(
            pl.concat_str(direction, step.cast(pl.String).str.zfill(2), separator=" ")
        )
    )["label"]
    return encode(label)
