"""Parquet files that carry a few named values beside their frame: how states and counters are kept.

Belongs here: writing and reading them. Does not belong here: where the files lie and their encryption (``store``).
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import polars as pl

from s3sentinel_assets.ml.parameters import ScoringUnavailable

__all__ = ["Sink", "Source", "read_snapshot", "write_snapshot"]

Sink = str | Path | IO[bytes]
Source = str | Path | IO[bytes] | bytes

_PREFIX = "s3sentinel."


def write_snapshot(frame: pl.DataFrame, sink: Sink, kind: str, values: dict[str, str]) -> None:
    """Writes ``frame`` with its ``kind`` and ``values`` in the file's key-value metadata."""
    frame.write_parquet(
        sink,
        compression="zstd",
        compression_level=3,
        statistics=False,
        metadata={f"{_PREFIX}{name}": value for name, value in {"kind": kind, **values}.items()},
    )


def read_snapshot(
    source: Source,
    kind: str,
    schema: dict[str, pl.DataType],
    names: tuple[str, ...],
    otherwise: Mapping[str, str] | None = None,
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Reads what `write_snapshot` wrote: the frame, and the values called ``names``.

    Args:
        source: the file.
        kind: what it must hold.
        schema: columns and types of the frame.
        names: of the values.
        otherwise: further names → the value where an older file has none.

    Raises:
        ScoringUnavailable: the file is not Parquet or no snapshot of that kind.
        OSError: it cannot be read at all.
    """
    # Read once into memory: metadata and frame are two calls, and a stream would be at its end after the first.
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, str | Path):
        data = Path(source).read_bytes()
    else:
        data = source.read()
    try:
        metadata = pl.read_parquet_metadata(io.BytesIO(data))
        found = metadata[f"{_PREFIX}kind"]
        if found != kind:
            raise ScoringUnavailable(f"the snapshot holds {found}, not {kind}")
        values = {name: metadata[f"{_PREFIX}{name}"] for name in names}
        for name, value in (otherwise or {}).items():
            values[name] = metadata.get(f"{_PREFIX}{name}", value)
        frame = pl.read_parquet(io.BytesIO(data), columns=list(schema)).match_to_schema(pl.Schema(schema))
    except (pl.exceptions.PolarsError, KeyError) as error:
        raise ScoringUnavailable(f"the snapshot cannot be used ({type(error).__name__}: {error})") from None
    return frame.rechunk(), values
