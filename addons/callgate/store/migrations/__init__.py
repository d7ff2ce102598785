"""The schema's history, for Alembic: each change is a revision, in order, and never edited."""
