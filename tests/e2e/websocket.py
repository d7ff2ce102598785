"""WebSockets for tests that are no coroutines.

`websockets.sync` reads and writes in two threads, for which `ssl` of Python 3.13.0 has no lock:
now and then a message is lost, and the test waits for ever. Here it is one thread.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.gate import Gate

SECONDS = 60.0
"""The longest wait for a message, an opening or an end."""

OPTIONS: Any = {"open_timeout": SECONDS, "close_timeout": SECONDS, "ping_interval": None}


@dataclass(frozen=True, slots=True)
class WebSocket:
    """A connection of the app's, open."""

    connection: ClientConnection
    runner: asyncio.Runner

    def send(self, message: str | bytes | list[str]) -> None:
        """Send a message; a list is one in fragments."""
        self.runner.run(self.connection.send(message))

    def recv(self, timeout: float = SECONDS) -> str | bytes:
        """The next message.

        Raises:
            TimeoutError: None came within `timeout` seconds.
            websockets.ConnectionClosed: It is over.
        """
        return self.runner.run(asyncio.wait_for(self.connection.recv(), timeout))

    def ping(self) -> None:
        """Send a ping and wait for its pong.

        Raises:
            TimeoutError: None came within `SECONDS`.
        """

        async def ping() -> None:
            await asyncio.wait_for(await self.connection.ping(), SECONDS)

        self.runner.run(ping())


@contextmanager
def websocket(gate: Gate, url: str, **options: Any) -> Iterator[WebSocket]:
    """Open one through the gate."""
    trust = ssl.create_default_context(cafile=gate.ca)

    async def opened() -> ClientConnection:
        return await connect(url, ssl=trust, proxy=gate.proxy, **OPTIONS, **options)

    with asyncio.Runner() as runner:
        connection = runner.run(opened())
        try:
            yield WebSocket(connection, runner)
        finally:
            runner.run(connection.close())
