"""Messages between a parent and one worker, over a socket that nobody else has.

The socket's end tells each of them that the other is gone, however it ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Mapping
from typing import Any

from callgate.canonical import Json

_log = logging.getLogger(__name__)

_LENGTH = struct.Struct(">I")
_MOST_WAITING = 64 << 20
"""Bytes that may wait for the other side."""


class Channel:
    """One end: JSON objects, each with its length before it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both of one connected socket."""
        self._reader = reader
        self._writer = writer
        self._is_full = False

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """Take over one end of a socket pair."""
        return cls(*await asyncio.open_connection(sock=end))

    def send(self, message: Mapping[str, Json]) -> None:
        """Queue a message; never waits and never raises.

        It is lost where the other side is gone, and, with an error in the log, where that has
        stopped reading.
        """
        if self._writer.is_closing():
            return
        is_full = self._writer.transport.get_write_buffer_size() > _MOST_WAITING
        if is_full and not self._is_full:
            _log.error("the other process does not read: console and metrics miss records")
        self._is_full = is_full
        if not is_full:
            body = json.dumps(message).encode()
            self._writer.write(_LENGTH.pack(len(body)) + body)

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None when the other side is gone."""
        try:
            head = await self._reader.readexactly(_LENGTH.size)
            body = await self._reader.readexactly(*_LENGTH.unpack(head))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        message: dict[str, Any] = json.loads(body)
        return message

    async def close(self) -> None:
        """Send what waits, and end; idempotent."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return
