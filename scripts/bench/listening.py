"""An app that streams: asks over one keep-alive connection, and notes when each event comes."""

from __future__ import annotations

import json
import re
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from dataclasses import dataclass

from event_upstream import PIECES
from load import Route, connect

CHAT = "/v1/chat/completions"
RUNS = "/v1/threads/thread_bench/runs"

_TOOLS = [{"type": "function", "function": {"name": "get_weather"}}]
"""Named in every request: a run without them would inherit its assistant's, which are asked for."""

_STAMP = re.compile(rb'"created(?:_at)?":([1-9]\d*)')
_COMPLETES = re.compile(rb'"finish_reason":"tool_calls"|"status":"requires_action"')


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes of the body that came together."""

    at_ns: int
    data: bytes

    @property
    def stamps(self) -> list[int]:
        return [int(stamp) for stamp in _STAMP.findall(self.data)]


@dataclass(frozen=True, slots=True)
class Heard:
    """One stream."""

    arrivals: Sequence[Arrival]

    def first_text_ms(self, since_ns: int) -> float:
        """When the first event with text came."""
        first = next(arrival for arrival in self.arrivals if arrival.stamps)
        return (first.at_ns - since_ns) / 1e6

    @property
    def delays_ms(self) -> list[float]:
        """Of every event that carries its time, between its leaving and its coming."""
        return self.delays_between(0, sys.maxsize)

    def delays_between(self, start_ns: int, end_ns: int) -> list[float]:
        """Of those that came in this time."""
        some = [arrival for arrival in self.arrivals if start_ns <= arrival.at_ns < end_ns]
        return [(arrival.at_ns - stamp) / 1e6 for arrival in some for stamp in arrival.stamps]

    @property
    def release_ms(self) -> float:
        """From the leaving of a call's last piece to the coming of the event that completes it."""
        complete = next(a for a in self.arrivals if _COMPLETES.search(a.data))
        return (complete.at_ns - max(s for a in self.arrivals for s in a.stamps)) / 1e6


class Listener:
    """One connection; to be used for one stream after another."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, port: int) -> None:
        self._reader = reader
        self._writer = writer
        self._port = port

    @classmethod
    async def connected(cls, route: Route) -> Listener:
        return cls(*await connect(route), route.port)

    def close(self) -> None:
        self._writer.close()

    async def ask(self, path: str) -> None:
        """Ask for an object and read it."""
        self._writer.write(
            b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer bench\r\n\r\n"
            % (path.encode(), self._port)
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head, head
        await self._reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))

    async def hear(
        self,
        events: int = 1,
        gap_ms: float = 0,
        *,
        tool: str = "",
        path: str = CHAT,
        says: str = "Tell me.",
    ) -> Heard:
        """Ask for a stream and read it to its end."""
        metadata = {"events": str(events), "gap_ms": str(gap_ms), "tool": tool}
        asked: dict[str, object] = {"stream": True, "metadata": metadata, "tools": _TOOLS}
        if path == CHAT:
            asked |= {"model": "gpt-4o", "messages": [{"role": "user", "content": says}]}
        else:
            asked |= {"assistant_id": "asst_bench"}
        body = json.dumps(asked).encode()
        self._writer.write(
            b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer bench\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (path.encode(), self._port, len(body), body)
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head, head
        heard = Heard(await self._read())
        wanted = events + (PIECES if tool else 0)
        assert len(heard.delays_ms) == wanted, f"{len(heard.delays_ms)} of {wanted} events came"
        return heard

    async def _read(self) -> list[Arrival]:
        arrivals = []
        while size := int(await self._reader.readline(), 16):
            data = (await self._reader.readexactly(size + 2))[:-2]
            arrivals.append(Arrival(time.monotonic_ns(), data))
        await self._reader.readline()
        return arrivals
