"""The fields of a kind of flow log, and the order in which a file has them.

Belongs here: reading header lines and configured orders. Does not belong here: the fields of any one kind, and reading
records.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

__all__ = ["NOTHING", "TIMES", "FieldOrder", "FlowFields", "as_field"]

#: How a field without a value is written.
NOTHING = "-"
#: Second in which the first packet of a flow came, and the last.
TIMES = ("start", "end")

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_SURE = frozenset({"srcaddr", "dstaddr", *TIMES})
# All field names together have less than a tenth of this.
_LONG_HEADER = 8 << 10


@dataclass(frozen=True)
class FieldOrder:
    """The fields of a line, in order.

    Attributes:
        fields: AWS names with hyphens; a repeated name has its position appended, which makes it unknown.
    """

    fields: tuple[str, ...]


@dataclass(frozen=True)
class FlowFields:
    """The fields that a kind of flow log can have.

    Attributes:
        names: those known, as AWS documents them. Others are kept aside.
        small: those with numbers of 32 bits.
        big: those with numbers of 64 bits.
        default: the order of a file without a header.
        foreign: names that are a sign of another kind.
        telling: names of which a header must have one; empty: none.
    """

    names: tuple[str, ...]
    small: frozenset[str]
    big: frozenset[str]
    default: tuple[str, ...]
    foreign: frozenset[str] = frozenset()
    telling: frozenset[str] = frozenset()

    @functools.cached_property
    def known(self) -> frozenset[str]:
        """``names`` for looking up."""
        return frozenset(self.names)

    def dtype(self, name: str) -> pl.DataType:
        """The type of a field's raw column."""
        if name in self.small:
            return pl.Int32()
        return pl.Int64() if name in self.big else pl.String()

    def has_number(self, names: Sequence[str]) -> bool:
        """Whether one of the fields holds a number."""
        return any(name in self.small or name in self.big for name in names)

    def read_header(self, line: bytes) -> FieldOrder | None:
        """The order that ``line`` states; None when it is no header of this kind.

        A header may be in capitals, have ``_`` for ``-``, and have each name in ``${}``; most names must be known.
        """
        # Records begin with a digit, mostly.
        if len(line) > _LONG_HEADER or not (line[:1].isalpha() or line[:2] == b"${"):
            return None
        return _read_header(self, line)

    def order_of(self, names: Sequence[str]) -> FieldOrder | None:
        """The order that a header or a record's keys state; None when most names are not of this kind.

        Newer versions bring many new fields: beside both times and both addresses, any number of others may stand.
        """
        fields = [as_field(name) for name in names]
        known = sum(name in self.known for name in fields)
        sure = set(fields) >= _SURE
        if len(fields) < 2 or (2 * known <= len(fields) and not sure) or not self.foreign.isdisjoint(fields):
            return None
        if self.telling and self.telling.isdisjoint(fields):
            return None
        return _numbered(fields)

    def stated(self, names: Sequence[str]) -> FieldOrder | None:
        """The order that a source's settings state; None when the settings are for another format."""
        fields = [as_field(name) for name in names]
        return _numbered(fields) if len(self.known.intersection(fields)) > 1 else None


def _numbered(fields: Sequence[str]) -> FieldOrder:
    """The order, repeated names told apart."""
    return FieldOrder(tuple(name if fields.index(name) == at else f"{name}#{at}" for at, name in enumerate(fields)))


def as_field(name: str) -> str:
    """A field's name as AWS writes it in text: Parquet has ``_`` for ``-``, log formats have ``${name}``."""
    return name.strip().strip("${}").lower().replace("_", "-")


@functools.lru_cache(maxsize=256)
def _read_header(kind: FlowFields, line: bytes) -> FieldOrder | None:
    try:
        names = line.decode("ascii").split()
    except UnicodeDecodeError:
        return None
    if not all(_NAME.fullmatch(as_field(name)) for name in names):
        return None
    return kind.order_of(names)
