"""Closing rows: which of them say something that the hour's rows so far do not, and under which revision.

Belongs here: comparing with what was planned. Does not belong here: making closing rows (``ml``), planning them
(``pipeline.hour_rows``).

An hour is closed again after each late part, and whoever closes it may be interrupted and begin again. A principal's
closing row is new where it differs from the last one, and its revision is always beyond those there are.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import polars as pl

from s3sentinel_assets.config import ENTITY_HOURS_TABLE
from s3sentinel_assets.sentinel.hour_rows import render_hour_rows

__all__ = ["new_closings"]

#: Whose hour it is.
_WHO = ("SourceTable", "AccountId", "Principal")
#: What may differ between two rows that say the same.
_FORMAL = frozenset(("EventId_CF", "Revision", "TimeGenerated"))


def new_closings(rows: pl.DataFrame, planned: Iterable[Mapping[str, Any]], max_batch_bytes: int) -> pl.DataFrame:
    """The closing rows that are to be planned.

    Args:
        rows: of all principals of an hour, columns of ``AwsEntityHour_CL``.
        planned: the rows of the hour that were planned so far, as they were sent.
        max_batch_bytes: most bytes of a body.

    Returns:
        Those that say something new; where a revision was taken already, ``Revision`` and ``EventId_CF`` are new, too.
    """
    newest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in planned:
        who = _who(row)
        # Of two with one revision the later one counts.
        if who not in newest or row["Revision"] >= newest[who]["Revision"]:
            newest[who] = row
    kept, revisions, ids = list[int](), list[int](), list[str]()
    for place, tail in enumerate(render_hour_rows(rows, ENTITY_HOURS_TABLE, max_batch_bytes)):
        row = msgspec.json.decode("{" + tail.removeprefix(",") + "}", type=dict[str, Any])
        last = newest.get(_who(row))
        if last is not None and _meaning(row) == _meaning(last):
            continue
        revision = row["Revision"] if last is None else max(row["Revision"], last["Revision"] + 1)
        kept.append(place)
        revisions.append(revision)
        ids.append(row["EventId_CF"] if revision == row["Revision"] else _id(row["EventId_CF"], revision))
    return rows[kept].with_columns(
        pl.Series("Revision", revisions, dtype=rows.schema["Revision"]), pl.Series("EventId_CF", ids, dtype=pl.String)
    )


def _who(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in _WHO)


def _meaning(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _FORMAL}


def _id(event_id: str, revision: int) -> str:
    return hashlib.sha256(f"{event_id}\x1f{revision}".encode()).hexdigest()[:32]
