"""The ledger's tables.

Belongs here: table definitions and the words allowed in their state columns. Does not belong here: queries and
transactions (one module each beside this one) or migrations (``migrations/``).

Instants are stored as integers, microseconds since 1970 UTC, so that SQLite and PostgreSQL compare them alike. Hours
are text keys (`s3sentinel_assets.hours`).
"""

import enum

import sqlalchemy as sa

__all__ = [
    "BatchKind",
    "BatchState",
    "DigestState",
    "HourState",
    "Integrity",
    "ObjectState",
    "Stage",
    "audit",
    "batch",
    "catalogue",
    "claim",
    "dead_letter",
    "digest",
    "digest_file",
    "held",
    "hour",
    "lease",
    "metadata",
    "notification",
    "objects",
    "part",
    "promotion",
    "proof",
    "quarantine",
    "quarantine_retry",
    "rate",
    "score_pin",
    "shape",
    "source_guard",
    "stage",
    "state",
    "verdict",
]


class ObjectState(enum.StrEnum):
    """What is known of an S3 object version."""

    LISTED = "listed"  # seen, not read yet
    READ = "read"  # read whole; its records are in the part's stage files
    PARTLY_READ = "partly_read"  # read as far as it goes; the rest is in quarantine
    VANISHED = "vanished"  # gone or replaced before it was read
    DENIED = "denied"  # S3 refuses access
    KMS_DENIED = "kms_denied"  # KMS refuses to decrypt it
    ARCHIVED = "archived"  # in an archive class, to be restored first
    THROTTLED = "throttled"  # S3 asked to slow down until the attempts were used up
    BROKEN = "broken"  # cannot be had whole and undamaged now
    RETRIED = "retried"  # was refused; another row of the same object took its place
    UNREADABLE = "unreadable"  # content cannot be decoded at all
    COPY = "copy"  # the same bytes under the same name were read before


class Integrity(enum.StrEnum):
    """What CloudTrail's digest files say of a log file. Null: nobody asked."""

    PENDING = "pending"  # no digest covers it yet
    VERIFIED = "verified"  # its content is what a verified digest says
    FAILED = "failed"  # its content differs from what the digest says
    UNCOVERED = "uncovered"  # the digests of its time are all there, and none lists it
    UNPROVED = "unproved"  # a digest that lists it, or that should, is missing or not proved itself


class DigestState(enum.StrEnum):
    """What is known of a digest file."""

    VERIFIED = "verified"  # signature, place and link to its predecessor hold
    FAILED = "failed"  # signature, content or place is wrong
    UNPROVED = "unproved"  # cannot be judged: its public key or signature is not to be had


class Stage(enum.StrEnum):
    """Stages of a part that leave a row here, in pipeline order."""

    PARSED = "parsed"
    SCORED = "scored"
    PLANNED = "planned"


class BatchState(enum.StrEnum):
    """The life of one upload. ``ACCEPTED``, ``DEAD`` and ``SUPERSEDED`` are final."""

    PLANNED = "planned"
    SENDING = "sending"
    RETRY = "retry"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    DEAD = "dead"
    SUPERSEDED = "superseded"


class BatchKind(enum.StrEnum):
    """What a batch's rows are. Only ``ROWS`` are events of the account; the others come on top."""

    ROWS = "rows"
    OVERFLOW = "overflow"  # texts that are too long for a field, whole
    PROMOTED = "promoted"  # events that a cheaper table has already, once more for a better one
    ENTITY_HOURS = "entity_hours"  # what principals did in an hour, summed up
    PATTERNS = "patterns"  # kinds of events that are new, vanished or out of their rate


class HourState(enum.StrEnum):
    """Whether an hour may still grow in the ordinary way. A sealed hour gains late parts only."""

    OPEN = "open"
    SEALED = "sealed"


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_Instant = sa.BigInteger
_Hour = sa.String(16)
_Source = sa.String(40)

# One row a source: a transaction that updates it first makes the others of that source wait, on either database.
source_guard = sa.Table(
    "source_guard",
    metadata,
    sa.Column("source", sa.String(64), primary_key=True),  # a source's name, or "table:" and a table's
    sa.Column("touched", sa.BigInteger, nullable=False, default=0),
    sa.Column("deep_listed_at", _Instant),  # when the last listing of the long look-back window began
    sa.Column("listed_at", _Instant),  # when the last listing of the ordinary look-back window began
)

hour = sa.Table(
    "hour",
    metadata,
    sa.Column("source", _Source, primary_key=True),
    sa.Column("hour", _Hour, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("listed_at", _Instant),  # watermark: when the last listing that covers this hour began
    sa.Column("sealed_at", _Instant),
    sa.Column("sealed_objects", sa.Integer),
    sa.Column("sealed_digest", sa.String(64)),
    # What the last whole listing saw of the hour, and what the ledger held right after it.
    sa.Column("compared_at", _Instant),
    sa.Column("listing_objects", sa.BigInteger),
    sa.Column("listing_digest", sa.String(64)),
    sa.Column("ledger_objects", sa.BigInteger),
    sa.Column("ledger_digest", sa.String(64)),
    sa.Column("gone_objects", sa.BigInteger),  # known to the ledger, no longer listed
)

objects = sa.Table(
    "object",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("bucket", sa.String(255), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("version", sa.String(255), nullable=False),  # S3 version id, else the ETag
    sa.Column("etag", sa.String(255), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("last_modified", _Instant, nullable=False),
    sa.Column("hour", _Hour, nullable=False),
    sa.Column("discovered_at", _Instant, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False, default=False),  # discovered after its hour was sealed
    sa.Column("part_id", _Id, sa.ForeignKey("part.id")),
    sa.Column("position", sa.Integer),  # order inside the part
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("format", sa.String(400)),  # joined by "+" where it holds records of several
    sa.Column("records", sa.BigInteger),  # read = rows + quarantined + filtered
    sa.Column("rows", sa.BigInteger),
    sa.Column("quarantined", sa.BigInteger),
    sa.Column("filtered", sa.BigInteger),
    sa.Column("decoded_bytes", sa.BigInteger),
    sa.Column("sha256", sa.String(64)),  # of the object's bytes as stored in S3
    sa.Column("note", sa.Text),
    sa.Column("version_id", sa.String(1024)),  # S3's, where a notification told it
    sa.Column("storage_class", sa.String(32)),
    sa.Column("listed", sa.Boolean, nullable=False, server_default=sa.true()),  # a listing has seen it
    sa.Column("notified_at", _Instant),  # when the first notification of it was recorded
    sa.Column("name", sa.String(1024)),  # last segment of the key: copies keep it
    sa.Column("copy_of", _Id),  # the object whose bytes it repeats
    sa.Column("checked_by", sa.String(32)),  # how its bytes were verified: md5, crc64nvme, sha256, length…
    sa.Column("content_sha256", sa.String(64)),  # of its decoded content
    sa.Column("integrity", sa.String(16)),
    sa.Column("integrity_note", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),  # asked for again on its own…
    sa.Column("tried_for", sa.String(16)),  # …because of this state
    sa.Column("ask_at", _Instant),  # of a refused object: when it is asked for again; null: never on its own
    # A row that takes rejected records of an object up again, and no others: its row with the whole object, the order,
    # and how many records the object had then, wanted or not.
    sa.Column("retry_of", _Id),
    sa.Column("retry_id", _Id),
    sa.Column("counted", sa.BigInteger),
    sa.UniqueConstraint("source", "bucket", "key", "version"),
    sa.Index("ix_object_source_hour", "source", "hour"),
    sa.Index("ix_object_part_id", "part_id"),
    sa.Index("ix_object_source_state", "source", "state"),
    sa.Index("ix_object_sha256", "sha256"),
    sa.Index("ix_object_integrity", "source", "integrity"),
    sa.Index("ix_object_source_ask_at", "source", "ask_at"),
    sa.Index("ix_object_retry_of", "retry_of"),
)

part = sa.Table(
    "part",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("hour", _Hour, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("objects", sa.Integer, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("learned_by", _Id, sa.ForeignKey("state.id")),  # the state that counted this part's events
    sa.Index("ix_part_source_hour", "source", "hour"),
    sa.Index("ix_part_learned_by", "learned_by"),
)

stage = sa.Table(
    "stage",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),  # 1; an explicit rebuild adds the next
    sa.Column("code_version", sa.String(64), nullable=False),
    sa.Column("files", sa.JSON, nullable=False),  # manifest: see ledger.stages.StageFile
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("committed_at", _Instant, nullable=False),
    sa.UniqueConstraint("part_id", "stage", "generation"),
)

# What the rows of a part looked like; by-products that are forgotten after a while.
shape = sa.Table(
    "shape",
    metadata,
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), primary_key=True),
    sa.Column("format", sa.String(40), primary_key=True),
    sa.Column("table_name", sa.String(64), primary_key=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("hour", _Hour, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("filled", sa.JSON, nullable=False),  # column → rows with a value; columns without any left out
    sa.Column("fields", sa.JSON, nullable=False),  # unknown field → records
    sa.Column("drift", sa.JSON, nullable=False),  # flag of values that did not fit → records
    sa.Column("samples", sa.JSON, nullable=False),  # fields, drift → name → [value, event id]
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("crowded", sa.Boolean, nullable=False),
    sa.Column("recorded_at", _Instant, nullable=False),
    sa.Index("ix_shape_source_hour", "source", "hour"),
    sa.Index("ix_shape_source_recorded_at", "source", "recorded_at"),
)

# What a part's scoring reads, recorded before the first score so that a replay reads the same.
score_pin = sa.Table(
    "score_pin",
    metadata,
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True),
    sa.Column("state_id", _Id, sa.ForeignKey("state.id")),
    sa.Column("counters_uri", sa.Text),  # the in-hour counters the previous part left, perhaps one of the hour before
    sa.Column("counters_part_id", _Id),
    sa.Column("catalogue_id", _Id, sa.ForeignKey("catalogue.id")),  # the templates that texts are matched with
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("pinned_at", _Instant, nullable=False),
)

state = sa.Table(
    "state",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("hour", _Hour, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("based_on", _Id, sa.ForeignKey("state.id")),
    sa.Column(
        "gap_hours", sa.Integer, nullable=False
    ),  # hours without a state between this one and the one it builds on
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("keys", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Column("code_version", sa.String(64), nullable=False),
    sa.Column("sealed_at", _Instant, nullable=False),
    # Of a state that only says what changed: the whole one that it and those between build on. Null: it is whole.
    sa.Column("whole_id", _Id, sa.ForeignKey("state.id")),
    sa.UniqueConstraint("source", "hour", "generation"),
)

# Urgent events that history did not learn: those of one principal in one part. They are learned after a while, or once
# cleared; never if they are said to be an attack.
held = sa.Table(
    "held",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), nullable=False),
    sa.Column("format", sa.String(40), nullable=False),
    sa.Column("hour", _Hour, nullable=False),  # the hour whose state left them out
    sa.Column("account", sa.String(255)),
    sa.Column("principal", sa.Text),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("uri", sa.Text, nullable=False),  # their rows of the entity view; one file for a part and format
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("held_by", _Id, sa.ForeignKey("state.id"), nullable=False),
    sa.Column("learned_by", _Id, sa.ForeignKey("state.id")),
    sa.Column("outcome", sa.String(16)),  # waited, cleared or attack; null: still held
    sa.Index("ix_held_source_outcome", "source", "outcome"),
    sa.Index("ix_held_part_id", "part_id"),
)

# What analysts found out: append-only, the newest one counts.
verdict = sa.Table(
    "verdict",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("at", _Instant, nullable=False),
    sa.Column("given_by", sa.String(255), nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),  # attack, benign or unsure
    sa.Column("origin", sa.String(16), nullable=False),  # command or incident
    sa.Column("incident", sa.String(255)),  # its number or id
    # Either one event, or what a principal did in an hour.
    sa.Column("source", _Source),
    sa.Column("event_id", sa.String(255)),
    sa.Column("account", sa.String(255)),
    sa.Column("principal", sa.Text),
    sa.Column("hour", _Hour),
    sa.Column("technique", sa.String(255)),
    sa.Column("note", sa.Text),
    sa.Index("ix_verdict_event_id", "event_id"),
    sa.Index("ix_verdict_at", "at"),
)

# The kinds of texts known at the beginning of a day.
catalogue = sa.Table(
    "catalogue",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("day", sa.String(10), nullable=False),  # it holds what was seen before this day
    sa.Column("based_on", _Id, sa.ForeignKey("catalogue.id")),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("patterns", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("code_version", sa.String(64), nullable=False),
    sa.Column("made_at", _Instant, nullable=False),
    sa.UniqueConstraint("source", "day"),
)

# Which part owns the events of one event hour in one table; the event ids themselves are in the part's stage file.
claim = sa.Table(
    "claim",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("table_name", sa.String(64), nullable=False),
    sa.Column("event_hour", _Hour, nullable=False),
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), nullable=False),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Index("ix_claim_table_event_hour", "table_name", "event_hour"),
    sa.Index("ix_claim_part_id", "part_id"),
)

batch = sa.Table(
    "batch",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), nullable=False),
    sa.Column("stage_id", _Id, sa.ForeignKey("stage.id"), nullable=False),  # the PLANNED stage that holds the rows
    sa.Column("parent_id", sa.String(32)),  # the batch a 413 split this one from
    sa.Column("dcr_id", sa.String(64), nullable=False),
    sa.Column("stream", sa.String(128), nullable=False),
    sa.Column("table_name", sa.String(64), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("row_start", sa.BigInteger, nullable=False),
    sa.Column("row_end", sa.BigInteger, nullable=False),
    sa.Column("uri", sa.Text, nullable=False),  # file of gzip bodies; this one's is at [offset, offset + length)
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("raw_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),  # of the uncompressed body
    sa.Column("kind", sa.String(16), nullable=False, server_default=BatchKind.ROWS.value),
    sa.Column("route", sa.String(64)),  # the routing rule that sent its rows here; null: none did
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),  # 1; a resend after an unknown outcome counts up
    sa.Column("tries", sa.Integer, nullable=False),  # requests made
    sa.Column("request_id", sa.String(36)),
    sa.Column("lease_epoch", sa.Integer),
    sa.Column("planned_at", _Instant, nullable=False),
    sa.Column("sent_at", _Instant),
    sa.Column("settled_at", _Instant),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Index("ix_batch_part_id", "part_id"),
    sa.Index("ix_batch_state", "state"),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("hour", _Hour, nullable=False),
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), nullable=False),
    sa.Column("stage_id", _Id, sa.ForeignKey("stage.id"), nullable=False),
    sa.Column("object_id", _Id, sa.ForeignKey("object.id"), nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("first_position", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("sample", sa.Text),
    sa.Column("uri", sa.Text),  # stage file with every rejected record's position and bytes
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("retried_by", _Id),  # the object row that takes these records up again; see ledger.retries
    sa.Index("ix_quarantine_source_hour", "source", "hour"),
    sa.Index("ix_quarantine_object_id", "object_id"),
    sa.Index("ix_quarantine_retried_by", "retried_by"),
)

# Orders to parse rejected records again: who gave them, which records they were for, and how many that were.
quarantine_retry = sa.Table(
    "quarantine_retry",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("hour", _Hour),  # null: of all hours
    sa.Column("reason", sa.String(64)),  # null: for any reason
    sa.Column("key", sa.Text),  # null: of all objects
    sa.Column("requested_by", sa.String(255), nullable=False),
    sa.Column("requested_at", _Instant, nullable=False),
    sa.Column("objects", sa.BigInteger, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
)

# Notifications that could not be understood, or name what is not ours: kept when their message is deleted.
notification = sa.Table(
    "notification",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("queue_url", sa.Text, nullable=False),
    sa.Column("message_id", sa.String(128), nullable=False),
    sa.Column("received_at", _Instant, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("body", sa.Text, nullable=False),  # the message, or the record of it that is meant
    sa.Column("times", sa.BigInteger, nullable=False),  # it came
    sa.Column("dropped_at", _Instant),  # when somebody said that it needs no attention
    sa.Column("dropped_because", sa.Text),
    sa.Index("ix_notification_message_id", "message_id"),
)

# CloudTrail's digest files: one an hour, account, region and trail.
digest = sa.Table(
    "digest",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("bucket", sa.String(255), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("etag", sa.String(255), nullable=False),
    sa.Column("chain", sa.String(255), nullable=False),  # account, region and trail, and whether it backfills
    sa.Column("start_at", _Instant, nullable=False),
    sa.Column("end_at", _Instant, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(64)),  # why it is not verified
    sa.Column("note", sa.Text),
    sa.Column("content_sha256", sa.String(64)),
    sa.Column("signature", sa.Text),
    sa.Column("previous_key", sa.Text),
    sa.Column("previous_sha256", sa.String(64)),
    sa.Column("previous_signature", sa.Text),
    sa.Column("files", sa.Integer, nullable=False),
    sa.Column("checked_at", _Instant, nullable=False),
    sa.UniqueConstraint("source", "bucket", "key", "etag"),
    sa.Index("ix_digest_source_end_at", "source", "end_at"),
    sa.Index("ix_digest_source_chain_end_at", "source", "chain", "end_at"),
)

# The log files that digests list, with the hash of the content that CloudTrail wrote.
digest_file = sa.Table(
    "digest_file",
    metadata,
    sa.Column("digest_id", _Id, sa.ForeignKey("digest.id"), primary_key=True),
    sa.Column("bucket", sa.String(255), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Index("ix_digest_file_key", "key"),
)

dead_letter = sa.Table(
    "dead_letter",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("hour", _Hour, nullable=False),
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), nullable=False),
    sa.Column("batch_id", sa.String(32)),  # null: the row never fitted any batch
    sa.Column("row_start", sa.BigInteger, nullable=False),
    sa.Column("row_end", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("uri", sa.Text),
    sa.Column("created_at", _Instant, nullable=False),
    # Given up by a human; the rows stay in the account as dead.
    sa.Column("dropped_at", _Instant),
    sa.Column("dropped_by", sa.String(255)),
    sa.Column("dropped_because", sa.Text),
    sa.Index("ix_dead_letter_source_hour", "source", "hour"),
)

# What people decided: append-only.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("at", _Instant, nullable=False),
    sa.Column("principal", sa.String(255), nullable=False),  # who
    sa.Column("action", sa.String(64), nullable=False),  # such as "dead-letter drop"
    sa.Column("source", _Source),
    sa.Column("hour", _Hour),
    sa.Column("target", sa.Text),  # what it was done to
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("ix_audit_at", "at"),
)

# Orders to send a slice of what went to a cheaper table to the better one, too.
promotion = sa.Table(
    "promotion",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("part_id", _Id, sa.ForeignKey("part.id"), nullable=False),
    sa.Column("stage_id", _Id, sa.ForeignKey("stage.id"), nullable=False),  # the plan whose rows it repeats
    sa.Column("condition", sa.Text),  # which rows; null: all that were demoted
    sa.Column("requested_by", sa.String(255), nullable=False),
    sa.Column("requested_at", _Instant, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Index("ix_promotion_part_id", "part_id"),
)

# What all processes together may still send to a data collection rule: two token buckets and a pause.
rate = sa.Table(
    "rate",
    metadata,
    sa.Column("dcr_id", sa.String(64), primary_key=True),
    sa.Column("byte_tokens", sa.Float, nullable=False),  # below zero: overdrawn by one body
    sa.Column("request_tokens", sa.Float, nullable=False),
    sa.Column("refilled_at", _Instant, nullable=False),
    sa.Column("paused_until", _Instant),  # the service asked for it
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("expires_at", _Instant, nullable=False),
)

proof = sa.Table(
    "proof",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("source", _Source, nullable=False),
    sa.Column("hour", _Hour, nullable=False),
    sa.Column("made_at", _Instant, nullable=False),
    sa.Column("sealed", sa.Boolean, nullable=False),
    sa.Column("objects", sa.BigInteger, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("accepted", sa.BigInteger, nullable=False),
    sa.Column("pending", sa.BigInteger, nullable=False),
    sa.Column("unknown", sa.BigInteger, nullable=False),
    sa.Column("dead", sa.BigInteger, nullable=False),
    sa.Column("quarantined", sa.BigInteger, nullable=False),
    sa.Column("filtered", sa.BigInteger, nullable=False),
    sa.Column("found", sa.BigInteger),  # null: the workspace could not be asked
    sa.Column("listed", sa.BigInteger),  # objects the newest whole listing saw; null: none has covered the hour
    sa.Column("log_errors", sa.BigInteger),  # rows of DCRLogErrors about the hour's requests; null: not asked
    sa.Column("agrees", sa.Boolean, nullable=False),  # batch by batch, each event once
    sa.Column("verdict", sa.String(32), nullable=False),
    sa.Index("ix_proof_source_hour", "source", "hour"),
)
