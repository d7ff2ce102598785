"""Clients that ask as fast as they can, over kept connections or a new one for each request."""

from __future__ import annotations

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from load import Measured, Route, connect

type Say = Callable[[], bytes]
"""The next request, whole."""
type Stream = tuple[StreamReader, StreamWriter]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, its head in small letters; `first_at`: when the first of its body came."""

    head: bytes
    body: bytes
    first_at: float

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])


@dataclass(frozen=True, slots=True)
class Asked:
    """One run of the load; what was not answered as it should have been is in `errors` alone."""

    measured: Measured
    firsts: Measured
    """Until the first of the body came."""
    errors: Counter[str]


class Asking:
    """One run of the load."""

    def __init__(self, route: Route, say: Say, mark: bytes, *, is_kept: bool) -> None:
        """`mark` stands in the body of every answer that is right."""
        self._route = route
        self._say = say
        self._mark = mark
        self._is_kept = is_kept
        self._latencies: list[float] = []
        self._firsts: list[float] = []
        self._errors: Counter[str] = Counter()

    async def run(self, clients: int, seconds: float) -> Asked:
        """Ask for that long, each client once at least, and hear every answer out.

        Kept connections are made before the clock starts.
        """
        kept = [await self._connect() for _ in range(clients)] if self._is_kept else []
        start = time.perf_counter()
        end = start + seconds
        if self._is_kept:
            await asyncio.gather(*(self._keep(*stream, end) for stream in kept if stream))
        else:
            await asyncio.gather(*(self._renew(end) for _ in range(clients)))
        took = time.perf_counter() - start
        latencies, firsts = Measured(took, self._latencies), Measured(took, self._firsts)
        return Asked(latencies, firsts, self._errors)

    async def _connect(self) -> Stream | None:
        try:
            return await connect(self._route)
        except (EOFError, OSError, AssertionError) as error:
            self._errors[f"connecting: {error!r:.80}"] += 1
            return None

    async def _keep(self, reader: StreamReader, writer: StreamWriter, end: float) -> None:
        since = time.perf_counter()
        while await self._ask(reader, writer, since) and (since := time.perf_counter()) < end:
            pass
        writer.close()

    async def _renew(self, end: float) -> None:
        since = time.perf_counter()
        while stream := await self._connect():
            await self._ask(*stream, since)
            stream[1].close()
            if (since := time.perf_counter()) >= end:
                return

    async def _ask(self, reader: StreamReader, writer: StreamWriter, since: float) -> bool:
        """Whether the connection can be used again."""
        try:
            answer = await exchange(reader, writer, self._say())
        except (EOFError, OSError, ValueError) as error:
            self._errors[repr(error)[:80]] += 1
            return False
        if answer.status != 200:
            self._errors[f"status {answer.status}"] += 1
        elif self._mark not in answer.body:
            self._errors[f"no {self._mark.decode()} in the body"] += 1
        else:
            self._latencies.append((time.perf_counter() - since) * 1000)
            self._firsts.append((answer.first_at - since) * 1000)
        return True


async def exchange(reader: StreamReader, writer: StreamWriter, request: bytes) -> Answer:
    """Raises EOFError, OSError or ValueError when no whole response comes."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        return Answer(head, body, time.perf_counter())
    body, first_at = b"", 0.0
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
        first_at = first_at or time.perf_counter()
    await reader.readline()
    return Answer(head, body, first_at)
