"""Alerts open or over, signs of life that uptime is counted from, digests as told, how far jobs are settled."""

import sqlalchemy as sa
from alembic import op

from engine.schema.types import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is known of the time before."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("told_at", Instant(), nullable=True),
        sa.Column("resolved_at", Instant(), nullable=True),
        sa.Column("snoozed_until", Instant(), nullable=True),
        sa.Column("seen_by", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_state_rule_subject", "alerts", ["state", "rule", "subject"])
    op.create_index("ix_alerts_opened_at", "alerts", ["opened_at"])
    op.create_index("ix_alerts_resolved_at", "alerts", ["resolved_at"])
    op.create_index("ix_alerts_card", "alerts", ["card"])
    op.create_table(
        "heartbeats",
        sa.Column("at", Instant(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("is_last", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("silent_since", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("at", "holder", name="pk_heartbeats"),
    )
    op.create_index("ix_heartbeats_silent_since", "heartbeats", ["silent_since"])
    op.create_table(
        "digests",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("span", sa.Text(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_digests"),
    )
    op.create_index("ix_events_kind_at", "events", ["kind", "at"])
    op.add_column("outbox", sa.Column("given_up_at", Instant(), nullable=True))
    op.add_column("outbox", sa.Column("unanswered", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_outbox_given_up_at", "outbox", ["given_up_at"])
    op.add_column("jobs", sa.Column("settled_at", Instant(), nullable=True))
    op.add_column("runs", sa.Column("since", Instant(), nullable=True))
