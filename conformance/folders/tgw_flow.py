"""Transit gateway flow logs: a sample of OpenTelemetry's collector, cut at its spaces."""

from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import by_place

__all__ = ["cases"]

_COLUMNS = {
    "srcaddr": "SrcIpAddr",
    "dstaddr": "DstIpAddr",
    "srcport": "SrcPortNumber",
    "dstport": "DstPortNumber",
    "packets": "NetworkPackets",
    "bytes": "NetworkBytes",
    "start": "EventStartTime",
    "end": "EventEndTime",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in sorted(folder.glob("*.log")):
        header, *lines = file.read_text(encoding="utf-8").splitlines()
        names = header.split(" ")
        fields = [
            each
            for row, line in enumerate(lines)
            for each in by_place(
                [int(v) if v.isdigit() else v for v in line.split(" ")],  # type: ignore[list-item]
                names,
                _COLUMNS,
                row=row,
            )
        ]
        yield Case(file.name, "tgw_flow", file.read_bytes(), len(lines), tuple(fields))
