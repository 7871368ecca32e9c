"""Reading ahead: the next streams are fetched by threads while the present one is worked on.

Belongs here: order, the bound on memory, and passing on errors where the stream is used. Does not belong here: S3; a
stream is anything that yields bytes. Small objects are bound by latency, so many at once are many times as fast.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

__all__ = ["read_ahead"]

Opener = Callable[[], Iterable[bytes]]


@dataclass
class _Fetch:
    """One stream on its way: what has arrived and was not taken yet."""

    chunks: deque[bytes] = field(default_factory=deque)
    ended: bool = False
    dropped: bool = False  # nobody wants the rest
    future: "Future[None] | None" = None


class _Ahead:
    """The streams between the threads that fetch them and the one that takes them."""

    def __init__(self, bytes_bound: int) -> None:
        self._bound = bytes_bound
        self._buffered = 0
        self._head: _Fetch | None = None
        self._changed = threading.Condition()

    def fetch(self, fetch: _Fetch, opener: Opener) -> None:
        """Runs in a thread: reads one stream to its end, waiting while the buffer is full."""
        try:
            stream = opener()
            try:
                for chunk in stream:
                    if not self._put(fetch, chunk):
                        return
            finally:
                if isinstance(stream, Generator):
                    stream.close()  # an abandoned download must free its connection now
        finally:
            with self._changed:
                fetch.ended = True
                self._changed.notify_all()

    def _put(self, fetch: _Fetch, chunk: bytes) -> bool:
        with self._changed:
            # The stream in use may always go on: else later ones could fill the buffer and nothing would ever move.
            self._changed.wait_for(
                lambda: (
                    fetch.dropped
                    or self._buffered + len(chunk) <= self._bound
                    or (fetch is self._head and not fetch.chunks)
                )
            )
            if fetch.dropped:
                return False
            fetch.chunks.append(chunk)
            self._buffered += len(chunk)
            self._changed.notify_all()
            return True

    def make_head(self, fetch: _Fetch) -> None:
        """Says which stream is in use."""
        with self._changed:
            self._head = fetch
            self._changed.notify_all()

    def take(self, fetch: _Fetch) -> Iterator[bytes]:
        """The chunks of one stream as they arrive; raises what the stream raised, in its place."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(fetch.chunks) or fetch.ended or fetch.dropped)
                if not fetch.chunks:
                    break
                chunk = fetch.chunks.popleft()
                self._buffered -= len(chunk)
                self._changed.notify_all()
            yield chunk
        if fetch.future is not None and not fetch.dropped:
            fetch.future.result()

    def drop(self, fetch: _Fetch) -> None:
        """Throws away what is left of a stream and stops its thread at the next chunk."""
        with self._changed:
            fetch.dropped = True
            self._buffered -= sum(map(len, fetch.chunks))
            fetch.chunks.clear()
            self._changed.notify_all()


@contextlib.contextmanager
def read_ahead(
    openers: Sequence[Opener], *, workers: int = 8, bytes_bound: int = 64 << 20, connections: int | None = None
) -> Iterator[Iterator[Callable[[], Iterator[bytes]]]]:
    """Opens streams ahead of their use, in threads, and hands them out in order.

    Memory is bounded by ``bytes_bound`` plus what each worker holds in its hands (a chunk, or a small object being
    checked). A large stream passes through in chunks. Asking for the next stream gives up what was left of the one
    before.

    Args:
        openers: functions that open the streams; each is called once, in a thread.
        workers: streams fetched at a time.
        bytes_bound: bytes that may lie in the buffer.
        connections: connections there are for them; with more workers the others would only wait, or connect anew
            for every object.

    Yields:
        An iterator of openers, one for each given and in that order. Calling one gives the stream's chunks; an
        exception that the stream raised comes out there, behind the bytes that came before it.
    """
    if connections is not None:
        workers = max(1, min(workers, connections))
    ahead = _Ahead(bytes_bound)
    waiting: deque[_Fetch] = deque()
    source = iter(openers)
    executor = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="read-ahead")
    in_use: list[_Fetch] = []

    def submit_next() -> None:
        opener = next(source, None)
        if opener is not None:
            fetch = _Fetch()
            waiting.append(fetch)
            fetch.future = executor.submit(ahead.fetch, fetch, opener)

    def streams() -> Iterator[Callable[[], Iterator[bytes]]]:
        while waiting:
            fetch = waiting.popleft()
            in_use.append(fetch)
            ahead.make_head(fetch)
            submit_next()
            yield lambda fetch=fetch: ahead.take(fetch)
            ahead.drop(fetch)
            in_use.remove(fetch)

    try:
        for _ in range(workers * 4):
            submit_next()
        yield streams()
    finally:
        for fetch in (*in_use, *waiting):
            ahead.drop(fetch)
        executor.shutdown(wait=False, cancel_futures=True)
