"""Asking S3 about single keys: the same facts as a listing gives, for keys that somebody named.

Belongs here: HeadObject for many keys at once, and what its refusals mean. Does not belong here: reading (``reader``),
listing (``listing``), where the keys come from (``notifications``).

An answer to HEAD has no body, so S3 only says 400, 403 or 404, be it of one key or of everything. At the first such
answer the bucket is asked with a request that has a body, a listing of one key: it tells whether bucket, credentials
and clock are in order. Credentials may end later on, so that at a 400 or 403 an older verdict is asked for again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.breaker import Breaker
from s3sentinel_assets.s3.errors import THROTTLED, error_code, explain, s3_errors
from s3sentinel_assets.s3.extras import request_extras
from s3sentinel_assets.s3.listing import ListedObject

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

__all__ = ["describe_objects"]

_REFUSED = frozenset({"AccessDenied", "AllAccessDisabled", "403", "Forbidden"})
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound", "405", "MethodNotAllowed"})  # 405: a delete marker
_NOT_OF_A_KEY = frozenset({"401", "407"})
_TOO_MANY = frozenset({429, 503})
_SERVER_ERROR = 500
_AHEAD = 4  # keys asked for or answered and not taken yet, for each worker
#: So long the bucket's verdict explains a bare 400 or 403; and so often it is asked for at most.
_FRESH_SECONDS, _MOST_VERDICTS = 3.0, 12


def describe_objects(
    client: Any,
    bucket: str,
    keys: Iterable[str],
    *,
    access: AwsAccess,
    workers: int = 8,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[str, ListedObject | ReadFailure]]:
    """Asks S3 for each key what it holds now.

    Args:
        client: the S3 client; it is shared by threads.
        bucket: the bucket, or the ARN of an access point.
        keys: the keys; taken as they are needed.
        access: how the bucket is reached.
        workers: requests at a time.
        clock: seconds that only go forward.

    Yields:
        Key and object, in the order of the keys. In place of the object a `ReadFailure` (not raised): ``vanished``
        where there is none, ``denied``, ``throttled`` and ``broken`` where it could not be found out.

    Raises:
        UserError: the trouble is not one key's: bucket, credentials, the way to S3, or one key after the other
            throttled.
    """
    heads = _Heads(client, bucket, access, clock)
    waiting: deque[tuple[str, Future[ListedObject | ReadFailure]]] = deque()
    executor = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="heads")
    try:
        for key in keys:
            waiting.append((key, executor.submit(heads.describe, key)))
            if len(waiting) >= max(1, workers) * _AHEAD:
                first, answer = waiting.popleft()
                yield first, answer.result()
        while waiting:
            first, answer = waiting.popleft()
            yield first, answer.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


class _Heads:
    """What the threads of one call share."""

    def __init__(self, client: Any, bucket: str, access: AwsAccess, clock: Callable[[], float]) -> None:
        self._client, self._bucket, self._access = client, bucket, access
        self._clock = clock
        self._extras = request_extras(access, "head")
        self._breaker = Breaker()
        self._verdicts = 0
        self._verdict_at = 0.0
        self._asking = threading.Lock()

    def describe(self, key: str) -> ListedObject | ReadFailure:
        """Runs in a thread: one key."""
        from botocore.exceptions import BotoCoreError, ClientError

        self._breaker.check()
        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=key, **self._extras)
        except ClientError as error:
            return self._failure(key, error)
        except BotoCoreError as error:
            raise explain(error, bucket=self._bucket, access=self._access) from error
        self._breaker.served()
        return ListedObject(
            bucket=self._bucket,
            key=key,
            etag=answer["ETag"].strip('"'),
            size=answer["ContentLength"],
            last_modified=answer["LastModified"].astimezone(UTC).replace(microsecond=0),
            storage_class=answer.get("StorageClass", "STANDARD"),
        )

    def _failure(self, key: str, error: "ClientError") -> ReadFailure:
        """What a refusal means for the key.

        Raises:
            UserError: it is not about the key.
        """
        trouble = explain(error, bucket=self._bucket, access=self._access)
        if error.operation_name != "HeadObject":  # fetching the role's credentials
            raise trouble from error
        code = error_code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
        uri = f"s3://{self._bucket}/{key}"
        if code in THROTTLED or status in _TOO_MANY:
            self._breaker.throttled(trouble)
            return ReadFailure(
                "throttled",
                f"{uri}: S3 throttles ({code}) and still did at attempt {self._access.max_attempts}; the next listing "
                "finds it",
            )
        if status >= _SERVER_ERROR:
            return ReadFailure("broken", f"{uri}: S3 had error {code or status}; the next listing finds it")
        if not 400 <= (status or 400) < _SERVER_ERROR or code in _NOT_OF_A_KEY:
            raise trouble from error
        self._breaker.served()
        self._ask_the_bucket(key, again=code not in _GONE)
        if code in _GONE:
            return ReadFailure("vanished", f"{uri} is not there: it was deleted, or never written under that key")
        if code in _REFUSED:
            return ReadFailure(
                "denied",
                f"{uri}: access is denied; allow s3:GetObject on it, or, if there is no such object any more, "
                "s3:ListBucket on the bucket, without which S3 says so of missing objects too",
            )
        return ReadFailure(
            "denied",
            f"{uri}: S3 refuses to describe it ({code}); where it is encrypted with a key that its writer keeps "
            "(SSE-C), set aws.sse_customer_key_file to that key, else remove that setting",
        )

    def _ask_the_bucket(self, key: str, *, again: bool) -> None:
        """Finds out, for all keys, whether the trouble is everybody's.

        Args:
            key: what is listed.
            again: whether an older verdict does not count: credentials may have ended since.

        Raises:
            UserError: it is.
        """
        from botocore.exceptions import ClientError

        with self._asking:
            stale = again and self._clock() - self._verdict_at >= _FRESH_SECONDS
            if self._verdicts and not (stale and self._verdicts < _MOST_VERDICTS):
                return
            try:
                with s3_errors(bucket=self._bucket, access=self._access):
                    self._client.list_objects_v2(
                        Bucket=self._bucket, Prefix=key, MaxKeys=1, **request_extras(self._access, "list")
                    )
            except UserError as error:
                cause = error.__cause__
                # Who may read need not be allowed to list.
                if not isinstance(cause, ClientError) or error_code(cause) not in _REFUSED | THROTTLED:
                    raise
            self._verdicts += 1
            self._verdict_at = self._clock()
