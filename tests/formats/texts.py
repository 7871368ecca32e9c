"""Parsing free-form lines in tests: with a time of arrival and a time zone, row by row."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from s3sentinel_assets.formats import ObjectInput, ParseOptions, PartParser
from tests.formats.parsing import IDENTITY, Parsed, check_account, pieces

ARRIVED = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def read(
    *contents: bytes,
    format: str = "auto",  # noqa: A002 - the word of the configuration
    arrived: datetime | None = ARRIVED,
    zone: str = "UTC",
    step: int = 65_536,
) -> Parsed:
    """Parses contents as objects 0, 1, … and checks the account."""
    parser = PartParser(format, ParseOptions(time_zone=zone))
    inputs = [
        ObjectInput(number, f"object-{number}", f"{IDENTITY}{number:04x}", _opener(data, step), arrived=arrived)
        for number, data in enumerate(contents)
    ]
    frames = list(parser.frames(inputs))
    parsed = Parsed(frames, parser.reports, parser.rejects)
    check_account(parsed)
    return parsed


def _opener(data: bytes, step: int) -> Any:
    return lambda: pieces(data, step)


def lines(*texts: str) -> bytes:
    return "".join(text + "\n" for text in texts).encode()


def rows(parsed: Parsed) -> list[dict[str, Any]]:
    """Every row without its empty columns."""
    return [
        {key: value for key, value in row.items() if value is not None} for row in parsed.rows.iter_rows(named=True)
    ]


def row(text: str, **how: Any) -> dict[str, Any]:
    """The one row of one line."""
    made = rows(read(lines(text), **how))
    assert len(made) == 1
    return made[0]


def pick(record: dict[str, Any], names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(record.get(name) for name in names)
