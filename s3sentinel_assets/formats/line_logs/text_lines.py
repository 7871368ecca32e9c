"""Logs of free-form lines: syslog and what travels in it, key=value lines, database audit logs.

Belongs here: what they have in common beyond ``line_logs`` — a batch of lines is one Polars series that is taken apart
by string expressions, whether all of it is good or not; times of many shapes; the object's arrival where a line has no
time. Does not belong here: any one format.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar, TypeAlias

import polars as pl

from s3sentinel_assets.formats.frames import FLAGS, OBJECT, flags
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, LineParser
from s3sentinel_assets.formats.line_logs.continued_lines import join_continued
from s3sentinel_assets.formats.line_logs.text_times import read_times
from s3sentinel_assets.formats.mapping import TIME
from s3sentinel_assets.formats.model import ParseOptions, Reading, Strays

__all__ = ["FITS", "LINE", "Arrival", "TextLineParser", "head_lines"]

#: When the object came in, to the hour, so that the small objects of an hour are parsed together; None: not known.
Arrival: TypeAlias = datetime | None

#: Boolean column of `TextLineParser.take_apart`: whether the line is of this format.
FITS = "_fits"
#: Name of the series of lines.
LINE = "_text"
_WHEN, _TOLD, _UNTIMED = "_when", "_told", "_untimed"
_SNIFFED = 20
_QUOTED = 100


class TextLineParser(LineParser[Arrival]):
    """A format of free-form lines.

    A format says, beside ``name``, ``title``, ``native`` and ``sniff``: `take_apart`.
    """

    #: Whether lines that begin with a blank belong to the line before them.
    continued: ClassVar[bool] = False

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """Prepares to parse; ``limits`` as `LineParser` has them."""
        super().__init__(options, strays, **limits)
        #: Whether records of other formats have somewhere to go.
        self.shared = strays is not None
        self._arrivals: dict[int, datetime] = {}

    @abstractmethod
    def take_apart(self, lines: pl.Series, arrival: Arrival) -> pl.DataFrame:
        """Lines → columns.

        Args:
            lines: String, named `LINE`, none of them blank.
            arrival: of their objects, for `with_time`.

        Returns:
            A row for each line: the format's raw columns, `FITS`, and what `with_time` adds.
        """

    def with_time(self, frame: pl.DataFrame, arrival: Arrival, *texts: pl.Series) -> pl.DataFrame:
        """Adds when each record happened.

        Args:
            frame: a row for each line.
            arrival: as `take_apart` got it.
            texts: String series, the most trustworthy time first; the first that can be read counts.

        Returns:
            ``frame`` with internal columns that `time` and `prepare` use. Flags: those of `text_times`, ``bad_time=…``
            for a text that is no time, and ``time_of_arrival`` where the object's arrival stands in for want of a time.
        """
        when = pl.Series(_WHEN, [None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, frame.height)
        told = pl.Series(_TOLD, [None], dtype=pl.String()).new_from_index(0, frame.height)
        for text in texts:
            missing = when.is_null()
            if not missing.any():
                break
            found = read_times(text, zone=self.options.time_zone, arrival=arrival)
            if missing.all() and not found.when.null_count():
                when, told = found.when, _joined(told, found.told)
                break
            bad = missing & text.is_not_null() & found.when.is_null()
            if bad.any():
                told = _joined(told, _bad_times(text, bad))
            used = missing & found.when.is_not_null()
            when, told = (
                found.when.zip_with(used, when),
                _joined(told, found.told.zip_with(used, told.clear(len(told)))),
            )
        untimed = when.is_null()
        if arrival is not None and untimed.any():
            when = when.fill_null(arrival)
            told = _joined(told, pl.select(pl.when(untimed).then(pl.lit("time_of_arrival"))).to_series())
        return frame.with_columns(when.alias(_WHEN), told.alias(_TOLD), untimed.alias(_UNTIMED))

    def with_instant(
        self, frame: pl.DataFrame, name: str, texts: pl.Series, arrival: Arrival, column: str
    ) -> pl.DataFrame:
        """Adds a second time of the records.

        Args:
            frame: from `with_time`.
            name: of the raw column to add, Datetime(us, UTC).
            texts: what to read it from.
            arrival: as `take_apart` got it.
            column: the table's column that it is for; ``bad_<column>=…`` tells of a text that is no time.
        """
        found = read_times(texts, zone=self.options.time_zone, arrival=arrival)
        told = frame[_TOLD]
        if found.told.null_count() < found.told.len():
            # A year that is guessed is told once.
            new = found.told.is_not_null() & ~told.str.contains("year_guessed").fill_null(value=False)
            told = _joined(told, found.told.zip_with(new, told.clear(told.len())))
        if found.when.null_count() > texts.null_count():
            told = _joined(told, _bad_times(texts, texts.is_not_null() & found.when.is_null(), column))
        return frame.with_columns(found.when.alias(name), told.alias(_TOLD))

    def first_layout(self, reading: Reading) -> Arrival:
        """The arrival of the object."""
        if reading.arrived is None:
            return None
        arrived = reading.arrived if reading.arrived.tzinfo else reading.arrived.replace(tzinfo=UTC)
        self._arrivals[reading.object_id] = arrived.astimezone(UTC)
        return arrived.astimezone(UTC).replace(minute=0, second=0, microsecond=0)

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's lines; see `FormatParser.read`."""
        return super().read(reading, join_continued(chunks) if self.continued else chunks)

    def parse_all(self, data: bytes, lines: int, layout: Arrival) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        try:
            text = data[:-1].decode()
        except UnicodeDecodeError:
            return None
        series = pl.Series(LINE, [text], dtype=pl.String()).str.split("\n").explode()
        if series.len() != lines:
            return None
        frame = self.take_apart(series, layout)
        return frame.drop(FITS) if frame[FITS].all() else None

    def parse_each(self, lines: Sequence[str], layout: Arrival) -> CarefulLines:
        """Lines among which some may not fit; see `LineParser.parse_each`."""
        frame = self.take_apart(pl.Series(LINE, lines, dtype=pl.String()), layout)
        fits = frame[FITS]
        detail = f"the line is not one of {self.title}"
        bad = [BadLine(index, f"not_{self.name}", detail) for index in (~fits).arg_true()]
        return CarefulLines(frame.filter(fits).drop(FITS), fits.arg_true().to_list(), bad)

    def time(self, frame: pl.DataFrame, layout: Arrival) -> pl.Series:  # noqa: ARG002 - already in the frame
        """What `with_time` found."""
        return frame[_WHEN]

    def no_time(self, frame: pl.DataFrame, row: int) -> str:
        """Why the record in ``row`` has no time, as a sentence."""
        told = frame[_TOLD][row]
        why = f" ({told})" if told else ""
        return f"the line has no time that can be read{why}, and when its object arrived is not known"

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Makes arrivals exact, and adds the flags."""
        if raw[_UNTIMED].any():
            exact = pl.col(OBJECT).replace_strict(
                self._arrivals, default=pl.col(TIME), return_dtype=pl.Datetime("us", "UTC")
            )
            raw = raw.with_columns(pl.when(_UNTIMED).then(exact).otherwise(TIME).alias(TIME))
        if raw[_TOLD].null_count() < raw.height:
            raw = raw.with_columns(flags(pl.col(FLAGS), pl.col(_TOLD)).alias(FLAGS))
        return raw.drop(_WHEN, _TOLD, _UNTIMED)


def _bad_times(texts: pl.Series, bad: pl.Series, name: str = "time") -> pl.Series:
    frame = pl.DataFrame({"text": texts, "bad": bad})
    told = pl.format(f"bad_{name}={{}}", pl.col("text").str.slice(0, _QUOTED))
    return frame.select(pl.when("bad").then(told).alias(_TOLD)).to_series()


def _joined(first: pl.Series, second: pl.Series) -> pl.Series:
    if second.null_count() == second.len():
        return first
    if first.null_count() == first.len():
        return second.alias(_TOLD)
    return pl.DataFrame([first.alias("a"), second.alias("b")]).select(flags(pl.col("a"), pl.col("b"))).to_series()


def head_lines(head: bytes) -> list[bytes]:
    """The first whole lines of an object, without blank ones; for `sniff`. The only line may be cut."""
    lines = [line.rstrip(b"\r") for line in head.removeprefix(b"\xef\xbb\xbf")[: 16 << 10].split(b"\n") if line.strip()]
    return lines[:_SNIFFED] if head.endswith(b"\n") or len(lines) > _SNIFFED else (lines[:-1] or lines)
