"""Texts as a table of tokens with additive hashes, so that templates are compared by sums instead of strings.

Belongs here: splitting bodies, codes of tokens, hashes. Does not belong here: which tokens are values (``mining``).

The hash of a text is the sum (mod 2^64) of one mixed number for each token and place, so that a token is exchanged by
one subtraction and one addition. Hashes live within one call: codes are places in a sorted vocabulary, so equal inputs
in any order give equal results, and nothing of it is stored.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from s3sentinel_assets.ml.patterns.masks import ANY, TOKENS

__all__ = ["TokenTable", "mix", "token_table"]

_Numbers = np.ndarray
#: A place is six bits of a hash here and one bit of a mark in ``mining``. Tokens behind are not looked at.
_PLACES = 64
assert TOKENS < _PLACES  # noqa: S101 - bodies, with the mark of a cut, are compared as a whole


def mix(numbers: _Numbers) -> _Numbers:
    """SplitMix64 (Steele, Lea, Flood 2014): whole numbers to well spread ones, UInt64 to UInt64."""
    with np.errstate(over="ignore"):
        z = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


@dataclass
class TokenTable:
    """The tokens of n texts, one cell each, in order of text and place.

    Attributes:
        starts: Int64, shape (n + 1,): where each text's cells begin.
        row: Int64 per cell: its text.
        place: Int64 per cell: its place in the text.
        code: Int64 per cell: its token's place in ``vocabulary``.
        group: UInt64, shape (n,): hash of what must be equal: the head and the number of tokens.
        vocabulary: the distinct tokens, sorted.
        any: the code of ``<*>``.
    """

    starts: _Numbers
    row: _Numbers
    place: _Numbers
    code: _Numbers
    group: _Numbers
    vocabulary: pl.Series
    any: int

    @property
    def lengths(self) -> _Numbers:
        """Int64, shape (n,): tokens of each text."""
        return np.diff(self.starts)

    def cell_hashes(self, code: _Numbers | None = None) -> _Numbers:
        """UInt64 per cell: of its token at its place; ``code``: as if the cells held these tokens."""
        return hash_of(self.code if code is None else code, self.place)

    def wild_hashes(self) -> _Numbers:
        """UInt64 per cell: as if it held ``<*>``."""
        return hash_of(np.full_like(self.place, self.any), self.place)

    def row_hashes(self, cells: _Numbers) -> _Numbers:
        """UInt64, shape (n,): of whole texts with their group, from the hashes of their cells."""
        return self.sums(cells) + self.group

    def sums(self, values: _Numbers) -> _Numbers:
        """Shape (n,): the sum of ``values`` over each text's cells."""
        running = np.concatenate((np.zeros(1, values.dtype), np.cumsum(values, dtype=values.dtype)))
        return running[self.starts[1:]] - running[self.starts[:-1]]

    def texts(self) -> pl.Series:
        """The texts as they are now, shape (n,)."""
        cells = pl.DataFrame({"row": self.row, "token": self.vocabulary.gather(pl.Series(self.code))})
        joined = cells.group_by("row", maintain_order=True).agg(pl.col("token")).select(pl.col("token").list.join(" "))
        return joined.to_series()


def hash_of(code: _Numbers, place: _Numbers) -> _Numbers:
    """UInt64 per cell."""
    return mix(code.astype(np.uint64) * np.uint64(_PLACES) + place.astype(np.uint64))


def token_table(heads: pl.Series, bodies: pl.Series) -> TokenTable:
    """The tokens of texts.

    Args:
        heads: String, shape (n,): what must be equal for two texts to be of one template.
        bodies: String, shape (n,), tokens separated by single spaces; never null. 64 count.
    """
    lists = bodies.str.split(" ").list.head(_PLACES)
    lengths = lists.list.len().cast(pl.Int64).to_numpy()
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    tokens = lists.explode(empty_as_null=False)
    vocabulary = pl.concat([tokens, pl.Series([ANY], dtype=pl.String).rename(tokens.name)]).unique().sort()
    kind = pl.Enum(vocabulary)
    code = tokens.cast(kind).to_physical().cast(pl.Int64).to_numpy()
    known = heads.unique().sort()
    head = heads.cast(pl.Enum(known)).to_physical().cast(pl.Int64).to_numpy() if heads.len() else np.zeros(0, np.int64)
    row = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    wild = pl.Series([ANY], dtype=pl.String).cast(kind).to_physical()[0]
    return TokenTable(
        starts=starts,
        row=row,
        place=np.arange(len(row), dtype=np.int64) - np.repeat(starts[:-1], lengths),
        code=code.copy(),
        group=mix(mix(head) + lengths.astype(np.uint64)),
        vocabulary=vocabulary,
        any=int(wild),
    )
