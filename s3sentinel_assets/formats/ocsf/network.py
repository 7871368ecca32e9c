"""OCSF's network classes → ASIM: Network Activity (4001), HTTP Activity (4002), DNS Activity (4003).

Source: OCSF (schema.ocsf.io/classes/network_activity, http_activity, dns_activity); Microsoft, the ASIM Network
Session, Web Session and DNS schema references.

Belongs here: these three mappings. Does not belong here: what all classes share (``common``).
"""

import polars as pl

from s3sentinel_assets.formats.asim.values import (
    dns_rcode_name,
    dns_result,
    http_result,
    network_direction,
    protocol_name,
    whole_url,
)
from s3sentinel_assets.formats.mapping import TableMapping, derived, field
from s3sentinel_assets.formats.ocsf.common import CLASS, ENTITIES, REFUSED, USER, USER_ID, common, endpoint, fitting

__all__ = ["DNS", "NETWORK", "WEB"]

_RULE = derived(
    "`firewall_rule.name`, else `firewall_rule.uid`", pl.coalesce("firewall_rule.name", "firewall_rule.uid")
)
_DIRECTION = {1: "Inbound", 2: "Outbound", 3: "Local"}
_TRAFFIC = {
    "NetworkBytes": field("traffic.bytes"),
    "NetworkPackets": field("traffic.packets"),
    # Out is what the source sent.
    "SrcBytes": field("traffic.bytes_out"),
    "DstBytes": field("traffic.bytes_in"),
    "SrcPackets": field("traffic.packets_out"),
    "DstPackets": field("traffic.packets_in"),
    "NetworkProtocol": derived(
        "`connection_info.protocol_name`, else the number's name",
        pl.coalesce(protocol_name("connection_info.protocol_name"), protocol_name("connection_info.protocol_num")),
    ),
    "NetworkProtocolVersion": field("connection_info.protocol_ver"),
    "NetworkSessionId": field("connection_info.uid"),
    "NetworkDirection": derived(
        "`connection_info.direction_id`, else which addresses are private",
        pl.coalesce(
            pl.col("connection_info.direction_id").replace_strict(_DIRECTION, default=None, return_dtype=pl.String),
            network_direction("src_endpoint.ip", "dst_endpoint.ip"),
        ),
    ),
    "NetworkDuration": field("duration"),
    "NetworkRuleName": _RULE,
    "RuleName": _RULE,
    "SrcUsername": USER,
    "SrcUserId": USER_ID,
}
_FLAGS = {"Fin": 1, "Syn": 2, "Rst": 4, "Psh": 8, "Ack": 16, "Urg": 32}

NETWORK = TableMapping(
    "ASimNetworkSessionLogs",
    {
        **common("NetworkSession", "NetworkSession"),
        **endpoint("NetworkSession", "Src"),
        **endpoint("NetworkSession", "Dst"),
        **fitting("NetworkSession", _TRAFFIC),
        **{
            f"TcpFlags{name}": derived(
                f"bit {bit} of `connection_info.tcp_flags`", (pl.col("connection_info.tcp_flags") & bit) != 0
            )
            for name, bit in _FLAGS.items()
        },
    },
    ENTITIES,
    where=CLASS == 4001,
)

_STATUS = pl.coalesce("http_response.code", "http_status")
_PATH = pl.concat_str("http_request.url.path", "http_request.url.query_string", separator="?", ignore_nulls=True)
WEB = TableMapping(
    "ASimWebSessionLogs",
    {
        **common(
            "WebSession",
            "HTTPsession",
            result=derived(
                "Failure where it was denied, else by `http_response.code`",
                pl.when(REFUSED).then(pl.lit("Failure")).otherwise(http_result(_STATUS)),
            ),
        ),
        **endpoint("WebSession", "Src"),
        **endpoint("WebSession", "Dst"),
        **fitting("WebSession", _TRAFFIC),
        "Url": derived(
            "`http_request.url.url_string`, else scheme, host, path and query",
            pl.coalesce(
                "http_request.url.url_string",
                "http_request.url.text",
                pl.when(pl.col("http_request.url.hostname").is_not_null()).then(
                    whole_url("http_request.url.scheme", "http_request.url.hostname", _PATH)
                ),
                pl.when(_PATH != "").then(_PATH),
                "http_request.url.hostname",
                pl.lit(""),
            ),
        ),
        "HttpRequestMethod": field("http_request.http_method"),
        "HttpUserAgent": field("http_request.user_agent"),
        "HttpReferrer": field("http_request.referrer"),
        "HttpVersion": field("http_request.version"),
        "HttpHost": field("http_request.url.hostname"),
        "HttpRequestXff": derived(
            "`http_request.x_forwarded_for`, joined by commas",
            pl.col("http_request.x_forwarded_for").str.strip_chars("[]").str.replace_all('"', "", literal=True),
        ),
        "HttpResponseTime": field("http_response.latency"),
        "EventResultDetails": derived("`http_response.code`, else `http_status`", _STATUS.cast(pl.String)),
    },
    ENTITIES,
    where=CLASS == 4002,
)

_RCODE = pl.coalesce(pl.col("rcode_id").cast(pl.String), "rcode")
DNS = TableMapping(
    "ASimDnsActivityLogs",
    {
        **common("Dns", "Query", result=derived("whether `rcode_id`, else `rcode`, is NOERROR", dns_result(_RCODE))),
        **endpoint("Dns", "Src"),
        **endpoint("Dns", "Dst"),
        **fitting("Dns", _TRAFFIC),
        "EventSubType": derived(
            "`activity_id`: 1 request, else response",
            pl.when(pl.col("activity_id") == 1).then(pl.lit("request")).otherwise(pl.lit("response")),
        ),
        "EventResultDetails": derived(
            "name of `rcode_id`, else `rcode`", pl.coalesce(dns_rcode_name(_RCODE), pl.lit("NA"))
        ),
        "DnsQuery": derived(
            "`query.hostname` without the dot at its end",
            pl.coalesce(pl.col("query.hostname").str.strip_suffix("."), pl.lit("-")),
        ),
        "DnsQueryTypeName": field("query.type"),
        "DnsQueryClassName": field("query.class"),
        "DnsResponseCode": field("rcode_id"),
        "DnsResponseName": field("answers"),
        "DnsSessionId": field("connection_info.uid"),
        "Src": field("src_endpoint.ip"),
        "Dst": derived(
            "`dst_endpoint.ip`, else `.instance_uid`", pl.coalesce("dst_endpoint.ip", "dst_endpoint.instance_uid")
        ),
    },
    ENTITIES,
    where=CLASS == 4003,
)
