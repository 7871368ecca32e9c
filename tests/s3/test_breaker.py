"""The breaker: several throttled objects in a row are enough, from however many threads."""

import threading

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.breaker import Breaker

TROUBLE = UserError("S3 throttles")


def test_it_trips_at_its_limit_and_stays_so() -> None:
    breaker = Breaker(3)
    breaker.throttled(TROUBLE)
    breaker.throttled(TROUBLE)
    breaker.check()
    with pytest.raises(UserError, match="S3 throttles"):
        breaker.throttled(UserError("S3 throttles"))
    breaker.served()  # one that was under way
    with pytest.raises(UserError, match="S3 throttles"):
        breaker.check()


def test_a_served_object_starts_the_count_anew() -> None:
    breaker = Breaker(2)
    for _ in range(5):
        breaker.throttled(TROUBLE)
        breaker.served()
    breaker.check()


def test_threads_count_together_and_each_gets_an_error_of_its_own() -> None:
    breaker, together, errors = Breaker(8), threading.Barrier(8, timeout=10), []

    def worker() -> None:
        together.wait()
        try:
            breaker.throttled(TROUBLE)
            together.wait()
            breaker.check()
        except UserError as error:
            together.abort()
            errors.append(error)
        except threading.BrokenBarrierError:
            try:
                breaker.check()
            except UserError as error:
                errors.append(error)

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(errors) == len({id(error) for error in errors}) == 8


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Breaker(0)
