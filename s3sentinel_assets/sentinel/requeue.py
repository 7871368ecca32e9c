"""What can be done with dead rows as they are: send them again, or give them up.

Belongs here: going over the parts, each under its lease, and the word in the audit trail. Does not belong here: sending
(the next run of the hour does that), the changes themselves (``ledger``), mending rows (``mending``).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.engine import Connection

from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.ledger.audit import Decision, current_principal, record_decision
from s3sentinel_assets.ledger.batches import delivery_lease, requeue_dead_batches
from s3sentinel_assets.ledger.dead_letters import KeptLetter, LetterFilter, drop_letters, find_letters
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import hold_lease, worker_name

__all__ = ["Requeued", "drop_dead", "requeue_dead"]


@dataclass(frozen=True)
class Requeued:
    """What was requeued.

    Attributes:
        batches: now open again.
        rows: rows in them.
        busy_parts: parts another worker is sending; theirs stay dead.
        lone_rows: rows that fitted no batch; they stay dead until they are cut or mended.
        hours: to run again.
    """

    batches: int
    rows: int
    busy_parts: int
    lone_rows: int
    hours: list[str]


def requeue_dead(
    ledger: Ledger,
    source: str,
    hour: str | None = None,
    reason: str | None = None,
    *,
    ids: frozenset[int] = frozenset(),
    principal: str | None = None,
    lease_seconds: float = 120,
) -> Requeued:
    """Makes dead batches of a source open again and takes their dead letters back, a transaction a part.

    Letters that somebody dropped stay, unless they are named.

    Args:
        ledger: knows both.
        source: whose.
        hour: of this hour only; None: all.
        reason: only dead letters with this reason, such as ``refused``; None: all.
        ids: only these dead letters, dropped or not; empty: all.
        principal: who says so; None: whoever runs this.
        lease_seconds: life of the parts' leases between renewals.
    """
    principal = principal or current_principal()
    wanted = LetterFilter(source, hour, reason, ids)
    with ledger.read() as connection:
        dead = find_letters(connection, wanted)
    homes: dict[int, list[int]] = {}
    for letter in dead:
        if letter.batch_id is not None:
            homes.setdefault(letter.part_id, []).append(letter.id)
    taken, busy, owner = list[KeptLetter](), 0, worker_name()
    for part_id, some in homes.items():
        with hold_lease(ledger, delivery_lease(part_id), owner, lease_seconds) as held:
            if held is None:
                busy += 1
                continue
            letters: list[KeptLetter] = []
            try:
                with ledger.write() as connection:
                    now = ledger.now()
                    on_taken = partial(_record_requeue, connection, principal, now, letters)
                    named = some if ids else ()
                    requeue_dead_batches(
                        connection, held, part_id, reason=reason, now=now, ids=named, on_taken=on_taken
                    )
            except LeaseLostError:
                busy += 1
                continue
            taken += letters
    return Requeued(
        batches=len(taken),
        rows=sum(letter.rows for letter in taken),
        busy_parts=busy,
        lone_rows=sum(letter.rows for letter in dead if letter.batch_id is None),
        hours=sorted({letter.hour for letter in taken}),
    )


def _record_requeue(
    connection: Connection, principal: str, now: int, into: list[KeptLetter], letters: list[KeptLetter]
) -> None:
    """Notes, in the transaction that reopens them, which letters of one part were taken back."""
    into += letters
    first = letters[0]
    decision = Decision(
        principal,
        "dead-letter requeue",
        first.source,
        first.hour,
        _target(letters),
        detail={
            "part": first.part_id,
            "rows": sum(letter.rows for letter in letters),
            "letters": {str(letter.id): letter.batch_id for letter in letters},
        },
    )
    record_decision(connection, decision, now)


def drop_dead(ledger: Ledger, letters: Sequence[KeptLetter], because: str, principal: str | None = None) -> int:
    """Gives dead letters up: they stay dead in the account, and nothing takes them up unless it names them.

    Args:
        ledger: knows them.
        letters: which; those that are dead no more, or dropped already, are left alone.
        because: why.
        principal: who says so; None: whoever runs this.

    Returns:
        How many rows.

    Raises:
        UserError: no reason is given.
    """
    because = because.strip()
    if not because:
        raise UserError("say why these rows are given up: --because must not be empty")
    principal = principal or current_principal()
    with ledger.write() as connection:
        now = ledger.now()
        marked = drop_letters(connection, letters, principal, because, now)
        for source, hour in Counter((letter.source, letter.hour) for letter in marked):
            some = [letter for letter in marked if (letter.source, letter.hour) == (source, hour)]
            rows = sum(letter.rows for letter in some)
            detail = {"rows": rows, "letters": [letter.id for letter in some]}
            decision = Decision(principal, "dead-letter drop", source, hour, _target(some), because, detail)
            record_decision(connection, decision, now)
    return sum(letter.rows for letter in marked)


def _target(letters: Sequence[KeptLetter]) -> str:
    reasons = Counter(letter.reason for letter in letters)
    return ", ".join(f"{count} dead letters ({reason})" for reason, count in sorted(reasons.items()))
