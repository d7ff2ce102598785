"""Statements beside the store, on either kind of database."""

from __future__ import annotations

from contextlib import closing
from sqlite3 import connect
from typing import Any

import psycopg

PREFIX = "sqlite:///"


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement, commit, and return its rows."""
    if url.startswith(PREFIX):
        with closing(connect(url.removeprefix(PREFIX))) as file, file:
            return file.execute(statement).fetchall()
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def contents(url: str) -> str:
    """Everything that the tables hold, as text."""
    if url.startswith(PREFIX):
        listing = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        listing = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    names = [name for (name,) in execute(url, listing)]
    assert "records" in names
    return "\n".join(str(execute(url, f"SELECT * FROM {name}")) for name in names)
