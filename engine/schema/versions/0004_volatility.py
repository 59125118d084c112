"""What kind of number each stored volatility is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A row that does not say its kind is the least trusted one."""
    op.add_column("iv_history", sa.Column("kind", sa.Text(), server_default="reconstructed", nullable=False))
