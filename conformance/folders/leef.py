"""LEEF: messages of devices from Splunk Connect for Syslog."""

from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import json_lines

__all__ = ["cases"]


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for name, value in json_lines(folder / "sc4s_leef.jsonl"):
        yield Case(name, "leef", value["raw"].encode(), 1)
