"""Several gates on one PostgreSQL, behind HAProxy, as in `deploy/`."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.gate import Gate

CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@dataclass(frozen=True, slots=True)
class Fleet:
    """Gates that are one to their clients."""

    gates: Sequence[Gate]
    proxy: str
    """The balancer's address, as a URL."""

    def client_environment(self, base_url: str) -> dict[str, str]:
        """See `Gate.client_environment`: through the balancer."""
        return {**self.gates[0].client_environment(base_url), "HTTPS_PROXY": self.proxy}


def start_gates(
    folder: Path, many: int, flags: Sequence[str], settings: Mapping[str, str]
) -> list[Gate]:
    """Start gates with homes of their own and one CA; the caller stops them."""
    gates: list[Gate] = []
    for number in range(many):
        home = folder / f"home-{number}"
        if gates:
            shutil.copytree(gates[0].home / "ca", home / "ca")
        gates.append(Gate(home, flags, settings))
        gates[-1].start()
    return gates


def configuration(address: str, ports: Sequence[int]) -> str:
    """The configuration that `deploy/` has, for a balancer there and gates on this machine."""
    head, _, _ = CONFIG.read_text().partition("  server ")
    lines = [f"  server gate-{n} 127.0.0.1:{gate} check" for n, gate in enumerate(ports)]
    return head.replace("bind :8080", f"bind {address}") + "\n".join(lines) + "\n"


@contextmanager
def balanced(folder: Path, gates: Sequence[Gate]) -> Iterator[Fleet]:
    """Put HAProxy before gates, with the configuration that `deploy/` has."""
    assert HAPROXY
    file = folder / "haproxy.cfg"
    # listened on here already: no other process gets the port, and nobody is turned away
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        (folder / "haproxy.log").open("w") as log,
    ):
        port, number = listener.getsockname()[1], listener.fileno()
        ports = [urlsplit(gate.proxy).port or 0 for gate in gates]
        file.write_text(configuration(f"fd@{number}", ports))
        process = subprocess.Popen(
            [HAPROXY, "-db", "-f", str(file)], stdout=log, stderr=log, pass_fds=[number]
        )
    try:
        yield Fleet(gates, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()
