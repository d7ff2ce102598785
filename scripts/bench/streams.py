"""What the gate costs a stream, beside bare mitmdump that streams, on the same upstream.

All contenders take turns within each round, so that noise hits them alike. Bare mitmdump runs
with stock settings and an addon of two lines that sets `flow.response.stream = True`
(`--set stream_large_bodies=1` would stream requests too, which no gate can). A report, not a
test: only the ratios of one run compare.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from listening import CHAT, RUNS, Heard, Listener
from rig import Config, assembled
from streams_table import Added, Ratio, Row, Samples, table

STREAMS = """
def responseheaders(flow):
    flow.response.stream = True
"""
POLICY = """
version: 1
default: allow
policies:
  - name: bench
    actions:
      - {tool: pay_invoice, effect: require_approval}
"""
ALLOWED, HELD = "get_weather", "pay_invoice"
WITHHOLD = "withhold"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured in one round."""

    asks: int = 15
    """On new connections, on warm ones, and for a call of each surface."""
    events: int = 200
    """Of a text stream."""
    side_by_side: int = 16
    """Streams while CPU time is taken: one alone takes too little of it to be read."""
    others: int = 150
    held: int = 50
    crowd_events: int = 20
    beginning_seconds: float = 0.5
    """In which streams side by side begin."""
    settling_seconds: float = 0.7
    """Until what is held is held, and what is given up is forgotten."""


QUICK = Scale(
    asks=2,
    events=50,
    side_by_side=4,
    others=6,
    held=2,
    crowd_events=5,
    beginning_seconds=0.1,
    settling_seconds=0.3,
)


def rows(scale: Scale) -> list[Row]:
    some = f"text event, {scale.side_by_side} streams"
    crowd = f"text event, {scale.others} streams"
    beside = f"  beside {scale.held} held for a person"
    return [
        Row("first text, new connection, ms", "new", Ratio(1.1)),
        Row("first text, warm connection, ms", "warm", Ratio(1.1)),
        Row("text event, 1 stream, ms", "one", Added(2)),
        Row("  p99", "one", Added(), percent=99),
        Row(f"{some}, ms", "some", Added(2)),
        Row("  p99", "some", Added(), percent=99),
        Row("release of a call, Chat, ms", "chat call", Added(5)),
        Row("  p99", "chat call", Added(), percent=99),
        Row("release of a call, Assistants, ms", "run call", Added(5)),
        Row("  p99", "run call", Added(), percent=99),
        Row(f"{crowd}, ms", "crowd", Added(2)),
        Row("  p99", "crowd", Added(), percent=99),
        Row(f"{beside}, ms *", "beside held", Ratio(1.1), against="crowd"),
        Row("  p99 *", "beside held", Ratio(), against="crowd", percent=99),
        Row("CPU of the proxy a text event, µs", "cpu", Ratio()),
    ]


@dataclass(frozen=True, slots=True)
class Steady:
    """Streams side by side, while none begins and none ends."""

    delays_ms: list[float]
    cpu_seconds: float
    """Of the proxy."""


class Bench:
    """Takes the samples of a run."""

    def __init__(self, contenders: Sequence[Config], scale: Scale) -> None:
        self._contenders = contenders
        self._scale = scale
        self._round = 0
        self.samples: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)

    async def warm_up(self) -> None:
        """Whatever is done once only, such as making certificates."""
        for config in self._contenders:
            async with listening(config) as listener:
                for path in (CHAT, RUNS):
                    await listener.hear(tool=ALLOWED, path=path)

    async def round(self) -> None:
        """Every measurement once, on every contender in turn, each time in another order."""
        self._round += 1
        turn = self._round % len(self._contenders)
        contenders = [*self._contenders[turn:], *self._contenders[:turn]]
        await self._first_texts(contenders)
        await self._calls(contenders)
        for config in contenders:
            async with listening(config) as listener:
                await listener.hear()
                heard = await listener.hear(self._scale.events, gap_ms=2)
                self._note("one", config, heard.delays_ms)
        for config in contenders:
            await self._some(config)
        for config in contenders:
            if config.name in ("mitmdump", WITHHOLD):
                await self._crowd(config)

    def _note(self, key: str, config: Config, values: Iterable[float]) -> None:
        self.samples[key, config.name, self._round] += values

    async def _first_texts(self, contenders: Sequence[Config]) -> None:
        for _ in range(self._scale.asks):
            for config in contenders:
                since = time.monotonic_ns()
                async with listening(config) as listener:
                    heard = await listener.hear()
                    self._note("new", config, [heard.first_text_ms(since)])
                    since = time.monotonic_ns()
                    heard = await listener.hear()
                    self._note("warm", config, [heard.first_text_ms(since)])

    async def _calls(self, contenders: Sequence[Config]) -> None:
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(listening(c)) for c in contenders]
            pairs = list(zip(contenders, listeners, strict=True))
            for _ in range(self._scale.asks):
                for key, path in (("chat call", CHAT), ("run call", RUNS)):
                    for config, listener in pairs:
                        heard = await listener.hear(gap_ms=1, tool=ALLOWED, path=path)
                        self._note(key, config, [heard.release_ms])

    async def _some(self, config: Config) -> None:
        async with connections(config, self._scale.side_by_side) as listeners:
            steady = await self._heard(listeners, config, self._scale.events, gap_ms=10)
        self._note("some", config, steady.delays_ms)
        if config.pid:
            self._note("cpu", config, [steady.cpu_seconds / len(steady.delays_ms) * 1e6])

    async def _crowd(self, config: Config) -> None:
        """A crowd by itself, and in withhold beside streams that wait for a person."""
        async with connections(config, self._scale.others) as listeners:

            async def told(key: str) -> None:
                steady = await self._heard(listeners, config, self._scale.crowd_events, gap_ms=100)
                self._note(key, config, steady.delays_ms)

            await told("crowd")
            if config.name == WITHHOLD:
                async with connections(config, self._scale.held) as waiting:
                    held = [asyncio.ensure_future(one.hear(tool=HELD)) for one in waiting]
                    await asyncio.sleep(self._scale.settling_seconds)
                    await told("beside held")
                    await told("beside held")
                    assert not any(task.done() for task in held), "a stream was not held"
                    for task in held:
                        task.cancel()
                await asyncio.sleep(self._scale.settling_seconds)
                await told("crowd")

    async def _heard(
        self, listeners: Sequence[Listener], config: Config, events: int, *, gap_ms: float
    ) -> Steady:
        apart, beginning = random.Random(0), self._scale.beginning_seconds

        async def hear(listener: Listener) -> Heard:
            # neither at once nor in step, as streams are that have nothing to do with each other
            await asyncio.sleep(apart.uniform(0, beginning))
            return await listener.hear(events, gap_ms)

        streams = [asyncio.ensure_future(hear(listener)) for listener in listeners]
        await asyncio.sleep(beginning * 1.2)
        start, cpu = time.monotonic_ns(), config.cpu_seconds()
        await asyncio.sleep(events * gap_ms / 1000 - beginning * 1.2)
        end, cpu = time.monotonic_ns(), config.cpu_seconds() - cpu
        heard = await asyncio.gather(*streams)
        return Steady([ms for one in heard for ms in one.delays_between(start, end)], cpu)


@asynccontextmanager
async def listening(config: Config) -> AsyncIterator[Listener]:
    listener = await Listener.connected(config.route)
    try:
        yield listener
    finally:
        listener.close()


@asynccontextmanager
async def connections(config: Config, count: int) -> AsyncIterator[list[Listener]]:
    """Connections that have carried a stream already."""
    async with AsyncExitStack() as stack:
        listeners = []
        for _ in range(count):
            listener = await stack.enter_async_context(listening(config))
            await listener.hear()
            listeners.append(listener)
        yield listeners


async def measured(contenders: Sequence[Config], scale: Scale, rounds: int) -> Samples:
    bench = Bench(contenders, scale)
    await bench.warm_up()
    for _ in range(rounds):
        await bench.round()
    return bench.samples


def run(scale: Scale, rounds: int) -> Samples:
    with assembled("event_upstream.py") as rig:
        addon, policy = rig.folder / "streams.py", rig.folder / "callgate.yaml"
        addon.write_text(STREAMS)
        policy.write_text(POLICY)
        contenders = [
            rig.direct(),
            rig.mitmdump("-s", addon),
            rig.callgate("enforce", "--mode", "enforce", "--policy", policy),
            rig.callgate(WITHHOLD, "--mode", WITHHOLD, "--policy", policy),
        ]
        return asyncio.run(measured(contenders, scale, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="of all measurements")
    parser.add_argument("--quick", action="store_true", help="one small round: does all of it run?")
    options = parser.parse_args()
    scale, rounds = (QUICK, 1) if options.quick else (Scale(), options.rounds)
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"load average of the machine at the start: {load:.1f} on {cores} cores")
    print(table(rows(scale), run(scale, rounds)))


if __name__ == "__main__":
    main()
