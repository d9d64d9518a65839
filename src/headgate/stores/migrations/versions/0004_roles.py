"""What a key may do on the management API. Admin keys get the role; other keys had no right there and keep none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Add the column; admin keys keep what they had."""
    op.add_column("api_keys", sa.Column("roles", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE api_keys SET roles = 'admin' WHERE admin")


def downgrade() -> None:
    """Take it away."""
    op.drop_column("api_keys", "roles")
