"""Memory shared by proxies: decisions, approvals, records."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from callgate.chain import Chain
from callgate.errors import SettingsError
from callgate.store.base import Store
from callgate.store.connection import Database
from callgate.store.postgres import PostgresDatabase, is_postgres
from callgate.store.setup import StoreMissingError
from callgate.store.sql import SqlStore
from callgate.store.sqlite import SqliteDatabase, create_file

__all__ = ["StoreMissingError", "open_store", "sqlite_path"]

_SQLITE = "sqlite:///"


def _now() -> datetime:
    return datetime.now(UTC)


async def open_store(
    url: str,
    *,
    should_create: bool = True,
    clock: Callable[[], datetime] = _now,
    instance: str | None = None,
    timeout_seconds: float = 5.0,
    chain: Chain | None = None,
) -> Store:
    """Open the store at `sqlite:///PATH` (four slashes when PATH is absolute) or `postgresql://…`.

    `instance` names this process in its records; without it, host, process id and a random
    part. `chain` seals the records, and names them then; without it they are only stored, as
    tests and readers do. Work that waits longer than `timeout_seconds` for another process
    fails. Raises SettingsError for another kind of URL, StoreMissingError for a store that is
    not there and is not to be made, StoreError for one that can not be used.
    """
    database = _database(url, timeout_seconds, should_create=should_create)
    instance = instance or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return await SqlStore.open(
        database, clock=clock, instance=instance, should_create=should_create, chain=chain
    )


def _database(url: str, timeout_seconds: float, *, should_create: bool) -> Database:
    if is_postgres(url):
        return PostgresDatabase(url, timeout_seconds)
    path = sqlite_path(url)
    if should_create:
        create_file(path)
    elif not path.exists():
        raise StoreMissingError(f"store {path} does not exist")
    return SqliteDatabase(path, timeout_seconds)


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///PATH` URL; raises SettingsError for anything else."""
    path = url.removeprefix(_SQLITE)
    if path == url or not path or path.startswith((":memory:", "file:")):
        # of the URL only its kind is quoted: it may hold a password
        raise SettingsError(
            f"store: {url.partition(':')[0][:20]!r} URL not usable; "
            "use sqlite:///PATH or postgresql://USER@HOST/DATABASE"
        )
    return Path(path).expanduser().absolute()
