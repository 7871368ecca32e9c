"""What people read about an hour in the UI: counts, speed, a preview, problems, and links to the neighbours.

Belongs here: turning a `StageSummary` into Dagster metadata. Object keys and log text come from outside, so they go
into tables and plain text, never into markdown. Does not belong here: verdicts (``checks``) and charts (`chart`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from s3sentinel_assets.pipeline.summary import StageSummary

if TYPE_CHECKING:
    import polars as pl

    from s3sentinel_assets.ledger.shapes import Shape

__all__ = ["preview_table", "problem_table", "shape_metadata", "stage_metadata"]

_CELL = 200
_PROBLEMS = 20
_FIELDS = 50
_COLUMNS = 16
_SIZES = ("decoded_bytes", "raw_bytes")
#: What counts are called here, where the ledger's word needs a second look.
_LABELS = {
    "parts": "parts_in_all",
    "state_hour": "history_through",
    "keys": "keys_in_history",
    "too_large": "rows_too_large_to_send",
}
_EVENTS = ("records", "scored", "rows")


def _cell(value: object) -> str | int | float | bool:
    if isinstance(value, bool | int | float):
        return value
    text = f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else "" if value is None else str(value)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def preview_table(frame: "pl.DataFrame") -> dg.TableMetadataValue:
    """A few rows as a table: at most 16 columns, cells cut at 200 characters."""
    shown = frame[:, :_COLUMNS]
    columns = [dg.TableColumn(name, str(kind)) for name, kind in shown.schema.items()]
    records = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in shown.iter_rows(named=True)
    ]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def problem_table(problems: Sequence[str]) -> dg.TableMetadataValue:
    """The sentences as a table of one column; the first twenty, and how many more there are."""
    rows = list(problems[:_PROBLEMS])
    if len(problems) > _PROBLEMS:
        rows.append(f"and {len(problems) - _PROBLEMS} more")
    schema = dg.TableSchema(columns=[dg.TableColumn("problem", "string")])
    return dg.MetadataValue.table(records=[dg.TableRecord({"problem": row}) for row in rows], schema=schema)


def _table(columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> dg.TableMetadataValue:
    """A table from column → type and its rows, cells cut at 200 characters."""
    return dg.MetadataValue.table(
        records=[dg.TableRecord(dict(zip(columns, map(_cell, row), strict=True))) for row in rows],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, kind) for name, kind in columns.items()]),
    )


def shape_metadata(shapes: "Sequence[Shape]") -> dict[str, dg.MetadataValue]:
    """What kinds of rows an hour has, and what the logs hold that their tables have no column for.

    Args:
        shapes: of the hour, one for each format and table.

    Returns:
        ``formats``: format, table and rows. ``unknown_fields``, if there are any: the fifty most frequent ones with the
        number of records (reckoned up where a frame has very many), a sample and the event it is from. Nothing where no
        shape is kept.
    """
    if not shapes:
        return {}
    metadata: dict[str, dg.MetadataValue] = {
        "formats": _table(
            {"format": "string", "table": "string", "rows": "int"},
            [(shape.format, shape.table, shape.rows) for shape in shapes],
        )
    }
    fields = [
        (shape.format, shape.table, name, seen.records, seen.sample, seen.event_id)
        for shape in shapes
        for name, seen in shape.fields.items()
    ]
    if fields:
        names = ("format", "table", "field", "records", "sample", "event")
        metadata["unknown_fields"] = _table(
            {name: "int" if name == "records" else "string" for name in names},
            sorted(fields, key=lambda row: -row[3])[:_FIELDS],
        )
    return metadata


def _outcome(summary: StageSummary) -> str:
    words = [f"{summary.done} done now", f"{summary.kept} done before"]
    if summary.busy:
        words.append(f"{summary.busy} held by another run, which finishes them")
    return ", ".join(words)


def _first_count(summary: StageSummary, names: Sequence[str]) -> int:
    return next((value for name in names if isinstance(value := summary.counts.get(name), int) and value), 0)


def _speed(summary: StageSummary) -> dict[str, dg.MetadataValue]:
    """How fast the hour's parts were worked on, also those of earlier runs where their time is known."""
    seconds = summary.worked_seconds or (summary.seconds if summary.done and not summary.kept else 0.0)
    if seconds <= 0:
        return {}
    speed: dict[str, dg.MetadataValue] = {}
    if size := _first_count(summary, _SIZES):
        speed["MB/s"] = dg.MetadataValue.float(round(size / seconds / 1e6, 2))
    if events := _first_count(summary, _EVENTS):
        speed["events/s"] = dg.MetadataValue.int(round(events / seconds))
    return speed


def stage_metadata(
    summary: StageSummary,
    links: Mapping[str, dg.AssetKey],
    *,
    rows: str | None = None,
    chart: dg.MetadataValue | None = None,
    more: Mapping[str, dg.MetadataValue] | None = None,
) -> dict[str, dg.MetadataValue]:
    """The metadata of one hour's materialisation, in the order the UI shows it: what is wrong comes first.

    Args:
        summary: what the stage reports.
        links: what to call a neighbouring asset → its key.
        rows: the count that is the hour's row count, if any; the UI draws it over time.
        chart: of the hours up to this one, if any.
        more: what else there is to show, after the figures.
    """
    metadata: dict[str, dg.MetadataValue] = {}
    if summary.problems:
        metadata["problems"] = problem_table(summary.problems)
    if chart is not None:
        metadata["last_hours"] = chart
    metadata["parts"] = dg.MetadataValue.text(_outcome(summary))
    for name, value in summary.counts.items():
        label = _LABELS.get(name, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            metadata[label] = dg.MetadataValue.text(str(value))
        else:
            metadata[label] = dg.MetadataValue.float(value) if isinstance(value, float) else dg.MetadataValue.int(value)
    count = summary.counts.get(rows) if rows else None
    if isinstance(count, int):
        metadata["dagster/row_count"] = dg.MetadataValue.int(count)
    metadata["seconds"] = dg.MetadataValue.float(round(summary.seconds, 3))
    metadata |= _speed(summary) | dict(more or {})
    if summary.preview is not None and not summary.preview.is_empty():
        metadata["preview"] = preview_table(summary.preview)
    return metadata | {name: dg.MetadataValue.asset(key) for name, key in links.items()}
