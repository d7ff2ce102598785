"""Statements beside the store, on either kind of database."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import psycopg
from sqlalchemy import create_engine

from callgate.chain import Chain
from callgate.store import chaining
from callgate.store.connection import reported

PREFIX = "sqlite:///"


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement, commit, and return its rows."""
    if url.startswith(PREFIX):
        with closing(connect(url.removeprefix(PREFIX))) as file, file:
            return file.execute(statement).fetchall()
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def cut(file: Path, chain: Chain, seq: int) -> int:
    """Remove a chain's records up to a `seq`, as the store does with what is too old."""
    engine = create_engine(f"sqlite:///{file}")
    try:
        with reported(str(file)), engine.begin() as connection:
            return chaining.cut(connection, chain, seq)
    finally:
        engine.dispose()


def contents(url: str) -> str:
    """Everything that the tables hold, as text."""
    if url.startswith(PREFIX):
        listing = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        listing = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    names = [name for (name,) in execute(url, listing)]
    assert "records" in names
    return "\n".join(str(execute(url, f"SELECT * FROM {name}")) for name in names)
