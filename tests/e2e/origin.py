"""A stand-in API behind TLS: answers with the bytes it is told and keeps what it received."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from types import TracebackType
from typing import Self, override


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())


class Wire:
    """A body while it is sent, in chunks."""

    def __init__(self, connection: socket.socket, file: BufferedIOBase) -> None:
        self._connection = connection
        self._file = file
        self.is_cut = False

    def send(self, *parts: bytes) -> None:
        """Send each part as a chunk of its own; raises OSError when the other side is gone."""
        for part in parts:
            self._file.write(b"%x\r\n%b\r\n" % (len(part), part))

    def cut(self) -> None:
        """End the connection in the middle of the body, the way a crash does."""
        self.is_cut = True
        self._connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """End the connection in the middle of the body with a TCP reset."""
        self.is_cut = True
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._connection.detach())

    def is_closed_within(self, seconds: float) -> bool:
        """Wait for the other side to close the connection; it sends nothing else meanwhile."""
        self._connection.settimeout(seconds)
        try:
            return self._connection.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer; the length is told truthfully unless `promised_length` says otherwise."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    wait_seconds: float = 0
    promised_length: int | None = None
    play: Callable[[Wire], None] | None = None
    """Sends the body, chunk by chunk; `body` and the length do not count then."""


NOT_FOUND = Reply(b'{"error":{"message":"no such thing","type":"invalid_request_error"}}', 404)

type Answer = Callable[[Seen], Reply]


class Origin:
    """Context manager: serves on a free loopback port until left."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.seen: list[Seen] = []
        self.first_body_bytes = threading.Event()
        """Set when any part of a request's body has arrived."""
        self.answer: Answer = lambda _: NOT_FOUND
        origin = self

        class Handler(_Handler):
            owner = origin

        self._server = _Server(("127.0.0.1", 0), Handler)
        # The handshake happens in the connection's own thread, at its first read.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def host(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: 40 ms else
    owner: Origin

    def _serve(self) -> None:
        body = self._read_body()
        # `path` has leading slashes folded by the standard library; the request line has not.
        target = self.requestline.split(" ")[1]
        seen = Seen(self.command, target, tuple(self.headers.items()), body)
        self.owner.seen.append(seen)
        reply = self.owner.answer(seen)
        time.sleep(reply.wait_seconds)
        self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - names are theirs

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.play:
            self._play(reply.play)
            return
        length = len(reply.body) if reply.promised_length is None else reply.promised_length
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = length != len(reply.body)

    def _play(self, play: Callable[[Wire], None]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        wire = Wire(self.connection, self.wfile)
        play(wire)
        if not wire.is_cut:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = wire.is_cut

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        missing = int(self.headers.get("Content-Length") or 0)
        parts = []
        while missing and (part := self.rfile.read1(min(missing, 65536))):
            self.owner.first_body_bytes.set()
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.owner.first_body_bytes.set()
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
