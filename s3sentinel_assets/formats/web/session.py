"""Requests as access logs tell of them, for the entity view and for ASIM's Web Session table.

Source: Microsoft, "ASIM Web Session normalization schema reference" (learn.microsoft.com/azure/sentinel/
normalization-schema-web).

Belongs here: what load balancers, S3 and web servers have in common once a request is cut into its parts, in the raw
columns named here. Does not belong here: how it is cut (``requests``), what only one of them writes.
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import http_result, ip_version
from s3sentinel_assets.formats.mapping import Origin, constant, derived, field
from s3sentinel_assets.formats.web.requests import READ_ONLY_METHODS, status_error

__all__ = [
    "CLIENT_IP",
    "CLIENT_PORT",
    "METHOD",
    "PROTOCOL",
    "TARGET",
    "TARGET_IP",
    "TARGET_PORT",
    "asked_for",
    "request_entities",
    "total",
    "web_columns",
]

#: Raw columns, all text: who asked, who answered, and the parts of the request line.
CLIENT_IP, CLIENT_PORT, TARGET_IP, TARGET_PORT = "_client_ip", "_client_port", "_target_ip", "_target_port"
METHOD, TARGET, PROTOCOL = "_method", "_request_target", "_protocol"


def request_entities(
    status: str, *, service: Origin, peer: Origin, client: Origin, sent: Origin, **more: Origin
) -> dict[str, Origin]:
    """The entity view of a request.

    Args:
        status: raw column of the HTTP status, as text.
        service: what was asked, such as ``https``.
        peer: those that principals are compared with, such as a load balancer.
        client: address of the client; also the principal, unless ``more`` names one.
        sent: bytes sent to the client.
        more: further columns of the view, and others for those made here.
    """
    method = pl.col(METHOD)
    return {
        "principal": client,
        "principal_type": constant("address"),
        "peer": peer,
        "service": service,
        "action": derived(
            "method and status: `GET/200`",
            pl.concat_str(method.fill_null("-"), pl.col(status).fill_null("-"), separator="/"),
        ),
        "source_ip": client,
        "error": derived(f"`{status}` from 400 on", status_error(status)),
        "read_only": derived(
            "whether the method changes nothing", pl.when(method.is_not_null()).then(method.is_in(READ_ONLY_METHODS))
        ),
        "bytes": sent,
    } | more


def asked_for(*otherwise: str) -> Origin:
    """What a request was for: its URL without the query, which is where secrets and random values are.

    Args:
        otherwise: raw columns for rows without a request; the first that has a value is taken.
    """
    url = pl.col(TARGET).str.splitn("?", 2).struct.field("field_0")
    return derived(
        f"URL in `request` without its query, else {' or '.join(f'`{name}`' for name in otherwise)}",
        pl.coalesce(url, *otherwise),
    )


def web_columns(
    status: str,
    *,
    event_type: str,
    product: str,
    vendor: str,
    url: Origin,
    user_agent: str | None = "user_agent",
    source_ip: str = CLIENT_IP,
    **common: Origin | str,
) -> dict[str, Origin]:
    """The columns of a Web Session that every access log fills.

    Args:
        status: raw column of the HTTP status, as text.
        event_type: ``HTTPsession`` where a device between client and server reports, ``WebServerSession`` where the
            server does, ``ApiRequest`` for calls of a service.
        product: ``EventProduct``.
        vendor: ``EventVendor``.
        url: ``Url``, never null.
        user_agent: raw column of the user agent; None: the log has none.
        source_ip: raw column of the client's address.
        common: as `asim_columns` takes them.
    """
    columns = asim_columns(
        "WebSession",
        event_type=event_type,
        result=derived(f"`{status}`: `Success` below 400", http_result(status)),
        product=product,
        vendor=vendor,
        **({"result_details": field(status)} | common),  # type: ignore[arg-type]
    )
    columns |= {
        "SrcIpAddr": derived("address of the client", pl.col(source_ip)),
        "NetworkProtocol": constant("TCP"),
        "NetworkProtocolVersion": derived("by the form of the client's address", ip_version(source_ip)),
        "HttpRequestMethod": derived("first word of the request line", pl.col(METHOD)),
        "HttpVersion": derived("last word of the request line", pl.col(PROTOCOL).str.strip_prefix("HTTP/")),
        "Url": url,
    }
    if user_agent is not None:
        columns["HttpUserAgent"] = field(user_agent)
    return columns


def total(*numbers: str | pl.Expr) -> pl.Expr:
    """The sum of whole numbers, or of columns with such as text; those that are none left out, null where all are."""
    values = [pl.col(number).cast(pl.Int64, strict=False) if isinstance(number, str) else number for number in numbers]
    some = pl.any_horizontal(value.is_not_null() for value in values)
    return pl.when(some).then(pl.sum_horizontal(values))
