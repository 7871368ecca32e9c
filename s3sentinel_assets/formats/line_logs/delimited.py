r"""Lines of fields with a separator between them, quoted or not: the base of most access and flow logs.

Belongs here: which lines are cut at speed and which by hand, and telling a format's lines from others. Does not belong
here: cutting at speed (``fields``), what makes quotes good ones (``quotes``), what the fields of one format are.

Good lines are cut by Polars' CSV reader, also those among bad ones. A line whose quotes do not pair up (a user agent
with a quote in it that the writer did not escape) is cut by hand: by the format's own pattern for such lines if it has
one, else a quoted field ends at a quote that a separator or the end of the line follows. As that is a guess, such a row
is flagged ``odd_quotes``.
"""

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.frames import FLAGS
from s3sentinel_assets.formats.line_logs.fields import (
    NOTHING,
    SPARE,
    Cut,
    Fields,
    cut_lines,
    read_fields,
    spare_names,
    with_extra,
)
from s3sentinel_assets.formats.line_logs.parser import BOM, BadLine, CarefulLines, LineParser
from s3sentinel_assets.formats.line_logs.quotes import pairing_lines, split_line, surely_cut
from s3sentinel_assets.formats.model import Reading, Verdict

__all__ = ["DelimitedParser", "split_fields"]

#: Lines that detection looks at where it must cut them.
SNIFFED = 20
#: Fewer lines than this are cut by hand at once.
_FEW = 12
#: A line with so many fields more than are known is no newer version of the format. Each field is a column.
_MOST_SPARE = 100
_ODD = "_odd"

split_fields = split_line


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
        good, unfit, parts = list[int](), list[int](), list[pl.DataFrame]()
        left: Sequence[int] = range(len(lines))
        if len(lines) >= _FEW:
            good, unfit, frame = self._good_among(lines, layout)
            parts.append(frame)
            done = {*good, *unfit}
            left = [index for index in left if index not in done]
        by_hand, frame, bad = self._by_hand(lines, left, unfit, layout)
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

    def _good_among(self, lines: Sequence[str], layout: Fields) -> tuple[list[int], list[int], pl.DataFrame]:
        """The lines that the CSV reader can cut: the indices and rows of those that fit, the indices of the others."""
        texts = pl.Series(lines, dtype=pl.String)
        index = pl.Series(range(len(lines)), dtype=pl.Int64)
        if self.quoted:
            readable = pairing_lines(texts, self.separator, escapes=self.escapes, allowed=layout.quotes)
        else:
            readable = texts.str.count_matches(self.separator, literal=True) < len(layout.names) + SPARE
        texts, index = texts.filter(readable), index.filter(readable)
        found = None
        if index.len():
            data = ("\n".join(texts) + "\n").encode()
            found = cut_lines(data, index.len(), layout, Cut(self.separator, quoted=self.quoted, nothing=self.nothing))
        if found is None:
            return [], [], self._frame([], layout)
        frame, enough = found
        fits = self._shaped(frame)
        unfit = index.filter(enough & ~fits).to_list()
        fits &= enough
        return index.filter(fits).to_list(), unfit, frame.filter(fits).with_columns(pl.lit(value=False).alias(_ODD))

    def _by_hand(
        self, lines: Sequence[str], picked: Sequence[int], unfit: Sequence[int], layout: Fields
    ) -> tuple[list[int], pl.DataFrame, list[BadLine]]:
        """The lines ``picked``, cut by hand: the indices and rows of those that fit, and the others.

        Those that do not fit when cut in the usual way, also the lines ``unfit``, are tried by what the format knows of
        both their ends: quotes that pair up may be another's than the writer's.
        """
        good, frame, refused = self._fitting([(index, *self._cut(lines[index], layout)) for index in picked], layout)
        frames, bad = [frame], list[BadLine]()
        reasons = {**refused, **dict.fromkeys(unfit, f"not_{self.name}")}
        cuts = [(index, cut, True) for index in reasons if (cut := self._cut_quoted(lines[index])) is not None]
        if cuts:
            mended, frame, _ = self._fitting(cuts, layout)
            good, frames = good + mended, [*frames, frame]
            for index in mended:
                del reasons[index]
        for index, reason in sorted(reasons.items()):
            detail = f"the line is not one of {self.title}"
            if reason == "field_count":
                fields, most = len(self._cut(lines[index], layout)[0]), _most(layout)
                bounds = f"at most {most}" if fields > most else f"at least {layout.required}"
                detail = f"the line has {fields} fields, {self.title} has {bounds}"
            bad.append(BadLine(index, reason, detail))
        merged = pl.concat(frames, how="diagonal") if len(frames) > 1 else frame
        return sorted(good), merged[pl.Series(good, dtype=pl.Int64).arg_sort()], bad

    def _fitting(
        self, cuts: Sequence[tuple[int, list[str], bool]], layout: Fields
    ) -> tuple[list[int], pl.DataFrame, dict[int, str]]:
        """Of lines as (index, fields, whether they were guessed): those that fit, and why the others do not."""
        most = _most(layout)
        enough = [cut for cut in cuts if layout.required <= len(cut[1]) <= most]
        refused = {index: "field_count" for index, fields, _ in cuts if not layout.required <= len(fields) <= most}
        frame = self._frame([(fields, odd) for _, fields, odd in enough], layout)
        fits = self._shaped(frame)
        good = [index for (index, _, _), fit in zip(enough, fits, strict=True) if fit]
        refused |= {index: f"not_{self.name}" for (index, _, _), fit in zip(enough, fits, strict=True) if not fit}
        return good, frame.filter(fits), refused

    def _cut_quoted(self, line: str) -> list[str] | None:
        return self.cut_odd(line) if self.quoted and '"' in line else None

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
        names = (*layout.names, *spare_names(max(0, widest - len(layout.names))))
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
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - for formats that need the key
        """For formats whose lines can be nothing else: sure of an object with any, surer the more there are."""
        share, lines = cls.share_of_lines(head)
        return Verdict(0.65 + 0.3 * share if share else 0.0, f"{share:.0%} of {lines} lines have its fields")

    def _shaped(self, frame: pl.DataFrame) -> pl.Series:
        return frame.select(self.shape(frame).fill_null(value=False).alias("fits")).to_series()


def _most(layout: Fields) -> int:
    """How many fields a line may have."""
    return len(layout.names) + _MOST_SPARE
