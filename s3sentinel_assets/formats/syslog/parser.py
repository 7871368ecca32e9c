"""Syslog of any kind: RFC 3164 and RFC 5424, as devices send it and as rsyslog, syslog-ng and macOS write it to files.

Source: RFC 3164, RFC 5424, RFC 6587; "Azure Monitor Logs reference - Syslog" and "Collect Syslog events with Azure
Monitor Agent" (learn.microsoft.com/azure/azure-monitor; names of facilities and severities).

Belongs here: Sentinel's columns, what is syslog and what is not. Does not belong here: the forms of a header
(``header``), framing (``frames``), lines that go on in the next (``line_logs.continued_lines``).

Decisions: ``SyslogMessage`` is the message alone, as Azure Monitor's forwarding rule leaves it; structured data and
message id of RFC 5424 are kept in ``ExtraFields_CF``. A line that begins with a blank or a tab continues the message
above it; ``#011`` and ``#012`` of rsyslog stay as they are. A line with a priority and without a time is syslog by RFC
3164 section 4.3.2, and gets the time of arrival. A line without a priority has neither facility nor severity.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.values import ip_version
from s3sentinel_assets.formats.frames import EXTRA, FLAGS, flags
from s3sentinel_assets.formats.line_logs.text_lines import FITS, Arrival, TextLineParser, head_lines
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, derived, field
from s3sentinel_assets.formats.model import Reading, Verdict
from s3sentinel_assets.formats.syslog.data import structured_data
from s3sentinel_assets.formats.syslog.frames import cut_frames
from s3sentinel_assets.formats.syslog.header import BSD_LINE, FORM, PRIORITY_LINE, STRICT_LINE, read_headers

__all__ = ["FACILITIES", "SEVERITIES", "SyslogParser", "facility_name"]

#: By number, as Azure names them.
FACILITIES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp")
FACILITIES += ("ntp", "audit", "alert", "clock", *(f"local{number}" for number in range(8)))
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_WORDS = {"ERROR": "err", "WARN": "warning"} | {name.upper(): name for name in SEVERITIES}
_BAD = ("emerg", "alert", "crit", "err")
#: Bytes of a line that detection looks at.
_FRONT = 2048
_ADDRESS = r"\b([0-9]{1,3}(?:\.[0-9]{1,3}){3})\b"

NATIVE = TableMapping(
    "Syslog",
    {
        "EventTime": derived("time of the line", pl.col(TIME)),
        "Facility": derived("priority divided by 8, by name", pl.col("facility")),
        "SeverityLevel": derived("rest of priority divided by 8, by name", pl.col("severity")),
        "HostName": field("host", "HOSTNAME"),
        "Computer": field("host", "HOSTNAME"),
        "HostIP": derived("`HOSTNAME` where it is an address", pl.col("host_ip")),
        "ProcessName": field("tag", "TAG or APP-NAME"),
        "ProcessID": field("pid", "PROCID"),
        "SyslogMessage": field("message", "MSG"),
    },
    entities={
        "principal": field("host", "HOSTNAME"),
        "principal_type": constant("host"),
        "peer": field("tag", "TAG or APP-NAME"),
        "service": field("tag", "TAG or APP-NAME"),
        "action": derived(
            "program and severity: `sshd/info`",
            pl.concat_str("tag", pl.col("severity").fill_null("none"), separator="/"),
        ),
        "source_ip": derived("first IPv4 address in the message", pl.col("message").str.extract(_ADDRESS)),
        "error": derived("severity from `err` up", pl.when(pl.col("severity").is_in(_BAD)).then("severity")),
    },
    note="Structured data and message id of RFC 5424 are in `ExtraFields_CF`.",
)


def facility_name(priority: pl.Expr) -> pl.Expr:
    """The facility of a priority (Int, null where there is none or it is above 191), by name."""
    return (priority // 8).replace_strict(dict(enumerate(FACILITIES)), default=None, return_dtype=pl.String)


class SyslogParser(TextLineParser):
    """Parses syslog."""

    name: ClassVar[str] = "syslog"
    title: ClassVar[str] = "a syslog file"
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    continued: ClassVar[bool] = True

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - names say nothing: messages, secure, app.log
        """Lines with a priority are sure to be syslog; without one, time, host and program must be as usual."""
        lines = [line for line in head_lines(head) if not line.startswith((b" ", b"\t"))]
        if not lines:
            return Verdict(0.0, "there are no lines")
        tagged = sum(bool(PRIORITY_LINE.match(line)) for line in lines) / len(lines)
        strict = sum(bool(STRICT_LINE.match(line[:_FRONT])) for line in lines) / len(lines)
        dated = sum(bool(BSD_LINE.match(line)) for line in lines) / len(lines)
        confidence = max(0.9 * tagged, 0.55 * strict, 0.5 * dated)
        return Verdict(confidence, f"{max(tagged, strict, dated):.0%} of {len(lines)} lines begin as syslog does")

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's lines or frames; see `FormatParser.read`."""
        return super().read(reading, cut_frames(chunks))

    def take_apart(self, lines: pl.Series, arrival: Arrival) -> pl.DataFrame:
        """Headers and messages; see `TextLineParser.take_apart`."""
        frame = read_headers(lines)
        fits = pl.col(FORM).is_not_null()
        if self.shared:
            # What travels in syslog and has a format of its own goes there.
            carried = pl.col("tag").is_in(["CEF", "LEEF"]) | pl.col("message").str.contains(r"^(?:CEF: ?|LEEF:)[0-9]")
            fits &= ~carried.fill_null(value=False)
        frame = frame.with_columns(fits.alias(FITS), pl.col("pri").cast(pl.Int16))
        return self.with_time(frame, arrival, frame["stamp"]).drop("stamp", FORM)

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Names of facility and severity, the address of the host, structured data as JSON."""
        raw = super().prepare(raw)
        if raw["pri"].max() is not None and raw["pri"].max() > 191:  # type: ignore[operator]
            bad = pl.col("pri") > 191
            told = pl.when(bad).then(pl.format("bad_pri={}", "pri"))
            raw = raw.with_columns(flags(pl.col(FLAGS), told).alias(FLAGS), pl.when(~bad).then("pri").alias("pri"))
        severity = (pl.col("pri") % 8).replace_strict(dict(enumerate(SEVERITIES)), default=None, return_dtype=pl.String)
        word = pl.col("word").replace_strict(_WORDS, default=None, return_dtype=pl.String)
        extra = structured_data(raw["sd"], raw["msgid"])
        return raw.with_columns(
            facility_name(pl.col("pri")).alias("facility"),
            pl.coalesce(severity, word).alias("severity"),
            pl.when(ip_version("host").is_not_null()).then("host").alias("host_ip"),
            *([extra.alias(EXTRA)] if extra.null_count() < extra.len() else []),
        )
