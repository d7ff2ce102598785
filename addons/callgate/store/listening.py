"""Waits for PostgreSQL's notifications, on a connection of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from callgate.store.connection import ANSWERS

_log = logging.getLogger(__name__)

# A notification may get lost with its connection, and expiry notifies nobody.
_LISTENING_SECONDS = 1.0
_DEAF_SECONDS = 0.25
_RETRY_SECONDS = 1.0


class Listener:
    """Wakes who waits for an answer; polls when its connection breaks, until there is a new one."""

    def __init__(
        self, connect: Callable[[], Awaitable[Any]], failure: type[Exception], name: str
    ) -> None:
        """`connect` opens a psycopg connection in autocommit mode; `failure` is psycopg's error."""
        self._connect = connect
        self._failure = failure
        self._name = name
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_listening = False

    async def stirred(self) -> None:
        """Return after a notification that came since the last call, or after a short while."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._listen_always())
        seconds = _LISTENING_SECONDS if self.is_listening else _DEAF_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return
        self._stirred.clear()

    async def close(self) -> None:
        """Stop listening; idempotent."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _listen_always(self) -> None:
        while True:
            try:
                await self._listen()
            except self._failure as error:
                _log.warning(
                    "store %s: %s; answers are polled for meanwhile",
                    self._name,
                    str(error).partition("\n")[0],
                )
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            await connection.execute(f"LISTEN {ANSWERS}")
            self.is_listening = True
            # an answer may have been given while nobody listened
            self._stirred.set()
            async for _ in connection.notifies():
                self._stirred.set()
        finally:
            self.is_listening = False
            await connection.close()
