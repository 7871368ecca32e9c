"""Reading ahead: order, the bound on memory, errors in their place, no dead lock."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.s3.ahead import read_ahead


def test_order_is_kept_though_later_streams_are_ready_first() -> None:
    second_done = threading.Event()

    def first():
        assert second_done.wait(10)
        yield b"1"

    def second():
        yield b"2"
        second_done.set()

    with read_ahead([first, second], workers=2) as streams:
        assert [b"".join(stream()) for stream in streams] == [b"1", b"2"]


def test_streams_are_fetched_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=10)

    def opener():
        together.wait()
        yield b"x"

    with read_ahead([opener] * 8, workers=4) as streams:
        assert [list(stream()) for stream in streams] == [[b"x"]] * 8


def test_no_streams() -> None:
    with read_ahead([]) as streams:
        assert list(streams) == []


def test_an_error_comes_out_in_its_place_and_the_others_go_on() -> None:
    def broken():
        yield b"before"
        raise ValueError("torn")

    def unopened():
        raise KeyError("gone")

    with read_ahead([lambda: iter([b"a"]), broken, unopened, lambda: iter([b"b"])]) as streams:
        assert list(next(streams)()) == [b"a"]
        stream = next(streams)()
        assert next(stream) == b"before"
        with pytest.raises(ValueError, match="torn"):
            next(stream)
        with pytest.raises(KeyError):
            list(next(streams)())
        assert list(next(streams)()) == [b"b"]
        assert next(streams, None) is None


def test_memory_is_bounded_while_a_large_stream_passes() -> None:
    made = taken = peak = 0
    lock = threading.Lock()

    def opener(chunks):
        def chunks_of():
            nonlocal made, peak
            for _ in range(chunks):
                with lock:
                    made += 1
                    peak = max(peak, made - taken)
                yield b"x" * 1000

        return chunks_of

    with read_ahead([opener(500), *[opener(3)] * 40], workers=4, bytes_bound=10_000) as streams:
        for stream in streams:
            for chunk in stream():
                with lock:
                    taken += 1
                assert len(chunk) == 1000
    assert made == taken == 620
    assert peak <= 10 + 4 + 2  # the buffer, what each worker holds, and what is being handed over


def test_a_chunk_larger_than_the_bound_passes() -> None:
    with read_ahead([lambda: iter([b"x" * 100, b"y" * 100])] * 3, bytes_bound=10) as streams:
        assert [sum(map(len, stream())) for stream in streams] == [200, 200, 200]


def test_a_stream_left_in_the_middle_is_closed_and_the_next_one_comes() -> None:
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield b"x" * 10
        finally:
            closed.set()

    with read_ahead([endless, lambda: iter([b"next"])], bytes_bound=100) as streams:
        assert next(next(streams)()) == b"x" * 10
        assert list(next(streams)()) == [b"next"]
    assert closed.wait(10)


def test_leaving_early_stops_the_threads() -> None:
    closed = threading.Semaphore(0)

    def endless():
        try:
            while True:
                yield b"x"
        finally:
            closed.release()

    def leave():
        with read_ahead([endless] * 3, workers=3, bytes_bound=30) as streams:
            next(next(streams)())
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        leave()
    assert all(closed.acquire(timeout=10) for _ in range(3))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(1, 40), max_size=6), max_size=25),
    workers=st.integers(1, 5),
    bound=st.integers(1, 60),
)
def test_any_mix_comes_out_whole_and_in_order(sizes, workers, bound) -> None:
    bodies = [[bytes([index % 256]) * size for size in chunks] for index, chunks in enumerate(sizes)]
    with read_ahead([lambda b=body: iter(b) for body in bodies], workers=workers, bytes_bound=bound) as streams:
        assert [list(stream()) for stream in streams] == bodies
