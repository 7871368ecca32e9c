"""CloudTrail's digest files for generated logs: which log files came in an hour, each with its hash, and a signature.

Belongs here: the chain of an account and region, digests that come late with late log files, and the key they are
signed with. Does not belong here: making log files, handing out the public key (``local.aws``), judging (a reader's
work; nothing here is shared with it, so that each tests the other).

Everything but the signatures is a function of the log files. The key is made anew each time and its private half never
leaves the process, so signatures differ from run to run, and with them whatever names a signature.

What a digest holds and what is signed: user guide of CloudTrail, "CloudTrail digest file structure" and "Custom
implementations of CloudTrail log file integrity validation".
"""

import base64
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from s3sentinel_assets.hours import hour_range, hour_start
from s3sentinel_assets.local.generator.draws import rng_for
from s3sentinel_assets.local.generator.layout import digest_key
from s3sentinel_assets.local.generator.model import SeedObject

__all__ = ["DigestObject", "SigningKey", "backfill_digests", "hourly_digests", "is_listed"]

_ALGORITHM = "SHA256withRSA"
_HOUR = timedelta(hours=1)
_VALID = timedelta(days=30)
_EVENT_TIME = re.compile(rb'"eventTime":"([0-9T:Z-]{20})"')
_BITS = 2048


@dataclass(frozen=True)
class DigestObject:
    """A digest as CloudTrail puts it into the bucket.

    Attributes:
        key: its key.
        body: its bytes.
        last_modified: the instant S3 is to report.
        metadata: its user metadata, the signature among them.
        files: the keys of the log files it lists.
    """

    key: str
    body: bytes
    last_modified: datetime
    metadata: Mapping[str, str]
    files: tuple[str, ...]


class SigningKey:
    """A key pair in CloudTrail's place. A new one each time; the private half is in memory only."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._private = rsa.generate_private_key(public_exponent=65_537, key_size=_BITS)
        self._public = self._private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        self.fingerprint = hashlib.md5(self._public, usedforsecurity=False).hexdigest()

    def sign(self, text: bytes) -> str:
        """The signature of a text, in hex: RSA PKCS #1 v1.5 over SHA-256."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._private.sign(text, PKCS1v15(), SHA256()).hex()

    def public_keys(self, around: datetime) -> str:
        """The public half as ``aws cloudtrail list-public-keys`` prints it, valid a month before and after."""
        entry = {
            "Value": base64.b64encode(self._public).decode("ascii"),
            "ValidityStartTime": (around - _VALID).isoformat(),
            "ValidityEndTime": (around + _VALID).isoformat(),
            "Fingerprint": self.fingerprint,
        }
        return json.dumps({"PublicKeyList": [entry]}, indent=2)


@dataclass
class _Chain:
    """The digests of one account and region, one after the other, each naming the one before."""

    bucket: str
    account: str
    region: str
    signer: SigningKey
    previous: dict[str, str | None] = field(
        default_factory=lambda: dict.fromkeys(("Bucket", "Object", "Hash", "Algorithm", "Signature"))
    )

    def add(
        self, start: datetime, end: datetime, items: Sequence[SeedObject], written: datetime, *, backfill: bool
    ) -> DigestObject:
        """The next digest; ``written`` is when it arrives in the bucket."""
        key = digest_key(self.account, self.region, end, backfill=backfill)
        entries = [_entry(self.bucket, item) for item in items]
        values = {
            "awsAccountId": self.account,
            "digestStartTime": _stamp(start),
            "digestEndTime": _stamp(end),
            "digestS3Bucket": self.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": self.signer.fingerprint,
            "digestSignatureAlgorithm": _ALGORITHM,
            "newestEventTime": max((e["newestEventTime"] for e in entries if e["newestEventTime"]), default=None),
            "oldestEventTime": min((e["oldestEventTime"] for e in entries if e["oldestEventTime"]), default=None),
            "previousDigestS3Bucket": self.previous["Bucket"],
            "previousDigestS3Object": self.previous["Object"],
            "previousDigestHashValue": self.previous["Hash"],
            "previousDigestHashAlgorithm": self.previous["Algorithm"],
            "previousDigestSignature": self.previous["Signature"],
            "logFiles": entries,
        }
        content = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        sha256 = hashlib.sha256(content).hexdigest()
        before = self.previous["Signature"] or "null"
        signature = self.signer.sign(f"{_stamp(end)}\n{self.bucket}/{key}\n{sha256}\n{before}".encode())
        self.previous = {
            "Bucket": self.bucket,
            "Object": key,
            "Hash": sha256,
            "Algorithm": "SHA-256",
            "Signature": signature,
        }
        metadata = {"signature": signature, "signature-algorithm": _ALGORITHM}
        if backfill:
            metadata["backfill-generation-timestamp"] = _stamp(written)
        body = gzip.compress(content, compresslevel=6, mtime=0)
        return DigestObject(key, body, written, metadata, tuple(item.key for item in items))


def hourly_digests(
    objects: Iterable[SeedObject], hours: Sequence[str], bucket: str, signer: SigningKey
) -> list[DigestObject]:
    """The digests that CloudTrail writes about some hours: one chain for each account and region.

    A chain's hours end a few minutes after the full hour, always the same ones. The first digest of a chain begins
    it; the last one covers the end of the last hour and is there a quarter of an hour after it.

    Args:
        objects: log files; those of CloudTrail count.
        hours: hour keys in order; log files of other hours are in no digest.
        bucket: where log files and digests lie.
        signer: signs the digests.
    """
    made: list[DigestObject] = []
    for (account, region), items in _places(objects).items():
        chain = _Chain(bucket, account, region, signer)
        offset = _offset(account, region)
        for hour in (*hour_range(hours[0], hours[-1]), None):
            end = (hour_start(hours[-1]) + _HOUR if hour is None else hour_start(hour)) + offset
            inside = [item for item in items if end - _HOUR < item.last_modified <= end]
            made.append(chain.add(end - _HOUR, end, inside, _arrival(account, region, end), backfill=False))
    return made


def backfill_digests(
    objects: Iterable[SeedObject], hours: Sequence[str], bucket: str, signer: SigningKey
) -> list[DigestObject]:
    """Digests for log files that came too late for the digest of their hour: chains of their own, without a rhythm.

    Args:
        objects: the late log files.
        hours: the hours of the scenario; the digests arrive after the last one, whatever hour they are about.
        bucket: where log files and digests lie.
        signer: signs the digests.
    """
    made: list[DigestObject] = []
    for (account, region), items in _places(objects).items():
        chain = _Chain(bucket, account, region, signer)
        offset = _offset(account, region)
        written = _arrival(account, region, hour_start(hours[-1]) + _HOUR + offset)
        by_end: dict[datetime, list[SeedObject]] = {}
        for item in items:
            end = hour_start(item.hour) + offset
            by_end.setdefault(end if item.last_modified <= end else end + _HOUR, []).append(item)
        for end, inside in sorted(by_end.items()):
            made.append(chain.add(end - _HOUR, end, inside, written, backfill=True))
    return made


def is_listed(item: SeedObject) -> bool:
    """Whether digests list an object: one of CloudTrail's that is one whole gzip member, as CloudTrail writes it.

    An object of 0 bytes, say, is none, and its digest knows nothing of it.
    """
    return item.source == "cloudtrail" and _content(item.body) is not None


def _content(body: bytes) -> bytes | None:
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = reader.decompress(body)
    except zlib.error:
        return None
    return content if reader.eof and not reader.unused_data else None


def _entry(bucket: str, item: SeedObject) -> dict[str, Any]:
    content = _content(item.body) or b""
    times = [found.decode("ascii") for found in _EVENT_TIME.findall(content)]
    return {
        "s3Bucket": bucket,
        "s3Object": item.key,
        "hashValue": hashlib.sha256(content).hexdigest(),
        "hashAlgorithm": "SHA-256",
        "newestEventTime": max(times, default=None),
        "oldestEventTime": min(times, default=None),
    }


def _places(objects: Iterable[SeedObject]) -> dict[tuple[str, str], list[SeedObject]]:
    """(Account, region) → its log files in order of arrival."""
    places: dict[tuple[str, str], list[SeedObject]] = {}
    for item in sorted(filter(is_listed, objects), key=lambda each: (each.last_modified, each.key)):
        _, account, _, region, *_ = item.key.split("/")
        places.setdefault((account, region), []).append(item)
    return dict(sorted(places.items()))


def _offset(account: str, region: str) -> timedelta:
    """How long after the full hour the chain's hours end."""
    return timedelta(seconds=rng_for(0, "digest hour", account, region).randint(60, 300))


def _arrival(account: str, region: str, end: datetime) -> datetime:
    """When the digest of an hour is written: minutes after its end."""
    return end + timedelta(seconds=rng_for(0, "digest", account, region, end.isoformat()).randint(120, 480))


def _stamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
