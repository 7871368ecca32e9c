"""Zeek's logs in tables: connections, DNS and HTTP in ASIM's, all others in a custom one.

Source: Microsoft, the ASIM references of Network Session, DNS and Web Session (learn.microsoft.com/azure/sentinel/
normalization-schema-network, -dns, -web); Zeek, "conn.log", on ``conn_state`` (docs.zeek.org/en/master/logs/conn.html).

Belongs here: the mappings of both forms, tab-separated and JSON. Does not belong here: reading either.

Raw columns have Zeek's names. Numbers and truth values may be texts; lists are JSON texts. ``_fields``: the whole
record as JSON, for logs without a mapping of their own.
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import (
    dns_rcode_name,
    dns_result,
    http_result,
    ip_version,
    network_direction,
    protocol_name,
    whole_url,
)
from s3sentinel_assets.formats.mapping import TIME, Origin, TableMapping, constant, derived, field
from s3sentinel_assets.formats.web.requests import READ_ONLY_METHODS
from s3sentinel_assets.formats.zeek.fields import FIELDS, GROUPS, PATH

__all__ = ["MAPPINGS", "RECORD", "WRITTEN"]

#: Raw columns: the whole record as a JSON object; when it was written, Datetime.
RECORD, WRITTEN = "_fields", "_written"
_JSON_NUMBER = r"^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$"
_ICMP = pl.col("proto").str.to_lowercase().is_in(["icmp", "icmp6", "icmpv6"]).fill_null(value=False)
_HEX = "0123456789abcdef"
#: Connections that were not made; of protocols without a handshake, an answer that was not seen says nothing.
_REFUSED = ("REJ",)
_UNMADE = ("S0", "SH", "SHR", "RSTOS0", "RSTRH")


def _number(name: str, kind: type[pl.Int64] | type[pl.Float64] = pl.Int64) -> pl.Expr:
    return pl.col(name).cast(kind, strict=False)


def _true(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String) == "true"


def _milliseconds(name: str) -> pl.Expr:
    return (_number(name, pl.Float64) * 1_000).round().cast(pl.Int64, strict=False)


def _total(*names: str) -> pl.Expr:
    values = [_number(name) for name in names]
    # A number that is too big makes the sum unknown.
    known = (value.is_not_null() | pl.col(name).is_null() for name, value in zip(names, values, strict=True))
    some = pl.any_horizontal(value.is_not_null() for value in values)
    return pl.when(some & pl.all_horizontal(known)).then(pl.sum_horizontal(values))


def _first_of_list(name: str) -> pl.Expr:
    return pl.col(name).str.json_path_match("$[0]")


def _additional(*names: str) -> Origin:
    """The fields ``names`` as one JSON object."""
    members = []
    for name in names:
        text = pl.col(name).cast(pl.String)
        quoted = pl.struct(text.alias(name)).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")
        bare = pl.concat_str(pl.lit(f'"{name}":'), text)
        if FIELDS[name] == "list":
            member = bare
        elif FIELDS[name] == "bool":
            member = pl.when(text.is_in(["true", "false"])).then(bare).otherwise(quoted)
        elif FIELDS[name] in ("int", "float"):
            member = pl.when(text.str.contains(_JSON_NUMBER)).then(bare).otherwise(quoted)
        else:
            member = quoted
        members.append(pl.when(text.is_not_null()).then(member))
    joined = pl.concat_str(*members, separator=",", ignore_nulls=True)
    made = pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))
    return derived(f"{', '.join(f'`{name}`' for name in names)}, as JSON", made)


def _is(group: str) -> pl.Expr:
    return pl.col(PATH).is_in(list(GROUPS[group]))


_DVC = derived("`_system_name`, else `Zeek`", pl.coalesce("_system_name", pl.lit("Zeek")))
_COMMON = {
    "vendor": "Corelight",
    "product": "Zeek",
    "dvc": _DVC,
    "original_uid": field("uid"),
    "original_type": field(PATH),
}
_NETWORK = pl.coalesce(
    pl.col("id.orig_h").str.extract(r"^(\d+\.\d+\.\d+)\.\d+$"), pl.col("id.orig_h").str.extract(r"^((?:[^:]*:){3})")
)
_ENTITIES: dict[str, Origin] = {
    "principal": derived("`id.orig_h`, else `_system_name`", pl.coalesce("id.orig_h", "_system_name")),
    "principal_type": constant("address"),
    "peer": derived("network of `id.orig_h`", _NETWORK),
    "target": field("id.resp_h"),
    "source_ip": field("id.orig_h"),
}

_STATE = pl.col("conn_state")
_FAILED = _STATE.is_in(_REFUSED) | (_STATE.is_in(_UNMADE) & (pl.col("proto").str.to_lowercase() == "tcp"))
_RESULT = (
    pl.when(_FAILED)
    .then(pl.lit("Failure"))
    .when(_STATE.is_null() | _STATE.is_in([*_UNMADE, "OTH"]))
    .then(pl.lit("NA"))
    .otherwise(pl.lit("Success"))
)
_DIRECTION = (
    pl.when(_true("local_orig") & _true("local_resp"))
    .then(pl.lit("Local"))
    .when(_true("local_orig") & ~_true("local_resp"))
    .then(pl.lit("Outbound"))
    .when(~_true("local_orig") & _true("local_resp"))
    .then(pl.lit("Inbound"))
    .when(~_true("local_orig") & ~_true("local_resp"))
    .then(pl.lit("External"))
    .otherwise(network_direction("id.orig_h", "id.resp_h"))
)
#: Ports that servers have chosen rather than been given.
_SERVICE_PORT = pl.when(_number("id.resp_p") < 10_000).then(pl.col("id.resp_p").cast(pl.String))


def _end(seconds: str) -> pl.Expr:
    """So many seconds after the event's time; that time where they are not known."""
    microseconds = (_number(seconds, pl.Float64) * 1_000_000).round().cast(pl.Int64, strict=False)
    return (pl.col(TIME) + pl.duration(microseconds=microseconds)).fill_null(pl.col(TIME))


_CONN = TableMapping(
    "ASimNetworkSessionLogs",
    {
        **asim_columns(
            "NetworkSession",
            event_type="NetworkSession",
            result=derived("`conn_state`: Failure where no connection was made, NA where that is not known", _RESULT),
            result_details=derived(
                "Reset, Timeout or Terminated, where `conn_state` says so",
                pl.when(_STATE.str.starts_with("RST")).then(pl.lit("Reset"))
                .when((_STATE == "S0") & _FAILED).then(pl.lit("Timeout"))
                .when(_STATE == "REJ").then(pl.lit("Terminated")),
            ),
            original_result_details=field("conn_state"),
            end=derived("`ts` and `duration`", _end("duration")),
            **_COMMON,
        ),
        "SrcIpAddr": field("id.orig_h"),
        "SrcPortNumber": derived("`id.orig_p`, but of ICMP", pl.when(~_ICMP).then("id.orig_p")),
        "DstIpAddr": field("id.resp_h"),
        "DstPortNumber": derived("`id.resp_p`, but of ICMP", pl.when(~_ICMP).then("id.resp_p")),
        "NetworkIcmpType": derived("`id.orig_p` of ICMP", pl.when(_ICMP).then("id.orig_p")),
        "NetworkIcmpCode": derived("`id.resp_p` of ICMP", pl.when(_ICMP).then("id.resp_p")),
        "NetworkProtocol": derived("name of `proto`", protocol_name("proto")),
        "NetworkProtocolVersion": derived("by the form of `id.orig_h`", ip_version("id.orig_h")),
        "NetworkApplicationProtocol": field("service"),
        "NetworkDirection": derived("`local_orig` and `local_resp`, else by which address is private", _DIRECTION),
        "NetworkDuration": derived("`duration` in ms", _milliseconds("duration")),
        "NetworkSessionId": field("uid"),
        "NetworkConnectionHistory": field("history"),
        "SrcBytes": field("orig_bytes"),
        "DstBytes": field("resp_bytes"),
        "NetworkBytes": derived("`orig_bytes` and `resp_bytes`", _total("orig_bytes", "resp_bytes")),
        "SrcPackets": field("orig_pkts"),
        "DstPackets": field("resp_pkts"),
        "NetworkPackets": derived("`orig_pkts` and `resp_pkts`", _total("orig_pkts", "resp_pkts")),
        "SrcMacAddr": field("orig_l2_addr"),
        "DstMacAddr": field("resp_l2_addr"),
        "SrcVlanId": field("vlan"),
        "DvcHostname": field("_system_name"),
        "AdditionalFields": _additional(
            "missed_bytes", "orig_ip_bytes", "resp_ip_bytes", "tunnel_parents", "ip_proto", "inner_vlan",
            "community_id", "local_orig", "local_resp", "_write_ts",
        ),
    },
    {
        **_ENTITIES,
        "service": derived("`service`, else `proto`", pl.coalesce("service", "proto")),
        "action": derived(
            "protocol, service or port, direction, state: `tcp/http/Outbound/SF`",
            pl.concat_str(
                pl.col("proto").fill_null("-"),
                pl.coalesce("service", _SERVICE_PORT, pl.lit("-")),
                _DIRECTION,
                _STATE.fill_null("-"),
                separator="/",
            ),
        ),
        "error": derived("`conn_state` where no connection was made", pl.when(_FAILED).then("conn_state")),
        "bytes": derived("`orig_bytes` and `resp_bytes`", _total("orig_bytes", "resp_bytes")),
        "packets": derived("`orig_pkts` and `resp_pkts`", _total("orig_pkts", "resp_pkts")),
    },
    where=_is("conn"),
)  # fmt: skip

_RCODE = pl.coalesce("rcode_name", dns_rcode_name("rcode"))
_HEX_DIGITS = [pl.lit(_HEX).str.slice((_number("trans_id") // 16**place) % 16, 1) for place in (3, 2, 1, 0)]
_DNS = TableMapping(
    "ASimDnsActivityLogs",
    {
        **asim_columns(
            "Dns",
            event_type="Query",
            result=derived("`rcode_name`: Success for NOERROR, NA without", dns_result(_RCODE)),
            result_details=derived("`rcode_name`, else NA", _RCODE.fill_null("NA")),
            sub_type=derived(
                "`response` where there is an answer's code, else `request`",
                pl.when(_RCODE.is_not_null()).then(pl.lit("response")).otherwise(pl.lit("request")),
            ),
            end=derived("`ts` and `rtt`", _end("rtt")),
            **_COMMON,
        ),
        "SrcIpAddr": field("id.orig_h"),
        "Src": field("id.orig_h"),
        "SrcPortNumber": field("id.orig_p"),
        "DstIpAddr": field("id.resp_h"),
        "Dst": field("id.resp_h"),
        "DstPortNumber": field("id.resp_p"),
        "NetworkProtocol": derived("name of `proto`", protocol_name("proto")),
        "NetworkProtocolVersion": derived("by the form of `id.orig_h`", ip_version("id.orig_h")),
        "DnsQuery": derived("`query`; `-` where there is none", pl.col("query").fill_null("-")),
        "DnsQueryClass": field("qclass"),
        "DnsQueryClassName": field("qclass_name"),
        "DnsQueryType": field("qtype"),
        "DnsQueryTypeName": field("qtype_name"),
        "DnsResponseCode": field("rcode"),
        "DnsResponseName": field("answers"),
        "DnsNetworkDuration": derived("`rtt` in ms", _milliseconds("rtt")),
        "DnsSessionId": field("uid"),
        "TransactionIdHex": derived("`trans_id`, hexadecimal", pl.concat_str(_HEX_DIGITS)),
        "DnsFlagsAuthoritative": field("AA"),
        "DnsFlagsTruncated": field("TC"),
        "DnsFlagsRecursionDesired": field("RD"),
        "DnsFlagsRecursionAvailable": field("RA"),
        "DnsFlagsZ": derived("whether `Z` is not 0", _number("Z") != 0),
        "DvcHostname": field("_system_name"),
        "AdditionalFields": _additional("trans_id", "Z", "TTLs", "rejected", "community_id", "_write_ts"),
    },
    {
        **_ENTITIES,
        "service": constant("dns"),
        "action": derived(
            "`qtype_name` and `rcode_name`: `A/NOERROR`",
            pl.concat_str(pl.col("qtype_name").fill_null("-"), _RCODE.fill_null("-"), separator="/"),
        ),
        "target": derived("`query`, else `id.resp_h`", pl.coalesce("query", "id.resp_h")),
        "error": derived("`rcode_name` unless NOERROR", pl.when(_RCODE != "NOERROR").then(_RCODE)),
        "read_only": constant(True),
    },
    where=_is("dns"),
)  # fmt: skip

_PORT = _number("id.resp_p")
_NAME = pl.coalesce("host", "id.resp_h")
_HOST = pl.when(_PORT.is_null() | (_PORT == 80) | _NAME.str.contains(":", literal=True)).then(_NAME).otherwise(
    pl.concat_str(_NAME, pl.lit(":"), _PORT.cast(pl.String))
)  # fmt: skip
_STATUS = pl.col("status_code").cast(pl.String)
_HTTP = TableMapping(
    "ASimWebSessionLogs",
    {
        **asim_columns(
            "WebSession",
            event_type="HTTPsession",
            result=derived("`status_code`: Success below 400, NA without", http_result("status_code")),
            result_details=derived("`status_code`", _STATUS),
            original_result_details=field("status_msg"),
            **_COMMON,
        ),
        "SrcIpAddr": field("id.orig_h"),
        "SrcPortNumber": field("id.orig_p"),
        "DstIpAddr": field("id.resp_h"),
        "DstPortNumber": field("id.resp_p"),
        "SrcBytes": field("request_body_len"),
        "DstBytes": field("response_body_len"),
        "NetworkBytes": derived(
            "`request_body_len` and `response_body_len`", _total("request_body_len", "response_body_len")
        ),
        "NetworkProtocol": constant("TCP"),
        "NetworkProtocolVersion": derived("by the form of `id.orig_h`", ip_version("id.orig_h")),
        "NetworkApplicationProtocol": constant("HTTP"),
        "NetworkDirection": derived("by which address is private", network_direction("id.orig_h", "id.resp_h")),
        "NetworkSessionId": field("uid"),
        "HttpRequestMethod": field("method"),
        "HttpHost": field("host"),
        "HttpReferrer": field("referrer"),
        "HttpVersion": field("version"),
        "HttpUserAgent": field("user_agent"),
        "HttpContentType": derived("first of `resp_mime_types`", _first_of_list("resp_mime_types")),
        "HttpRequestXff": derived(
            "address that `proxied` has from X-Forwarded-For",
            pl.col("proxied").str.extract(r'(?i)"X-FORWARDED-FOR -> ([^"]+)"'),
        ),
        "Url": derived(
            "`host`, else `id.resp_h`, `id.resp_p` and `uri`; `-` without `uri`",
            whole_url(pl.lit("http"), _HOST, "uri").fill_null("-"),
        ),
        "FileName": derived("first of `resp_filenames`", _first_of_list("resp_filenames")),
        "SrcUsername": field("username"),
        "SrcUsernameType": derived(
            "`Simple` where there is a `username`", pl.when(pl.col("username").is_not_null()).then(pl.lit("Simple"))
        ),
        "DvcHostname": field("_system_name"),
        "AdditionalFields": _additional(
            "trans_depth", "origin", "info_code", "info_msg", "tags", "password", "proxied", "orig_fuids",
            "orig_filenames", "orig_mime_types", "resp_fuids", "resp_filenames", "resp_mime_types", "community_id",
            "_write_ts",
        ),
    },
    {
        **_ENTITIES,
        "service": constant("http"),
        "action": derived(
            "`method` and `status_code`: `GET/200`",
            pl.concat_str(pl.col("method").fill_null("-"), _STATUS.fill_null("-"), separator="/"),
        ),
        "target": derived("`host`, else `id.resp_h`", _NAME),
        "user_agent": field("user_agent"),
        "error": derived("`status_code` from 400 on", pl.when(_number("status_code") >= 400).then(_STATUS)),
        "read_only": derived(
            "whether the method changes nothing",
            pl.when(pl.col("method").is_not_null()).then(pl.col("method").is_in(READ_ONLY_METHODS)),
        ),
        "bytes": derived(
            "`request_body_len` and `response_body_len`", _total("request_body_len", "response_body_len")
        ),
    },
    where=_is("http"),
)  # fmt: skip

_WEIRD = pl.concat_str("name", "addl", separator=": ", ignore_nulls=True)
_NAMED = pl.concat_str(PATH, "name", separator="/", ignore_nulls=True)
_OTHER = TableMapping(
    "Zeek_CL",
    {
        "Path": field(PATH),
        "Uid": field("uid"),
        "SystemName": field("_system_name"),
        "WriteTime": derived("`_write_ts`", pl.col(WRITTEN)),
        "IdOrigH": field("id.orig_h"),
        "IdOrigP": field("id.orig_p"),
        "IdRespH": field("id.resp_h"),
        "IdRespP": field("id.resp_p"),
        "Proto": field("proto"),
        "Service": field("service"),
        "Duration": field("duration"),
        "OrigBytes": field("orig_bytes"),
        "RespBytes": field("resp_bytes"),
        "ConnState": field("conn_state"),
        "LocalOrig": field("local_orig"),
        "LocalResp": field("local_resp"),
        "MissedBytes": field("missed_bytes"),
        "History": field("history"),
        "OrigPkts": field("orig_pkts"),
        "OrigIpBytes": field("orig_ip_bytes"),
        "RespPkts": field("resp_pkts"),
        "RespIpBytes": field("resp_ip_bytes"),
        "OrigL2Addr": field("orig_l2_addr"),
        "RespL2Addr": field("resp_l2_addr"),
        "Vlan": field("vlan"),
        "InnerVlan": field("inner_vlan"),
        "CommunityId": field("community_id"),
        "TunnelParents": field("tunnel_parents"),
        "Fuid": field("fuid"),
        "Host": derived("`host`, else `server_name`", pl.coalesce("host", "server_name")),
        "Username": derived("`username`, else `user` or `client`", pl.coalesce("username", "user", "client")),
        "Message": derived(
            "`message`, else `msg`, else `name` with `addl`",
            pl.coalesce("message", "msg", pl.when(pl.col("name").is_not_null()).then(_WEIRD)),
        ),
        "Fields": derived("the whole record", pl.col(RECORD)),
    },
    {
        **_ENTITIES,
        "principal": derived(
            "`id.orig_h`, else `host`, `_system_name`", pl.coalesce("id.orig_h", "host", "_system_name")
        ),
        "service": derived("name of the log", pl.col(PATH)),
        "action": derived(
            "name of the log, and `name` where it is `weird`",
            pl.when(pl.col(PATH) == "weird").then(_NAMED).otherwise(PATH),
        ),
    },
)  # fmt: skip

#: Shared by both forms.
MAPPINGS: tuple[TableMapping, ...] = (_CONN, _DNS, _HTTP, _OTHER)
