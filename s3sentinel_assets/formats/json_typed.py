"""Decoding JSON records into typed structs, and by hand where a record drifts from the types.

Belongs here: the two ways of decoding and what is done about drift. Does not belong here: any one format's fields, and
decoding many good records at speed, which a plain msgspec decoder does.

Struct fields carry their JSON names and may be ``str | None``, ``bool | None``, another struct ``| None`` or
``msgspec.Raw`` (kept as the original JSON text). Where a record does not fit, all flagged unless nothing is lost:

* a number or boolean in a text field becomes its JSON text, ``"true"`` in a boolean field becomes true (not flagged);
* an object or array in a text field becomes its JSON text (``drift:<field>``);
* anything else that does not fit becomes null and is quoted, up to 200 characters (``drift:<field>=<text>``);
* invalid UTF-8 and unpaired surrogates become U+FFFD (``invalid_utf8``, ``lone_surrogate``);
* of duplicate keys the last one counts.
"""

import functools
import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args

import msgspec

__all__ = ["NULL", "TypedDecoder", "Undecodable", "plan_of"]

NULL = msgspec.Raw(b"null")
_QUOTED = 200
_BOOLEANS = {b"true": True, b'"true"': True, b"false": False, b'"false"': False}
_SURROGATE = re.compile(
    rb"((?<!\\)(?:\\\\)*)((?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_PAIR_LENGTH = 12

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True)
class Undecodable:
    """A record that no row can be made of.

    Attributes:
        reason: slug: ``bad_json``, ``not_an_object`` or ``too_deep``.
        detail: one sentence.
    """

    reason: str
    detail: str


@functools.cache
def plan_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, type[Any]], ...]:
    """Each field's name in JSON and what it holds besides None; cached, as looking types up is slow."""
    return tuple(
        (field.encode_name, field.type if field.type is msgspec.Raw else get_args(field.type)[0])
        for field in msgspec.structs.fields(kind)
    )


def _mend_surrogates(match: re.Match[bytes]) -> bytes:
    return match[0] if len(match[2]) == _PAIR_LENGTH else match[1] + rb"\ufffd"


class TypedDecoder(Generic[T]):
    """Decodes records into the struct ``kind``."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._strict = msgspec.json.Decoder(kind)
        self._object = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._any = msgspec.json.Decoder()

    def decode(self, text: bytes) -> tuple[T, str | None] | Undecodable:
        """One record, and the flags that say what had to be changed."""
        try:
            return self._strict.decode(text), None
        except (ValueError, RecursionError):
            pass  # looked at closely below
        flags: list[str] = []
        try:
            text.decode()
        except UnicodeDecodeError:
            flags.append("invalid_utf8")
            text = text.decode(errors="replace").encode()
        try:
            mended = _SURROGATE.sub(_mend_surrogates, text)
            if mended != text:
                flags.append("lone_surrogate")
            if not mended.lstrip().startswith(b"{"):
                return Undecodable("not_an_object", "the record is JSON, but no object")
            values = self._object.decode(mended)
        except RecursionError:
            return Undecodable("too_deep", "the record is nested too deeply")
        except ValueError as error:
            return Undecodable("bad_json", f"the record is not JSON: {error}")
        return self._coerce(self._kind, values, "", flags), ";".join(flags) or None

    def _coerce(self, kind: type[Any], values: dict[str, msgspec.Raw], path: str, flags: list[str]) -> Any:
        made = kind()
        for name, wanted in plan_of(kind):
            raw = values.get(name)
            if raw is None:
                continue
            if wanted is msgspec.Raw:
                setattr(made, name, raw)
            elif (text := bytes(raw)) != b"null":
                setattr(made, name, self._value(wanted, text, path + name, flags))
        return made

    def _value(self, wanted: type[Any], text: bytes, path: str, flags: list[str]) -> Any:
        if issubclass(wanted, msgspec.Struct):
            if text.startswith(b"{"):
                return self._coerce(wanted, self._object.decode(text), path + ".", flags)
        elif wanted is bool:
            if (known := _BOOLEANS.get(text.lower())) is not None:
                return known
        else:
            if text.startswith(b'"'):
                return self._any.decode(text)
            if text.startswith((b"{", b"[")):
                flags.append(f"drift:{path}")
            return text.decode()
        flags.append(f"drift:{path}={text.decode()[:_QUOTED]}")
        return None
