"""Attacks to put into a background: labelled logs, our own stories, and harmless stretches as a placebo.

Belongs here: anyone's labelled folder, the stories, the placebo. Does not belong here: putting them into a background
(``s3sentinel_assets.ml.evaluation``), and any opinion on how to find them.

Every logged event goes through the product's CloudTrail parser, so it looks as it would in production. Client, address
and account stay as they were logged; whoever transplants a sequence replaces them.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Listed
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from evaluation.background.draws import rng_for
from evaluation.background.reading import entities_of, files_of
from evaluation.labelled import read_labelled
from evaluation.sequences import GAP, SEQUENCE_SCHEMA, Sequence, with_offset
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.formats import ObjectInput
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = [
    "GAP",
    "SEQUENCE_SCHEMA",
    "STORIES",
    "Sequence",
    "benign_sequences",
    "own_stories",
    "read_folder",
    "read_labelled",
]

#: Our own attack stories.
STORIES = Path(__file__).resolve().parent.parent / "models" / "stories.json"
#: Where the stories happen; other accounts in them are foreign.
_STORY_ACCOUNT = "111122223333"


class Background(Protocol):
    """What a world and a folder have in common."""

    @property
    def hours(self) -> list[str]:
        """Keys of the hours."""
        ...

    @property
    def principals(self) -> pl.DataFrame:
        """Who there is."""
        ...

    def frame(self, hour: str) -> pl.DataFrame:
        """The events of an hour."""
        ...


def read_folder(folder: Path, labels: Path) -> list[Sequence]:
    """Attacks in anyone's CloudTrail files.

    Args:
        folder: CloudTrail files, compressed or not.
        labels: CSV with the column ``eventID`` of every event of an attack, and, if known, ``technique`` and
            ``incident``; without an incident, a technique goes on until there is a gap of 20 minutes.

    Raises:
        UserError: a file is missing, the CSV has no ``eventID``, or none of its events is in the folder.
    """
    labelled = _read_labels(labels)
    inputs = [
        ObjectInput(
            number,
            str(path),
            hashlib.sha256(str(path).encode()).hexdigest()[:32],
            lambda path=path: iter([path.read_bytes()]),
        )
        for number, path in enumerate(files_of(folder))
    ]
    events = entities_of(inputs).with_columns(pl.col("event_id").str.replace("^[^:]*:", "").alias("_id"))
    found = events.join(labelled, left_on="_id", right_on="eventID", how="inner").sort("time", "event_id")
    if not found.height:
        raise UserError(
            f"{labels}: none of its {labelled.height} eventIDs is in {folder}; check that both belong together"
        )
    gaps = (pl.col("time").diff() > GAP).fill_null(False).cum_sum().over("_technique").cast(pl.String)
    found = found.with_columns(pl.coalesce("_incident", gaps).alias("_incident"))
    return [
        Sequence(f"folder/{technique}/{incident}", str(technique), "folder", with_offset(group))
        for (technique, incident), group in found.partition_by(
            ["_technique", "_incident"], as_dict=True, maintain_order=True
        ).items()
    ]


def _read_labels(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; name a CSV with a column eventID")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
        if "eventid" not in columns:
            raise UserError(f"{path}: the CSV has no column eventID; its first line must name the columns")
        rows = list(reader)
    # A file that labels everything says which events are attacks.
    if "label" in columns:
        rows = [
            row for row in rows if (row[columns["label"]] or "").strip().lower() in ("attack", "malicious", "1", "true")
        ]
    technique = columns.get("technique") or columns.get("stratus_technique")
    incident = columns.get("incident")
    return pl.DataFrame(
        {
            "eventID": [row[columns["eventid"]].strip() for row in rows],
            "_technique": [(row[technique] if technique else "") or "unnamed" for row in rows],
            "_incident": [(row[incident] if incident else None) or None for row in rows],
        },
        schema={"eventID": pl.String, "_technique": pl.String, "_incident": pl.String},
    ).unique("eventID", keep="first", maintain_order=True)


def own_stories(path: Path = STORIES) -> list[Sequence]:
    """Our own attack stories.

    Args:
        path: JSON with ``stories``, a list of objects: ``id``, ``technique``, ``mitre`` (list), ``title``, ``steps``; a
            step has ``at`` (seconds since the beginning), ``call`` (``service:EventName``), ``read_only``, and if need
            be ``error``, ``detail`` (object), ``target``, ``bytes``, ``region`` (true: another than usual), ``times``
            and ``every`` (seconds).

    Raises:
        UserError: the file is missing or a story is not of that form.
    """
    try:
        stories = json.loads(path.read_text(encoding="utf-8"))["stories"]
        return [_story(story) for story in stories]
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; take it from the repository") from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a list of stories: {error}; see the file in the repository for the form"
        ) from None


def _story(story: Mapping[str, Any]) -> Sequence:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    rows: list[dict[str, Any]] = []
    for step in story["steps"]:
        for turn in range(int(step.get("times", 1))):
            detail = step.get("detail")
            rows.append({
                "time": begin + timedelta(seconds=float(step["at"]) + turn * float(step.get("every", 1))),
                "service": step["call"].partition(":")[0], "action": step["call"], "read_only": bool(step["read_only"]),
                "error": step.get("error"), "target": step.get("target"), "bytes": step.get("bytes"),
                "detail": None if detail is None else json.dumps(detail, separators=(",", ":")),
                "region": "elsewhere" if step.get("region") else None,
                "event_id": f"story:{story['id']}:{len(rows)}", "principal": "story", "principal_type": "IAMUser",
                "account": _STORY_ACCOUNT, "peer": "story",
            })  # fmt: skip
    events = pl.DataFrame([{**dict.fromkeys(ENTITY_SCHEMA), **row} for row in rows], schema=ENTITY_SCHEMA)
    return Sequence(f"story/{story['id']}", story["technique"], "story", with_offset(events), tuple(story["mitre"]))


def benign_sequences(
    background: Background,
    *,
    seed: int = 0,
    count: int = 200,
    hours: Iterable[str] | None = None,
    kinds: Listed[str] = ("human", "admin", "workload", "ci"),
    longest: timedelta = timedelta(minutes=30),
) -> list[Sequence]:
    """Harmless stretches of principals, to be transplanted like attacks: they must alert no more than the background.

    Each is given to another principal of its own kind (``kind``): what is new to the one is often usual for its like.

    Args:
        background: a world or a folder.
        seed: decides which.
        count: how many, if there are as many.
        hours: hours to take them from; None: all.
        kinds: kinds of principals, with equal shares.
        longest: how much of an hour.
    """
    rng = rng_for(seed, "placebo")
    chosen = list(hours) if hours is not None else list(background.hours)
    kind_of = background.principals.select("principal", "account", pl.col("kind").alias("_kind")).unique(
        ["principal", "account"]
    )
    wanted, made = max(1, -(-count // len(kinds))), dict.fromkeys(kinds, 0)
    found: list[Sequence] = []
    for at in rng.permutation(len(chosen)).tolist():
        if len(found) >= count or all(number >= wanted for number in made.values()):
            break
        frame = background.frame(chosen[at]).join(
            kind_of, on=["principal", "account"], how="left", maintain_order="left"
        )
        groups = frame.filter(pl.col("_kind").is_in(list(kinds))).partition_by(
            "principal", "account", "_kind", maintain_order=True
        )
        for place in rng.permutation(len(groups))[: 2 * len(kinds)].tolist():
            group = groups[place]
            kind = str(group["_kind"][0])
            if made[kind] >= wanted or len(found) >= count:
                continue
            first = group["time"][int(rng.integers(0, group.height))]
            part = group.filter(pl.col("time").is_between(first, first + longest)).head(60)
            made[kind] += 1
            found.append(Sequence(f"placebo/{len(found)}", f"placebo.{kind}", "placebo", with_offset(part), kind=kind))
    return found
