"""The fields of a prefix template and what they look like in a key.

Belongs here: cutting a template into pieces and the table of fields. Does not belong here: asking a bucket
(``prefixes``), understanding a key (``key_grammar``), which templates are allowed (``config.SourceSettings.prefix``).
"""

import string
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

__all__ = ["FOLDER", "FOUND", "PADDED", "UNPADDED", "Piece", "fill", "is_found", "pattern_of", "segments"]

#: Any one folder. It may stand several times, each with a value of its own: ``folder1``, ``folder2``…
FOLDER = "folder"

#: Fields whose values are found in the bucket.
FOUND = {
    "account": "[0-9]{12}",
    "organization": "o-[a-z0-9]{10,32}",
    "region": "[a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2}",
    FOLDER: "[^/]+",
}

_TEXTS: dict[str, tuple[str, Callable[[datetime], str]]] = {
    "yyyy": ("[0-9]{4}", lambda slot: f"{slot.year:04d}"),
    "mm": ("(?:0[1-9]|1[0-2])", lambda slot: f"{slot.month:02d}"),
    "dd": ("(?:0[1-9]|[12][0-9]|3[01])", lambda slot: f"{slot.day:02d}"),
    "hh": ("(?:[01][0-9]|2[0-3])", lambda slot: f"{slot.hour:02d}"),
    "m": ("(?:1[0-2]|[1-9])", lambda slot: str(slot.month)),
    "d": ("(?:[12][0-9]|3[01]|[1-9])", lambda slot: str(slot.day)),
}

#: Date fields of fixed width, coarse to fine: text made of these in this order sorts by time.
PADDED = ("yyyy", "mm", "dd", "hh")
#: Date fields without leading zeros, as AWS Config writes them, and the padded ones that say the same.
UNPADDED = {"m": "mm", "d": "dd"}

#: Literal text and the field behind it.
Piece = tuple[str, str | None]


def segments(template: str) -> list[list[Piece]]:
    """The template cut behind each ``/``, each segment as pieces; folders are numbered."""
    result: list[list[Piece]] = [[]]
    folders = 0
    for literal, field, _, _ in string.Formatter().parse(template):
        *whole, rest = literal.split("/")
        for text in whole:
            result[-1].append((text + "/", None))
            result.append([])
        if field == FOLDER:
            folders += 1
            field = f"{FOLDER}{folders}"
        result[-1].append((rest, field))
    return [segment for segment in result if any(text or field for text, field in segment)]


def is_found(field: str) -> bool:
    """Whether a field's value has to be found in the bucket (else it follows from the time)."""
    return field not in _TEXTS


def pattern_of(field: str) -> str:
    """What a field's value looks like, as a regular expression without groups."""
    if field in _TEXTS:
        return _TEXTS[field][0]
    return FOUND.get(field) or FOUND[FOLDER]


def fill(pieces: Sequence[Piece], slot: datetime, found: Mapping[str, str]) -> str:
    """The pieces as text; every field that is no date must be in ``found``."""
    text = ""
    for literal, field in pieces:
        text += literal
        if field is not None:
            text += _TEXTS[field][1](slot) if field in _TEXTS else found[field]
    return text
