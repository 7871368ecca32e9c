"""OCSF events: Security Lake's Parquet files and JSON of other writers, versions 1.0 to 1.5.

Source: OCSF, "Open Cybersecurity Schema Framework" (schema.ocsf.io: base event, classes, objects); AWS, "Open
Cybersecurity Schema Framework (OCSF) in Security Lake" (docs.aws.amazon.com/security-lake/latest/userguide/
open-cybersecurity-schema-framework.html).

Belongs here: recognising events and the columns that several tables share. Does not belong here: the tables
(``tables``), fields (``fields``), decoding Parquet (``containers``).

``time`` is in milliseconds since 1970. Event ids are made from object and place: ``metadata.uid`` is the writer's own
and need not be unique.
"""

from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_logs import JsonParser, any_time, first_time, per_distinct
from s3sentinel_assets.formats.mapping import TIME, TableMapping
from s3sentinel_assets.formats.ocsf.fields import INSIDE, Record
from s3sentinel_assets.formats.ocsf.tables import MAPPINGS

__all__ = ["OcsfParser"]


class _Resource(msgspec.Struct):
    """An entry of ``resources``, or ``resource``."""

    uid: str | None = None
    name: str | None = None
    type: str | None = None


_RESOURCES = msgspec.json.Decoder(list[_Resource] | _Resource)
_RESOURCE_COLUMNS = {"_resource": pl.String(), "_resource_name": pl.String(), "_resource_type": pl.String()}


def _first_resource(text: str) -> tuple[str | None, str | None, str | None]:
    """Id, name and type of the first resource."""
    try:
        found = _RESOURCES.decode(text)
    except (ValueError, RecursionError):
        return None, None, None  # the kept text has it as it is
    first = (found[0] if found else _Resource()) if isinstance(found, list) else found
    return first.uid, first.name, first.type


class OcsfParser(JsonParser):
    """Parses OCSF events of any class."""

    name: ClassVar[str] = "ocsf"
    title: ClassVar[str] = "an OCSF event"
    native: ClassVar[tuple[TableMapping, ...]] = MAPPINGS
    keep_text: ClassVar[bool] = True
    # Each class has fields of its own, and all of them are in the kept text.
    keep_unknown: ClassVar[bool] = False
    Record = Record
    inside: ClassVar = INSIDE
    required: ClassVar = ("class_uid", "metadata", ("time", "time_dt"))
    telling: ClassVar = (
        "class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "metadata", "time", "class_name",
    )  # fmt: skip
    telling_enough: ClassVar[int] = 5

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """``time``, else ``time_dt``."""
        return first_time(any_time(frame["time"]), any_time(frame["time_dt"]))

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the instants of start and end, and the first resource."""
        now = raw[TIME]
        first = raw.select(pl.coalesce("resources", "resource")).to_series()
        return raw.hstack(per_distinct(first, _first_resource, _RESOURCE_COLUMNS)).with_columns(
            first_time(any_time(raw["start_time"]), now).alias("_start"),
            first_time(any_time(raw["end_time"]), now).alias("_end"),
        )
