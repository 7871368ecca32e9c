r"""Events in the Log Event Extended Format (LEEF) 1.0 and 2.0, alone or behind a syslog header.

Source: IBM, "LEEF event components", "Predefined LEEF event attributes" and "Custom event date format"
(ibm.com/docs/dsm): ``LEEF:1.0|vendor|product|version|event id|key=value<tab>key=value``; version 2.0 names the
delimiter behind the event id, as a character or as ``0x5E``, tab where it does not.

Belongs here: the pairs of an event, its time, its table. Does not belong here: columns that CEF fills alike
(``security_events``).

Decisions: attributes that IBM predefines go where CEF's keys of the same meaning go; LEEF has no name of the event, so
``Activity`` is the event id too. The event's time is ``devTime`` (read with ``devTimeFormat`` where it is none of the
usual forms), else that of the syslog header, else the object's arrival.
"""

import re
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.line_logs.pairs import KEY, ROW, VALUE, to_columns, to_text
from s3sentinel_assets.formats.line_logs.text_lines import FITS, Arrival, TextLineParser
from s3sentinel_assets.formats.mapping import TableMapping, field
from s3sentinel_assets.formats.model import Verdict
from s3sentinel_assets.formats.security_events.common import (
    ALONE,
    COLUMNS,
    ENTITIES,
    PREFIX,
    judge_events,
    key_columns,
    read_prefix,
)
from s3sentinel_assets.formats.security_events.java_dates import DatePattern, strptime_format

__all__ = ["LeefParser"]

_START = rf"^((|{PREFIX})LEEF: ?([0-9]{{1,3}}(?:\.[0-9]+)?)\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|)"
_PARTS = ("matched", "prefix", "leef_version", "vendor", "product", "version", "event_class")
_SNIFF = re.compile(rf"(|{PREFIX})LEEF: ?[0-9]{{1,3}}(?:\.[0-9]+)?\|(?:[^|]*\|){{4}}".encode())
#: The delimiter of version 2.0: a character, a hexadecimal number, or nothing.
_DELIMITER = r"^((0?x[0-9A-Fa-f]{2,4}|[^|])?\|)"
#: Attribute → the CEF key of the same meaning.
_KEYS = {
    "cat": "cat",
    "proto": "proto",
    "src": "src",
    "dst": "dst",
    "srcPort": "spt",
    "dstPort": "dpt",
    "srcPostNAT": "sourceTranslatedAddress",
    "dstPostNAT": "destinationTranslatedAddress",
    "srcPostNATPort": "sourceTranslatedPort",
    "dstPostNATPort": "destinationTranslatedPort",
    "srcMAC": "smac",
    "dstMAC": "dmac",
    "srcBytes": "out",
    "dstBytes": "in",
    "usrName": "suser",
    "accountName": "duser",
    "role": "spriv",
    "domain": "sntdom",
    "url": "request",
    "devTime": "rt",
}
_OTHERS = {"sev": "severity", "devTimeFormat": "time_format"}

NATIVE = TableMapping(
    "CommonSecurityLog",
    {
        **COLUMNS,
        "DeviceEventClassID": field("event_class", "EventID"),
        "Activity": field("event_class", "EventID"),
        "LogSeverity": field("severity", "sev"),
        **key_columns(_KEYS),
        "ProcessName": field("tag", "program in the syslog header"),
        "ProcessID": field("pid", "number in the syslog header"),
        "DeviceFacility": field("facility", "facility in the syslog header"),
    },
    entities=ENTITIES,
)


class LeefParser(TextLineParser):
    """Parses events in the Log Event Extended Format."""

    name: ClassVar[str] = "leef"
    title: ClassVar[str] = "a LEEF log"
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """Lines with ``LEEF:`` and the bars of its header."""
        return judge_events(head, "LEEF", _SNIFF)

    def take_apart(self, lines: pl.Series, arrival: Arrival) -> pl.DataFrame:
        """Headers and pairs; see `TextLineParser.take_apart`."""
        parts = lines.str.extract_groups(_START).struct.rename_fields(_PARTS).struct.unnest()
        frame = parts.with_columns(lines.str.strip_prefix(parts["matched"]).alias("body"))
        frame = frame.with_columns(frame["body"].str.extract(_DELIMITER).alias("matched"))
        stated = frame["body"].str.extract(_DELIMITER, 2)
        codes = {text: _character(text) for text in stated.unique().drop_nulls()}
        # In version 1.0 a bar can only be part of the first value.
        second = pl.col("leef_version").str.starts_with("2").fill_null(value=False)
        frame = frame.with_columns(
            pl.when(second).then(stated.replace_strict(codes, default=None, return_dtype=pl.String)).alias("delimiter"),
            pl.when(second).then(pl.col("body").str.strip_prefix(pl.col("matched").fill_null(""))).otherwise("body"),
        )
        pairs = _pairs(frame.select("body", pl.col("delimiter").fill_null("\t")))
        known, rest = to_columns(pairs, frame.height, {*_KEYS, *_OTHERS})
        known = known.rename({**_KEYS, **_OTHERS}, strict=False)
        missing = [name for name in ("rt", "time_format") if name not in known.columns]
        known = known.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
        texts = [pl.col(name).str.strip_chars() for name in _PARTS[3:]]
        header = read_prefix(frame["prefix"].fill_null(""))
        told = frame.select(
            (pl.col("event_class").is_not_null() & header[ALONE]).alias(FITS),
            *(pl.when(text != "").then(text) for text in texts),
        )
        told = told.hstack(known).hstack(header.drop(ALONE))
        told = told.with_columns(to_text(rest, frame.height).alias("additional_extensions"))
        by_format = _by_format(told["rt"], told["time_format"])
        timed = self.with_time(told, arrival, *by_format, told["rt"], told["stamp"])
        return timed.drop("stamp", "time_format")


def _character(text: str) -> str | None:
    """The delimiter that is meant by ``^``, ``0x5E`` or ``x5E``; None for half a surrogate pair, which is none."""
    made = text if len(text) == 1 else chr(int(text.partition("x")[2], 16))
    return None if "\ud800" <= made <= "\udfff" else made


def _pairs(attributes: pl.DataFrame) -> pl.DataFrame:
    """The pairs of all rows as `pairs` has them; empty values are left out, a piece without ``=`` has no key."""
    pieces = attributes.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(ROW), pl.col("body").str.split(pl.col("delimiter")).alias("piece")
    ).explode("piece")
    cut = pieces["piece"].str.splitn("=", 2).struct.rename_fields([KEY, VALUE]).struct.unnest()
    free = pl.col(VALUE).is_null()
    return cut.select(
        pieces[ROW],
        pl.when(free).then(pl.lit("")).otherwise(pl.col(KEY).str.strip_chars()).alias(KEY),
        pl.when(free).then(KEY).otherwise(VALUE).str.strip_chars().alias(VALUE),
    ).filter(pl.col(VALUE) != "")


def _by_format(times: pl.Series, formats: pl.Series) -> list[pl.Series]:
    """Times that only their format explains, as ISO 8601; an empty list where there is no format."""
    known = {text: made for text in formats.unique().drop_nulls() if (made := strptime_format(text)) is not None}
    if not known:
        return []
    frame = pl.DataFrame({"time": times, "format": formats})
    read = [pl.when(pl.col("format") == text).then(_as_iso(made)) for text, made in known.items()]
    return [frame.select(pl.coalesce(read)).to_series()]


def _as_iso(pattern: DatePattern) -> pl.Expr:
    zone, suffix = ("UTC", "Z") if pattern.zoned else (None, "")
    when = pl.col("time").str.to_datetime(pattern.text, time_unit="us", time_zone=zone, strict=False)
    return when.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.6f{suffix}")
