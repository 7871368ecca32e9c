"""What policies and filters can say of a prefix template: they know no fields, only fixed text and wildcards.

Belongs here: template → pattern or prefix. Does not belong here: the template's grammar (``s3.key_template``), the
policies and rules themselves (``role``, ``notifications``).

Everything here may match more keys than the template, never fewer: a listing that is denied or an object that nobody
announces would be felt, a message too many is only counted.
"""

from collections.abc import Iterable

from s3sentinel_assets.s3.key_grammar import KeyGrammar
from s3sentinel_assets.s3.key_template import is_found, segments

__all__ = ["event_prefix", "key_pattern", "list_pattern", "shortest", "static_start"]

#: Characters of keys that mean themselves in the filters of S3's notifications. Others have to be URL-encoded there (S3
#: user guide, "Configuring event notifications using object key name filtering"), and ``*`` is refused.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/!-_.'()")
_WILDCARD = {"*": "?", "?": "?", "$": "?"}  # IAM reads ${…} as a variable


def static_start(template: str) -> str:
    """The text that all keys of the template begin with."""
    return KeyGrammar(template).start


def shortest(starts: Iterable[str]) -> tuple[str, ...]:
    """Those texts that begin with none of the others, sorted: together they cover all."""
    found: list[str] = []
    for start in sorted(set(starts)):
        if not any(start.startswith(other) for other in found):
            found.append(start)
    return tuple(found)


def list_pattern(start: str) -> str:
    """The IAM pattern of all prefixes that are listed below a `static_start`.

    Folders are found by listing the start itself, and a listing may be narrowed to any beginning of a key, so the fixed
    text alone is what all these prefixes have in common.
    """
    return _wildcards(f"{_literal(start)}*")


def key_pattern(template: str) -> str:
    """The IAM pattern of the template's keys: a wildcard for each field, and for all from the first date on."""
    pattern = ""
    for literal, field in (piece for segment in segments(template) for piece in segment):
        pattern += _literal(literal)
        if field is not None and not is_found(field):
            return _wildcards(pattern + "*")
        pattern += "" if field is None else "*"
    return _wildcards(pattern + "*")


def event_prefix(start: str) -> str:
    """The longest beginning of a `static_start` that means itself in every filter for events."""
    end = next((place for place, character in enumerate(start) if character not in _PLAIN), len(start))
    return start[:end]


def _literal(text: str) -> str:
    """Text inside an IAM pattern; policies are Latin-1, so that a wildcard stands for what may be none."""
    return "".join(_WILDCARD.get(character, character) if character.isascii() else "*" for character in text)


def _wildcards(pattern: str) -> str:
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    return pattern
