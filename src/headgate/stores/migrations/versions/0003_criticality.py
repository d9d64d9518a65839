"""How much a key's calls matter when there are too many."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("api_keys", sa.Column("criticality", sa.Text, nullable=False, server_default="default"))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("api_keys", "criticality")
