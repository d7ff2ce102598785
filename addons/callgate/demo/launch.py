"""Starts the demo server: in a process of its own, or in a thread for tests."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from callgate.demo.certificates import Certificates
from callgate.demo.server import configure
from callgate.errors import CallgateError

_READY = "demo server ready url="
_STOP_SECONDS = 10


class LaunchError(CallgateError):
    """The server ended before it was ready."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server process that answers."""

    url: str
    """`https://HOST:PORT`; the API is below `/v1`."""
    pid: int


@contextmanager
def start_server(
    certificates: Certificates,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    options: Sequence[str] = (),
) -> Iterator[RunningServer]:
    """Run `python -m callgate.demo.server` until the block ends.

    `options` are further flags, e.g. `--script NAME`. Raises LaunchError when the server ends
    before its ready line; what it says then stands on standard error.
    """
    command = [sys.executable, "-m", "callgate.demo.server", "--host", host, "--port", str(port)]
    command += ["--cert", str(certificates.cert), "--key", str(certificates.key), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            if not line.startswith(_READY):
                raise LaunchError(f"the demo server did not start (exit code {process.wait()})")
            yield RunningServer(line.removeprefix(_READY), process.pid)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def serve(app: Starlette, certificates: Certificates) -> Iterator[str]:
    """Serve an app from `create_app` in a thread until the block ends; yields its URL.

    `app.state.received` can be read meanwhile. Raises OSError for unusable certificates.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        config = configure(app, certificates.cert, certificates.key)
        config.load()  # faults of the certificates show here, not in the thread
        server = _Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            server.awake.wait(_STOP_SECONDS)
            if not server.started:
                raise LaunchError("the demo server did not start")
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Tells another thread when startup is over."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.awake = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server.startup`."""
        await super().startup(sockets)
        self.awake.set()
