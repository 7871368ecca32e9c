"""Destinations: the stream of a data collection rule, or of several, that rows of one table go to.

Belongs here: names and defaults. Does not belong here: which rows go there (``routing``, ``source``).
"""

from pydantic import Field, model_validator

from s3sentinel_assets.config.section import Section

__all__ = ["COMMON_TABLES", "ENTITY_HOURS_TABLE", "OVERFLOW_TABLE", "PATTERNS_TABLE", "Destination"]

#: Where texts go whole that are too long for a field.
OVERFLOW_TABLE = "S3Overflow_CL"
#: What principals did in an hour, summed up: a row each time that one's priority rises, and one at the hour's close.
ENTITY_HOURS_TABLE = "AwsEntityHour_CL"
#: Kinds of events that are new, vanished or out of their rate.
PATTERNS_TABLE = "S3Patterns_CL"
#: The tables that every source may send rows to, beside those of its formats. Their rows are no events of the account.
COMMON_TABLES = (OVERFLOW_TABLE, ENTITY_HOURS_TABLE, PATTERNS_TABLE)


class Destination(Section):
    """Where a source's rows of one table go: the stream of a data collection rule."""

    table: str
    stream: str | None = None
    dcr_id: str | None = None
    dcr_ids: tuple[str, ...] = Field(
        default=(), description="Several rules with the same stream: bodies are spread over them, past 2 GB a minute."
    )

    @model_validator(mode="after")
    def _one_way(self) -> "Destination":
        if self.dcr_id and self.dcr_ids:
            raise ValueError("dcr_id is the short form of one; move it into dcr_ids")
        if len(set(self.dcr_ids)) < len(self.dcr_ids):
            raise ValueError("dcr_ids names a rule twice")
        return self

    @property
    def stream_name(self) -> str:
        """The DCR stream; by default ``Custom-<table>``."""
        return self.stream or f"Custom-{self.table}"

    def rules(self, default: str) -> tuple[str, ...]:
        """The data collection rules, at least one; ``default`` where none is named."""
        return self.dcr_ids or (self.dcr_id or default,)
