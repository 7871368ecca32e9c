"""What is counted: the keys of each log family, taken from the entity view.

Belongs here: which columns form which key, which events are left out of history and why, the order of events. Does not
belong here: counting (``update``, ``counters``) or bits (``features``).
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.history.coarse import coarse
from s3sentinel_assets.ml.history.dimensions import (
    Dimension,
    collapse,
    combine,
    dense,
    encode,
    encode_raw,
    without_separator,
)
from s3sentinel_assets.ml.history.families import FACTORS, FORMATS, Family, family_of
from s3sentinel_assets.ml.history.groups import Groups, group
from s3sentinel_assets.ml.history.items import SIZE_BASE_BITS, name_groups, request_words, size_groups
from s3sentinel_assets.ml.history.normalise import agent_family, networks
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["FACTORS", "FORMATS", "SIZE_BASE_BITS", "UNKNOWN", "Events", "learned_columns", "prepare", "scored_columns"]

UNKNOWN = "(unknown)"
_HOUR_MICROS = 3_600_000_000
_HOURS = pl.Series("hour", [f"{hour:02}" for hour in range(24)] + [""])
#: Answers that say there is no such name.
_NO_NAME = ("NXDOMAIN", "3")


def learned_columns(log_format: str) -> list[str]:
    """The columns of the entity view that history needs.

    Raises:
        ConfigurationError: the format has no keys here.
    """
    columns = family_of(log_format).columns
    return [name for name in ENTITY_SCHEMA if name in columns]


def scored_columns(log_format: str) -> list[str]:
    """The columns of the entity view that scores need."""
    columns = {"event_id", "principal_type", "detail", "severity", *learned_columns(log_format)}
    return [name for name in ENTITY_SCHEMA if name in columns]


@dataclass(frozen=True)
class Events:
    """A batch, dictionary-encoded. Events that agree in what is counted are groups.

    Attributes:
        rows: N: the row of the original batch, for the events that are scored. In the order in which scoring sees
            them (time, then event id), if asked for.
        left_out: row and flag of those that are not (scans, flow records without data, rows without any identity).
        groups: ``what`` (peer, action, service, hour, and as the family has them write, agent, region, error, method,
            path, template), ``where`` (networks, ``remote``), ``size`` (and ``density``) and ``names`` (domain, name,
            fqdn); each also has ``principal`` (the owner, with its account), ``account`` and, where it knows it,
            ``site``. ``write`` is the service of a call that changes something.
        failed: Boolean, one per group of ``what``: its events carry an error.
        named: Boolean, the same: the principal is known.
        family: how they were counted.
    """

    rows: pl.Series
    left_out: pl.DataFrame
    groups: dict[str, Groups]
    failed: pl.Series
    named: pl.Series
    family: Family

    def __len__(self) -> int:
        return self.rows.len()

    @property
    def failures(self) -> pl.Series:
        """Boolean per event: it carries an error."""
        return self.failed[self.groups["what"].codes]

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
    family = family_of(log_format)
    wanted = scored_columns(log_format) if ordered else learned_columns(log_format)
    if missing := sorted(set(wanted) - set(batch.columns)):
        raise ValueError(f"the entity view lacks the columns {', '.join(missing)}")
    frame = batch.select(pl.col(name).cast(ENTITY_SCHEMA[name]) for name in wanted)
    raw = {name: encode_raw(frame[name].cast(pl.String)) for name in ("account", "principal", *family.what)}
    raw = coarse(raw, log_format, family)
    who_codes, who = group({name: raw[name] for name in ("account", "principal")})
    who = _plain(who, raw).with_columns(pl.col("principal").replace("unknown", None))
    codes, what = group(
        {
            "who": _numbers(who_codes, who.height),
            **{name: raw[name] for name in family.what},
            "hour": _hour(frame["time"]),
        }
    )
    words = _words(what, who, raw, family)
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
        order = _order(frame.select("time", "event_id"), rows, family)
        rows, codes = rows[order], codes[order]
    groups = {"what": Groups(codes, what.height, _what(what, words, family))}
    whos = _numbers(what["who"][codes], who.height)
    groups |= _more_groups(whos, words, codes, frame, rows, family)
    return Events(
        rows,
        left_out,
        _with_principals(groups, who, family),
        failed=words["failed"],
        named=words["named"],
        family=family,
    )


def _more_groups(
    whos: Dimension, words: pl.DataFrame, codes: pl.Series, frame: pl.DataFrame, rows: pl.Series, family: Family
) -> dict[str, Groups]:
    """The groups beside ``what``, which only say who."""
    groups = {}
    if family.address:
        address = encode_raw(_addresses(frame, family))
        out = None
        if family.spread == "remote":
            # Anybody may come in; whom an interface turns to is its own doing.
            inward = words["action"].str.to_lowercase().str.contains(r"/(?:ingress|inbound|in)/")
            out = Dimension(pl.Series("out", ["", "out"]), (~inward.fill_null(False)).cast(pl.UInt32)[codes])
        groups["where"] = _where(whos, Dimension(address.values, address.codes[rows]), out)
    if "bytes" in family.more:
        packets = frame["packets"][rows] if "packets" in family.more else None
        groups["size"] = size_groups(whos, words["action"], codes, frame["bytes"][rows], packets)
    if family.name == "dns":
        groups["names"] = name_groups(whos, frame["target"][rows])
    return groups


def _addresses(frame: pl.DataFrame, family: Family) -> pl.Series:
    """String per row: the address whose networks are counted, or null."""
    itself = pl.col("source_ip") == pl.col("principal")
    choice = {
        "source": pl.col("source_ip"),
        "target": pl.col("target"),
        "user": pl.when(itself.fill_null(False)).then(None).otherwise("source_ip"),
        "other": pl.when(itself.fill_null(False)).then("target").otherwise("source_ip"),
    }
    return frame.select(choice[family.address].alias("address"))["address"]


def _numbers(codes: pl.Series, size: int) -> Dimension:
    return Dimension(pl.int_range(size, dtype=pl.UInt32, eager=True), codes)


def _hour(time: pl.Series) -> Dimension:
    """The hour of the day (UTC), "" without a time."""
    codes = (time.to_physical() // _HOUR_MICROS % 24).cast(pl.UInt32)
    return Dimension(_HOURS, codes.fill_null(24) if codes.null_count() else codes)


def _order(keys: pl.DataFrame, rows: pl.Series, family: Family) -> pl.Series:
    """The places of ``rows`` in the order of time, then event id; of equal ones the first row is first."""
    if (keys["event_id"] == "").any():
        keys = keys.with_columns(pl.when(pl.col("event_id") != "").then("event_id"))
    if rows.len() < keys.height:
        keys = keys[rows]
    if family.name == "cloudtrail":
        return keys.select(pl.arg_sort_by("time", "event_id", maintain_order=True))["time"]
    # Record numbers within an object: nearly in order by themselves, and few distinct times.
    by_id = keys.select(pl.arg_sort_by("event_id", maintain_order=True))["event_id"]
    by_time = keys["time"][by_id].to_frame().select(pl.arg_sort_by("time", maintain_order=True))["time"]
    return by_id[by_time]


def _plain(codes: pl.DataFrame, raw: dict[str, Dimension]) -> pl.DataFrame:
    """The values behind the codes; "" says as little as null."""
    values = pl.DataFrame({name: raw[name].values[codes[name]] for name in codes.columns})
    return values.select(pl.when(pl.col(name) != "").then(name) for name in codes.columns)


def _words(what: pl.DataFrame, who: pl.DataFrame, raw: dict[str, Dimension], family: Family) -> pl.DataFrame:
    """Each group of ``what`` in plain words, with ``flag`` (null if it counts), ``failed`` and ``named``."""
    lower = pl.col("action").str.to_lowercase()
    rejected = lower.str.contains(r"(^|/)reject(/|$)")
    words = _plain(what.select(family.what), raw).hstack(who[what["who"]])
    if family.name == "dns":
        words = words.with_columns(error=pl.when(pl.col("error").str.to_uppercase().is_in(_NO_NAME)).then("error"))
    if family.name == "web":
        words = request_words(words)
    if family.name == "vpc_flow":
        failed = rejected.fill_null(False)
    else:
        failed = pl.col("error").is_not_null() if "error" in family.what else pl.lit(False)
    return words.with_columns(pl.col("action").replace("-:-", None)).with_columns(
        flag=_left_out(lower, rejected, family),
        failed=failed,
        named=pl.col("principal").is_not_null(),
        peer=pl.coalesce("peer", "account", pl.lit(UNKNOWN)),
    )


def _left_out(lower: pl.Expr, rejected: pl.Expr, family: Family) -> pl.Expr:
    """The flag of events that neither count nor score, null for all others."""
    nobody = pl.col("principal").is_null() & pl.col("action").is_null()
    if family.name != "vpc_flow":
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


def _what(what: pl.DataFrame, words: pl.DataFrame, family: Family) -> dict[str, Dimension]:
    service = encode(words["service"].fill_null(UNKNOWN))
    dimensions = {
        "who": Dimension(what["who"], what["who"]),
        "peer": encode(words["peer"]),
        "action": encode(words["action"].fill_null(UNKNOWN)),
        "hour": Dimension(_HOURS, what["hour"]),
    }
    if family.name == "vpc_flow":
        reject = pl.Series("error", ["", "REJECT"])[words["failed"].cast(pl.UInt32)]
        dimensions["error"] = combine(service, encode(reject))
        return dimensions
    if "error" in family.what:
        dimensions["error"] = combine(service, encode(words["error"]))
    if family.name in ("web", "dns"):
        if family.name == "web":
            dimensions["agent"] = encode(words["user_agent"])
            dimensions |= {name: encode(words[name]) for name in ("method", "path", "template", "client")}
        return dimensions
    dimensions["service"] = service
    dimensions["write"] = encode(words.select(pl.when(pl.col("read_only") == "false").then("service"))["service"])
    agent = encode(words["user_agent"])
    if family.name == "cloudtrail":
        agent = collapse(agent, agent.values.to_frame("value").select(agent_family()).to_series())
    dimensions["agent"] = agent
    dimensions["region"] = encode(words["region"])
    return dimensions


def _where(who: Dimension, address: Dimension, out: Dimension | None) -> Groups:
    """``network`` and ``wide_network``; with ``out`` also ``remote``: the address, of what goes out."""
    codes, where = group({"who": who, "address": address} | ({"out": out} if out is not None else {}))
    places, used = dense(where["address"], address.size)
    plain = Dimension(without_separator(address.values[used].fill_null("")), places)
    values = networks(plain.values)
    dimensions = {name: collapse(plain, values[name]) for name in values.columns}
    if out is not None:
        nothing = plain.size
        outward = where["out"] == 1
        numbers = plain.codes.zip_with(outward, pl.Series([nothing], dtype=pl.UInt32))
        dimensions["remote"] = Dimension(pl.concat([plain.values, pl.Series([""])]), numbers)
    return Groups(codes, where.height, {"who": Dimension(where["who"], where["who"]), **dimensions})


def _with_principals(groups: dict[str, Groups], who: pl.DataFrame, family: Family) -> dict[str, Groups]:
    """Adds ``principal``, ``account`` and ``site`` to groups that know who."""
    account = encode(who["account"].fill_null(UNKNOWN))
    principal = combine(account, encode(who["principal"].fill_null(UNKNOWN)))
    completed = {}
    for name, each in groups.items():
        dimensions = dict(each.dimensions)
        places = dimensions.pop("who").codes
        for role, dimension in (("principal", principal), ("account", account)):
            dimensions[role] = Dimension(dimension.values, dimension.codes[places])
        if family.site in dimensions:
            dimensions["site"] = dimensions[family.site]
        completed[name] = Groups(each.codes, each.size, dimensions)
    return completed
