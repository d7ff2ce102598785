"""Drives a server, through a proxy or not, with clients that ask as fast as they can."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

type NextPath = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach the API: its port, and the proxy's port where there is one."""

    port: int
    context: ssl.SSLContext
    proxy_port: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the load."""

    seconds: float
    latencies_ms: list[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile(self, percent: float) -> float:
        """Nearest rank, in milliseconds."""
        ranked = sorted(self.latencies_ms)
        return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


async def drive(route: Route, clients: int, seconds: float, path: NextPath) -> Measured:
    """Let the clients ask for that long; connections are made before the clock starts."""
    streams = [await connect(route) for _ in range(clients)]
    latencies: list[float] = []
    start = time.perf_counter()
    await asyncio.gather(
        *(_ask(*stream, route.port, start + seconds, path, latencies) for stream in streams)
    )
    took = time.perf_counter() - start
    for _, writer in streams:
        writer.close()
    return Measured(took, latencies)


async def connect(route: Route) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS connection to the API."""
    if route.proxy_port is None:
        return await asyncio.open_connection("127.0.0.1", route.port, ssl=route.context)
    reader, writer = await asyncio.open_connection("127.0.0.1", route.proxy_port)
    writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % route.port)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head, head
    await writer.start_tls(route.context, server_hostname="127.0.0.1")
    return reader, writer


async def ask_once(route: Route, path: NextPath) -> float:
    """One request over a connection of its own; milliseconds, from connecting on."""
    begin = time.perf_counter()
    reader, writer = await connect(route)
    try:
        await _exchange(reader, writer, route.port, path)
    finally:
        writer.close()
    return (time.perf_counter() - begin) * 1000


async def _ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    port: int,
    end: float,
    path: NextPath,
    latencies: list[float],
) -> None:
    while (sent := time.perf_counter()) < end:
        await _exchange(reader, writer, port, path)
        latencies.append((time.perf_counter() - sent) * 1000)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, path: NextPath
) -> None:
    writer.write(
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer bench\r\n\r\n"
        % (path().encode(), port)
    )
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert b" 200 " in head, head
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)


def fixed(name: str) -> NextPath:
    """Always the same run."""
    return lambda: f"/v1/threads/thread_bench/runs/{name}"


def fresh(prefix: str) -> NextPath:
    """Another run each time."""
    counter = itertools.count()
    return lambda: f"/v1/threads/thread_bench/runs/{prefix}{next(counter)}"
