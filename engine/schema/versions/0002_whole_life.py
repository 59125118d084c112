"""Consents, envelopes, locks, changed limits, promotions, sequences of orders, adoptions."""

import sqlalchemy as sa
from alembic import op

from engine.schema.types import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of a trade's whole life."""
    _decisions()
    _bounds()
    _promotions()
    _kept_in_steps()


def _parent(table: str, column: str, of: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{of}.id"], name=f"fk_{table}_{column}_{of}", initially="DEFERRED", deferrable=True
    )


def _decisions() -> None:
    """Proposals put off, taps that are not decisions yet, and decisions made in advance."""
    op.add_column("approval_versions", sa.Column("snoozed_until", Instant(), nullable=True))
    op.create_table(
        "consents",
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        _parent("consents", "approval_id", "approvals"),
        sa.PrimaryKeyConstraint("approval_id", "version", "number", name="pk_consents"),
    )
    op.create_table(
        "envelopes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_envelopes"),
    )
    op.create_index("ix_envelopes_status_id", "envelopes", ["status", "id"])


def _bounds() -> None:
    """What may not be opened, and limits set by people."""
    op.create_table(
        "locks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_locks"),
    )
    op.create_index("ix_locks_status_id", "locks", ["status", "id"])
    op.create_table(
        "limit_changes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("effective_at", Instant(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_limit_changes"),
    )
    op.create_index("ix_limit_changes_name_effective_at", "limit_changes", ["name", "effective_at"])


def _promotions() -> None:
    """Strategies that may use real money."""
    op.create_table(
        "promotions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        _parent("promotions", "strategy_id", "strategies"),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
    )
    op.create_index("ix_promotions_strategy_id", "promotions", ["strategy_id"])


def _kept_in_steps() -> None:
    """Trades of several orders, and differences a person decides about."""
    op.create_table(
        "sequences",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("position_id", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sequences"),
    )
    op.create_index("ix_sequences_status_id", "sequences", ["status", "id"])
    op.create_index("ix_sequences_position_id", "sequences", ["position_id"])
    op.create_table(
        "adoptions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_adoptions"),
    )
    op.create_index("ix_adoptions_status_id", "adoptions", ["status", "id"])
    op.create_index("ix_adoptions_symbol", "adoptions", ["symbol"])
