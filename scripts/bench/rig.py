"""The rig of the benches: an API stand-in, and the ways to it that are compared."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import trustme
from load import Route

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

type Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Config:
    """One way to the API; `pid` is the process whose CPU time counts, with its children's."""

    name: str
    route: Route
    pid: int | None

    def cpu_seconds(self) -> float:
        """CPU time of the proxy so far, in steps of 10 ms; 0 without one."""
        return sum(_stat(pid, 11) + _stat(pid, 12) for pid in self._processes()) / TICKS

    def rss_mb(self) -> float:
        """Memory of the proxy that is resident now; 0 without one."""
        return sum(_stat(pid, 21) for pid in self._processes()) * PAGE / 1e6

    def _processes(self) -> list[int]:
        return [] if self.pid is None else list(_tree(self.pid))


def _stat(pid: int, field: int) -> int:
    """Of the fields behind the process's name."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[field])


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))


class Rig:
    """The API stand-in and what is started before it; ends with the block of `assembled`."""

    def __init__(self, upstream: str, stack: ExitStack) -> None:
        self._stack = stack
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ca = trustme.CA()
        self._pem, self._cert = self.folder / "ca.pem", self.folder / "cert.pem"
        ca.cert_pem.write_to_path(self._pem)
        ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(self._cert)
        self.port = int(self._start("upstream", [sys.executable, HERE / upstream, self._cert])[1])

    def _start(
        self, name: str, command: Command, *, speaks: bool = True, **env: str
    ) -> tuple[int, str]:
        """The process's id, and the line that it says when it is ready."""
        log = self.folder / f"{name}.log"
        child = self._stack.enter_context(process(command, log, speaks=speaks, **env))
        said = child.stdout.readline().strip() if child.stdout else "-"
        return child.pid, said or sys.exit(log.read_text())

    def direct(self) -> Config:
        """No proxy at all."""
        return Config("direct", Route(self.port, trust(self._pem)), None)

    def mitmdump(self, *arguments: str | Path) -> Config:
        """Bare mitmdump with stock settings, but for the further arguments."""
        confdir = self.folder / "mitmproxy"
        listen = ("--listen-host", "127.0.0.1", "--listen-port", "0")
        ours = f"confdir={confdir}", f"ssl_verify_upstream_trusted_ca={self._pem}"
        options = [part for option in ours for part in ("--set", option)]
        command = [BIN / "mitmdump", "-q", *listen, *options, *arguments]
        pid, _ = self._start("mitmdump", command, speaks=False)
        port = port_of(pid)
        route = Route(self.port, trust(confdir / "mitmproxy-ca-cert.pem"), port)
        return Config("mitmdump", route, pid)

    def home(self, name: str) -> Path:
        """The home folder of the gate with this name."""
        return self.folder / f"{name}-home"

    def callgate(self, name: str, *flags: str | Path, **env: str) -> Config:
        """`callgate serve` with a home of its own."""
        listen = ("--listen", "127.0.0.1:0", "--console", "off")
        gated = ("--upstream-ca", self._pem, "--gate-host", f"127.0.0.1:{self.port}")
        command = [BIN / "callgate", "serve", *listen, *gated, *flags]
        pid, line = self._start(name, command, CALLGATE_HOME=str(self.home(name)), **env)
        ready = re.search(r"proxy=http://127.0.0.1:(\d+) .*ca=(.+)", line)
        assert ready, line
        return Config(name, Route(self.port, trust(ready[2]), int(ready[1])), pid)

    def litellm(self, python: Path, settings: dict[str, object]) -> Config:
        """LiteLLM's proxy, alone in its process, before the API's Chat Completions.

        Its clients ask it as if it were the API, over TLS with a certificate of the same CA.
        """
        port, config = free_port(), self.folder / "litellm.yaml"
        logs = self.folder / "litellm-logs.json"
        model = {"model": "openai/gpt-4o", "api_key": "none"}
        model["api_base"] = f"https://127.0.0.1:{self.port}/v1"
        models = [{"model_name": "gpt-4o", "litellm_params": model}]
        config.write_text(json.dumps({"model_list": models, **settings}))
        # no line for each request: no other contestant writes one
        logs.write_text(json.dumps({"version": 1, "disable_existing_loggers": False}))
        listen = ("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
        tls = ("--ssl_certfile_path", self._cert, "--ssl_keyfile_path", self._cert)
        serving = ("-I", "-W", "ignore", "-m", "litellm.proxy.proxy_cli", "--log_config", logs)
        pid, _ = self._start(
            "litellm",
            [python, *serving, *listen, *tls, "--config", config],
            speaks=False,
            HOME=str(self.folder),
            SSL_CERT_FILE=str(self._pem),
            NO_PROXY="127.0.0.1",
            LITELLM_LOG="ERROR",
            LITELLM_MODE="PRODUCTION",
            LITELLM_LOCAL_MODEL_COST_MAP="True",
            LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",
        )
        wait_for(port, seconds=90)
        return Config("litellm", Route(port, trust(self._pem)), pid)


@contextmanager
def assembled(upstream: str) -> Iterator[Rig]:
    """`upstream` is the script in this folder that plays the API."""
    with ExitStack() as stack:
        yield Rig(upstream, stack)


@contextmanager
def process(
    command: Command, log: Path, *, speaks: bool = True, **env: str
) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as errors:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE if speaks else errors,
            stderr=errors,
            text=True,
            env={**os.environ, **env},
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def trust(pem: str | Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pem))


def port_of(pid: int, seconds: float = 60) -> int:
    """The port that a process listens on, once it does."""
    for _ in range(int(seconds / 0.05)):
        for one in psutil.Process(pid).net_connections("tcp4"):
            if one.status == psutil.CONN_LISTEN:
                return int(one.laddr.port)
        time.sleep(0.05)
    sys.exit(f"process {pid} listens on no port")


def wait_for(port: int, seconds: float = 60) -> None:
    for _ in range(int(seconds / 0.05)):
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
