"""Memory shared by proxies: decisions, approvals, records."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from callgate.errors import SettingsError, StoreError
from callgate.store.base import Store
from callgate.store.sql import SqlStore
from callgate.store.sqlite import create_file, engines

_SQLITE = "sqlite:///"


class StoreMissingError(StoreError):
    """There is no database yet, and none was to be made."""


def _now() -> datetime:
    return datetime.now(UTC)


async def open_store(
    url: str,
    *,
    should_create: bool = True,
    clock: Callable[[], datetime] = _now,
    instance: str | None = None,
    busy_timeout_seconds: float = 5.0,
) -> Store:
    """Open the store at `sqlite:///PATH` (four slashes when PATH is absolute).

    `instance` names this process in its records; without it, host, process id and a random
    part. A write that waits longer than `busy_timeout_seconds` for another process fails.
    Raises SettingsError for another kind of URL, StoreMissingError for a missing file that is
    not to be created, StoreError for a file that can not be used.
    """
    path = sqlite_path(url)
    if should_create:
        create_file(path)
    elif not os.path.exists(path):  # noqa: ASYNC240 - one local look, at start
        raise StoreMissingError(f"store {path} does not exist")
    instance = instance or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return await SqlStore.open(engines(path, busy_timeout_seconds), clock=clock, instance=instance)


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///PATH` URL; raises SettingsError for anything else."""
    path = url.removeprefix(_SQLITE)
    if path == url or not path or path.startswith((":memory:", "file:")):
        raise SettingsError(
            f"store: {url.partition(':')[0][:20]!r} URL not usable; "
            "use sqlite:///PATH (PostgreSQL is not in this release)"
        )
    return Path(path).expanduser().absolute()
