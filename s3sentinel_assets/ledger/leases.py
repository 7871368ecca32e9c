"""Leases: who may work on what, fenced by epochs.

A lease names a piece of work (``deliver:17``). Whoever takes an expired one gets the next epoch; a commit states
the epoch it worked under, and fails if somebody else has taken over meanwhile. So a worker that was merely slow cannot
overwrite.
"""

import contextlib
import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.ledger.engine import Ledger, insert_or_ignore
from s3sentinel_assets.ledger.schema import lease

__all__ = ["Lease", "check_lease", "hold_lease", "take_lease", "worker_name"]

_log = logging.getLogger(__name__)


def worker_name() -> str:
    """A name for this worker that no other worker has."""
    return f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Lease:
    """A lease that was held when it was taken; `check_lease` tells whether it still is."""

    name: str
    owner: str
    epoch: int


def take_lease(ledger: Ledger, name: str, owner: str, seconds: float) -> Lease | None:
    """Takes the lease ``name`` if nobody holds it.

    Returns:
        The lease with its new epoch, or None while another worker holds it.
    """
    now = ledger.now()
    length = int(seconds * 1e6)
    expires_at = now + length
    with ledger.write() as connection:
        connection.execute(insert_or_ignore(connection, lease).values(name=name, owner="", epoch=0, expires_at=0))
        taken = connection.execute(
            sa.update(lease)
            # Far in the future: the clock of whoever took it was wrong, and nobody would ever get it. Epochs fence.
            .where(lease.c.name == name, sa.or_(lease.c.expires_at <= now, lease.c.expires_at > now + 10 * length))
            .values(owner=owner, epoch=lease.c.epoch + 1, expires_at=expires_at)
        ).rowcount
        if taken != 1:
            return None
        epoch = connection.execute(sa.select(lease.c.epoch).where(lease.c.name == name)).scalar_one()
    return Lease(name, owner, epoch)


# Built once: every batch runs it twice, and building a statement costs more than executing it.
_LOCK_OURS = (
    sa.update(lease)
    .where(
        lease.c.name == sa.bindparam("held_name"),
        lease.c.owner == sa.bindparam("held_owner"),
        lease.c.epoch == sa.bindparam("held_epoch"),
    )
    .values(epoch=lease.c.epoch)
)


def check_lease(connection: Connection, held: Lease) -> None:
    """Locks the lease's row for this transaction and makes sure that it is still ours.

    Raises:
        LeaseLostError: another worker took over; the caller's transaction must not commit.
    """
    ours = {"held_name": held.name, "held_owner": held.owner, "held_epoch": held.epoch}
    if connection.execute(_LOCK_OURS, ours).rowcount != 1:
        raise LeaseLostError(f"lease {held.name} (epoch {held.epoch}) was taken over by another worker")


def _renew(ledger: Ledger, held: Lease, seconds: float) -> bool:
    with ledger.write() as connection:
        return (
            connection.execute(
                sa.update(lease)
                .where(lease.c.name == held.name, lease.c.owner == held.owner, lease.c.epoch == held.epoch)
                .values(expires_at=ledger.now() + int(seconds * 1e6))
            ).rowcount
            == 1
        )


def _release(ledger: Ledger, held: Lease) -> None:
    with ledger.write() as connection:
        connection.execute(
            sa.update(lease)
            .where(lease.c.name == held.name, lease.c.owner == held.owner, lease.c.epoch == held.epoch)
            .values(expires_at=0)
        )


@contextlib.contextmanager
def hold_lease(ledger: Ledger, name: str, owner: str, seconds: float) -> Iterator[Lease | None]:
    """Holds the lease ``name`` for the block, renewing it in the background; gives None if another worker holds it.

    The row stays after release (only its expiry changes), so epochs never start again.
    """
    held = take_lease(ledger, name, owner, seconds)
    if held is None:
        yield None
        return
    done = threading.Event()

    def keep() -> None:
        while not done.wait(seconds / 3):
            try:
                if not _renew(ledger, held, seconds):
                    return  # lost: the next check_lease says so
            except UserError as error:
                # A ledger that is away for a moment costs the lease at worst, and the epoch guards against that.
                _log.warning("lease %s could not be renewed: %s", name, error)

    keeper = threading.Thread(target=keep, name=f"lease {name}", daemon=True)
    keeper.start()
    try:
        yield held
    finally:
        done.set()
        keeper.join()
        try:
            _release(ledger, held)
        except UserError as error:  # the lease expires by itself; the block's own outcome counts
            _log.warning("lease %s could not be released: %s", name, error)
