"""CloudFront logs: lines of Logstash's tests, in the default order without header; the old RTMP log must be refused."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from conformance.model import Case, Expected
from conformance.reading import by_place, logstash_messages

__all__ = ["case", "cases"]

_NAMES = [
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
]
_COLUMNS = {
    "x-edge-location": "XEdgeLocation",
    "sc-bytes": "ScBytes",
    "c-ip": "CIp",
    "cs-method": "CsMethod",
    "cs(Host)": "CsHost",
    "cs-uri-stem": "CsUriStem",
    "sc-status": "ScStatus",
    "cs(Referer)": "CsReferer",
    "cs(User-Agent)": "CsUserAgent",
    "cs-uri-query": "CsUriQuery",
    "x-edge-result-type": "XEdgeResultType",
    "x-edge-request-id": "XEdgeRequestId",
    "x-host-header": "XHostHeader",
    "cs-protocol": "CsProtocol",
    "cs-bytes": "CsBytes",
    "time-taken": "TimeTaken",
    "ssl-protocol": "SslProtocol",
    "ssl-cipher": "SslCipher",
}


def case(name: str, line: str) -> Case:
    """A line as a case."""
    values = line.split("\t")
    at = datetime.strptime(" ".join(values[:2]), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    fields = (Expected("date time", "TimeGenerated", at), *by_place(values, _NAMES, _COLUMNS))
    return Case(name, "cloudfront", line.encode(), 1, fields)


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for name, _, message in logstash_messages(folder / "logstash_aws_messages.jsonl"):
        yield case(name, message)
    for file in sorted(folder.glob("*.log")):
        yield Case(file.name, "cloudfront", file.read_bytes(), valid=False, detected=False)
