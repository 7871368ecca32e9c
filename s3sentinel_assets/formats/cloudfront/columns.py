"""CloudFront's log fields → the columns of ``AWSCloudFront_AccessLog_CL``, ASIM's web sessions and the entity view.

Source: AWS, "Standard logging reference" (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/
standard-logs-reference.html) and "Use real-time access logs" (…/real-time-logs.html); Microsoft, "The Advanced Security
Information Model (ASIM) Web Session normalization schema reference".

Belongs here: what standard and real-time logs have in common: the same fields, the mappings, the time. Does not belong
here: reading either.

The native table keeps every value as it is written, percent-encoded in part; ASIM and the entity view have user agent
and referrer decoded. Before 2018 CloudFront encoded them twice.
"""

import re
from collections.abc import Mapping

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import http_result, whole_url
from s3sentinel_assets.formats.extra_fields import json_object, with_named_extra
from s3sentinel_assets.formats.frames import OBJECT
from s3sentinel_assets.formats.instants import END_EPOCH_SECOND
from s3sentinel_assets.formats.mapping import TIME, Origin, TableMapping, constant, derived, field
from s3sentinel_assets.formats.web.requests import READ_ONLY_METHODS, milliseconds, status_error
from s3sentinel_assets.formats.web.url_decoding import percent_decoded

__all__ = ["ASIM", "FIELDS", "NATIVE", "as_field", "event_times", "prepared"]

#: Field → column. A name is in lower case, with a hyphen for all that is neither letter nor digit: standard and
#: real-time logs, text and Parquet agree then.
FIELDS: dict[str, str] = {
    "date": "Date",
    "time": "Time",
    "x-edge-location": "XEdgeLocation",
    "sc-bytes": "ScBytes",
    "c-ip": "CIp",
    "cs-method": "CsMethod",
    "cs-host": "CsHost",
    "cs-uri-stem": "CsUriStem",
    "sc-status": "ScStatus",
    "cs-referer": "CsReferer",
    "cs-user-agent": "CsUserAgent",
    "cs-uri-query": "CsUriQuery",
    "cs-cookie": "CsCookie",
    "x-edge-result-type": "XEdgeResultType",
    "x-edge-request-id": "XEdgeRequestId",
    "x-host-header": "XHostHeader",
    "cs-protocol": "CsProtocol",
    "cs-bytes": "CsBytes",
    "time-taken": "TimeTaken",
    "x-forwarded-for": "XForwardedFor",
    "ssl-protocol": "SslProtocol",
    "ssl-cipher": "SslCipher",
    "x-edge-response-result-type": "XEdgeResponseResultType",
    "cs-protocol-version": "CsProtocolVersion",
    "fle-status": "FleStatus",
    "fle-encrypted-fields": "FleEncryptedFields",
    "c-port": "CPort",
    "time-to-first-byte": "TimeToFirstByte",
    "x-edge-detailed-result-type": "XEdgeDetailedResultType",
    "sc-content-type": "ScContentType",
    "sc-content-len": "ScContentLen",
    "sc-range-start": "ScRangeStart",
    "sc-range-end": "ScRangeEnd",
    "timestamp": "Timestamp",
    "distributionid": "DistributionId",
    "timestamp-ms": "TimestampMs",
    "origin-fbl": "OriginFbl",
    "origin-lbl": "OriginLbl",
    "asn": "Asn",
    "c-country": "CCountry",
    "cache-behavior-path-pattern": "CacheBehaviorPathPattern",
    "distribution-tenant-id": "DistributionTenantId",
}
_LABELS = {
    "cs-host": "cs(Host)",
    "cs-referer": "cs(Referer)",
    "cs-user-agent": "cs(User-Agent)",
    "cs-cookie": "cs(Cookie)",
    "timestamp-ms": "timestamp(ms)",
}
#: Raw columns that `prepared` makes.
_DISTRIBUTION, _ACCOUNT, _AGENT, _REFERRER = "_distribution", "_account", "_agent", "_referrer"
#: Fields that are the event's time, whether a column is filled from them or not.
_CLOCK = ("date", "time", "timestamp", "timestamp-ms")
_OTHER = re.compile(r"[^a-z0-9]+")
#: Standard logs lie under ``…/EMLARXS9EXAMPLE.2019-11-14-20.RT4KCN4SGK9.gz``, or in a folder of the distribution.
_FILE_OF = re.compile(r"(?:^|/)(E[0-9A-Z]{9,19})\.\d{4}-\d\d-\d\d-\d\d\.")
_FOLDER_OF = re.compile(r"(?:^|/)(?:[Dd]istribution[Ii]d=)?(E[0-9A-Z]{12,13})/")
_ACCOUNT_OF = re.compile(r"(?:^|/)AWSLogs/(?:aws-account-id=)?(\d{12})/")

_ID = derived(
    "`DistributionId`, else `primary-distribution-id`, else the one that the object's key names", pl.col(_DISTRIBUTION)
)
_HOST = derived("`x-host-header`, else `cs(Host)`", pl.coalesce("x-host-header", "cs-host"))
_CLIENT = field("c-ip")

_ENTITIES: dict[str, Origin] = {
    "account": derived("the account that the object's key names", pl.col(_ACCOUNT)),
    "principal": _CLIENT,
    "principal_type": constant("address"),
    "peer": derived("the distribution, else the host", pl.coalesce(_DISTRIBUTION, "x-host-header", "cs-host")),
    "service": field("cs-protocol"),
    "action": derived(
        "method and status: `GET/200`", pl.concat_str("cs-method", "sc-status", separator="/", ignore_nulls=True)
    ),
    "target": derived(
        "host and `cs-uri-stem`", pl.concat_str(_HOST.value, "cs-uri-stem", ignore_nulls=True).replace("", None)
    ),
    "source_ip": _CLIENT,
    "user_agent": derived("`cs(User-Agent)`, decoded", pl.col(_AGENT)),
    "error": derived("`sc-status` from 400", status_error("sc-status")),
    "read_only": derived("whether the method changes nothing", pl.col("cs-method").is_in(READ_ONLY_METHODS)),
    "bytes": field("sc-bytes"),
}

NATIVE = TableMapping(
    "AWSCloudFront_AccessLog_CL",
    {column: _ID if name == "distributionid" else field(name, _LABELS.get(name)) for name, column in FIELDS.items()},
    entities=_ENTITIES,
)

_IN_ADDITIONAL = (
    "x-edge-location", "x-edge-result-type", "x-edge-response-result-type", "x-edge-detailed-result-type", "cs-host",
    "cs-cookie", "ssl-protocol", "ssl-cipher", "fle-status", "fle-encrypted-fields", "sc-content-len",
    "sc-range-start", "sc-range-end", "origin-fbl", "origin-lbl", "asn", "cache-behavior-path-pattern",
    "distribution-tenant-id",
)  # fmt: skip
_TARGET = pl.concat_str("cs-uri-stem", "cs-uri-query", separator="?", ignore_nulls=True)
_TARGET = pl.when(pl.col("cs-uri-stem").is_not_null()).then(_TARGET)
_URL = derived("`cs-protocol`, host, `cs-uri-stem` and `cs-uri-query`", whole_url("cs-protocol", _HOST.value, _TARGET))
_TAKEN = milliseconds("time-taken")
_TIME = pl.col(TIME)
_SECURE = pl.col("cs-protocol").str.to_uppercase()

ASIM = TableMapping(
    "ASimWebSessionLogs",
    {
        **asim_columns(
            "WebSession",
            event_type="HTTPsession",
            result=derived("`sc-status`: Success below 400, Failure from there on, else NA", http_result("sc-status")),
            product="CloudFront",
            start=derived(
                "the event's time less `time-taken`: the former is when the answer had gone out",
                _TIME - pl.duration(milliseconds=_TAKEN.fill_null(0)),
            ),
            end=derived("time of the event", _TIME),
            dvc=derived("the distribution, else `CloudFront`", pl.coalesce(_DISTRIBUTION, pl.lit("CloudFront"))),
            dvc_id=_ID,
            dvc_id_type=derived(
                "`Other` where there is one", pl.when(pl.col(_DISTRIBUTION).is_not_null()).then(pl.lit("Other"))
            ),
            dvc_original_action=field("x-edge-result-type"),
            original_uid=field("x-edge-request-id"),
            result_details=field("sc-status"),
            original_result_details=field("x-edge-detailed-result-type"),
        ),
        "Url": _URL,
        "UrlOriginal": derived("`cs-uri-stem` and `cs-uri-query`", _TARGET),
        "HttpRequestMethod": field("cs-method"),
        "HttpVersion": derived(
            "number in `cs-protocol-version`", pl.col("cs-protocol-version").str.extract(r"^HTTP/(.+)$")
        ),
        "HttpHost": _HOST,
        "HttpReferrer": derived("`cs(Referer)`, decoded", pl.col(_REFERRER)),
        "HttpUserAgent": derived("`cs(User-Agent)`, decoded", pl.col(_AGENT)),
        "HttpRequestXff": field("x-forwarded-for"),
        "HttpContentType": derived(
            "`sc-content-type`, blanks decoded", pl.col("sc-content-type").str.replace_all("%20", " ", literal=True)
        ),
        "HttpResponseTime": derived("milliseconds of `time-to-first-byte`", milliseconds("time-to-first-byte")),
        "SrcIpAddr": _CLIENT,
        "SrcPortNumber": field("c-port"),
        "SrcGeoCountry": field("c-country"),
        "SrcBytes": field("cs-bytes"),
        "DstIpAddr": field("s-ip"),
        "DstHostname": _HOST,
        "DstFQDN": _HOST,
        "DstBytes": field("sc-bytes"),
        "NetworkApplicationProtocol": derived("`cs-protocol` in capitals", _SECURE),
        "NetworkProtocol": derived(
            "UDP for HTTP/3, else TCP",
            pl.when(pl.col("cs-protocol-version").str.starts_with("HTTP/3")).then(pl.lit("UDP"))
            .when(pl.col("cs-protocol-version").is_not_null()).then(pl.lit("TCP")),
        ),
        "NetworkProtocolVersion": field("c-ip-version"),
        "NetworkDuration": derived("milliseconds of `time-taken`", _TAKEN),
        "AdditionalFields": derived(
            f"{', '.join(f'`{_LABELS.get(name, name)}`' for name in _IN_ADDITIONAL)}, as JSON",
            json_object({name: name for name in _IN_ADDITIONAL}),
        ),
    },
    entities=_ENTITIES,
)  # fmt: skip


def as_field(name: str) -> str:
    """A field's name as raw columns have it: ``cs(User-Agent)`` and ``cs_user_agent`` → ``cs-user-agent``."""
    return _OTHER.sub("-", name.lower()).strip("-")


def event_times(frame: pl.DataFrame) -> pl.Series:
    """When the edge had answered, Datetime(us, UTC): ``timestamp(ms)``, else ``timestamp``, else ``date``, ``time``."""
    made = []
    for name, factor in (("timestamp-ms", 1_000), ("timestamp", 1_000_000)):
        if name in frame.columns:
            micro = (pl.col(name).cast(pl.Float64, strict=False) * factor).round()
            inside = micro.is_between(0, END_EPOCH_SECOND * 1_000_000, closed="left")
            made.append(pl.when(inside).then(micro.cast(pl.Int64, strict=False)).cast(pl.Datetime("us", "UTC")))
    if {"date", "time"} <= set(frame.columns):
        text = pl.concat_str("date", pl.lit("T"), "time", pl.lit("Z"))
        instant = text.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC", strict=False)
        made.append(pl.when(instant.dt.year().is_between(1970, 2199)).then(instant))
    if not made:
        return pl.Series([None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, frame.height)
    return frame.select(pl.coalesce(made).alias("time")).to_series()


def prepared(raw: pl.DataFrame, keys: Mapping[int, str], mapping: TableMapping) -> pl.DataFrame:
    """Adds what mappings need beside the fields, and moves the fields that ``mapping`` does not read into ``_extra``.

    Args:
        raw: String columns under the names of `as_field`, and the internal ones.
        keys: object id → S3 key.
        mapping: the one in use.
    """
    used = mapping.raw_columns() | {"distributionid", "primary-distribution-id", "cs-user-agent", "cs-referer", *_CLOCK}
    raw = with_named_extra(raw, [name for name in raw.columns if not name.startswith("_") and name not in used])
    named = [pl.col(name) for name in ("distributionid", "primary-distribution-id") if name in raw.columns]
    by_key = {object_id: _first(key, _FILE_OF, _FOLDER_OF) for object_id, key in keys.items()}
    accounts = {object_id: _first(key, _ACCOUNT_OF) for object_id, key in keys.items()}
    texts = {
        made: percent_decoded(raw[name], twice=True).alias(made)
        for name, made in (("cs-user-agent", _AGENT), ("cs-referer", _REFERRER))
        if name in raw.columns and made in mapping.raw_columns()
    }
    return raw.with_columns(
        pl.coalesce(*named, _of_object(by_key)).alias(_DISTRIBUTION),
        _of_object(accounts).alias(_ACCOUNT),
        *texts.values(),
    )


def _of_object(values: Mapping[int, str | None]) -> pl.Expr:
    return pl.col(OBJECT).replace_strict(values, default=None, return_dtype=pl.String)


def _first(key: str, *patterns: re.Pattern[str]) -> str | None:
    return next((found[1] for pattern in patterns if (found := pattern.search(key))), None)
