"""What people read about an hour in the UI: counts, speed, a preview, problems, and links to the neighbours.

Belongs here: turning a `StageSummary` into Dagster metadata. Object keys and log text come from outside, so they go
into tables and plain text, never into markdown. Does not belong here: verdicts (``checks``).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg
import polars as pl

from s3sentinel_assets.pipeline.summary import StageSummary

__all__ = ["preview_table", "problem_table", "stage_metadata"]

_CELL = 200
_PROBLEMS = 20
_COLUMNS = 16


def _cell(value: object) -> str | int | float | bool:
    if isinstance(value, bool | int | float):
        return value
    text = "" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def preview_table(frame: pl.DataFrame) -> dg.TableMetadataValue:
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


def _outcome(summary: StageSummary) -> str:
    words = [f"{summary.done} done now", f"{summary.kept} done before"]
    if summary.busy:
        words.append(f"{summary.busy} held by another run, which finishes them")
    return ", ".join(words)


def stage_metadata(
    summary: StageSummary, links: Mapping[str, dg.AssetKey], *, rows: str | None = None
) -> dict[str, dg.MetadataValue]:
    """The metadata of one hour's materialisation.

    Args:
        summary: what the stage reports.
        links: what to call a neighbouring asset → its key.
        rows: the count that is the hour's row count, if any; the UI draws it over time.
    """
    metadata: dict[str, dg.MetadataValue] = {"parts": dg.MetadataValue.text(_outcome(summary))}
    for name, value in summary.counts.items():
        label = "parts_in_all" if name == "parts" else name
        if isinstance(value, bool) or not isinstance(value, int | float):
            metadata[label] = dg.MetadataValue.text(str(value))
        else:
            metadata[label] = dg.MetadataValue.float(value) if isinstance(value, float) else dg.MetadataValue.int(value)
    count = summary.counts.get(rows) if rows else None
    if isinstance(count, int):
        metadata["dagster/row_count"] = dg.MetadataValue.int(count)
    metadata["seconds"] = dg.MetadataValue.float(round(summary.seconds, 3))
    size = next((v for n in ("decoded_bytes", "raw_bytes") if isinstance(v := summary.counts.get(n), int)), 0)
    if summary.done and not summary.kept and size and summary.seconds > 0:
        metadata["MB/s"] = dg.MetadataValue.float(round(size / summary.seconds / 1e6, 2))
    if summary.problems:
        metadata["problems"] = problem_table(summary.problems)
    if summary.preview is not None and not summary.preview.is_empty():
        metadata["preview"] = preview_table(summary.preview)
    return metadata | {name: dg.MetadataValue.asset(key) for name, key in links.items()}
