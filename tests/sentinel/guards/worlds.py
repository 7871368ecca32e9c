"""One offline workspace with rows that are hard to compare, and the same rows as routing sees them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from s3sentinel_assets.local.workspace.definitions import Catalogue
from s3sentinel_assets.local.workspace.query import Query, QueryApi
from s3sentinel_assets.local.workspace.rows import RowReader
from s3sentinel_assets.local.workspace.storage import Storage
from s3sentinel_assets.sentinel.guards import extract, own_workspace
from s3sentinel_assets.sentinel.guards.model import VERSION, GuardFile, Guards, RuleGuard
from s3sentinel_assets.sentinel.packing import body
from s3sentinel_assets.sentinel.render import render_rows
from s3sentinel_assets.tables import load_schema

TABLE = "Zeek_CL"
OTHER = "AWSCloudTrail"
NOW = datetime.now(UTC).replace(microsecond=0)
OWN = own_workspace()

TEXTS = [
    None, "", "root", "Root", "ROOT", "roots", "a-root-b", "a_root", "root.", "it's", "50%", "5_0", "x\\y", "a\nroot",
    "groß", "ſ root", "\u212a", "İ", "null", "uproot root", " root", "r", "List", "ListUsers", "aws-cli/2 root",
    "(a|b)",     "a" * 70_000 + "root",
]  # fmt: skip
NUMBERS = [None, 0, 1, 5, -1, 443, 2**31 - 1]
REALS = [None, 0.0, 0.5, 5.994, 5.996, 6.0, -1.25, 1e300]
BAGS = [
    None,
    '{"a": 1}',
    '{"a":"root", "b":[1.50, 2]}',
    '"root"',
    "null",
    "[]",
    '{"a":"\\u0072oot"}',
    "no json root",
    '""',
]


@dataclass(frozen=True, repr=False)
class World:
    """``frame``: the rows of `TABLE` and `OTHER` by table, scores among them; ``api`` answers from the workspace."""

    api: QueryApi
    frames: dict[str, pl.DataFrame]

    def ask(self, kql: str) -> list[list[Any]]:
        return self.api.run(Query(kql)).rows

    def kept(self, query: str, table: str = TABLE) -> set[str]:
        """The events of ``table`` that the guard of ``query`` keeps."""
        guards = guards_of(query)
        frame = self.frames[table]
        needed = guards.expression(table, frame.columns)
        if needed is None:
            return set()
        return set(frame.filter(needed)["EventId_CF"])


def guards_of(query: str) -> Guards:
    return Guards(GuardFile(VERSION, [RuleGuard("", "rule", "", True, extract(query, OWN))]))


def _zeek() -> pl.DataFrame:
    kinds = load_schema(TABLE).polars_schema()
    records = []
    for index in range(3 * len(TEXTS)):
        records.append(
            {
                "Service": TEXTS[index % len(TEXTS)],
                "Host": TEXTS[(index * 7 + 3) % len(TEXTS)],
                "IdOrigP": NUMBERS[index % len(NUMBERS)],
                "OrigBytes": NUMBERS[(index * 3 + 1) % len(NUMBERS)],
                "Duration": REALS[index % len(REALS)],
                "LocalOrig": [None, True, False][index % 3],
                "ExtraFields_CF": BAGS[index % len(BAGS)],
                "AnomalyScore_CF": REALS[(index * 5 + 2) % len(REALS)],
                "Priority_CF": ["low", "high", "critical", None][index % 4],
            }
        )
    return _stamped(records, TABLE, kinds)


def _cloudtrail() -> pl.DataFrame:
    kinds = load_schema(OTHER).polars_schema()
    records = [
        {
            "EventName": ["GetObject", "ListUsers", "CreateUser", "StopLogging", "root"][index % 5],
            "ErrorCode": ["", None, "AccessDenied"][index % 3],
            "SourceIpAddress": ["10.0.0.1", "198.51.100.7", "root", None][index % 4],
            "ReadOnly": [True, False, None][(index // 2) % 3],
        }
        for index in range(40)
    ]
    return _stamped(records, OTHER, kinds)


def _stamped(records: list[dict[str, Any]], table: str, kinds: dict[str, Any]) -> pl.DataFrame:
    for index, record in enumerate(records):
        moment = NOW - timedelta(minutes=index + 5)
        record |= {"EventId_CF": f"{table}/{index}", "TimeGenerated": moment, "EventTime_CF": moment}
    return pl.DataFrame(records, schema={name: kind for name, kind in kinds.items() if name in records[0]})


def make_world(folder: Path) -> tuple[World, Storage]:
    catalogue = Catalogue.build()
    storage = Storage(folder / "w.duckdb", catalogue, "id")
    frames = {TABLE: _zeek(), OTHER: _cloudtrail()}
    for table, frame in frames.items():
        schema = load_schema(table)
        scored = ["AnomalyScore_CF", "Confidence_CF", "Priority_CF", "Reasons_CF", "Flags_CF"]
        scores = pl.DataFrame(
            {
                name: frame[name] if name in frame.columns else pl.Series([None] * frame.height, dtype=pl.String)
                for name in scored
            }
        )
        tails = render_rows(frame.drop(scored, strict=False), scores, schema)
        sent = RowReader(schema).read(body(tails, "0" * 14), NOW)
        assert not sent.counts.get("rows_rejected") and not sent.counts.get("values_nulled"), sent
        assert len(json.loads(body(tails, "0" * 14))) == frame.height
        storage.append(table, sent.frame, NOW.replace(tzinfo=None) - timedelta(minutes=1))
    return World(QueryApi(storage, catalogue), frames), storage
