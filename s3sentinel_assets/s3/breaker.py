"""When S3 throttles object after object, asking on only makes it worse.

Belongs here: counting throttled objects in a row, over all threads of one part. Does not belong here: what throttling
means for one object (``refusals``), waiting between attempts (``reader``, botocore).
"""

import threading

from s3sentinel_assets.errors import UserError

__all__ = ["Breaker"]


class Breaker:
    """Counts objects that were throttled one after the other; shared by the threads that read a part.

    Once it has tripped it stays so: the part's reading ends, and a later attempt has a breaker of its own.
    """

    def __init__(self, limit: int = 3) -> None:
        """Trips at ``limit`` throttled objects in a row, at least 1."""
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self._limit = limit
        self._in_a_row = 0
        self._tripped: UserError | None = None
        self._lock = threading.Lock()

    def served(self) -> None:
        """S3 answered for an object, if only to refuse it: the count starts anew."""
        with self._lock:
            self._in_a_row = 0

    def throttled(self, trouble: UserError) -> None:
        """S3 throttled an object until its attempts were used up.

        Raises:
            UserError: ``trouble``, when that was one object too many.
        """
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self._limit and self._tripped is None:
                self._tripped = trouble
        self.check()

    def check(self) -> None:
        """Asks whether another request makes sense.

        Raises:
            UserError: it has tripped.
        """
        with self._lock:
            tripped = self._tripped
        if tripped is not None:
            # An error of its own for each thread: a traceback grows with every place it is raised.
            raise UserError(str(tripped)) from tripped
