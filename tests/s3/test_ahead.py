"""Reading ahead: order, the bound on memory, errors in their place, no dead lock."""

import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import Fault, LocalAws
from s3sentinel_assets.s3.ahead import read_ahead
from s3sentinel_assets.s3.breaker import Breaker
from s3sentinel_assets.s3.reader import open_object
from s3sentinel_assets.s3.session import s3_client


def fetching_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


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


def test_five_thousand_small_objects_come_in_order_with_few_in_hand() -> None:
    lock = threading.Lock()
    opened, taken, most_open, most_ahead = 0, 0, 0, 0
    open_now = 0

    def opener(number: int):
        def body():
            nonlocal opened, most_open, most_ahead, open_now
            with lock:
                opened, open_now = opened + 1, open_now + 1
                most_open, most_ahead = max(most_open, open_now), max(most_ahead, opened - taken)
            try:
                yield b"%d" % number
                if number % 7 == 0:
                    raise ReadFailure("denied", str(number))
                yield b"."
            finally:
                with lock:
                    open_now -= 1

        return body

    with read_ahead([opener(number) for number in range(5_000)], workers=8) as streams:
        for number, stream in enumerate(streams):
            received = b""
            try:
                for piece in stream():
                    received += piece
                assert received == b"%d." % number
            except ReadFailure as failure:
                assert (failure.reason, number % 7) == (str(number), 0)
            with lock:
                taken += 1
    assert (opened, taken) == (5_000, 5_000)
    assert most_open <= 8
    assert most_ahead <= 8 * 4 + 1


def test_no_more_workers_than_connections() -> None:
    lock, open_now, most = threading.Lock(), 0, 0

    def body():
        nonlocal open_now, most
        with lock:
            open_now += 1
            most = max(most, open_now)
        yield b"x"
        with lock:
            open_now -= 1

    with read_ahead([body] * 200, workers=16, connections=3) as streams:
        assert sum(len(piece) for stream in streams for piece in stream()) == 200
    assert most <= 3


def test_throttled_objects_end_the_part_while_others_are_fetched(bucket, local_aws: LocalAws) -> None:
    etags = {f"k/{number}": bucket.put(f"k/{number}", b"%d" % number) for number in range(60)}
    local_aws.set_faults(Fault("slow_down", keys="k/[2-9]?"))
    breaker = Breaker(3)

    def opener(key: str):
        return lambda: open_object(bucket.client, bucket.name, key, etags[key], access=bucket.access, breaker=breaker)

    served, throttled = 0, 0
    with (
        pytest.raises(UserError, match="throttles"),
        read_ahead([opener(key) for key in etags], workers=4) as streams,
    ):
        for number, stream in enumerate(streams):
            try:
                assert list(stream()) == [b"%d" % number]
                served += 1
            except ReadFailure as failure:
                assert failure.state == "throttled"
                throttled += 1
    assert (served, throttled) == (20, throttled)
    assert throttled <= 2
    # The two before it tripped and what the four workers had in hand, with two attempts each.
    assert local_aws.faults()[0]["fired"] <= (2 + 4) * 2


def test_giving_up_frees_threads_and_connections(bucket) -> None:
    body = random.Random(3).randbytes(5 << 20)
    etag = bucket.put("k", body)
    access = bucket.access.model_copy(update={"max_connections": 2})
    client = s3_client(access)

    def opener():
        return open_object(client, bucket.name, "k", etag, access=access)

    for _ in range(4):
        with read_ahead([opener] * 10, workers=8, bytes_bound=1 << 20, connections=2) as streams:
            next(next(streams)())
        for thread in fetching_threads():
            thread.join(10)
        assert not fetching_threads()
    assert b"".join(opener()) == body
