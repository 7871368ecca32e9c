"""The audit trail: what people decided, who they were, and why. Rows are added and read, never changed.

Belongs here: recording and reading decisions, and who the person at the command line is. Does not belong here: what a
decision does; whoever carries it out records it in the same transaction.
"""

import getpass
import os
import socket
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import storable
from s3sentinel_assets.ledger.schema import audit

__all__ = ["Decision", "RecordedDecision", "current_principal", "decisions", "record_decision"]

_PRINCIPAL_LENGTH = 255


@dataclass(frozen=True)
class Decision:
    """What somebody decided.

    Attributes:
        principal: who.
        action: what, in the words of the command, such as ``dead-letter drop``.
        source: the source it was about; None: no single one.
        hour: the hour it was about; None: no single one.
        target: what it was done to, for people to read.
        reason: why, in the principal's words.
        detail: numbers and ids, as JSON.
    """

    principal: str
    action: str
    source: str | None = None
    hour: str | None = None
    target: str | None = None
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class RecordedDecision(Decision):
    """A decision as it was written down: with its number, and when (microseconds)."""

    id: int
    at: int


def current_principal() -> str:
    """Who runs this process: the user of the operating system, and the machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def record_decision(connection: Connection, decision: Decision, now: int) -> int:
    """Appends a decision, in the transaction that carries it out.

    Returns:
        Its number.
    """
    return connection.execute(
        sa.insert(audit)
        .values(
            at=now,
            principal=(storable(decision.principal) or "")[:_PRINCIPAL_LENGTH],
            action=decision.action,
            source=decision.source,
            hour=decision.hour,
            target=storable(decision.target),
            reason=storable(decision.reason),
            detail=decision.detail,
        )
        .returning(audit.c.id)
    ).scalar_one()


def decisions(connection: Connection, since: int | None = None, limit: int | None = None) -> list[RecordedDecision]:
    """The newest decisions, the earliest of them first.

    Args:
        connection: to the ledger.
        since: only those of this instant (microseconds) or later; None: all.
        limit: at most so many; None: all.
    """
    later = sa.true() if since is None else audit.c.at >= since
    newest = sa.select(audit).where(later).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    rows = connection.execute(newest).mappings().all()
    return [RecordedDecision(**dict(row)) for row in reversed(rows)]
