"""What the gate's memory does over many flows, beside mitmdump that streams what streams.

Of a hundred flows 60 are runs without calls, 25 polls of runs whose calls were judged before, 10
runs with a new call, 4 streams of text and one a stream with a new call. Clients keep their
connections for a thousand flows. Growth is what the resident set has gained from the end of the
warm-up to the end; single samples waver, so medians of some are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from figures import Memory, written
from listening import RUNS, Listener
from rig import Config, assembled

STREAMS = """
def responseheaders(flow):
    flow.response.stream = "event-stream" in flow.response.headers.get("content-type", "")
"""
CLIENTS = 8
KEPT_FLOWS = 1000
"""On one connection."""
KNOWN = 200
"""Runs that are polled."""
KINDS = ("plain", "known", "new", "text", "call")
WEIGHTS = (60, 25, 10, 4, 1)
GOAL_MB = 5


class Flows:
    """Flows through one contender, always the same ones."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._dice = random.Random(1)
        self._serial = itertools.count()

    async def run(self, count: int) -> None:
        left = iter(range(count))
        await asyncio.gather(*(self._client(left) for _ in range(CLIENTS)))

    async def _client(self, left: Iterator[int]) -> None:
        while mine := list(itertools.islice(left, KEPT_FLOWS)):
            listener = await Listener.connected(self._config.route)
            for _ in mine:
                await self._flow(listener)
            listener.close()

    async def _flow(self, listener: Listener) -> None:
        [kind] = self._dice.choices(KINDS, WEIGHTS)
        match kind:
            case "plain":
                await listener.ask(f"{RUNS}/plain")
            case "known":
                await listener.ask(f"{RUNS}/known{self._dice.randrange(KNOWN)}")
            case "new":
                await listener.ask(f"{RUNS}/new{next(self._serial)}")
            case "text":
                await listener.hear(20, says=self._question())
            case _:
                await listener.hear(5, tool="get_weather", says=self._question())

    def _question(self) -> str:
        return f"What is the weather like where customer{next(self._serial)}@shop.example lives?"


def resident_mb(config: Config) -> float:
    """The resident set of the contender's process."""
    status = Path(f"/proc/{config.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def measured(
    configs: Sequence[Config], flows: int, every: int
) -> dict[str, list[tuple[int, float]]]:
    """How much was resident after how many flows."""
    samples: dict[str, list[tuple[int, float]]] = {config.name: [] for config in configs}
    runs = [(config, Flows(config)) for config in configs]
    for done in range(every, flows + 1, every):
        for config, through in runs:
            await through.run(every)
            samples[config.name].append((done, resident_mb(config)))
        told = ", ".join(f"{name} {values[-1][1]:.1f} MB" for name, values in samples.items())
        print(f"{done:>7} flows: {told}", file=sys.stderr, flush=True)
    return samples


def growth_mb(samples: Sequence[tuple[int, float]], warm: int) -> float:
    """From the samples just after the warm-up to the last ones."""
    values = [value for done, value in samples if done >= warm]
    some = max(1, min(3, len(values) // 2))
    return statistics.median(values[-some:]) - statistics.median(values[:some])


def lines(samples: dict[str, list[tuple[int, float]]], warm: int) -> str:
    return written(
        Memory(contestant=name, flows=done, rss_mb=mb)
        for name, looks in samples.items()
        for done, mb in looks
        if done >= warm
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=120_000, help="through each, warm-up included")
    parser.add_argument("--warm", type=int, default=20_000, help="flows before growth counts")
    parser.add_argument("--every", type=int, default=5_000, help="flows between two samples")
    parser.add_argument("--mode", default="enforce", help="of the gate")
    parser.add_argument("--json", action="store_true", help="lines for `report --take` instead")
    options = parser.parse_args()
    with assembled("event_upstream.py") as rig:
        addon = rig.folder / "streams.py"
        addon.write_text(STREAMS)
        configs = [rig.mitmdump("-s", addon), rig.callgate("callgate", "--mode", options.mode)]
        samples = asyncio.run(measured(configs, options.flows, options.every))
    if options.json:
        print(lines(samples, options.warm), end="")
        return
    counted = options.flows - options.warm
    for name, values in samples.items():
        growth = growth_mb(values, options.warm)
        goal = f"; goal < {GOAL_MB} MB: {'met' if growth < GOAL_MB else 'MISSED'}"
        print(f"{name}: {growth:+.1f} MB over {counted} flows{goal if name == 'callgate' else ''}")


if __name__ == "__main__":
    main()
