"""Lists of named values, such as WAF's ``headers``: ``[{"name":"Host","value":"example.com"}, …]`` → columns.

Belongs here: picking values out of such lists, kept as JSON text, column-wise. Does not belong here: which names
matter.
"""

import re
from collections.abc import Sequence

import msgspec
import polars as pl

__all__ = ["named_values"]

_ANY = msgspec.json.Decoder()
_ESCAPED = msgspec.json.Decoder(str)


def named_values(
    texts: pl.Series, names: Sequence[str], *, name_key: str = "name", value_key: str = "value"
) -> pl.DataFrame:
    """Picks values by name.

    Args:
        texts: JSON texts of lists of objects; null and what is no such list have no values.
        names: the names wanted, in any case.
        name_key: the member that holds the name.
        value_key: the member that holds the value.

    Returns:
        A String column for each of ``names``, row by row with ``texts``: the first value of that name, escapes read; a
        value that is no text as its JSON text; null where there is none.
    """
    unusual = texts.str.contains("\\u", literal=True).fill_null(value=False)  # perhaps a name in disguise
    lowered = texts.str.to_lowercase()
    return pl.DataFrame([_picked(texts, lowered, unusual, name, name_key, value_key) for name in names])


def _picked(
    texts: pl.Series, lowered: pl.Series, unusual: pl.Series, name: str, name_key: str, value_key: str
) -> pl.Series:
    # A quote inside a text is escaped, so that no text can look like this.
    quoted = rf'"(?i:{re.escape(name)})"'
    begin = rf'\{{\s*"{re.escape(name_key)}"\s*:\s*{quoted}\s*,\s*"{re.escape(value_key)}"\s*:\s*'
    pair = begin + r'"((?:[^"\\]|\\.)*)"\s*[,}]'
    found = texts.str.extract(pair)
    # Written otherwise (other order, other members, no text), or there more than once: the first one counts.
    times = lowered.str.count_matches(f'"{name.lower()}"', literal=True)
    odd = ((times > found.is_not_null().cast(times.dtype)) | unusual).fill_null(value=False)
    escaped = found.str.contains("\\", literal=True).fill_null(value=False) & ~odd
    if escaped.any():
        rows = escaped.arg_true()
        read = [_ESCAPED.decode(f'"{value}"') for value in found.gather(rows)]
        found = found.scatter(rows, pl.Series(read, dtype=pl.String))
    if odd.any():
        rows = odd.arg_true()
        read = [_look_up(text, name.casefold(), name_key, value_key) for text in texts.gather(rows)]
        found = found.scatter(rows, pl.Series(read, dtype=pl.String))
    return found.alias(name)


def _look_up(text: str, name: str, name_key: str, value_key: str) -> str | None:
    try:
        entries = _ANY.decode(text)
    except (ValueError, RecursionError):
        return None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and str(entry.get(name_key)).casefold() == name:
            value = entry.get(value_key)
            if value is not None:
                return value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return None
