"""The router: routes and kinds of batches, promotions, shared rates, decisions on dead letters, fuller proofs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _added() -> dict[str, tuple[sa.Column[Any], ...]]:
    """Table → its new columns; made anew for each use."""
    return {
        "batch": (
            sa.Column("kind", sa.String(length=16), nullable=False, server_default="rows"),
            sa.Column("route", sa.String(length=64), nullable=True),
        ),
        "dead_letter": (
            sa.Column("dropped_at", sa.BigInteger(), nullable=True),
            sa.Column("dropped_by", sa.String(length=255), nullable=True),
            sa.Column("dropped_because", sa.Text(), nullable=True),
        ),
        "proof": (
            sa.Column("listed", sa.BigInteger(), nullable=True),
            sa.Column("log_errors", sa.BigInteger(), nullable=True),
        ),
    }


def upgrade() -> None:
    """Adds columns and tables; batches made before are plain rows without a route."""
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "audit",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("principal", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=True),
        sa.Column("hour", sa.String(length=16), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)
    op.create_table(
        "promotion",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("part_id", _ID, nullable=False),
        sa.Column("stage_id", _ID, nullable=False),
        sa.Column("condition", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_promotion_part_id_part")),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_promotion_stage_id_stage")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion")),
    )
    op.create_index("ix_promotion_part_id", "promotion", ["part_id"], unique=False)
    op.create_table(
        "rate",
        sa.Column("dcr_id", sa.String(length=64), nullable=False),
        sa.Column("byte_tokens", sa.Float(), nullable=False),
        sa.Column("request_tokens", sa.Float(), nullable=False),
        sa.Column("refilled_at", sa.BigInteger(), nullable=False),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("dcr_id", name=op.f("pk_rate")),
    )


def downgrade() -> None:
    """Drops them again."""
    op.drop_table("rate")
    op.drop_index("ix_promotion_part_id", table_name="promotion")
    op.drop_table("promotion")
    op.drop_index("ix_audit_at", table_name="audit")
    op.drop_table("audit")
    for table, columns in reversed(_added().items()):
        for column in reversed(columns):
            op.drop_column(table, column.name)
