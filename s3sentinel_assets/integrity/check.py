"""One digest file by itself: is it whole, where it belongs, and signed by CloudTrail?

Belongs here: the checks that need this digest alone. Does not belong here: its neighbours (``chain``).

A digest names its own bucket and key, and both are signed, so that a digest copied over another one fails. Where a
whole source is a copy of the bucket that CloudTrail writes to (``hour_from: key``), the bucket may differ, and the key
may have a prefix more; the log files are then looked for in the copy, under the same prefix. Where the source is read
through an access point, the digests name the bucket behind it, one and the same for all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from s3sentinel_assets.integrity.content import read_content
from s3sentinel_assets.integrity.digest import SIGNED_WITH, Digest, DigestError, LogFile, parse_digest
from s3sentinel_assets.integrity.names import DigestName, digest_name
from s3sentinel_assets.integrity.signature import PublicKey, signature_holds, text_to_sign
from s3sentinel_assets.integrity.verdicts import Reason, sentence
from s3sentinel_assets.ledger.schema import DigestState

__all__ = [
    "DECODED_LIMIT",
    "SIGNING_MARGIN",
    "CheckedDigest",
    "FindKey",
    "FoundDigest",
    "KeysUnavailableError",
    "check_digest",
]

#: Decoded bytes allowed in a digest: some 150,000 log files an hour.
DECODED_LIMIT = 64 << 20
#: A digest is signed after the end of its time, perhaps with a key that was not valid yet at that end.
SIGNING_MARGIN = timedelta(hours=2)
_BACKFILL_MARGIN = timedelta(hours=1)
#: CloudTrail began to write digests in 2015; its clock and ours may differ a little.
_EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
_CLOCKS = timedelta(days=1)


class KeysUnavailableError(Exception):
    """CloudTrail's public keys cannot be had now. The text is a sentence with the way out."""


#: Region, fingerprint, and the time in which the digest was signed → the key, None if there is none.
FindKey = Callable[[str, str, datetime, datetime], PublicKey | None]


@dataclass(frozen=True, slots=True)
class FoundDigest:
    """A digest object as it was fetched.

    Attributes:
        bucket: where it was found.
        key: the same, its key.
        etag: of the object.
        last_modified: of the object.
        stored: its bytes; None where they are too many to be fetched.
        signature: user metadata ``signature``, in hex.
        algorithm: user metadata ``signature-algorithm``.
        generated_at: user metadata ``backfill-generation-timestamp``; not signed.
    """

    bucket: str
    key: str
    etag: str
    last_modified: datetime
    stored: bytes | None
    signature: str | None
    algorithm: str | None = None
    generated_at: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedDigest:
    """A digest and what is to be said of it.

    Attributes:
        found: as it was fetched.
        name: what its key says; None for a strange key.
        state: the verdict.
        reason: why it is not verified.
        note: the same as a sentence.
        content_sha256: hex, of its decoded content.
        digest: its content; None where it cannot be read.
        added_prefix: what a copy has in front of CloudTrail's own key.
    """

    found: FoundDigest
    name: DigestName | None
    state: DigestState
    reason: Reason | None
    note: str | None
    content_sha256: str | None = None
    digest: Digest | None = None
    added_prefix: str = ""

    @property
    def chain(self) -> str:
        """The chain it belongs to."""
        return self.name.chain if self.name else "?"

    @property
    def _believed(self) -> Digest | None:
        """The content, as far as its times are to be believed: a forger must not choose the hour it counts for."""
        digest = self.digest if self.state is not DigestState.FAILED else None
        if digest is None or self.state is DigestState.VERIFIED:
            return digest
        return digest if self.name is not None and self.name.end == digest.end else None

    @property
    def end(self) -> datetime:
        """End of its time, from its content, else its key, else when it was written."""
        if self._believed:
            return self._believed.end
        return self.name.end if self.name else self.found.last_modified

    @property
    def start(self) -> datetime:
        """Start of its time; an hour before its end where its content does not say."""
        return self._believed.start if self._believed else self.end - timedelta(hours=1)

    @property
    def files(self) -> tuple[LogFile, ...]:
        """The log files it lists, where they lie in this source; none of a digest that failed."""
        if self.digest is None or self.state is DigestState.FAILED:
            return ()
        bucket = self.digest.bucket
        if not self.added_prefix and bucket == self.found.bucket:
            return self.digest.files
        return tuple(
            LogFile(self.found.bucket, self.added_prefix + file.key, file.sha256) if file.bucket == bucket else file
            for file in self.digest.files
        )

    @property
    def previous_key(self) -> str | None:
        """Key of the digest before, where it lies in this source; ``s3://bucket/key`` if in another bucket."""
        previous = self.digest.previous if self.digest else None
        if self.digest is None or previous is None:
            return None
        if previous.bucket == self.digest.bucket:
            return self.added_prefix + previous.key
        return f"s3://{previous.bucket}/{previous.key}"


def check_digest(
    found: FoundDigest,
    find_key: FindKey,
    *,
    now: datetime,
    copied: bool = False,
    access_point: bool = False,
    real_bucket: str | None = None,
) -> CheckedDigest:
    """Checks one digest by itself.

    Args:
        found: the digest.
        find_key: where keys come from; may raise `KeysUnavailableError`.
        now: the present.
        copied: the whole source is a copy of the bucket that CloudTrail writes to.
        access_point: the source's bucket is the ARN or the alias of an access point: CloudTrail knows another name.
        real_bucket: the bucket behind it, as earlier verified digests named it; None as long as there is none.
    """
    name = digest_name(found.key)
    sha256: str | None = None
    digest: Digest | None = None
    prefix = ""
    try:
        sha256, content = _decoded(found)
        digest = parse_digest(content)
        real = real_bucket if access_point else found.bucket
        prefix = _added_prefix(found, digest, real, copied=copied)
        _check_signature(found, digest, name, sha256, find_key, now)
    except DigestError as error:
        state = DigestState.UNPROVED if error.reason is Reason.UNKNOWN_ALGORITHM else DigestState.FAILED
        return CheckedDigest(found, name, state, error.reason, error.detail, sha256)
    except _Verdict as verdict:
        if verdict.reason is Reason.WRONG_PLACE:
            digest = None  # what it lists belongs elsewhere
        return CheckedDigest(found, name, verdict.state, verdict.reason, verdict.note, sha256, digest, prefix)
    return CheckedDigest(found, name, DigestState.VERIFIED, None, None, sha256, digest, prefix)


class _Verdict(Exception):  # noqa: N818 - it ends the checks and is no error of ours
    def __init__(self, state: DigestState, reason: Reason, detail: str | None = None) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason
        self.note = detail or sentence(reason)


def _decoded(found: FoundDigest) -> tuple[str, bytes]:
    """Hash and bytes of the content."""
    if found.stored is None:
        raise _Verdict(DigestState.FAILED, Reason.TOO_LARGE)
    pieces: list[bytes] = []
    content = read_content([found.stored], limit=DECODED_LIMIT, sink=pieces.append)
    if content.problem:
        raise _Verdict(DigestState.FAILED, content.problem)
    return content.sha256, b"".join(pieces)


def _check_signature(
    found: FoundDigest, digest: Digest, name: DigestName | None, sha256: str, find_key: FindKey, now: datetime
) -> None:
    if name is None:
        raise _Verdict(DigestState.FAILED, Reason.STRANGE_NAME)
    if digest.start < _EARLIEST or digest.end > now + _CLOCKS:
        # Nor is CloudTrail asked for the keys of such a time: it would refuse, and its keys would seem not to be had.
        detail = f"it claims a time of which CloudTrail cannot have written a digest: {digest.start} to {digest.end}"
        raise _Verdict(DigestState.FAILED, Reason.BAD_DIGEST, detail)
    if not found.signature:
        raise _Verdict(DigestState.UNPROVED, Reason.NO_SIGNATURE)
    if digest.algorithm != SIGNED_WITH:
        detail = f"digestSignatureAlgorithm is {digest.algorithm[:40]!r}; known is {SIGNED_WITH}"
        raise _Verdict(DigestState.UNPROVED, Reason.UNKNOWN_ALGORITHM, detail)
    first, last = _signed_between(digest, name, found.generated_at, now)
    fingerprint = digest.fingerprint.lower()
    try:
        key = find_key(name.region, fingerprint, first, last)
    except KeysUnavailableError as error:
        raise _Verdict(DigestState.UNPROVED, Reason.KEYS_UNAVAILABLE, str(error)) from None
    if key is None:
        detail = f"it is signed with the key {fingerprint[:40]!r}, which CloudTrail does not list in {name.region} for"
        raise _Verdict(DigestState.UNPROVED, Reason.UNKNOWN_KEY, f"{detail} its time")
    if not signature_holds(key, found.signature, text_to_sign(digest, sha256)):
        raise _Verdict(DigestState.FAILED, Reason.BAD_SIGNATURE)
    if key.valid_from > last or key.valid_to < first:
        detail = f"its key was valid from {key.valid_from:%Y-%m-%dT%H:%M:%SZ} to {key.valid_to:%Y-%m-%dT%H:%M:%SZ} only"
        raise _Verdict(DigestState.FAILED, Reason.KEY_NOT_VALID, detail)


def _added_prefix(found: FoundDigest, digest: Digest, real_bucket: str | None, *, copied: bool) -> str:
    """What the found key has in front of CloudTrail's own."""
    if found.key == digest.key and (copied or real_bucket in (None, digest.bucket)):
        return ""
    if copied and found.key.endswith("/" + digest.key):
        return found.key.removesuffix(digest.key)
    detail = (
        f"it says that CloudTrail put it at s3://{digest.bucket[:80]}/{digest.key[:400]}, but it was found elsewhere"
    )
    if digest.key == found.key and real_bucket != found.bucket:
        detail += f"; the source's other digests are of the bucket {real_bucket}"
    elif digest.key == found.key:
        detail += "; if this bucket is a copy, set hour_from: key for the source"
    raise _Verdict(DigestState.FAILED, Reason.WRONG_PLACE, detail)


def _signed_between(
    digest: Digest, name: DigestName, generated_at: str | None, now: datetime
) -> tuple[datetime, datetime]:
    """The time in which the digest can have been signed.

    CloudTrail signs soon after the end of the digest's hour. A backfill digest may come days later; its metadata say
    when, but not under signature, so that what they say only narrows the time down.
    """
    if not name.backfill:
        return digest.start, digest.end + SIGNING_MARGIN
    latest = max(now, digest.end) + SIGNING_MARGIN
    try:
        generated = datetime.fromisoformat(generated_at or "")
    except ValueError:
        return digest.start, latest
    generated = generated.replace(tzinfo=UTC) if generated.tzinfo is None else generated
    if not digest.end <= generated <= latest:
        return digest.start, latest
    return max(digest.start, generated - _BACKFILL_MARGIN), generated + _BACKFILL_MARGIN
