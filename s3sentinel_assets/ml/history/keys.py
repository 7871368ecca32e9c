"""What is counted: the keys of each log family, taken from the entity view.

Belongs here: which columns form which key, which events are left out of history and why, the order of events. Does not
belong here: counting (``update``, ``counters``) or bits (``features``).
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.history.dimensions import (
    Dimension,
    collapse,
    combine,
    dense,
    encode,
    encode_raw,
    without_separator,
)
from s3sentinel_assets.ml.history.groups import Groups, group
from s3sentinel_assets.ml.history.normalise import agent_family, networks
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["FACTORS", "FORMATS", "SIZE_BASE_BITS", "UNKNOWN", "Events", "learned_columns", "prepare", "scored_columns"]

FORMATS = ("cloudtrail", "vpc_flow")
#: What can be new for a principal. Each is a state table ``principal/<factor>``.
FACTORS = ("action", "network", "wide_network", "agent", "region", "error")
#: Sizes are counted in steps of 2 ** SIZE_BASE_BITS bytes.
SIZE_BASE_BITS = 2
_SIZE_STEPS = 24
UNKNOWN = "(unknown)"
_HOUR_MICROS = 3_600_000_000
_HOURS = pl.Series("hour", [f"{hour:02}" for hour in range(24)] + [""])
_DIRECTION = r"(?:^|/)(ingress|egress|internal|inbound|outbound|in|out)(?:/|$)"
_WHAT = {
    "cloudtrail": ("peer", "action", "service", "error", "user_agent", "region"),
    "vpc_flow": ("peer", "action", "service"),
}
_ADDRESS = {"cloudtrail": "source_ip", "vpc_flow": "target"}


def learned_columns(log_format: str) -> list[str]:
    """The columns of the entity view that history needs."""
    _check_format(log_format)
    columns = {"time", "account", "principal", *_WHAT[log_format], _ADDRESS[log_format]}
    return [name for name in ENTITY_SCHEMA if name in columns or (name == "bytes" and log_format == "vpc_flow")]


def scored_columns(log_format: str) -> list[str]:
    """The columns of the entity view that scores need."""
    columns = {"event_id", "principal_type", *learned_columns(log_format)}
    return [name for name in ENTITY_SCHEMA if name in columns]


@dataclass(frozen=True)
class Events:
    """A batch, dictionary-encoded. Events that agree in what is counted are groups.

    Attributes:
        rows: N: the row of the original batch, for the events that are scored. In the order in which scoring sees
            them (time, then event id), if asked for.
        left_out: row and flag of those that are not (scans, flow records without data, rows without any identity).
        groups: ``what`` (peer, action, service, agent, region, error, hour), ``where`` (networks) and for flows
            ``size``; each also has ``principal`` (with its account) and ``account``.
        failed: Boolean, one per group of ``what``: its events carry an error.
        named: Boolean, the same: the principal is known.
    """

    rows: pl.Series
    left_out: pl.DataFrame
    groups: dict[str, Groups]
    failed: pl.Series
    named: pl.Series

    def __len__(self) -> int:
        return self.rows.len()

    def home(self, *names: str) -> Groups:
        """The groups whose events agree in these dimensions."""
        return next(groups for groups in self.groups.values() if all(name in groups.dimensions for name in names))

    def absent(self, name: str) -> bool:
        """Whether no event has such an item."""
        return not any(name in groups.dimensions and not groups[name].absent for groups in self.groups.values())


def prepare(batch: pl.DataFrame, log_format: str, *, ordered: bool = True) -> Events:
    """Encodes, groups and sorts a batch of the entity view.

    Args:
        batch: columns and types of ``ENTITY_SCHEMA`` (a column of nulls may have any type), any row order; those of
            `scored_columns` are enough, without ``ordered`` those of `learned_columns`.
        log_format: one of ``FORMATS``.
        ordered: whether the order of events matters.

    Raises:
        ConfigurationError: the format has no keys here.
        ValueError: a column is missing.
    """
    wanted = scored_columns(log_format) if ordered else learned_columns(log_format)
    if missing := sorted(set(wanted) - set(batch.columns)):
        raise ValueError(f"the entity view lacks the columns {', '.join(missing)}")
    frame = batch.select(pl.col(name).cast(ENTITY_SCHEMA[name]) for name in wanted)
    raw = {name: encode_raw(frame[name]) for name in ("account", "principal", *_WHAT[log_format])}
    who_codes, who = group({name: raw[name] for name in ("account", "principal")})
    who = _plain(who, raw).with_columns(pl.col("principal").replace("unknown", None))
    codes, what = group(
        {
            "who": _numbers(who_codes, who.height),
            **{name: raw[name] for name in _WHAT[log_format]},
            "hour": _hour(frame["time"]),
        }
    )
    words = _words(what, who, raw, log_format)
    rows = pl.int_range(frame.height, dtype=pl.UInt32, eager=True)
    left_out = pl.DataFrame({"row": rows.clear(), "flag": words["flag"].clear()})
    if words["flag"].null_count() < words.height:
        counted = words["flag"].is_null()
        keep = counted[codes]
        dropped = rows.filter(~keep)
        left_out = pl.DataFrame({"row": dropped, "flag": words["flag"][codes[dropped]]})
        rows, what, words = rows.filter(keep), what.filter(counted), words.filter(counted)
        codes = (counted.cast(pl.UInt32).cum_sum() - 1)[codes[rows]]
    if ordered:
        order = _order(frame.select("time", "event_id"), rows, log_format)
        rows, codes = rows[order], codes[order]
    groups = {"what": Groups(codes, what.height, _what(what, words, log_format))}
    whos = what["who"][codes]
    groups["where"] = _where(_numbers(whos, who.height), encode_raw(frame[_ADDRESS[log_format]]), rows)
    if log_format == "vpc_flow":
        groups["size"] = _size(_numbers(whos, who.height), words["action"], codes, frame["bytes"][rows])
    return Events(rows, left_out, _with_principals(groups, who), failed=words["failed"], named=words["named"])


def _check_format(log_format: str) -> None:
    if log_format not in FORMATS:
        raise ConfigurationError(f"format {log_format!r} cannot be scored; formats with keys: {', '.join(FORMATS)}")


def _numbers(codes: pl.Series, size: int) -> Dimension:
    return Dimension(pl.int_range(size, dtype=pl.UInt32, eager=True), codes)


def _hour(time: pl.Series) -> Dimension:
    """The hour of the day (UTC), "" without a time."""
    codes = (time.to_physical() // _HOUR_MICROS % 24).cast(pl.UInt32)
    return Dimension(_HOURS, codes.fill_null(24) if codes.null_count() else codes)


def _order(keys: pl.DataFrame, rows: pl.Series, log_format: str) -> pl.Series:
    """The places of ``rows`` in the order of time, then event id; of equal ones the first row is first."""
    if (keys["event_id"] == "").any():
        keys = keys.with_columns(pl.when(pl.col("event_id") != "").then("event_id"))
    if rows.len() < keys.height:
        keys = keys[rows]
    if log_format == "cloudtrail":
        return keys.select(pl.arg_sort_by("time", "event_id", maintain_order=True))["time"]
    # Record numbers within an object: nearly in order by themselves, and few distinct times.
    by_id = keys.select(pl.arg_sort_by("event_id", maintain_order=True))["event_id"]
    by_time = keys["time"][by_id].to_frame().select(pl.arg_sort_by("time", maintain_order=True))["time"]
    return by_id[by_time]


def _plain(codes: pl.DataFrame, raw: dict[str, Dimension]) -> pl.DataFrame:
    """The values behind the codes; "" says as little as null."""
    values = pl.DataFrame({name: raw[name].values[codes[name]] for name in codes.columns})
    return values.select(pl.when(pl.col(name) != "").then(name) for name in codes.columns)


def _words(what: pl.DataFrame, who: pl.DataFrame, raw: dict[str, Dimension], log_format: str) -> pl.DataFrame:
    """Each group of ``what`` in plain words, with ``flag`` (null if it counts), ``failed`` and ``named``."""
    lower = pl.col("action").str.to_lowercase()
    rejected = lower.str.contains(r"(^|/)reject(/|$)")
    cloudtrail = log_format == "cloudtrail"
    return (
        _plain(what.select(_WHAT[log_format]), raw)
        .hstack(who[what["who"]])
        .with_columns(pl.col("action").replace("-:-", None))
        .with_columns(
            flag=_left_out(lower, rejected, log_format),
            failed=pl.col("error").is_not_null() if cloudtrail else rejected.fill_null(False),
            named=pl.col("principal").is_not_null(),
            peer=pl.coalesce("peer", "account", pl.lit(UNKNOWN)),
        )
    )


def _left_out(lower: pl.Expr, rejected: pl.Expr, log_format: str) -> pl.Expr:
    """The flag of events that neither count nor score, null for all others."""
    nobody = pl.col("principal").is_null() & pl.col("action").is_null()
    if log_format == "cloudtrail":
        return pl.when(nobody).then(pl.lit("no_principal"))
    return (
        pl.when(nobody)
        .then(pl.lit("no_principal"))
        .when(pl.col("action").is_null() | lower.str.contains(r"(^|/)(nodata|skipdata|-)$"))
        .then(pl.lit("no_data"))
        # Anyone on the internet can cause these: in the state they would only drown the interface's own habits.
        .when(rejected & lower.str.contains(r"(^|/)(ingress|inbound|in)(/|$)"))
        .then(pl.lit("inbound_reject"))
    )


def _what(what: pl.DataFrame, words: pl.DataFrame, log_format: str) -> dict[str, Dimension]:
    service = encode(words["service"].fill_null(UNKNOWN))
    dimensions = {
        "who": Dimension(what["who"], what["who"]),
        "peer": encode(words["peer"]),
        "action": encode(words["action"].fill_null(UNKNOWN)),
        "hour": Dimension(_HOURS, what["hour"]),
    }
    if log_format == "cloudtrail":
        agent = encode(words["user_agent"])
        dimensions["agent"] = collapse(agent, agent.values.to_frame("value").select(agent_family()).to_series())
        dimensions["region"] = encode(words["region"])
        dimensions["error"] = combine(service, encode(words["error"]))
    else:
        reject = pl.Series("error", ["", "REJECT"])[words["failed"].cast(pl.UInt32)]
        dimensions["error"] = combine(service, encode(reject))
    return dimensions


def _where(who: Dimension, address: Dimension, rows: pl.Series) -> Groups:
    codes, where = group({"who": who, "address": Dimension(address.values, address.codes[rows])})
    places, used = dense(where["address"], address.size)
    plain = Dimension(without_separator(address.values[used].fill_null("")), places)
    values = networks(plain.values)
    dimensions = {name: collapse(plain, values[name]) for name in values.columns}
    return Groups(codes, where.height, {"who": Dimension(where["who"], where["who"]), **dimensions})


def _size(who: Dimension, action: pl.Series, codes: pl.Series, size: pl.Series) -> Groups:
    """Direction and size step of a flow, such as ``egress 07``; "" without a byte count."""
    words = action.str.to_lowercase().str.extract(_DIRECTION, 1).fill_null("any")
    direction = encode(words)
    # The position of the highest bit: a logarithm could fall either side of a power of four.
    step = ((63 - pl.col("size").bitwise_leading_zeros().cast(pl.Int64)) // SIZE_BASE_BITS).clip(0, _SIZE_STEPS - 1)
    nothing = direction.size * _SIZE_STEPS
    labels = pl.DataFrame({"size": size, "direction": direction.codes[codes]}).select(
        pl.when(pl.col("size") > 0)
        .then(pl.col("direction").cast(pl.Int64) * _SIZE_STEPS + step)
        .otherwise(nothing)
        .cast(pl.UInt32)
    )["direction"]
    names = [f"{word} {number:02}" for word in direction.values for number in range(_SIZE_STEPS)]
    label = Dimension(pl.Series("size", [*names, ""]), labels)
    codes, sizes = group({"who": who, "size": label})
    return Groups(
        codes,
        sizes.height,
        {"who": Dimension(sizes["who"], sizes["who"]), "size": encode(label.values[sizes["size"]])},
    )


def _with_principals(groups: dict[str, Groups], who: pl.DataFrame) -> dict[str, Groups]:
    """Adds ``principal`` and ``account`` to groups that know who."""
    account = encode(who["account"].fill_null(UNKNOWN))
    principal = combine(account, encode(who["principal"].fill_null(UNKNOWN)))
    completed = {}
    for name, each in groups.items():
        dimensions = dict(each.dimensions)
        places = dimensions.pop("who").codes
        for role, dimension in (("principal", principal), ("account", account)):
            dimensions[role] = Dimension(dimension.values, dimension.codes[places])
        completed[name] = Groups(each.codes, each.size, dimensions)
    return completed
