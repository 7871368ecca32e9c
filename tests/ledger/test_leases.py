"""Leases: one holder at a time, epochs that only grow, and fencing of those who were merely slow."""

import threading

import pytest
import sqlalchemy as sa

from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import check_lease, hold_lease, take_lease, worker_name
from s3sentinel_assets.ledger.schema import lease


def expire(ledger: Ledger, name: str) -> None:
    with ledger.write() as connection:
        connection.execute(sa.update(lease).where(lease.c.name == name).values(expires_at=0))


def test_a_held_lease_is_not_given_twice(ledger: Ledger) -> None:
    first = take_lease(ledger, "work", "a", 60)
    assert first is not None
    assert first.epoch == 1
    assert take_lease(ledger, "work", "b", 60) is None
    assert take_lease(ledger, "work", "a", 60) is None
    assert take_lease(ledger, "other", "b", 60) is not None


def test_whoever_takes_an_expired_lease_gets_the_next_epoch_and_the_other_is_fenced(ledger: Ledger) -> None:
    slow = take_lease(ledger, "work", "slow", 60)
    with ledger.write() as connection:
        check_lease(connection, slow)
    expire(ledger, "work")
    with ledger.write() as connection:
        check_lease(connection, slow)  # expired, but nobody took over: the work is still this worker's alone
    quick = take_lease(ledger, "work", "quick", 60)
    assert quick.epoch == slow.epoch + 1
    with pytest.raises(LeaseLostError, match=r"lease work \(epoch 1\) was taken over"), ledger.write() as connection:
        check_lease(connection, slow)
    with ledger.write() as connection:
        check_lease(connection, quick)


def test_the_same_worker_is_fenced_from_its_own_earlier_epoch(ledger: Ledger) -> None:
    first = take_lease(ledger, "work", "a", 60)
    expire(ledger, "work")
    take_lease(ledger, "work", "a", 60)
    with pytest.raises(LeaseLostError), ledger.write() as connection:
        check_lease(connection, first)


def test_exactly_one_of_many_threads_gets_it(ledger: Ledger) -> None:
    together = threading.Barrier(6)
    for turn in range(1, 4):
        taken = []

        def take() -> None:
            together.wait()
            held = take_lease(ledger, "work", worker_name(), 60)
            if held:
                taken.append(held)  # noqa: B023 - the threads end before the next turn

        threads = [threading.Thread(target=take) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [held.epoch for held in taken] == [turn]
        expire(ledger, "work")


def test_work_under_leases_is_never_done_by_two_at_once(ledger: Ledger) -> None:
    inside, most, done = 0, 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most, done
        for _ in range(10):
            with hold_lease(ledger, "work", worker_name(), 60) as held:
                if held is None:
                    continue
                with guard:
                    inside += 1
                    most = max(most, inside)
                with ledger.write() as connection:
                    check_lease(connection, held)
                with guard:
                    inside -= 1
                    done += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert done >= 1
    with ledger.read() as connection:
        assert connection.execute(sa.select(lease.c.epoch)).scalar_one() == done


def test_check_keeps_others_from_taking_over_until_the_commit(ledger: Ledger) -> None:
    """The row is locked from the check to the commit, so nobody can take over between."""
    held = take_lease(ledger, "work", "a", 60)
    expire(ledger, "work")
    others = []
    with ledger.write() as connection:
        check_lease(connection, held)
        taker = threading.Thread(target=lambda: others.append(take_lease(ledger, "work", "b", 60)))
        taker.start()
        assert others == []
    taker.join()
    assert others[0].epoch == held.epoch + 1


def test_released_after_the_block_even_if_it_fails(ledger: Ledger) -> None:
    def fail() -> None:
        with hold_lease(ledger, "work", "a", 60):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    with hold_lease(ledger, "work", "b", 60) as held:
        assert held is not None
        assert held.epoch == 2
        with hold_lease(ledger, "work", "c", 60) as other:
            assert other is None


def test_release_leaves_a_lease_that_was_taken_over_alone(ledger: Ledger) -> None:
    with hold_lease(ledger, "work", "a", 60):
        expire(ledger, "work")
        taken = take_lease(ledger, "work", "b", 60)
    assert take_lease(ledger, "work", "c", 60) is None
    with ledger.write() as connection:
        check_lease(connection, taken)


def test_it_is_renewed_while_the_block_runs(ledger: Ledger, monkeypatch) -> None:
    from s3sentinel_assets.ledger import leases

    renewed = threading.Event()
    original = leases._renew

    def renew(*arguments):
        result = original(*arguments)
        renewed.set()
        return result

    monkeypatch.setattr(leases, "_renew", renew)
    with hold_lease(ledger, "work", "a", 0.03) as held:
        assert renewed.wait(10)
        with ledger.write() as connection:
            check_lease(connection, held)


def test_trouble_with_the_ledger_while_renewing_is_survived(ledger: Ledger, monkeypatch, caplog) -> None:
    from s3sentinel_assets.ledger import leases

    twice = threading.Semaphore(0)

    def renew(*_arguments):
        twice.release()
        raise UserError("the ledger is away")

    monkeypatch.setattr(leases, "_renew", renew)
    with hold_lease(ledger, "work", "a", 0.03):
        assert twice.acquire(timeout=10)
        assert twice.acquire(timeout=10)
    assert "could not be renewed: the ledger is away" in caplog.text


def test_trouble_while_releasing_does_not_hide_the_outcome(ledger: Ledger, monkeypatch, caplog) -> None:
    from s3sentinel_assets.ledger import leases

    def release(*_arguments):
        raise UserError("the ledger is away")

    monkeypatch.setattr(leases, "_release", release)
    with hold_lease(ledger, "work", "a", 60):
        pass
    assert "could not be released" in caplog.text


def test_worker_names_differ_and_fit_their_column() -> None:
    names = {worker_name() for _ in range(100)}
    assert len(names) == 100
    assert max(map(len, names)) <= lease.c.owner.type.length
