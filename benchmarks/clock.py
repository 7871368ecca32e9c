"""CPU by stage: which part of a job the processor worked for, on one core.

Belongs here: the clock and attaching it to the product's own functions. Does not belong here: which functions
(``ours``).

Polars works in threads of its own, so a stage on the main thread is charged with the whole process's CPU, less what
other threads have claimed meanwhile. Another thread claims its own CPU only. Stages nest; the inner one is charged.
"""

import contextlib
import functools
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

__all__ = ["StageClock"]


def _other_holders(owner: Any, function: Any) -> list[tuple[Any, str]]:
    """Modules of the owner's package that imported the function under a name of their own."""
    if not isinstance(owner, ModuleType):
        return []
    package = owner.__name__.partition(".")[0]
    return [
        (module, known_as)
        for name, module in list(sys.modules.items())
        if module is not owner and module is not None and name.partition(".")[0] == package
        for known_as, value in list(vars(module).items())
        if value is function
    ]


class StageClock:
    """Charges CPU seconds to stages.

    Attributes:
        seconds: CPU by outermost and innermost stage, as ``outer/inner``.
        entries: how often a stage was entered.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.entries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._claimed = 0.0
        self._main = threading.get_ident()
        self._local = threading.local()
        self._stack = ["other"]
        self._mark = time.process_time()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Everything inside is charged to ``name``, except what an inner stage is charged with."""
        with self._lock:
            self.entries[name] += 1
        on_main = threading.get_ident() == self._main
        charge, stack = (self._charge_main, self._stack) if on_main else (self._charge_other, self._own_stack())
        charge()
        stack.append(name)
        try:
            yield
        finally:
            charge()
            stack.pop()

    def finish(self) -> dict[str, float]:
        """CPU seconds by ``outer/inner`` stage, ``other/other`` for what lay in none."""
        self._charge_main()
        return {name: max(seconds, 0.0) for name, seconds in self.seconds.items()}

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as a stage."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return timed

    def wrapped_manager(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The context manager that ``function`` makes as a stage, its block included."""

        @functools.wraps(function)
        @contextlib.contextmanager
        def timed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with self.stage(name), function(*args, **kwargs) as value:
                yield value

        return timed

    @contextlib.contextmanager
    def attached(self, functions: dict[str, list[tuple[Any, str]]], managers: bool = False) -> Iterator[None]:
        """Makes functions (owner and attribute, by stage) stages for a while, under whatever name a module has them.

        Raises:
            RuntimeError: the product has no such function any more.
        """
        wrap = self.wrapped_manager if managers else self.wrapped
        with contextlib.ExitStack() as undo:
            for name, places in functions.items():
                for owner, attribute in places:
                    original = getattr(owner, attribute, None)
                    if original is None:
                        raise RuntimeError(f"{owner} has no {attribute} to time; adapt the benchmark to the code")
                    timed = wrap(name, original)
                    for holder, known_as in [(owner, attribute), *_other_holders(owner, original)]:
                        setattr(holder, known_as, timed)
                        undo.callback(setattr, holder, known_as, original)
            yield

    def _path(self, inner: str) -> str:
        """Another thread works for whatever the main thread waits in."""
        return f"{self._stack[1] if len(self._stack) > 1 else self._stack[0]}/{inner}"

    def _own_stack(self) -> list[str]:
        if not hasattr(self._local, "stack"):
            self._local.stack, self._local.mark = [], time.thread_time()
        return self._local.stack

    def _charge_main(self) -> None:
        now = time.process_time()
        with self._lock:
            self.seconds[self._path(self._stack[-1])] += now - self._mark - self._claimed
            self._claimed = 0.0
        self._mark = now

    def _charge_other(self) -> None:
        now, stack = time.thread_time(), self._own_stack()
        if stack:
            with self._lock:
                self.seconds[self._path(stack[-1])] += now - self._local.mark
                self._claimed += now - self._local.mark
        self._local.mark = now
