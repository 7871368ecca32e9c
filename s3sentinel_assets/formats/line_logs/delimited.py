r"""Lines of fields with a separator between them, quoted or not: the base of most access and flow logs.

Belongs here: cutting lines into text columns at speed, and by hand where that cannot be done. Does not belong here:
what makes quotes good ones (``quotes``), what the fields of one format are.

Good lines are cut by Polars' CSV reader, also those among bad ones. A line whose quotes do not pair up (a user agent
with a quote in it that the writer did not escape) is cut by hand: by the format's own pattern for such lines if it has
one, else a quoted field ends at a quote that a separator or the end of the line follows. As that is a guess, such a row
is flagged ``odd_quotes``.
"""

import functools
import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.frames import EXTRA, FLAGS
from s3sentinel_assets.formats.line_logs.parser import BOM, BadLine, CarefulLines, LineParser
from s3sentinel_assets.formats.line_logs.quotes import pair_up, pairing_lines, split_line, surely_cut
from s3sentinel_assets.formats.model import Reading, Verdict

__all__ = ["DelimitedParser", "Fields", "read_fields", "split_fields"]

#: Columns for fields at the end of a line that nobody knows yet.
SPARE = 12
#: Lines that detection looks at where it must cut them.
SNIFFED = 20
NOTHING = "-"
#: Fewer lines than this are cut by hand at once.
_FEW = 12
_ODD = "_odd"

split_fields = split_line


@dataclass(frozen=True)
class Fields:
    """The fields of a line, in order.

    Attributes:
        names: the format's own names, each once; a raw column is called the same.
        required: how many of them a line must have; the others came with later versions of the format.
        quotes: how many quotes a good line can have; empty: any number. A line with another number is cut by hand.
        first_spare: the number, counted from 1, that people would give to the first field behind those named; None:
            the next one. It differs where one field of the format is several here.
    """

    names: tuple[str, ...]
    required: int
    quotes: tuple[int, ...] = ()
    first_spare: int | None = None


@functools.cache
def _spare_names(number: int) -> tuple[str, ...]:
    return tuple(f"_spare{place}" for place in range(number))


def read_fields(
    data: bytes,
    lines: int,
    fields: Fields,
    *,
    separator: str = " ",
    quoted: bool = True,
    nothing: str = NOTHING,
    escapes: bool = True,
) -> pl.DataFrame | None:
    r"""Lines as text columns, the fast way.

    Args:
        data: whole lines, each ending in LF.
        lines: how many.
        fields: their fields.
        separator: one character.
        quoted: whether fields with the separator in them stand in double quotes.
        nothing: the text for a field without a value.
        escapes: whether the writer puts a backslash before quotes inside of a field.

    Returns:
        A String column for each field, null for ``nothing``, empty text and absent fields, and ``_spare0`` … for fields
        beyond them, shape (``lines``, …); None when any line needs a closer look.
    """
    if quoted and not pair_up(data, separator, escapes=escapes, allowed=fields.quotes):
        return None
    found = _read_csv(data, lines, fields, _Cut(separator, quoted=quoted, nothing=nothing))
    if found is None or not found[1].all():
        return None
    return found[0]


@dataclass(frozen=True)
class _Cut:
    """How the CSV reader is to cut lines."""

    separator: str
    quoted: bool
    nothing: str


def _read_csv(data: bytes, lines: int, fields: Fields, cut: _Cut) -> tuple[pl.DataFrame, pl.Series] | None:
    """As `read_fields`, with a second value: which lines are long enough, Boolean."""
    # Columns that no line has cost time; mostly all lines have as many fields as the first.
    first = split_line(data[: data.find(b"\n")].decode(errors="replace"), cut.separator, quoted=cut.quoted)
    spare = min(max(0, len(first) - len(fields.names)), SPARE)
    last = fields.names[fields.required - 1]
    if any(text not in ("", cut.nothing) for text in first[fields.required - 1 :]):
        frame = _csv(data, lines, fields, cut, spare, nulls=[cut.nothing, ""])
        if frame is None:
            return None
        enough = _long_enough(frame, last)
        if enough.all():
            return _without_empty(frame, fields), enough
    # A field that is not there cannot be told from one without a value, unless the latter keeps its text.
    frame = _csv(data, lines, fields, cut, spare, nulls=None)
    if frame is None:
        return None
    enough = _long_enough(frame, last)
    names = frame.columns
    frame = frame.with_columns(
        pl.when((pl.col(name) != cut.nothing) & (pl.col(name) != "")).then(name) for name in names
    )
    return _without_empty(frame, fields), enough


def _csv(
    data: bytes, lines: int, fields: Fields, cut: _Cut, spare: int, nulls: list[str] | None
) -> pl.DataFrame | None:
    names = (*fields.names, *_spare_names(spare))
    try:
        frame = pl.read_csv(
            data,
            separator=cut.separator,
            has_header=False,
            schema=dict.fromkeys(names, pl.String()),
            null_values=nulls,
            quote_char='"' if cut.quoted else None,
            missing_columns="insert",
        )
    except pl.exceptions.PolarsError:
        return _csv(data, lines, fields, cut, SPARE, nulls) if spare < SPARE else None
    return frame if frame.height == lines else None


def _long_enough(frame: pl.DataFrame, last: str) -> pl.Series:
    """Which lines surely have the field ``last``: it or one behind it has a value."""
    enough = frame[last].is_not_null()
    for name in frame.columns[frame.columns.index(last) + 1 :]:
        if enough.all():
            break
        enough |= frame[name].is_not_null()
    return enough


def _without_empty(frame: pl.DataFrame, fields: Fields) -> pl.DataFrame:
    return frame.drop([name for name in frame.columns[len(fields.names) :] if frame[name].null_count() == frame.height])


class DelimitedParser(LineParser[Fields]):
    r"""A format of delimited lines.

    A format says, beside what `LineParser` asks: ``fields`` (or overrides `first_layout` and `header`), `shape` and
    ``time``.

    Attributes:
        fields: the fields of files that state none.
        separator: one character.
        quoted: whether fields with the separator in them stand in double quotes.
        nothing: the text for a field without a value.
        escapes: whether the writer puts a backslash before quotes inside of a field. It stays there.
        line_start: a pattern that the beginning of every line of the format matches, and hardly any other line; for
            detection.
    """

    fields: ClassVar[Fields]
    separator: ClassVar[str] = " "
    quoted: ClassVar[bool] = True
    nothing: ClassVar[str] = NOTHING
    escapes: ClassVar[bool] = True
    line_start: ClassVar[re.Pattern[bytes] | None] = None

    def first_layout(self, reading: Reading) -> Fields:  # noqa: ARG002 - for those whose options say otherwise
        """``fields``."""
        return self.fields

    @abstractmethod
    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """Which lines are of this format, beyond the number of fields: Boolean; null counts as no.

        It keeps lines of similar formats apart, so it must look at fields that tell.
        """

    def cut_odd(self, line: str) -> list[str] | None:  # noqa: ARG002 - for formats that know their lines by both ends
        """The fields of a line whose quotes do not pair up, without quotes around them; None: by the usual rule."""
        return None

    def parse_all(self, data: bytes, lines: int, layout: Fields) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        frame = read_fields(
            data,
            lines,
            layout,
            separator=self.separator,
            quoted=self.quoted,
            nothing=self.nothing,
            escapes=self.escapes,
        )
        if frame is None or not self._shaped(frame).all():
            return None
        return with_extra(frame, layout.first_spare or len(layout.names) + 1)

    def parse_each(self, lines: Sequence[str], layout: Fields) -> CarefulLines:
        """Lines one by one; see `LineParser.parse_each`."""
        good, parts = list[int](), list[pl.DataFrame]()
        left: Sequence[int] = range(len(lines))
        if len(lines) >= _FEW:
            good, frame = self._good_among(lines, layout)
            parts.append(frame)
            taken = set(good)
            left = [index for index in left if index not in taken]
        by_hand, frame, bad = self._by_hand(lines, left, layout)
        parts.append(frame)
        order = pl.Series([*good, *by_hand], dtype=pl.Int64)
        merged = pl.concat(parts, how="diagonal") if len(parts) > 1 else frame
        if good and by_hand:
            merged = merged[order.arg_sort()]
        merged = with_extra(merged, layout.first_spare or len(layout.names) + 1)
        odd = merged[_ODD]
        if odd.any():
            merged = merged.with_columns(pl.when(odd).then(pl.lit("odd_quotes")).alias(FLAGS))
        return CarefulLines(merged.drop(_ODD), order.sort().to_list(), bad)

    def _good_among(self, lines: Sequence[str], layout: Fields) -> tuple[list[int], pl.DataFrame]:
        """The lines that the CSV reader can cut and that fit: their indices and rows."""
        texts = pl.Series(lines, dtype=pl.String)
        index = pl.Series(range(len(lines)), dtype=pl.Int64)
        if self.quoted:
            pairing = pairing_lines(texts, self.separator, escapes=self.escapes, allowed=layout.quotes)
            texts, index = texts.filter(pairing), index.filter(pairing)
        found = None
        if index.len():
            data = ("\n".join(texts) + "\n").encode()
            found = _read_csv(data, index.len(), layout, _Cut(self.separator, quoted=self.quoted, nothing=self.nothing))
        if found is None:
            return [], self._frame([], layout)
        frame, enough = found
        fits = self._shaped(frame) & enough
        return index.filter(fits).to_list(), frame.filter(fits).with_columns(pl.lit(value=False).alias(_ODD))

    def _by_hand(
        self, lines: Sequence[str], picked: Sequence[int], layout: Fields
    ) -> tuple[list[int], pl.DataFrame, list[BadLine]]:
        """The lines ``picked``, cut by hand: the indices and rows of those that fit, and the others."""
        good, frames, bad = list[int](), list[pl.DataFrame](), list[BadLine]()
        left, usual = picked, True
        while left:
            indices, rows, again = list[int](), list[tuple[list[str], bool]](), list[int]()
            for index in left:
                fields, odd = self._cut(lines[index], layout) if usual else (self.cut_odd(lines[index]) or [], True)
                if len(fields) < layout.required:
                    again.append(index)
                else:
                    indices.append(index)
                    rows.append((fields, odd))
            frame = self._frame(rows, layout)
            fits = self._shaped(frame)
            good += [index for index, fit in zip(indices, fits, strict=True) if fit]
            frames.append(frame.filter(fits))
            again += [index for index, fit in zip(indices, fits, strict=True) if not fit]
            # Quotes that pair up may still be another's than the writer's: "a" b" and "a" "b".
            left = [index for index in again if usual and '"' in lines[index] and self.quoted]
            bad += [self._bad(index, lines[index], layout) for index in set(again).difference(left)]
            usual = False
        if not frames:
            return [], self._frame([], layout), []
        merged = pl.concat(frames, how="diagonal")
        order = pl.Series(good, dtype=pl.Int64).arg_sort()
        return sorted(good), merged[order], sorted(bad, key=lambda line: line.index)

    def _bad(self, index: int, line: str, layout: Fields) -> BadLine:
        fields = len(self._cut(line, layout)[0])
        if fields >= layout.required:
            return BadLine(index, f"not_{self.name}", f"the line is not one of {self.title}")
        detail = f"the line has {fields} fields, {self.title} has at least {layout.required}"
        return BadLine(index, "field_count", detail)

    def _cut(self, line: str, layout: Fields) -> tuple[list[str], bool]:
        """The fields of a line, and whether they had to be guessed."""
        sure = not self.quoted or surely_cut(line, self.separator, escapes=self.escapes)
        odd = not sure or bool(layout.quotes and line.count('"') not in layout.quotes)
        cut = self.cut_odd(line) if odd else None
        if cut is None:
            cut = split_line(line, self.separator, quoted=self.quoted, escapes=self.escapes)
        return cut, odd

    def _frame(self, rows: Sequence[tuple[list[str], bool]], layout: Fields) -> pl.DataFrame:
        """Fields of lines as columns, with ``_odd``."""
        widest = max((len(fields) for fields, _ in rows), default=0)
        names = (*layout.names, *_spare_names(max(0, widest - len(layout.names))))
        return pl.DataFrame(
            [[*fields, *[None] * (len(names) - len(fields)), odd] for fields, odd in rows],
            schema=dict.fromkeys(names, pl.String()) | {_ODD: pl.Boolean()},
            orient="row",
        ).select(*(pl.when((pl.col(name) != self.nothing) & (pl.col(name) != "")).then(name) for name in names), _ODD)

    @classmethod
    def share_of_lines(cls, head: bytes) -> tuple[float, int]:
        """How many of the first lines are of this format, from 0 to 1, and how many were looked at; for `sniff`."""
        lines = [line for line in head.removeprefix(BOM).splitlines() if line.strip()]
        # The last line of a head is cut, unless it is the only one.
        whole = lines if head.endswith(b"\n") else lines[:-1] or lines
        if not whole:
            return 0.0, 0
        if cls.line_start is not None:
            return sum(cls.line_start.match(line) is not None for line in whole) / len(whole), len(whole)
        whole = whole[:SNIFFED]
        texts = [line.decode(errors="replace") for line in whole]
        return len(cls().parse_each(texts, cls.fields).good) / len(whole), len(whole)

    @classmethod
    def verdict_of_lines(cls, head: bytes) -> Verdict:
        """For formats whose lines can be nothing else: sure of an object with any, surer the more there are."""
        share, lines = cls.share_of_lines(head)
        return Verdict(0.65 + 0.3 * share if share else 0.0, f"{share:.0%} of {lines} lines have its fields")

    def _shaped(self, frame: pl.DataFrame) -> pl.Series:
        return frame.select(self.shape(frame).fill_null(value=False).alias("fits")).to_series()


def with_extra(frame: pl.DataFrame, first: int) -> pl.DataFrame:
    """The spare columns as one: ``_extra``, a JSON object by place in the line, from ``first`` on; null where empty."""
    spare = [name for name in frame.columns if name.startswith("_spare")]
    if not spare:
        return frame
    places = sorted(int(name.removeprefix("_spare")) for name in spare)
    extra = json_object({f"field_{first + place}": f"_spare{place}" for place in places})
    return frame.with_columns(extra.alias(EXTRA)).drop(spare)
