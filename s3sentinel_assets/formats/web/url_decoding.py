"""Percent-encoded text → plain text, column-wise.

Belongs here: undoing what a writer did to blanks and control characters. Does not belong here: parts of URLs
(``asim.values``), which stay encoded: that is how they are written.

Values such as user agents come again and again, so each distinct one is decoded once.
"""

import re
from urllib.parse import unquote

import polars as pl

__all__ = ["percent_decoded"]

_CODE = re.compile(r"%[0-9A-Fa-f]{2}")
#: Control characters stay encoded: a decoded line end would make two lines of one.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def percent_decoded(texts: pl.Series, *, twice: bool = False) -> pl.Series:
    """Texts with ``%20`` and the like decoded; null stays null.

    Args:
        texts: String.
        twice: decode once more what is still encoded then: ``%2520``, as some writers have it.
    """
    if not texts.str.contains("%", literal=True).any():
        return texts
    distinct = texts.filter(texts.str.contains("%", literal=True).fill_null(value=False)).unique()
    decoded = pl.Series([_decoded(text, 2 if twice else 1) for text in distinct], dtype=pl.String)
    return texts.replace(distinct, decoded)


def _decoded(text: str, times: int) -> str:
    for _ in range(times):
        if not _CODE.search(text):
            break
        # Bytes that are no UTF-8 would become U+FFFD and be lost: such a text stays as it is.
        plain = unquote(text, errors="replace")
        if "\ufffd" in plain or _CONTROL.search(plain):
            break
        text = plain
    return text
