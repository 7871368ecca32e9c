r"""Access logs of web servers: Apache's common and combined formats, nginx's combined and main ones.

Source: Apache HTTP Server, "Log Files", section "Access Log" (httpd.apache.org/docs/current/logs.html); nginx, "Module
ngx_http_log_module" (nginx.org/en/docs/http/ngx_http_log_module.html).

A line may begin with the virtual host, and end with fields that a server was told to add; of these, a list of addresses
right behind the user agent is nginx's ``X-Forwarded-For``, all others are kept by their place. The time may also be
ISO 8601 in brackets. ``\"`` and ``\xNN``, as the servers write bytes that they would not log, stay as they are.

Belongs here: the fields, the variants of a line, the table. Does not belong here: error logs, cutting lines
(``line_logs``).
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.values import host_part, ip_version, whole_url
from s3sentinel_assets.formats.extra_fields import json_object, with_named_extra
from s3sentinel_assets.formats.frames import FLAGS, flags
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, DelimitedParser, Fields, split_fields
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field
from s3sentinel_assets.formats.web.clf_time import parse_clf_times
from s3sentinel_assets.formats.web.requests import split_request, with_parts
from s3sentinel_assets.formats.web.session import METHOD, PROTOCOL, TARGET, request_entities, web_columns

__all__ = ["WebAccessParser"]

_MAIN = ("request", "status", "bytes", "referer", "agent", "behind_agent")


def _variant(*, vhost: bool, iso: bool) -> Fields:
    names = (*(["vhost"] if vhost else []), "host", "ident", "user", "time", *([] if iso else ["zone"]), *_MAIN)
    # People count the time as one field.
    return Fields(names, required=len(names) - 3, first_spare=len(names) + int(iso))


#: Whether lines begin with a virtual host, and whether times are ISO 8601 → their fields.
_VARIANTS = {(vhost, iso): _variant(vhost=vhost, iso=iso) for vhost in (False, True) for iso in (False, True)}
_CLF = r"\[\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
_ISO = r"\[\d{4}-\d\d-\d\d[T][^\]\s]*\]"
_START = re.compile(
    rf'[^\s"]+ [^\s"]+ [^"\[]{{1,256}}(?:{_CLF}|{_ISO}) "'.encode() + rb'.*?" (?:\d{3}|-) (?:\d+|-)(?:\s|$)'
)
#: A name or address in the second place can only be the client's, so that the first is the virtual host.
_VHOST, _ISO_TIME = r"^[^ ]*[^ ,] [^ ]*[.:][^ ]* [^ ]+ [^ ]+ \[", r"^(?:[^ ]+ ){3,4}\[\d{4}-"
#: Instead of one client the list of an ``X-Forwarded-For`` header, the client first.
_LISTED = re.compile(r"((?:[0-9A-Fa-f:.]+|unknown)(?:, ?[0-9A-Za-z.:_-]+)+) (.*)")
#: A user name may have blanks in it, and a request quotes.
_ODD = re.compile(r'([^ ]+) ([^ ]+) (.{1,256}?) (\[[^\] ]+) ([^\] ]+\]) "(.*?)" (-|\d{3}) (-|\d+)(?: (.*))?')
_STATUS, _NUMBER = r"^\d{3}$", r"^\d+$"
_ADDRESS = re.compile(r"[0-9A-Fa-f:]*[.:][0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]*")
_ADDRESSES = r"^(?:[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]*|unknown)(?:, ?[0-9A-Za-z.:_-]+)*$"
#: How a request ends: behind it a client's own quotes have shifted the fields.
_REQUEST_END = r" HTTP/\d(?:\.\d)?$"
_XFF, _SCHEME, _AS_IP, _AS_NAME = "_forwarded_for", "_scheme", "_host_ip", "_host_name"

ENTITIES = request_entities(
    "status",
    service=constant("http"),
    peer=field("vhost"),
    client=field("host"),
    sent=field("bytes"),
    principal=derived("`user`, else `host`", pl.coalesce("user", "host")),
    principal_type=derived(
        "`user` or `address`",
        pl.when(pl.col("user").is_not_null()).then(pl.lit("user")).otherwise(pl.lit("address")),
    ),
    target=derived("path in `request`", pl.col(TARGET).str.splitn("?", 2).struct.field("field_0")),
    user_agent=field("agent"),
)

WEB = TableMapping(
    "ASimWebSessionLogs",
    {
        **web_columns(
            "status",
            event_type="WebServerSession",
            product="Web server",
            vendor="Common Log Format",
            user_agent="agent",
            source_ip=_AS_IP,
            url=derived(
                "`vhost`, where there is one, and the target in `request`; `-` where there is none",
                whole_url(_SCHEME, "vhost", TARGET).fill_null("-"),
            ),
            dvc=derived("`vhost`, else the product", pl.col("vhost").fill_null("Web server")),
        ),
        "SrcHostname": derived("`host` where it is a name", pl.col(_AS_NAME)),
        "SrcUsername": field("user"),
        "SrcUsernameType": derived("`Simple`", pl.when(pl.col("user").is_not_null()).then(pl.lit("Simple"))),
        "DstBytes": field("bytes"),
        "DstHostname": derived("`vhost` without its port", host_part("vhost")),
        "NetworkBytes": field("bytes"),
        "NetworkApplicationProtocol": derived(
            "`HTTPS` where the `vhost` has port 443, else `HTTP`", pl.col(_SCHEME).str.to_uppercase()
        ),
        "HttpHost": field("vhost"),
        "HttpReferrer": field("referer"),
        "HttpRequestXff": derived("the field behind the user agent, where it lists addresses", pl.col(_XFF)),
        "UrlOriginal": derived("target in `request`", pl.col(TARGET)),
        "AdditionalFields": derived("`ident`", json_object({"ident": "ident"})),
    },
    ENTITIES,
)  # fmt: skip


class WebAccessParser(DelimitedParser):
    """Parses access logs of Apache and nginx."""

    name: ClassVar[str] = "web_access"
    title: ClassVar[str] = "a web server's access log"
    fields: ClassVar[Fields] = _VARIANTS[False, False]
    line_start: ClassVar[re.Pattern[bytes] | None] = _START
    native: ClassVar[tuple[TableMapping, ...]] = (WEB,)

    def parse_all(self, data: bytes, lines: int, layout: Fields) -> pl.DataFrame | None:  # noqa: ARG002
        """All lines at once, if they are of the variant that the first one is of."""
        first = data[: data.find(b"\n")][:1_000].decode(errors="replace")
        vhost, iso = (re.match(pattern, first) is not None for pattern in (_VHOST, _ISO_TIME))
        return super().parse_all(data, lines, _VARIANTS[vhost, iso])

    def parse_each(self, lines: Sequence[str], layout: Fields) -> CarefulLines:  # noqa: ARG002
        """Lines one by one, each by its own variant."""
        texts = pl.Series(lines, dtype=pl.String)
        variants = pl.DataFrame(
            {"vhost": texts.str.contains(_VHOST), "iso": texts.str.contains(_ISO_TIME), "index": range(len(lines))},
            schema_overrides={"index": pl.Int64},
        )
        good, bad, frames = list[int](), list[BadLine](), list[pl.DataFrame]()
        for (vhost, iso), group in variants.partition_by("vhost", "iso", as_dict=True).items():
            places: list[int] = group["index"].to_list()
            found = super().parse_each([lines[place] for place in places], _VARIANTS[bool(vhost), bool(iso)])
            good += [places[index] for index in found.good]
            bad += [BadLine(places[line.index], line.reason, line.detail, line.stray) for line in found.bad]
            frames.append(found.frame)
        if not frames:
            return super().parse_each(lines, self.fields)
        merged = pl.concat(frames, how="diagonal")[pl.Series(good, dtype=pl.Int64).arg_sort()]
        return CarefulLines(merged, sorted(good), sorted(bad, key=lambda line: line.index))

    def cut_odd(self, line: str) -> list[str] | None:
        """Time, status and size are told from what clients can write; a virtual host goes with the ordinary cut."""
        listed = _LISTED.fullmatch(line)
        found = _ODD.fullmatch(f"- {listed[2]}" if listed else line)
        # An address in the second place is the client's: there is a virtual host, and a user name with blanks.
        if found is None or re.match(_VHOST, line) is not None or _ADDRESS.fullmatch(found[2]):
            return None
        host, *fields, rest = found.groups()
        return [listed[1] if listed else host, *fields, *(split_fields(rest) if rest else [])]

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """A time in brackets, and a status and a size behind the request."""
        opened = pl.col("time").str.starts_with("[")
        closed = pl.col("zone" if "zone" in frame.columns else "time").str.ends_with("]")
        fits = [
            pl.col(name).is_null() | pl.col(name).str.contains(pattern)
            for name, pattern in (("status", _STATUS), ("bytes", _NUMBER))
        ]
        return pl.all_horizontal(opened, closed, *fits)

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """The time in brackets: when the request was received, or answered, as the server is set up."""
        if "zone" not in frame.columns:
            return parse_iso8601(frame["time"].str.strip_chars("[]"))
        made = parse_clf_times(frame["time"], frame["zone"])
        iso = frame["zone"].is_null()
        if not iso.any():
            return made
        return made.scatter(iso.arg_true(), parse_iso8601(frame["time"].filter(iso).str.strip_chars("[]")))

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """The parts of the request, the client as address or name, and what stands behind the user agent."""
        raw = with_parts(raw, "request", split_request, (METHOD, TARGET, PROTOCOL))
        if "vhost" not in raw.columns:
            raw = raw.with_columns(pl.lit(None, dtype=pl.String).alias("vhost"))
        raw = _with_one_client(_with_shifts_told(raw))
        address, listed = ip_version("host").is_not_null(), pl.col("behind_agent").str.contains(_ADDRESSES)
        other, first = pl.when(~listed).then("behind_agent"), pl.col("vhost").is_null()
        raw = raw.with_columns(
            pl.when(address).then("host").alias(_AS_IP),
            pl.when(~address).then("host").alias(_AS_NAME),
            pl.when(listed).then("behind_agent").alias(_XFF),
            pl.when(first).then(other).alias("field_10"),
            pl.when(~first).then(other).alias("field_11"),
            pl.when(pl.col("vhost").str.ends_with(":443"))
            .then(pl.lit("https"))
            .when(pl.col("vhost").is_not_null())
            .then(pl.lit("http"))
            .alias(_SCHEME),
        )
        return with_named_extra(raw, ["field_10", "field_11"])


def _with_shifts_told(raw: pl.DataFrame) -> pl.DataFrame:
    """Flags rows where what looks like the end of a request stands behind the request, whose quotes pair up."""
    late = (pl.col(name).str.contains(_REQUEST_END) for name in ("referer", "agent", "behind_agent"))
    shifted = pl.any_horizontal(late).fill_null(value=False) & ~pl.col(FLAGS).str.contains("odd_quotes").fill_null(
        value=False
    )
    if not raw.select(shifted.any()).item():
        return raw
    told = pl.when(shifted).then(pl.lit("odd_quotes"))
    return raw.with_columns(flags(pl.col(FLAGS), told).alias(FLAGS))


def _with_one_client(raw: pl.DataFrame) -> pl.DataFrame:
    """The first of listed clients as the client, the list as that of an ``X-Forwarded-For`` header."""
    listed = raw["host"].str.contains(",", literal=True).fill_null(value=False)
    if not listed.any():
        return raw
    return raw.with_columns(
        pl.when(listed).then(pl.col("host").str.extract(r"^([^,]*)")).otherwise("host").alias("host"),
        pl.when(listed & pl.col("behind_agent").is_null()).then("host").otherwise("behind_agent").alias("behind_agent"),
    )
