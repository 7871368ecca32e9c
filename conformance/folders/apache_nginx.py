"""Access logs of Apache and nginx: cases of Vector's parsers and Logstash's patterns, files of lnav and plaso.

Error logs are another kind of log; cases with them are left out.
"""

from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, logstash_messages, vrl_cases

__all__ = ["cases"]

_COLUMNS = {
    "host": "SrcIpAddr",
    "client": "SrcIpAddr",
    "timestamp": "TimeGenerated",
    "method": "HttpRequestMethod",
    "status": "EventResultDetails",
    "agent": "HttpUserAgent",
    "referer": "HttpReferrer",
    "referrer": "HttpReferrer",
}
_FILES = ("lnav_logfile_access_log.0", "lnav_logfile_access_log.1", "lnav_logfile_shop_access_log.0")


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in ("apache", "common", "nginx"):
        for case in vrl_cases(folder / f"vrl_parse_{file}_log.jsonl"):
            if {"error", "ingress_upstreaminfo", "main"} & set(map(str, case.arguments.values())):
                continue
            # Dashes alone hold no time: nothing that a connector could deliver.
            good = case.good and any(character.isdigit() for character in case.content)
            fields = {name: None if value == "-" else value for name, value in case.fields.items()}
            if not str(fields.get("host", "1"))[:1].isdigit() and ":" not in str(fields.get("host", "")):
                fields.pop("host", None)  # a name is no address
            yield Case(
                case.id,
                "web_access",
                case.content.encode(),
                1 if good else None,
                expected(fields, _COLUMNS) if good else (),
                valid=good,
                detected=good,
            )
    for name, pattern, message in logstash_messages(folder / "logstash_httpd_messages.jsonl"):
        if pattern != "HTTPD_ERRORLOG":
            yield Case(name, "web_access", message.encode(), 1)
    for name in _FILES:
        content = (folder / name).read_bytes()
        yield Case(name, "web_access", content, sum(1 for line in content.split(b"\n") if line.strip()))
