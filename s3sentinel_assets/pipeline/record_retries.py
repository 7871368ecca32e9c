"""Reading rejected records again: by their numbers in the object, else from the bytes that quarantine kept.

Belongs here: what of an object a retry wants, whether its numbers still hold, and what becomes of each record. Does not
belong here: ordering a retry (``quarantined``), its rows in the ledger (`ledger.retries`), the loop over a part's
objects (``parsing``).

A record keeps its number, and so its event id, only if the object is cut into the same records as before. A parser that
cuts it otherwise would hand out neighbours that went out long ago: then, and when S3 does not have the object any more,
each record is read alone, from its kept bytes. Where these are not whole either, it stays in quarantine.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.objects import REFUSED, LedgerObject
from s3sentinel_assets.ledger.retries import RecordRetry, Rejected, retries_of_part
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.formats import ObjectInput, ObjectReport, ParsedFrame, PartParser
    from s3sentinel_assets.store import Store

__all__ = ["RecordRetries", "Selection", "read_rejects"]

_REFUSALS = [state.value for state in REFUSED]


@dataclass(frozen=True)
class Selection:
    """Which records of an object are wanted, as `formats.ObjectInput` takes it; all of them by default."""

    only: frozenset[int] | None = None
    only_from: int | None = None


@dataclass
class _Retried:
    """One row that takes records up.

    Attributes:
        order: what the ledger says of it.
        rejects: the records, schema `formats.REJECT_SCHEMA`, by position.
        failure: why they cannot be read from the object; empty while that is not known.
        left: rows of ``rejects`` that cannot be read from their bytes either, or gave no single record.
    """

    order: RecordRetry
    rejects: pl.DataFrame
    failure: str = ""
    left: set[int] = field(default_factory=set[int])

    @property
    def tail(self) -> int | None:
        """The number of the reject that stood for everything behind it, if that is wanted: it may hold many."""
        last = self.order.counted - 1
        return last if self.order.lost_tail and last in self.rejects["position"] else None

    @property
    def whole(self) -> bool:
        """Whether that is the whole object."""
        return self.tail == 0

    @property
    def selection(self) -> Selection:
        """What is wanted of the object."""
        if self.whole:
            return Selection()
        return Selection(frozenset(self.rejects["position"]) - {self.tail}, self.tail)

    def readable_alone(self, row: int) -> bool:
        """Whether the kept bytes are the whole record. The end of a cut record might pass for a good one."""
        position, truncated, reason = (self.rejects[name][row] for name in ("position", "truncated", "reason"))
        if position == self.tail and not (self.whole and reason.startswith(("unknown_format", "not_"))):
            return False
        return not truncated and bool(self.rejects["data"][row])


def _shifted(row: _Retried, counted: int) -> bool:
    """Whether an object that now has so many records numbers them differently."""
    return counted < row.tail if row.tail is not None else counted != row.order.counted


class RecordRetries:
    """The rows of a part that take rejected records up; mostly none.

    A part is read over and over until nothing has to be left out any more: `review` says when.
    """

    def __init__(self, runtime: Runtime, part_id: int, log_format: str, entries: list[LedgerObject]) -> None:
        """Loads what they want.

        Args:
            runtime: the runtime.
            part_id: the part.
            log_format: of the source, or ``auto``.
            entries: the part's objects.

        Raises:
            UserError: a file of rejects is lost or damaged.
        """
        with runtime.ledger.read() as connection:
            orders = retries_of_part(connection, part_id)
        loaded = _load(runtime.store, orders) if orders else {}
        self._rows = {order.object_id: _Retried(order, loaded[order.object_id]) for order in orders}
        self._format = log_format
        self._arrived = {entry.id: entry.last_modified for entry in entries if entry.id in self._rows}
        self._keys = {entry.id: entry.key for entry in entries}
        self._alone: dict[int, tuple[int, int]] = {}  # id of a record read alone → object row, row of its rejects

    def selection(self, object_id: int) -> Selection:
        """What is wanted of an object: all of one that is no retry."""
        row = self._rows.get(object_id)
        return row.selection if row else Selection()

    def from_bucket(self, object_id: int) -> bool:
        """Whether the object is to be read: not one whose records are read alone, nor one that repeats another."""
        row = self._rows.get(object_id)
        return row is None or (not row.failure and row.order.copy_of is None)

    def whole(self, object_id: int) -> bool:
        """Whether all of the object is read, as with any object that is no retry."""
        row = self._rows.get(object_id)
        return row is None or (row.whole and not row.failure)

    def __contains__(self, object_id: int) -> bool:
        """Whether the object row is one of a retry."""
        return object_id in self._rows

    def copies(self) -> dict[int, int | None]:
        """Row → the object whose bytes it repeats, if any. That one's records speak for them: none of them goes out."""
        return {object_id: row.order.copy_of for object_id, row in self._rows.items()}

    def kept_inputs(self, identities: dict[int, str]) -> "Iterator[ObjectInput]":
        """The records that are read from their kept bytes, each as an object of its own with a negative id.

        Args:
            identities: of the objects, by row.
        """
        self._alone.clear()
        for object_id, row in self._rows.items():
            if not row.failure or row.order.copy_of is not None:
                continue
            for number in range(row.rejects.height):
                if number in row.left or not row.readable_alone(number):
                    row.left.add(number)
                    continue
                alone = -1 - len(self._alone)
                self._alone[alone] = (object_id, number)
                yield self._input(alone, row, number, identities[object_id], self._arrived[object_id])

    def _input(self, alone: int, row: _Retried, number: int, identity: str, arrived: datetime) -> "ObjectInput":
        from s3sentinel_assets.formats import AUTO, ObjectInput

        header, data, position = (row.rejects[name][number] for name in ("header", "data", "position"))
        known = self._format if self._format != AUTO else (row.order.format or "").partition("+")[0]
        content = header + (b"" if header.endswith(b"\n") else b"\n") + data if header else data
        return ObjectInput(
            object_id=alone,
            key=self._keys[row.order.object_id],
            identity=identity,
            open=lambda: [content],
            arrived=arrived,
            first=position,
            # A record rejected by its format is one of that format; what no format knew is looked at anew.
            format=None if row.whole else known or None,
        )

    def own(self, frame: "ParsedFrame") -> "ParsedFrame":
        """A frame whose records read alone belong to their object's row."""
        if not self._alone:
            return frame
        owners = {alone: object_id for alone, (object_id, _) in self._alone.items()}
        rows = frame.rows.with_columns(pl.col("_object").replace(owners))
        return type(frame)(frame.format, frame.table, rows, frame.entities)

    def review(self, parser: "PartParser") -> bool:
        """Looks at what a reading gave; True if the part has to be read again, with other inputs."""
        if not self._rows:
            return False
        again = False
        broken_off = set(parser.rejects.filter(pl.col("reason").is_in(_REFUSALS))["object_id"])
        for report in parser.reports:
            if report.object_id in self._alone:
                object_id, number = self._alone[report.object_id]
                row = self._rows[object_id]
                if not row.whole and report.counted != 1 and report.rows:
                    row.left.add(number)
                    again = True
                continue
            row = self._rows.get(report.object_id)
            if row is None:
                continue
            if report.state in _REFUSALS or report.object_id in broken_off:
                row.failure = report.note or f"the object cannot be had ({report.state})"
            elif not row.whole and _shifted(row, report.counted):
                row.failure = (
                    f"the object has {report.counted} records now, {row.order.counted} when these were rejected"
                )
            again |= bool(row.failure)
        return again

    def settle(self, parser: "PartParser") -> "tuple[list[ObjectReport], pl.DataFrame]":
        """The reports and rejects of the last reading, with one report for each row of the ledger."""
        if not self._rows:
            return parser.reports, parser.rejects
        reports = [report for report in parser.reports if report.object_id not in self._alone]
        for report in reports:
            if not self.whole(report.object_id):
                # Of a part of an object neither copies nor CloudTrail's digests say anything.
                report.sha256, report.content_sha256 = "", None
        rejects = parser.rejects
        kept = [rejects.filter(~pl.col("object_id").is_in(list(self._alone)))]
        for object_id, row in self._rows.items():
            if row.order.copy_of is not None:
                reports.append(self._as_copy(object_id, row))
            elif row.failure:
                report, left = self._read_alone(object_id, row, parser)
                reports.append(report)
                kept.append(left)
        return reports, pl.concat(kept)

    def _as_copy(self, object_id: int, row: _Retried) -> "ObjectReport":
        from s3sentinel_assets.formats import ObjectReport

        count, note = row.rejects.height, f"its records are those of object {row.order.copy_of}, which it repeats"
        return ObjectReport(
            object_id,
            self._keys[object_id],
            format=row.order.format,
            state="copy",
            records=count,
            counted=row.order.counted,
            rows=count,
            note=note,
        )

    def _read_alone(self, object_id: int, row: _Retried, parser: "PartParser") -> "tuple[ObjectReport, pl.DataFrame]":
        """The report of a row whose records were read alone, and those of them that stay in quarantine."""
        from s3sentinel_assets.formats import ObjectReport

        ids = {alone: number for alone, (owner, number) in self._alone.items() if owner == object_id}
        found = [report for report in parser.reports if report.object_id in ids]
        rejected = parser.rejects.filter(pl.col("object_id").is_in(list(ids)))
        good = {ids[report.object_id] for report in found if report.rows}
        report = ObjectReport(object_id, self._keys[object_id], format=row.order.format, counted=row.order.counted)
        if row.whole and found:
            report.counted, report.state = found[0].counted, found[0].state
            left = rejected.with_columns(pl.lit(object_id, pl.Int64).alias("object_id"))
        else:
            # What is rejected again is told anew, with the place and the bytes it had.
            told = {ids[each["object_id"]]: each for each in rejected.iter_rows(named=True)}
            left = _retold(row.rejects, told, good).with_columns(pl.lit(object_id, pl.Int64).alias("object_id"))
            if row.tail is not None:
                report.state = "partly_read" if row.rejects.height > 1 else "unreadable"
        report.rows = sum(each.rows for each in found)
        report.rejected = left.height
        report.records = report.rows + report.rejected
        report.remark(row.failure)
        for each in found:
            report.format = each.format or report.format
            report.table = each.table or report.table
        return report, left


def _retold(rejects: pl.DataFrame, told: dict[int, dict[str, Any]], good: set[int]) -> pl.DataFrame:
    """The rejects without the ``good`` rows; of those in ``told`` with the reason and sentence there."""
    rows = [
        row | ({name: told[number][name] for name in ("reason", "detail")} if number in told else {})
        for number, row in enumerate(rejects.iter_rows(named=True))
        if number not in good
    ]
    return pl.DataFrame(rows, schema=rejects.schema, orient="row")


def read_rejects(store: "Store", uri: str, wanted: pl.DataFrame) -> pl.DataFrame:
    """Rejected records from a stage file.

    Args:
        store: the store.
        uri: the file.
        wanted: ``object_id`` (Int64) and ``reason`` (String): whose, and rejected for what.

    Returns:
        Schema `formats.REJECT_SCHEMA`, by object and position.

    Raises:
        UserError: the file is lost or damaged.
    """
    from s3sentinel_assets.formats import REJECT_SCHEMA

    path = store.path(uri)
    try:
        found = pl.read_parquet(path).join(wanted, on=["object_id", "reason"], how="semi")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(f"stage file {path} is damaged ({error}); restore it from a backup") from error
    missing = [pl.lit(None, kind).alias(name) for name, kind in REJECT_SCHEMA.items() if name not in found.columns]
    return found.with_columns(missing).select(*REJECT_SCHEMA).sort("object_id", "position", maintain_order=True)


def _load(store: "Store", orders: list[RecordRetry]) -> dict[int, pl.DataFrame]:
    """Row → the records it takes up, by position; each file is read once."""
    by_file: dict[str, list[tuple[int, Rejected]]] = {}
    for order in orders:
        for each in order.rejected:
            by_file.setdefault(each.uri, []).append((order.object_id, each))
    found: dict[int, list[pl.DataFrame]] = {order.object_id: [] for order in orders}
    for uri, taken in by_file.items():
        new = {(each.object_id, each.reason): object_id for object_id, each in taken}
        wanted = pl.DataFrame(
            [(object_id, reason) for object_id, reason in new],
            schema={"object_id": pl.Int64(), "reason": pl.String()},
            orient="row",
        )
        groups = read_rejects(store, uri, wanted).partition_by("object_id", "reason", as_dict=True)
        for _, each in taken:
            group = groups.get((each.object_id, each.reason))
            if group is None or group.height != each.records:
                raise UserError(
                    f"stage file {store.path(uri)} does not hold the {each.records} rejected records that the ledger "
                    "names; restore it from a backup"
                )
            found[new[each.object_id, each.reason]].append(group)
    return {object_id: pl.concat(frames).sort("position") for object_id, frames in found.items()}
