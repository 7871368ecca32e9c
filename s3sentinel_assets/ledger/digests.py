"""CloudTrail's digests in the ledger: what was checked, and what follows for the log files that they list.

Belongs here: queries on ``digest``, ``digest_file`` and the integrity of objects. Does not belong here: checking a
digest (``integrity``), deciding when (``pipeline.integrity``).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import Ledger, insert_or_ignore
from s3sentinel_assets.ledger.schema import DigestState, Integrity, ObjectState, digest, digest_file, objects

__all__ = [
    "DigestRecord",
    "DigestRow",
    "KnownDigest",
    "MissingFile",
    "OpenObject",
    "ProblemTexts",
    "change_digest",
    "count_digests",
    "count_integrity",
    "digest_rows",
    "digests_beside",
    "expected_content",
    "has_digests",
    "integrity_by_hour",
    "judge_listed",
    "known_digests",
    "missing_files",
    "note_of_verified",
    "record_digest",
    "set_integrity",
    "unlisted_objects",
]

_CHUNK = 500
#: Objects whose content is known, as far as it can be.
_READ = (ObjectState.READ, ObjectState.PARTLY_READ, ObjectState.UNREADABLE, ObjectState.COPY)
#: Statuses that another digest may still change.
_OPEN = (Integrity.PENDING, Integrity.UNPROVED, Integrity.UNCOVERED)


@dataclass(frozen=True, slots=True)
class DigestRecord:
    """A digest as it is recorded; see the table ``digest`` and `record_digest`."""

    source: str
    bucket: str
    key: str
    etag: str
    chain: str
    start_at: int
    end_at: int
    state: DigestState
    reason: str | None
    note: str | None
    content_sha256: str | None
    signature: str | None
    previous_key: str | None
    previous_sha256: str | None
    previous_signature: str | None


@dataclass(frozen=True, slots=True)
class KnownDigest:
    """What the ledger knows of a digest object."""

    id: int
    state: DigestState
    reason: str | None
    checked_at: int


@dataclass(frozen=True, slots=True)
class DigestRow:
    """A digest's row, as far as its chain needs it."""

    id: int
    key: str
    chain: str
    start_at: int
    end_at: int
    state: DigestState
    reason: str | None
    note: str | None
    content_sha256: str | None
    signature: str | None
    previous_key: str | None
    previous_sha256: str | None
    previous_signature: str | None


@dataclass(frozen=True, slots=True)
class OpenObject:
    """A log file that no verified digest lists so far; ``named``: one that is not verified does."""

    id: int
    key: str
    last_modified: int
    integrity: Integrity | None
    note: str | None
    named: bool = False


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A log file that a verified digest lists and the ledger does not hold, or that vanished before it was read."""

    bucket: str
    key: str
    digest_key: str
    start_at: int
    end_at: int


@dataclass(frozen=True, slots=True)
class ProblemTexts:
    """What is said of objects in bulk.

    Attributes:
        changed: their content is not what a verified digest says.
        disagree: verified digests contradict each other.
        not_hashed: their content was not hashed.
    """

    changed: str
    disagree: str
    not_hashed: str


def known_digests(
    connection: Connection, source: str, bucket: str, keys: Sequence[str]
) -> dict[tuple[str, str], KnownDigest]:
    """(Key, ETag) → what is known, for those of ``keys`` that the ledger has."""
    known: dict[tuple[str, str], KnownDigest] = {}
    for start in range(0, len(keys), _CHUNK):
        rows = connection.execute(
            sa.select(
                digest.c.key, digest.c.etag, digest.c.id, digest.c.state, digest.c.reason, digest.c.checked_at
            ).where(
                digest.c.source == source, digest.c.bucket == bucket, digest.c.key.in_(keys[start : start + _CHUNK])
            )
        )
        for row in rows:
            known[row.key, row.etag] = KnownDigest(row.id, DigestState(row.state), row.reason, row.checked_at)
    return known


def record_digest(ledger: Ledger, record: DigestRecord, files: Sequence[tuple[str, str, str]]) -> None:
    """Records a checked digest and its log files, all or nothing.

    What is known already keeps its verdict, unless it was unproved.

    Args:
        ledger: the ledger.
        record: the digest.
        files: (bucket, key, hash of the decoded content) of each log file it lists.
    """
    values = {name: getattr(record, name) for name in DigestRecord.__dataclass_fields__}
    values |= {"state": record.state.value, "files": len(files), "checked_at": ledger.now()}
    identity = ("source", "bucket", "key", "etag")
    with ledger.write() as connection:
        connection.execute(insert_or_ignore(connection, digest), [values])
        digest_id, state = connection.execute(
            sa.select(digest.c.id, digest.c.state).where(*(digest.c[name] == values[name] for name in identity))
        ).one()
        if state == DigestState.UNPROVED.value:
            connection.execute(sa.update(digest).where(digest.c.id == digest_id).values(values))
        for start in range(0, len(files), _CHUNK):
            connection.execute(
                insert_or_ignore(connection, digest_file),
                [
                    {"digest_id": digest_id, "bucket": bucket, "key": key, "content_sha256": sha256}
                    for bucket, key, sha256 in files[start : start + _CHUNK]
                ],
            )


def change_digest(connection: Connection, digest_id: int, state: DigestState, reason: str, note: str) -> None:
    """Writes a verdict that a digest's neighbours changed."""
    connection.execute(
        sa.update(digest).where(digest.c.id == digest_id).values(state=state.value, reason=reason, note=note)
    )


def digest_rows(connection: Connection, source: str, first: int, last: int) -> Iterator[DigestRow]:
    """The digests of a source that end between two instants, both included, chain by chain in order of time."""
    names = tuple(DigestRow.__dataclass_fields__)
    rows = connection.execute(
        sa.select(*(digest.c[name] for name in names))
        .where(digest.c.source == source, digest.c.end_at >= first, digest.c.end_at <= last)
        .order_by(digest.c.chain, digest.c.end_at, digest.c.id)
    )
    for row in rows:
        yield _digest_row(row)


def _digest_row(row: sa.Row) -> DigestRow:
    values = {name: row._mapping[name] for name in DigestRow.__dataclass_fields__}
    return DigestRow(**{**values, "state": DigestState(values["state"])})


def digests_beside(connection: Connection, source: str, first: int, last: int) -> Iterator[DigestRow]:
    """For each chain the last verified digest that ends before ``first`` and the first one that ends after ``last``.

    They may be far away: that is how a hole of any length is seen from its middle. A few steps in an index for each
    chain, however many digests there are.
    """
    other = digest.alias()
    least = sa.select(sa.func.min(digest.c.chain).label("chain")).where(digest.c.source == source)
    chains = least.cte("chains", recursive=True)
    following = (
        sa.select(sa.func.min(other.c.chain))
        .where(other.c.source == source, other.c.chain > chains.c.chain)
        .scalar_subquery()
    )
    chains = chains.union_all(sa.select(following).where(chains.c.chain.is_not(None)))
    verified = sa.and_(
        other.c.source == source, other.c.chain == chains.c.chain, other.c.state == DigestState.VERIFIED.value
    )
    before = sa.select(other.c.id).where(verified, other.c.end_at < first).order_by(other.c.end_at.desc(), other.c.id)
    after = sa.select(other.c.id).where(verified, other.c.end_at > last).order_by(other.c.end_at, other.c.id)
    found = connection.execute(
        sa.select(
            before.limit(1).correlate(chains).scalar_subquery(), after.limit(1).correlate(chains).scalar_subquery()
        ).select_from(chains)
    ).all()
    ids = [each for row in found for each in row if each is not None]
    for start in range(0, len(ids), _CHUNK):
        rows = connection.execute(
            sa.select(*(digest.c[name] for name in DigestRow.__dataclass_fields__)).where(
                digest.c.id.in_(ids[start : start + _CHUNK])
            )
        )
        for row in rows:
            yield _digest_row(row)


def note_of_verified(connection: Connection, source: str, bucket: str) -> str | None:
    """The oldest remark on a verified digest of a source that is so by its own signature; None if there is none."""
    return connection.execute(
        sa.select(digest.c.note)
        .where(
            digest.c.source == source,
            digest.c.bucket == bucket,
            digest.c.state == DigestState.VERIFIED.value,
            digest.c.reason.is_(None),
            digest.c.note.is_not(None),
        )
        .order_by(digest.c.end_at, digest.c.id)
        .limit(1)
    ).scalar()


def count_digests(connection: Connection, source: str, first: int, last: int) -> dict[DigestState, int]:
    """Digests that end after ``first`` and no later than ``last``, by state."""
    rows = connection.execute(
        sa.select(digest.c.state, sa.func.count())
        .where(digest.c.source == source, digest.c.end_at > first, digest.c.end_at <= last)
        .group_by(digest.c.state)
    )
    return {DigestState(state): count for state, count in rows}


def has_digests(connection: Connection, source: str) -> bool:
    """Whether any digest of the source is known: a source without digests asks nothing of its log files."""
    return connection.execute(sa.select(digest.c.id).where(digest.c.source == source).limit(1)).first() is not None


def integrity_by_hour(connection: Connection, source: str, first: str, last: str) -> dict[tuple[str, str], int]:
    """(Hour, status) → log files, for the hours from ``first`` to ``last``."""
    rows = connection.execute(
        sa.select(objects.c.hour, objects.c.integrity, sa.func.count())
        .where(objects.c.source == source, objects.c.hour.between(first, last), objects.c.integrity.is_not(None))
        .group_by(objects.c.hour, objects.c.integrity)
    )
    return {(row[0], row[1]): row[2] for row in rows}


def expected_content(
    connection: Connection, source: str, bucket: str, keys: Sequence[str]
) -> dict[str, list[tuple[str, DigestState]]]:
    """Key → for each digest that lists it, the hash named there and the digest's state; see `integrity.judge_log`.

    Args:
        connection: a connection, also one in the middle of a transaction.
        source: the source.
        bucket: the bucket of the log files.
        keys: their keys.
    """
    expected: dict[str, list[tuple[str, DigestState]]] = {}
    for start in range(0, len(keys), _CHUNK):
        rows = connection.execute(
            sa.select(digest_file.c.key, digest_file.c.content_sha256, digest.c.state)
            .join(digest, digest.c.id == digest_file.c.digest_id)
            .where(
                digest_file.c.key.in_(keys[start : start + _CHUNK]),
                digest_file.c.bucket == bucket,
                digest.c.source == source,
            )
        )
        for key, sha256, state in rows:
            expected.setdefault(key, []).append((sha256, DigestState(state)))
    return expected


def _listing(*further: sa.ColumnElement[bool], only_verified: bool) -> sa.Select[tuple[str]]:
    """The hashes that digests of the object's source name for it."""
    chosen = (
        sa.select(digest_file.c.content_sha256)
        .join(digest, digest.c.id == digest_file.c.digest_id)
        .where(
            digest_file.c.key == objects.c.key,
            digest_file.c.bucket == objects.c.bucket,
            digest.c.source == objects.c.source,
            *further,
        )
        .correlate(objects)
    )
    return chosen.where(digest.c.state == DigestState.VERIFIED.value) if only_verified else chosen


def _open(source: str, hour: str) -> list[sa.ColumnElement[bool]]:
    return [
        objects.c.source == source,
        objects.c.hour == hour,
        objects.c.retry_of.is_(None),  # rows for some rejected records of an object say nothing new of it
        objects.c.state.in_([state.value for state in _READ]),
        sa.or_(objects.c.integrity.is_(None), objects.c.integrity.in_([status.value for status in _OPEN])),
    ]


def judge_listed(ledger: Ledger, source: str, hour: str, texts: ProblemTexts) -> dict[Integrity, int]:
    """Gives each read object of an hour that verified digests list its status, with a few statements for all of them.

    The rules are those of `integrity.judge_log`. What only other digests list is among the `unlisted_objects`.

    Returns:
        How many objects got a new status.
    """
    differs = objects.c.content_sha256 != digest_file.c.content_sha256
    hashed = objects.c.content_sha256.is_not(None)
    named = _listing(only_verified=True)
    lowest = named.with_only_columns(sa.func.min(digest_file.c.content_sha256)).scalar_subquery()
    highest = named.with_only_columns(sa.func.max(digest_file.c.content_sha256)).scalar_subquery()
    steps: list[tuple[Integrity, str | None, list[sa.ColumnElement[bool]]]] = [
        (Integrity.FAILED, texts.disagree, [hashed, lowest != highest]),
        (Integrity.FAILED, texts.changed, [hashed, _listing(differs, only_verified=True).exists()]),
        (Integrity.VERIFIED, None, [hashed, named.exists()]),
        (Integrity.UNPROVED, texts.not_hashed, [~hashed, named.exists()]),
    ]
    changed: dict[Integrity, int] = {}
    with ledger.write() as connection:
        for status, note, conditions in steps:
            new = sa.or_(
                objects.c.integrity.is_(None),
                objects.c.integrity != status.value,
                objects.c.integrity_note.is_distinct_from(note),
            )
            count = connection.execute(
                sa.update(objects)
                .where(*_open(source, hour), *conditions, new)
                .values(integrity=status.value, integrity_note=note)
            ).rowcount
            if count:
                changed[status] = changed.get(status, 0) + count
    return changed


def unlisted_objects(
    connection: Connection, source: str, hour: str, after: int, limit: int = 5_000
) -> list[OpenObject]:
    """A page of the hour's read objects whose status is open and that no verified digest lists, by their ids."""
    rows = connection.execute(
        sa.select(
            objects.c.id,
            objects.c.key,
            objects.c.last_modified,
            objects.c.integrity,
            objects.c.integrity_note,
            _listing(only_verified=False).exists().label("named"),
        )
        .where(*_open(source, hour), objects.c.id > after, ~_listing(only_verified=True).exists())
        .order_by(objects.c.id)
        .limit(limit)
    )
    return [
        OpenObject(
            id=row.id,
            key=row.key,
            last_modified=row.last_modified,
            integrity=Integrity(row.integrity) if row.integrity else None,
            note=row.integrity_note,
            named=bool(row.named),
        )
        for row in rows
    ]


def set_integrity(ledger: Ledger, status: Integrity, note: str | None, ids: Iterable[int]) -> None:
    """Gives objects a status, unless they got a final one meanwhile."""
    wanted = list(ids)
    with ledger.write() as connection:
        for start in range(0, len(wanted), _CHUNK):
            connection.execute(
                sa.update(objects)
                .where(
                    objects.c.id.in_(wanted[start : start + _CHUNK]),
                    sa.or_(objects.c.integrity.is_(None), objects.c.integrity.in_([each.value for each in _OPEN])),
                )
                .values(integrity=status.value, integrity_note=note)
            )


def count_integrity(connection: Connection, source: str, hour: str) -> dict[Integrity | None, int]:
    """The hour's objects by status; None: read before anybody asked, or not read."""
    rows = connection.execute(
        sa.select(objects.c.integrity, sa.func.count())
        .where(objects.c.source == source, objects.c.hour == hour, objects.c.retry_of.is_(None))
        .group_by(objects.c.integrity)
    )
    return {Integrity(status) if status else None: count for status, count in rows}


def missing_files(connection: Connection, source: str, first: int, last: int) -> Iterator[MissingFile]:
    """Log files listed by verified digests of a time that the ledger does not hold, or only as vanished.

    Args:
        connection: a connection.
        source: the source.
        first: digests that end after this instant count …
        last: … if they start before this one.
    """
    held = (
        sa.select(objects.c.id)
        .where(
            objects.c.source == source,
            objects.c.bucket == digest_file.c.bucket,
            objects.c.key == digest_file.c.key,
            objects.c.state != ObjectState.VANISHED.value,
        )
        .exists()
    )
    rows = connection.execute(
        sa.select(
            digest_file.c.bucket, digest_file.c.key, digest.c.key.label("digest"), digest.c.start_at, digest.c.end_at
        )
        .join(digest, digest.c.id == digest_file.c.digest_id)
        .where(
            digest.c.source == source,
            digest.c.state == DigestState.VERIFIED.value,
            digest.c.end_at > first,
            digest.c.start_at < last,
            ~held,
        )
        .order_by(digest_file.c.key, digest.c.id)
    )
    previous = None
    for bucket, key, digest_key, start_at, end_at in rows:
        if (bucket, key) != previous:
            previous = bucket, key
            yield MissingFile(bucket, key, digest_key, start_at, end_at)
