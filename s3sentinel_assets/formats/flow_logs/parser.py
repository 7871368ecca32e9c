"""Flow log files → typed columns, whatever kind of flow log they are.

Belongs here: recognising a kind by header, keys or shape, choosing between text and JSON lines. Does not belong here:
any one kind, and what all logs of lines have in common (``line_logs``).

A header line is obeyed wherever it stands. Without one, the order is that of the source's settings, else AWS's default.
"""

import re
from abc import abstractmethod
from collections.abc import Sequence
from itertools import islice
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.flow_logs import columns, json_lines, text_lines
from s3sentinel_assets.formats.flow_logs.fields import FieldOrder, FlowFields
from s3sentinel_assets.formats.json_logs.flat_rows import record_of, starts_object
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, LineParser
from s3sentinel_assets.formats.model import Reading, Verdict

__all__ = ["FlowLogParser"]

_BOM = b"\xef\xbb\xbf"
#: Lines that detection looks at.
_SNIFFED = 50
#: One of these is in every header that makes sense.
_IN_HEADERS = (b"addr", b"start", b"end", b"ADDR")
_SECOND = re.compile(rb"(?<![^ ])[12]\d{9}(?![^ ])")
_ADDRESS = re.compile(rb"(?<![^ ])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:]+:[0-9a-f:.]*)(?![^ ])")


class FlowLogParser(LineParser[FieldOrder]):
    """Parses flow logs: text, Parquet, JSON lines.

    A kind says, beside what `FormatParser` asks: ``kind``, `default_shape`, and which other kind a line's values show.
    """

    kind: ClassVar[FlowFields]
    # The names in a header are no numbers; see `parse_all` for orders without a number.
    finds_headers: ClassVar[bool] = True
    #: What a value of another kind begins with; empty: nothing tells.
    foreign_value: ClassVar[bytes] = b""
    #: What a value of this kind begins with, where no header says so; empty: any address will do.
    telling_value: ClassVar[bytes] = b""

    @classmethod
    @abstractmethod
    def default_shape(cls, fields: Sequence[bytes]) -> bool:
        """Whether the fields of a line could be those of the default order."""

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """A header or keys of known fields, else lines with the shape of the default fields."""
        lines = head.removeprefix(_BOM).split(b"\n")
        filled = (line.rstrip(b"\r") for line in (lines[:-1] or lines) if line.strip())
        first = next(filled, None)
        if first is None:
            return Verdict(0.0, "it has no line")
        if starts_object(first):
            known = cls._known_keys(first)
            return Verdict(0.98 if known else 0.0, f"JSON lines with {known} flow log fields")
        order = cls.kind.read_header(first)
        if order is not None:
            return Verdict(
                0.99, f"a header with {sum(name in cls.kind.known for name in order.fields)} flow log fields"
            )
        whole = [first, *islice(filled, _SNIFFED - 1)]
        default = f"the default {len(cls.kind.default)} fields"
        shaped = sum(cls.default_shape(line.split(b" ")) for line in whole)
        if shaped:
            return Verdict(0.4 + 0.5 * shaped / len(whole), f"{shaped} of {len(whole)} lines have {default}")
        if len(lines) == 1 and cls.kind.read_header(lines[0].rpartition(b" ")[0]):
            return Verdict(0.5, "a header cut short")
        if cls._maybe_flows(whole):
            return Verdict(0.3, "lines of addresses and seconds without a header; settings must name their fields")
        return Verdict(0.0, f"neither a header of flow log fields nor lines with {default}")

    @classmethod
    def _known_keys(cls, line: bytes) -> int:
        record = record_of(line)
        order = cls.kind.order_of(list(record)) if record else None
        return sum(name in cls.kind.known for name in order.fields) if order else 0

    @classmethod
    def _maybe_flows(cls, lines: Sequence[bytes]) -> bool:
        """Whether lines may be flows in an order of the user's choice."""
        return all(
            line.count(b" ") == lines[0].count(b" ")
            and _SECOND.search(line)
            and (b" " + cls.telling_value in b" " + line if cls.telling_value else _ADDRESS.search(line))
            and not (cls.foreign_value and b" " + cls.foreign_value in b" " + line)
            for line in lines
        )

    def first_layout(self, reading: Reading) -> FieldOrder:  # noqa: ARG002
        """The order that the settings state, else AWS's default."""
        return self.kind.stated(self.options.fields) or FieldOrder(self.kind.default)

    def header(self, line: bytes, layout: FieldOrder) -> FieldOrder | None:  # noqa: ARG002
        """The order that a header line states."""
        return self.kind.read_header(line)

    def may_have_header(self, data: bytes) -> bool:
        """Whether a name stands in ``data`` that headers have."""
        return data[:1] != b"{" and any(name in data for name in _IN_HEADERS)

    def parse_all(self, data: bytes, lines: int, layout: FieldOrder) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        if data[:1] == b"{":
            frame = json_lines.read_json(data, lines, self.kind)
        elif self.kind.has_number(layout.fields[:-1]) or not self.may_have_header(data):
            frame = text_lines.read_text(data, lines, layout, self.kind)
        else:
            return None
        if frame is None or not columns.times_possible(frame):
            return None
        return columns.with_extra(frame, self.kind)

    def parse_each(self, lines: Sequence[str], layout: FieldOrder) -> CarefulLines:
        """Lines one by one; see `LineParser.parse_each`."""
        objects = [index for index, line in enumerate(lines) if line.lstrip().startswith("{")]
        others = [index for index, line in enumerate(lines) if not line.lstrip().startswith("{")]
        found = [
            (objects, json_lines.cut_json([lines[index] for index in objects], self.kind, self.name, self.title)),
            (others, text_lines.cut_lines([lines[index] for index in others], layout)),
        ]
        made = [self._typed(places, *cut) for places, cut in found if places]
        bad = [line for part in made for line in part.bad]
        if len(made) == 1:
            return made[0]
        good = [index for part in made for index in part.good]
        order = sorted(range(len(good)), key=good.__getitem__)
        frame = pl.concat([part.frame for part in made], how="diagonal") if made else pl.DataFrame()
        return CarefulLines(frame[order], sorted(good), bad)

    def _typed(self, places: list[int], texts: pl.DataFrame, good: list[int], bad: list[BadLine]) -> CarefulLines:
        """What was cut, in types; ``places``: where the lines stand among all."""
        typed, wrong = columns.typed_columns(texts, self.kind)
        bad = [BadLine(places[line.index], line.reason, line.detail) for line in bad]
        bad += [
            BadLine(places[good[row]], "bad_number", f"the field {name} is no whole number")
            for row, name in wrong.items()
        ]
        if wrong:
            good = [index for row, index in enumerate(good) if row not in wrong]
            typed = typed[[row for row in range(typed.height) if row not in wrong]]
        return CarefulLines(columns.with_extra(typed, self.kind), [places[index] for index in good], bad)

    def time(self, frame: pl.DataFrame, layout: FieldOrder) -> pl.Series:  # noqa: ARG002
        """When the flow began, else when it ended."""
        return columns.event_times(frame)

    def no_time(self, frame: pl.DataFrame, row: int) -> str:
        """What ``start`` and ``end`` hold."""
        return columns.no_time(frame, row)

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Drops what only rejects need."""
        return raw.drop([name for name in raw.columns if name.startswith("_said_")])
