"""OCSF events: Security Lake's Parquet files and JSON of other writers, versions 1.0 to 1.5.

Source: OCSF, "Open Cybersecurity Schema Framework" (schema.ocsf.io: base event, classes, objects); AWS, "Open
Cybersecurity Schema Framework (OCSF) in Security Lake" (docs.aws.amazon.com/security-lake/latest/userguide/
open-cybersecurity-schema-framework.html).

Belongs here: recognising events and the columns that several tables share. Does not belong here: the tables
(``tables``), fields (``fields``), decoding Parquet (``containers``).

``time`` is in milliseconds since 1970. Parquet writes every field of a class in every event: those that are null are
left out of the text that is kept, which makes it much shorter. Event ids are made from object and place:
``metadata.uid`` is the writer's own and need not be unique.
"""

from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_logs import TEXT, JsonParser, any_time, first_time, per_distinct
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


_DASHED = [
    f"{side}_endpoint.{name}"
    for side in ("src", "dst")
    for name in ("ip", "svc_name", "instance_uid", "interface_uid", "subnet_uid", "vpc_uid")
]
_NULL = r'"[A-Za-z0-9_][^"\\]*":null'
_NULLS = ((rf"([{{,])(?:{_NULL},)+", "${1}"), (rf"(?:,{_NULL})+\}}", "}"), (rf"\{{{_NULL}\}}", "{}"))


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
        """Adds the instants of start and end, and the first resource; takes nulls out of the whole text."""
        now = raw[TIME]
        first = raw.select(pl.coalesce("resources", "resource")).to_series()
        starts = ("start_time", "start_time_dt", "finding_info.first_seen_time", "finding_info.first_seen_time_dt")
        ends = ("end_time", "end_time_dt", "finding_info.last_seen_time", "finding_info.last_seen_time_dt")
        return raw.hstack(per_distinct(first, _first_resource, _RESOURCE_COLUMNS)).with_columns(
            # VPC flow logs have a dash where there is nothing, and Security Lake keeps it.
            *(pl.when(pl.col(name) != "-").then(name).alias(name) for name in _DASHED),
            first_time(*(any_time(raw[name]) for name in starts), now).alias("_start"),
            first_time(*(any_time(raw[name]) for name in ends), now).alias("_end"),
            _without_nulls(raw[TEXT]),
        )


def _without_nulls(texts: pl.Series) -> pl.Series:
    """JSON objects without members that are null.

    A quote that ends a text is never followed by a letter, and one inside a text follows a backslash: so what is taken
    out always is a member. Texts with space between members stay as they are.
    """
    if not texts.str.contains('":null', literal=True).any():
        return texts
    shorter = texts
    for pattern, left in _NULLS:
        shorter = shorter.str.replace_all(pattern, left)
    return shorter
