"""Notifications kept: messages that could not be understood, or that name what no source reads.

Belongs here: keeping them, listing them, and saying that one needs no attention. Does not belong here: understanding
them (`s3.notifications`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.schema import notification

__all__ = ["KeptNotification", "drop_notification", "keep_notifications", "kept_notifications", "open_notifications"]


@dataclass(frozen=True)
class KeptNotification:
    """A notification to keep.

    Attributes:
        queue_url: the queue.
        message_id: the message, or what else names it.
        reason: short slug.
        detail: a sentence for people.
        body: the message, or the record of it that is meant.
        once: one entry stands for all of this ``message_id`` and reason, whatever their bodies; they are counted.
    """

    queue_url: str
    message_id: str
    reason: str
    detail: str | None
    body: str
    once: bool = False


def keep_notifications(connection: Connection, kept: Sequence[KeptNotification], now: int) -> None:
    """Keeps notifications; what comes again is counted, not kept a second time."""
    for entry in kept:
        body = entry.body.replace("\0", "�")  # PostgreSQL has no NUL in text
        same = [
            notification.c.queue_url == entry.queue_url,
            notification.c.message_id == entry.message_id[:128],
            notification.c.reason == entry.reason[:64],
        ]
        if not entry.once:
            same.append(notification.c.body == body)
        counted = connection.execute(
            sa.update(notification).where(*same).values(times=notification.c.times + 1)
        ).rowcount
        if not counted:
            connection.execute(
                sa.insert(notification).values(
                    queue_url=entry.queue_url,
                    message_id=entry.message_id[:128],
                    received_at=now,
                    reason=entry.reason[:64],
                    detail=entry.detail,
                    body=body,
                    times=1,
                )
            )


def kept_notifications(connection: Connection, *, dropped: bool = False) -> list[dict[str, Any]]:
    """What is kept, oldest first; without ``dropped`` only what still needs attention."""
    query = sa.select(notification).order_by(notification.c.id)
    if not dropped:
        query = query.where(notification.c.dropped_at.is_(None))
    return [dict(row._mapping) for row in connection.execute(query)]


def open_notifications(connection: Connection, queue_url: str) -> dict[str, int]:
    """Reason → notifications of a queue that need attention."""
    rows = connection.execute(
        sa.select(notification.c.reason, sa.func.count())
        .where(notification.c.queue_url == queue_url, notification.c.dropped_at.is_(None))
        .group_by(notification.c.reason)
        .order_by(notification.c.reason)
    )
    return {row[0]: row[1] for row in rows}


def drop_notification(connection: Connection, notification_id: int, because: str, now: int) -> None:
    """Says that a notification needs no attention; it stays readable.

    Raises:
        UserError: there is none, or it was dropped before.
    """
    changed = connection.execute(
        sa.update(notification)
        .where(notification.c.id == notification_id, notification.c.dropped_at.is_(None))
        .values(dropped_at=now, dropped_because=because)
    ).rowcount
    if not changed:
        raise UserError(f"there is no open notification {notification_id}; `s3sentinel notifications list` shows them")
