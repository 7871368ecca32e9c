"""Fields that a table keeps whole and also wants parts of, such as WAF's ``httpRequest``.

Belongs here: decoding such a field, kept as JSON text in the record, into columns of its own. Does not belong here: the
record itself (``decoding``).
"""

from collections.abc import MutableSequence, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_columns import UNFIT_ERRORS, columns_of, fits_columns
from s3sentinel_assets.formats.json_typed import TypedDecoder, Undecodable, plan_of

__all__ = ["InnerDecoder"]

_QUOTED = 200


class InnerDecoder:
    """Decodes one raw field of many records.

    Attributes:
        kind: what the field holds.
        prefix: begins the columns' names: the field's name and a dot.
    """

    def __init__(self, record: type[msgspec.Struct], name: str, kind: type[msgspec.Struct]) -> None:
        """``name``: of the field in JSON; a ``msgspec.Raw`` in ``record``."""
        attributes = {field.name: field.attribute for field in plan_of(record) if field.kind is msgspec.Raw}
        self.kind = kind
        self.prefix = f"{name}."
        self._name = name
        self._raw = attrgetter(attributes[name])
        self._decode = msgspec.json.Decoder(kind | None).decode
        self._typed = TypedDecoder(kind, allow_not_finite=True)
        self._nothing = kind()

    def columns(self, records: Sequence[msgspec.Struct], flags: MutableSequence[str | None]) -> dict[str, pl.Series]:
        """Its fields as columns, row by row with ``records``; adds to their ``flags`` what had to be changed."""
        try:
            values = [self._decode(raw) or self._nothing for raw in map(self._raw, records)]
            return columns_of(self.kind, values, self.prefix)
        except (ValueError, RecursionError, *UNFIT_ERRORS):
            values = [self._decode_one(self._raw(record), row, flags) for row, record in enumerate(records)]
            return columns_of(self.kind, values, self.prefix)

    def _decode_one(self, raw: msgspec.Raw, row: int, flags: MutableSequence[str | None]) -> Any:
        try:
            value = self._decode(raw) or self._nothing
            if fits_columns(self.kind, value):
                return value
        except (ValueError, RecursionError):
            pass  # looked at closely below
        made, told = self.kind(), [flags[row]] if flags[row] else []
        found = self._typed.members(bytes(raw))
        if isinstance(found, Undecodable):
            told.append(f"drift:{self._name}={bytes(raw).decode(errors='replace')[:_QUOTED]}")
        else:
            values, changed = found
            self._typed.fill(made, values, changed, self.prefix)
            told += [flag for flag in changed if flag not in told]
        flags[row] = ";".join(told)
        return made
