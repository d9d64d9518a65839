"""The newest versions of a kind, found without reading all of them."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_artifacts_recent", "artifacts", ["kind", "created_ns"])


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_artifacts_recent", "artifacts")
