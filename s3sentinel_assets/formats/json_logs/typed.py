"""Decoding JSON records into typed structs, and by hand where a record drifts from the types.

Belongs here: the two ways of decoding and what is done about drift. Does not belong here: any one format's fields, and
decoding many good records at speed, which a plain msgspec decoder does.

Struct fields may be ``str``, ``int``, ``float``, ``bool`` or another struct, each ``| None``, or ``msgspec.Raw`` (kept
as the original JSON text). Where a record does not fit, all flagged unless nothing is lost:

* a number or boolean in a text field becomes its JSON text; ``"true"`` in a boolean field becomes true, ``"443"`` and
  ``443.0`` in a whole-number field become 443, ``"1.5"`` in a number field becomes 1.5 (none of these flagged);
* an object or array in a text field becomes its JSON text (``drift:<field>``);
* anything else that does not fit, also a whole number of more than 64 bits, becomes null and is quoted, up to 200
  characters (``drift:<field>=<text>``);
* invalid UTF-8 and unpaired surrogates become U+FFFD (``invalid_utf8``, ``lone_surrogate``);
* the words ``NaN``, ``Infinity`` and ``-Infinity``, which are no JSON, become null where a format allows that
  (``not_finite=<word>``); else the record is refused;
* of duplicate keys the last one counts. That is not flagged: finding them would cost more than decoding.
"""

import functools
import math
import re
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar, get_args

import msgspec

__all__ = ["INT64", "NULL", "PlannedField", "TypedDecoder", "Undecodable", "plan_of", "quoted"]

NULL = msgspec.Raw(b"null")
#: The whole numbers that a column can hold.
INT64 = range(-(1 << 63), 1 << 63)
_QUOTED = 200
_WHOLE = re.compile(rb"-?(?:0|[1-9]\d{0,18})")
# Whole numbers up to this size survive being written as a floating point number.
_EXACT_FLOAT = 1 << 53
_DIGITS = tuple(b"%d" % digit for digit in range(10))
_BOOLEANS = {b"true": True, b'"true"': True, b"false": False, b'"false"': False}
_SURROGATE = re.compile(
    rb"((?<!\\)(?:\\\\)*)((?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_PERHAPS_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR_LENGTH = 12
# A text, which is left alone, or a word for a number that is none.
_NOT_FINITE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|(-?\b(?:NaN|Infinity)\b)', re.DOTALL)

T = TypeVar("T", bound=msgspec.Struct)


def quoted(text: str) -> str:
    """A value as a flag may quote it: short, and without the separator of flags."""
    return text[:_QUOTED].replace(";", ",")


@dataclass(frozen=True)
class Undecodable:
    """A record that no row can be made of.

    Attributes:
        reason: slug: ``bad_json``, ``not_an_object`` or ``too_deep``.
        detail: one sentence.
    """

    reason: str
    detail: str


class PlannedField(NamedTuple):
    """A field of a struct.

    Attributes:
        attribute: its name in Python.
        name: its name in JSON.
        kind: what it holds besides None.
    """

    attribute: str
    name: str
    kind: type[Any]


@functools.cache
def plan_of(kind: type[msgspec.Struct]) -> tuple[PlannedField, ...]:
    """The fields of a struct, in order; cached, as looking types up is slow."""
    return tuple(
        PlannedField(
            field.name,
            field.encode_name,
            field.type if field.type is msgspec.Raw else get_args(field.type)[0],
        )
        for field in msgspec.structs.fields(kind)
    )


def _mend_surrogates(match: re.Match[bytes]) -> bytes:
    return match[0] if len(match[2]) == _PAIR_LENGTH else match[1] + rb"\ufffd"


class TypedDecoder(Generic[T]):
    """Decodes records into the struct ``kind``.

    Args of the constructor:
        kind: the struct.
        allow_not_finite: take ``NaN`` and the like for null.
    """

    def __init__(self, kind: type[T], *, allow_not_finite: bool = False) -> None:
        self._kind = kind
        self._allow_not_finite = allow_not_finite
        self._strict = msgspec.json.Decoder(kind)
        self._object = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._any = msgspec.json.Decoder()

    def decode(self, text: bytes) -> tuple[T, str | None] | Undecodable:
        """One record, and the flags that say what had to be changed."""
        try:
            return self._strict.decode(text), None
        except (ValueError, RecursionError):
            pass  # looked at closely below
        found = self.members(text)
        if isinstance(found, Undecodable):
            return found
        values, flags = found
        made = self._kind()
        self.fill(made, values, flags)
        return made, ";".join(flags) or None

    def members(self, text: bytes) -> tuple[dict[str, msgspec.Raw], list[str]] | Undecodable:
        """A record's members as JSON texts, whatever their types, and what had to be changed to read them."""
        flags: list[str] = []
        try:
            text.decode()
        except UnicodeDecodeError:
            flags.append("invalid_utf8")
            text = text.decode(errors="replace").encode()
        try:
            # Trying every place for a surrogate takes long; hardly any text has one.
            mended = _SURROGATE.sub(_mend_surrogates, text) if _PERHAPS_SURROGATE.search(text) else text
            if mended != text:
                flags.append("lone_surrogate")
            if not mended.lstrip().startswith(b"{"):
                return Undecodable("not_an_object", "the record is JSON, but no object")
            return self._members(mended, flags), flags
        except RecursionError:
            return Undecodable("too_deep", "the record is nested too deeply")
        except ValueError as error:
            return Undecodable("bad_json", f"the record is not JSON: {error}")

    def _members(self, text: bytes, flags: list[str]) -> dict[str, msgspec.Raw]:
        try:
            return self._object.decode(text)
        except msgspec.DecodeError:
            words: dict[str, None] = {}

            def as_null(match: re.Match[bytes]) -> bytes:
                if match[1] is None:
                    return match[0]
                words[match[1].decode()] = None
                return b"null"

            if not self._allow_not_finite or (mended := _NOT_FINITE.sub(as_null, text)) == text:
                raise
            values = self._object.decode(mended)
            flags += [f"not_finite={word}" for word in words]
            return values

    def fill(self, made: msgspec.Struct, values: dict[str, msgspec.Raw], flags: list[str], path: str = "") -> None:
        """Sets the fields of ``made``, a ``kind`` or derived from it; flags name a field by ``path`` and its name."""
        self._fill(self._kind, made, values, flags, path)

    def _fill(self, kind: type[Any], made: Any, values: dict[str, msgspec.Raw], flags: list[str], path: str) -> Any:
        for attribute, name, wanted in plan_of(kind):
            raw = values.get(name)
            if raw is None:
                continue
            if wanted is msgspec.Raw:
                setattr(made, attribute, raw)
            elif (text := bytes(raw)) != b"null":
                setattr(made, attribute, self._value(wanted, text, path + name, flags))
        return made

    def _value(self, wanted: type[Any], text: bytes, path: str, flags: list[str]) -> Any:
        if issubclass(wanted, msgspec.Struct):
            if text.startswith(b"{"):
                return self._fill(wanted, wanted(), self._object.decode(text), flags, path + ".")
        elif wanted is bool:
            if (known := _BOOLEANS.get(text.lower())) is not None:
                return known
        elif wanted is int:
            if (number := _whole(text)) is not None:
                return number
        elif wanted is float:
            if (number := _float(text)) is not None:
                return number
        else:
            if text.startswith(b'"'):
                return self._any.decode(text)
            if text.startswith((b"{", b"[")):
                flags.append(f"drift:{path}")
            return text.decode()
        flags.append(f"drift:{path}={quoted(text.decode())}")
        return None


def _whole(text: bytes) -> int | None:
    written = text[1:-1] if text.startswith(b'"') else text
    if _WHOLE.fullmatch(written):
        number = int(written)
        return number if number in INT64 else None
    exact = None if text.startswith(b'"') else _float(text)
    return int(exact) if exact is not None and exact.is_integer() and abs(exact) <= _EXACT_FLOAT else None


def _float(text: bytes) -> float | None:
    if not text.startswith((b'"', b"-", *_DIGITS)):
        return None
    try:
        number = float(text.strip(b'"'))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
