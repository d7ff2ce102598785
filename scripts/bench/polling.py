"""What the gate costs a polled run, beside bare mitmdump on the same upstream in the same run.

Only the ratios of one run compare: machines differ, and so do their other tenants.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from load import NextPath, Route, drive, fixed, fresh

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")
CLIENTS = (1, 16)
SCENARIOS = ("no calls", "known call", "new call")


@dataclass(frozen=True, slots=True)
class Config:
    """One way to the API; `pid` is the process whose CPU time counts."""

    name: str
    route: Route
    pid: int | None


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


@contextmanager
def process(
    command: Sequence[str | Path], log: Path, **env: str
) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as errors:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **env},
        )
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


def first_line(child: subprocess.Popen[str], log: Path) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip() or sys.exit(log.read_text())


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"nothing listens on port {port}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start(stack: ExitStack, folder: Path) -> list[Config]:
    """Start upstream and proxies: direct, bare mitmdump with stock settings, callgate."""
    ca = trustme.CA()
    pem, cert = folder / "ca.pem", folder / "cert.pem"
    ca.cert_pem.write_to_path(pem)
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(cert)

    log = folder / "upstream.log"
    upstream = stack.enter_context(process([sys.executable, HERE / "upstream.py", cert], log))
    port = int(first_line(upstream, log))
    direct = Route(port, ssl.create_default_context(cafile=str(pem)))

    bare_port, confdir = free_port(), folder / "mitmproxy"
    command = [BIN / "mitmdump", "-q", "--listen-host", "127.0.0.1", "--listen-port", bare_port]
    for option in (f"confdir={confdir}", f"ssl_verify_upstream_trusted_ca={pem}"):
        command += ["--set", option]
    bare = stack.enter_context(process(list(map(str, command)), folder / "bare.log"))
    wait_for(bare_port)
    bare_trust = ssl.create_default_context(cafile=str(confdir / "mitmproxy-ca-cert.pem"))

    log = folder / "callgate.log"
    flags = ["--listen", "127.0.0.1:0", "--console", "off", "--upstream-ca", str(pem)]
    flags += ["--gate-host", f"127.0.0.1:{port}"]
    gate = stack.enter_context(
        process([BIN / "callgate", "serve", *flags], log, CALLGATE_HOME=str(folder / "home"))
    )
    ready = re.search(r"proxy=http://127.0.0.1:(\d+) .*ca=(.+)", first_line(gate, log))
    assert ready, log.read_text()
    gate_trust = ssl.create_default_context(cafile=ready[2])
    return [
        Config("direct", direct, None),
        Config("mitmdump", Route(port, bare_trust, bare_port), bare.pid),
        Config("callgate", Route(port, gate_trust, int(ready[1])), gate.pid),
    ]


def cpu_seconds(pid: int | None) -> float:
    if pid is None:
        return 0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def path_for(scenario: str, tag: str) -> NextPath:
    match scenario:
        case "no calls":
            return fixed("plain")
        case "known call":
            return fixed("known")
        case _:
            return fresh(tag)


def measure(config: Config, scenario: str, clients: int, repeat: int, seconds: float) -> Sample:
    before = cpu_seconds(config.pid)
    path = path_for(scenario, f"{config.name}-{clients}-{repeat}-")
    measured = asyncio.run(drive(config.route, clients, seconds, path))
    cpu = (cpu_seconds(config.pid) - before) / len(measured.latencies_ms) * 1000
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
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        configs = start(stack, Path(folder))
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
