"""The real `callgate serve` in a process of its own, driven the way an operator would."""

from __future__ import annotations

import http.client
import json
import os
import re
import selectors
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import http_sf

READY = re.compile(r"callgate ready proxy=(\S+) console=(\S+) ca=(.+)")

_START_SECONDS = 60
_STOP_SECONDS = 60

_CLEARED = re.compile(r"CALLGATE_|INTERVEN_|AEGIS_|OPENAI_|SSL_CERT_|.*_PROXY$", re.IGNORECASE)


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment less everything that Callgate or a client would read."""
    kept = {key: value for key, value in os.environ.items() if not _CLEARED.match(key)}
    return {**kept, **extra}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came off the wire: the body is not decoded."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)

    @property
    def calls(self) -> dict[str, dict[str, object]]:
        """`Callgate-Calls`: parameters by call id."""
        value = self.headers.get("Callgate-Calls", "")
        members: Any = http_sf.parse(value.encode(), tltype="list")
        return {str(id): {k: str(v) for k, v in found.items()} for id, found in members}

    @property
    def error(self) -> dict[str, str | None]:
        """The error object of a refusal; fails the test where there is none."""
        document = json.loads(self.body)
        assert isinstance(document["error"], dict), document
        return dict(document["error"])


class Gate:
    """One `callgate serve`; `stop` and `kill` end it, `start` begins again on the same home."""

    def __init__(self, home: Path, flags: Sequence[str], settings: Mapping[str, str]) -> None:
        self.home = home
        self._flags = flags
        self._settings = settings
        self._log = home.with_name(home.name + ".log")
        self._process: subprocess.Popen[str] | None = None
        self.proxy = self.console = self.ca = ""

    @property
    def is_started(self) -> bool:
        """Started, and neither stopped nor killed since; it may have died by itself."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Of the process that was started; fails the test where none runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """Standard error so far."""
        return self._log.read_text() if self._log.exists() else ""

    def start(self) -> None:
        """Return when the ready line was read; raises AssertionError with the log otherwise."""
        command = [sys.executable, "-m", "callgate", "serve", *self._flags]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment()
            )
        line = _first_line(self._process)
        ready = READY.fullmatch(line.strip())
        if not ready:
            code = self._process.poll()
            self.kill()
            raise AssertionError(f"no ready line but {line!r}, exit {code}; log:\n{self.log}")
        self.proxy, self.console, self.ca = ready.groups()

    def stop(self) -> int:
        """End it by SIGTERM and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end of a process that was told to stop, and return the exit code."""
        assert self._process is not None
        with self._process as process:
            code = process.wait(_STOP_SECONDS)
        self._process = None
        return code

    def _environment(self) -> dict[str, str]:
        return clean_environment(
            CALLGATE_HOME=str(self.home), HOME=str(self.home.parent), **self._settings
        )

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run another `callgate` command on the same home."""
        return subprocess.run(
            [sys.executable, "-m", "callgate", *arguments],
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=timeout,
        )

    def lines(self, *arguments: str) -> list[dict[str, object]]:
        """Run a listing with `--json` and return its objects."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def pending_approval(self) -> str:
        """Wait for an approval that nobody decided on yet, and return its id."""
        ends = time.monotonic() + _START_SECONDS
        while time.monotonic() < ends:
            for approval in self.lines("approvals", "list"):
                if approval["state"] == "pending":
                    return str(approval["id"])
            time.sleep(0.1)
        raise AssertionError(f"no pending approval; log:\n{self.log}")

    def client_environment(self, base_url: str) -> dict[str, str]:
        """What makes an unmodified app go through the gate, and which API it talks to."""
        return clean_environment(
            HTTPS_PROXY=self.proxy,
            SSL_CERT_FILE=self.ca,
            OPENAI_BASE_URL=base_url,
            OPENAI_API_KEY="sk-" + "app",
            OPENAI_LOG="info",
        )

    def connect(self, host: str, *, ca: str | None = None) -> http.client.HTTPSConnection:
        """Open a connection to `host:port` through the proxy; the caller closes it."""
        proxy = urlsplit(self.proxy)
        connection = http.client.HTTPSConnection(
            str(proxy.hostname),
            proxy.port,
            timeout=60,
            context=ssl.create_default_context(cafile=ca or self.ca),
        )
        name, _, port = host.rpartition(":")
        connection.set_tunnel(name, int(port))
        return connection

    def request(
        self,
        host: str,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request through the proxy, the target byte for byte as given."""
        connection = self.connect(host)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            given = {"Authorization": "Bearer sk-" + "app", **(headers or {})}
            if body is not None:
                given = {"Content-Type": "application/json", **given}
                given.setdefault("Content-Length", str(len(body)))
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


class StartGate(Protocol):
    """Starts a gate for upstreams at `host:port`.

    `policy` is the text of a policy file, `settings` environment variables.
    """

    def __call__(
        self,
        *hosts: str,
        mode: str = "enforce",
        policy: str = "",
        trusts_upstream: bool = True,
        **settings: str,
    ) -> Gate: ...


@contextmanager
def running_gates(folder: Path, upstream_ca: Path) -> Iterator[StartGate]:
    """Yield what starts gates; at the end each must stop cleanly, its log without traceback."""
    gates: list[Gate] = []

    def start(
        *hosts: str,
        mode: str = "enforce",
        policy: str = "",
        trusts_upstream: bool = True,
        **settings: str,
    ) -> Gate:
        number = len(gates)
        arguments = ["--listen", "127.0.0.1:0", "--mode", mode]
        if "CALLGATE_CONSOLE" not in settings:
            arguments += ["--console", "off"]
        if trusts_upstream:
            arguments += ["--upstream-ca", str(upstream_ca)]
        for host in hosts:
            arguments += ["--gate-host", host]
        if policy:
            file = folder / f"policy-{number}.yaml"
            file.write_text(policy)
            arguments += ["--policy", str(file)]
        gate = Gate(folder / f"home-{number}", arguments, settings)
        gates.append(gate)
        gate.start()
        return gate

    try:
        yield start
    finally:
        codes = [gate.stop() if gate.is_started else 0 for gate in gates]
    assert codes == [0] * len(gates), [gate.log for gate in gates]
    assert [gate.log for gate in gates if "Traceback" in gate.log] == []


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return process.stdout.readline() if selector.select(_START_SECONDS) else ""
