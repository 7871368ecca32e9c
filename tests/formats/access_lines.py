"""Lines of access logs for tests, field by field, and what comes of them."""

from typing import Any

from s3sentinel_assets.formats.model import ParseOptions
from tests.formats.parsing import Parsed, parse

ARN = "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067"
CERTIFICATE = "arn:aws:acm:us-east-2:123456789012:certificate/12345678"

ALB = {
    "type": "https",
    "time": "2026-11-23T22:23:00.186641Z",
    "elb": "app/my-lb/50dc6c495c0c9188",
    "client:port": "192.0.2.39:2817",
    "target:port": "10.0.0.1:80",
    "request_processing_time": "0.086",
    "target_processing_time": "0.048",
    "response_processing_time": "0.037",
    "elb_status_code": "200",
    "target_status_code": "201",
    "received_bytes": "34",
    "sent_bytes": "366",
    "request": '"GET https://www.example.com:443/a?b=c HTTP/1.1"',
    "user_agent": '"curl/7.46.0 (x)"',
    "ssl_cipher": "ECDHE-RSA-AES128-GCM-SHA256",
    "ssl_protocol": "TLSv1.2",
    "target_group_arn": ARN,
    "trace_id": '"Root=1-58337281-1d84f3d73c47ec4e58577259"',
    "domain_name": '"www.example.com"',
    "chosen_cert_arn": f'"{CERTIFICATE}"',
    "matched_rule_priority": "1",
    "request_creation_time": "2026-11-23T22:22:48.364000Z",
    "actions_executed": '"authenticate,forward"',
    "redirect_url": '"https://example.com:80/"',
    "error_reason": '"LambdaInvalidResponse"',
    "target:port_list": '"10.0.0.1:80"',
    "target_status_code_list": '"201"',
    "classification": '"Ambiguous"',
    "classification_reason": '"UriSpace"',
    "conn_trace_id": "TID_dc57cebed65b444ebc8177bb698fe166",
    "transformed_host": '"api.example.com"',
    "transformed_uri": '"/v2/a"',
    "request_transform_status": '"TransformSuccess"',
}
NLB = {
    "type": "tls",
    "version": "2.0",
    "time": "2026-11-23T08:51:42",
    "elb": "net/my-nlb/c6e77e28c25b2234",
    "listener": "g3d4b5e8bb8464cd",
    "client:port": "192.0.2.154:51341",
    "destination:port": "10.0.0.2:443",
    "connection_time": "5",
    "tls_handshake_time": "2",
    "received_bytes": "98",
    "sent_bytes": "246",
    "incoming_tls_alert": "-",
    "chosen_cert_arn": CERTIFICATE,
    "chosen_cert_serial": "0a1b",
    "tls_cipher": "ECDHE-RSA-AES128-SHA",
    "tls_protocol_version": "tlsv12",
    "tls_named_group": "x25519",
    "domain_name": "nlb.example.com",
    "alpn_fe_protocol": "h2",
    "alpn_be_protocol": "http/1.1",
    "alpn_client_preference_list": '"h2","http/1.1"',
    "tls_connection_creation_time": "2026-11-23T08:51:20",
}
ELB = {
    "time": "2026-11-23T23:39:43.945958Z",
    "elb": "my-loadbalancer",
    "client:port": "192.0.2.39:2817",
    "backend:port": "10.0.0.1:80",
    "request_processing_time": "0.086",
    "backend_processing_time": "1.048",
    "response_processing_time": "0.001",
    "elb_status_code": "404",
    "backend_status_code": "404",
    "received_bytes": "3",
    "sent_bytes": "57",
    "request": '"GET https://www.example.com:443/a HTTP/1.1"',
    "user_agent": '"curl/7.38.0"',
    "ssl_cipher": "DHE-RSA-AES128-SHA",
    "ssl_protocol": "TLSv1.2",
}
TCP = ELB | {"elb_status_code": "-", "backend_status_code": "-", "request": '"- - - "', "user_agent": '"-"'}
S3 = {
    "bucket_owner": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
    "bucket": "my-bucket",
    "time": "[06/Feb/2026:00:00:38 +0000]",
    "remote_ip": "192.0.2.3",
    "requester": "arn:aws:sts::123456789012:assumed-role/app/i-0123456789abcdef0",
    "request_id": "3E57427F3EXAMPLE",
    "operation": "REST.GET.OBJECT",
    "key": "a%2520b/c.txt",
    "request_uri": '"GET /a%20b/c.txt HTTP/1.1"',
    "http_status": "200",
    "error_code": "-",
    "bytes_sent": "113",
    "object_size": "2662992",
    "total_time": "70",
    "turn_around_time": "10",
    "referer": '"http://www.example.com/webservices"',
    "user_agent": '"curl/7.15.1"',
    "version_id": "3HL4kqtJvjVBH40Nrjfkd",
    "host_id": "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=",
    "signature_version": "SigV4",
    "cipher_suite": "ECDHE-RSA-AES128-GCM-SHA256",
    "authentication_type": "AuthHeader",
    "host_header": "my-bucket.s3.us-west-1.amazonaws.com",
    "tls_version": "TLSv1.2",
    "access_point_arn": "arn:aws:s3:us-west-1:123456789012:accesspoint/ap",
    "acl_required": "Yes",
    "source_region": "us-east-1",
}
WEB = {
    "host": "192.0.2.8",
    "ident": "-",
    "user": "frank",
    "time": "[10/Oct/2026:13:55:36 -0700]",
    "request": '"GET /a/b.gif?c=d HTTP/1.0"',
    "status": "200",
    "bytes": "2326",
    "referer": '"http://www.example.com/start.html"',
    "agent": '"Mozilla/4.08 [en] (Win98; I ;Nav)"',
}


def line(fields: dict[str, str], upto: int | None = None, **changes: str) -> str:
    """The line that ``fields`` make; a change whose name has blanks for colons: ``client_port`` for ``client:port``."""
    named = {name.replace(":", "_"): text for name, text in fields.items()}
    assert set(changes) <= set(named)
    return " ".join(list((named | changes).values())[:upto])


def text(*lines: str) -> bytes:
    return "".join(each + "\n" for each in lines).encode()


def parsed(*lines: str, format: str = "auto", asim: bool = False, zone: str = "UTC") -> Parsed:  # noqa: A002
    options = ParseOptions(normalise="asim" if asim else "native", time_zone=zone)
    return parse(text(*lines), format=format, options=options)  # type: ignore[arg-type]


def filled(*lines: str, **options: Any) -> dict[str, Any]:
    """The single row of the lines, without what is null and without what every row has."""
    found = parsed(*lines, **options)
    assert (found.report.rows, found.report.rejected) == (1, 0), found.rejects.to_dicts()
    row = found.rows.row(0, named=True)
    apart = ("TimeGenerated", "EventId_CF", "EventTime_CF", "_object", "_ordinal")
    return {name: value for name, value in row.items() if value is not None and name not in apart}


def entity(*lines: str, **options: Any) -> dict[str, Any]:
    """The single row of the entity view, without what is null."""
    row = parsed(*lines, **options).entities.row(0, named=True)
    return {name: value for name, value in row.items() if value is not None and name not in ("event_id", "time")}
