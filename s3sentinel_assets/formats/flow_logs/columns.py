"""Flow log fields as text → typed columns, with an account of what does not fit.

Belongs here: what text and JSON lines have in common once they are cut. A number too big for its column becomes null,
and ``_flags`` carries it: ``srcport_overflow=4294967296``. Does not belong here: cutting lines, tables.
"""

import polars as pl

from s3sentinel_assets.formats.extra_fields import with_named_extra
from s3sentinel_assets.formats.flow_logs.fields import NOTHING, TIMES, FlowFields
from s3sentinel_assets.formats.frames import FLAGS
from s3sentinel_assets.formats.frames import flags as join_flags
from s3sentinel_assets.formats.instants import END_EPOCH_SECOND, EVENT_YEARS

__all__ = ["event_times", "instant", "no_time", "times_possible", "typed_columns", "with_extra"]

_INT32 = (-(2**31), 2**31 - 1)
_WHOLE = r"^[+-]?\d+$"
_QUOTED = 100


def typed_columns(texts: pl.DataFrame, kind: FlowFields) -> tuple[pl.DataFrame, dict[int, str]]:
    """Text columns in the fields' own types.

    Args:
        texts: a String column for each field.
        kind: whose fields they are.

    Returns:
        The same columns, those of numbers as such, and ``_flags``; the row of each line with a number field that holds
        none → the name of that field.
    """
    numeric = [name for name in texts.columns if name in kind.small or name in kind.big]
    numbers = texts.with_columns(pl.col(numeric).cast(pl.Int64, strict=False))
    wrong: dict[int, str] = {}
    told = list[pl.Expr]()
    for name in numeric:
        lost = numbers[name].is_null() & texts[name].is_not_null()
        if not lost.any():
            continue
        # More than 64 bits.
        huge = lost & texts[name].str.contains(_WHOLE)
        for row in (lost & ~huge).arg_true():
            wrong.setdefault(row, name)
        if huge.any():
            text = pl.format(f"{name.replace('-', '_')}_overflow={{}}", pl.lit(texts[name].str.head(_QUOTED)))
            told.append(pl.when(pl.lit(huge)).then(text))
    bounds = {name: _INT32 for name in numeric if name in kind.small}
    bounds |= {name: (0, END_EPOCH_SECOND - 1) for name in TIMES if name in numeric}
    inside = {name: pl.col(name).is_between(*bound) for name, bound in bounds.items()}
    told += [
        pl.when(~fits).then(pl.format(f"{name.replace('-', '_')}_overflow={{}}", pl.col(name)))
        for name, fits in inside.items()
    ]
    typed = numbers.with_columns(
        (join_flags(*told) if told else pl.lit(None, dtype=pl.String)).alias(FLAGS),
        *(pl.when(fits).then(name).cast(kind.dtype(name)).alias(name) for name, fits in inside.items()),
        # What a flow without a possible time says of it is looked up in `no_time`.
        *(numbers[name].alias(f"_said_{name}") for name in TIMES if name in numeric),
    )
    return typed, wrong


def times_possible(frame: pl.DataFrame) -> bool:
    """Whether all times lie in the years that events can be of."""
    for name in TIMES:
        if name in frame.columns:
            least, most = frame[name].min(), frame[name].max()
            if least is not None and not 0 <= least <= most < END_EPOCH_SECOND:  # type: ignore[operator]
                return False
    return True


def event_times(frame: pl.DataFrame) -> pl.Series:
    """When each flow began, where that is missing when it ended, Datetime(us, UTC); null where neither is there."""
    times = [frame[name] for name in TIMES if name in frame.columns]
    if not times:
        return pl.Series([None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, frame.height)
    first = times[0]
    if len(times) > 1 and first.null_count():
        first = first.zip_with(first.is_not_null(), times[1])
    return (first * 1_000_000).cast(pl.Datetime("us", "UTC"))


def instant(name: str) -> pl.Expr:
    """The seconds in column ``name`` as Datetime(us, UTC)."""
    return (pl.col(name).cast(pl.Int64) * 1_000_000).cast(pl.Datetime("us", "UTC"))


def no_time(frame: pl.DataFrame, row: int) -> str:
    """Why the flow in ``row`` has no time, as a sentence."""
    named = []
    for name in TIMES:
        if name in frame.columns:
            said = frame[f"_said_{name}"][row]
            named.append(f"{name} {NOTHING if said is None else said}")
    if not named:
        return "the fields hold neither start nor end"
    return f"{' and '.join(named)}: no second {EVENT_YEARS}"


def with_extra(frame: pl.DataFrame, kind: FlowFields) -> pl.DataFrame:
    """Moves fields that are not known into ``_extra``, a JSON object by field; null where all are."""
    unknown = [name for name in frame.columns if name not in kind.known and not name.startswith("_")]
    return with_named_extra(frame, unknown) if unknown else frame
