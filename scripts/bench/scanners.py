"""How long the calls of one run wait for their verdicts at an Interven gateway.

`scan_tool_calls` of `interven-openai-assistants`, and a poll of the run through Callgate, on the
same stand-in gateway in the same run: `tests/standins/interven.py`, which answers each question
after `--latency` seconds. The package asks in the app; the poll has the way to the API and back,
TLS, the store and the record in it. Only the ratios of one run compare.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from interven_openai_assistants import scan_tool_calls
from load import Route, connect
from rig import assembled
from upstream import run_call

ROOT = Path(__file__).parents[2]
KEY = "iv_" + "live_" + "test"
CALLS = (1, 2, 4, 8, 16, 32)

_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Sample:
    calls: int
    repeat: int
    package_ms: float
    callgate_ms: float

    @property
    def ratio(self) -> float:
        return self.package_ms / self.callgate_ms


@contextmanager
def gateway(latency_seconds: float) -> Iterator[str]:
    """Yield the stand-in's URL."""
    command = [sys.executable, "-m", "tests.standins.interven", str(latency_seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def package(url: str, count: int) -> float:
    """Milliseconds until the package has all verdicts."""
    calls = [run_call(f"package-{next(_NUMBERS)}") for _ in range(count)]
    began = time.perf_counter()
    found = scan_tool_calls(calls, api_key=KEY, gateway_url=url)
    took = time.perf_counter() - began
    assert [one.scan.decision for one in found] == ["ALLOW"] * count
    return took * 1000


async def poll(route: Route, count: int) -> float:
    """Milliseconds until the app has a run whose calls are all judged, on a kept connection."""
    reader, writer = await connect(route)
    took = 0.0
    for name in ("plain", f"{count}.callgate-{next(_NUMBERS)}"):
        began = time.perf_counter()
        writer.write(
            b"GET /v1/threads/thread_bench/runs/%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Authorization: Bearer bench\r\n\r\n" % (name.encode(), route.port)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took = time.perf_counter() - began
        judged = head.lower().count(b"decision=allow")
    assert judged == count or b"truncated" in head, head
    writer.close()
    return took * 1000


def run(latency_seconds: float, repeats: int) -> list[Sample]:
    with gateway(latency_seconds) as url:
        os.environ |= {"INTERVEN_API_KEY": KEY, "INTERVEN_GATEWAY_URL": url}
        with assembled("upstream.py") as rig:
            route = rig.callgate("callgate", "--scanner", "interven").route
            # what both have to do once: connections, threads, statements
            requests.get(url, timeout=5)
            asyncio.run(poll(route, max(CALLS)))
            return [
                Sample(count, repeat, package(url, count), asyncio.run(poll(route, count)))
                for repeat in range(repeats)
                for count in CALLS
            ]


def table(samples: Sequence[Sample]) -> str:
    lines = [f"{'calls':>5}{'package ms':>12}{'callgate ms':>13}   package / callgate [min..max]"]
    for count in CALLS:
        rows = [sample for sample in samples if sample.calls == count]
        ratios = [row.ratio for row in rows]
        lines.append(
            f"{count:>5}{statistics.median(row.package_ms for row in rows):>12.0f}"
            f"{statistics.median(row.callgate_ms for row in rows):>13.0f}"
            f"   {statistics.median(ratios):.1f} [{min(ratios):.1f}..{max(ratios):.1f}]"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds to each answer")
    parser.add_argument("--repeat", type=int, default=5, help="measurements of each kind")
    parser.add_argument("--json", action="store_true", help="every measurement, one a line")
    options = parser.parse_args()
    samples = run(options.latency, options.repeat)
    if options.json:
        for sample in samples:
            fields = {name: getattr(sample, name) for name in Sample.__slots__}
            print(json.dumps(fields))
    else:
        print(table(samples))


if __name__ == "__main__":
    main()
