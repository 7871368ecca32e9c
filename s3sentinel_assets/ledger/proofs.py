"""Proofs at rest: what was found in the workspace of each hour, and which hours have to be asked about again.

Belongs here: appending proofs, the hours that lack one, what earlier proofs say. Does not belong here: the account
(``accounts``), asking the workspace (`pipeline.proofs`).
"""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.accounts import Proof
from s3sentinel_assets.ledger.schema import BatchKind, batch, part, proof
from s3sentinel_assets.ledger.schema import hour as hour_table

__all__ = ["EarlierProofs", "earlier_proofs", "hours_to_prove", "record_proof"]

#: A first copy of a batch that was sent again may turn up for so long after that.
_COPIES_TURN_UP = timedelta(days=1)


def record_proof(connection: Connection, made: Proof) -> None:
    """Appends a proof; earlier ones stay."""
    account = made.account
    connection.execute(
        sa.insert(proof).values(
            source=account.source,
            hour=account.hour,
            made_at=made.made_at,
            sealed=account.sealed,
            objects=account.objects,
            records=account.records,
            accepted=account.accepted,
            pending=account.pending,
            unknown=account.unknown,
            dead=account.dead,
            quarantined=account.quarantined,
            filtered=account.filtered,
            found=made.found,
            listed=made.listed,
            log_errors=made.log_errors,
            agrees=made.agrees,
            verdict=account.verdict,
        )
    )


def hours_to_prove(connection: Connection, source: str) -> list[str]:
    """Hours whose newest proof does not show the present, oldest first.

    That is: there is none, or it does not agree, or was made before the hour was sealed or a batch of it was settled.
    Where a batch was sent again, a proof that agrees is believed only a day later: the first copy may turn up after it.
    """
    newest = (
        sa.select(proof.c.hour, sa.func.max(proof.c.id).label("id"))
        .where(proof.c.source == source)
        .group_by(proof.c.hour)
        .subquery()
    )
    settled = (
        sa.select(
            part.c.hour,
            sa.func.max(batch.c.settled_at).label("at"),
            sa.func.max(sa.case((batch.c.attempt > 1, batch.c.settled_at))).label("again_at"),
        )
        .join(batch, batch.c.part_id == part.c.id)
        .where(part.c.source == source)
        .group_by(part.c.hour)
        .subquery()
    )
    hours = sa.select(part.c.hour).distinct().where(part.c.source == source).subquery()
    rows = connection.execute(
        sa.select(hours.c.hour)
        .outerjoin(newest, newest.c.hour == hours.c.hour)
        .outerjoin(proof, proof.c.id == newest.c.id)
        .outerjoin(settled, settled.c.hour == hours.c.hour)
        .outerjoin(hour_table, sa.and_(hour_table.c.source == source, hour_table.c.hour == hours.c.hour))
        .where(
            sa.or_(
                proof.c.id.is_(None),
                proof.c.agrees.is_not(True),
                proof.c.made_at < settled.c.at,
                proof.c.made_at < settled.c.again_at + int(_COPIES_TURN_UP.total_seconds() * 1e6),
                proof.c.made_at < hour_table.c.sealed_at,
            )
        )
        .order_by(hours.c.hour)
    )
    return list(rows.scalars())


@dataclass(frozen=True)
class EarlierProofs:
    """What proofs of one hour say already. Instants in microseconds.

    Attributes:
        final_at: when the hour was sealed, or a later batch with rows of it was settled; None: it is not sealed.
        asked_at: when the workspace was last asked for all of its rows since then; None: not yet.
        agreed: whether it had them all at one of those times.
    """

    final_at: int | None
    asked_at: int | None
    agreed: bool


def earlier_proofs(connection: Connection, source: str, hour: str) -> EarlierProofs:
    """What earlier proofs say of the hour as it is now: those made before it changed last say nothing of it."""
    sealed_at = connection.execute(
        sa.select(hour_table.c.sealed_at).where(hour_table.c.source == source, hour_table.c.hour == hour)
    ).scalar()
    if sealed_at is None:
        return EarlierProofs(None, None, agreed=False)
    settled_at = connection.execute(
        sa.select(sa.func.max(batch.c.settled_at))
        .join(part, part.c.id == batch.c.part_id)
        .where(part.c.source == source, part.c.hour == hour, batch.c.kind == BatchKind.ROWS.value)
    ).scalar()
    final_at = max(sealed_at, settled_at or 0)
    row = connection.execute(
        sa.select(
            sa.func.max(proof.c.made_at).label("asked_at"),
            sa.func.max(sa.case((proof.c.agrees, 1), else_=0)).label("agreed"),
        ).where(
            proof.c.source == source,
            proof.c.hour == hour,
            proof.c.sealed,
            proof.c.found.is_not(None),
            proof.c.made_at >= final_at,
        )
    ).one()
    return EarlierProofs(final_at, row.asked_at, agreed=bool(row.agreed))
