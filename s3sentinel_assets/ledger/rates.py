"""Rates: what all processes together may still send to a data collection rule.

Belongs here: a token bucket for bytes and one for requests a rule, and the pause the service asked for. Does not belong
here: waiting (``sentinel.traffic``), how many requests run at once (``sentinel.concurrency``).

A bucket may be overdrawn by one body: whoever finds it at zero or above may go, and pays afterwards. So a large body is
never overtaken for ever by small ones of other processes, and what is taken in ``t`` seconds is still at most
`Bucket.burst` + `Bucket.per_second` × ``t``.

The service counts minutes. The burst is therefore taken off the minute before the rest is spread over it, and a second
is added for requests that are longer on their way than others: a rule set to its real limit then never sees more than
that in a minute. It costs about a twentieth of the rate.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import insert_or_ignore
from s3sentinel_assets.ledger.schema import rate

__all__ = ["FULL_BODY", "PAUSE_LIMIT_SECONDS", "Bucket", "pause_rule", "take_tokens"]

#: The largest body the service takes, in bytes ("size of API call", Azure Monitor service limits).
FULL_BODY = 1_048_576

#: A pause that ends later than this was written by a clock that is wrong, and is not kept.
PAUSE_LIMIT_SECONDS = 600.0

_BURST_SECONDS = 2.0
_ON_THE_WAY_SECONDS = 1.0
#: A bucket refilled later than this from now: another process's clock is, or was, wrong.
_AHEAD_MICROS = 60_000_000
#: Sums of floats are not exact; so much of a token may be missing.
_CLOSE = 1e-6


@dataclass(frozen=True)
class Bucket:
    """A token bucket, in tokens (bytes or requests) and seconds.

    Attributes:
        burst: what may be taken at once from a full bucket.
        per_second: what flows in.
        body: the most that one request takes.
    """

    burst: float
    per_second: float
    body: float

    @classmethod
    def of(cls, per_minute: float, body: float) -> "Bucket":
        """The bucket for a limit a minute, of which one request takes ``body`` at most.

        A limit below two bodies a minute cannot be kept to the minute, since a body is not divisible: at most
        one and a half times the limit is taken then.
        """
        burst = max(per_minute * _BURST_SECONDS / 60, body)
        return cls(burst, max(per_minute - burst, per_minute / 2) / (60 + _ON_THE_WAY_SECONDS), body)

    def level(self, before: float, seconds: float) -> float:
        """The level ``seconds`` after it was ``before``."""
        # The last body of a burst is the one that overdraws.
        return min(self.burst - self.body, before + self.per_second * seconds)

    def wait(self, level: float) -> float:
        """Seconds until the level is zero again."""
        return -level / self.per_second if level < -_CLOSE else 0.0


# Built once: every batch runs them.
_LOCKED = (
    sa.select(rate.c.byte_tokens, rate.c.request_tokens, rate.c.refilled_at, rate.c.paused_until)
    .where(rate.c.dcr_id == sa.bindparam("which"))
    .with_for_update()  # PostgreSQL; SQLite's writing transaction is alone anyway
)
_STORE = (
    sa.update(rate)
    .where(rate.c.dcr_id == sa.bindparam("which"))
    .values(
        byte_tokens=sa.bindparam("new_bytes"),
        request_tokens=sa.bindparam("new_requests"),
        refilled_at=sa.bindparam("new_at"),
    )
)


def take_tokens(
    connection: Connection,
    dcr_id: str,
    raw_bytes: int,
    now: int,
    *,
    bytes_per_minute: int,
    requests_per_minute: int,
) -> float:
    """Takes the tokens for one request, or says how long there will be none.

    Call it first in its transaction: the rule's row is locked until the end, and everybody locks it before leases.

    Args:
        connection: a writing one.
        dcr_id: the data collection rule's immutable id.
        raw_bytes: of the uncompressed body.
        now: the present. One that lies before another process's present adds nothing, so that the fastest of clocks
            that differ by less than a minute sets the pace.
        bytes_per_minute: what the rule takes, uncompressed.
        requests_per_minute: what the rule takes.

    Returns:
        0: taken, with the transaction. Else seconds after which to ask again; nothing is taken.
    """
    row = connection.execute(_LOCKED, {"which": dcr_id}).one_or_none()
    if row is None:
        _insert(connection, dcr_id)
        row = connection.execute(_LOCKED, {"which": dcr_id}).one()
    if row.paused_until is not None and now < row.paused_until <= now + PAUSE_LIMIT_SECONDS * 1e6:
        return (row.paused_until - now) / 1e6
    refilled_at = row.refilled_at if row.refilled_at <= now + _AHEAD_MICROS else now
    elapsed = max(0, now - refilled_at) / 1e6
    for_bytes = Bucket.of(bytes_per_minute, FULL_BODY)
    for_requests = Bucket.of(requests_per_minute, 1)
    byte_tokens = for_bytes.level(row.byte_tokens, elapsed)
    request_tokens = for_requests.level(row.request_tokens, elapsed)
    wait = max(for_bytes.wait(byte_tokens), for_requests.wait(request_tokens))
    if wait:
        wait += max(0, refilled_at - now) / 1e6
        if refilled_at == row.refilled_at:
            return wait
    else:
        byte_tokens -= raw_bytes
        request_tokens -= 1
    connection.execute(
        _STORE,
        {
            "which": dcr_id,
            "new_bytes": byte_tokens,
            "new_requests": request_tokens,
            "new_at": max(refilled_at, now),
        },
    )
    return wait


def pause_rule(connection: Connection, dcr_id: str, until: int) -> None:
    """Nobody takes tokens of the rule before ``until``; a later end that was asked for before stays.

    Call it first in its transaction, as `take_tokens`.

    Args:
        connection: a writing one.
        dcr_id: the data collection rule's immutable id.
        until: an instant, not later than `PAUSE_LIMIT_SECONDS` from now.
    """
    _insert(connection, dcr_id)
    connection.execute(
        sa.update(rate)
        .where(
            rate.c.dcr_id == dcr_id,
            sa.or_(
                rate.c.paused_until.is_(None),
                rate.c.paused_until < until,
                rate.c.paused_until > until + int(PAUSE_LIMIT_SECONDS * 1e6),
            ),
        )
        .values(paused_until=until)
    )


def _insert(connection: Connection, dcr_id: str) -> None:
    """A row for the rule if there is none: empty for ages, which is full."""
    connection.execute(
        insert_or_ignore(connection, rate).values(dcr_id=dcr_id, byte_tokens=0.0, request_tokens=0.0, refilled_at=0)
    )
