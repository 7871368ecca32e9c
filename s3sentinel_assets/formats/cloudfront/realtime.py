"""CloudFront's real-time access logs, as Firehose writes what comes through Kinesis to a bucket.

Source: AWS, "Use real-time access logs", section "Real-time log configuration fields" (docs.aws.amazon.com/
AmazonCloudFront/latest/DeveloperGuide/real-time-logs.html). CloudFront writes the fields that a log configuration names
in the order of that page, whatever the configuration's order.

Belongs here: the documented orders, choosing one. Does not belong here: the columns (``columns``). No line
says which fields it has: the order is that of the source's settings (``fields``); without it, a documented order
counts if it has as many fields as a line and the values fit.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.cloudfront.columns import ASIM, NATIVE, as_field, event_times, prepared
from s3sentinel_assets.formats.cloudfront.standard import fits
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, DelimitedParser, Fields
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import ParseOptions, Reading, Strays, Verdict

__all__ = ["DOCUMENTED", "CloudFrontRealtimeParser"]

#: The fields of 2020.
_FIRST = (
    "timestamp", "c-ip", "time-to-first-byte", "sc-status", "sc-bytes", "cs-method", "cs-protocol", "cs-host",
    "cs-uri-stem", "cs-bytes", "x-edge-location", "x-edge-request-id", "x-host-header", "time-taken",
    "cs-protocol-version", "c-ip-version", "cs-user-agent", "cs-referer", "cs-cookie", "cs-uri-query",
    "x-edge-response-result-type", "x-forwarded-for", "ssl-protocol", "ssl-cipher", "x-edge-result-type",
    "fle-encrypted-fields", "fle-status", "sc-content-type", "sc-content-len", "sc-range-start", "sc-range-end",
    "c-port", "x-edge-detailed-result-type", "c-country", "cs-accept-encoding", "cs-accept",
    "cache-behavior-path-pattern", "cs-headers", "cs-header-names", "cs-headers-count",
)  # fmt: skip
_ORIGIN = ("primary-distribution-id", "primary-distribution-dns-name", "origin-fbl", "origin-lbl", "asn")
_MEDIA = tuple(
    f"cmcd-{name}"
    for name in (
        "encoded-bitrate", "buffer-length", "buffer-starvation", "content-id", "object-duration", "deadline",
        "measured-throughput", "next-object-request", "next-range-request", "object-type", "playback-rate",
        "requested-maximum-throughput", "streaming-format", "session-id", "stream-type", "startup", "top-bitrate",
        "version",
    )
)  # fmt: skip
#: All fields there have been, as the list grew; the last is the full one of 2025.
DOCUMENTED: tuple[tuple[str, ...], ...] = (
    _FIRST,
    (*_FIRST, *_ORIGIN),
    (*_FIRST, *_ORIGIN, *_MEDIA),
    (
        *_FIRST[:2], "s-ip", *_FIRST[2:], *_ORIGIN, *_MEDIA, "r-host", "sr-reason", "x-edge-mqcs",
        "distribution-tenant-id", "connection-id",
    ),
)  # fmt: skip
_NONE = Fields(("timestamp",), required=1)
_BY_COUNT = {len(order): Fields(order, required=len(order)) for order in DOCUMENTED}
_LINE = re.compile(rb"\d{10}(?:\.\d{1,6})?\t")
#: As for standard logs; values of fields from the start to the end of a line.
_SHAPES = {
    "timestamp": r"^\d{10}(?:\.\d+)?$",
    "c-ip": r"^[0-9A-Fa-f.:]+$",
    "s-ip": r"^[0-9A-Fa-f.:]+$",
    "time-to-first-byte": r"^-?\d+(?:\.\d+)?$",
    "sc-status": r"^\d{3}$",
    "sc-bytes": r"^\d+$",
    "cs-method": r"^[A-Za-z_-]+$",
    "cs-protocol": r"^[a-z]+$",
    "cs-bytes": r"^\d+$",
    "x-edge-location": r"^[A-Z0-9]{3,}(?:-[A-Z0-9]+)*$",
    "time-taken": r"^-?\d+(?:\.\d+)?$",
    "cs-protocol-version": r"^HTTP/\d",
    "c-ip-version": r"^IPv\d$",
    "x-edge-response-result-type": r"^[A-Za-z]+$",
    "x-edge-result-type": r"^[A-Za-z]+$",
    "c-port": r"^\d+$",
    "x-edge-detailed-result-type": r"^[A-Za-z0-9]+$",
    "c-country": r"^[A-Z]{2}$",
    "cs-headers-count": r"^\d+$",
    "asn": r"^\d+$",
}


class CloudFrontRealtimeParser(DelimitedParser):
    """Parses real-time access logs."""

    name: ClassVar[str] = "cloudfront_realtime"
    title: ClassVar[str] = "a CloudFront real-time log"
    fields: ClassVar[Fields] = _NONE
    separator: ClassVar[str] = "\t"
    quoted: ClassVar[bool] = False
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """See `LineParser`."""
        super().__init__(options, strays, **limits)
        names = tuple(as_field(name) for name in self.options.fields)
        mine = "timestamp" in names and len(set(names)) == len(names)
        self._stated = Fields(names, required=len(names)) if mine else None
        self._keys: dict[int, str] = {}

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """Lines that begin with seconds and have as many fields as a documented order, with values that fit it."""
        lines = [line.strip(b"\r") for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
        whole = (lines if head.endswith(b"\n") else lines[:-1] or lines)[:20]
        begun = [line for line in whole if _LINE.match(line) and line.count(b"\t") >= 2]
        if not begun:
            return Verdict(0.0, "no line begins with seconds and a tab")
        share = len(begun) / len(whole)
        layout = _BY_COUNT.get(begun[0].count(b"\t") + 1)
        if layout is not None:
            fitting = len(cls().parse_each([line.decode(errors="replace") for line in begun], layout).good) / len(whole)
            if fitting:
                return Verdict(0.95 * fitting, f"{fitting:.0%} of {len(whole)} lines have the documented fields")
        return Verdict(0.35 * share, "lines that begin with seconds and a tab; settings must name their fields")

    def first_layout(self, reading: Reading) -> Fields:
        """The order of the settings; else none, until the lines are counted. The key may name the distribution."""
        self._keys[reading.object_id] = reading.key
        return self._stated or _NONE

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """What the values look like, and that there is a time."""
        return fits(frame, _SHAPES) & pl.col("timestamp").is_not_null()

    def parse_all(self, data: bytes, lines: int, layout: Fields) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        found = _with_count(data.count(b"\t", 0, data.find(b"\n")) + 1, layout)
        if found is None or data.count(b"\t") != lines * (len(found.names) - 1):
            return None
        return super().parse_all(data, lines, found)

    def parse_each(self, lines: Sequence[str], layout: Fields) -> CarefulLines:
        """Lines one by one; see `LineParser.parse_each`."""
        by_count: dict[int, list[int]] = {}
        for index, line in enumerate(lines):
            by_count.setdefault(line.count("\t") + 1, []).append(index)
        frames, good, bad = list[pl.DataFrame](), list[int](), list[BadLine]()
        for number, places in by_count.items():
            found = _with_count(number, layout)
            if found is None:
                expected = f"{len(layout.names)} are expected"
                if layout is _NONE:
                    expected = "no documented order has so many, so settings must name them"
                bad += [BadLine(at, "field_count", f"the line has {number} fields; {expected}") for at in places]
                continue
            cut = super().parse_each([lines[index] for index in places], found)
            frames.append(cut.frame)
            good += [places[index] for index in cut.good]
            bad += [BadLine(places[line.index], line.reason, line.detail) for line in cut.bad]
        if not frames:
            return CarefulLines(pl.DataFrame(schema={"timestamp": pl.String()}), [], bad)
        order = pl.Series(good, dtype=pl.Int64)
        return CarefulLines(pl.concat(frames, how="diagonal")[order.arg_sort()], order.sort().to_list(), bad)

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """``timestamp``: when the edge had answered."""
        return event_times(frame)

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the distribution and decoded values, and moves fields without a column aside."""
        return prepared(raw, self._keys, self.mappings[0])


def _with_count(number: int, layout: Fields) -> Fields | None:
    """The order of a line with ``number`` fields: ``layout`` if it has as many, or a documented one; None: unknown.

    A line with more fields than the settings name is no better than one with fewer: which ones are they?
    """
    if layout is _NONE:
        return _BY_COUNT.get(number)
    return layout if len(layout.names) == number else None
