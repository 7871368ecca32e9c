"""Route 53 Resolver query logs: the DNS questions that VPCs asked.

Source: AWS, "Values that appear in VPC Resolver query logs" (docs.aws.amazon.com/Route53/latest/DeveloperGuide/
resolver-query-logs-format.html).

Belongs here: the record's fields and their tables. Does not belong here: logs of public hosted zones
(``route53_public``).

Decisions where a name does not say it all: ``LogType`` is ``firewall`` where a DNS Firewall rule touched the query,
else ``query``. ``Answers`` and ``SrcIds`` hold the original JSON. Names keep the dot at their end in ``QueryName``; the ASIM
column ``DnsQuery`` is without it, as Microsoft's own parsers write names.
"""

from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.asim import asim_columns
from s3sentinel_assets.formats.asim_values import dns_rcode_name, dns_result
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
_BLOCKED = pl.col("firewall_rule_action") == "BLOCK"

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

_ASIM = TableMapping(
    "ASimDnsActivityLogs",
    {
        **asim_columns(
            "Dns",
            event_type="Query",
            result=derived("`rcode`: NOERROR is Success", dns_result("rcode")),
            product="Route 53 Resolver",
            severity=derived("Medium where DNS Firewall blocked", pl.when(_BLOCKED.fill_null(value=False))
                             .then(pl.lit("Medium")).otherwise(pl.lit("Informational"))),
            sub_type=constant("response"),
        ),
        "EventResultDetails": derived("`rcode`", pl.coalesce(dns_rcode_name("rcode"), pl.lit("NA"))),
        "DnsQuery": derived("`query_name` without the dot at its end", _NAME.fill_null("")),
        "DnsQueryTypeName": field("query_type"),
        "DnsQueryClassName": field("query_class"),
        "DnsResponseName": field("answers"),
        "SrcIpAddr": field("srcaddr"),
        "Src": field("srcaddr"),
        "SrcPortNumber": field("srcport"),
        "SrcDvcId": derived("`srcids.instance` or resolver endpoint", _INSTANCE),
        "SrcDvcIdType": derived("`AwsInstanceId` with an instance", pl.when(pl.col("srcids.instance").is_not_null())
                                .then(pl.lit("AwsInstanceId"))
                                .when(_INSTANCE.is_not_null()).then(pl.lit("Other"))),
        "SrcDvcScopeId": field("vpc_id"),
        "SrcDvcScope": field("account_id"),
        "NetworkProtocol": field("transport"),
        "DvcAction": derived(
            "`firewall_rule_action`: Allowed, Denied",
            pl.when(_BLOCKED).then(pl.lit("Denied"))
            .when(pl.col("firewall_rule_action").is_not_null()).then(pl.lit("Allowed")),
        ),
        "DvcOriginalAction": field("firewall_rule_action"),
        "RuleName": field("firewall_rule_group_id"),
        "EventProductVersion": field("version"),
        "AdditionalFields": derived(
            "`region`, `firewall_domain_list_id`",
            pl.struct("region", "firewall_domain_list_id").struct.json_encode(),
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
