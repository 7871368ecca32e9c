"""Access logs of Application Load Balancers.

Source: AWS, "Access logs for your Application Load Balancer", section "Access log entries"
(docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html). Fields were added at the
end of the line in 2018 to 2025; a line needs the first 21 only.

Belongs here: the fields, how the lines are told from those of other load balancers, the tables. Does not belong here:
cutting lines (``line_logs``).
"""

from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.line_logs import DelimitedParser, Fields
from s3sentinel_assets.formats.mapping import TableMapping, derived, field
from s3sentinel_assets.formats.model import Verdict

__all__ = ["AlbParser"]

FIELDS = Fields(
    (
        "type",
        "time",
        "elb",
        "client:port",
        "target:port",
        "request_processing_time",
        "target_processing_time",
        "response_processing_time",
        "elb_status_code",
        "target_status_code",
        "received_bytes",
        "sent_bytes",
        "request",
        "user_agent",
        "ssl_cipher",
        "ssl_protocol",
        "target_group_arn",
        "trace_id",
        "domain_name",
        "chosen_cert_arn",
        "matched_rule_priority",
        "request_creation_time",
        "actions_executed",
        "redirect_url",
        "error_reason",
        "target:port_list",
        "target_status_code_list",
        "classification",
        "classification_reason",
        "conn_trace_id",
    ),
    required=21,
)
_TYPES = ["http", "https", "h2", "grpcs", "ws", "wss"]
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
_HOST, _PORT = r"^\[?(.*?)\]?(?::\d+)?$", r":(\d+)$"

NATIVE = TableMapping(
    "AWSALBAccessLogs",
    {
        "ALBType": field("type"),
        "Alb": field("elb"),
        "ClientIp": derived("address of `client:port`", pl.col("client:port").str.extract(_HOST)),
        "ClientPort": derived("port of `client:port`", pl.col("client:port").str.extract(_PORT)),
        "TargetIp": derived("address of `target:port`", pl.col("target:port").str.extract(_HOST)),
        "TargetPort": derived("port of `target:port`", pl.col("target:port").str.extract(_PORT)),
        "RequestProcessingTime": field("request_processing_time"),
        "TargetProcessingTime": field("target_processing_time"),
        "ResponseProcessingTime": field("response_processing_time"),
        "ElbStatusCode": field("elb_status_code"),
        "TargetStatusCode": field("target_status_code"),
        "ReceivedBytes": field("received_bytes"),
        "SentBytes": field("sent_bytes"),
        "RequestRaw": field("request"),
        "UserAgent": field("user_agent"),
        "SslCipher": field("ssl_cipher"),
        "SslProtocol": field("ssl_protocol"),
        "TargetGroupArn": field("target_group_arn"),
        "TraceId": field("trace_id"),
        "DomainName": field("domain_name"),
        "ChosenCertArn": field("chosen_cert_arn"),
        "MatchedRulePriority": field("matched_rule_priority"),
        "RequestCreationTime": field("request_creation_time"),
        "ActionsExecuted": field("actions_executed"),
        "RedirectUrl": field("redirect_url"),
        "LambdaErrorReason": field("error_reason"),
        "TargetPortList": field("target:port_list"),
        "TargetStatusCodeList": field("target_status_code_list"),
        "Classification": field("classification"),
        "ClassificationReason": field("classification_reason"),
        "ConnTraceId": field("conn_trace_id"),
    },
    entities={
        "principal": derived("address of `client:port`", pl.col("client:port").str.extract(_HOST)),
        "principal_type": derived("always `address`", pl.lit("address")),
        "peer": field("elb"),
        "service": field("type"),
        "action": derived(
            "method and status: `GET/200`",
            pl.concat_str(pl.col("request").str.extract(r"^(\S+)"), "elb_status_code", separator="/"),
        ),
        "target": field("target_group_arn"),
        "source_ip": derived("address of `client:port`", pl.col("client:port").str.extract(_HOST)),
        "user_agent": field("user_agent"),
        "error": derived(
            "`elb_status_code` from 400", pl.when(pl.col("elb_status_code") >= "400").then("elb_status_code")
        ),
        "bytes": field("sent_bytes"),
    },
)


class AlbParser(DelimitedParser):
    """Parses Application Load Balancer access logs."""

    name: ClassVar[str] = "alb"
    title: ClassVar[str] = "an Application Load Balancer log"
    fields: ClassVar[Fields] = FIELDS
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """Lines that begin with a listener type, a time and ``app/``."""
        share, lines = cls.share_of_lines(head)
        return Verdict(0.95 * share, f"{share:.0%} of {lines} lines have its fields")

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """The type, the name of an Application Load Balancer, a status, and the time near the end of the line."""
        created = pl.col("request_creation_time") if "request_creation_time" in frame.columns else pl.lit(None)
        return (
            pl.col("type").is_in(_TYPES)
            & pl.col("time").str.contains(_TIME)
            & pl.col("elb").str.starts_with("app/")
            & (created.is_null() | created.cast(pl.String).str.contains(_TIME))
        )

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """``time``: when the answer went out."""
        return parse_iso8601(frame["time"])


