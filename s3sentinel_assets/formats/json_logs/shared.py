"""Values that many records have in common, such as who called: each distinct text is decoded, and computed with, once.

Belongs here: from the JSON texts of one field to a frame of its distinct values, and each record's place in that frame.
Does not belong here: what is computed from the values.
"""

from collections.abc import Callable, Iterable
from itertools import repeat

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_logs.columns import columns_of, null_raw

__all__ = ["SharedValues"]

# Values that become columns at once, and texts remembered: both bound what is held when all values differ.
_STEP = 1_000
_REMEMBERED = 8_192

_Key = tuple[bytes, str | None]


class _Places(dict[_Key, int]):
    """Text, with the text beside it → place; asks for the place of what it does not know."""

    def __init__(self, placed: Callable[[bytes, str | None], int]) -> None:
        super().__init__()
        self._placed = placed

    def __missing__(self, key: _Key) -> int:
        place = self._placed(*key)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[key] = place
        return place


class SharedValues:
    """The distinct values of one field.

    Args of the constructor:
        kind: what the field holds; absent and null stand for one without any value.
        prefix: begins the columns' names.
        beside: column for the text that is kept with each value; None when there is none.
    """

    def __init__(self, kind: type[msgspec.Struct], prefix: str, *, beside: str | None = None) -> None:
        self._kind, self._prefix, self._beside = kind, prefix, beside
        self._decoder = msgspec.json.Decoder(kind | None)
        self._nothing = kind()
        self._places = _Places(self._placed)
        self._clear()

    def _clear(self) -> None:
        self._places.clear()
        self._frames: list[pl.DataFrame] = []
        self._finished = 0
        self._clear_step()

    def _clear_step(self) -> None:
        self._values: list[msgspec.Struct] = []
        self._texts_beside: list[str | None] = []

    def places(self, texts: Iterable[msgspec.Raw], beside: Iterable[str | None] = repeat(None)) -> list[int]:
        """Each text's place in the frame of the next `take`.

        Raises:
            ValueError, RecursionError: a text does not fit; use `place` for what could be made of it.
        """
        return list(map(self._places.__getitem__, zip(map(bytes, texts), beside, strict=False)))

    def _placed(self, text: bytes, beside: str | None) -> int:
        text.decode()  # decoding does not look into raw fields
        return self.place(self._decoder.decode(text), beside)

    def place(self, value: msgspec.Struct | None, beside: str | None = None) -> int:
        """The place of a value that is not looked for among the others."""
        self._values.append(value or self._nothing)
        self._texts_beside.append(beside)
        place = self._finished + len(self._values) - 1
        if len(self._values) >= _STEP:
            self._finish_step()
        return place

    def _finish_step(self) -> None:
        columns = columns_of(self._kind, self._values, self._prefix)
        if self._beside is not None:
            columns[self._beside] = pl.Series(self._texts_beside, dtype=pl.String())
        self._frames.append(pl.DataFrame(columns))
        self._finished += len(self._values)
        self._clear_step()

    def take(self) -> pl.DataFrame:
        """The values placed since the last call, as `columns_of` names their fields; places begin at 0 again."""
        if self._values:
            self._finish_step()
        frame = pl.concat(self._frames, rechunk=True).with_columns(null_raw(self._kind, self._prefix))
        self._clear()
        return frame
