"""The numbers behind the names of the DNS.

Source: IANA, "Domain Name System (DNS) Parameters" (iana.org/assignments/dns-parameters).

Belongs here: record types, classes and response codes. Does not belong here: names from numbers (``values``).
"""

import polars as pl

__all__ = ["class_number", "rcode_number", "type_number"]

_TYPES = {
    "A": 1, "NS": 2, "MD": 3, "MF": 4, "CNAME": 5, "SOA": 6, "MB": 7, "MG": 8, "MR": 9, "NULL": 10, "WKS": 11,
    "PTR": 12, "HINFO": 13, "MINFO": 14, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "SIG": 24, "KEY": 25, "AAAA": 28,
    "LOC": 29, "SRV": 33, "NAPTR": 35, "KX": 36, "CERT": 37, "DNAME": 39, "OPT": 41, "APL": 42, "DS": 43, "SSHFP": 44,
    "IPSECKEY": 45, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "DHCID": 49, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52,
    "SMIMEA": 53, "HIP": 55, "CDS": 59, "CDNSKEY": 60, "OPENPGPKEY": 61, "CSYNC": 62, "ZONEMD": 63, "SVCB": 64,
    "HTTPS": 65, "SPF": 99, "EUI48": 108, "EUI64": 109, "TKEY": 249, "TSIG": 250, "IXFR": 251, "AXFR": 252,
    "MAILB": 253, "ANY": 255, "URI": 256, "CAA": 257, "TA": 32768, "DLV": 32769,
}  # fmt: skip
_CLASSES = {"IN": 1, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
_RCODES = {
    "NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5, "YXDOMAIN": 6, "YXRRSET": 7,
    "NXRRSET": 8, "NOTAUTH": 9, "NOTZONE": 10, "DSOTYPENI": 11, "BADVERS": 16, "BADKEY": 17, "BADTIME": 18,
    "BADMODE": 19, "BADNAME": 20, "BADALG": 21, "BADTRUNC": 22, "BADCOOKIE": 23,
}  # fmt: skip


def _numbers(names: pl.Expr, known: dict[str, int]) -> pl.Expr:
    return names.str.to_uppercase().replace_strict(known, default=None, return_dtype=pl.Int32)


def type_number(name: str) -> pl.Expr:
    """The number of the record type in the column ``name``: ``AAAA`` → 28, ``TYPE65400`` → 65400; null: unknown."""
    written = pl.col(name).str.to_uppercase().str.extract(r"^TYPE(\d{1,5})$").cast(pl.Int32, strict=False)
    return pl.coalesce(_numbers(pl.col(name), _TYPES), written)


def class_number(name: str) -> pl.Expr:
    """The number of the class in the column ``name``: ``IN`` → 1; null: unknown."""
    return _numbers(pl.col(name), _CLASSES)


def rcode_number(name: str) -> pl.Expr:
    """The number of the response code in the column ``name``: ``NXDOMAIN`` → 3; null: unknown."""
    return _numbers(pl.col(name), _RCODES)
