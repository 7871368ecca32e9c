"""The log parser: one module per log format, detection, and the loop that turns a part's objects into frames.

Belongs here: everything from decoded bytes to rows in a Sentinel table's shape. Does not belong here: fetching
objects (``s3``), decompression (``containers``), storing or sending rows. To add a format: one module with a
`FormatParser`, one line in ``registry.FORMATS``, one schema in ``tables/schemas`` if the table is new.
"""

from s3sentinel_assets.formats.detection import Detection, detect
from s3sentinel_assets.formats.model import FormatParser, ObjectInput, ObjectReport, ParsedFrame, ParseOptions, Verdict
from s3sentinel_assets.formats.part import AccountingError, PartParser
from s3sentinel_assets.formats.registry import AUTO, FORMATS, format_names, format_parser
from s3sentinel_assets.formats.rejects import REJECT_SCHEMA

__all__ = [
    "AUTO",
    "FORMATS",
    "REJECT_SCHEMA",
    "AccountingError",
    "Detection",
    "FormatParser",
    "ObjectInput",
    "ObjectReport",
    "ParseOptions",
    "ParsedFrame",
    "PartParser",
    "Verdict",
    "detect",
    "format_names",
    "format_parser",
]
