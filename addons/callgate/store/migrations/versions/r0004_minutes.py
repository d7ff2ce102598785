"""An approval may be good for the same call until some later time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Until when; approvals from before are good for their own call only."""
    op.add_column("approvals", sa.Column("good_until", sa.String(27)))
    op.create_index("ix_approvals_good_until", "approvals", ["good_until"])
    op.execute("UPDATE meta SET value = '7' WHERE key = 'schema_version'")
