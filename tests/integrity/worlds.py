"""A bucket at local AWS that holds a chain of digests, and a runtime over it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from s3sentinel_assets.config import AwsAccess, Config, Digests, SentinelSettings, SourceSettings
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.integrity import read_content
from s3sentinel_assets.ledger.objects import SeenObject
from s3sentinel_assets.ledger.schema import ObjectState, hour, objects
from s3sentinel_assets.ledger.seen import record_seen
from s3sentinel_assets.local.aws import LAST_MODIFIED_METADATA, LocalAws
from s3sentinel_assets.pipeline import digest_keys
from s3sentinel_assets.pipeline.runtime import Runtime
from tests.integrity.chains import START, Chain, Log, Made, key_entry, printed, stamp

SOURCE = "trail"
TEMPLATE = "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"
#: The hours of the chain's first digests.
HOURS = [hour_key(START + timedelta(hours=n)) for n in range(8)]


def settings(bucket: str, **changed: Any) -> SourceSettings:
    return SourceSettings(**{"bucket": bucket, "prefix": TEMPLATE, "format": "cloudtrail", **changed})


@dataclass
class World:
    """A bucket, what lies in it, and the runtime that reads it."""

    aws: LocalAws
    client: Any
    bucket: str
    folder: Path

    def __post_init__(self) -> None:
        """Starts without anything."""
        self.client.create_bucket(Bucket=self.bucket)
        self.keys(key_entry())
        self._runtimes: list[Runtime] = []

    def access(self) -> AwsAccess:
        return AwsAccess(
            endpoint_url=self.aws.url,
            credentials_file=self.aws.credentials_file,
            max_attempts=1,
            backoff_seconds=0,
        )

    def config(self, **changed: Any) -> Config:
        return Config(
            data_dir=self.folder,
            start=START - timedelta(days=2),
            aws=self.access(),
            sentinel=SentinelSettings(ingestion_endpoint="https://ingest.invalid", workspace_id="w", dcr_id="d"),
            sources={SOURCE: settings(self.bucket, **changed)},
        )

    def runtime(self, **changed: Any) -> Runtime:
        made = Runtime(self.config(**changed))
        self._runtimes.append(made)
        return made

    def close(self) -> None:
        digest_keys.forget_keys()
        self.aws.set_faults()
        for each in self._runtimes:
            each.close()

    def keys(self, *entries: dict[str, Any]) -> None:
        digest_keys.forget_keys()
        self.aws.set_public_keys(printed(*entries))

    def keys_file(self, *entries: dict[str, Any]) -> Digests:
        file = self.folder / "keys.json"
        file.write_text(printed(*entries))
        return Digests(public_keys_file=file)

    def put(self, key: str, body: bytes, at: datetime, **metadata: str) -> None:
        self.client.put_object(
            Bucket=self.bucket, Key=key, Body=body, Metadata={LAST_MODIFIED_METADATA: stamp(at), **metadata}
        )

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def put_digest(self, made: Made, stored: bytes | None = None, **metadata: str) -> None:
        known = {**made.metadata, **metadata}
        self.put(made.key, stored or made.stored, made.end + timedelta(minutes=8), **known)

    def put_log(self, log: Log, at: datetime, stored: bytes | None = None) -> None:
        self.put(log.key, stored or log.stored, at)

    def fill(self, chain: Chain) -> None:
        """Everything that CloudTrail would have delivered."""
        for made in (*chain.digests, *chain.backfills):
            self.put_digest(made)
            for log in made.logs:
                self.put_log(log, made.start + timedelta(minutes=6))

    def read_logs(self, runtime: Runtime, hashed: bool = True) -> None:
        """What listing and parsing leave in the ledger, without parsing."""
        seen, hashes = [], {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for entry in page.get("Contents", ()):
                if "/CloudTrail-Digest/" in entry["Key"]:
                    continue
                etag = entry["ETag"].strip('"')
                seen.append(SeenObject(self.bucket, entry["Key"], etag, etag, entry["Size"], entry["LastModified"]))
                body = self.client.get_object(Bucket=self.bucket, Key=entry["Key"])["Body"].read()
                hashes[entry["Key"], etag] = read_content([body], limit=1 << 30).sha256
        ledger = runtime.ledger
        record_seen(ledger, SOURCE, seen)
        with ledger.write() as connection:
            for (key, etag), sha256 in hashes.items():
                connection.execute(
                    objects.update()
                    .where(objects.c.key == key, objects.c.etag == etag, objects.c.state == ObjectState.LISTED.value)
                    .values(state=ObjectState.READ.value, content_sha256=sha256 if hashed else None)
                )
            for name in HOURS:
                connection.execute(hour.delete().where(hour.c.source == SOURCE, hour.c.hour == name))
                connection.execute(hour.insert().values(source=SOURCE, hour=name, state="open", listed_at=ledger.now()))

    def statuses(self, runtime: Runtime) -> dict[str, str | None]:
        """Key → integrity."""
        with runtime.ledger.read() as connection:
            rows = connection.execute(objects.select().with_only_columns(objects.c.key, objects.c.integrity))
            return {row.key: row.integrity for row in rows}
