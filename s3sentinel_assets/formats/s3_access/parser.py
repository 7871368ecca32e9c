"""S3 server access logs.

Source: AWS, "Amazon S3 server access log format" (docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html). Fields
were added at the end of the line again and again; a line needs the 18 of 2006 only. The key is URL-encoded twice; it
stays so.

Belongs here: the fields, cutting lines whose quotes are not the writer's, the tables. Does not belong here: requesters
(``requesters``).
"""

import re
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.values import whole_url
from s3sentinel_assets.formats.extra_fields import json_object, with_named_extra
from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.line_logs import DelimitedParser, Fields
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field
from s3sentinel_assets.formats.s3_access.requesters import (
    ACCOUNT,
    PEER,
    PRINCIPAL,
    PRINCIPAL_TYPE,
    REGION,
    USER_NAME,
    with_requesters,
)
from s3sentinel_assets.formats.web.clf_time import parse_clf_times
from s3sentinel_assets.formats.web.requests import places_of, split_request, status_error, with_parts
from s3sentinel_assets.formats.web.session import METHOD, PROTOCOL, TARGET, web_columns

__all__ = ["S3AccessParser"]

FIELDS = Fields(
    (
        *("bucket_owner", "bucket", "time", "zone", "remote_ip", "requester", "request_id", "operation", "key"),
        *("request_uri", "http_status", "error_code", "bytes_sent", "object_size", "total_time", "turn_around_time"),
        *("referer", "user_agent", "version_id"),
        *("host_id", "signature_version", "cipher_suite", "authentication_type", "host_header"),  # 2019
        *("tls_version", "access_point_arn", "acl_required"),  # 2019, 2021, 2022
        "source_region",  # 2025
    ),
    required=19,
    quotes=(0, 2, 4, 6),
    first_spare=28,  # the time is one field of the log
)
_PLACELESS = ("source_region",)
_START = re.compile(
    rb"\S+ [A-Za-z0-9._-]{1,255} \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] \S+ \S+ [0-9A-Za-z-]+ "
    rb'[A-Z0-9]+\.[A-Z0-9._]+ \S+ ["-]'
)
_STATUS, _NUMBER = r"^\d{3}$", r"^\d+$"
#: The request, first to stand where a status and sizes follow; then referer and user agent up to the last quote.
_ODD = re.compile(r"((?:[^ ]+ ){9})(.*?) ((?:-|\d{3}) (?:-|\w+)(?: (?:-|\d+)){4}) (.*)")
_ODD_TAIL = re.compile(r'(.*)" ([^"]+)')
_ACTION, _ONLY_READS = "_action", "_only_reads"
_READS = r"\.(?:GET|HEAD|OPTIONS|SELECT)\.|_GET$"

ENTITIES = {
    "account": derived("account in `requester`", pl.col(ACCOUNT)),
    "region": derived("Region in `host_header`", pl.col(REGION)),
    "principal": derived(
        "`requester` as account/name, a role without its session; else `remote_ip`", pl.col(PRINCIPAL)
    ),
    "principal_type": derived("kind of `requester`", pl.col(PRINCIPAL_TYPE)),
    "peer": derived("account and kind of `requester`", pl.col(PEER)),
    "service": constant("s3"),
    "action": derived("`s3:` and `operation`", pl.col(_ACTION)),
    "target": derived("`bucket`/`key`", pl.concat_str("bucket", "key", separator="/", ignore_nulls=True)),
    "source_ip": field("remote_ip"),
    "user_agent": field("user_agent"),
    "error": derived(
        "`error_code`, else `http_status` from 400 on", pl.coalesce("error_code", status_error("http_status"))
    ),
    "read_only": derived("whether `operation` only reads", pl.col(_ONLY_READS)),
    "bytes": field("bytes_sent"),
}  # fmt: skip

NATIVE = TableMapping(
    "AWSS3ServerAccess",
    {
        "BucketOwner": field("bucket_owner"),
        "Bucket": field("bucket"),
        "RemoteIp": field("remote_ip"),
        "Requester": field("requester"),
        "RequestId": field("request_id"),
        "Operation": field("operation"),
        "Key": field("key"),
        "RequestUri": field("request_uri"),
        "HttpStatus": field("http_status"),
        "ErrorCode": field("error_code"),
        "BytesSent": field("bytes_sent"),
        "ObjectSize": field("object_size"),
        "TotalTime": field("total_time"),
        "TurnAroundTime": field("turn_around_time"),
        "Referer": field("referer"),
        "UserAgent": field("user_agent"),
        "VersionId": field("version_id"),
        "HostId": field("host_id"),
        "SignatureVersion": field("signature_version"),
        "CipherSuite": field("cipher_suite"),
        "AuthenticationType": field("authentication_type"),
        "HostHeader": field("host_header"),
        "TLSVersion": field("tls_version"),
        "AccessPointARN": field("access_point_arn"),
        "ACLRequired": field("acl_required"),
    },
    ENTITIES,
    note="`BytesSent` and `ObjectSize` are 32-bit in the table: a size from 2 GiB on is null there and told in "
    "`Flags_CF`. `source_region`, which the table has no column for, is in `ExtraFields_CF`.",
)

_SCHEME = pl.when(pl.col("tls_version").is_not_null()).then(pl.lit("https")).otherwise(pl.lit("http"))
_PLACE = pl.concat_str(pl.lit("s3://"), "bucket", pl.lit("/"), pl.col("key").fill_null(""))
ASIM = TableMapping(
    "ASimWebSessionLogs",
    {
        **web_columns(
            "http_status",
            event_type="ApiRequest",
            product="S3",
            vendor="AWS",
            source_ip="remote_ip",
            url=derived(
                "`host_header` and the target in `request_uri`; `s3://bucket/key` where there is no request",
                pl.coalesce(whole_url(_SCHEME, "host_header", TARGET), _PLACE),
            ),
            dvc=field("bucket"),
            original_uid=field("request_id"),
            original_type=field("operation"),
            original_result_details=field("error_code"),
        ),
        "SrcUserId": field("requester"),
        "SrcUserIdType": derived(
            "`AWSId` where there is a `requester`", pl.when(pl.col("requester").is_not_null()).then(pl.lit("AWSId"))
        ),
        "SrcUsername": derived("name of user or role in `requester`", pl.col(USER_NAME)),
        "SrcUsernameType": derived("`Simple`", pl.when(pl.col(USER_NAME).is_not_null()).then(pl.lit("Simple"))),
        "SrcUserScopeId": derived("account in `requester`", pl.col(ACCOUNT)),
        "DstBytes": field("bytes_sent"),
        "DstFQDN": field("host_header"),
        "NetworkBytes": field("bytes_sent"),
        "NetworkDuration": field("total_time"),
        "NetworkApplicationProtocol": derived("`HTTPS` where there is a `tls_version`", _SCHEME.str.to_uppercase()),
        "HttpHost": field("host_header"),
        "HttpReferrer": field("referer"),
        "HttpResponseTime": field("turn_around_time"),
        "FileName": field("key"),
        "FileSize": field("object_size"),
        "AdditionalFields": derived(
            "other fields by their names",
            json_object(
                {
                    name: name
                    for name in (
                        *("bucket_owner", "version_id", "host_id", "signature_version", "cipher_suite"),
                        *("authentication_type", "tls_version", "access_point_arn", "acl_required"),
                    )
                }
            ),
        ),
    },
    ENTITIES,
)


class S3AccessParser(DelimitedParser):
    """Parses S3 server access logs. S3 does not escape the quotes in what clients sent."""

    name: ClassVar[str] = "s3_access"
    title: ClassVar[str] = "an S3 server access log"
    fields: ClassVar[Fields] = FIELDS
    escapes: ClassVar[bool] = False
    line_start: ClassVar[re.Pattern[bytes] | None] = _START
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    def cut_odd(self, line: str) -> list[str] | None:
        """What stands before the request, between it and the referer, and behind the user agent has no quotes."""
        found = _ODD.fullmatch(line)
        if found is None:
            return None
        head, request, middle, tail = found.groups()
        ends = _ODD_TAIL.fullmatch(tail)
        if ends is None:
            return None
        texts, rest = ends.groups()
        if texts.startswith('- "'):
            agents = ["-", texts.removeprefix('- "')]
        else:
            referer, both, agent = texts.removeprefix('"').partition('" "')
            agents = [referer, agent] if both else [referer]
        request = request.removeprefix('"').removesuffix('"')
        return [*head.split(" ")[:-1], request, *middle.split(" "), *agents, *rest.split(" ")]

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """A time in brackets, an operation, a status and a number behind the request, and versions near the end."""
        late = {"signature_version": ("SigV",), "tls_version": ("TLS", "SSL")}
        return pl.all_horizontal(
            pl.col("time").str.starts_with("["),
            pl.col("zone").str.ends_with("]"),
            pl.col("operation").str.contains(".", literal=True),
            _nothing_or("http_status", _STATUS),
            _nothing_or("turn_around_time", _NUMBER),
            *(
                pl.any_horizontal(pl.col(name).is_null(), *(pl.col(name).str.starts_with(text) for text in begins))
                for name, begins in late.items()
                if name in frame.columns
            ),
        )

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """``time``: when the request was received."""
        return parse_clf_times(frame["time"], frame["zone"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """What operation, requester and host tell; the parts of the request where the table has a place for them."""
        if self.mappings is self.asim:
            raw = with_parts(raw, "request_uri", split_request, (METHOD, TARGET, PROTOCOL))
        operations, places = places_of(raw["operation"])
        raw = with_requesters(raw).with_columns(
            ("s3:" + operations).gather(places).alias(_ACTION),
            operations.str.contains(_READS).gather(places).alias(_ONLY_READS),
        )
        if EXTRA in raw.columns:
            return with_named_extra(raw, _PLACELESS)
        regions, places = places_of(raw["source_region"])
        extra = regions.alias("source_region").to_frame().select(json_object({name: name for name in _PLACELESS}))
        return raw.with_columns(extra.to_series().gather(places).alias(EXTRA)).drop(_PLACELESS)


def _nothing_or(name: str, pattern: str) -> pl.Expr:
    return pl.col(name).is_null() | pl.col(name).str.contains(pattern)
