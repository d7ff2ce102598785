"""A gateway at the socket whose answers are scripted: latency, faults, and what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, override


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """Decoded JSON; None without a body."""
    at: float
    """Monotonic seconds."""
    connection: int
    """Which TCP connection it came on, counted from 1."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer."""

    status: int = 200
    body: object = field(default_factory=dict)
    """Sent as JSON; bytes are sent as they are."""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_off: bool = False
    """Close the connection in the middle of the body."""


type Script = Callable[[Asked], Reply]


class StandIn:
    """Serves on a port of its own while the block lasts.

    `script` answers; `latency_seconds` passes before each answer; `is_silent` never answers.
    """

    def __init__(
        self,
        script: Script,
        *,
        latency_seconds: float = 0,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script
        self.latency_seconds = latency_seconds
        self.is_silent = False
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self.answers_from = 1
        """Nobody is answered before so many ask at once, for half a minute at most."""
        self._at_once = 0
        self._connections = 0
        self._lock = threading.Lock()
        self._crowd = threading.Condition(self._lock)
        self._woken = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return self._connections

    def to(self, path: str) -> list[Asked]:
        """The requests for a path, in order."""
        return [asked for asked in self.asked if asked.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._woken.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def connected(self) -> int:
        with self._lock:
            self._connections += 1
            return self._connections

    def answer(self, asked: Asked) -> Reply | None:
        with self._lock:
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._crowd.notify_all()
            self._crowd.wait_for(lambda: self.most_at_once >= self.answers_from, 30)
        try:
            if self.is_silent:
                self._woken.wait(60)
                return None
            if self.latency_seconds:
                self._woken.wait(self.latency_seconds)
            return self.script(asked)
        finally:
            with self._lock:
                self._at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are part of the play."""


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        @override
        def setup(self) -> None:
            super().setup()
            self.number = stand_in.connected()

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            self._serve()

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(content) if content else None
            reply = stand_in.answer(
                Asked(self.command, self.path, headers, body, time.monotonic(), self.number)
            )
            if reply is None:
                self.close_connection = True
                return
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            lines = {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **reply.headers,
            }
            head = f"HTTP/1.1 {reply.status} Status\r\n" + "".join(
                f"{name}: {value}\r\n" for name, value in lines.items()
            )
            with contextlib.suppress(OSError):
                if reply.breaks_off:
                    self.wfile.write(head.encode() + b"\r\n" + body[: len(body) // 2])
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                else:
                    self.wfile.write(head.encode() + b"\r\n" + body)

    return Handler
