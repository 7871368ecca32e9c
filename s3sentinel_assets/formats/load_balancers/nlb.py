"""Access logs of Network Load Balancers: one line for each TLS connection.

Source: AWS, "Access logs for your Network Load Balancer", section "Access log entries"
(docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html). Lines of version 1.0 end with
``domain_name``; the fields of ALPN and the time of creation came with 2.0.

Belongs here: the fields, how the lines are told from those of other load balancers, the tables. Does not belong here:
cutting lines (``line_logs``), logs of other listeners, which CloudWatch Logs delivers as JSON.
"""

import re
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import ip_version
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.line_logs import DelimitedParser, Fields
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, derived, field
from s3sentinel_assets.formats.web.requests import split_arn, split_endpoint, with_parts
from s3sentinel_assets.formats.web.session import CLIENT_IP, CLIENT_PORT, TARGET_IP, TARGET_PORT, total

__all__ = ["NlbParser"]

FIELDS = Fields(
    (
        *("type", "version", "time", "elb", "listener", "client:port", "destination:port"),
        *("connection_time", "tls_handshake_time", "received_bytes", "sent_bytes"),
        *("incoming_tls_alert", "chosen_cert_arn", "chosen_cert_serial"),
        *("tls_cipher", "tls_protocol_version", "tls_named_group", "domain_name"),
        *("alpn_fe_protocol", "alpn_be_protocol", "alpn_client_preference_list"),
        "tls_connection_creation_time",
    ),
    required=18,
)
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
_NUMBER = r"^-?\d+$"
_START = re.compile(rb"[a-z]+ \d+\.\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* net/\S+ \S+ \S+ \S+ [\d-]+ [\d-]+ \d+ \d+ ")
_CREATED = "_created"
_FAILED = pl.col("tls_handshake_time").is_null() | pl.col("incoming_tls_alert").is_not_null()
_CLIENT = derived("address of `client:port`", pl.col(CLIENT_IP))

ENTITIES = {
    "account": derived("account in `chosen_cert_arn`", pl.col("_account")),
    "region": derived("Region in `chosen_cert_arn`", pl.col("_region")),
    "principal": _CLIENT,
    "principal_type": constant("address"),
    "peer": field("elb"),
    "service": field("type"),
    "action": derived(
        "protocol and listener: `tlsv12/g3d4b5e8bb8464cd`",
        pl.concat_str(pl.col("tls_protocol_version").fill_null("-"), pl.col("listener").fill_null("-"), separator="/"),
    ),
    "target": derived("`domain_name`, else `destination:port`", pl.coalesce("domain_name", "destination:port")),
    "source_ip": _CLIENT,
    "error": derived(
        "`incoming_tls_alert`; `handshake` where the handshake was not completed",
        pl.when(_FAILED).then(pl.coalesce("incoming_tls_alert", pl.lit("handshake"))),
    ),
    "bytes": field("sent_bytes"),
}

NATIVE = TableMapping(
    "AWSNLBAccessLogs",
    {
        "NLBType": field("type"),
        "Version": field("version"),
        "Nlb": field("elb"),
        "Listener": field("listener"),
        "ClientIPPort": field("client:port"),
        "TargetIPPort": field("destination:port"),
        "ConnectionTime": field("connection_time"),
        "TlsHandshakeTime": field("tls_handshake_time"),
        "ReceivedBytes": field("received_bytes"),
        "SentBytes": field("sent_bytes"),
        "IncomingTLSAlert": field("incoming_tls_alert"),
        "ChosenCertArn": field("chosen_cert_arn"),
        "ChosenCertSerial": field("chosen_cert_serial"),
        "TLSCipher": field("tls_cipher"),
        "TLSProtocolVersion": field("tls_protocol_version"),
        "TLSNamedGroup": field("tls_named_group"),
        "DomainName": field("domain_name"),
        "ALPNFEProtocol": field("alpn_fe_protocol"),
        "ALPNBEProtocol": field("alpn_be_protocol"),
        "ALPNClientPrefList": field("alpn_client_preference_list"),
        "TLSConnectionCreationTime": field("tls_connection_creation_time"),
    },
    ENTITIES,
)

ASIM = TableMapping(
    "ASimNetworkSessionLogs",
    {
        **asim_columns(
            "NetworkSession",
            event_type="NetworkSession",
            result=derived(
                "`Failure` after an `incoming_tls_alert` or without a handshake",
                pl.when(_FAILED).then(pl.lit("Failure")).otherwise(pl.lit("Success")),
            ),
            product="Network Load Balancer",
            start=derived("`tls_connection_creation_time`, else `time`", pl.coalesce(_CREATED, TIME)),
            end=derived("`time`", pl.col(TIME)),
            dvc=field("elb"),
            product_version=field("version"),
            original_type=field("type"),
            original_result_details=field("incoming_tls_alert"),
        ),
        "EventSubType": constant("End"),
        "DvcAction": constant("Allow"),
        "SrcIpAddr": _CLIENT,
        "SrcPortNumber": derived("port of `client:port`", pl.col(CLIENT_PORT)),
        "SrcBytes": field("received_bytes"),
        "DstIpAddr": derived("address of `destination:port`", pl.col(TARGET_IP)),
        "DstPortNumber": derived("port of `destination:port`", pl.col(TARGET_PORT)),
        "DstFQDN": field("domain_name"),
        "DstBytes": field("sent_bytes"),
        "NetworkApplicationProtocol": derived("`type`", pl.col("type").str.to_uppercase()),
        "NetworkBytes": derived("`received_bytes` and `sent_bytes`", total("received_bytes", "sent_bytes")),
        "NetworkDuration": field("connection_time"),
        "NetworkProtocol": constant("TCP"),
        "NetworkProtocolVersion": derived("by the form of the client's address", ip_version(CLIENT_IP)),
        "AdditionalFields": derived(
            "other fields by their names",
            json_object(
                {
                    name: name
                    for name in (
                        *("listener", "tls_handshake_time", "chosen_cert_arn", "chosen_cert_serial", "tls_cipher"),
                        *("tls_protocol_version", "tls_named_group", "alpn_fe_protocol", "alpn_be_protocol"),
                        "alpn_client_preference_list",
                    )
                }
            ),
        ),
    },
    ENTITIES,
)


class NlbParser(DelimitedParser):
    """Parses Network Load Balancer access logs. No field has a blank in it; quotes are part of the ALPN list."""

    name: ClassVar[str] = "nlb"
    title: ClassVar[str] = "a Network Load Balancer log"
    fields: ClassVar[Fields] = FIELDS
    quoted: ClassVar[bool] = False
    line_start: ClassVar[re.Pattern[bytes] | None] = _START
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """The name of a Network Load Balancer, numbers in their places, a protocol near the end."""
        protocol = pl.col("tls_protocol_version")
        made = pl.col("tls_connection_creation_time") if "tls_connection_creation_time" in frame.columns else None
        fits = (
            pl.col("elb").str.starts_with("net/")
            & pl.col("received_bytes").str.contains(_NUMBER)
            & pl.col("sent_bytes").str.contains(_NUMBER)
            & (protocol.is_null() | protocol.str.to_lowercase().str.contains("^(?:tls|ssl)"))
        )
        return fits if made is None else fits & (made.is_null() | made.str.contains(_TIME))

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """``time``: the end of the connection, in UTC."""
        return _in_utc(frame["time"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Addresses and ports, account and Region, when the connection began: what the mapping needs of these."""
        raw = with_parts(raw, "client:port", split_endpoint, (CLIENT_IP, CLIENT_PORT))
        raw = with_parts(raw, "chosen_cert_arn", split_arn, ("_region", "_account"))
        if self.mappings is not self.asim:
            return raw
        raw = with_parts(raw, "destination:port", split_endpoint, (TARGET_IP, TARGET_PORT))
        if "tls_connection_creation_time" not in raw.columns:
            return raw.with_columns(pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias(_CREATED))
        return raw.with_columns(_in_utc(raw["tls_connection_creation_time"]).alias(_CREATED))


def _in_utc(texts: pl.Series) -> pl.Series:
    """These times come without a zone; one is put there, as times with ``Z`` are read fastest."""
    if texts.str.ends_with("Z").all():
        return parse_iso8601(texts)
    zoned = texts.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")
    return parse_iso8601(texts.zip_with(zoned.fill_null(value=True), texts + "Z"))
