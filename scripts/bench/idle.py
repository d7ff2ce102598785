"""What connections cost that nobody uses, beside bare mitmdump: memory of each, and the time of
a request beside them.

Idle are tunnels that are open to the API in TLS, as an SDK's pool leaves them, or with `--bare`
connections that never sent a byte.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import statistics
import sys
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass
from pathlib import Path

from load import Route, connect, drive, fixed
from rig import Config, assembled

_AT_ONCE = 50
_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one proxy."""

    kib_each: float
    alone_ms: float
    beside_ms: float
    p99_ms: float


def rss_kib(pid: int) -> int:
    """What the process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1])


async def opened(
    route: Route, count: int, is_bare: bool
) -> list[tuple[StreamReader, StreamWriter]]:
    """As many connections, from addresses 127.0.0.1, .2, …: one has ports for 28,000 only."""
    busy = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> tuple[StreamReader, StreamWriter]:
        async with busy:
            if not is_bare:
                return await connect(route)
            local = f"127.0.0.{1 + number % 8}", 0
            return await asyncio.open_connection("127.0.0.1", route.proxy_port, local_addr=local)

    return await asyncio.gather(*map(one, range(count)))


async def measure(config: Config, count: int, is_bare: bool) -> Figures:
    assert config.pid
    await drive(config.route, 1, 0.5, fixed("plain"))
    alone = await drive(config.route, 1, _SECONDS, fixed("plain"))
    before = rss_kib(config.pid)
    idle = await opened(config.route, count, is_bare)
    await asyncio.sleep(2)
    after = rss_kib(config.pid)
    beside = await drive(config.route, 1, _SECONDS, fixed("plain"))
    for _, writer in idle:
        writer.transport.abort()
    return Figures(
        (after - before) / count,
        statistics.median(alone.latencies_ms),
        statistics.median(beside.latencies_ms),
        beside.percentile(99),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--bare", action="store_true", help="connections that sent nothing")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = options.connections * 2 + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"{needed} files have to be open at once and the system allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    with assembled("upstream.py") as rig:
        most = {"CALLGATE_MAX_CONNECTIONS": str(options.connections + 100)}
        configs = [rig.mitmdump(), rig.callgate("callgate", **most)]
        found = [
            asyncio.run(measure(config, options.connections, options.bare)) for config in configs
        ]
    bare = found[0]
    print(
        f"{'':<10}{'KiB each':>10}{'alone ms':>10}{'beside ms':>11}{'p99 ms':>8}   ratio of KiB, ms"
    )
    for config, one in zip(configs, found, strict=True):
        print(
            f"{config.name:<10}{one.kib_each:>10.1f}{one.alone_ms:>10.2f}{one.beside_ms:>11.2f}"
            f"{one.p99_ms:>8.2f}   ×{one.kib_each / bare.kib_each:.2f},"
            f" ×{one.beside_ms / bare.beside_ms:.2f}"
        )


if __name__ == "__main__":
    main()
