"""Notifications, listing against ledger, copies, checksums, and the integrity of CloudTrail's files."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


_COLUMNS = {
    "source_guard": ("listed_at",),
    "hour": (
        "compared_at",
        "listing_objects",
        "listing_digest",
        "ledger_objects",
        "ledger_digest",
        "gone_objects",
    ),
    "object": (
        "version_id",
        "storage_class",
        "listed",
        "notified_at",
        "name",
        "copy_of",
        "checked_by",
        "content_sha256",
        "integrity",
        "integrity_note",
        "tries",
        "tried_for",
        "ask_at",
    ),
}


def _add(table: str, *columns: sa.Column) -> None:
    for column in columns:
        op.add_column(table, column)


def downgrade() -> None:
    """Takes back what `upgrade` added; what it recorded is lost."""
    for table in ("digest_file", "digest", "notification"):
        op.drop_table(table)
    op.drop_index("ix_object_source_ask_at", table_name="object")
    op.drop_index("ix_object_integrity", table_name="object")
    op.drop_index("ix_object_sha256", table_name="object")
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.drop_column(table, column)


def upgrade() -> None:
    """Adds what reading learned to record. Objects known before count as listed."""
    _add("source_guard", sa.Column("listed_at", sa.BigInteger(), nullable=True))
    _add(
        "hour",
        sa.Column("compared_at", sa.BigInteger(), nullable=True),
        sa.Column("listing_objects", sa.BigInteger(), nullable=True),
        sa.Column("listing_digest", sa.String(length=64), nullable=True),
        sa.Column("ledger_objects", sa.BigInteger(), nullable=True),
        sa.Column("ledger_digest", sa.String(length=64), nullable=True),
        sa.Column("gone_objects", sa.BigInteger(), nullable=True),
    )
    _add(
        "object",
        sa.Column("version_id", sa.String(length=1024), nullable=True),
        sa.Column("storage_class", sa.String(length=32), nullable=True),
        sa.Column("listed", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("notified_at", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=1024), nullable=True),
        sa.Column("copy_of", _Id, nullable=True),
        sa.Column("checked_by", sa.String(length=32), nullable=True),
        sa.Column("content_sha256", sa.String(length=64), nullable=True),
        sa.Column("integrity", sa.String(length=16), nullable=True),
        sa.Column("integrity_note", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tried_for", sa.String(length=16), nullable=True),
        sa.Column("ask_at", sa.BigInteger(), nullable=True),
    )
    # What was refused before is asked for again, from the start.
    op.execute(sa.text("UPDATE object SET ask_at = discovered_at WHERE state = 'denied'"))
    op.create_index("ix_object_sha256", "object", ["sha256"], unique=False)
    op.create_index("ix_object_integrity", "object", ["source", "integrity"], unique=False)
    op.create_index("ix_object_source_ask_at", "object", ["source", "ask_at"], unique=False)
    op.create_table(
        "notification",
        sa.Column("id", _Id, autoincrement=True, nullable=False),
        sa.Column("queue_url", sa.Text(), nullable=False),
        sa.Column("message_id", sa.String(length=128), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("dropped_at", sa.BigInteger(), nullable=True),
        sa.Column("dropped_because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
    )
    op.create_index("ix_notification_message_id", "notification", ["message_id"], unique=False)
    op.create_table(
        "digest",
        sa.Column("id", _Id, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("bucket", sa.String(length=255), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("etag", sa.String(length=255), nullable=False),
        sa.Column("chain", sa.String(length=255), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("content_sha256", sa.String(length=64), nullable=True),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("previous_key", sa.Text(), nullable=True),
        sa.Column("previous_sha256", sa.String(length=64), nullable=True),
        sa.Column("previous_signature", sa.Text(), nullable=True),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest")),
        sa.UniqueConstraint("source", "bucket", "key", "etag", name=op.f("uq_digest_source_bucket_key_etag")),
    )
    op.create_index("ix_digest_source_end_at", "digest", ["source", "end_at"], unique=False)
    op.create_index("ix_digest_source_chain_end_at", "digest", ["source", "chain", "end_at"], unique=False)
    op.create_table(
        "digest_file",
        sa.Column("digest_id", _Id, nullable=False),
        sa.Column("bucket", sa.String(length=255), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"], name=op.f("fk_digest_file_digest_id_digest")),
        sa.PrimaryKeyConstraint("digest_id", "bucket", "key", name=op.f("pk_digest_file")),
    )
    op.create_index("ix_digest_file_key", "digest_file", ["key"], unique=False)
