"""Teams of keys; limits of tenants, teams and apps.

Keys of before were promised that calls of unknown price cost their budget nothing; they keep that.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("api_keys", sa.Column("team", sa.Text))
    op.add_column("api_keys", sa.Column("unpriced", sa.Text, nullable=False, server_default="allow"))
    op.create_table(
        "scope_limits",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("rpm", sa.BigInteger),
        sa.Column("tpm", sa.BigInteger),
        sa.Column("concurrency", sa.BigInteger),
        sa.Column("budget_usd", sa.Float),
        sa.Column("budget_period", sa.Text, nullable=False),
        sa.Column("unpriced", sa.Text, nullable=False),
        sa.Column("set_ns", sa.BigInteger, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("scope_limits")
    op.drop_column("api_keys", "unpriced")
    op.drop_column("api_keys", "team")
