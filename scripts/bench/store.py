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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    """CPU time, then latencies, in milliseconds; begins when a line comes on standard input."""
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

    before = time.process_time()
    await asyncio.gather(*(go_on() for _ in range(tasks)))
    cpu_ms = (time.process_time() - before) * 1000
    await store.close()
    return [cpu_ms, *latencies]


async def fill(url: str) -> None:
    """The verdicts that are looked up."""
    store = await open_store(url)
    await store.put([decided(call=tool_call(f"known-{n}")) for n in range(KNOWN)], [])
    await store.close()


@dataclass(frozen=True, slots=True)
class Sample:
    """Of all processes together."""

    per_second: float
    p50_ms: float
    cpu_ms: float
    """Of the processes, not of PostgreSQL, for each operation."""


def run(url: str, work: str, processes: int, tasks: int, seconds: float) -> Sample:
    """Start the processes, let them begin together, and put what they measured together."""
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
    told = [[float(word) for word in child.communicate()[0].split()] for child in children]
    latencies = [latency for _, *latencies in told for latency in latencies]
    cpu_ms = sum(cpu for cpu, *_ in told)
    return Sample(len(latencies) / seconds, statistics.median(latencies), cpu_ms / len(latencies))


@contextmanager
def stores(*, is_durable: bool) -> Iterator[dict[str, str]]:
    """An empty store of each kind."""
    with (
        tempfile.TemporaryDirectory(prefix="pg") as folder,
        postgres(Path(folder), is_durable=is_durable) as server,
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
    parser.add_argument("--no-fsync", action="store_true", help="PostgreSQL without its disk")
    arguments = parser.parse_args()
    print(
        f"{'store':<11}{'work':<8}{'tasks':>6}{'processes':>10}{'ops/s':>9}{'p50 ms':>8}"
        f"{'CPU ms/op':>10}   ratio to one process [min..max]"
    )
    with stores(is_durable=not arguments.no_fsync) as urls:
        for name, work, tasks in itertools.product(urls, WORK, arguments.tasks):
            found: dict[int, list[Sample]] = {n: [] for n in arguments.processes}
            for _ in range(arguments.repeats):
                for many in arguments.processes:
                    found[many].append(run(urls[name], work, many, tasks, arguments.seconds))
            one = found[arguments.processes[0]]
            for many, samples in found.items():
                print(f"{name:<11}{work:<8}{tasks:>6}{many:>10}{row(samples, one)}", flush=True)


def row(samples: Sequence[Sample], one: Sequence[Sample]) -> str:
    """Medians, and how many times as much as the first number of processes did."""
    ratios = [a.per_second / b.per_second for a, b in zip(samples, one, strict=True)]
    rate = statistics.median(sample.per_second for sample in samples)
    p50 = statistics.median(sample.p50_ms for sample in samples)
    cpu = statistics.median(sample.cpu_ms for sample in samples)
    spread = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"
    return f"{rate:>9.0f}{p50:>8.2f}{cpu:>10.3f}   {spread}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        url, work, tasks, seconds = sys.argv[2:]
        print(*asyncio.run(measure(url, work, int(tasks), float(seconds))))
    else:
        main()
