"""JSON texts of single values → what they say, column-wise.

Belongs here: for formats that keep fields as JSON text because they may hold anything. Does not belong here: fields
whose type is known (``columns``).
"""

from collections.abc import Sequence

import msgspec
import polars as pl

__all__ = ["plain_texts"]

_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[str])


def plain_texts(values: pl.Series) -> pl.Series:
    """JSON texts: of a text what it says, of anything else the JSON text; null and JSON null are null."""
    plain = values.str.strip_prefix('"').str.strip_suffix('"')
    escaped = (values.str.starts_with('"') & values.str.contains("\\", literal=True)).fill_null(value=False)
    if escaped.any():
        places = escaped.arg_true()
        plain = plain.scatter(places, _decoded(values.gather(places).to_list()))
    nothing = (values == "null").fill_null(value=False)
    return plain.set(nothing, None) if nothing.any() else plain


def _decoded(texts: Sequence[str]) -> list[str]:
    try:
        return _TEXTS.decode("[" + ",".join(texts) + "]")
    except ValueError:
        return [_decoded_one(text) for text in texts]


def _decoded_one(text: str) -> str:
    try:
        return _TEXT.decode(text)
    except ValueError:
        return text.strip('"')  # half a surrogate pair or the like: as it was written
