"""Records are lines of signed chains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Room for a record's place and line; records from before have none."""
    op.add_column("records", sa.Column("number", _NUMBER))
    op.add_column("records", sa.Column("line", sa.Text))
    op.create_index("records_place", "records", ["instance", "number"], unique=True)
    op.create_table(
        "chains",
        sa.Column("instance", sa.Text, primary_key=True),
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("anchor", sa.Text),
    )
    op.execute("UPDATE meta SET value = '6' WHERE key = 'schema_version'")
