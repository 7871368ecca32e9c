"""Values as ASIM wants them: addresses, ports, protocols, statuses and URLs, rewritten column-wise.

Source: Microsoft, "ASIM Network Session / Web Session / DNS normalization schema reference" (learn.microsoft.com/azure/
sentinel/normalization-schema-network, -web, -dns); IANA, "Protocol Numbers" and "Domain Name System (DNS) Parameters".

Belongs here: what several formats need. Every function takes a column, by name or as an expression, and gives an
expression; null stays null, and what a function does not know is kept as it is. Numbers found in texts stay texts:
``mapping`` fits them to their column, and tells of those that do not fit.

Does not belong here: which column is filled from what (``asim``, each format's mapping).
"""

from typing import TypeAlias

import polars as pl

__all__ = [
    "Column",
    "dns_rcode_name",
    "dns_result",
    "host_part",
    "http_result",
    "ip_version",
    "is_private_ip",
    "network_direction",
    "port_part",
    "protocol_name",
    "url_host",
    "url_path",
    "url_port",
    "url_query",
    "url_scheme",
    "whole_url",
]

#: A column's name, or an expression.
Column: TypeAlias = str | pl.Expr

_IPV4 = r"^\d{1,3}(?:\.\d{1,3}){3}$"
#: In full, with an IPv4 address at the end, or shortened: neither a MAC address nor a time of day is one.
_IPV6 = (
    r"^(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|(?:[0-9A-Fa-f]{1,4}:){6}\d+(?:\.\d+){3}"
    r"|[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*)(?:%\S+)?$"
)
#: Private, shared, loopback and link-local ranges; unique local and link-local ones of IPv6.
_PRIVATE = (
    r"(?i)^(?:10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\."
    r"|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)"
)
_PROTOCOLS = {
    0: "HOPOPT", 1: "ICMP", 2: "IGMP", 3: "GGP", 4: "IPv4", 6: "TCP", 8: "EGP", 9: "IGP", 17: "UDP", 27: "RDP",
    33: "DCCP", 41: "IPv6", 43: "IPv6-Route", 44: "IPv6-Frag", 46: "RSVP", 47: "GRE", 50: "ESP", 51: "AH",
    58: "IPv6-ICMP", 59: "IPv6-NoNxt", 60: "IPv6-Opts", 88: "EIGRP", 89: "OSPFIGP", 94: "IPIP", 97: "ETHERIP",
    103: "PIM", 108: "IPComp", 112: "VRRP", 115: "L2TP", 132: "SCTP", 136: "UDPLite", 137: "MPLS-in-IP",
}  # fmt: skip
_PROTOCOL_NAMES = {str(number): name for number, name in _PROTOCOLS.items()}
_PROTOCOL_NAMES |= {name.upper(): name for name in _PROTOCOLS.values()} | {
    "ICMP6": "IPv6-ICMP",
    "ICMPV6": "IPv6-ICMP",
    "IPV6_ICMP": "IPv6-ICMP",
}
_RCODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
    8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME",
    19: "BADMODE", 20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}  # fmt: skip
_RCODE_NAMES = {str(number): name for number, name in _RCODES.items()}

_SCHEME = r"^([A-Za-z][A-Za-z0-9+.\-]*)://"
_AUTHORITY = r"^[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?#@]*@)?"


def ip_version(address: Column) -> pl.Expr:
    """``IPv4`` or ``IPv6``; null where the text is no address."""
    text = _text(address)
    version = pl.when(text.str.contains(_IPV4)).then(pl.lit("IPv4"))
    return version.when(text.str.contains(_IPV6)).then(pl.lit("IPv6"))


def is_private_ip(address: Column) -> pl.Expr:
    """Whether an address is one of those not routed in the internet; null where the text is no address."""
    text = _text(address)
    return pl.when(text.str.contains(_IPV4) | text.str.contains(_IPV6)).then(text.str.contains(_PRIVATE))


def network_direction(source: Column, destination: Column) -> pl.Expr:
    """``NetworkDirection`` by who is inside: ``Inbound``, ``Outbound``, ``Local`` or ``External``; ``NA``: unknown."""
    inside_source, inside_destination = is_private_ip(source), is_private_ip(destination)
    return (
        pl.when(inside_source & inside_destination).then(pl.lit("Local"))
        .when(inside_source & ~inside_destination).then(pl.lit("Outbound"))
        .when(~inside_source & inside_destination).then(pl.lit("Inbound"))
        .when(~inside_source & ~inside_destination).then(pl.lit("External"))
        .otherwise(pl.lit("NA"))
    )  # fmt: skip


def protocol_name(protocol: Column) -> pl.Expr:
    """IANA's name of an IP protocol, from its number or any spelling of the name: ``6`` and ``tcp`` → ``TCP``."""
    text = _text(protocol).str.to_uppercase()
    return text.replace(_PROTOCOL_NAMES)


def http_result(status: Column) -> pl.Expr:
    """``EventResult`` of an HTTP status: ``Success`` from 100 to 399, ``NA`` where there is none, else ``Failure``."""
    code = _text(status).cast(pl.Int64, strict=False)
    return (
        pl.when(code.is_null()).then(pl.lit("NA"))
        .when(code.is_between(100, 399)).then(pl.lit("Success"))
        .otherwise(pl.lit("Failure"))
    )  # fmt: skip


def dns_rcode_name(rcode: Column) -> pl.Expr:
    """The name of a DNS response code, from its number or its name: ``3`` and ``nxdomain`` → ``NXDOMAIN``."""
    return _text(rcode).str.to_uppercase().replace(_RCODE_NAMES)


def dns_result(rcode: Column) -> pl.Expr:
    """``EventResult`` of a DNS response code: ``Success`` for NOERROR, ``NA`` where there is none, else ``Failure``."""
    name = dns_rcode_name(rcode)
    return (
        pl.when(name.is_null()).then(pl.lit("NA"))
        .when(name == "NOERROR").then(pl.lit("Success"))
        .otherwise(pl.lit("Failure"))
    )  # fmt: skip


def host_part(host_port: Column) -> pl.Expr:
    """The host of ``host:port``: ``10.0.0.1:80`` and ``[::1]:80``, but a bare IPv6 address whole; null: none there."""
    text = _text(host_port)
    bare = pl.when(text.str.contains(r":.*:")).then(text)
    host = pl.coalesce(text.str.extract(r"^\[([^\]]+)\](?::\d*)?$"), text.str.extract(r"^([^:\[\]]+)(?::\d*)?$"), bare)
    return pl.when(host != "-").then(host)


def port_part(host_port: Column) -> pl.Expr:
    """The port of ``host:port``, as text; null where there is none, as in a bare IPv6 address."""
    return _text(host_port).str.extract(r"^(?:\[[^\]]*\]|[^:\[\]]*):(\d+)$")


def url_scheme(url: Column) -> pl.Expr:
    """``https`` of ``https://…``, in lower case; null where there is none."""
    return _text(url).str.extract(_SCHEME).str.to_lowercase()


def url_host(url: Column) -> pl.Expr:
    """The host of an absolute URL, without brackets, user and port; null where there is none."""
    return _filled(_text(url).str.extract(_AUTHORITY + r"(\[[^\]]*\]|[^/?#:]*)").str.strip_chars("[]"))


def url_port(url: Column) -> pl.Expr:
    """The port that an absolute URL names, as text."""
    return _text(url).str.extract(_AUTHORITY + r"(?:\[[^\]]*\]|[^/?#:]*):(\d+)")


def url_path(url: Column) -> pl.Expr:
    """The path of an absolute URL or of a request's target, as it is there; null where it is empty."""
    return _filled(_text(url).str.extract(r"^(?:[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*)?([^?#]*)"))


def url_query(url: Column) -> pl.Expr:
    """What follows the question mark; null where there is none."""
    return _text(url).str.extract(r"^[^?#]*\?([^#]*)")


def whole_url(scheme: Column, host: Column, target: Column) -> pl.Expr:
    """``scheme://host/path?query`` from a request's parts; the target alone where it is absolute or has no host.

    Args:
        scheme: such as ``https``; null counts as ``http``.
        host: with its port where that is not the usual one; null, empty or ``-``: unknown.
        target: path and query, or an absolute URL.
    """
    name, path = _text(host), _text(target)
    rooted = pl.when(path.str.starts_with("/")).then(path).otherwise(pl.lit("/") + path)
    built = pl.format("{}://{}{}", _text(scheme).fill_null("http"), name, rooted)
    return pl.when(path.str.contains(_SCHEME) | name.is_null() | name.is_in(["", "-"])).then(path).otherwise(built)


def _text(column: Column) -> pl.Expr:
    return (pl.col(column) if isinstance(column, str) else column).cast(pl.String)


def _filled(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)
