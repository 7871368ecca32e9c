"""Shapes: what the rows of a part looked like."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table; parts parsed before have no shape."""
    op.create_table(
        "shape",
        sa.Column("part_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("format", sa.String(length=40), nullable=False),
        sa.Column("table_name", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("hour", sa.String(length=16), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("filled", sa.JSON(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("drift", sa.JSON(), nullable=False),
        sa.Column("samples", sa.JSON(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("crowded", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_shape_part_id_part")),
        sa.PrimaryKeyConstraint("part_id", "format", "table_name", name=op.f("pk_shape")),
    )
    op.create_index("ix_shape_source_hour", "shape", ["source", "hour"], unique=False)
    op.create_index("ix_shape_source_recorded_at", "shape", ["source", "recorded_at"], unique=False)


def downgrade() -> None:
    """Drops the table."""
    op.drop_index("ix_shape_source_recorded_at", table_name="shape")
    op.drop_index("ix_shape_source_hour", table_name="shape")
    op.drop_table("shape")
