"""Prefix templates: which fields a source's prefix may have, and where.

Belongs here: checking a template. Does not belong here: finding the prefixes that a template stands for (``s3``).
"""

import itertools
import string

__all__ = ["DATE_FIELDS", "check_prefix"]

_FOUND_FIELDS = ("account", "region", "organization", "folder")
DATE_FIELDS = ("yyyy", "mm", "dd", "hh")  # coarse to fine
_UNPADDED_FIELDS = {"m": "mm", "d": "dd"}  # the same without leading zeros


def check_prefix(template: str) -> None:
    """Checks a prefix template.

    Raises:
        ValueError: it is none; the text says what to change.
    """
    if template.startswith("/"):
        raise ValueError("must not start with '/': S3 keys have no leading slash")
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"has an unpaired brace ({error}); a brace that is meant as such is written twice") from None
    _check_fields(pieces)


def _check_fields(pieces: list[tuple[str, str | None, str | None, str | None]]) -> None:
    """Checks the fields of a prefix template, which comes as `string.Formatter.parse` cuts it."""
    known = (*_FOUND_FIELDS, *DATE_FIELDS, *_UNPADDED_FIELDS)
    for _, name, format_spec, conversion in pieces:
        if name is not None and (name not in known or format_spec or conversion):
            raise ValueError(f"unknown field {{{name}}}; known are {', '.join(f'{{{field}}}' for field in known)}")
    names = [name for _, name, _, _ in pieces if name is not None]
    levels = {_UNPADDED_FIELDS.get(name, name) for name in names}
    for coarser, finer in itertools.pairwise(DATE_FIELDS):
        if finer in levels and coarser not in levels:
            written = next(name for name in names if _UNPADDED_FIELDS.get(name, name) == finer)
            raise ValueError(f"has {{{written}}} without {{{coarser}}}; add {{{coarser}}}, or leave {{{written}}} out")
    for (_, name, _, _), (behind, *_) in itertools.pairwise([*pieces, ("", None, None, None)]):
        if name in _UNPADDED_FIELDS and (not behind or behind[0].isdigit()):
            raise ValueError(f"needs a character that is no digit right behind {{{name}}}, which has one digit or two")
    folders: list[list[str]] = [[]]  # the fields in each folder's name; the last is no folder
    for text, name, _, _ in pieces:
        folders.extend([] for _ in range(text.count("/")))
        folders[-1] += [name] if name is not None else []
    elsewhere = {name for fields in folders[:-1] for name in fields} - {"folder"}  # known by then
    if (set(folders[-1]) - elsewhere) & set(_FOUND_FIELDS):
        raise ValueError(
            "needs a '/' behind the last {account}, {region}, {organization} or {folder}: only folders can be found"
        )
    if any("folder" in fields and len(fields) > 1 for fields in folders):
        raise ValueError("has another field beside {folder} in one folder's name; {folder} must be alone there")
