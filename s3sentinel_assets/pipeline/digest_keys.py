"""Where public keys come from: a file, or CloudTrail itself, asked once for a region and a span of days.

Belongs here: the cache of keys. Does not belong here: what a key proves (``integrity``), the request (``s3.digests``).
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.integrity import SIGNING_MARGIN, KeysUnavailableError, PublicKey, load_keys_file, make_key

__all__ = ["KeyRing", "forget_keys", "key_ring"]

_ASK_AGAIN_SECONDS = 3_600.0
_DAY = timedelta(days=1)

ListKeys = Callable[[str, datetime, datetime], list[dict[str, Any]]]


class KeyRing:
    """The public keys known to this process. Safe to share between threads."""

    def __init__(
        self,
        list_keys: ListKeys | None,
        fixed: dict[str, PublicKey] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keys that are asked for when needed, or fixed ones from a file.

        Args:
            list_keys: region, first and last instant → entries of ``PublicKeyList``; may raise `KeysUnavailableError`.
            fixed: the keys of a file, whatever their region; nobody is asked then.
            clock: seconds, for when to ask again.
        """
        self._list_keys = list_keys
        self._fixed = fixed
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[tuple[str, str], PublicKey] = {}
        self._asked: dict[tuple[str, datetime, datetime], float] = {}
        self._refused: dict[str, tuple[float, str]] = {}

    def find(self, region: str, fingerprint: str, first: datetime, last: datetime) -> PublicKey | None:
        """The key, asked for in a span of whole days around the time in which it was used; None if there is none.

        Raises:
            KeysUnavailableError: CloudTrail does not hand out its keys.
        """
        if self._fixed is not None:
            return self._fixed.get(fingerprint)
        with self._lock:  # held while asking: the other threads want the same answer
            key = self._keys.get((region, fingerprint))
            if key is None:
                self._ask(region, first, last)
                key = self._keys.get((region, fingerprint))
            return key

    def refusal(self, region: str) -> str | None:
        """Why the keys of a region were not to be had a short time ago; None if they were, or nobody asked."""
        with self._lock:
            refused = self._refused.get(region)
            return refused[1] if refused and self._clock() - refused[0] < _ASK_AGAIN_SECONDS else None

    def _ask(self, region: str, first: datetime, last: datetime) -> None:
        now = self._clock()
        span = (region, _midnight(first) - _DAY, _midnight(last) + 2 * _DAY)
        refused = self._refused.get(region)
        if refused and now - refused[0] < _ASK_AGAIN_SECONDS:
            raise KeysUnavailableError(refused[1])
        asked = self._asked.get(span)
        if asked is not None and now - asked < _ASK_AGAIN_SECONDS:
            return
        if self._list_keys is None:
            return
        try:
            # Not far into the future: CloudTrail may refuse a time that is not possible yet.
            entries = self._list_keys(region, span[1], min(span[2], utc_now() + SIGNING_MARGIN))
        except KeysUnavailableError as error:
            self._refused[region] = now, str(error)
            raise
        self._refused.pop(region, None)
        self._asked[span] = now
        for entry in entries:
            try:
                key = make_key(entry)
            except ValueError:
                continue  # it must not take the others away; digests signed with it stay unproved as of an unknown key
            self._keys[region, key.fingerprint] = key


def _midnight(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


_rings: dict[tuple[AwsAccess, Path | None], KeyRing] = {}
_lock = threading.Lock()


def forget_keys() -> None:
    """Forgets every key and refusal, so that CloudTrail is asked again."""
    with _lock:
        _rings.clear()


def key_ring(access: AwsAccess, keys_file: Path | None) -> KeyRing:
    """The keys for an access, shared in this process; those of a file are read anew each time.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    if keys_file is not None:
        return KeyRing(None, load_keys_file(keys_file))

    def list_keys(region: str, first: datetime, last: datetime) -> list[dict[str, Any]]:
        from s3sentinel_assets.errors import UserError
        from s3sentinel_assets.s3.digests import KeysRefusedError, known_regions, list_public_keys
        from s3sentinel_assets.s3.session import aws_client

        if region not in known_regions():
            raise KeysUnavailableError(
                f"CloudTrail has no region {region} as far as the installed botocore knows, so it is not asked for the "
                "keys of that region; if the region is new, update botocore, or name a file with the keys in "
                "digests.public_keys_file"
            )
        try:
            return list_public_keys(aws_client(access, "cloudtrail", region), first, last)
        except (KeysRefusedError, UserError) as error:
            raise KeysUnavailableError(str(error)) from error

    with _lock:
        return _rings.setdefault((access, None), KeyRing(list_keys))
