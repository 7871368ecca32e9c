"""Zeek logs with headers: files of lnav and of OTRF's Security Datasets, cut at their tabs by the header.

Lines of Logstash's tests come without the header that says what they hold: they are no cases.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.model import Case, Expected
from conformance.reading import by_place

__all__ = ["cases"]

_COMMON = {
    "id.orig_h": "SrcIpAddr",
    "id.orig_p": "SrcPortNumber",
    "id.resp_h": "DstIpAddr",
    "id.resp_p": "DstPortNumber",
}
_COLUMNS = {
    "conn": _COMMON
    | {"ts": "TimeGenerated", "orig_bytes": "SrcBytes", "resp_bytes": "DstBytes", "uid": "NetworkSessionId"},
    "dns": _COMMON | {"ts": "TimeGenerated", "query": "DnsQuery"},
    "http": _COMMON | {"ts": "TimeGenerated", "method": "HttpRequestMethod", "user_agent": "HttpUserAgent"},
}
_OTHER = {"ts": "TimeGenerated", "uid": "Uid"}
#: Rows whose fields are compared; files have thousands.
_COMPARED = 50


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in sorted(folder.rglob("*.log*")):
        content = file.read_bytes()
        names: list[str] = []
        path, rows = "", 0
        fields: list[Expected] = []
        for line in content.decode(errors="replace").split("\n"):
            if line.startswith("#fields"):
                names = line.rstrip("\r").split("\t")[1:]
            elif line.startswith("#path"):
                path = line.rstrip("\r").split("\t")[1]
            elif line.strip() and not line.startswith("#"):
                if rows < _COMPARED and "\\x" not in line:
                    values: list[Any] = [None if each == "(empty)" else each for each in line.rstrip("\r").split("\t")]
                    named = dict(zip(names, values, strict=False))
                    if path == "dns" and named["query"] == "-":
                        rows += 1
                        continue  # the ASIM column is mandatory, so it says "-" as well
                    values[names.index("ts")] = float(named["ts"])
                    fields += by_place(values, names, _COLUMNS.get(path, _OTHER), row=rows)
                rows += 1
        yield Case(str(file.relative_to(folder)), "zeek", content, rows, tuple(fields))
