"""Labelled logs of others: real detonations of attacks, and events that published rules must find.

Belongs here: the three collections of the shared data, cut into incidents, without wrong labels and doubles. Does not
belong here: anyone's own folder (``attacks``).
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from collections.abc import Sequence as Listed
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.background.reading import parse_records
from evaluation.background.vocabulary import vocabulary
from evaluation.sequences import GAP, Sequence, with_offset
from s3sentinel_assets.errors import UserError

__all__ = ["read_labelled"]

# What the AWS SDKs ask by themselves when they start; an "attack" of nothing else is a wrong label.
_PROBES = ("ec2:DescribeAccountAttributes", "sts:GetCallerIdentity", "ec2:DescribeRegions")
# What the SSM agent of an instance reports by itself; it went under the attack's label with the instance's role.
_AGENT = (
    "ssm:UpdateInstanceInformation", "ssm:ListInstanceAssociations", "ssm:UpdateInstanceAssociationStatus",
    "ssm:PutInventory", "ssm:PutComplianceItems", "ssm:GetDocument", "ssm:DescribeDocument",
    "ssm:GetDeployablePatchSnapshotForInstance",
)  # fmt: skip
# Published tests that a transplant would turn into something else. What these rules look at is replaced (client,
# address, region, the root user), is not in the event (a look-up elsewhere, a count over many events), or AWS did it by
# itself, or it is what everybody does every day.
_OTHER_GROUNDS = (
    "Standard.", "AWS.Root.", "AWS.Console.RootLogin", "AWS.CloudTrail.RootAccessKey", "AWS.CloudTrail.RootPassword",
    "AWS.CloudTrail.VPCE.", "AWS.CloudTrail.IMDSCredential", "AWS.CloudTrail.PasswordSpraying",
    "AWS.Console.LoginWithoutSAML",
    "AWS.STS.GetCallerIdentity.TruffleHog", "AWS.UnusedRegion", "AWS.EC2.ManualSecurityGroupChange",
    "AWS.CloudTrail.IAMCompromisedKeyQuarantine", "AWS.IAM.AccessKeyCompromised", "AWS.Unsuccessful.MFA",
    "AWS.CloudTrail.Created", "AWS.S3.DeleteObject",
)  # fmt: skip


def read_labelled(folder: Path) -> list[Sequence]:
    """All labelled sequences below ``folder``: its ``stratus_docs``, ``invictus`` and ``panther_analysis``.

    A folder that is missing is left out.

    Raises:
        UserError: none of the three is there.
    """
    found: list[Sequence] = []
    readers = (
        ("stratus_docs/events_scrubbed.jsonl", _stratus),
        ("invictus/events_scrubbed.jsonl.gz", _invictus),
        ("panther_analysis/aws_rule_tests.jsonl", _panther),
    )
    for name, read in readers:
        if (folder / name).is_file():
            found.extend(read(folder / name))
    if not found:
        raise UserError(
            f"{folder}: there is none of {', '.join(name for name, _ in readers)}; name the folder that holds them"
        )
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield from (json.loads(line) for line in data.splitlines() if line.strip())


def _stratus(path: Path) -> list[Sequence]:
    entries = list(_lines(path))
    events = parse_records([entry["event"] for entry in entries])
    return _incidents(events, [entry["technique"] for entry in entries], "stratus")


def _invictus(path: Path) -> list[Sequence]:
    # Set-up, clean-up and the tool's checks before an attack are the tool's doing, not an intruder's.
    entries = [entry for entry in _lines(path) if entry["label"] == "attack"]
    events = parse_records([entry["event"] for entry in entries])
    return _incidents(events, [entry["technique"] for entry in entries], "invictus")


def _incidents(events: pl.DataFrame, techniques: Listed[str], origin: str) -> list[Sequence]:
    """Cuts labelled events into incidents: a technique, as long as it goes on without a gap."""
    labelled = (
        events.with_columns(pl.Series("_technique", techniques).gather(events["_ordinal"]))
        .unique("event_id", keep="first", maintain_order=True)
        .filter(~(pl.col("action").is_in(_AGENT) & pl.col("principal_type").is_in(["AssumedRole"])))
        .sort("_technique", "time", "_ordinal")
        .with_columns((pl.col("time").diff() > GAP).fill_null(False).cum_sum().over("_technique").alias("_incident"))
    )
    return _sequences(labelled, ["_technique", "_incident"], origin)


def _sequences(events: pl.DataFrame, by: list[str], origin: str) -> list[Sequence]:
    """A sequence for each group, without mere probes and without a technique's near-identical ones."""
    made: list[Sequence] = []
    seen: set[tuple[str, tuple[tuple[str, bool], ...]]] = set()
    for key, group in events.partition_by(by, as_dict=True, maintain_order=True).items():
        technique = str(key[0])
        if group["action"].is_in(_PROBES[:1]).all():
            continue
        signature = (
            technique,
            tuple(sorted({(a, e is not None) for a, e in group.select("action", "error").iter_rows()})),
        )
        if signature in seen:
            continue
        seen.add(signature)
        made.append(Sequence(f"{origin}/{technique}/{key[-1]}", technique, origin, with_offset(group)))
    return made


def _panther(path: Path) -> list[Sequence]:
    """Tests that a published rule must find, one sequence a rule and distinct call; single events mostly."""
    known = vocabulary()
    kept: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    for number, entry in enumerate(_lines(path)):
        event = entry["event"]
        if (
            entry["log_type"] != "AWS.CloudTrail"
            or not entry["expected"]
            or entry["rule_id"].startswith(_OTHER_GROUNDS)
        ):
            continue
        # A rule of severity Info notes what happens every day, unless it was written for one known technique.
        if entry["severity"] == "Info" and len(entry["stratus"] or ()) != 1:
            continue
        if not event.get("eventName") or not event.get("eventSource") or not event.get("userIdentity"):
            continue
        place = known.code.get(f"{event['eventSource'].removesuffix('.amazonaws.com')}:{event['eventName']}")
        # Tests leave out what their rule does not look at; AWS never does.
        reads = (
            bool(known.read[place]) if place is not None else event["eventName"].startswith(("Get", "List", "Describe"))
        )
        read_only = event.get("readOnly") if isinstance(event.get("readOnly"), bool) else reads
        defaults = {"readOnly": read_only, "managementEvent": place is None or not known.data[place]}
        given = {field: value for field, value in event.items() if not field.startswith("p_") and value is not None}
        records.append({
            **given, **{field: value for field, value in defaults.items() if not isinstance(given.get(field), bool)},
            "eventID": f"{hashlib.sha256(str(number).encode()).hexdigest()[:32]}", "eventTime": "2026-01-01T00:00:00Z",
            "eventVersion": "1.08", "eventType": given.get("eventType") or "AwsApiCall",
        })  # fmt: skip
        kept.append(entry)
    events = parse_records(records)
    events = events.filter(pl.col("principal_type").fill_null("-") != "AWSService")
    made: list[Sequence] = []
    seen: set[tuple[str, str, bool, str]] = set()
    for row in events.partition_by("_ordinal", maintain_order=True):
        entry = kept[row["_ordinal"][0]]
        action, error, detail = row.select("action", "error", "detail").row(0)
        # A rule's tests of one call differ in its parameters, if in anything that matters.
        case = (entry["rule_id"], action, error is not None, _shape(detail))
        if case in seen:
            continue
        seen.add(case)
        # The same technique has the same name everywhere, so that no split by technique parts what belongs together.
        technique = _technique(entry["stratus"], action) or f"panther.{entry['rule_id'].removeprefix('AWS.')}"
        mitre = tuple(tag.rpartition(":")[2] for tag in entry["mitre"] or ())
        made.append(
            Sequence(f"panther/{technique}/{row['_ordinal'][0]}", technique, "panther", with_offset(row), mitre)
        )
    return made


def _technique(stratus: Listed[str] | None, action: str) -> str | None:
    """The Stratus project's name for the technique, where the test states it; of several the one that fits the call."""
    fitting = [name for name in stratus or () if name.rpartition("-")[2] in action.lower()]
    return next(iter([*fitting, *(stratus or ())]), None)


def _shape(detail: str | None) -> str:
    """The parameters' names without their values."""
    return "" if detail is None else ",".join(sorted(set(re.findall(r'"(\w+)"\s*:', detail))))
