"""Parsing rejected records again, and objects with records of several formats."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _set_format_length(length: int) -> None:
    """Gives ``object.format`` another length; a value that is too long is cut."""
    cut = sa.text(f"UPDATE object SET format = substr(format, 1, {length}) WHERE length(format) > {length}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(cut)
        op.alter_column("object", "format", type_=sa.String(length=length))
        return
    # SQLite cannot change a column, and copying the table would fail for the rows that refer to it.
    op.alter_column("object", "format", new_column_name="format_before")
    op.add_column("object", sa.Column("format", sa.String(length=length), nullable=True))
    op.execute(sa.text("UPDATE object SET format = format_before WHERE format_before IS NOT NULL"))
    op.execute(cut)
    op.drop_column("object", "format_before")


def upgrade() -> None:
    """Adds what a retry of quarantined records needs."""
    _set_format_length(400)
    for name, kind in (("retry_of", _Id), ("retry_id", _Id), ("counted", sa.BigInteger())):
        op.add_column("object", sa.Column(name, kind, nullable=True))
    op.create_index("ix_object_retry_of", "object", ["retry_of"], unique=False)
    op.add_column("quarantine", sa.Column("retried_by", _Id, nullable=True))
    op.create_index("ix_quarantine_object_id", "quarantine", ["object_id"], unique=False)
    op.create_index("ix_quarantine_retried_by", "quarantine", ["retried_by"], unique=False)
    op.create_table(
        "quarantine_retry",
        sa.Column("id", _Id, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("hour", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine_retry")),
    )


def downgrade() -> None:
    """Takes back what `upgrade` added; which records were retried is lost."""
    op.drop_table("quarantine_retry")
    op.drop_index("ix_quarantine_retried_by", table_name="quarantine")
    op.drop_index("ix_quarantine_object_id", table_name="quarantine")
    op.drop_column("quarantine", "retried_by")
    op.drop_index("ix_object_retry_of", table_name="object")
    for name in ("retry_of", "retry_id", "counted"):
        op.drop_column("object", name)
    _set_format_length(40)
