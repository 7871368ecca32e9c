"""W3C extended logs of IIS: files of plaso and lnav, cut at their spaces by the header."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from conformance.model import Case, Expected
from conformance.reading import by_place

__all__ = ["cases"]

_COLUMNS = {
    "cs-method": "HttpRequestMethod",
    "c-ip": "SrcIpAddr",
    "sc-status": "EventResultDetails",
    "s-ip": "DstIpAddr",
    "s-port": "DstPortNumber",
    "cs-username": "SrcUsername",
}
#: With quotes, tabs or several headers, where cutting at spaces is no measure.
#: Its header names 6 fields, its lines have 17: what they hold is anybody's guess, so it must be refused.
_BROKEN = "lnav_logfile_w3c.5"
_UNCUT = ("iis10_edge_cases.log", "lnav_logfile_w3c")


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in sorted(folder.iterdir()):
        if file.suffix == ".md":
            continue
        content = file.read_bytes()
        lines = content.decode(errors="replace").splitlines()
        records = [line for line in lines if line.strip() and not line.startswith("#")]
        fields: list[Expected] = []
        if not file.name.startswith(_UNCUT):
            names = next(line for line in lines if line.startswith("#Fields:")).split()[1:]
            for row, line in enumerate(records):
                values = line.split(" ")
                fields += by_place(values, names, _COLUMNS, row=row)
                if "date" in names:
                    named = dict(zip(names, values, strict=False))
                    at = datetime.fromisoformat(f"{named['date']}T{named['time']}").replace(tzinfo=UTC)
                    fields.append(Expected("date time", "TimeGenerated", at, row))
        good = file.name != _BROKEN
        yield Case(file.name, "w3c", content, len(records) if good else None, tuple(fields) if good else (), valid=good)
