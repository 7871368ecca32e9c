"""What a Parquet file says about its own size, read from its footer.

Belongs here: as much of the footer (Thrift compact protocol; format: github.com/apache/parquet-format, parquet.thrift)
as is needed to refuse a file before it is decoded. Does not belong here: reading rows. The library that reads them ends
the process when it is asked the same of a damaged footer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Footer", "FooterError", "read_footer"]

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_DEEPEST = 32
# Field numbers of parquet.thrift.
_ROWS, _ROW_GROUPS, _ENCRYPTION = 3, 4, 8
_COLUMNS = 1
_COLUMN_METADATA, _COLUMN_ENCRYPTION = 3, 8
_VALUES, _UNCOMPRESSED = 5, 6


class FooterError(Exception):
    """The bytes are no footer."""


@dataclass
class Footer:
    """What a footer states.

    Attributes:
        rows: rows of all row groups.
        values: values of all columns; more than rows times columns where there are lists.
        uncompressed: bytes of all pages, encoded but not compressed.
        encrypted: whether a key is needed.
    """

    rows: int = 0
    values: int = 0
    uncompressed: int = 0
    encrypted: bool = False


class _Reader:
    """Thrift compact values, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise FooterError("it stops in the middle")
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise FooterError("a number does not end")

    def number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a struct; the caller takes or skips its value before the next."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self.number()
            yield number, head & 15

    def elements(self) -> tuple[int, int]:
        """How many elements a list has, and their type."""
        head = self._byte()
        count = head >> 4
        return self._varint() if count == 15 else count, head & 15

    def skip(self, kind: int, depth: int = 0, *, element: bool = False) -> None:
        """Passes over a value; a boolean takes a byte only as an element."""
        if depth > _DEEPEST:
            raise FooterError("it is nested too deep")
        if kind in (_TRUE, _FALSE):
            self._at += element
        elif kind == _BYTE:
            self._at += 1
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            size = self._varint()  # moves on itself
            self._at += size
        elif kind in (_LIST, _SET):
            self._skip_elements(*self.elements(), depth)
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        else:
            raise FooterError(f"a value has the type {kind}")

    def _skip_elements(self, count: int, kind: int, depth: int) -> None:
        for _ in range(count):
            if self._at > len(self._data):
                raise FooterError("it stops in the middle")
            self.skip(kind, depth + 1, element=True)


def _read_column(reader: _Reader, footer: Footer) -> None:
    for number, kind in reader.fields():
        if number == _COLUMN_METADATA and kind == _STRUCT:
            for inner, inner_kind in reader.fields():
                if inner == _VALUES and inner_kind == _I64:
                    footer.values += max(reader.number(), 0)
                elif inner == _UNCOMPRESSED and inner_kind == _I64:
                    footer.uncompressed += max(reader.number(), 0)
                else:
                    reader.skip(inner_kind)
        else:
            footer.encrypted = footer.encrypted or (number, kind) == (_COLUMN_ENCRYPTION, _STRUCT)
            reader.skip(kind)


def _read_group(reader: _Reader, footer: Footer) -> None:
    for number, kind in reader.fields():
        if number == _COLUMNS and kind == _LIST:
            count, element = reader.elements()
            if element != _STRUCT:
                raise FooterError("its columns are no structs")
            for _ in range(count):
                _read_column(reader, footer)
        else:
            reader.skip(kind)


def read_footer(data: bytes) -> Footer:
    """Reads a footer, without the length and signature behind it.

    Raises:
        FooterError: it cannot be.
    """
    reader, footer = _Reader(data), Footer()
    for number, kind in reader.fields():
        if number == _ROWS and kind == _I64:
            footer.rows = max(reader.number(), 0)
        elif number == _ROW_GROUPS and kind == _LIST:
            count, element = reader.elements()
            if count and element != _STRUCT:
                raise FooterError("its row groups are no structs")
            for _ in range(count):
                _read_group(reader, footer)
        else:
            footer.encrypted = footer.encrypted or (number, kind) == (_ENCRYPTION, _STRUCT)
            reader.skip(kind)
    return footer
