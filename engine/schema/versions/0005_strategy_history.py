"""What each strategy had made at the end of each session, and the interest rate of that day."""

import sqlalchemy as sa
from alembic import op

from engine.schema.types import Money

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Days before this one have no such rows: what a strategy had made then was not kept."""
    op.add_column("equity_history", sa.Column("rate", sa.Float(), nullable=True))
    op.create_table(
        "strategy_history",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("realised", Money(), nullable=False),
        sa.Column("unrealised", Money(), nullable=False),
        sa.Column("dividends", Money(), nullable=False),
        sa.Column("fees", Money(), nullable=False),
        sa.PrimaryKeyConstraint("day", "strategy", name="pk_strategy_history"),
    )
