"""Fields of W3C extended logs → ASIM's web sessions and the entity view.

Source: W3C, "Extended Log File Format" (www.w3.org/TR/WD-logfile); Microsoft, "W3C Extended Log File Format (IIS 6.0)",
"IIS Enhanced Logging" and "The Advanced Security Information Model (ASIM) Web Session normalization schema reference".

Belongs here: the mapping, and what the values mean. Does not belong here: header lines, cutting lines (``w3c``,
``lines``).

IIS counts time-taken in milliseconds, as its own module for advanced logging does; other writers have seconds or
smaller units, so theirs is kept as it is in AdditionalFields.
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import host_part, http_result, whole_url
from s3sentinel_assets.formats.cloudfront.columns import as_field
from s3sentinel_assets.formats.extra_fields import json_object, with_named_extra
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field
from s3sentinel_assets.formats.web.requests import READ_ONLY_METHODS, status_error

__all__ = ["ASIM", "SOFTWARE", "TELLING", "WEB_FIELDS", "field_name", "prepared"]

#: Raw column with what ``#Software:`` says.
SOFTWARE = "_software"
_AGENT, _IIS, _TARGET = "_agent", "_iis", "_target"
#: Names that writers use for one another.
_SAME = {
    "cs-referrer": "cs-referer",
    "bytes": "sc-bytes",
    "cs-x-forwarded-for": "x-forwarded-for",
    "timetakenms": "time-taken-ms",
}

_IN_ADDITIONAL = ("s-sitename", "sc-substatus", "sc-win32-status", "cs-cookie", "cached", "streamid", "x-exception-id")
_PRODUCT = derived(
    "`IIS` where `#Software:` names Microsoft or there are fields of Windows, else its name there, else `W3C`",
    pl.when(pl.col(_IIS))
    .then(pl.lit("IIS"))
    .otherwise(pl.coalesce(pl.col(SOFTWARE).str.replace(r"[ /][\d.]+$", ""), pl.lit("W3C"))),
)
_USER = derived("`cs-username`, else `c-auth-id`", pl.coalesce("cs-username", "c-auth-id"))
_SERVER = pl.coalesce("s-computername", "s-ip", "s-sitename")
_URI = pl.coalesce("cs-uri", "cs-uri-stem")
_HAS_QUERY = pl.col("cs-uri-query").is_not_null() & ~_URI.str.contains("?", literal=True)
_SCHEME = pl.when(pl.col("s-port").is_in(["443", "8443"])).then(pl.lit("https")).otherwise(pl.lit("http"))
_TAKEN = pl.coalesce(
    pl.col("time-taken-ms").cast(pl.Float64, strict=False),
    pl.when(pl.col(_IIS)).then(pl.col("time-taken").cast(pl.Float64, strict=False)),
)

ASIM = TableMapping(
    "ASimWebSessionLogs",
    {
        **asim_columns(
            "WebSession",
            event_type="WebServerSession",
            result=derived("`sc-status`: Success below 400, Failure from there on, else NA", http_result("sc-status")),
            product=_PRODUCT,
            vendor=derived(
                "`Microsoft` for IIS, else the first word of `#Software:`, else `W3C`",
                pl.when(pl.col(_IIS))
                .then(pl.lit("Microsoft"))
                .otherwise(pl.coalesce(pl.col(SOFTWARE).str.extract(r"^(\S+)"), pl.lit("W3C"))),
            ),
            product_version=derived("number in `#Software:`", pl.col(SOFTWARE).str.extract(r"(\d+(?:\.\d+)+)")),
            dvc=derived(
                "`s-computername`, else `s-ip` or `s-sitename`, else the product", pl.coalesce(_SERVER, _PRODUCT.value)
            ),
            dvc_ip_addr=field("s-ip"),
            dvc_hostname=field("s-computername"),
            result_details=field("sc-status"),
            original_result_details=derived(
                "`sc-status` and `sc-substatus`: `404.2`",
                pl.concat_str("sc-status", "sc-substatus", separator=".", ignore_nulls=True).replace("", None),
            ),
        ),
        "Url": derived(
            "`cs(Host)`, `cs-uri-stem` (or `cs-uri`) and `cs-uri-query`; https on ports 443 and 8443",
            whole_url(_SCHEME, "cs-host", pl.col(_TARGET)),
        ),
        "UrlOriginal": derived("`cs-uri-stem` (or `cs-uri`) and `cs-uri-query`", pl.col(_TARGET)),
        "HttpRequestMethod": field("cs-method"),
        "HttpVersion": derived("number in `cs-version`", pl.col("cs-version").str.extract(r"^HTTP/(.+)$")),
        "HttpHost": field("cs-host", "cs(Host)"),
        "HttpReferrer": field("cs-referer", "cs(Referer)"),
        "HttpUserAgent": derived("`cs(User-Agent)`, with blanks for `+` if it has none", pl.col(_AGENT)),
        "HttpRequestXff": field("x-forwarded-for", "cs(X-Forwarded-For)"),
        "HttpContentType": field("sc-content-type", "sc(Content-Type)"),
        "SrcIpAddr": field("c-ip"),
        "SrcPortNumber": field("c-port"),
        "SrcHostname": field("c-dns"),
        "SrcUsername": _USER,
        "SrcUsernameType": derived(
            "`Windows` with a backslash, `UPN` with `@`, else `Simple`",
            pl.when(_USER.value.str.contains("\\", literal=True)).then(pl.lit("Windows"))
            .when(_USER.value.str.contains("@", literal=True)).then(pl.lit("UPN"))
            .when(_USER.value.is_not_null()).then(pl.lit("Simple")),
        ),
        "SrcBytes": field("cs-bytes"),
        "DstIpAddr": field("s-ip"),
        "DstPortNumber": field("s-port"),
        "DstHostname": derived(
            "host of `cs(Host)`, else `s-computername`", pl.coalesce(host_part("cs-host"), "s-computername")
        ),
        "DstBytes": derived("`sc-bytes`, or `bytes`", pl.col("sc-bytes")),
        "NetworkDuration": derived(
            "`time-taken` of IIS, or `TimeTakenMS`", _TAKEN.round().cast(pl.Int64, strict=False)
        ),
        "AdditionalFields": derived(
            f"{', '.join(f'`{name}`' for name in _IN_ADDITIONAL)}, and `time-taken` of others than IIS, as JSON",
            json_object(
                {name: name for name in _IN_ADDITIONAL} | {"time-taken": pl.when(~pl.col(_IIS)).then("time-taken")}
            ),
        ),
    },
    entities={
        "principal": derived("`cs-username`, else `c-ip`", pl.coalesce(_USER.value, "c-ip")),
        "principal_type": derived(
            "`user` or `address`",
            pl.when(_USER.value.is_not_null()).then(pl.lit("user")).otherwise(pl.lit("address")),
        ),
        "peer": derived("`s-sitename`, else the server", pl.coalesce("s-sitename", "s-computername", "s-ip")),
        "service": constant("http"),
        "action": derived(
            "method and status: `GET/200`", pl.concat_str("cs-method", "sc-status", separator="/", ignore_nulls=True)
        ),
        "target": derived(
            "`cs(Host)`, else the server, and `cs-uri-stem` (or `cs-uri`, without its query)",
            pl.concat_str(
                pl.coalesce("cs-host", "s-computername", "s-ip"),
                _URI.str.splitn("?", 2).struct.field("field_0"),
                ignore_nulls=True,
            ).replace("", None),
        ),
        "source_ip": field("c-ip"),
        "user_agent": derived("`cs(User-Agent)`, with blanks for `+` if it has none", pl.col(_AGENT)),
        "error": derived("`sc-status` from 400", status_error("sc-status")),
        "read_only": derived("whether the method changes nothing", pl.col("cs-method").is_in(READ_ONLY_METHODS)),
        "bytes": derived("`sc-bytes`, or `bytes`", pl.col("sc-bytes")),
    },
)  # fmt: skip

#: Fields that are known, and those of them that show a log of requests.
WEB_FIELDS = frozenset(name for name in ASIM.raw_columns() if not name.startswith("_"))
WEB_FIELDS |= {"date", "time", "date-local", "time-local", "cs-user-agent", "cs-uri-query", "cs-uri-stem", "cs-uri"}
TELLING = frozenset({"cs-method", "cs-uri", "cs-uri-stem", "sc-status"})
_CLOCK = ("date", "time", "date-local", "time-local")


def field_name(name: str) -> str:
    """A field's name as raw columns have it: ``cs(User-Agent)`` → ``cs-user-agent``."""
    plain = as_field(name)
    return _SAME.get(plain, plain)


def prepared(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds what the mapping needs beside the fields, and moves fields that it does not read into ``_extra``.

    Args:
        raw: String columns under the names of `field_name`, `SOFTWARE`, and the internal ones.
    """
    used = ASIM.raw_columns() | {"cs-user-agent", "cs-uri", "cs-uri-stem", "cs-uri-query", *_CLOCK}
    raw = with_named_extra(raw, [name for name in raw.columns if not name.startswith("_") and name not in used])
    missing = [name for name in ("cs-user-agent", "cs-uri", "cs-uri-stem", "cs-uri-query") if name not in raw.columns]
    raw = raw.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
    windows = [pl.col(name).is_not_null() for name in ("sc-win32-status", "sc-substatus") if name in raw.columns]
    agent = pl.col("cs-user-agent")
    return raw.with_columns(
        (pl.col(SOFTWARE).str.contains(r"^(?:Microsoft|IIS)") | pl.any_horizontal(pl.lit(value=False), *windows))
        .fill_null(value=False)
        .alias(_IIS),
        pl.when(agent.str.contains(" ", literal=True))
        .then(agent)
        .otherwise(agent.str.replace_all("+", " ", literal=True))
        .alias(_AGENT),
        pl.when(_HAS_QUERY)
        .then(pl.concat_str(_URI, "cs-uri-query", separator="?", ignore_nulls=True))
        .otherwise(_URI)
        .alias(_TARGET),
    )
