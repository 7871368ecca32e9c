"""A tree walked by several threads: its inner nodes and its leaves both take requests, and results come as a stream.

Belongs here: sharing the work, the bound on memory, passing on errors, and stopping. Does not belong here: what the
tree is. Results of different leaves come in any order, those of one leaf in theirs.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

__all__ = ["walk_tree"]

Leaf = TypeVar("Leaf")
Result = TypeVar("Result")

_END = object()


class _Crew(Generic[Leaf, Result]):
    """What the threads share: branches to go on with, and results that were not taken yet."""

    def __init__(self, root: Iterator[Any], leaf: Callable[[Leaf], Iterator[Result]], bound: int) -> None:
        self._leaf, self._bound = leaf, bound
        self._branches = [root]
        self._busy = 0
        self._ready: deque[Result] = deque()
        self._stopped = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    def work(self) -> None:
        """Runs in a thread until nothing is left to do."""
        while (branch := self._take()) is not None:
            try:
                self._advance(branch)
            except BaseException as failure:  # noqa: BLE001 - raised again where results are taken
                with self._changed:
                    self._failure = self._failure or failure
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _take(self) -> Iterator[Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._over() or bool(self._branches))
            if self._over():
                return None
            self._busy += 1
            # The deepest branch first, so that few are open at a time, however wide the tree is.
            return self._branches.pop()

    def _over(self) -> bool:
        return self._stopped or self._failure is not None or not (self._branches or self._busy)

    def _advance(self, branch: Iterator[Any]) -> None:
        """One step along a branch. Nobody else has it meanwhile."""
        child = next(branch, _END)
        if child is _END:
            return
        with self._changed:
            self._branches.append(branch)
            if isinstance(child, Iterator):
                self._branches.append(child)
            self._changed.notify_all()
        if not isinstance(child, Iterator):
            for result in self._leaf(child):  # pyright: ignore[reportArgumentType]
                if not self._put(result):
                    return

    def _put(self, result: Result) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._over() or len(self._ready) < self._bound)
            if self._over():
                return False
            self._ready.append(result)
            self._changed.notify_all()
            return True

    def results(self) -> Iterator[Result]:
        """The results as they come; raises the first error of any thread, at once."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._ready) or self._over())
                if self._failure is not None:
                    raise self._failure
                if not self._ready:
                    return
                result = self._ready.popleft()
                self._changed.notify_all()
            yield result

    def stop(self) -> None:
        """Lets every thread end after the request it is in."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def walk_tree(
    root: Iterator[Any], leaf: Callable[[Leaf], Iterator[Result]], *, workers: int
) -> Generator[Result, None, None]:
    """Walks a tree and yields what its leaves give.

    At most two results a worker lie waiting. Closing the iterator, or an error in any thread, ends all of them after
    the request that each is in.

    Args:
        root: yields leaves, and branches: iterators that do the same. Each is advanced by one thread at a time.
        leaf: gives a leaf's results; called in a thread.
        workers: threads. With 1 everything happens in the caller's, in order.
    """
    if workers <= 1:
        branches = [root]
        while branches:
            child = next(branches[-1], _END)
            if child is _END:
                branches.pop()
            elif isinstance(child, Iterator):
                branches.append(child)
            else:
                yield from leaf(child)  # pyright: ignore[reportArgumentType]
        return
    crew = _Crew(root, leaf, bound=2 * workers)
    # Daemons: a program that ends while an unfinished listing lies about somewhere must not wait for it for ever.
    threads = [threading.Thread(target=crew.work, name=f"listing-{number}", daemon=True) for number in range(workers)]
    try:
        for thread in threads:
            thread.start()
        yield from crew.results()
    finally:
        crew.stop()
        for thread in threads:
            # The collector may finalise a forgotten iterator in one of these very threads; it cannot wait for itself.
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()
