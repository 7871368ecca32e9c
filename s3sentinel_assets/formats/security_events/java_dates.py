"""Date patterns of Java (``MMM dd yyyy HH:mm:ss.SSS``) → patterns that Polars reads.

Source: "SimpleDateFormat" (docs.oracle.com/javase/8/docs/api/java/text/SimpleDateFormat.html); IBM, "Custom event date
format", names it for ``devTimeFormat``.

Belongs here: rewriting a pattern. Does not belong here: reading times.
"""

import re
from dataclasses import dataclass

__all__ = ["DatePattern", "strptime_format"]

_LETTERS = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")
_TOKENS = {
    "yyyy": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%e",
    "EEEE": "%A", "EEE": "%a", "HH": "%H", "H": "%k", "hh": "%I", "h": "%l", "mm": "%M", "ss": "%S", "a": "%p",
    "SSS": "%3f", "SSSSSS": "%6f", "Z": "%z", "XXX": "%:z", "XX": "%z", "X": "%#z",
}  # fmt: skip
_ZONES = {"Z", "X", "XX", "XXX"}


@dataclass(frozen=True)
class DatePattern:
    """A pattern for `polars.Series.str.to_datetime`.

    Attributes:
        text: the pattern.
        zoned: whether it reads a zone.
    """

    text: str
    zoned: bool


def strptime_format(pattern: str) -> DatePattern | None:
    """The same pattern for Polars; None where it has no whole date and time, or a letter with no counterpart."""
    made, seen = list[str](), set[str]()
    for match in _LETTERS.finditer(pattern):
        token = match[0]
        if match[2] is None:
            made.append(((match[1] or "'") if token.startswith("'") else token).replace("%", "%%"))
        elif token in _TOKENS:
            made.append(_TOKENS[token])
            seen.add(token)
        else:
            return None
    whole = (
        seen & {"yyyy", "yy"} and seen & {"MMMM", "MMM", "MM", "M"} and seen & {"dd", "d"}
        and ("HH" in seen or "H" in seen or ("a" in seen and seen & {"hh", "h"})) and "mm" in seen
    )  # fmt: skip
    return DatePattern("".join(made), bool(seen & _ZONES)) if whole else None
