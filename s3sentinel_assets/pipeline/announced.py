"""Announced objects of one source: looked up in S3 and recorded, each version that was announced.

Belongs here: what an announcement becomes in the ledger. Does not belong here: queues and messages (``notified``).

LastModified, ETag and size are S3's own, asked for key by key, so that a later listing meets the same object. A version
that is gone or replaced by then is recorded from its announcement: reading it by its version id, or finding that it has
vanished, is an outcome of its own and in the account.
"""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.ledger.refused import requeue_refused
from s3sentinel_assets.ledger.seen import record_seen
from s3sentinel_assets.pipeline.discovery import as_seen
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.objects import SeenObject
    from s3sentinel_assets.s3.key_grammar import KeyGrammar
    from s3sentinel_assets.s3.notifications import NotifiedObject

__all__ = ["Announcements", "Taken", "take_announced"]

#: Names under which announcements are counted that leave nothing in the ledger.
GONE = "gone when it was looked up, and announced without ETag and size"
DENIED = "denied when it was looked up; the listing records it"

_log = logging.getLogger(__name__)


@dataclass
class Announcements:
    """What some messages announce to one source.

    Attributes:
        settings: the source.
        grammar: of its prefix.
        created: (key, ETag or version id) → the announcement.
        restored: keys that were restored from an archive, with their announcements.
        messages: (key, ETag or version id) → the messages that say so.
    """

    settings: SourceSettings
    grammar: "KeyGrammar"
    created: "dict[tuple[str, str], NotifiedObject]" = field(default_factory=dict)
    restored: "dict[str, NotifiedObject]" = field(default_factory=dict)
    messages: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def add(self, announced: "NotifiedObject", message_id: str) -> None:
        """Takes an announcement up."""
        identity = (announced.key, announced.etag or announced.version_id or "")
        self.messages.setdefault(identity, set()).add(message_id)
        if announced.kind == "restored":
            self.restored[announced.key] = announced
        else:
            self.created[identity] = announced

    def messages_of(self, key: str) -> set[str]:
        """The messages that name a key."""
        return {message for (name, _), messages in self.messages.items() if name == key for message in messages}

    @property
    def all_messages(self) -> set[str]:
        """Every message that names an object of the source."""
        return {message for messages in self.messages.values() for message in messages}


@dataclass
class Taken:
    """What became of the announcements of one source.

    Attributes:
        objects: versions recorded or known.
        new: of these, not known before.
        restored: archived objects queued again.
        ignored: what left nothing in the ledger, by name.
        again: messages that must come again: S3 could not answer for their keys now.
    """

    objects: int = 0
    new: int = 0
    restored: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)

    def ignore(self, name: str) -> None:
        """Counts what leaves nothing in the ledger."""
        self.ignored[name] = self.ignored.get(name, 0) + 1


def take_announced(runtime: Runtime, announced: Announcements) -> Taken:
    """Looks announced keys up and records them.

    Raises:
        UserError: the bucket or the ledger cannot be reached or refuses, which concerns all of them.
    """
    from s3sentinel_assets.containers import ReadFailure
    from s3sentinel_assets.s3.heads import describe_objects

    taken, settings, source = Taken(), announced.settings, announced.settings.name
    by_key: dict[str, list[NotifiedObject]] = {}
    for entry in announced.created.values():
        by_key.setdefault(entry.key, []).append(entry)
    for key, entry in announced.restored.items():
        queued = _restored(runtime, settings, key)
        taken.restored += queued
        if not queued:
            by_key.setdefault(key, []).append(entry)  # unknown so far: as good as created
    access = runtime.config.aws_access(settings)
    seen: list[SeenObject] = []
    described = describe_objects(
        runtime.s3(source), settings.bucket, list(by_key), access=access, workers=access.max_connections
    )
    for key, found in described:
        if not isinstance(found, ReadFailure):
            current = as_seen(runtime, source, found, taken.ignored)
            if current is not None:
                same = next((entry for entry in by_key[key] if entry.etag == found.etag), None)
                seen.append(current._replace(version_id=same.version_id if same else None))
            lost = [entry for entry in by_key[key] if entry.etag and entry.etag != found.etag]
        elif found.state == "vanished":
            lost = by_key[key]
        elif found.state in ("throttled", "broken"):
            taken.again |= announced.messages_of(key)
            continue
        else:
            _log.warning("announced and not to be looked up: %s", found.reason)
            taken.ignore(DENIED)
            continue
        seen += _from_announcements(runtime, settings, lost, taken)
    recorded = record_seen(runtime.ledger, source, seen, found_by="notification")
    taken.objects += len(seen)
    taken.new += recorded.new
    return taken


def _restored(runtime: Runtime, settings: SourceSettings, key: str) -> int:
    start = hour_key(runtime.config.start)
    return requeue_refused(runtime.ledger, settings.name, start, at_once=True, keys={(settings.bucket, key)})


def _from_announcements(
    runtime: Runtime, settings: SourceSettings, lost: "list[NotifiedObject]", taken: Taken
) -> "list[SeenObject]":
    """Versions that are no longer the ones under their keys, as their announcements describe them."""
    from s3sentinel_assets.s3.listing import ListedObject

    seen: list[SeenObject] = []
    for entry in lost:
        _log.warning("announced and no longer there: s3://%s/%s (%s)", settings.bucket, entry.key, entry.event)
        if not entry.etag or entry.size is None or entry.event_time is None:
            taken.ignore(GONE)
            continue
        described: ListedObject = ListedObject(
            bucket=settings.bucket,
            key=entry.key,
            etag=entry.etag,
            size=entry.size,
            last_modified=entry.event_time.replace(microsecond=0),
            storage_class="STANDARD",
        )
        made = as_seen(runtime, settings.name, described, taken.ignored)
        if made is not None:
            seen.append(made._replace(version_id=entry.version_id, storage_class=None))
    return seen
