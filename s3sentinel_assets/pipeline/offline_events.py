"""Events of a folder of logs, put aside hour by hour: what offline scoring and the notebooks work on.

Belongs here: sorting parsed frames into hours by the events' own time, copies, the account of every record. Does not
belong here: finding and opening files (the command), scoring (``offline``, ``rehearsal``).

Memory holds one frame while they are taken in, and one hour while they are read. The order in which frames come makes
no difference to what is read.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

if TYPE_CHECKING:
    from s3sentinel_assets.formats import ObjectReport, ParsedFrame

__all__ = ["TIMELESS", "Columns", "HourlyEvents", "check_account"]

#: Where events go that have no time, or none that a clock can show; sorts behind every hour.
TIMELESS = "timeless"
_HOUR = "%Y-%m-%d-%H:00"
_YEARS = (1970, 9998)  # one further hour must have a key as well
_OBJECT, _KEY = "_object", "_hour"

#: Gives further columns of a frame, row by row.
Columns = Callable[["ParsedFrame"], Sequence[pl.Series]]


class HourlyEvents:
    """Takes parsed frames in any order and gives events back by hour and format.

    Args:
        scratch: an empty folder; the events wait in files there.
        more: gives further columns of each frame, which go along with the entity view.
    """

    def __init__(self, scratch: Path, more: Columns | None = None) -> None:
        self._scratch, self._more = scratch, more
        self._files: dict[str, dict[str, list[Path]]] = {}  # hour → format → files
        self._left_out: set[int] = set()
        #: Format → tables of its rows.
        self.tables: dict[str, set[str]] = {}

    def take(self, frame: "ParsedFrame") -> None:
        """Puts a frame's events aside."""
        hour = pl.when(pl.col("time").dt.year().is_between(*_YEARS)).then(pl.col("time").dt.strftime(_HOUR))
        events = frame.entities.select(list(ENTITY_SCHEMA)).with_columns(
            *(self._more(frame) if self._more else ()),
            frame.rows["_object"].alias(_OBJECT),
            hour.fill_null(TIMELESS).alias(_KEY),
        )
        self.tables.setdefault(frame.format, set()).add(frame.table)
        for (key,), part in events.partition_by(_KEY, as_dict=True, include_key=False).items():
            files = self._files.setdefault(str(key), {}).setdefault(frame.format, [])
            path = self._scratch / f"{frame.format}-{str(key).replace(':', '')}-{len(files):06}.parquet"
            part.write_parquet(path, compression="zstd", compression_level=1, statistics=False)
            files.append(path)

    def leave_out(self, objects: Iterable[int]) -> None:
        """Forgets the events of these objects: they turned out unreadable after some had been handed out."""
        self._left_out.update(objects)

    @property
    def hours(self) -> list[str]:
        """The hours that have events, in order; `TIMELESS` last."""
        return sorted(self._files)

    def formats(self, hour: str) -> list[str]:
        """The formats that an hour has events of."""
        return sorted(self._files.get(hour, ()))

    def read(self, hour: str, log_format: str) -> tuple[pl.DataFrame, int]:
        """The events of one format in one hour, ordered by time and event id, and how many copies are left out.

        Returns:
            Entity view and the further columns, one row for each event id: of copies the first in a fixed order stays,
            whatever file came first.
        """
        events = pl.concat([pl.read_parquet(path) for path in self._files[hour][log_format]])
        events = events.filter(~pl.col(_OBJECT).is_in(list(self._left_out))).drop(_OBJECT)
        first = ["time", "event_id"]
        ordered = events.sort(*first, *(name for name in events.columns if name not in first), nulls_last=True)
        distinct = ordered.unique("event_id", keep="first", maintain_order=True)
        return distinct, events.height - distinct.height

    def hours_of(self, log_format: str) -> list[str]:
        """The hours that have events of a format, in order, without `TIMELESS`."""
        return [hour for hour in self.hours if hour != TIMELESS and log_format in self._files[hour]]


def check_account(reports: "Iterable[ObjectReport]", *, events: int, duplicates: int) -> int:
    """Checks that nothing got lost: every record that was read is an event, a copy of one, or was rejected.

    Returns:
        How many records were rejected.

    Raises:
        AccountingError: that is not so, which is a defect of this program.
    """
    from s3sentinel_assets.formats.part import AccountingError

    records = rejected = 0
    for report in reports:
        records += report.records
        rejected += report.rejected
    if events + duplicates + rejected != records:
        raise AccountingError(
            f"{records} records were read, but {events} became events, {duplicates} are copies of others and "
            f"{rejected} were rejected"
        )
    return rejected
