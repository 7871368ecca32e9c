r"""Events in the Common Event Format (CEF), alone or behind a syslog header.

Source: "Implementing ArcSight Common Event Format (CEF)", version 26:
``CEF:0|vendor|product|version|class|name|severity|key=value key=value``; ``\|`` and ``\\`` are escapes in the header,
``\=``, ``\\``, ``\n`` and ``\r`` in values.

Belongs here: the pairs of an event, its time, its table. Does not belong here: the dictionary of keys
(``security_events``).

Decisions: a key begins behind a blank, so values hold blanks and even ``=`` (``request=https://a/?b=c``). A key that
comes twice keeps its first value, the second goes to ``AdditionalExtensions``. The event's time is ``rt``, else that of
the syslog header, else ``end``, else ``start``, else the object's arrival. Numbers that Microsoft moved to wider
columns (``cn1``, ``externalId``) also fill the narrow ones, where they fit. The severity of the syslog header is not
kept: the event has its own.
"""

import re
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.frames import FLAGS, flags
from s3sentinel_assets.formats.line_logs.pairs import KEY, ROW, VALUE, to_columns, to_text
from s3sentinel_assets.formats.line_logs.text_lines import FITS, Arrival, TextLineParser
from s3sentinel_assets.formats.mapping import Origin, TableMapping, derived
from s3sentinel_assets.formats.model import Verdict
from s3sentinel_assets.formats.security_events.common import (
    ALIASES,
    ALONE,
    COLUMNS,
    ENTITIES,
    KEYS,
    PREFIX,
    judge_events,
    key_columns,
    read_prefix,
)

__all__ = ["CefParser"]

_START = rf"^((|{PREFIX})CEF: ?([0-9]{{1,3}}(?:\.[0-9]+)?)\|)"
_SNIFF = re.compile(rf"(|{PREFIX})CEF: ?[0-9]{{1,3}}(?:\.[0-9]+)?\|(?:[^|]*\|){{4}}".encode())
_HEADER = ("vendor", "product", "version", "event_class", "name", "severity", "extension")
_ESCAPED_HEADER = "^" + r"((?:[^|\\]|\\.)*)\|" * 5 + r"((?:[^|\\]|\\.)*)(?:\|((?s:.*)))?$"
_KEY = r"(?:^|[ \t])([A-Za-z_][A-Za-z0-9_.\[\]-]*)="
#: Text under no key, with a bar in it.
_BARS = r"^[^=;]*\|"
#: Two characters that Unicode keeps for such uses, and no text holds: before a key, and between key and value.
_PAIR, _EQUALS = "\ufdd0", "\ufdd1"
_KNOWN = {*KEYS, "start", "end", "dvcpid", "deviceProcessName", "deviceFacility"}


def _narrow(key: str, column: str) -> Origin:
    return derived(f"`{key}` where it fits; else only `{column}` has it", pl.col(key).cast(pl.Int32, strict=False))


NATIVE = TableMapping(
    "CommonSecurityLog",
    {
        **COLUMNS,
        **key_columns({key: key for key in KEYS}),
        "StartTime": derived("`start`", pl.col("start_time")),
        "EndTime": derived("`end`", pl.col("end_time")),
        "ProcessName": derived("`deviceProcessName`, else the program in the syslog header", pl.coalesce(
            "deviceProcessName", "tag"
        )),
        "ProcessID": derived("`dvcpid`, else the number in the syslog header", pl.coalesce("dvcpid", "pid")),
        "DeviceFacility": derived("`deviceFacility`, else that of the syslog header", pl.coalesce(
            "deviceFacility", "facility"
        )),
        "ExternalID": _narrow("externalId", "ExtID"),
        **{f"DeviceCustomNumber{n}": _narrow(f"cn{n}", f"FieldDeviceCustomNumber{n}") for n in range(1, 4)},
    },
    entities=ENTITIES,
    note="Times that are read: `start` and `end`; the table keeps the others as text.",
)  # fmt: skip


class CefParser(TextLineParser):
    """Parses events in the Common Event Format."""

    name: ClassVar[str] = "cef"
    title: ClassVar[str] = "a CEF log"
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """Lines with ``CEF:`` and the bars of its header."""
        return judge_events(head, "CEF", _SNIFF)

    def take_apart(self, lines: pl.Series, arrival: Arrival) -> pl.DataFrame:
        """Headers and pairs; see `TextLineParser.take_apart`."""
        parts = lines.str.extract_groups(_START).struct.rename_fields(["matched", "prefix", "cef_version"])
        frame = parts.struct.unnest().hstack([lines.alias("line")])
        body = frame.select(pl.col("line").str.strip_prefix(pl.col("matched"))).to_series()
        fields = _header(body)
        # The last bar may be missing where there are no pairs; severity itself may not.
        header = read_prefix(frame["prefix"].fill_null(""))
        complete = pl.col("matched").is_not_null() & (
            pl.col("extension").is_not_null() | (pl.col("severity").str.strip_chars() != "")
        )
        complete &= header[ALONE]
        frame = frame.hstack(fields).with_columns(complete.fill_null(value=False).alias(FITS))
        pairs = _pairs(frame["extension"])
        known, rest = to_columns(pairs, frame.height, _KNOWN)
        missing = [name for name in ("rt", "start", "end") if name not in known.columns]
        known = known.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
        told = frame.select(FITS, *(_filled(name) for name in _HEADER[:-1])).hstack(known).hstack(header.drop(ALONE))
        told = told.with_columns(to_text(rest, frame.height).alias("additional_extensions"))
        timed = self.with_time(told, arrival, told["rt"], told["stamp"], told["end"], told["start"])
        timed = self.with_instant(timed, "start_time", told["start"], arrival, "StartTime")
        return self.with_instant(timed, "end_time", told["end"], arrival, "EndTime").drop("stamp")

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Tells of bars in front of all pairs: one in the header was not escaped, and what is behind it has shifted."""
        raw = super().prepare(raw)
        odd = raw["additional_extensions"].str.contains(_BARS).fill_null(value=False)
        if not odd.any():
            return raw
        told = pl.when(pl.lit(odd)).then(pl.lit("odd_bars"))
        return raw.with_columns(flags(pl.col(FLAGS), told).alias(FLAGS))


def _header(body: pl.Series) -> pl.DataFrame:
    r"""The seven parts behind the version; ``extension`` is null where the bars are too few."""
    parts = body.str.splitn("|", 7).struct.rename_fields(_HEADER).struct.unnest()
    escaped = parts.select(
        pl.any_horizontal(pl.col(name).str.contains("\\", literal=True) for name in _HEADER[:-1]).fill_null(value=False)
    ).to_series()
    if not escaped.any():
        return parts
    careful = body.filter(escaped).str.extract_groups(_ESCAPED_HEADER).struct.rename_fields(_HEADER).struct.unnest()
    careful = careful.with_columns(pl.col(name).str.replace_all(r"\\([|\\])", "$1") for name in _HEADER[:-1])
    places = escaped.arg_true()
    return pl.DataFrame([parts[name].scatter(places, careful[name]).alias(name) for name in _HEADER])


def _pairs(extension: pl.Series) -> pl.DataFrame:
    """The pairs of all rows as `pairs` has them, values without escapes; empty ones are left out."""
    marked = extension.str.replace_all(_KEY, f"{_PAIR}$1{_EQUALS}").str.strip_prefix(_PAIR)
    pairs = pl.DataFrame({ROW: pl.int_range(marked.len(), dtype=pl.UInt32, eager=True), "pair": marked})
    pairs = pairs.filter(marked.is_not_null() & (marked != "")).with_columns(pl.col("pair").str.split(_PAIR))
    pairs = pairs.explode("pair")
    cut = pairs["pair"].str.splitn(_EQUALS, 2).struct.rename_fields([KEY, VALUE]).struct.unnest()
    # Text in front of the first key is nobody's value; it is kept under no key.
    free = pl.col(VALUE).is_null()
    cut = cut.with_columns(
        pl.when(free).then(pl.lit("")).otherwise(KEY).replace(ALIASES).alias(KEY),
        pl.when(free).then(KEY).otherwise(VALUE).str.strip_chars(" \t\r").alias(VALUE),
    ).hstack([pairs[ROW]])
    if cut[VALUE].str.contains("\\", literal=True).any():
        value = pl.col(VALUE)
        unescaped = value.str.replace_many(
            ["\\\\", "\\=", "\\|", "\\n", "\\r"], ["\\", "=", "|", "\n", "\r"], leftmost=True
        )
        cut = cut.with_columns(
            pl.when(value.str.contains("\\", literal=True)).then(unescaped).otherwise(value).alias(VALUE)
        )
    return cut.filter(pl.col(VALUE) != "")


def _filled(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)
