"""Credentials that change while clients use them: renewed before they expire, or read again when their file changes.

Belongs here: when other keys are needed, and that threads share them safely. Does not belong here: where they come from
(``roles``, ``session``).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from s3sentinel_assets.errors import UserError

__all__ = ["FileCredentials", "LiveCredentials", "RenewingCredentials"]

_LOG = logging.getLogger(__name__)

#: Renewal begins this long before the end, or in the last quarter of a shorter life.
_EARLY = timedelta(minutes=15)
#: Keys with less than this left are not used: a request may be on its way for a while.
_MARGIN = timedelta(minutes=1)
#: Rest after a renewal that failed, while the old keys still work and after they ended.
_REST, _SHORT_REST = timedelta(minutes=1), timedelta(seconds=5)


def _now() -> datetime:
    return datetime.now(UTC)


class LiveCredentials(Credentials):
    """Credentials whose every use asks `get_frozen_credentials`, which may give other keys each time."""

    def __init__(self) -> None:
        """Stores nothing, where botocore's would store keys."""

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Keys that belong together and are good for a request now."""
        raise NotImplementedError

    @property
    def access_key(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - botocore's is an attribute
        """Of the keys that are good now; use `get_frozen_credentials` for parts that belong together."""
        return self.get_frozen_credentials().access_key

    @property
    def secret_key(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As ``access_key``."""
        return self.get_frozen_credentials().secret_key

    @property
    def token(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As ``access_key``."""
        return self.get_frozen_credentials().token

    @property
    def account_id(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The account of the role."""
        return self.get_frozen_credentials().account_id


@dataclass(frozen=True, slots=True)
class _Held:
    keys: ReadOnlyCredentials
    renew_at: datetime
    ends: datetime  # from then on they are not used


class RenewingCredentials(LiveCredentials):
    """Keys that are fetched when first needed and again before they expire. Safe to share between threads.

    While old keys still work, one thread renews and the others go on with the old ones; a renewal that fails then is
    logged and tried again a minute later. Once they have ended, every thread waits for new ones.

    Args:
        fetch: gets keys and the instant they expire; raises `UserError`.
    """

    method = "assume-role"

    def __init__(self, fetch: Callable[[], tuple[ReadOnlyCredentials, datetime]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._failed: tuple[UserError, datetime] | None = None

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Keys that are good for a request now.

        Raises:
            UserError: there are none and STS gives none.
        """
        held, now = self._held, _now()
        if held is not None and now < held.renew_at:
            return held.keys
        still_good = held is not None and now < held.ends
        if not self._lock.acquire(blocking=not still_good):
            assert held is not None  # noqa: S101 - still_good says so
            return held.keys  # another thread is renewing them
        try:
            return self._renewed()
        finally:
            self._lock.release()

    def _renewed(self) -> ReadOnlyCredentials:
        """New keys, or the old ones where they are still good. The caller holds the lock."""
        held, now = self._held, _now()
        if held is not None and now < held.renew_at:
            return held.keys  # another thread was quicker
        if self._failed is not None and now < self._failed[1]:
            raise UserError(str(self._failed[0])) from self._failed[0]
        try:
            keys, expires = self._fetch()
        except UserError as error:
            if held is not None and now < held.ends:
                _LOG.warning("AWS credentials that end at %s could not be renewed: %s", held.ends, error)
                self._held = replace(held, renew_at=min(now + _REST, held.ends))
                return held.keys
            self._failed = (error, now + _SHORT_REST)
            raise
        self._failed = None
        life = expires - now
        if life <= timedelta():
            raise UserError("STS gave credentials that have expired already; set the clock of this machine right")
        self._held = _Held(keys, expires - min(_EARLY, life / 4), expires - min(_MARGIN, life / 8))
        return keys


class FileCredentials(LiveCredentials):
    """Keys of a credentials file, read again when the file changes: who signs in for an hour writes new ones there.

    Args:
        file: the file.
        load: reads it; raises `BotoCoreError` or gives None where it holds no keys, as while it is being written.
        keys: what it held just before. At the first use it is read once more, in case it changed in between.
    """

    method = "shared-credentials-file"

    def __init__(self, file: Path, load: Callable[[], ReadOnlyCredentials | None], keys: ReadOnlyCredentials) -> None:
        self._file, self._load, self._keys = file, load, keys
        self._lock = threading.Lock()
        self._read: tuple[int, int, int] | None = None
        self._unread: tuple[tuple[int, int, int], datetime] | None = None  # a state without keys; when to look again

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The keys that stand in the file, or those that last stood there."""
        state = self._state()
        if state is not None and self._is_news(state):
            with self._lock:
                if self._is_news(state):  # else another thread was quicker
                    self._take(state)
        return self._keys

    def _is_news(self, state: tuple[int, int, int]) -> bool:
        unread = self._unread
        return state != self._read and (unread is None or state != unread[0] or _now() >= unread[1])

    def _take(self, state: tuple[int, int, int]) -> None:
        """Reads the file. The caller holds the lock."""
        try:
            found = self._load()
        except BotoCoreError as error:
            _LOG.warning("%s cannot be read now (%s); its earlier keys are used", self._file, error)
            found = None
        if found is None:
            self._unread = (state, _now() + _SHORT_REST)
        else:
            self._keys, self._read = found, state

    def _state(self) -> tuple[int, int, int] | None:
        """What differs once the file is written anew; None while there is none."""
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
