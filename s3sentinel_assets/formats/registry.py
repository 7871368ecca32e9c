"""The table of formats the project knows.

Belongs here: name → parser class, nothing else. A new format adds one import path.
"""

import functools
import importlib

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.formats.model import FormatParser

__all__ = ["AUTO", "FORMATS", "format_names", "format_parser"]

#: Recognise each object by its content.
AUTO = "auto"

#: Format name → module:class. Modules are imported when first needed.
FORMATS: dict[str, str] = {
    "alb": "s3sentinel_assets.formats.alb:AlbParser",
    "cloudtrail": "s3sentinel_assets.formats.cloudtrail.parser:CloudTrailParser",
    "vpc_flow": "s3sentinel_assets.formats.vpc_flow.parser:VpcFlowParser",
}


def format_names() -> list[str]:
    """The known formats, sorted."""
    return sorted(FORMATS)


@functools.cache
def format_parser(name: str) -> type[FormatParser]:
    """The parser class of the format ``name``.

    Raises:
        ConfigurationError: there is no such format.
    """
    if name not in FORMATS:
        raise ConfigurationError(f"unknown format {name!r}; known formats: {AUTO}, {', '.join(format_names())}")
    module, _, attribute = FORMATS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
