"""The engine for logs with one record a line: cutting, headers, a fast way for good lines, a careful one for the rest.

Belongs here: everything that such formats have in common. Does not belong here: any one format; each is a module beside
this package with a subclass of `LineParser`, mostly of `DelimitedParser`.
"""

from s3sentinel_assets.formats.line_logs.delimited import DelimitedParser, split_fields
from s3sentinel_assets.formats.line_logs.fields import Fields, read_fields
from s3sentinel_assets.formats.line_logs.parser import BadLine, CarefulLines, LineParser

__all__ = [
    "BadLine",
    "CarefulLines",
    "DelimitedParser",
    "Fields",
    "LineParser",
    "read_fields",
    "split_fields",
]
