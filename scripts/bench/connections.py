"""What a new TLS connection costs the gate, beside stock mitmdump on the same upstream.

Each connection is a CONNECT and two full handshakes, the app's and the one with the API; nothing
is resumed. Contenders take turns, a few connections at a time. A report, not a test: only the
ratios of one run compare.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from figures import Connections, written
from load import Route, connect
from rig import Config, assembled

GOAL = 0.75
ALONE, ASKING = "handshakes alone", "with one request"
PATH = "/v1/threads/thread_bench/runs/plain"


@dataclass(frozen=True, slots=True)
class Sample:
    """Some connections of one contender."""

    cpu_ms: float
    """Of the proxy, for each connection."""
    took_ms: float
    """Median, until the handshake is done or the response has come."""


async def measure(config: Config, count: int, *, asks: bool) -> Sample:
    before, took = config.cpu_seconds(), []
    for _ in range(count):
        since = time.perf_counter()
        await once(config.route, asks=asks)
        took.append((time.perf_counter() - since) * 1000)
    # the proxy notices a little later that the app has left
    await asyncio.sleep(0.1)
    cpu_ms = (config.cpu_seconds() - before) / count * 1000
    return Sample(cpu_ms, statistics.median(took))


async def once(route: Route, *, asks: bool) -> None:
    reader, writer = await connect(route)
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        assert not tls.session_reused
        if asks:
            head = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{route.port}\r\n\r\n"
            writer.write(head.encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert b" 200 " in answer, answer
            length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
    finally:
        writer.close()


type Samples = Mapping[tuple[str, str], list[Sample]]
"""By kind and contender, one for each round."""


async def measured(configs: Sequence[Config], count: int, rounds: int) -> Samples:
    samples: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    for number in range(-1, rounds):
        for kind in (ALONE, ASKING):
            # every other time the other way round: neither always comes after the other
            for config in configs if number % 2 else configs[::-1]:
                warming = number < 0
                sample = await measure(config, 5 if warming else count, asks=kind == ASKING)
                if not warming:
                    samples[kind, config.name].append(sample)
    return samples


def table(samples: Samples) -> str:
    lines = [
        f"{'a new connection':<18}{'mitmdump':>10}{'callgate':>10}   CPU, ratio [min..max] of the "
        f"rounds; goal ≤ {GOAL}"
    ]
    for kind in (ALONE, ASKING):
        bare, ours = samples[kind, "mitmdump"], samples[kind, "callgate"]
        ratios = [mine.cpu_ms / its.cpu_ms for mine, its in zip(ours, bare, strict=True)]
        median = statistics.median(ratios)
        said = f"{median:.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"
        lines.append(
            f"{kind:<18}{_middle(bare, 'cpu_ms'):>7.2f} ms{_middle(ours, 'cpu_ms'):>7.2f} ms   "
            f"{said} {'met' if median <= GOAL else 'MISSED'}"
        )
        its, mine = _middle(bare, "took_ms"), _middle(ours, "took_ms")
        lines.append(f"{'  time':<18}{its:>7.2f} ms{mine:>7.2f} ms   {mine / its:.2f}")
    return "\n".join(lines)


def _middle(samples: Sequence[Sample], name: str) -> float:
    return statistics.median(getattr(sample, name) for sample in samples)


def lines(samples: Samples) -> str:
    return written(
        Connections(contestant=name, measure=kind, round=number, cpu_ms=sample.cpu_ms)
        for (kind, name), some in samples.items()
        for number, sample in enumerate(some, 1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="of all measurements")
    parser.add_argument("--connections", type=int, default=100, help="in each measurement")
    parser.add_argument("--json", action="store_true", help="lines for `report --take` instead")
    options = parser.parse_args()
    with assembled("upstream.py") as rig:
        configs = [rig.mitmdump(), rig.callgate("callgate")]
        samples = asyncio.run(measured(configs, options.connections, options.rounds))
    print(lines(samples) if options.json else table(samples), end="" if options.json else "\n")


if __name__ == "__main__":
    main()
