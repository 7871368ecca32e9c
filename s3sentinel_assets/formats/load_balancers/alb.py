"""Access logs of Application Load Balancers.

Source: AWS, "Access logs for your Application Load Balancer", section "Access log entries"
(docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html). Fields were added at the
end of the line again and again until 2025; a line needs the first 18 only.

Belongs here: the fields, how the lines are told from those of other load balancers, the tables. Does not belong here:
cutting lines (``line_logs``).
"""

import re
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.values import url_host
from s3sentinel_assets.formats.extra_fields import json_object, with_named_extra
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.line_logs import DelimitedParser, Fields, split_fields
from s3sentinel_assets.formats.mapping import TableMapping, derived, field
from s3sentinel_assets.formats.web.requests import milliseconds, split_arn, split_endpoint, split_request, with_parts
from s3sentinel_assets.formats.web.session import (
    CLIENT_IP,
    CLIENT_PORT,
    METHOD,
    PROTOCOL,
    TARGET,
    TARGET_IP,
    TARGET_PORT,
    asked_for,
    request_entities,
    total,
    web_columns,
)

__all__ = ["AlbParser"]

FIELDS = Fields(
    (
        *("type", "time", "elb", "client:port", "target:port"),
        *("request_processing_time", "target_processing_time", "response_processing_time"),
        *("elb_status_code", "target_status_code", "received_bytes", "sent_bytes"),
        *("request", "user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id"),
        *("domain_name", "chosen_cert_arn", "matched_rule_priority"),  # 2017
        *("request_creation_time", "actions_executed", "redirect_url", "error_reason"),  # 2018
        *("target:port_list", "target_status_code_list", "classification", "classification_reason"),  # 2019 and 2020
        "conn_trace_id",  # 2024
        *("transformed_host", "transformed_uri", "request_transform_status"),  # 2025
    ),
    required=18,
)
_PLACELESS = ("transformed_host", "transformed_uri", "request_transform_status")
_START = re.compile(rb"[a-z][a-z0-9]* \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* app/\S+ \S+ \S+ (?:-?[\d.]+ ){3}[\d-]+ ")
#: What may stand before, in and behind the two fields that a client fills.
_ODD = re.compile(r'((?:[^ ]+ ){12})"(.*)" ((?:-|[A-Z0-9_-]+) (?:-|(?:TLS|SSL)[^ ]*) (?:-|arn:[^ ]+) ".*)')
_ADDRESSES = {
    "ClientIp": derived("address of `client:port`", pl.col(CLIENT_IP)),
    "ClientPort": derived("port of `client:port`", pl.col(CLIENT_PORT)),
    "TargetIp": derived("address of `target:port`", pl.col(TARGET_IP)),
    "TargetPort": derived("port of `target:port`", pl.col(TARGET_PORT)),
}
_ARN = pl.coalesce("target_group_arn", "chosen_cert_arn")

ENTITIES = request_entities(
    "elb_status_code",
    service=field("type"),
    peer=field("elb"),
    client=_ADDRESSES["ClientIp"],
    sent=field("sent_bytes"),
    account=derived("account in `target_group_arn`", pl.col("_account")),
    region=derived("Region in `target_group_arn`", pl.col("_region")),
    target=asked_for("target_group_arn", "domain_name"),
    user_agent=field("user_agent"),
)

NATIVE = TableMapping(
    "AWSALBAccessLogs",
    {
        "ALBType": field("type"),
        "Alb": field("elb"),
        **_ADDRESSES,
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
    ENTITIES,
    note="The fields of 2025 that the table has no column for are in `ExtraFields_CF`.",
)

_TIMES = ("request_processing_time", "target_processing_time", "response_processing_time")
ASIM = TableMapping(
    "ASimWebSessionLogs",
    {
        **web_columns(
            "elb_status_code",
            event_type="HTTPsession",
            product="Application Load Balancer",
            vendor="AWS",
            url=derived("URL in `request`; `-` where there is none", pl.col(TARGET).fill_null("-")),
            start=derived(
                "`request_creation_time`, else `time`",
                pl.coalesce(pl.col("request_creation_time").str.to_datetime(
                    "%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC", strict=False), "_time"),
            ),
            end=derived("`time`", pl.col("_time")),
            dvc=field("elb"),
            original_uid=field("trace_id"),
            original_type=field("type"),
            original_result_details=field("error_reason"),
        ),
        "DvcAction": derived(
            "`Deny` where WAF was the last of `actions_executed`",
            pl.when(pl.col("actions_executed").str.ends_with("waf").fill_null(value=False))
            .then(pl.lit("Deny"))
            .otherwise(pl.lit("Allow")),
        ),
        "DvcOriginalAction": field("actions_executed"),
        "RuleNumber": field("matched_rule_priority"),
        "SrcPortNumber": _ADDRESSES["ClientPort"],
        "SrcBytes": field("received_bytes"),
        "DstBytes": field("sent_bytes"),
        "DstIpAddr": _ADDRESSES["TargetIp"],
        "DstPortNumber": _ADDRESSES["TargetPort"],
        "DstFQDN": field("domain_name"),
        "HttpHost": derived("host of the URL in `request`", url_host(TARGET)),
        "HttpRequestTime": derived("`request_processing_time` in ms", milliseconds("request_processing_time")),
        "HttpResponseTime": derived("`target_processing_time` in ms", milliseconds("target_processing_time")),
        "NetworkApplicationProtocol": derived("`type`", pl.col("type").str.to_uppercase()),
        "NetworkBytes": derived("`received_bytes` and `sent_bytes`", total("received_bytes", "sent_bytes")),
        "NetworkDuration": derived(
            "the three processing times in ms", total(*(milliseconds(name) for name in _TIMES))
        ),
        "NetworkSessionId": field("conn_trace_id"),
        "AdditionalFields": derived(
            "other fields by their names",
            json_object({name: name for name in (
                "target_status_code", "ssl_cipher", "ssl_protocol", "target_group_arn", "chosen_cert_arn",
                "redirect_url", "target:port_list", "target_status_code_list", "classification",
                "classification_reason",
            )}),
        ),
    },
    ENTITIES,
)  # fmt: skip


class AlbParser(DelimitedParser):
    """Parses Application Load Balancer access logs."""

    name: ClassVar[str] = "alb"
    title: ClassVar[str] = "an Application Load Balancer log"
    fields: ClassVar[Fields] = FIELDS
    line_start: ClassVar[re.Pattern[bytes] | None] = _START
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    def cut_odd(self, line: str) -> list[str] | None:
        """What stands before ``request`` and behind ``user_agent`` cannot have quotes in it."""
        found = _ODD.fullmatch(line)
        if found is None:
            return None
        head, middle, tail = found.groups()
        request, _, agent = middle.partition('" "')
        return [*head.split(" ")[:-1], request, agent, *split_fields(tail)]

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """The name of an Application Load Balancer, and what stands behind the quotes."""
        created, connection = (
            pl.col(name) if name in frame.columns else pl.lit(None, dtype=pl.String)
            for name in ("request_creation_time", "conn_trace_id")
        )
        protocol, group = pl.col("ssl_protocol"), pl.col("target_group_arn")
        return (
            pl.col("elb").str.starts_with("app/")
            & (protocol.is_null() | protocol.str.starts_with("TLS") | protocol.str.starts_with("SSL"))
            & (group.is_null() | group.str.starts_with("arn:"))
            & (created.is_null() | (created.str.slice(10, 1) == "T"))
            & (connection.is_null() | connection.str.starts_with("TID_"))
        )

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """``time``: when the answer went out."""
        return parse_iso8601(frame["time"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Addresses and ports, the parts of the request, and account and Region."""
        raw = with_parts(raw, "client:port", split_endpoint, (CLIENT_IP, CLIENT_PORT))
        raw = with_parts(raw, "target:port", split_endpoint, (TARGET_IP, TARGET_PORT))
        raw = with_parts(raw, "request", split_request, (METHOD, TARGET, PROTOCOL))
        region, account = split_arn(raw.select(_ARN).to_series())
        raw = raw.with_columns(region.alias("_region"), account.alias("_account"))
        return with_named_extra(raw, _PLACELESS)
