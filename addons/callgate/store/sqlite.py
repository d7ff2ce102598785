"""SQLite's side of the store: the file, its modes, its connections."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from callgate.errors import StoreError

_READERS = 4

# In WAL mode a commit is in the operating system's cache before it returns, so `kill -9` loses
# nothing with NORMAL; FULL would add an fsync to each commit against loss of power only.
_WRITER_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")
_READER_PRAGMAS = ("query_only = ON",)


@dataclass(frozen=True, slots=True)
class Engines:
    """Two pools on one database, so that reading never waits for writing."""

    reader: AsyncEngine
    """Every statement sees what is committed; no transactions."""
    writer: AsyncEngine
    """One connection; every transaction takes the write lock at once."""
    name: str
    """Stands in error messages."""

    async def dispose(self) -> None:
        """Close every connection."""
        await self.reader.dispose()
        await self.writer.dispose()


def create_file(path: Path) -> None:
    """Make an empty database file, 0600, and missing folders, 0700; keep what is there.

    SQLite gives its `-wal` and `-shm` files the mode of the database. Raises StoreError.
    """
    try:
        for folder in reversed([path.parent, *path.parent.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"store {path}: {error.strerror or error}") from error


def engines(path: Path, busy_timeout_seconds: float) -> Engines:
    """Engines on an existing file; one that is missing later is never made anew."""
    reader = _engine(
        path,
        busy_timeout_seconds,
        _READER_PRAGMAS,
        pool_size=_READERS,
        isolation_level="AUTOCOMMIT",
        # nothing to roll back, and each step costs a change of threads
        skip_autocommit_rollback=True,
    )
    writer = _engine(path, busy_timeout_seconds, _WRITER_PRAGMAS, pool_size=1)
    event.listen(writer.sync_engine, "begin", _begin_immediate)
    return Engines(reader, writer, str(path))


def _engine(path: Path, timeout: float, pragmas: tuple[str, ...], **options: Any) -> AsyncEngine:
    url = URL.create(
        "sqlite+aiosqlite",
        database=f"file:{quote(str(path))}",
        query={"mode": "rw", "uri": "true"},
    )
    engine = create_async_engine(
        url,
        max_overflow=0,
        pool_timeout=timeout,
        **options,
        # transactions begin where `_begin_immediate` says, not where the driver guesses
        connect_args={"isolation_level": None, "timeout": timeout},
    )

    def on_connect(connection: Any, entry: Any) -> None:
        entry.info["file"] = _identity(path)
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def on_checkout(connection: Any, entry: Any, _proxy: Any) -> None:
        # a file that was moved or deleted could still be written to, and all of it be lost
        if entry.info["file"] != _identity(path):
            raise DisconnectionError("the file was replaced")

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "checkout", on_checkout)
    return engine


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
