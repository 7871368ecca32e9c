"""Times as logs write them → instants.

Belongs here: column-wise conversion, with a slow path only for the odd text.
"""

from datetime import UTC, datetime

import polars as pl

__all__ = ["LAST_EPOCH_SECOND", "parse_iso8601"]

#: 9999-12-31T23:59:59Z: the last second that both Python and Log Analytics can hold.
LAST_EPOCH_SECOND = 253_402_300_799
_TO_THE_SECOND = "%Y-%m-%dT%H:%M:%SZ"


def parse_iso8601(texts: pl.Series) -> pl.Series:
    """ISO 8601 texts → Datetime(us, UTC); null where a text is no time. A text without a zone is taken as UTC."""
    instants = texts.str.to_datetime(_TO_THE_SECOND, time_unit="us", strict=False).dt.replace_time_zone("UTC")
    odd = (instants.is_null() & texts.is_not_null()).arg_true()
    if not odd.len():
        return instants
    found = pl.Series([_parse_odd(text) for text in texts.gather(odd)], dtype=instants.dtype)
    return instants.scatter(odd, found)


def _parse_odd(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
