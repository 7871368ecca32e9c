"""Coarser forms of addresses and user agents, so that a new patch level or a neighbour address is not a novelty.

Belongs here: Polars expressions over one string column named ``value``, and columns made of them. Does not belong here:
state and scores.
"""

import polars as pl

__all__ = ["API_DATE", "agent_family", "is_private", "networks", "plain_action"]

#: What some names of actions end with.
API_DATE = r"\d{4}(?:\d{4}|_\d\d_\d\d)(?:v\d+)?$"

_VALUE = pl.col("value")
_IPV4 = r"^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$"
_IPV6 = r"^[0-9a-f:]*:[0-9a-f:.]*$"
_MAX_LENGTH = 96
#: RFC 1918, shared (RFC 6598), link-local, loopback, unique local (RFC 4193).
_PRIVATE = (
    r"^(?:::ffff:)?(?:10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|"
    r"169\.254\.)|^(?:f[cd]|fe[89ab])[0-9a-f]*:|^::1$"
)


def is_private(addresses: pl.Series) -> pl.Series:
    """Boolean per address: it means something only inside the own networks; null for null."""
    return addresses.to_frame("value").select(_VALUE.str.to_lowercase().str.contains(_PRIVATE)).to_series()


def networks(addresses: pl.Series) -> pl.DataFrame:
    """Addresses → ``network`` (IPv4 → /24, IPv6 → /48) and ``wide_network`` (/16, /32).

    The wide network is what stands in for the provider as long as there is no ASN table. Anything that is no address
    (AWS service names) stays as it is, in lower case.
    """
    value = _VALUE.str.strip_chars().str.to_lowercase()
    plain = addresses.to_frame("value").select(value)
    ipv4 = plain.select(_VALUE.str.contains(_IPV4).fill_null(False)).to_series()
    ipv6 = plain.select(_VALUE.str.contains(_IPV6).fill_null(False)).to_series() & ~ipv4
    cut = plain.select(network=_VALUE.str.slice(0, _MAX_LENGTH), wide_network=_VALUE.str.slice(0, _MAX_LENGTH))
    # Each kind by itself: an expression over all would work out both forms for every address.
    for mask, prefix in ((ipv4, _ipv4), (ipv6, _ipv6)):
        if mask.any():
            found = plain.filter(mask).select(network=prefix(3), wide_network=prefix(2))
            index = mask.arg_true()
            cut = cut.with_columns(cut[name].scatter(index, found[name]) for name in cut.columns)
    return cut


def _ipv4(octets: int) -> pl.Expr:
    pieces = _VALUE.str.strip_prefix("::ffff:").str.split_exact(".", 3)
    parts = [pieces.struct.field(f"field_{i}").str.strip_chars_start("0").replace("", "0") for i in range(octets)]
    return pl.concat_str(*parts, *[pl.lit("0")] * (4 - octets), separator=".") + f"/{octets * 8}"


def _ipv6(hextets: int) -> pl.Expr:
    head = _VALUE.str.split("::").list.first().str.split(":")
    pieces = [
        head.list.get(i, null_on_oob=True).fill_null("").str.strip_chars_start("0").replace("", "0")
        for i in range(hextets)
    ]
    return pl.concat_str(*pieces, separator=":") + f"::/{hextets * 16}"


def plain_action() -> pl.Expr:
    """Actions without their API date: the sensitivity rules name them bare.

    ``lambda:UpdateFunctionCode20150331v2``, ``cloudfront:UpdateDistribution2020_05_31``.
    """
    return _VALUE.str.replace(API_DATE, "")


def agent_family() -> pl.Expr:
    """User agent → product, major version and operating system; browsers → browser and operating system.

    ``aws-cli/2.15.1 Python/3.11 Linux/6.1`` → ``aws-cli/2 linux``; ``[Boto3/1.34.2 …]`` → ``boto3/1``.
    """
    # S3 wraps the agent in brackets.
    value = _VALUE.str.to_lowercase().str.strip_chars("[] \t").str.slice(0, 1_024)
    system = (
        value.str.extract(r"\b(kali|parrot|pentoo|windows|macos|mac os|darwin|android|iphone|ipad|linux)", 1)
        .replace({"mac os": "macos", "darwin": "macos", "ipad": "iphone"})
        .fill_null("")
    )
    system = pl.when(value.str.contains("kali", literal=True)).then(pl.lit("kali")).otherwise(system)
    browser = (
        pl.when(value.str.contains(r"edga?/"))
        .then(pl.lit("edge"))
        .when(value.str.contains("firefox/", literal=True))
        .then(pl.lit("firefox"))
        .when(value.str.contains(r"chrome/|crios/"))
        .then(pl.lit("chrome"))
        .when(value.str.contains("safari/", literal=True))
        .then(pl.lit("safari"))
        .otherwise(pl.lit("browser"))
    )
    product = value.str.extract(r"^([^\s/;,(]+)", 1).fill_null("")
    major = value.str.extract(r"^[^\s/;,(]+/v?(\d+)", 1)
    # Digits inside a product name are build numbers, session ids, … : they would make every agent new.
    named = product.str.replace_all(r"\d{3,}|[0-9a-f]{8,}", "#")
    family = (
        pl.when(value.str.contains("terraform", literal=True))
        .then(pl.lit("terraform"))
        .when(value.str.starts_with("mozilla/"))
        .then(browser)
        .when(major.is_not_null())
        .then(pl.concat_str(named, major, separator="/"))
        .otherwise(named)
    )
    return (
        pl.when(value == "")
        .then(pl.lit(""))
        .when(value.str.contains(r"\.amazonaws\.com$|^aws internal"))
        .then(value.str.extract(r"^(aws internal|\S+)", 1))
        .otherwise(pl.concat_str(family, system, separator=" ").str.strip_chars_end())
        .str.slice(0, _MAX_LENGTH)
    )
