"""CloudWatch Logs by export task: text files with a log event's time, a space and its message on each line.

Source: Amazon CloudWatch Logs User Guide, "Exporting log data to Amazon S3", and API reference, ``CreateExportTask``
(docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateExportTask.html); Microsoft, "AWSCloudWatch"
table reference.

Belongs here: cutting such files into log events. Does not belong here: the table, and what other formats make of
messages (``subscription``, ``messages``).

Decisions:

* A line that does not begin with a time belongs to the message before it; at the beginning of a file it is rejected.
* Keys end in task id, log stream (slashes written as dashes) and file number: ``ExtraFields_CF`` gets the
  ``logStream``. The log group and the account are told nowhere.
* AWS tries out a bucket with an object that says "Permission Check Successful": it holds no record.
* Inside, a line end within a message is ASCII's record separator; one that was in a message before becomes a line end.
* Any log of lines with such times looks alike: the key decides between sure and likely.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import polars as pl

from s3sentinel_assets.formats.cloudwatch.messages import CONTEXT_KEYS, LOG_STREAM, taken_by_others
from s3sentinel_assets.formats.cloudwatch.subscription import NATIVE
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.frames import EXTRA, OBJECT
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.json_logs import CONTEXT
from s3sentinel_assets.formats.json_logs.columns import collector_paused
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, LineParser
from s3sentinel_assets.formats.line_logs.continued_lines import MARK
from s3sentinel_assets.formats.line_logs.parser import BOM
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import ParseOptions, Reading, Stray, Strays, Verdict

__all__ = ["CloudWatchExportParser", "join_messages"]

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
#: Bytes of a time and of what follows it.
_TIME_BYTES = 25
_BEGINS = re.compile(_TIME.encode() + rb"(?:[ \r\n]|\Z)")
_INSIDE = re.compile(b"\n(?!" + _TIME.encode() + rb"(?:[ \r\n]|\Z))")
_LINE = rf"^({_TIME})(?:\r?$| )"
_KEY = re.compile(r"(?:^|/)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/(.+)/[0-9]{6}(?:\.[a-z]+)?$")
_WRITE_TEST = b"Permission Check Successful"
_SNIFFED = 20
#: Every file is laid out alike.
_LAYOUT = "export"


def join_messages(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, with `MARK` for every line feed that no log event begins behind, but for one at the end."""
    held = b""
    for chunk in chunks:
        data = held + chunk if held else chunk
        # What follows a line feed decides about it: the last ones wait until enough has come.
        undecided = data.find(b"\n", max(0, len(data) - _TIME_BYTES))
        held = b"" if undecided < 0 else data[undecided:]
        ready = data if undecided < 0 else data[:undecided]
        if ready:
            yield _INSIDE.sub(MARK.encode(), ready) if undecided < 0 else _joined_before(ready, held)
    if held:
        last = held.endswith(b"\n")
        text = _INSIDE.sub(MARK.encode(), held[:-1] if last else held)
        yield text + b"\n" if last else text


def _joined_before(ready: bytes, after: bytes) -> bytes:
    """``ready`` joined, its line feeds judged with what comes ``after`` in view."""
    return _INSIDE.sub(MARK.encode(), ready + after[:_TIME_BYTES])[: len(ready)]


class CloudWatchExportParser(LineParser[str]):
    """Parses files of export tasks."""

    name: ClassVar[str] = "cloudwatch_export"
    title: ClassVar[str] = "an export of CloudWatch Logs"
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    offers_to: ClassVar[tuple[Literal["lines", "json"], ...]] = ("lines", "json")

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """Prepares to parse; ``limits`` as `LineParser` has them."""
        super().__init__(options, strays, **limits)
        #: Whether records of other formats have somewhere to go.
        self._shared = strays is not None
        self._streams: dict[int, str] = {}

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:
        """Times at the beginning of lines; a key as export tasks write it makes it sure."""
        text = head.removeprefix(BOM)
        if text.strip() == _WRITE_TEST:
            return Verdict(0.95, "the object by which an export task tries out a bucket")
        lines = [line for line in text[: 4 << 10].split(b"\n") if line.strip()][:_SNIFFED]
        begun = sum(_BEGINS.match(line) is not None for line in lines)
        if not lines or not _BEGINS.match(lines[0]):
            # The rest of an event whose beginning is not there may come first.
            return Verdict(0.5 if begun and _KEY.search(key) else 0.0, "it does not begin with a time")
        return Verdict(0.9 if _KEY.search(key) else 0.7, f"{begun} of {len(lines)} lines begin with a time")

    def first_layout(self, reading: Reading) -> str:
        """The same for all; notes the log stream."""
        found = _KEY.search(reading.key)
        if found:
            self._streams[reading.object_id] = found[1]
        return _LAYOUT

    def header(self, line: bytes, layout: str) -> str | None:
        """Passes over the object by which a bucket is tried out."""
        return layout if line.strip() == _WRITE_TEST else None

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's log events; see `FormatParser.read`."""
        return super().read(reading, join_messages(chunks))

    def parse_all(self, data: bytes, lines: int, layout: str) -> pl.DataFrame | None:  # noqa: ARG002
        """All log events at once; None as well where their messages must be offered to others one by one."""
        if self._shared:
            return None
        try:
            text = data[:-1].decode()
        except UnicodeDecodeError:
            return None
        series = pl.Series([text], dtype=pl.String()).str.split("\n").explode()
        frame = _columns(series)
        return frame if series.len() == lines and not frame["written"].null_count() else None

    def parse_each(self, lines: Sequence[str], layout: str) -> CarefulLines:  # noqa: ARG002
        """Log events one by one."""
        frame = _columns(pl.Series(lines, dtype=pl.String()))
        fits = frame["written"].is_not_null()
        detail = "the line does not begin with a time, and no log event is before it"
        bad = [BadLine(index, f"not_{self.name}", detail) for index in (~fits).arg_true()]
        return CarefulLines(frame.filter(fits), fits.arg_true().to_list(), bad)

    def _keep_good(
        self, reading: Reading, number: int, lines: Sequence[bytes], ordinals: Sequence[int], layout: str
    ) -> list[BadLine]:
        """As `LineParser` does it, but for the log events whose messages another format takes."""
        if self._shared:
            taken = self._taken(reading, lines, ordinals)
            kept = [index for index, ordinal in enumerate(ordinals) if ordinal not in taken]
            if not kept:
                return []
        else:
            kept = list(range(len(lines)))
        picked, numbers = [lines[index] for index in kept], [ordinals[index] for index in kept]
        bad = super()._keep_good(reading, number, picked, numbers, layout)
        return [replace(line, index=kept[line.index]) for line in bad]

    def _taken(self, reading: Reading, lines: Sequence[bytes], ordinals: Sequence[int]) -> set[int]:
        stream = self._streams.get(reading.object_id)
        context = {LOG_STREAM: stream} if stream else {}
        mark = MARK.encode()
        begun = [index for index, line in enumerate(lines) if _BEGINS.match(line)]
        messages = [lines[index][_TIME_BYTES:].replace(mark, b"\n") for index in begun]
        numbers = [ordinals[index] for index in begun]
        with collector_paused():
            return taken_by_others(reading, numbers, messages, [context] * len(begun), self.offer_strays, self.name)

    def adopt(self, reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:  # noqa: ARG002
        """Takes none: a line with a time in front in some other log says more there than here."""
        return strays

    def time(self, frame: pl.DataFrame, layout: str) -> pl.Series:  # noqa: ARG002
        """The time that the line begins with."""
        return parse_iso8601(frame["written"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the log stream, where the key tells it."""
        nothing = [pl.lit(None, dtype=pl.String).alias(CONTEXT + key) for key in CONTEXT_KEYS]
        stream = pl.col(OBJECT).replace_strict(self._streams, default=None, return_dtype=pl.String)
        return raw.with_columns(*nothing).with_columns(
            stream.alias(CONTEXT + LOG_STREAM), json_object({"logStream": stream}).alias(EXTRA)
        )


def _columns(lines: pl.Series) -> pl.DataFrame:
    """``written``, null for a line without a time, and ``message``."""
    return lines.to_frame("line").select(
        pl.col("line").str.extract(_LINE).alias("written"),
        pl.col("line").str.slice(_TIME_BYTES).str.replace_all(MARK, "\n", literal=True).alias("message"),
    )
