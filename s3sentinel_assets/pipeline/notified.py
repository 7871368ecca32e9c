"""Notifications into the ledger: what a queue announces is looked up in S3, recorded, and only then deleted there.

Belongs here: routing announced keys to sources, the order of recording and deleting, and the account of a queue. Does
not belong here: what messages mean (`s3.notifications`), SQS (`s3.queue`), when to look (``work``).

A notification only wakes. LastModified, ETag and size are S3's own, asked for key by key, so that a later listing meets
the same object; whatever was not announced, listings find. A message that comes again finds its objects known.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.ledger.notifications import KeptNotification, keep_notifications
from s3sentinel_assets.ledger.refused import requeue_refused
from s3sentinel_assets.ledger.seen import record_seen
from s3sentinel_assets.pipeline.discovery import as_seen
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.objects import SeenObject
    from s3sentinel_assets.s3.key_grammar import KeyGrammar
    from s3sentinel_assets.s3.notifications import NotifiedObject
    from s3sentinel_assets.s3.queue import QueueMessage

__all__ = ["Drained", "drain_queue"]

#: A look at the queue ends after so many messages or seconds: a tick of the sensor must end in time.
MESSAGES_PER_LOOK = 5_000
SECONDS_PER_LOOK = 20.0
# Longer than a look takes: what this one holds, no other look gets.
_VISIBILITY_SECONDS = 120

_LOT = 200

#: Names under which announced objects are counted that need nothing.
OUTSIDE = "outside every source's prefix"
GONE = "gone when it was looked up"

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
    """

    messages: int = 0
    deleted: int = 0
    objects: int = 0
    new: int = 0
    restored: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)

    def ignore(self, name: str, count: int = 1) -> None:
        """Counts what needs nothing."""
        self.ignored[name] = self.ignored.get(name, 0) + count


@dataclass
class _Reader:
    """A source that a queue serves."""

    settings: SourceSettings
    grammar: "KeyGrammar"
    created: dict[str, "NotifiedObject"] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)


def drain_queue(runtime: Runtime, queue_url: str, *, clock: Callable[[], float] = time.monotonic) -> Drained:
    """Takes what is in a queue, for all sources that it serves.

    Raises:
        UserError: queue, S3 or ledger cannot be reached or refuse. Messages that were not deleted come again.
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

    readers = [_Reader(source, KeyGrammar(source.prefix)) for source in served]
    kept: list[KeptNotification] = []
    for message in messages:
        read = read_message(message.body)
        for name, count in read.ignored.items():
            drained.ignore(name, count)
        for rejected in read.rejected:
            kept.append(KeptNotification(queue_url, message.id, rejected.reason, rejected.detail, rejected.text))
        for announced in read.objects:
            problem = _route(announced, readers, drained)
            if problem:
                body = f"s3://{announced.bucket}/{announced.key} ({announced.event})"
                kept.append(KeptNotification(queue_url, message.id, "foreign_bucket", problem, body))
    for reader in readers:
        kept += _record(runtime, queue_url, reader, drained)
    if kept:
        with runtime.ledger.write() as connection:
            keep_notifications(connection, kept, runtime.ledger.now())
        for entry in kept:
            drained.kept[entry.reason] = drained.kept.get(entry.reason, 0) + 1
    failed = delete(client, queue_url, messages)
    drained.deleted += len(messages) - len(failed)


def _route(announced: "NotifiedObject", readers: Sequence[_Reader], drained: Drained) -> str | None:
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
            if announced.kind == "restored":
                reader.restored.add(announced.key)
            else:
                reader.created[announced.key] = announced
    return None


def _may_be_of(settings: SourceSettings, bucket: str) -> bool:
    """Whether a source reads that bucket. Which one is behind an access point only S3 knows: it is asked by key."""
    return settings.bucket == bucket or settings.bucket.startswith("arn:")


def _record(runtime: Runtime, queue_url: str, reader: _Reader, drained: Drained) -> list[KeptNotification]:
    """Looks announced keys up in S3 and records them; returns what could not be looked up."""
    from s3sentinel_assets.containers import ReadFailure
    from s3sentinel_assets.s3.heads import describe_objects

    settings, source = reader.settings, reader.settings.name
    start = hour_key(runtime.config.start)
    if reader.restored:
        keys = {(settings.bucket, key) for key in reader.restored}
        drained.restored += requeue_refused(runtime.ledger, source, start, at_once=True, keys=keys)
    if not reader.created:
        return []
    seen: list[SeenObject] = []
    kept: list[KeptNotification] = []
    access = runtime.config.aws_access(settings)
    described = describe_objects(
        runtime.s3(source), settings.bucket, list(reader.created), access=access, workers=access.max_connections
    )
    for key, found in described:
        announced = reader.created[key]
        if isinstance(found, ReadFailure) and found.state == "vanished":
            # Deleted or moved, or never there: a listing would not have met it either.
            drained.ignore(GONE)
            _log.warning("announced by %s and gone: s3://%s/%s", queue_url, settings.bucket, key)
            continue
        if isinstance(found, ReadFailure):
            # Nothing is lost by this: the listing decides, and records what there is.
            body = f"s3://{settings.bucket}/{key} ({announced.event})"
            kept.append(KeptNotification(queue_url, source, found.state, found.reason, body))
            continue
        entry = as_seen(runtime, source, found, drained.ignored)
        if entry is not None:
            same = announced.etag == entry.etag
            seen.append(entry._replace(version_id=announced.version_id) if same else entry)
    recorded = record_seen(runtime.ledger, source, seen, found_by="notification")
    drained.objects += len(seen)
    drained.new += recorded.new
    return kept
