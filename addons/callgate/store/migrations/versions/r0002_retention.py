"""What is old is found by its time, so that it can be removed."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Index the times; a Callgate from before there were revisions refuses what follows."""
    op.create_index("decisions_at", "decisions", ["at"])
    op.create_index("records_at", "records", ["at"])
    op.execute("UPDATE meta SET value = '5' WHERE key = 'schema_version'")
