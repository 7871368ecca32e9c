"""Route 53 Resolver query logs: the DNS questions that VPCs asked.

Source: AWS, "Values that appear in VPC Resolver query logs" (docs.aws.amazon.com/Route53/latest/DeveloperGuide/
resolver-query-logs-format.html).

Belongs here: the record's fields and their tables. Does not belong here: logs of public hosted zones
(``public``).

Decisions where a name does not say it all: ``LogType`` is ``firewall`` where a DNS Firewall rule touched the query,
else ``query``. ``Answers`` and ``SrcIds`` hold the original JSON. Names keep the dot at their end in ``QueryName``; the
ASIM column ``DnsQuery`` is without it, as the schema wants it.
"""

from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.dns_numbers import class_number, rcode_number, type_number
from s3sentinel_assets.formats.asim.values import dns_rcode_name, dns_result, ip_version
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.json_logs import NULL, JsonParser, iso_time
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field

__all__ = ["Route53ResolverParser"]


class SourceIds(msgspec.Struct, gc=False):
    """``srcids``: what asked."""

    instance: str | None = None
    resolver_endpoint: str | None = None
    resolver_network_interface: str | None = None


class Record(msgspec.Struct, gc=False):
    """One query and its answer."""

    version: str | None = None
    account_id: str | None = None
    region: str | None = None
    vpc_id: str | None = None
    query_timestamp: str | None = None
    query_name: str | None = None
    query_type: str | None = None
    query_class: str | None = None
    rcode: str | None = None
    answers: msgspec.Raw = NULL
    srcaddr: str | None = None
    srcport: str | None = None
    transport: str | None = None
    srcids: msgspec.Raw = NULL
    firewall_rule_action: str | None = None
    firewall_rule_group_id: str | None = None
    firewall_domain_list_id: str | None = None
    firewall_protection: str | None = None


_NAME = pl.col("query_name").str.strip_suffix(".")
_INSTANCE = pl.coalesce("srcids.instance", "srcids.resolver_endpoint", "srcids.resolver_network_interface")

_ENTITIES = {
    "account": field("account_id"),
    "region": field("region"),
    "principal": derived("`srcids.instance` or resolver endpoint, else `srcaddr`", pl.coalesce(_INSTANCE, "srcaddr")),
    "principal_type": derived(
        "`instance`, `resolver` or `address`",
        pl.when(pl.col("srcids.instance").is_not_null())
        .then(pl.lit("instance"))
        .when(_INSTANCE.is_not_null())
        .then(pl.lit("resolver"))
        .otherwise(pl.lit("address")),
    ),
    "peer": derived("`account_id`/`vpc_id`", pl.concat_str("account_id", "vpc_id", separator="/", ignore_nulls=True)),
    "service": constant("dns"),
    "action": derived(
        "`query_type`/`rcode`",
        pl.concat_str(pl.col("query_type").fill_null("-"), pl.col("rcode").fill_null("-"), separator="/"),
    ),
    "target": derived("`query_name` without the dot at its end", _NAME),
    "source_ip": field("srcaddr"),
    "error": derived("`rcode` other than NOERROR", pl.when(pl.col("rcode") != "NOERROR").then("rcode")),
    "read_only": constant(True),
}

_NATIVE = TableMapping(
    "AWSRoute53Resolver",
    {
        "AccountId": field("account_id"),
        "Answers": field("answers"),
        "FirewallDomainListId": field("firewall_domain_list_id"),
        "FirewallRuleAction": field("firewall_rule_action"),
        "FirewallRuleGroupId": field("firewall_rule_group_id"),
        "LogType": derived(
            "`firewall` where a DNS Firewall rule matched, else `query`",
            pl.when(pl.col("firewall_rule_action").is_not_null()).then(pl.lit("firewall")).otherwise(pl.lit("query")),
        ),
        "QueryClass": field("query_class"),
        "QueryName": field("query_name"),
        "QueryType": field("query_type"),
        "Rcode": field("rcode"),
        "Region": field("region"),
        "SrcAddr": field("srcaddr"),
        "SrcIds": field("srcids"),
        "SrcPort": field("srcport"),
        "Transport": field("transport"),
        "Version": field("version"),
        "VpcId": field("vpc_id"),
    },
    _ENTITIES,
)

_MATCHED = pl.col("firewall_rule_action").is_in(["BLOCK", "ALERT"])
_ADDITIONAL = pl.concat_str(
    json_object({name: name for name in ("region", "vpc_id", "firewall_domain_list_id")}).str.slice(1).str.head(-1),
    pl.lit('"srcids":') + pl.col("srcids"),
    separator=",",
    ignore_nulls=True,
)
_ASIM = TableMapping(
    "ASimDnsActivityLogs",
    {
        **asim_columns(
            "Dns",
            event_type="Query",
            result=derived("`rcode`: NOERROR is Success", dns_result("rcode")),
            product="Route 53 Resolver",
            severity=derived(
                "Medium where DNS Firewall blocked, Low where it alerted, else Informational",
                pl.when(pl.col("firewall_rule_action") == "BLOCK").then(pl.lit("Medium"))
                .when(pl.col("firewall_rule_action") == "ALERT").then(pl.lit("Low"))
                .otherwise(pl.lit("Informational")),
            ),
            sub_type="response",
            result_details=derived("`rcode`", pl.coalesce(dns_rcode_name("rcode"), pl.lit("NA"))),
            product_version=field("version"),
        ),
        "DnsQuery": derived("`query_name` without the dot at its end", _NAME),
        "DnsQueryType": derived("number of `query_type`", type_number("query_type")),
        "DnsQueryTypeName": field("query_type"),
        "DnsQueryClass": derived("number of `query_class`", class_number("query_class")),
        "DnsQueryClassName": field("query_class"),
        "DnsResponseCode": derived("number of `rcode`", rcode_number("rcode")),
        "DnsResponseName": field("answers"),
        "SrcIpAddr": field("srcaddr"),
        "Src": field("srcaddr"),
        "SrcPortNumber": field("srcport"),
        "SrcDvcId": derived("`srcids.instance` or resolver endpoint", _INSTANCE),
        "SrcDvcIdType": derived("Other where there is one", pl.when(_INSTANCE.is_not_null()).then(pl.lit("Other"))),
        "SrcDvcScopeId": field("account_id"),
        "SrcDvcScope": field("account_id"),
        "NetworkProtocol": derived("`transport`", pl.col("transport").str.to_uppercase()),
        "NetworkProtocolVersion": derived("by `srcaddr`", ip_version("srcaddr")),
        "DvcAction": derived(
            "`firewall_rule_action`: Blocked for BLOCK, else Allowed",
            pl.when(pl.col("firewall_rule_action") == "BLOCK").then(pl.lit("Blocked"))
            .when(pl.col("firewall_rule_action").is_not_null()).then(pl.lit("Allowed")),
        ),
        "DvcOriginalAction": field("firewall_rule_action"),
        "DvcScopeId": field("account_id"),
        "DvcScope": field("account_id"),
        "DvcZone": field("region"),
        "RuleName": field("firewall_rule_group_id"),
        "ThreatCategory": field("firewall_protection"),
        "ThreatField": derived("Domain where a rule blocked or alerted", pl.when(_MATCHED).then(pl.lit("Domain"))),
        "AdditionalFields": derived(
            "`region`, `vpc_id`, `firewall_domain_list_id`, `srcids`",
            pl.when(_ADDITIONAL != "").then(pl.lit("{") + _ADDITIONAL + pl.lit("}")),
        ),
    },
    _ENTITIES,
)  # fmt: skip


class Route53ResolverParser(JsonParser):
    """Parses Route 53 Resolver query logs."""

    name: ClassVar[str] = "route53_resolver"
    title: ClassVar[str] = "a Route 53 Resolver query log"
    native: ClassVar[tuple[TableMapping, ...]] = (_NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (_ASIM,)
    Record = Record
    inside: ClassVar = {"srcids": SourceIds}
    required: ClassVar = ("query_timestamp", "query_name")
    telling: ClassVar = ("query_timestamp", "query_name", "query_type", "query_class", "rcode", "srcids", "vpc_id")
    telling_enough: ClassVar[int] = 4
    unplaced: ClassVar = ("firewall_protection",)

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """The field ``query_timestamp``."""
        return iso_time(frame["query_timestamp"])
