"""What several gates on one PostgreSQL behind HAProxy do, beside one gate there.

Gates, database, balancer and the load share the machine's cores: on two of them the ratios say
what sharing costs, not how far a fleet goes. Only the ratios of one run compare.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from load import drive
from polling import SCENARIOS, path_for
from rig import Config, Rig, assembled, free_port, wait_for

from tests.e2e.fleet import HAPROXY, configuration
from tests.postgres import Postgres, postgres

SIZES = (1, 2, 4)
CLIENTS = 32


def gates(rig: Rig, many: int, store: str) -> list[Config]:
    """Gates with homes of their own and one CA, on one store."""
    made: list[Config] = []
    for number in range(many):
        home = rig.home(f"fleet-{many}-{number}")
        if made:
            shutil.copytree(rig.home(made[0].name) / "ca", home / "ca")
        made.append(rig.callgate(f"fleet-{many}-{number}", CALLGATE_STORE=store))
    return made


@contextmanager
def balanced(rig: Rig, fleet: Sequence[Config]) -> Iterator[Config]:
    """The way through HAProxy, configured as in `deploy/`."""
    assert HAPROXY
    port, file = free_port(), rig.folder / f"haproxy-{len(fleet)}.cfg"
    file.write_text(
        configuration(f"127.0.0.1:{port}", [gate.route.proxy_port or 0 for gate in fleet])
    )
    balancer = subprocess.Popen([HAPROXY, "-db", "-f", str(file)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield Config(str(len(fleet)), replace(fleet[0].route, proxy_port=port), None)
    finally:
        balancer.terminate()
        balancer.wait()


def measure(database: Postgres, seconds: float, repeats: int) -> dict[tuple[str, int], list[float]]:
    """Requests a second by scenario and number of gates."""
    found: dict[tuple[str, int], list[float]] = {}
    with assembled("upstream.py") as rig:
        fleets = [gates(rig, many, database.fresh()) for many in SIZES]
        for repeat in range(repeats):
            for scenario in SCENARIOS:
                for fleet in fleets if repeat % 2 else fleets[::-1]:
                    with balanced(rig, fleet) as way:
                        path = path_for(scenario, f"{way.name}-{repeat}-")
                        asyncio.run(drive(way.route, CLIENTS, 0.3, path))
                        done = asyncio.run(drive(way.route, CLIENTS, seconds, path))
                    found.setdefault((scenario, len(fleet)), []).append(done.per_second)
    return found


def table(found: dict[tuple[str, int], list[float]]) -> str:
    lines = [f"{'scenario':<12}{'gates':>6}{'req/s':>8}   ratio to one [min..max]"]
    for scenario in SCENARIOS:
        for many in SIZES:
            rates, one = found[scenario, many], found[scenario, SIZES[0]]
            ratios = [rate / other for rate, other in zip(rates, one, strict=True)]
            spread = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"
            lines.append(f"{scenario:<12}{many:>6}{statistics.median(rates):>8.0f}   {spread}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each kind")
    options = parser.parse_args()
    if HAPROXY is None:
        sys.exit("no haproxy: scripts/setup-clients haproxy, as root")
    with (
        tempfile.TemporaryDirectory(prefix="pg") as folder,
        postgres(Path(folder)) as database,
    ):
        print(f"{os.cpu_count()} cores, {CLIENTS} clients")
        print(table(measure(database, options.seconds, options.repeat)))


if __name__ == "__main__":
    main()
