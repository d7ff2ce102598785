"""What two worker processes on one port do, beside one.

Workers and load share the machine's cores, as do the API stand-in and PostgreSQL: on two of
them nothing can double. Connections are shared out by the kernel, each to a worker for as long
as it lives, so few of them may all meet at one: `16 kept` shows what that costs, `64 kept` and
`new each time` what is left of it. Only the ratios of one run compare. CPU is the gate's, parent
and workers together: where two need no more of it for a request than one, what they do is limited
by who else wants the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from figures import Workers, written
from load import Measured, NextPath, Route, ask_once, drive
from polling import SCENARIOS, path_for, spread
from rig import Config, assembled

from tests.postgres import postgres

SIZES = (1, 2)
STORES = ("sqlite", "postgres")
LOADS = ("16 kept", "64 kept", "new each time")
NEW_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Kind:
    """What is measured."""

    store: str
    scenario: str
    load: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement."""

    per_second: float
    cpu_ms: float
    """Of the gate, for each request."""


async def load_of(kind: Kind, route: Route, seconds: float, path: NextPath) -> Measured:
    if kind.load != LOADS[-1]:
        return await drive(route, int(kind.load.split()[0]), seconds, path)
    start, latencies = time.perf_counter(), list[float]()

    async def client() -> None:
        while time.perf_counter() < start + seconds:
            latencies.append(await ask_once(route, path))

    await asyncio.gather(*(client() for _ in range(NEW_CONNECTIONS)))
    return Measured(time.perf_counter() - start, latencies)


def measure(
    stores: Sequence[str], scenarios: Sequence[str], seconds: float, repeats: int
) -> dict[tuple[Kind, int], list[Sample]]:
    """Samples by kind and number of workers."""
    found: dict[tuple[Kind, int], list[Sample]] = {}
    kinds = [Kind(store, name, load) for store in stores for name in scenarios for load in LOADS]
    with ExitStack() as stack:
        rig = stack.enter_context(assembled("upstream.py"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg")))
        database = stack.enter_context(postgres(folder)) if "postgres" in stores else None
        gates: dict[tuple[str, int], Config] = {}
        for store in stores:
            for many in SIZES:
                env = {"CALLGATE_STORE": database.fresh()} if database and store != "sqlite" else {}
                workers = ("--workers", str(many))
                gates[store, many] = rig.callgate(f"{store}-{many}", *workers, **env)
        for repeat in range(repeats):
            for kind in kinds:
                for many in SIZES if repeat % 2 else SIZES[::-1]:
                    gate = gates[kind.store, many]
                    path = path_for(kind.scenario, f"{many}-{kind.load.split()[0]}-{repeat}-")
                    asyncio.run(load_of(kind, gate.route, 0.3, path))
                    before = gate.cpu_seconds()
                    done = asyncio.run(load_of(kind, gate.route, seconds, path))
                    cpu_ms = (gate.cpu_seconds() - before) / len(done.latencies_ms) * 1000
                    found.setdefault((kind, many), []).append(Sample(done.per_second, cpu_ms))
    return found


def table(found: dict[tuple[Kind, int], list[Sample]]) -> str:
    lines = [
        f"{'store':<10}{'scenario':<12}{'connections':<15}{'one':>6}{'two':>6}{'CPU ms':>8}"
        "   ratio of two to one: req/s, CPU [min..max]"
    ]
    for kind in dict.fromkeys(kind for kind, _ in found):
        one, two = (found[kind, many] for many in SIZES)
        pairs = list(zip(two, one, strict=True))
        speed = spread([a.per_second / b.per_second for a, b in pairs])
        costs = spread([a.cpu_ms / b.cpu_ms for a, b in pairs])
        rates = [statistics.median(sample.per_second for sample in each) for each in (one, two)]
        lines.append(
            f"{kind.store:<10}{kind.scenario:<12}{kind.load:<15}{rates[0]:>6.0f}{rates[1]:>6.0f}"
            f"{statistics.median(sample.cpu_ms for sample in one):>8.2f}   {speed}, {costs}"
        )
    return "\n".join(lines)


def lines(found: dict[tuple[Kind, int], list[Sample]]) -> str:
    return written(
        Workers(**asdict(kind), workers=many, round=number, per_second=sample.per_second)
        for (kind, many), samples in found.items()
        for number, sample in enumerate(samples, 1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each kind")
    parser.add_argument("--store", action="append", choices=STORES, help="these only")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="these only")
    parser.add_argument("--json", action="store_true", help="lines for `report --take` instead")
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("workers share a port on Linux only")
    found = measure(
        options.store or STORES, options.scenario or SCENARIOS, options.seconds, options.repeat
    )
    if options.json:
        print(lines(found), end="")
        return
    print(f"{os.cpu_count()} cores")
    print(table(found))


if __name__ == "__main__":
    main()
