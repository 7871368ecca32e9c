"""Anyone's CloudTrail folder as a background."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from evaluation.background import WORLD_SCHEMA, read_background
from s3sentinel_assets.errors import UserError
from tests.formats.parsing import record, trail

NAMED = (
    "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/23/111122223333_CloudTrail_us-east-1_20261123T1015Z_abc.json.gz"
)


def put(folder: Path, name: str, body: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)


def test_a_folder_offers_what_the_generated_world_offers(tmp_path):
    machine = {"type": "AWSService", "invokedBy": "delivery.logs.amazonaws.com"}
    put(tmp_path, NAMED, trail(record(1), record(2, userIdentity=machine)))
    put(tmp_path, "other.json", trail(record(3, eventTime="2026-11-23T13:59:59Z", eventID="late")))
    # Another region's file repeats an event of a global service; a digest is no log.
    put(tmp_path, "again.jsonl", json.dumps(record(1)).encode())
    put(tmp_path, "CloudTrail-Digest/digest.json", b"{}")
    put(tmp_path, ".hidden/x.json", trail(record(9)))
    background = read_background(tmp_path)
    assert background.hours == [f"2026-11-23-{hour}:00" for hour in (10, 11, 12, 13)]
    assert (background.days, background.accounts) == (1, ("111122223333",))
    first, empty, last = (background.frame(background.hours[at]) for at in (0, 1, 3))
    assert (first.height, empty.height, last.height) == (2, 0, 1)
    assert dict(first.schema) == dict(empty.schema) == WORLD_SCHEMA
    # A file's name tells when it was delivered; else ten minutes after the event are assumed.
    assert first["arrival"].unique().to_list() == [datetime(2026, 11, 23, 10, 20, tzinfo=UTC)]
    assert (last["arrival"] - last["time"]).to_list() == [timedelta(minutes=10)]
    kinds = dict(background.principals.select("principal", "kind").iter_rows())
    assert kinds == {"111122223333/alice": "human", "delivery.logs.amazonaws.com": "service"}
    alice = background.principals.filter(kind="human").row(0, named=True)
    assert alice["networks"] == ["198.51.100.7"]
    assert alice["hours"] == [10, 13]
    assert [hour for hour, _ in background.frames()] == background.hours


def test_an_event_never_arrives_before_it_happened(tmp_path):
    put(tmp_path, NAMED, trail(record(1, eventTime="2026-11-23T18:00:00Z")))
    background = read_background(tmp_path)
    frame = pl.concat([frame for _, frame in background.frames()])
    assert (frame["arrival"] >= frame["time"]).all()


def test_folders_without_logs_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read_background(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no CloudTrail file"):
        read_background(tmp_path)
    put(tmp_path, "empty.json", trail())
    with pytest.raises(UserError, match="no file holds a CloudTrail event"):
        read_background(tmp_path)
