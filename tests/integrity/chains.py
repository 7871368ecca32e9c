"""Chains of digests that tests build, sign with throwaway keys, and then break."""

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from s3sentinel_assets.integrity import FoundDigest, PublicKey, make_key

ACCOUNT = "123837392027"
REGION = "us-east-1"
START = datetime(2024, 11, 20, tzinfo=UTC)
LONG = (datetime(2024, 11, 1, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))


_BITS = {"short": 1024}


@functools.cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """A throwaway key, the same one for the same name."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=_BITS.get(name, 2048))


def key_entry(name: str = "first", valid: tuple[datetime, datetime] = LONG, spki: bool = False) -> dict[str, Any]:
    """The key as ListPublicKeys gives it to boto3."""
    form = PublicFormat.SubjectPublicKeyInfo if spki else PublicFormat.PKCS1
    der = private_key(name).public_key().public_bytes(Encoding.DER, form)
    return {
        "Value": der,
        "Fingerprint": hashlib.md5(der, usedforsecurity=False).hexdigest(),
        "ValidityStartTime": valid[0],
        "ValidityEndTime": valid[1],
    }


def printed(*entries: Mapping[str, Any]) -> str:
    """The keys as the AWS command line prints them."""
    shown = [
        {
            **entry,
            "Value": base64.b64encode(entry["Value"]).decode(),
            "ValidityStartTime": entry["ValidityStartTime"].isoformat(),
            "ValidityEndTime": entry["ValidityEndTime"].isoformat(),
        }
        for entry in entries
    ]
    return json.dumps({"PublicKeyList": shown})


def keys(*entries: Mapping[str, Any]):
    """A way to find keys, as `check_digest` wants it."""
    known = {key.fingerprint: key for key in map(make_key, entries or (key_entry(),))}

    def find(region: str, fingerprint: str, first: datetime, last: datetime) -> PublicKey | None:
        return known.get(fingerprint)

    return find


@dataclass
class Log:
    """A log file: where it lies and what it holds."""

    bucket: str
    key: str
    content: bytes

    @property
    def stored(self) -> bytes:
        return gzip.compress(self.content, mtime=0)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def entry(self) -> dict[str, Any]:
        return {
            "s3Bucket": self.bucket,
            "s3Object": self.key,
            "hashValue": self.sha256,
            "hashAlgorithm": "SHA-256",
            "newestEventTime": "2024-11-20T00:00:00Z",
            "oldestEventTime": "2024-11-20T00:00:00Z",
        }


@dataclass
class Made:
    """A digest as CloudTrail would have put it into the bucket."""

    key: str
    values: dict[str, Any]
    logs: list[Log]
    signature: str
    backfill_at: datetime | None = None
    stored: bytes = b""

    @property
    def content(self) -> bytes:
        return json.dumps(self.values).encode()

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(self.values["digestStartTime"])

    @property
    def end(self) -> datetime:
        return datetime.fromisoformat(self.values["digestEndTime"])

    @property
    def metadata(self) -> dict[str, str]:
        found = {"signature": self.signature, "signature-algorithm": "SHA256withRSA"}
        if self.backfill_at:
            found["backfill-generation-timestamp"] = f"{self.backfill_at:%Y-%m-%dT%H:%M:%SZ}"
        return found

    def found(self, **other: Any) -> FoundDigest:
        """The digest as it is fetched; ``other`` replaces what a tamperer changed."""
        usual: dict[str, Any] = {
            "bucket": self.values["digestS3Bucket"],
            "key": self.key,
            "etag": hashlib.md5(self.stored, usedforsecurity=False).hexdigest(),
            "last_modified": self.end + timedelta(minutes=8),
            "stored": self.stored,
            "signature": self.signature,
            "generated_at": self.metadata.get("backfill-generation-timestamp"),
        }
        return FoundDigest(**{**usual, **other})


def sign(values: Mapping[str, Any], content: bytes, name: str = "first") -> str:
    """The signature that CloudTrail would make."""
    previous = values["previousDigestSignature"] or "null"
    place = f"{values['digestS3Bucket']}/{values['digestS3Object']}"
    text = f"{values['digestEndTime']}\n{place}\n{hashlib.sha256(content).hexdigest()}\n{previous}"
    return private_key(name).sign(text.encode(), PKCS1v15(), SHA256()).hex()


def stamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Chain:
    """Builds the digests of one trail, hour after hour."""

    bucket: str = "trail-bucket"
    account: str = ACCOUNT
    region: str = REGION
    trail: str = "management_events"
    organization: str = ""
    key_name: str = "first"
    spki: bool = False
    end: datetime = START + timedelta(minutes=48, seconds=5)
    digests: list[Made] = field(default_factory=list)
    backfills: list[Made] = field(default_factory=list)
    prefix: str = "AWSLogs/"

    def _folder(self, kind: str, at: datetime) -> str:
        base = f"{self.prefix}{self.organization + '/' if self.organization else ''}{self.account}"
        return f"{base}/{kind}/{self.region}/{at:%Y/%m/%d}"

    def log(self, at: datetime, content: bytes | None = None, name: str = "abcdEFGH12345678") -> Log:
        """A log file delivered at an instant."""
        key = (
            f"{self._folder('CloudTrail', at)}/{self.account}_CloudTrail_{self.region}_{at:%Y%m%dT%H%MZ}_{name}.json.gz"
        )
        if content is None:
            content = json.dumps({"Records": [{"eventVersion": "1.09", "eventID": f"{at}{name}"}]}).encode()
        return Log(self.bucket, key, content)

    def digest_key(self, end: datetime, backfill: bool = False) -> str:
        name = (
            f"{self.account}_CloudTrail-Digest_{self.region}_{self.trail}_{REGION}_{end:%Y%m%dT%H%M%SZ}"
            f"{'_backfill' if backfill else ''}.json.gz"
        )
        return f"{self._folder('CloudTrail-Digest', end)}/{name}"

    def add(
        self,
        logs: list[Log] | int = 1,
        *,
        hours: float = 1,
        linked: bool = True,
        backfill_at: datetime | None = None,
        **changed: Any,
    ) -> Made:
        """One more digest, signed; ``changed`` replaces values before signing."""
        before = self.backfills if backfill_at else self.digests
        start, end = self.end, self.end + timedelta(hours=hours)
        if isinstance(logs, int):
            logs = [self.log(start + timedelta(minutes=5 * (n + 1)), name=f"log{n:013}") for n in range(logs)]
        previous = before[-1] if before and linked else None
        values: dict[str, Any] = {
            "awsAccountId": self.account,
            "digestStartTime": stamp(start),
            "digestEndTime": stamp(end),
            "digestS3Bucket": self.bucket,
            "digestS3Object": self.digest_key(end, backfill_at is not None),
            "digestPublicKeyFingerprint": key_entry(self.key_name, spki=self.spki)["Fingerprint"],
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": None,
            "oldestEventTime": None,
            "previousDigestS3Bucket": previous.values["digestS3Bucket"] if previous else None,
            "previousDigestS3Object": previous.key if previous else None,
            "previousDigestHashValue": hashlib.sha256(previous.content).hexdigest() if previous else None,
            "previousDigestHashAlgorithm": "SHA-256" if previous else None,
            "previousDigestSignature": previous.signature if previous else None,
            "logFiles": [log.entry() for log in logs],
            **changed,
        }
        made = Made(values["digestS3Object"], values, logs, "", backfill_at)
        made.signature = sign(values, made.content, self.key_name)
        made.stored = gzip.compress(made.content, mtime=0)
        before.append(made)
        if not backfill_at:
            self.end = end
        return made

    def pause(self, hours: float) -> None:
        """Logging stands still."""
        self.end += timedelta(hours=hours)

    @property
    def logs(self) -> list[Log]:
        return [log for made in (*self.digests, *self.backfills) for log in made.logs]


def chain(hours: int = 5, **settings: Any) -> Chain:
    """A good chain of so many digests."""
    made = Chain(**settings)
    for _ in range(hours):
        made.add(logs=2)
    return made
