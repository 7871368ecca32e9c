"""CloudTrail files of anyone, read by the product's own parser into the entity view.

Belongs here: files of a folder to events with the file that they were in; a folder as a background, hour by hour like
the generator's world. Does not belong here: labels (``evaluation.attacks``).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.background.events import WORLD_SCHEMA
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.formats import ObjectInput, PartParser
from s3sentinel_assets.hours import hour_key, hour_start

__all__ = ["Folder", "entities_of", "files_of", "parse_records", "read_background"]

# AWS names a file by the minute at which its window ended: 111122223333_CloudTrail_us-east-1_20260601T1005Z_….json.gz
_NAMED = re.compile(r"_(\d{8}T\d{4})Z_")
_DELIVERY = timedelta(minutes=5)
_ASSUMED = timedelta(minutes=10)


def files_of(folder: Path) -> list[Path]:
    """The log files below a folder, in order of their names; hidden ones and digests are left out.

    Raises:
        UserError: the folder does not exist or holds no log file.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name a folder of CloudTrail files")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and re.search(r"\.(?:json|jsonl|ndjson)(?:\.(?:gz|zst))?$", path.name)
        and not any(part.startswith(".") or part == "CloudTrail-Digest" for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise UserError(f"{folder}: the folder holds no CloudTrail file (.json, .json.gz, .jsonl); check the path")
    return found


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 18):
            yield chunk


def entities_of(inputs: Iterable[ObjectInput]) -> pl.DataFrame:
    """The entity view of all records that could be read, with ``_object``, the number of the input.

    An event that came in several files (global services are logged in more than one region) is kept once, the first.
    """
    parser = PartParser("cloudtrail")
    frames = [frame.entities.with_columns(frame.rows["_object"]) for frame in parser.frames(inputs)]
    if not frames:
        return pl.DataFrame(
            schema={**{name: WORLD_SCHEMA[name] for name in list(WORLD_SCHEMA)[:-3]}, "_object": pl.Int64()}
        )
    return pl.concat(frames).unique("event_id", keep="first", maintain_order=True)


def parse_records(records: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """The entity view of CloudTrail records, in their order; ``_ordinal`` is the place of each among the records."""
    body = json.dumps({"Records": list(records)}).encode()
    parser = PartParser("cloudtrail")
    frames = [
        frame.entities.with_columns(frame.rows["_ordinal"])
        for frame in parser.frames([ObjectInput(0, "records.json", "0" * 32, lambda: iter([body]))])
    ]
    if not frames:
        raise UserError("none of the records could be read as a CloudTrail event")
    return pl.concat(frames)


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder of CloudTrail files as a background, with what the generator's world offers.

    Attributes:
        hours: keys of the hours from the first event to the last, without a gap.
        principals: ``principal``, ``account``, ``principal_type``, ``peer``, ``kind``, ``networks``, ``agents``,
            ``regions``, ``hours``, ``since``, ``until`` as far as the events tell.
        seed: always 0; it is there because a world has one.
        days: whole days, rounded up.
        accounts: numbers of the accounts.
    """

    hours: list[str]
    principals: pl.DataFrame
    days: int
    accounts: tuple[str, ...]
    _parts: dict[str, pl.DataFrame] = field(repr=False)
    seed: int = 0

    def frame(self, hour: str) -> pl.DataFrame:
        """The events of an hour in `events.WORLD_SCHEMA`, in order of time; empty where there were none."""
        found = self._parts.get(hour)
        return pl.DataFrame(schema=WORLD_SCHEMA) if found is None else found

    def frames(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Every hour with its events, in order."""
        for hour in self.hours:
            yield hour, self.frame(hour)


def read_background(folder: Path) -> Folder:
    """A folder of CloudTrail files as a background; a file's events arrive when its name says, plus five minutes.

    Events of files with other names arrive ten minutes after they happened.

    Raises:
        UserError: there is no such folder, no file in it, or no CloudTrail event in any.
    """
    paths = files_of(folder)
    inputs = [
        ObjectInput(
            number, str(path), hashlib.sha256(str(path).encode()).hexdigest()[:32], lambda path=path: _chunks(path)
        )
        for number, path in enumerate(paths)
    ]
    events = entities_of(inputs)
    if not events.height:
        raise UserError(f"{folder}: no file holds a CloudTrail event; check with `s3sentinel parse {folder}`")
    named = [_NAMED.search(path.name) for path in paths]
    ends = [
        datetime.strptime(match[1], "%Y%m%dT%H%M").replace(tzinfo=UTC) + _DELIVERY if match else None for match in named
    ]
    arrived = pl.Series(ends, dtype=WORLD_SCHEMA["arrival"]).gather(events["_object"])
    # An event cannot arrive before it happened, whatever a file is called.
    events = events.with_columns(
        pl.lit("background").alias("kind"),
        pl.lit(None, dtype=pl.String).alias("habit"),
        pl.max_horizontal(pl.coalesce(arrived, pl.col("time") + _ASSUMED), "time").alias("arrival"),
    )
    events = events.select(list(WORLD_SCHEMA)).sort("time", "event_id")
    hour = events.select(pl.col("time").dt.strftime("%Y-%m-%d-%H:00").alias("hour"))["hour"]
    parts = {
        str(key[0]): part.drop("_hour")
        for key, part in events.with_columns(hour.alias("_hour")).partition_by("_hour", as_dict=True).items()
    }
    first, last = hour_start(min(parts)), hour_start(max(parts))
    count = int((last - first) / timedelta(hours=1)) + 1
    hours = [hour_key(first + timedelta(hours=number)) for number in range(count)]
    accounts = tuple(events["account"].drop_nulls().unique().sort())
    return Folder(hours, _principals(events), -(-count // 24), accounts, parts)


def _principals(events: pl.DataFrame) -> pl.DataFrame:
    """What the events tell of who there is; addresses, clients and regions by how usual they are."""
    usual = [
        pl.col(column).drop_nulls().value_counts(sort=True).struct.field(column).head(8).alias(name)
        for column, name in (("source_ip", "networks"), ("user_agent", "agents"), ("region", "regions"))
    ]
    person = pl.col("principal_type").is_in(["IAMUser", "Root", "IdentityCenterUser", "SAMLUser"]) | (
        pl.col("principal").str.contains("AWSReservedSSO_|@")
    )
    kind = (
        pl.when(pl.col("principal_type") == "AWSService")
        .then(pl.lit("service"))
        .when(person)
        .then(pl.lit("human"))
        .when(pl.col("agents").list.join(" ").str.contains("(?i)terraform|pulumi|github|gitlab|jenkins"))
        .then(pl.lit("ci"))
        .otherwise(pl.lit("workload"))
    )
    return (
        events.group_by("principal", "account", maintain_order=True)
        .agg(
            pl.col("principal_type").first(),
            pl.col("peer").first(),
            *usual,
            pl.col("time").dt.hour().unique().sort().cast(pl.Int64).alias("hours"),
            pl.col("time").min().dt.strftime("%Y-%m-%d-%H:00").alias("since"),
        )
        .with_columns(kind.alias("kind"), pl.lit(None, dtype=pl.String).alias("until"))
        .select(
            "principal",
            "account",
            "principal_type",
            "peer",
            "kind",
            "networks",
            "agents",
            "regions",
            "hours",
            "since",
            "until",
        )
        .sort("principal", "account")
    )
