"""What Alembic runs: all missing revisions, on the connection and in the transaction given."""

from __future__ import annotations

from alembic import context

from callgate.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=tables.revision.name,
    transactional_ddl=True,
)
context.run_migrations()
