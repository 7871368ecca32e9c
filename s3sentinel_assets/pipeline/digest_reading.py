"""Digest files of a source, listed, fetched and checked one by one as a stream.

Belongs here: what the verification with the ledger (``integrity``) and the one without it (``digest_audit``) share.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from s3sentinel_assets.config import AwsAccess, SourceSettings
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.integrity import CheckedDigest, FoundDigest, Link, check_digest, digest_name
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.schema import DigestState
from s3sentinel_assets.pipeline.digest_keys import KeyRing, key_ring

if TYPE_CHECKING:
    from s3sentinel_assets.pipeline.runtime import Runtime
    from s3sentinel_assets.s3.digests import FetchedDigest, ListedFile

__all__ = ["DIGEST_DELAY", "DigestReader", "ahead", "as_link"]

#: A digest covers an hour and arrives some time after its end; a log file may also be listed an hour late.
DIGEST_DELAY = timedelta(hours=3)
_FETCHES = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], depth: int
) -> Iterator[tuple[Item, Result]]:
    """What `work` gives for each item, in order, with no more than ``depth`` of them begun or waiting."""
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) >= depth:
                first, result = waiting.popleft()
                yield first, result.result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()
    finally:
        for _, result in waiting:
            result.cancel()


@dataclass(frozen=True)
class DigestReader:
    """How the digests of one source are reached and checked. Make one with `of`.

    Attributes:
        source: the source.
        access: to AWS.
        client: the S3 client.
        template: of the digests' keys.
        keys: CloudTrail's public keys.
        now: the present.
        real_buckets: the bucket that the first verified digest named, where the source is read through an access point.
    """

    source: SourceSettings
    access: AwsAccess
    client: Any
    template: str
    keys: KeyRing
    now: datetime
    real_buckets: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, runtime: "Runtime", source: str, keys_file: Path | None = None) -> "DigestReader":
        """The reader of a source.

        Args:
            runtime: the runtime.
            source: the source's name.
            keys_file: public keys; by default those of the configuration, else CloudTrail is asked.

        Raises:
            ConfigurationError: the place of the digests cannot be told, or the file of keys cannot be used.
        """
        from s3sentinel_assets.s3.digests import digest_template

        settings = runtime.source(source)
        template = digest_template(settings)
        if template is None:
            raise ConfigurationError(
                f"source {source}: the place of its digest files cannot be told from its prefix {settings.prefix!r}; "
                "set digests.prefix, such as AWSLogs/{account}/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/"
            )
        access = runtime.config.aws_access(settings)
        keys_file = keys_file or (settings.digests.public_keys_file if settings.digests else None)
        return cls(settings, access, runtime.s3(source), template, key_ring(access, keys_file), utc_now())

    @property
    def copied(self) -> bool:
        """Whether the bucket is a copy of the one that CloudTrail writes to."""
        return self.source.hour_from == "key"

    @property
    def through_access_point(self) -> bool:
        """Whether digests name another bucket than the source does, although they lie where CloudTrail put them."""
        from s3sentinel_assets.s3.digests import is_access_point

        return is_access_point(self.source.bucket)

    def listed(self, first: datetime, last: datetime) -> Iterator["ListedFile"]:
        """The digest objects that may say something of log files delivered from ``first`` to ``last``.

        One more digest before is among them, for the links. Objects with a strange name are, too.

        Raises:
            UserError: S3 cannot be reached or refuses.
        """
        from s3sentinel_assets.s3.digests import list_files

        earliest, latest = first - timedelta(hours=1), last + DIGEST_DELAY
        listing = list_files(self.client, self.source.bucket, self.template, self.access, first=earliest, last=latest)
        for entry in listing:
            name = digest_name(entry.key)
            if name is None or earliest <= name.end <= latest:
                yield entry

    def checked(self, listed: Iterable["ListedFile"]) -> Iterator[tuple["ListedFile", CheckedDigest | str | None]]:
        """Each digest checked by itself, in the same order; fetched in parallel, in bounded memory.

        Yields:
            The object with the checked digest, or with a sentence where it cannot be read, or None where it is gone.
        """
        with ThreadPoolExecutor(_FETCHES, thread_name_prefix="digest") as pool:
            for entry, fetched in ahead(pool, self._fetch, listed, 2 * _FETCHES):
                if fetched is None or isinstance(fetched, str):
                    yield entry, fetched
                    continue
                found = FoundDigest(
                    bucket=entry.bucket,
                    key=entry.key,
                    etag=entry.etag,
                    last_modified=entry.last_modified,
                    stored=fetched.stored,
                    signature=fetched.metadata.get("signature"),
                    generated_at=fetched.metadata.get("backfill-generation-timestamp"),
                )
                checked = check_digest(
                    found,
                    self.keys.find,
                    now=self.now,
                    copied=self.copied,
                    access_point=self.through_access_point,
                    real_bucket=self.real_buckets[0] if self.real_buckets else None,
                )
                if self.through_access_point and not self.real_buckets:
                    verified = checked.digest if checked.state is DigestState.VERIFIED else None
                    self.real_buckets.extend([verified.bucket] if verified else [])
                yield entry, checked

    def _fetch(self, entry: "ListedFile") -> "FetchedDigest | str | None":
        from s3sentinel_assets.s3.digests import ObjectGoneError, fetch_digest

        try:
            return fetch_digest(self.client, entry, self.access)
        except ObjectGoneError:
            return None
        except UserError as error:
            return str(error)


def as_link(number: int, checked: CheckedDigest) -> Link:
    """What the neighbours of a checked digest need to know of it."""
    believed = checked.state is not DigestState.FAILED
    previous = checked.digest.previous if checked.digest and believed else None
    return Link(
        id=number,
        key=checked.found.key,
        start=to_micros(checked.start),
        end=to_micros(checked.end),
        state=checked.state,
        content_sha256=checked.content_sha256,
        signature=checked.found.signature,
        previous_key=checked.previous_key if believed else None,
        previous_sha256=previous.sha256 if previous else None,
        previous_signature=previous.signature if previous else None,
    )
