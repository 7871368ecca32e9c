"""A yardstick for sensitivities: published rule tests, each a single CloudTrail event with a verdict and a severity.

The rules are others' and are not used; only what they say of an event is compared. Events go through the product's own
parser. The tests leave out fields that every real event has; these are filled in.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from s3sentinel_assets.formats import ObjectInput, PartParser
from s3sentinel_assets.ml.history.keys import prepare
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRules

SEVERITIES = ("Info", "Low", "Medium", "High", "Critical")
_READS = ("Get", "List", "Describe", "Head", "Lookup", "BatchGet", "AssumeRole", "Decrypt")


@dataclass(frozen=True)
class Yardstick:
    """Figures: over all tests, and over those that must be found."""

    tests: int
    found: int
    auc: float
    within_one: float
    exact: float
    frame: pl.DataFrame


def read_tests(path: Path) -> pl.DataFrame:
    """The entity view of all CloudTrail tests, with ``expected``, ``theirs`` (severity 0 to 4) and ``test``."""
    records, labels = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        entry = json.loads(line)
        event = entry["event"]
        if entry["log_type"] != "AWS.CloudTrail" or not event.get("eventName") or not event.get("eventSource"):
            continue
        given = {name: value for name, value in event.items() if not name.startswith("p_") and value is not None}
        records.append(
            {
                "managementEvent": True,
                "readOnly": event["eventName"].startswith(_READS),
                "recipientAccountId": (given.get("userIdentity") or {}).get("accountId") or "111122223333",
                **given,
                "eventID": hashlib.sha256(str(number).encode()).hexdigest()[:32],
                "eventTime": "2026-01-01T00:00:00Z",
                "eventVersion": "1.08",
                "eventType": given.get("eventType") or "AwsApiCall",
            }
        )
        labels.append(
            {
                "expected": entry["expected"],
                "theirs": SEVERITIES.index(entry["severity"]),
                "test": f"{entry['rule_id']}: {entry['test']}",
            }
        )
    body = json.dumps({"Records": records}).encode()
    parser = PartParser("cloudtrail")
    frames = [
        frame.entities.with_columns(frame.rows["_ordinal"])
        for frame in parser.frames([ObjectInput(0, "records.json", "0" * 32, lambda: iter([body]))])
    ]
    events = pl.concat(frames)
    return events.hstack(pl.DataFrame(labels)[events["_ordinal"]])


def measure(tests: pl.DataFrame, rules: SensitivityRules) -> Yardstick:
    """Compares sensitivities with verdicts and severities."""
    events = prepare(tests, "cloudtrail")
    levels = rules.levels(events, tests["detail"][events.rows])
    ours = tests[events.rows].with_columns(levels.level.alias("level"), levels.rule.alias("rule"))
    ranks, expected = ours["level"].rank("average"), ours["expected"]
    positives, negatives = int(expected.sum()), int((~expected).sum())
    auc = (float(ranks.filter(expected).sum()) - positives * (positives + 1) / 2) / (positives * negatives)
    found = ours.filter(expected)
    distance = (found["level"] - found["theirs"]).abs()
    return Yardstick(
        tests=ours.height,
        found=positives,
        auc=auc,
        within_one=float((distance <= 1).mean()),  # type: ignore[arg-type]
        exact=float((distance == 0).mean()),  # type: ignore[arg-type]
        frame=ours,
    )
