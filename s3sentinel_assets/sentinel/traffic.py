"""Traffic to one data collection rule: everything that may hold an upload back, in one place.

Belongs here: the order of waits before a request, shared by all threads and runs of a client. Does not belong here: the
arithmetic of each (``concurrency``, ``breaker``, ``retry``, ``ledger.rates``), what is sent (``sending``).

First the breaker (is it worth trying?), then a slot (not too many at once), then the pause and the tokens. The tokens
are taken in the transaction that writes ``sending``: a batch that waits is not touched, and one that is sent has paid.
"""

import threading
import time
from collections.abc import Callable

from sqlalchemy.engine import Connection

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.rates import take_tokens
from s3sentinel_assets.sentinel.breaker import Admission, Breaker
from s3sentinel_assets.sentinel.concurrency import Slots
from s3sentinel_assets.sentinel.retry import Pause

__all__ = ["RuleTraffic"]

#: Another process may have been quicker or a clock set right: tokens are asked for again at least so often, in seconds.
_ASK_AGAIN_SECONDS = 5.0
#: An open breaker that closes so soon is waited for, in seconds.
_SOON_SECONDS = 1.0


class RuleTraffic:
    """One for each data collection rule of a client.

    Args:
        dcr_id: the rule's immutable id.
        settings: threads, waits and rates.
        clock: seconds that never go back.
    """

    def __init__(self, dcr_id: str, settings: SentinelSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._dcr_id = dcr_id
        self.pause = Pause(clock)
        self.slots = Slots(settings.upload_threads)
        self.breaker = Breaker(settings.backoff_limit_seconds, clock)
        self._turn = threading.Lock()

    def admit(self, stop: threading.Event) -> Admission | None:
        """Asks the breaker for one batch, waiting for as long as another batch is being tried.

        Returns:
            None once ``stop`` is set. An admission that still has a ``wait`` is a refusal: the breaker stays open for
            longer than a batch should wait.
        """
        while not stop.is_set():
            admission = self.breaker.admit()
            if admission.wait == 0 or admission.wait > _SOON_SECONDS:
                return admission
            stop.wait(admission.wait)
        return None

    def begin(
        self,
        ledger: Ledger,
        settings: SentinelSettings,
        raw_bytes: int,
        stop: threading.Event,
        write_down: Callable[[Connection], None],
    ) -> bool:
        """Waits for the pause and the tokens of one request, and takes them.

        Args:
            ledger: holds the tokens that all processes share.
            settings: the rates.
            raw_bytes: of the uncompressed body.
            stop: ends the wait.
            write_down: called with the transaction that takes the tokens; what it writes is committed with them.

        Returns:
            Whether the request may go; False: ``stop`` is set, and nothing was taken or written.
        """
        while True:
            self.pause.wait(stop)
            if stop.is_set():
                return False
            # One thread asks at a time; if it asks in vain, the others need not.
            with self._turn:
                if self.pause.remaining() > 0:
                    continue
                with ledger.write() as connection:
                    seconds = take_tokens(
                        connection,
                        self._dcr_id,
                        raw_bytes,
                        ledger.now(),
                        bytes_per_minute=settings.dcr_bytes_per_minute,
                        requests_per_minute=settings.dcr_requests_per_minute,
                    )
                    if seconds == 0:
                        write_down(connection)
                if seconds == 0:
                    return True
                self.pause.extend(min(seconds, _ASK_AGAIN_SECONDS))
