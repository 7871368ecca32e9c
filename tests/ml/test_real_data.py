"""An hour of real CloudTrail events with labelled attacks: it runs, it repeats, and what its order is worth."""

import csv
import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from s3sentinel_assets.hours import hour_key, shift_hour
from s3sentinel_assets.ml import empty_state, load_model, score, update
from tests.ml.worlds import MODELS, frame


def entity(event: dict) -> dict:
    """A simple mapping; the parser's own is richer."""
    who = event.get("userIdentity") or {}
    kind = who.get("type") or "Unknown"
    issuer = (who.get("sessionContext") or {}).get("sessionIssuer") or {}
    service = (event.get("eventSource") or "").removesuffix(".amazonaws.com")
    return {
        "event_id": event["eventID"],
        "time": datetime.fromisoformat(event["eventTime"]),
        "account": event.get("recipientAccountId"),
        "region": event.get("awsRegion"),
        "principal": issuer.get("arn") or who.get("arn") or who.get("invokedBy"),
        "principal_type": kind,
        "peer": f"{event.get('recipientAccountId')}/{kind}",
        "service": service,
        "action": f"{service}:{event.get('eventName')}",
        "source_ip": event.get("sourceIPAddress"),
        "user_agent": event.get("userAgent"),
        "error": event.get("errorCode"),
        "read_only": event.get("readOnly"),
    }


@pytest.fixture(scope="module")
def folder(shared_dir: Path) -> Path:
    folder = shared_dir / "data" / "labelled" / "invictus"
    if not (folder / "events_scrubbed.jsonl.gz").is_file():
        pytest.skip("the shared sample data lacks labelled/invictus")
    return folder


@pytest.fixture(scope="module")
def events(folder: Path) -> pl.DataFrame:
    with gzip.open(folder / "events_scrubbed.jsonl.gz", "rt", encoding="utf-8") as lines:
        return frame([entity(json.loads(line)["event"]) for line in lines]).unique("event_id", maintain_order=True)


def ordering(scores: pl.Series, attack: pl.Series) -> float:
    """Area under the ROC curve: how often an attack outranks a background event (ties count half)."""
    ranks = scores.rank("average")
    positives, negatives = int(attack.sum()), int((~attack).sum())
    return (float(ranks.filter(attack).sum()) - positives * (positives + 1) / 2) / (positives * negatives)


def test_an_hour_of_real_events_runs_and_repeats(events, folder):
    model = load_model(MODELS, "cloudtrail")
    hour = hour_key(events["time"].sort()[0])
    state = empty_state("cloudtrail", shift_hour(hour, -1))
    scored = score(events, state, None, model, hour=hour).scores
    assert scored.height == events.height >= 2_800
    assert scored["AnomalyScore_CF"].is_finite().all()
    order = pl.Series(range(events.height)).shuffle(seed=1)
    again = score(events[order], state, None, model, hour=hour).scores
    assert again.equals(scored[order])
    assert set(scored["Priority_CF"].unique()) <= {"high", "medium", "low"}
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        labels = {row["eventID"]: row["label"] for row in csv.DictReader(file)}
    label = events["event_id"].replace_strict(labels, default="")
    known = label.is_in(["attack", "background"])
    value = ordering(scored["AnomalyScore_CF"].filter(known), (label == "attack").filter(known))
    # Cold start: there is no history to be unusual against. The value is printed, not praised.
    print(f"cold start, ROC of the rarity score: {value:.2f}", scored["Priority_CF"].value_counts().to_dicts())
    assert 0.2 < value < 0.9
    # With the same hour as yesterday's habit, nothing is new any more.
    habit = state
    for day in range(1, 6):
        yesterday = shift_hour(hour, 24 * (day - 6))
        shifted = events.with_columns(pl.col("time") - timedelta(days=6 - day))
        habit = update(None if day == 1 else habit, [shifted], yesterday, format="cloudtrail", model=model)
    calm = score(events, habit, None, model, hour=hour).scores
    assert calm["AnomalyScore_CF"].sum() < scored["AnomalyScore_CF"].sum() / 2
    assert not calm["Priority_CF"].is_in(["high", "critical"]).any()
