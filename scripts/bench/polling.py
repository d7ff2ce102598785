"""What the gate costs a polled run, beside bare mitmdump on the same upstream in the same run.

Only the ratios of one run compare: machines differ, and so do their other tenants.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from load import NextPath, drive, fixed, fresh
from rig import Config, assembled

CLIENTS = (1, 16)
SCENARIOS = ("no calls", "known call", "new call")


@dataclass(frozen=True, slots=True)
class Sample:
    scenario: str
    clients: int
    config: str
    repeat: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None


def path_for(scenario: str, tag: str) -> NextPath:
    match scenario:
        case "no calls":
            return fixed("plain")
        case "known call":
            return fixed("known")
        case _:
            return fresh(tag)


def measure(config: Config, scenario: str, clients: int, repeat: int, seconds: float) -> Sample:
    before = config.cpu_seconds()
    path = path_for(scenario, f"{config.name}-{clients}-{repeat}-")
    measured = asyncio.run(drive(config.route, clients, seconds, path))
    cpu = (config.cpu_seconds() - before) / len(measured.latencies_ms) * 1000
    return Sample(
        scenario=scenario,
        clients=clients,
        config=config.name,
        repeat=repeat,
        per_second=measured.per_second,
        p50_ms=measured.percentile(50),
        p99_ms=measured.percentile(99),
        cpu_ms=cpu if config.pid else None,
    )


def run(seconds: float, repeats: int) -> list[Sample]:
    with assembled("upstream.py") as rig:
        configs = [rig.direct(), rig.mitmdump(), rig.callgate("callgate")]
        for config in configs:
            for scenario in SCENARIOS:
                measure(config, scenario, 1, -1, 0.3)
        return [
            measure(config, scenario, clients, repeat, seconds)
            for repeat in range(repeats)
            for scenario in SCENARIOS
            for clients in CLIENTS
            # every other time the other way round: neither always comes after the other
            for config in (configs if repeat % 2 else configs[::-1])
        ]


def table(samples: Sequence[Sample]) -> str:
    lines = [
        f"{'scenario':<11}{'c':>3}  {'config':<9}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}"
        f"{'added p50':>11}{'CPU ms/req':>12}   ratio to mitmdump: req/s, CPU [min..max]"
    ]
    for scenario in SCENARIOS:
        for clients in CLIENTS:
            rows = [s for s in samples if (s.scenario, s.clients) == (scenario, clients)]
            bare = [s for s in rows if s.config == "mitmdump"]
            for name in ("direct", "mitmdump", "callgate"):
                lines.append(line([s for s in rows if s.config == name], bare))
    return "\n".join(lines)


def line(rows: Sequence[Sample], bare: Sequence[Sample]) -> str:
    def middle(values: Sequence[float]) -> float:
        return statistics.median(values)

    first = rows[0]
    p50 = middle([row.p50_ms for row in rows])
    added = p50 - middle([row.p50_ms for row in bare])
    text = (
        f"{first.scenario:<11}{first.clients:>3}  {first.config:<9}"
        f"{middle([row.per_second for row in rows]):>8.0f}{p50:>8.2f}"
        f"{middle([row.p99_ms for row in rows]):>8.2f}"
    )
    if first.config == "direct":
        return text
    cpu = [row.cpu_ms for row in rows if row.cpu_ms is not None]
    text += f"{added:>+11.2f}{middle(cpu):>12.3f}"
    if first.config == "mitmdump":
        return text
    pairs = list(zip(rows, bare, strict=True))
    speed = [row.per_second / other.per_second for row, other in pairs]
    costs = [row.cpu_ms / other.cpu_ms for row, other in pairs if row.cpu_ms and other.cpu_ms]
    return text + "   " + ", ".join(map(spread, (speed, costs)))


def spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each kind")
    parser.add_argument("--json", action="store_true", help="every measurement, one a line")
    options = parser.parse_args()
    samples = run(options.seconds, options.repeat)
    if options.json:
        for sample in samples:
            fields = {name: getattr(sample, name) for name in Sample.__slots__}
            print(json.dumps(fields))
    else:
        print(table(samples))


if __name__ == "__main__":
    main()
