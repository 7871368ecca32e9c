"""S3 server access logs: lines of Logstash's tests and OpenTelemetry's collector, cut another way than the parser's.

Panther's events are rows that were parsed already, without the lines they came from: they are no cases.
"""

from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import by_place, cut, logstash_messages

__all__ = ["case", "cases"]

_NAMES = [
    "owner",
    "bucket",
    "time",
    "ip",
    "requester",
    "request_id",
    "operation",
    "key",
    "request_uri",
    "status",
    "error_code",
    "bytes_sent",
    "object_size",
    "total_time",
    "turn_around_time",
    "referer",
    "user_agent",
    "version_id",
    "host_id",
    "signature_version",
    "cipher_suite",
    "authentication_type",
    "host_header",
    "tls_version",
    "access_point_arn",
    "acl_required",
]
_COLUMNS = {
    "owner": "BucketOwner",
    "bucket": "Bucket",
    "ip": "RemoteIp",
    "requester": "Requester",
    "request_id": "RequestId",
    "operation": "Operation",
    "key": "Key",
    "request_uri": "RequestUri",
    "status": "HttpStatus",
    "error_code": "ErrorCode",
    "bytes_sent": "BytesSent",
    "object_size": "ObjectSize",
    "total_time": "TotalTime",
    "turn_around_time": "TurnAroundTime",
    "referer": "Referer",
    "user_agent": "UserAgent",
    "version_id": "VersionId",
    "host_id": "HostId",
    "signature_version": "SignatureVersion",
    "cipher_suite": "CipherSuite",
    "authentication_type": "AuthenticationType",
    "host_header": "HostHeader",
    "tls_version": "TLSVersion",
    "access_point_arn": "AccessPointARN",
    "acl_required": "ACLRequired",
}


def case(name: str, line: str) -> Case:
    """A line as a case."""
    return Case(name, "s3_access", line.encode(), 1, by_place(cut(line), _NAMES, _COLUMNS))


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for name, _, message in logstash_messages(folder / "logstash_aws_messages.jsonl"):
        yield case(name, message)
    for file in sorted(folder.glob("*.log")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield case(f"{file.name}:{number}", line)
