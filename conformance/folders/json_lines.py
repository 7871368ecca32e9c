"""JSON lines of applications: files of lnav. Those it calls invalid hold lines that are no JSON."""

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case, Expected

__all__ = ["cases"]

_TIMES = ("ts", "time", "@timestamp")
_MESSAGES = ("msg", "message")


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in sorted(folder.iterdir()):
        if file.suffix == ".md":
            continue
        content = file.read_bytes()
        records, broken = [], 0
        for line in content.decode().splitlines():
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError:
                broken += 1
                continue
            records.append(value)
        if broken or not all(isinstance(record, dict) for record in records):
            continue  # what is cut out of broken content is the parser's own tests' business
        fields: list[Expected] = []
        for row, record in enumerate(records):
            fields += [Expected(name, "TimeGenerated", record[name], row) for name in _TIMES if name in record][:1]
            fields += [
                Expected(name, "Message", record[name], row) for name in _MESSAGES if isinstance(record.get(name), str)
            ][:1]
            fields.append(Expected("the record", "Fields", record, row))
        yield Case(file.name, "json_lines", content, len(records), tuple(fields))
