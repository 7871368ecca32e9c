"""Rows of ``AwsEntityHour_CL`` out of what is known of principals.

Belongs here: columns, revisions and ids of rows. Does not belong here: what is known (``entity_hours``), sending.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.tables import load_schema

__all__ = ["ENTITY_HOUR_KEY", "RANKS", "entity_hour_rows"]

_TABLE = "AwsEntityHour_CL"
#: Identity of a roll-up.
ENTITY_HOUR_KEY = ("source", "source_table", "hour", "account", "principal")
#: Priorities by rank, 0 to 3.
RANKS = ("low", "medium", "high", "critical")
# Hundreds count the escalations, what follows the closings: a row after a close is newer than any row before it.
_REVISIONS = 100


def entity_hour_rows(known: pl.DataFrame, lists: Mapping[str, str], *, final: bool) -> pl.DataFrame:
    """A row for each principal: the table's own columns and ``EventId_CF``.

    Args:
        known: ``ENTITY_HOUR_SCHEMA``.
        lists: its list columns → their columns in the table.
        final: whether the hour is closed.
    """
    names = pl.Series(RANKS, dtype=pl.String)
    known = known.with_columns(revision=pl.col("escalations") * _REVISIONS + int(final))
    texts = {
        column: pl.Series(
            [
                json.dumps([item["value"] for item in items or []], ensure_ascii=False)
                for items in known[name].to_list()
            ],
            dtype=pl.String,
        )
        for name, column in lists.items()
    }
    columns = {
        "TimeGenerated": known.select(pl.coalesce("last_event", "hour")).to_series(),
        "HourStart": known["hour"],
        "SourceName": known["source"],
        "SourceTable": known["source_table"],
        "AccountId": known["account"],
        "Principal": known["principal"],
        "PrincipalType": known["principal_type"],
        "Revision": known["revision"],
        "Final": pl.Series([final], dtype=pl.Boolean).new_from_index(0, known.height),
        "Priority": names[known["rank"]],
        # Before the first row there was nothing that rose.
        "PreviousPriority": known.select(
            pl.when(pl.col("sent_rank") >= 1).then(
                pl.col("sent_rank").replace_strict(range(len(RANKS)), list(RANKS), return_dtype=pl.String)
            )
        ).to_series(),
        "AnomalyScore": known["score"],
        "ExpectedHoursPerDay": known["expected_hours"],
        "Confidence": known["confidence"],
        "Events": known["events"],
        "CriticalEvents": known["critical_events"],
        "HighEvents": known["high_events"],
        "MediumEvents": known["medium_events"],
        "Sensitivity": known["sensitivity"],
        "Reasons": known["reasons"],
        **texts,
        "FirstEvent": known["first_event"],
        "LastEvent": known["last_event"],
        "ModelVersion": known["model_version"],
        "EventId_CF": pl.Series(
            [_row_id(*row) for row in known.select(*ENTITY_HOUR_KEY, "revision").iter_rows()], dtype=pl.String
        ),
    }
    kinds = load_schema(_TABLE).polars_schema()
    return pl.DataFrame({name: values.cast(kinds[name]) for name, values in columns.items()})


def _row_id(source: str, source_table: str, hour: datetime, account: str, principal: str, revision: int) -> str:
    text = "\x1f".join((source, source_table, hour_key(hour), account, principal, str(revision)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
