"""Logs of several load balancers in one file (plaso); lines of Logstash's tests, cut another way than the parser's."""

from collections.abc import Iterator
from pathlib import Path

from conformance.folders import cloudfront, s3_access
from conformance.model import Case, Expected
from conformance.reading import by_place, cut, logstash_messages

__all__ = ["cases"]

_CLASSIC = [
    "time",
    "elb",
    "client",
    "target",
    "request_processing_time",
    "backend_processing_time",
    "response_processing_time",
    "status",
    "backend_status",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
]
_CLASSIC_COLUMNS = {
    "time": "TimeGenerated",
    "status": "EventResultDetails",
    "received_bytes": "SrcBytes",
    "sent_bytes": "DstBytes",
    "user_agent": "HttpUserAgent",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in sorted(folder.glob("*.log")):
        content = file.read_bytes()
        lines = [line for line in content.split(b"\n") if line.strip()]
        yield Case(file.name, "alb", content, len(lines), several=("nlb", "elb"))
    for name, pattern, message in logstash_messages(folder / "logstash_aws_messages.jsonl"):
        if pattern == "ELB_ACCESS_LOG":
            fields = by_place(cut(message), _CLASSIC, _CLASSIC_COLUMNS)
            client = cut(message)[2].rpartition(":")
            fields += (Expected("client", "SrcIpAddr", client[0]), Expected("port", "SrcPortNumber", client[2]))
            yield Case(name, "elb", message.encode(), 1, fields)
        elif pattern == "S3_ACCESS_LOG":
            yield s3_access.case(name, message)
        else:
            yield cloudfront.case(name, message)
