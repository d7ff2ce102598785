"""SQLite's side of the store: the file, its modes, its connections, its threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError

from callgate.errors import StoreError
from callgate.store.connection import newest, reported

_READERS = 4

# How often waiting proxies look for a person's answer: a file wakes nobody.
_LOOK_SECONDS = 0.25

# In WAL mode a commit is in the operating system's cache before it returns, so `kill -9` loses
# nothing with NORMAL; FULL would add an fsync to each commit against loss of power only.
_WRITER_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")
# most reads ask for what is not there: the upper pages of indexes, and those fit in half a MB
_READER_PRAGMAS = ("query_only = ON", "cache_size = -512")


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


class SqliteDatabase:
    """See `Database`; on an existing file: one that is missing later is never made anew.

    Each piece of work is one function in one thread, so that a transaction costs one change
    of threads, however many statements it has. There are two pools, so that reading never
    waits for writing.
    """

    def __init__(self, path: Path, busy_timeout_seconds: float) -> None:
        """A write that waits longer for another process fails."""
        self.name = str(path)
        # a lock is waited for in SQLite; beyond that only a disk can be slow
        self._seconds = 2 * busy_timeout_seconds + 5
        self._reader = _engine(path, busy_timeout_seconds, _READER_PRAGMAS, _READERS)
        self._writer = _engine(path, busy_timeout_seconds, _WRITER_PRAGMAS, 1)
        event.listen(self._writer, "begin", _begin_immediate)
        self._reading = ThreadPoolExecutor(_READERS, "callgate-store-read")
        self._writing = ThreadPoolExecutor(1, "callgate-store-write")

    async def read[T](self, work: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        return await self._run(self._reading, self._seconds, lambda: self._read(work))

    async def write[T](self, work: Callable[[Connection], T], *, seconds: float | None = None) -> T:
        """See `Database.write`; takes the write lock at once."""
        seconds = seconds or self._seconds
        return await self._run(self._writing, seconds, lambda: self._write(work))

    async def settled(self) -> int:
        """See `Database.settled`: only one process writes at a time."""
        return await self.read(newest)

    async def stirred(self) -> None:
        """See `Database.stirred`."""
        await asyncio.sleep(_LOOK_SECONDS)

    async def dispose(self) -> None:
        """See `Database.dispose`; waits for work that is under way."""
        await asyncio.to_thread(self._dispose)

    async def _run[T](self, pool: ThreadPoolExecutor, seconds: float, work: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(pool, work)
        done, _ = await asyncio.wait([future], timeout=seconds)
        if not done:
            future.cancel()  # what still waits for a thread is not begun
            raise StoreError(f"store {self.name}: no answer within {seconds:g} s")
        return await future

    def _read[T](self, work: Callable[[Connection], T]) -> T:
        with reported(self.name), self._reader.connect() as connection:
            try:
                return work(connection)
            except SQLAlchemyError:
                # thrown away, so that work goes on as soon as the cause is gone
                connection.invalidate()
                raise

    def _write[T](self, work: Callable[[Connection], T]) -> T:
        with reported(self.name), self._writer.connect() as connection:
            try:
                with connection.begin():
                    return work(connection)
            except SQLAlchemyError:
                connection.invalidate()
                raise

    def _dispose(self) -> None:
        for pool in (self._reading, self._writing):
            pool.shutdown()
        for engine in (self._reader, self._writer):
            engine.dispose()


def _engine(path: Path, timeout: float, pragmas: tuple[str, ...], connections: int) -> Engine:
    url = URL.create(
        "sqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"}
    )
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout,
        # transactions begin where `_begin_immediate` says, not where the driver guesses
        connect_args={"isolation_level": None, "timeout": timeout, "check_same_thread": False},
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

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "checkout", on_checkout)
    return engine


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
