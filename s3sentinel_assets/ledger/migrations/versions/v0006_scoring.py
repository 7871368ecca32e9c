"""The ML processor: events held back from history, verdicts, catalogues of texts, states that say what changed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds columns and tables; states made before are whole, parts scored before knew no catalogue."""
    op.create_table(
        "catalogue",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("based_on", _ID, nullable=True),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("patterns", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("code_version", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["based_on"], ["catalogue.id"], name=op.f("fk_catalogue_based_on_catalogue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue")),
        sa.UniqueConstraint("source", "day", name=op.f("uq_catalogue_source_day")),
    )
    op.create_table(
        "held",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("part_id", _ID, nullable=False),
        sa.Column("format", sa.String(length=40), nullable=False),
        sa.Column("hour", sa.String(length=16), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=True),
        sa.Column("principal", sa.Text(), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("held_by", _ID, nullable=False),
        sa.Column("learned_by", _ID, nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_held_part_id_part")),
        sa.ForeignKeyConstraint(["held_by"], ["state.id"], name=op.f("fk_held_held_by_state")),
        sa.ForeignKeyConstraint(["learned_by"], ["state.id"], name=op.f("fk_held_learned_by_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held")),
    )
    op.create_index("ix_held_source_outcome", "held", ["source", "outcome"], unique=False)
    op.create_index("ix_held_part_id", "held", ["part_id"], unique=False)
    op.create_table(
        "verdict",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("given_by", sa.String(length=255), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("incident", sa.String(length=255), nullable=True),
        sa.Column("source", sa.String(length=40), nullable=True),
        sa.Column("event_id", sa.String(length=255), nullable=True),
        sa.Column("account", sa.String(length=255), nullable=True),
        sa.Column("principal", sa.Text(), nullable=True),
        sa.Column("hour", sa.String(length=16), nullable=True),
        sa.Column("technique", sa.String(length=255), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
    )
    op.create_index("ix_verdict_event_id", "verdict", ["event_id"], unique=False)
    op.create_index("ix_verdict_at", "verdict", ["at"], unique=False)
    with op.batch_alter_table("score_pin") as table:
        table.add_column(sa.Column("catalogue_id", _ID, nullable=True))
        table.create_foreign_key(op.f("fk_score_pin_catalogue_id_catalogue"), "catalogue", ["catalogue_id"], ["id"])
    with op.batch_alter_table("state") as table:
        table.add_column(sa.Column("whole_id", _ID, nullable=True))
        table.create_foreign_key(op.f("fk_state_whole_id_state"), "state", ["whole_id"], ["id"])


def downgrade() -> None:
    """Drops them again."""
    with op.batch_alter_table("state") as table:
        table.drop_constraint(op.f("fk_state_whole_id_state"), type_="foreignkey")
        table.drop_column("whole_id")
    with op.batch_alter_table("score_pin") as table:
        table.drop_constraint(op.f("fk_score_pin_catalogue_id_catalogue"), type_="foreignkey")
        table.drop_column("catalogue_id")
    op.drop_index("ix_verdict_at", table_name="verdict")
    op.drop_index("ix_verdict_event_id", table_name="verdict")
    op.drop_table("verdict")
    op.drop_index("ix_held_part_id", table_name="held")
    op.drop_index("ix_held_source_outcome", table_name="held")
    op.drop_table("held")
    op.drop_table("catalogue")
