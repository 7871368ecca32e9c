"""The catalogue that the configuration is checked with, against the parsers there are."""

import pytest

from s3sentinel_assets.config.formats import FIELD_FORMATS, FORMATS
from s3sentinel_assets.formats import format_names, format_parser
from s3sentinel_assets.ledger.schema import objects, shape
from s3sentinel_assets.ml.history.keys import FORMATS as SCORED
from s3sentinel_assets.tables import table_names

CATALOGUED = [name for name in format_names() if name in FORMATS]


def tables(mappings) -> set[str]:
    return {mapping.table for mapping in mappings}


def test_every_parser_is_in_the_catalogue() -> None:
    assert set(format_names()) - set(FORMATS) == set()


def test_every_table_of_the_catalogue_has_a_schema() -> None:
    named = {table for entry in FORMATS.values() for table in (*entry.native, *entry.asim)}
    assert named - set(table_names()) == set()
    assert all(entry.native or entry.asim for entry in FORMATS.values())


def test_what_is_said_of_formats_elsewhere_is_said_of_formats_there_are() -> None:
    assert set(SCORED) <= set(FORMATS)
    assert set(FIELD_FORMATS) <= set(FORMATS)


@pytest.mark.parametrize("name", CATALOGUED)
def test_a_parser_fills_the_tables_that_the_catalogue_names(name: str) -> None:
    parser, entry = format_parser(name), FORMATS[name]
    assert tables(parser.native) == set(entry.tables("native"))
    if parser.asim:
        assert tables(parser.asim) == set(entry.tables("asim"))


def test_the_catalogue_is_complete() -> None:
    assert format_names() == sorted(FORMATS)
    lacking = [
        name
        for name, entry in FORMATS.items()
        if tables(format_parser(name).asim or format_parser(name).native) != set(entry.tables("asim"))
    ]
    assert lacking == []


def test_an_object_may_hold_records_of_every_format() -> None:
    assert len("+".join(FORMATS)) <= objects.c.format.type.length
    assert max(map(len, FORMATS)) <= shape.c.format.type.length
