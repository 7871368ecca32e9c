"""Notifications into the ledger: what a queue announces is recorded, and only then deleted there.

Belongs here: routing announced keys to sources, the order of recording and deleting, and the account of a queue. Does
not belong here: what messages mean (`s3.notifications`), SQS (`s3.queue`), looking objects up (``announced``), when to
look (``work``).

A notification only wakes: whatever was not announced, listings find. A message that comes again finds its objects
known.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.notifications import KeptNotification, keep_notifications
from s3sentinel_assets.pipeline.announced import Announcements, take_announced
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.s3.notifications import NotifiedObject
    from s3sentinel_assets.s3.queue import QueueMessage

__all__ = ["OUTSIDE", "Drained", "drain_queue"]

#: A look at the queue ends after so many messages or seconds: a tick of the sensor must end in time.
MESSAGES_PER_LOOK = 5_000
SECONDS_PER_LOOK = 20.0
# Longer than a look takes: what this one holds, no other look gets.
_VISIBILITY_SECONDS = 120
_LOT = 200

#: The name under which announced objects are counted that no source of the queue reads.
OUTSIDE = "outside every source's prefix"

_log = logging.getLogger(__name__)


@dataclass
class Drained:
    """What one look at a queue gave.

    Attributes:
        messages: received.
        deleted: of these, deleted; the others come again.
        objects: announced object versions that a source reads.
        new: of these, not known before.
        restored: archived objects that can be read now, queued again.
        kept: notifications kept for people, by reason.
        ignored: what needs nothing, by name.
        failures: sources whose objects could not be looked up or recorded, and why; their messages come again.
    """

    messages: int = 0
    deleted: int = 0
    objects: int = 0
    new: int = 0
    restored: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def ignore(self, name: str, count: int = 1) -> None:
        """Counts what needs nothing."""
        self.ignored[name] = self.ignored.get(name, 0) + count


def drain_queue(runtime: Runtime, queue_url: str, *, clock: Callable[[], float] = time.monotonic) -> Drained:
    """Takes what is in a queue, for all sources that it serves.

    Raises:
        UserError: the queue or the ledger cannot be reached or refuses. Messages that were not deleted come again.
    """
    from s3sentinel_assets.s3.queue import queue_region, receive
    from s3sentinel_assets.s3.session import aws_client

    config, drained = runtime.config, Drained()
    served = [source for source in config.sources.values() if source.enabled and source.queue_url == queue_url]
    client = aws_client(config.aws_access(served[0]), "sqs", queue_region(queue_url))
    received = receive(
        client,
        queue_url,
        limit=MESSAGES_PER_LOOK,
        visibility_seconds=_VISIBILITY_SECONDS,
        deadline=clock() + SECONDS_PER_LOOK,
        clock=clock,
    )
    for messages in _gathered(received):
        drained.messages += len(messages)
        _take(runtime, client, queue_url, served, messages, drained)
    if drained.messages:
        _log.info("%s: %s", queue_url, drained)
    return drained


def _gathered(received: "Iterable[list[QueueMessage]]") -> "Iterator[list[QueueMessage]]":
    """The messages in bigger lots: SQS gives ten at a time, too few to look keys up side by side."""
    lot: list[QueueMessage] = []
    for messages in received:
        lot += messages
        if len(lot) >= _LOT:
            yield lot
            lot = []
    if lot:
        yield lot


def _take(
    runtime: Runtime,
    client: Any,
    queue_url: str,
    served: Sequence[SourceSettings],
    messages: "Sequence[QueueMessage]",
    drained: Drained,
) -> None:
    """Records what some messages announce, then deletes them."""
    from s3sentinel_assets.s3.key_grammar import KeyGrammar
    from s3sentinel_assets.s3.notifications import read_message
    from s3sentinel_assets.s3.queue import delete

    readers = [Announcements(source, KeyGrammar(source.prefix)) for source in served]
    kept: list[KeptNotification] = []
    for message in messages:
        read = read_message(message.body)
        for name, count in read.ignored.items():
            drained.ignore(name, count)
        for rejected in read.rejected:
            kept.append(KeptNotification(queue_url, message.id, rejected.reason, rejected.detail, rejected.text))
        for announced in read.objects:
            problem = _route(announced, readers, message.id, drained)
            if problem:
                body = f"s3://{announced.bucket}/{announced.key} ({announced.event})"
                # One entry a bucket: a bucket that is announced here by mistake may have millions of objects.
                name = f"bucket {announced.bucket}"
                kept.append(KeptNotification(queue_url, name, "foreign_bucket", problem, body, once=True))
    waiting: set[str] = set()
    for reader in readers:
        try:
            taken = take_announced(runtime, reader)
        except UserError as error:
            # One source's trouble must not keep the others' objects waiting; its own messages come again.
            drained.failures[reader.settings.name] = str(error)
            waiting |= reader.all_messages
            continue
        waiting |= taken.again
        drained.objects += taken.objects
        drained.new += taken.new
        drained.restored += taken.restored
        for name, count in taken.ignored.items():
            drained.ignore(name, count)
    if kept:
        with runtime.ledger.write() as connection:
            keep_notifications(connection, kept, runtime.ledger.now())
        for entry in kept:
            drained.kept[entry.reason] = drained.kept.get(entry.reason, 0) + 1
    done = [message for message in messages if message.id not in waiting]
    drained.deleted += len(done) - len(delete(client, queue_url, done))


def _route(
    announced: "NotifiedObject", readers: Sequence[Announcements], message_id: str, drained: Drained
) -> str | None:
    """Gives an announced object to the sources that read it; a sentence where its bucket is nobody's."""
    from s3sentinel_assets.s3.listing import left_out

    of_bucket = [reader for reader in readers if _may_be_of(reader.settings, announced.bucket)]
    if not of_bucket:
        return f"no source reads bucket {announced.bucket} by this queue; add one, or send its notifications elsewhere"
    takers = [reader for reader in of_bucket if reader.grammar.matches(announced.key)]
    if not takers:
        drained.ignore(OUTSIDE)
    elif name := left_out(announced.key, announced.size):
        drained.ignore(name)
    else:
        for reader in takers:
            reader.add(announced, message_id)
    return None


def _may_be_of(settings: SourceSettings, bucket: str) -> bool:
    """Whether a source reads that bucket. Which one is behind an access point only S3 knows: it is asked by key."""
    return settings.bucket == bucket or settings.bucket.startswith("arn:") or settings.bucket.endswith("-s3alias")
