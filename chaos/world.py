"""The world that is shaken: stand-ins, a configuration with small bounds, events whose ids are known, and the ledger.

Belongs here: making events and bringing them as far as delivery, and what the ledger says of them. Does not belong
here: workers, kills, verdicts.
"""

import contextlib
import gzip
import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from s3sentinel_assets.hours import hour_key, hour_start, shift_hour, utc_now
from s3sentinel_assets.ledger.schema import BatchState, Stage, batch, part, stage
from s3sentinel_assets.local.aws import LocalAws, start_aws
from s3sentinel_assets.local.laptop import laptop_on
from s3sentinel_assets.local.workspace import LocalWorkspace, start_workspace
from s3sentinel_assets.pipeline import discovery, parsing, scoring
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.sentinel.kql import write_functions

__all__ = [
    "BOUND_SECONDS",
    "CONNECT_SECONDS",
    "PATIENCE_SECONDS",
    "READ_SECONDS",
    "SOURCE",
    "TABLE",
    "World",
    "stand_ins",
]

SOURCE = "cloudtrail"
TABLE = "AWSCloudTrail"
CONNECT_SECONDS, READ_SECONDS, BOUND_SECONDS = 1.0, 1.0, 3.0
#: So long after a send the product may take absence for a proof, with the usual bound.
PATIENCE_SECONDS = CONNECT_SECONDS + READ_SECONDS + BOUND_SECONDS

_ACCOUNT = "111122223333"
_HOURS = 12
#: Objects that come at once, one part each, and events in one: about 12 batches of the smallest size.
_OBJECTS, _EVENTS = 4, 120
_FINAL = (BatchState.ACCEPTED.value, BatchState.DEAD.value, BatchState.SUPERSEDED.value)


@contextlib.contextmanager
def stand_ins(home: Path) -> Iterator[tuple[LocalAws, LocalWorkspace]]:
    """Local AWS and the local workspace as processes, with the shipped KQL functions saved in the workspace."""
    with start_aws(home / "aws") as aws, start_workspace(home / "workspace") as workspace:
        write_functions(workspace.data_dir / "functions")
        yield aws, workspace


class World:
    """A bucket, a ledger and a store of their own on running stand-ins; the workspace is emptied.

    Args:
        home: folder for the configuration and the data.
        aws: the running local AWS.
        workspace: the running local workspace.
        bound_seconds: how long the product waits, beyond its time-outs, before absence is a proof.
    """

    def __init__(
        self, home: Path, aws: LocalAws, workspace: LocalWorkspace, bound_seconds: float = BOUND_SECONDS
    ) -> None:
        #: So long after a send the product may take absence for a proof.
        self.patience_seconds = CONNECT_SECONDS + READ_SECONDS + bound_seconds
        bucket = f"chaos-{home.name}"
        now = hour_key(utc_now())
        #: Closed hours that get objects by turns.
        self.hours = [shift_hour(now, -back) for back in range(_HOURS + 1, 1, -1)]
        #: The ``eventID`` of every event.
        self.events: set[str] = set()
        workspace.clear_faults()
        workspace.forget_rows()
        laptop = laptop_on(
            home,
            aws,
            workspace,
            start=hour_start(self.hours[0]).isoformat(),
            grace_minutes=0,
            limits={"part_objects": 1, "lease_seconds": 1},
            sentinel={
                "max_batch_bytes": 10_000,
                "upload_threads": 3,
                "max_attempts": 4,
                "backoff_seconds": 0.02,
                "backoff_limit_seconds": 0.1,
                "connect_timeout_seconds": CONNECT_SECONDS,
                "read_timeout_seconds": READ_SECONDS,
                "unknown_bound_minutes": bound_seconds / 60,
            },
            sources={
                SOURCE: {
                    "bucket": bucket,
                    "prefix": "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/",
                    "format": "cloudtrail",
                }
            },
        )
        self.config_file = str(laptop.config_file)
        self.runtime = Runtime(laptop.config())
        self.workspace = workspace
        self._s3, self._bucket = aws.client(), bucket
        self._s3.create_bucket(Bucket=bucket)
        self._objects = 0
        self._stored_before = self._rows_ever()

    def release(self, objects: int = _OBJECTS, events: int = _EVENTS) -> None:
        """New objects in the next hour, through the pipeline itself until they are scored: parts without a plan."""
        hour = self.hours[self._objects // _OBJECTS % _HOURS]
        start = hour_start(hour)
        for _ in range(objects):
            number = self._objects
            self._objects += 1
            records = [_record(start, f"{number}/{index}", index) for index in range(events)]
            self.events.update(record["eventID"] for record in records)
            key = f"AWSLogs/{_ACCOUNT}/CloudTrail/us-east-1/{start:%Y/%m/%d}/{number:05}.json.gz"
            body = gzip.compress(json.dumps({"Records": records}).encode(), mtime=0)
            arrived = {"local-last-modified": start.isoformat()}
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, Metadata=arrived)
        discovery.discover(self.runtime, SOURCE, [hour])
        parsing.parse_hour(self.runtime, SOURCE, hour)
        scoring.score_hour(self.runtime, SOURCE, hour)

    def unplanned_parts(self) -> int:
        """Parts that no worker has planned yet."""
        with self.runtime.ledger.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(part).where(~_planned())).scalar_one()

    def open_hours(self) -> list[str]:
        """Hours with a part that has no plan, or a batch that is to be sent."""
        to_send = (
            sa.exists()
            .where(batch.c.part_id == part.c.id, batch.c.state.not_in((*_FINAL, BatchState.UNKNOWN.value)))
            .correlate(part)
        )
        with self.runtime.ledger.read() as connection:
            found = connection.execute(sa.select(part.c.hour).where(sa.or_(~_planned(), to_send)).distinct())
            return sorted(found.scalars())

    def open_batches(self) -> dict[str, int]:
        """State → batches that have not come to their end."""
        query = sa.select(batch.c.state, sa.func.count()).where(batch.c.state.not_in(_FINAL)).group_by(batch.c.state)
        with self.runtime.ledger.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def settled(self) -> bool:
        """Whether every part has a plan and every batch has come to its end."""
        return not self.open_hours() and not self.open_batches()

    def hours_with_parts(self) -> list[str]:
        """Hours that were given objects, oldest first."""
        with self.runtime.ledger.read() as connection:
            return list(connection.execute(sa.select(part.c.hour).distinct().order_by(part.c.hour)).scalars())

    def stored_rows(self) -> int:
        """Rows that the workspace has stored of this world, shown or not."""
        return self._rows_ever() - self._stored_before

    def _rows_ever(self) -> int:
        return self.workspace.stats()["rows"].get(TABLE, 0)

    def last_unknown_sent(self) -> int | None:
        """When the youngest unknown batch was sent, in microseconds; None when there is none."""
        query = sa.select(sa.func.max(batch.c.sent_at)).where(batch.c.state == BatchState.UNKNOWN.value)
        with self.runtime.ledger.read() as connection:
            return connection.execute(query).scalar()

    def batch_counts(self) -> dict[str, int]:
        """All batches, and those sent again after a proof of absence."""
        query = sa.select(sa.func.count(), sa.func.count().filter(batch.c.attempt > 1))
        with self.runtime.ledger.read() as connection:
            total, again = connection.execute(query.where(batch.c.state != BatchState.SUPERSEDED.value)).one()
        return {"batches": total, "sent again": again}

    def close(self) -> None:
        """Closes every connection."""
        self.runtime.close()
        self._s3.close()


def _planned() -> sa.Exists:
    return sa.exists().where(stage.c.part_id == part.c.id, stage.c.stage == Stage.PLANNED.value).correlate(part)


def _record(hour: datetime, name: str, second: int) -> dict[str, Any]:
    """One CloudTrail record, which its name makes unique."""
    moment = hour + timedelta(seconds=second % 3_600)
    return {
        "eventVersion": "1.09",
        "eventID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{hour.isoformat()} {name}")),
        "eventTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject" if second % 3 else "GetObject",
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
        "awsRegion": "us-east-1",
        "recipientAccountId": _ACCOUNT,
        "sourceIPAddress": f"198.51.100.{second % 250}",
        "userAgent": "aws-cli/2.31.0",
        "userIdentity": {
            "type": "IAMUser",
            "accountId": _ACCOUNT,
            "arn": f"arn:aws:iam::{_ACCOUNT}:user/shaken",
            "userName": "shaken",
        },
        "requestParameters": {"bucketName": "example", "key": name},
        "requestID": f"R{second}",
        "readOnly": second % 3 == 0,
        "managementEvent": True,
    }
