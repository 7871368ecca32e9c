"""Access logs of Classic Load Balancers, of HTTP and of TCP listeners.

Source: AWS, "Access logs for your Classic Load Balancer", section "Access log entries"
(docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html). Lines of 2014 end with the
request; the user agent and the TLS fields came in 2015.

Belongs here: the fields, how the lines are told from those of other load balancers, the tables: Sentinel has none of
their own, so that requests become ASIM web sessions and the connections of TCP and TLS listeners network sessions. Does
not belong here: cutting lines (``line_logs``).
"""

import re
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import ip_version, url_host, url_scheme
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.line_logs import DelimitedParser, Fields
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field
from s3sentinel_assets.formats.web.requests import milliseconds, split_endpoint, split_request, with_parts
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

__all__ = ["ElbParser"]

FIELDS = Fields(
    (
        *("time", "elb", "client:port", "backend:port"),
        *("request_processing_time", "backend_processing_time", "response_processing_time"),
        *("elb_status_code", "backend_status_code", "received_bytes", "sent_bytes", "request"),
        *("user_agent", "ssl_cipher", "ssl_protocol"),
    ),
    required=12,
    quotes=(2, 4),
)
_DURATION, _STATUS, _NUMBER = r"^-?\d+(?:\.\d+)?$", r"^(?:0|\d{3})$", r"^-?\d+$"
_START = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* [A-Za-z0-9-]{1,32} \S+:\d+ \S+ (?:-?[\d.]+ ){3}(?:\d{3}|-) (?:\d{3}|[0-]) "
    rb'-?\d+ -?\d+ "'
)
#: What may stand before, in and behind the two fields that a client fills.
_ODD = re.compile(r'((?:[^ ]+ ){11})"(.*)"(?: ((?:-|[A-Z0-9_-]+) (?:-|(?:TLS|SSL)[^ ]*)))?')

_CLIENT = derived("address of `client:port`", pl.col(CLIENT_IP))
_TIMES = ("request_processing_time", "backend_processing_time", "response_processing_time")
#: A line of a TCP or TLS listener has no status and ``- - - `` for a request.
_HTTP = pl.col("elb_status_code").is_not_null() | pl.col(METHOD).is_not_null() | pl.col(TARGET).is_not_null()

ENTITIES = request_entities(
    "elb_status_code",
    service=derived("scheme of the URL in `request`; `tcp` where there is none", pl.col("_scheme").fill_null("tcp")),
    peer=field("elb"),
    client=_CLIENT,
    sent=field("_sent", "sent_bytes"),
    target=asked_for("backend:port"),
    user_agent=field("user_agent"),
)

#: What both tables have.
_ENDS = {
    "SrcPortNumber": derived("port of `client:port`", pl.col(CLIENT_PORT)),
    "SrcBytes": field("_received", "received_bytes"),
    "DstIpAddr": derived("address of `backend:port`", pl.col(TARGET_IP)),
    "DstPortNumber": derived("port of `backend:port`", pl.col(TARGET_PORT)),
    "DstBytes": field("_sent", "sent_bytes"),
    "DvcAction": constant("Allow"),
    "NetworkBytes": derived("`received_bytes` and `sent_bytes`", total("_received", "_sent")),
    "NetworkDuration": derived(
        "the three processing times in ms", total(*(milliseconds(name) for name in _TIMES))
    ),
    "AdditionalFields": derived(
        "other fields by their names",
        json_object({name: name for name in (*_TIMES, "backend_status_code", "ssl_cipher", "ssl_protocol")}),
    ),
}  # fmt: skip

WEB = TableMapping(
    "ASimWebSessionLogs",
    {
        **web_columns(
            "elb_status_code",
            event_type="HTTPsession",
            product="Classic Load Balancer",
            vendor="AWS",
            url=derived("URL in `request`; `-` where there is none", pl.col(TARGET).fill_null("-")),
            dvc=field("elb"),
            original_result_details=field("backend_status_code"),
        ),
        **_ENDS,
        "HttpHost": derived("host of the URL in `request`", pl.col("_host")),
        "HttpRequestTime": derived("`request_processing_time` in ms", milliseconds("request_processing_time")),
        "HttpResponseTime": derived("`backend_processing_time` in ms", milliseconds("backend_processing_time")),
        "NetworkApplicationProtocol": derived("scheme of the URL", pl.col("_scheme").str.to_uppercase()),
    },
    ENTITIES,
    where=_HTTP,
    note="Lines of HTTP and HTTPS listeners.",
)

NETWORK = TableMapping(
    "ASimNetworkSessionLogs",
    {
        **asim_columns(
            "NetworkSession",
            event_type="NetworkSession",
            result=derived(
                "`Failure` where nothing could be sent to a backend (processing times of -1)",
                pl.when(pl.col("request_processing_time").str.starts_with("-"))
                .then(pl.lit("Failure"))
                .otherwise(pl.lit("Success")),
            ),
            product="Classic Load Balancer",
            dvc=field("elb"),
        ),
        **_ENDS,
        "SrcIpAddr": _CLIENT,
        "NetworkProtocol": constant("TCP"),
        "NetworkProtocolVersion": derived("by the form of the client's address", ip_version(CLIENT_IP)),
    },
    ENTITIES,
    note="Lines of TCP and TLS listeners.",
)


class ElbParser(DelimitedParser):
    """Parses Classic Load Balancer access logs."""

    name: ClassVar[str] = "elb"
    title: ClassVar[str] = "a Classic Load Balancer log"
    fields: ClassVar[Fields] = FIELDS
    line_start: ClassVar[re.Pattern[bytes] | None] = _START
    native: ClassVar[tuple[TableMapping, ...]] = (WEB, NETWORK)

    def cut_odd(self, line: str) -> list[str] | None:
        """What stands before ``request`` and behind ``user_agent`` cannot have quotes in it."""
        found = _ODD.fullmatch(line)
        if found is None:
            return None
        head, middle, tail = found.groups()
        request, agent = middle, list[str]()
        if tail is not None:
            request, _, text = middle.partition('" "')
            agent = [text, *tail.split(" ")]
        return [*head.split(" ")[:-1], request, *agent]

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """Times, statuses and sizes in their places, and what stands behind the quotes."""
        statuses = [pl.col("elb_status_code"), pl.col("backend_status_code")]
        protocol = pl.col("ssl_protocol") if "ssl_protocol" in frame.columns else pl.lit(None, dtype=pl.String)
        return pl.all_horizontal(
            pl.col("time").str.slice(10, 1) == "T",
            ~pl.col("elb").str.contains("/", literal=True),
            pl.col("client:port").str.contains(":", literal=True),
            *(pl.col(name).str.contains(_DURATION) for name in _TIMES),
            *(status.is_null() | status.str.contains(_STATUS) for status in statuses),
            *(pl.col(name).str.contains(_NUMBER) for name in ("received_bytes", "sent_bytes")),
            protocol.is_null() | protocol.str.contains(r"^(?:TLS|SSL)"),
        )

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """``time``: when the request or the connection was received."""
        return parse_iso8601(frame["time"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Addresses and ports, the parts of the request; sizes of -1, which stand for none, are no sizes."""
        raw = with_parts(raw, "client:port", split_endpoint, (CLIENT_IP, CLIENT_PORT))
        raw = with_parts(raw, "backend:port", split_endpoint, (TARGET_IP, TARGET_PORT))
        raw = with_parts(raw, "request", split_request, (METHOD, TARGET, PROTOCOL))
        sizes = [
            pl.when(pl.col(name).str.starts_with("-").not_()).then(name).alias(short)
            for name, short in (("received_bytes", "_received"), ("sent_bytes", "_sent"))
        ]
        return raw.with_columns(url_scheme(TARGET).alias("_scheme"), url_host(TARGET).alias("_host"), *sizes)
