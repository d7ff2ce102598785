"""What the store costs, on SQLite and PostgreSQL, for one process and for several.

Every process is an operating system's, as proxies are, with a few tasks that ask one after the
other. PostgreSQL is a real one on the same machine that waits for its disk at each commit.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from callgate.store import open_store
from callgate.store.base import Store
from tests.postgres import postgres
from tests.samples import decided, tool_call

WORK = ("lookup", "append", "verdict")
KNOWN = 1000


def worker(store: Store, work: str, tag: str) -> Callable[[], Awaitable[object]]:
    """One operation, another each time: a lookup of a known verdict, a record, a new verdict."""
    numbers = itertools.count()

    async def lookup() -> None:
        found = await store.get([tool_call(f"known-{next(numbers) % KNOWN}").key])
        assert len(found) == 1

    async def append() -> None:
        await store.append([{"kind": "delivery", "trace": tag, "n": next(numbers)}])

    async def verdict() -> None:
        decision = decided(call=tool_call(f"{tag}-{next(numbers)}"))
        await store.put([decision], [{"kind": "call", "trace": decision.trace}])
        await store.append([{"kind": "delivery", "trace": decision.trace}])

    return {"lookup": lookup, "append": append, "verdict": verdict}[work]


async def measure(url: str, work: str, tasks: int, seconds: float) -> list[float]:
    """Latencies, in milliseconds; begins when a line comes on standard input."""
    store = await open_store(url)
    once = worker(store, work, str(os.getpid()))
    await once()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    end = time.perf_counter() + seconds
    latencies: list[float] = []

    async def go_on() -> None:
        while (start := time.perf_counter()) < end:
            await once()
            latencies.append((time.perf_counter() - start) * 1000)

    await asyncio.gather(*(go_on() for _ in range(tasks)))
    await store.close()
    return latencies


async def fill(url: str) -> None:
    """The verdicts that are looked up."""
    store = await open_store(url)
    await store.put([decided(call=tool_call(f"known-{n}")) for n in range(KNOWN)], [])
    await store.close()


def run(url: str, work: str, processes: int, tasks: int, seconds: float) -> tuple[float, float]:
    """Operations a second of all processes together, and the median latency."""
    command = [sys.executable, __file__, "--worker", url, work, str(tasks), str(seconds)]
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(processes)
    ]
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    latencies = [float(word) for child in children for word in child.communicate()[0].split()]
    return len(latencies) / seconds, statistics.median(latencies)


@contextmanager
def stores() -> Iterator[dict[str, str]]:
    """An empty store of each kind."""
    with (
        tempfile.TemporaryDirectory(prefix="pg") as folder,
        postgres(Path(folder), is_durable=True) as server,
    ):
        urls = {"sqlite": f"sqlite:///{folder}/callgate.db", "postgresql": server.fresh()}
        for url in urls.values():
            asyncio.run(fill(url))
        yield urls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tasks", type=int, nargs="+", default=[1, 16], help="a process")
    arguments = parser.parse_args()
    print(
        "store      work     tasks processes      ops/s    p50 ms   ratio to one process [min..max]"
    )
    with stores() as urls:
        for name, work, tasks in itertools.product(urls, WORK, arguments.tasks):
            found: dict[int, list[tuple[float, float]]] = {n: [] for n in arguments.processes}
            for _ in range(arguments.repeats):
                for many in arguments.processes:
                    found[many].append(run(urls[name], work, many, tasks, arguments.seconds))
            one = [rate for rate, _ in found[arguments.processes[0]]]
            for many, measured in found.items():
                ratios = [rate / base for (rate, _), base in zip(measured, one, strict=True)]
                rate, p50 = (statistics.median(column) for column in zip(*measured, strict=True))
                spread = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"
                print(
                    f"{name:<11}{work:<9}{tasks:>5}{many:>10}{rate:>11.0f}{p50:>10.2f}   {spread}"
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        url, work, tasks, seconds = sys.argv[2:]
        print(*asyncio.run(measure(url, work, int(tasks), float(seconds))))
    else:
        main()
