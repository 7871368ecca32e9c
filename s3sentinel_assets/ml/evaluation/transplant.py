"""Transplants: recorded sequences of events put into a background, done in the name of its principals.

Belongs here: whose name, when, from where and with which client; taking away what gives the recording away. Does not
belong here: where sequences come from, when the events arrive (the replay asks the background's files).

What an intruder shares with the victim is drawn independently for address, client, region and time of day, and is kept
as the incident's variant. Everything that only the recording has (account, principal, address, client, ids, date) is
replaced; what was done, in which order, how fast, with which errors and for which other account stays.
"""

from datetime import datetime

import numpy as np
import polars as pl

from s3sentinel_assets.ml.evaluation.circumstances import (
    GLOBAL_REGION,
    GLOBAL_SERVICES,
    REGIONS,
    Shared,
    circumstances,
    variants,
)
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["SEQUENCE_SCHEMA", "transplant"]

#: One row an event: which recording it belongs to, how long after the recording's beginning, and what was done.
SEQUENCE_SCHEMA: dict[str, pl.DataType] = {
    "sequence": pl.String(),
    "technique": pl.String(),
    "offset": pl.Duration("us"),
    **ENTITY_SCHEMA,
}
_ADDRESS = r"^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$"
_SERVICE_AGENT = r"(?i)\.amazonaws\.com$|^aws internal"
_ACCOUNT_NUMBER = r"\b\d{12}\b"
#: Stands for an account that is not known, and in no text.
_NO_ACCOUNT = "\0"
_WHO = ["account", "principal"]


def transplant(
    sequences: pl.DataFrame,
    victims: pl.DataFrame,
    *,
    first: datetime,
    last: datetime,
    seed: int,
    copies: int = 1,
    shared: Shared | None = None,
    kind: str = "attack",
    own: bool = False,
) -> pl.DataFrame:
    """Events of ``copies`` incidents from each sequence.

    Args:
        sequences: ``SEQUENCE_SCHEMA``. With ``own``, ``account`` and ``principal`` name somebody in ``victims``.
        victims: see `victims.victims`; those to draw from, with a column ``victim`` (kind of principal).
        first: an incident begins at this instant (aware, UTC, a full hour) or later …
        last: … and its last event is before this one, if it is not longer than all that time.
        seed: of every draw; equal seeds and frames give equal events.
        copies: incidents of each sequence.
        shared: see `Shared`; None: its defaults.
        kind: see `truth.KINDS`.
        own: the victim is the sequence's own principal: a placebo.

    Returns:
        ``ENTITY_SCHEMA`` and ``TRUTH_SCHEMA`` columns and ``victim``, sorted by time and event id. Event ids are new.

    Raises:
        ValueError: there is nobody to draw from, or no time.
    """
    if not victims.height or last <= first:
        raise ValueError("a transplant needs victims and time")
    rng = np.random.default_rng(seed)
    incidents = _incidents(sequences, victims, copies, rng, own=own)
    incidents = variants(incidents, shared or Shared(), rng)
    incidents = circumstances(incidents, first, last, rng)
    events = (
        sequences.rename({name: f"old_{name}" for name in ("account", "principal", "principal_type", "peer")})
        .drop("technique", "time", "event_id")
        .join(incidents, on="sequence", how="inner")
        .sort("incident", "offset", maintain_order=True)
    )
    events = _with_regions(events).with_columns(
        time=pl.col("start") + pl.col("offset"),
        kind=pl.lit(kind),
        event_id=pl.concat_str("account", _event_ids(events.height, rng), separator=":"),
        source_ip=_replaced("source_ip", pl.col("source_ip").str.contains(_ADDRESS), "new_ip"),
        user_agent=_replaced("user_agent", ~pl.col("user_agent").str.contains(_SERVICE_AGENT), "new_agent"),
        # Calls that a service makes are made by that service wherever they are put.
        **{
            name: pl.when(pl.col("old_principal_type") == "AWSService")
            .then(_scrubbed(f"old_{name}"))
            .otherwise(pl.col(name))
            for name in ("principal", "principal_type", "peer")
        },
        **{name: _scrubbed(name) for name in ("target", "detail")},
    )
    truth = ("kind", "incident", "technique", "variant", "victim")
    return events.select(*(pl.col(name).cast(dtype) for name, dtype in ENTITY_SCHEMA.items()), *truth).sort(
        "time", "event_id"
    )


def _incidents(
    sequences: pl.DataFrame, victims: pl.DataFrame, copies: int, rng: np.random.Generator, *, own: bool
) -> pl.DataFrame:
    """One row an incident: its sequence and its victim."""
    recorded = (
        sequences.group_by("sequence")
        .agg(
            pl.col("technique").first(),
            pl.col("offset").max().alias("length"),
            *(pl.col(name).drop_nulls().first() for name in _WHO),
        )
        .sort("sequence")
    )
    numbers = pl.DataFrame({"copy": pl.int_range(1, copies + 1, eager=True)})
    incidents = recorded.join(numbers, how="cross").with_columns(
        incident=pl.format("{}#{}", "sequence", "copy"),
    )
    if own:
        return incidents.join(victims, on=_WHO, how="inner").sort("incident")
    drawn = victims[rng.integers(0, victims.height, incidents.height)]
    return incidents.drop(_WHO).hstack(drawn)


def _with_regions(events: pl.DataFrame) -> pl.DataFrame:
    """The most used region of a recording becomes the incident's; its other regions become others.

    Who works in the victim's region uses the victim's further regions as well, as far as there are any.
    """
    here = ["incident", "region"]
    order = (
        events.filter(~pl.col("service").is_in(GLOBAL_SERVICES))
        .group_by(*here, "new_region", "same_region", "regions")
        .len()
        # A call without a region is made in the usual one.
        .sort("incident", pl.col("region").is_not_null(), "len", "region", descending=[False, False, True, False])
        .with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64).over("incident"))
    )
    own = pl.col("regions").fill_null([])
    own = own.list.set_difference(pl.concat_list("new_region")).list.sort()
    own = pl.when("same_region").then(own).otherwise(pl.lit([], dtype=pl.List(pl.String())))
    known, count = len(REGIONS), pl.col("place") - 1
    number = pl.col("new_region").replace_strict(list(REGIONS), list(range(known)), default=0, return_dtype=pl.Int64)
    foreign = ((number + pl.col("place")) % known).replace_strict(
        list(range(known)), list(REGIONS), return_dtype=pl.String
    )
    further = pl.coalesce(pl.col("own").list.get(count.clip(0), null_on_oob=True), foreign)
    order = order.with_columns(own=own).select(
        *here, moved=pl.when(pl.col("place") == 0).then("new_region").otherwise(further)
    )
    return events.join(order, on=here, how="left", nulls_equal=True).with_columns(
        region=pl.when(pl.col("service").is_in(GLOBAL_SERVICES))
        .then(pl.lit(GLOBAL_REGION))
        .otherwise(pl.coalesce("moved", "new_region"))
    )


def _replaced(name: str, where: pl.Expr, new: str) -> pl.Expr:
    return pl.when(where).then(pl.coalesce(new, name)).otherwise(pl.col(name)).alias(name)


def _scrubbed(name: str) -> pl.Expr:
    """Text without the recording's principal and account: the victim's stand there instead.

    Other accounts stay: something given to a foreign account is still given to a foreign one. Where the recording does
    not tell its own account, every account in it counts as that.
    """
    # The principal first: its name may hold an account.
    text = pl.when(pl.col(name) == pl.col("old_principal")).then("principal").otherwise(pl.col(name))
    known = pl.col("old_account").str.contains(f"^{_ACCOUNT_NUMBER}$").fill_null(False)
    own = text.str.split(pl.when(known).then("old_account").otherwise(pl.lit(_NO_ACCOUNT))).list.join(pl.col("account"))
    return pl.when(known).then(own).otherwise(text.str.replace_all(_ACCOUNT_NUMBER, pl.col("account")))


def _event_ids(count: int, rng: np.random.Generator) -> pl.Series:
    """Ids that look like CloudTrail's."""
    digits = rng.bytes(16 * count).hex()
    pieces = pl.Series([digits[at : at + 32] for at in range(0, len(digits), 32)], dtype=pl.String)
    cuts = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
    return pieces.to_frame("id").select(
        pl.concat_str([pl.col("id").str.slice(at, length) for at, length in cuts], separator="-")
    )["id"]
