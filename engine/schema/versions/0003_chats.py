"""Buttons by opaque token; deliveries that go first, and when each was sent."""

import sqlalchemy as sa
from alembic import op

from engine.schema.types import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what chat platforms need kept."""
    op.add_column("outbox", sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("outbox", sa.Column("sent_at", Instant(), nullable=True))
    op.drop_index("ix_outbox_state_event_id", "outbox")
    op.create_index(
        "ix_outbox_state_destination_urgent_event_id",
        "outbox",
        ["state", "destination", "urgent", "event_id"],
    )
    op.create_index("ix_outbox_key_destination", "outbox", ["key", "destination"])
    op.create_index("ix_outbox_sent_at", "outbox", ["sent_at"])
    op.create_table(
        "buttons",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("chat", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("token", name="pk_buttons"),
    )
    op.create_index("ix_buttons_platform_chat_message", "buttons", ["platform", "chat", "message"])
    op.create_index("ix_buttons_made_at", "buttons", ["made_at"])
