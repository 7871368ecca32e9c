"""Small made-up accounts for the tests: entity frames with habits, built from seeded choices, no clock."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from s3sentinel_assets.hours import hour_key, hour_start
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

MODELS = Path(__file__).parents[2] / "models"
START = datetime(2026, 11, 2, tzinfo=UTC)
ACCOUNT = "111122223333"
CLI = "aws-cli/2.15.30 Python/3.11.8 Linux/6.1 exe/x86_64"


def frame(rows: list[dict]) -> pl.DataFrame:
    """An entity frame of rows that name only what matters."""
    return pl.DataFrame([{name: row.get(name) for name in ENTITY_SCHEMA} for row in rows], schema=ENTITY_SCHEMA)


def call(hour: str, minute: float, principal: str, action: str, serial: int, **more) -> dict:
    """One CloudTrail event."""
    return {
        "event_id": f"{serial:012d}",
        "time": hour_start(hour) + timedelta(minutes=minute),
        "account": ACCOUNT,
        "region": "eu-west-1",
        "principal": f"arn:aws:iam::{ACCOUNT}:{'' if '/' in principal else 'user/'}{principal}",
        "principal_type": "IAMUser",
        "peer": f"{ACCOUNT}/IAMUser",
        "service": action.split(":")[0],
        "action": action,
        "source_ip": "198.51.100.7",
        "user_agent": CLI,
        "read_only": False,
        **more,
    }


class World:
    """Users with habits, a nightly scanner and a workload, hour by hour."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.serial = 0
        self.catalogue = [f"svc{i % 30}:Describe{i}" for i in range(400)]
        self.habits = {f"user{i}": self.random.sample(self.catalogue, 12) for i in range(8)}

    def call(self, hour: str, minute: float, principal: str, action: str, **more) -> dict:
        self.serial += 1
        return call(hour, minute, principal, action, self.serial, **more)

    def hour(self, hour: str) -> list[dict]:
        """The background of one hour."""
        clock, rows = hour_start(hour).hour, []
        if 8 <= clock < 17:
            for number, (user, actions) in enumerate(self.habits.items()):
                for _ in range(self.random.randint(6, 20)):
                    minute = self.random.random() * 60
                    action = self.random.choice(actions)
                    address = f"198.51.{100 + number}.{self.random.randint(1, 9)}"
                    rows.append(self.call(hour, minute, user, action, source_ip=address))
        for _ in range(40):
            rows.append(
                self.call(
                    hour,
                    self.random.random() * 60,
                    "role/worker",
                    self.random.choice(["s3:GetObject", "s3:PutObject", "sqs:ReceiveMessage"]),
                    principal_type="AssumedRole",
                    peer=f"{ACCOUNT}/AssumedRole/worker",
                    source_ip="10.0.5.20",
                    user_agent="Boto3/1.34.2 md/Botocore#1.34.2 os/linux lang/python",
                )
            )
        if clock == 2:
            for action in self.random.sample(self.catalogue, 60) + [f"rare{self.serial}:List{i}" for i in range(15)]:
                rows.append(
                    self.call(
                        hour,
                        self.random.random() * 60,
                        "role/scanner",
                        action,
                        principal_type="AssumedRole",
                        peer=f"{ACCOUNT}/AssumedRole/scanner",
                        source_ip="10.0.9.9",
                        user_agent="Boto3/1.34.2 os/linux",
                    )
                )
        return rows


def hours(first_day: int, days: int) -> list[str]:
    """Hour keys of whole days, counted from START."""
    begin = START + timedelta(days=first_day)
    return [hour_key(begin + timedelta(hours=i)) for i in range(24 * days)]
