"""Fields that a table keeps whole and also wants parts of, such as WAF's ``httpRequest``.

Belongs here: decoding such a field, kept as JSON text in the record, into columns of its own, and keeping what its
struct does not name. Does not belong here: the record itself (``decoding``).

Where unknown members are to be kept, at any depth, the field is decoded into structs that allow none. A value that has
some makes them known: from then on the structs, derived anew, keep them as JSON text, up to `LEARNED_FIELDS` of them.
"""

import re
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.json_logs.columns import UNFIT_ERRORS, columns_of, fits_columns
from s3sentinel_assets.formats.json_logs.decoding import ABSENT, LEARNED, LEARNED_FIELDS
from s3sentinel_assets.formats.json_logs.typed import TypedDecoder, Undecodable, plan_of, quoted

__all__ = ["InnerDecoder"]

# As in ``decoding``; a dot would make it look like a member of another one.
_LEARNABLE = re.compile(r'[^".\\\x00-\x1f]{1,200}')
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])

#: Names that lead to an object; none: the field itself.
_Path = tuple[str, ...]


@dataclass(frozen=True)
class _Odd:
    """A value that was decoded the careful way.

    Attributes:
        value: the struct.
        flags: what had to be changed.
        unknown: path → member → its JSON text.
        extra: JSON members, without braces, that the struct has no place for.
    """

    value: Any
    flags: Sequence[str]
    unknown: Mapping[_Path, Mapping[str, str]]
    extra: str | None


class InnerDecoder:
    """Decodes one raw field of many records.

    Attributes:
        kind: what the field holds.
        prefix: begins the columns' names: the field's name and a dot.
    """

    def __init__(
        self, record: type[msgspec.Struct], name: str, kind: type[msgspec.Struct], *, keep_unknown: bool = False
    ) -> None:
        """``name``: of the field in JSON; a ``msgspec.Raw`` in ``record``."""
        attributes = {field.name: field.attribute for field in plan_of(record) if field.kind is msgspec.Raw}
        self.kind = kind
        self.prefix = f"{name}."
        self._name = name
        self._raw = attrgetter(attributes[name])
        self._keep_unknown = keep_unknown
        self._learned: dict[_Path, list[str]] = {}
        self._derive()

    def _derive(self) -> None:
        self._read = _strict(self.kind, self._learned) if self._keep_unknown else self.kind
        self._decode = msgspec.json.Decoder(self._read | None).decode
        self._typed = TypedDecoder(self._read, allow_not_finite=True)
        self._nothing = self._read()

    def columns(
        self, records: Sequence[msgspec.Struct], flags: MutableSequence[str | None]
    ) -> tuple[dict[str, pl.Series], pl.Series | None]:
        """Its fields, row by row with ``records``; adds to their ``flags`` what had to be changed.

        Returns:
            Its columns; and its unknown members as one JSON object's text, named with the prefix and dots, null where
            there are none; None: no row has any.
        """
        raws = list(map(self._raw, records))
        odd: dict[int, _Odd] = {}
        values = self._decode_all(raws, odd)
        try:
            columns = columns_of(self._read, values, self.prefix)
        except UNFIT_ERRORS:
            for row, value in enumerate(values):
                if not fits_columns(self._read, value):
                    odd[row] = self._carefully(raws[row])
                    values[row] = odd[row].value
            columns = columns_of(self._read, values, self.prefix)
        for row, one in odd.items():
            had = flags[row]
            told = [had] if had else []
            told += [flag for flag in one.flags if flag not in told]
            flags[row] = ";".join(told) or None
        return columns, self._take_unknown(columns, odd)

    def _decode_all(self, raws: Sequence[msgspec.Raw], odd: dict[int, _Odd]) -> list[Any]:
        """All values, those of ``odd`` decoded the careful way."""
        values: list[Any] = []
        left = iter(raws)
        while True:
            try:
                # What was decoded before an exception stays in the list, and the iterator stands behind the culprit.
                values.extend(map(self._decode, left))
                break
            except (ValueError, RecursionError):
                row = len(values)
            one = self._carefully(raws[row])
            if self._learn(one.unknown):
                odd.clear()
                values, left = [], iter(raws)
                continue
            odd[row] = one
            values.append(one.value)
        return [value or self._nothing for value in values] if None in values else values

    def _carefully(self, raw: msgspec.Raw) -> _Odd:
        made, text = self._read(), bytes(raw)
        found = self._typed.members(text)
        if isinstance(found, Undecodable):
            written = text.decode(errors="replace")
            extra = _member(self._name, written) if self._keep_unknown and text != b"null" else None
            return _Odd(made, [f"drift:{self._name}={quoted(written)}"], {}, extra)
        values, flags = found
        self._typed.fill(made, values, flags, self.prefix)
        unknown = dict(_unknown(self._read, values)) if self._keep_unknown else {}
        members = [
            _member(self.prefix + ".".join((*path, name)), text)
            for path, others in unknown.items()
            for name, text in others.items()
        ]
        return _Odd(made, flags, unknown, ",".join(members) or None)

    def _learn(self, unknown: Mapping[_Path, Mapping[str, str]]) -> bool:
        """Makes unknown members known; False when there are none, or no room for all of them."""
        new = [(path, name) for path, others in unknown.items() for name in others]
        room = LEARNED_FIELDS - sum(map(len, self._learned.values()))
        if not new or len(new) > room or not all(_LEARNABLE.fullmatch(name) for _, name in new):
            return False
        for path, name in new:
            self._learned.setdefault(path, []).append(name)
        self._derive()
        return True

    def _take_unknown(self, columns: dict[str, pl.Series], odd: Mapping[int, _Odd]) -> pl.Series | None:
        """Takes the learned members out of ``columns``, and joins them."""
        names = sorted(self.prefix + ".".join((*path, name)) for path, names in self._learned.items() for name in names)
        texts = {name: columns.pop(name) for name in names}
        filled = [series for series in texts.values() if (series != "").any()]
        rest = {row: one.extra for row, one in odd.items() if one.extra}
        if not filled and not rest:
            return None
        members = [
            pl.when(pl.col(series.name) != "").then(pl.lit(_member(series.name, "")) + pl.col(series.name))
            for series in filled
        ]
        height = next(iter(columns.values())).len()
        careful = pl.Series("rest", [rest.get(row) for row in range(height)] if rest else [None] * height, pl.String)
        joined = pl.concat_str(*members, "rest", separator=",", ignore_nulls=True)
        whole = pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}"))).alias(EXTRA)
        return pl.DataFrame([*filled, careful]).select(whole).to_series()


def _strict(
    kind: type[msgspec.Struct], learned: Mapping[_Path, Sequence[str]], path: _Path = ()
) -> type[msgspec.Struct]:
    """A struct derived from ``kind`` that allows no unknown members, at any depth, and keeps the learned ones."""
    nested = [field for field in plan_of(kind) if issubclass(field.kind, msgspec.Struct)]
    names = {f"{LEARNED}{number}": name for number, name in enumerate(learned.get(path, ()))}
    return msgspec.defstruct(
        kind.__name__,
        [
            *((field.attribute, _strict(field.kind, learned, (*path, field.name)) | None, None) for field in nested),
            *((attribute, msgspec.Raw, ABSENT) for attribute in names),
        ],
        bases=(kind,),
        rename={field.attribute: field.name for field in nested} | names,
        forbid_unknown_fields=True,
        gc=False,
    )


def _unknown(
    kind: type[msgspec.Struct], values: Mapping[str, msgspec.Raw], path: _Path = ()
) -> Iterator[tuple[_Path, dict[str, str]]]:
    """The members that ``kind`` does not name, object by object."""
    known = {field.name: field.kind for field in plan_of(kind)}
    others = {name: bytes(raw).decode() for name, raw in sorted(values.items()) if name not in known}
    if others:
        yield path, others
    for name, inner in known.items():
        raw = values.get(name)
        if raw is not None and issubclass(inner, msgspec.Struct) and bytes(raw).startswith(b"{"):
            yield from _unknown(inner, _MEMBERS.decode(raw), (*path, name))


def _member(name: str, text: str) -> str:
    return f"{msgspec.json.encode(name).decode()}:{text}"
