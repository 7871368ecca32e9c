"""Objects: what the ledger keeps of an S3 object version, and what became of it once it was read.

Belongs here: the records handed between S3, parser and ledger, and settling an object in its part's commit. Does not
belong here: recording what was found (``seen``), asking again for what was refused (``refused``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.ledger.engine import from_micros, storable
from s3sentinel_assets.ledger.refused import RETRIES, next_try
from s3sentinel_assets.ledger.schema import ObjectState, objects

__all__ = [
    "REFUSED",
    "LedgerObject",
    "ObjectOutcome",
    "SeenObject",
    "integrity_of_part",
    "objects_of_part",
    "settle_object",
]

#: States of objects that S3 did not hand over: what they hold is not among the records read.
REFUSED = (
    ObjectState.VANISHED,
    ObjectState.DENIED,
    ObjectState.KMS_DENIED,
    ObjectState.ARCHIVED,
    ObjectState.THROTTLED,
    ObjectState.BROKEN,
)


class SeenObject(NamedTuple):
    """An object version as S3 reports it. A tuple, because listings make millions of them.

    Attributes:
        bucket: the bucket.
        key: the key, decoded.
        version: what tells it from other objects under the key: the ETag.
        etag: without quotes.
        size: stored bytes.
        last_modified: aware.
        hour: the hour it belongs to; by default the one of ``last_modified``.
        storage_class: S3's, where it is known.
        version_id: S3's, where a notification told it.
    """

    bucket: str
    key: str
    version: str
    etag: str
    size: int
    last_modified: datetime
    hour: str = ""
    storage_class: str | None = None
    version_id: str | None = None

    @property
    def hour_or_default(self) -> str:
        """The hour it belongs to."""
        return self.hour or hour_key(self.last_modified)


@dataclass(frozen=True)
class LedgerObject:
    """An object version the ledger knows, as far as reading it needs."""

    id: int
    bucket: str
    key: str
    version: str
    etag: str
    size: int
    last_modified: datetime
    state: ObjectState
    version_id: str | None = None


@dataclass(frozen=True)
class ObjectOutcome:
    """What reading an object gave. ``records`` = rows + quarantined + filtered.

    Attributes:
        object_id: the ledger's id.
        state: what became of it.
        format: of its content; None where that was not recognised.
        records: records seen.
        rows: of these, delivered.
        quarantined: of these, not parsed.
        filtered: of these, left out by a named rule.
        decoded_bytes: size of its content.
        sha256: of its stored bytes.
        note: a remark for people.
        copy_of: the object whose bytes it repeats.
        checked_by: how its bytes were verified.
        content_sha256: of its decoded content, where that is asked for.
        integrity: what CloudTrail's digests say of it.
        integrity_note: why, where that is not plain.
        counted: of a row that took rejected records up again: records seen, wanted or not.
    """

    object_id: int
    state: ObjectState
    format: str | None
    records: int
    rows: int
    quarantined: int
    filtered: int
    decoded_bytes: int
    sha256: str | None
    note: str | None
    copy_of: int | None = None
    checked_by: str | None = None
    content_sha256: str | None = None
    integrity: str | None = None
    integrity_note: str | None = None
    counted: int | None = None


def _objects(rows: Sequence[sa.Row[Any]]) -> Iterator[LedgerObject]:
    for row in rows:
        yield LedgerObject(
            id=row.id,
            bucket=row.bucket,
            key=row.key,
            version=row.version,
            etag=row.etag,
            size=row.size,
            last_modified=from_micros(row.last_modified),
            state=ObjectState(row.state),
            version_id=row.version_id,
        )


def objects_of_part(connection: Connection, part_id: int) -> list[LedgerObject]:
    """The part's objects in their recorded order."""
    rows = connection.execute(sa.select(objects).where(objects.c.part_id == part_id).order_by(objects.c.position))
    return list(_objects(rows.all()))


def integrity_of_part(connection: Connection, part_id: int) -> dict[int, str]:
    """Object id → what is known of its integrity, for the part's objects of which anything is.

    A row that takes rejected records up again has the integrity of the row with the whole object.
    """
    whole = objects.alias("whole")
    rows = connection.execute(
        sa.select(objects.c.id, whole.c.integrity)
        .join(whole, whole.c.id == sa.func.coalesce(objects.c.retry_of, objects.c.id))
        .where(objects.c.part_id == part_id, whole.c.integrity.is_not(None))
    )
    return {row[0]: row[1] for row in rows}


def settle_object(connection: Connection, outcome: ObjectOutcome, now: int) -> None:
    """Writes what reading an object gave, in the transaction that commits its part."""
    ask_at = None
    if outcome.state in RETRIES:
        tried = connection.execute(
            sa.select(objects.c.tries, objects.c.tried_for).where(objects.c.id == outcome.object_id)
        ).one()
        ask_at = next_try(outcome.state, tried.tries, tried.tried_for, now)
    connection.execute(
        sa.update(objects)
        .where(objects.c.id == outcome.object_id)
        .values(
            state=outcome.state.value,
            format=outcome.format,
            records=outcome.records,
            rows=outcome.rows,
            quarantined=outcome.quarantined,
            filtered=outcome.filtered,
            decoded_bytes=outcome.decoded_bytes,
            sha256=outcome.sha256,
            note=storable(outcome.note),
            copy_of=outcome.copy_of,
            checked_by=outcome.checked_by,
            content_sha256=outcome.content_sha256,
            integrity=outcome.integrity,
            integrity_note=storable(outcome.integrity_note),
            counted=outcome.counted,
            ask_at=ask_at,
        )
    )
