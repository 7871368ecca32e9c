"""Coarser forms of addresses and user agents, so that a new patch level or a neighbour address is not a novelty.

Belongs here: Polars expressions over one string column named ``value``. Does not belong here: state and scores.
"""

import polars as pl

__all__ = ["agent_family", "network", "plain_action", "wide_network"]

_VALUE = pl.col("value")
_IPV4 = r"^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$"
_IPV6 = r"^[0-9a-f:]*:[0-9a-f:.]*$"
_MAX_LENGTH = 96


def _prefix(octets: int, hextets: int) -> pl.Expr:
    """Addresses → their prefix; anything else (AWS service names) stays as it is, in lower case."""
    value = _VALUE.str.strip_chars().str.to_lowercase()
    groups = value.str.extract_groups(_IPV4)
    parts = [groups.struct.field(str(i + 1)).str.strip_chars_start("0").replace("", "0") for i in range(octets)]
    zeros = [pl.lit("0")] * (4 - octets)
    ipv4 = pl.concat_str(*parts, *zeros, separator=".") + f"/{octets * 8}"
    head = value.str.split("::").list.first().str.split(":")
    pieces = [
        head.list.get(i, null_on_oob=True).fill_null("").str.strip_chars_start("0").replace("", "0")
        for i in range(hextets)
    ]
    ipv6 = pl.concat_str(*pieces, separator=":") + f"::/{hextets * 16}"
    return (
        pl.when(value.str.contains(_IPV4))
        .then(ipv4)
        .when(value.str.contains(_IPV6))
        .then(ipv6)
        .otherwise(value.str.slice(0, _MAX_LENGTH))
    )


def network() -> pl.Expr:
    """IPv4 → /24, IPv6 → /48."""
    return _prefix(3, 3)


def wide_network() -> pl.Expr:
    """IPv4 → /16, IPv6 → /32: what stands in for the provider as long as there is no ASN table."""
    return _prefix(2, 2)


def plain_action() -> pl.Expr:
    """Actions without their API date (``lambda:UpdateFunctionCode20150331v2``): the sensitive list names them bare."""
    return _VALUE.str.replace(r"\d{8}(v\d+)?$", "")


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
