"""Query logs of Route 53's public hosted zones.

Source: AWS, "Public DNS query logging", section "Values that appear in DNS query logs"
(docs.aws.amazon.com/Route53/latest/DeveloperGuide/query-logs.html). Route 53 writes them to CloudWatch Logs, from where
they reach S3 by export or subscription.

Belongs here: the fields, the table. Does not belong here: cutting lines (``line_logs``), and the query logs of the VPC
Resolver, which are JSON.
"""

import re
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.dns_numbers import rcode_number, type_number
from s3sentinel_assets.formats.asim.values import dns_rcode_name, dns_result
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.line_logs import DelimitedParser, Fields
from s3sentinel_assets.formats.mapping import Origin, TableMapping, constant, derived, field
from s3sentinel_assets.formats.model import Verdict

__all__ = ["Route53PublicParser"]

FIELDS = Fields(
    (
        "version",
        "timestamp",
        "hosted_zone_id",
        "query_name",
        "query_type",
        "response_code",
        "protocol",
        "edge_location",
        "resolver_ip",
        "edns_client_subnet",
    ),
    required=9,
)
_VERSION = r"^\d+\.\d+$"
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$"
_ADDRESS = r"^[0-9A-Fa-f.:]+$"
#: Version, time, hosted zone: detection cuts no line for it.
_START = re.compile(rb"\d+\.\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z Z[0-9A-Za-z]+ ")

_CODE = derived("name of `response_code`", dns_rcode_name("response_code"))

_MORE: dict[str, Origin] = {
    "DnsQuery": field("query_name"),
    "DnsQueryType": derived("number of `query_type`", type_number("query_type")),
    "DnsQueryTypeName": field("query_type"),
    "DnsQueryClass": constant(1),
    "DnsQueryClassName": constant("IN"),
    "DnsResponseCode": derived("number of `response_code`", rcode_number("response_code")),
    "NetworkProtocol": field("protocol"),
    "SrcIpAddr": field("resolver_ip"),
    "Src": field("resolver_ip"),
    "DvcZone": field("edge_location"),
    "AdditionalFields": derived(
        "`hosted_zone_id`, `edge_location` and `edns_client_subnet`, as JSON",
        json_object(
            {
                "hosted_zone_id": "hosted_zone_id",
                "edge_location": "edge_location",
                "edns_client_subnet": "edns_client_subnet",
            }
        ),
    ),
}

ASIM = TableMapping(
    "ASimDnsActivityLogs",
    {
        **asim_columns(
            "Dns",
            event_type="Query",
            result=derived("`response_code`: Success for NOERROR, else Failure", dns_result("response_code")),
            product="Route 53",
            sub_type="response",
            result_details=derived("name of `response_code`, else NA", _CODE.value.fill_null("NA")),
            product_version=field("version"),
            dvc=derived("`edge_location`, else `Route 53`", pl.coalesce("edge_location", pl.lit("Route 53"))),
        ),
        **_MORE,
    },
    entities={
        "principal": field("resolver_ip"),
        "principal_type": constant("address"),
        "peer": field("hosted_zone_id"),
        "service": constant("dns"),
        "action": derived(
            "`query_type` and `response_code`: `A/NOERROR`",
            pl.concat_str("query_type", "response_code", separator="/", ignore_nulls=True),
        ),
        "target": field("query_name"),
        "source_ip": field("resolver_ip"),
        "error": derived(
            "`response_code` unless NOERROR", pl.when(pl.col("response_code") != "NOERROR").then("response_code")
        ),
        "read_only": constant(True),
    },
)


class Route53PublicParser(DelimitedParser):
    """Parses query logs of public hosted zones."""

    name: ClassVar[str] = "route53_public"
    title: ClassVar[str] = "a query log of a public hosted zone"
    fields: ClassVar[Fields] = FIELDS
    quoted: ClassVar[bool] = False
    line_start: ClassVar[re.Pattern[bytes] | None] = _START
    native: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """Lines with a version, a time, a zone, UDP or TCP."""
        share, lines = cls.share_of_lines(head)
        return Verdict(0.95 * share, f"{share:.0%} of {lines} lines have its fields")

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """Version, time, hosted zone, protocol, and addresses at the end of the line."""
        subnet = (
            pl.col("edns_client_subnet") if "edns_client_subnet" in frame.columns else pl.lit(None, dtype=pl.String)
        )
        return (
            pl.col("version").str.contains(_VERSION)
            & pl.col("timestamp").str.contains(_TIME)
            & pl.col("hosted_zone_id").str.starts_with("Z")
            & pl.col("query_name").is_not_null()
            & pl.col("protocol").is_in(["UDP", "TCP"])
            & pl.col("resolver_ip").str.contains(_ADDRESS)
            & (subnet.is_null() | subnet.str.contains(r"^[0-9A-Fa-f.:]+(?:/\d+)?$"))
        )

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """``timestamp``: when Route 53 answered."""
        return parse_iso8601(frame["timestamp"])
