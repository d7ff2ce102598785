"""An API and an app that speak HTTP as no library would: raw bytes, both ways, over TLS."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.e2e.gate import Gate

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_SECONDS = 20.0


class RawApi:
    """Context manager: answers each request with the bytes in `answer`, and keeps what it got."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.answer = b""
        self.received = b""
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(_SECONDS)

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                self._open.add(plain)
                self._start(self._serve, plain)

    def _serve(self, plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError, ssl.SSLError),
            self._context.wrap_socket(plain, server_side=True) as secure,
        ):
            self._open.add(secure)
            got = b""
            while data := secure.recv(65536):
                self.received += data
                got += data
                if _is_whole(got):
                    secure.sendall(self.answer)
                    return


def _is_whole(message: bytes) -> bool:
    """As the gate sends and gets messages: with one length, in chunks, or without a body."""
    head, blank, body = message.partition(b"\r\n\r\n")
    if not blank:
        return False
    if b"transfer-encoding" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    length = _LENGTH.search(head)
    return len(body) >= (int(length[1]) if length else 0)


def exchanged(gate: Gate, host: str, *sent: bytes) -> bytes:
    """All that an app gets for raw bytes on one connection through the gate."""
    proxy = urlsplit(gate.proxy)
    plain = socket.create_connection((str(proxy.hostname), int(proxy.port or 0)), _SECONDS)
    plain.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert b" 200 " in plain.recv(65536)
    trust = ssl.create_default_context(cafile=gate.ca)
    got = b""
    with (
        contextlib.suppress(OSError, ssl.SSLError),
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        for one in sent:
            secure.sendall(one)
        while not (_LENGTH.search(got) and _is_whole(got)) and (data := secure.recv(65536)):
            got += data
    return got


def request(
    line: str, body: bytes = b"", headers: Sequence[str] = (), *, has_length: bool = True
) -> bytes:
    """A request that ends its connection."""
    lines = [line, "Host: 127.0.0.1", "Authorization: Bearer sk-" + "app", "Connection: close"]
    if has_length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def response(
    body: bytes,
    *headers: str,
    status: str = "200 OK",
    version: str = "1.1",
    length: int | None = -1,
) -> bytes:
    """A response that ends its connection; its length is true unless told, None leaves it out."""
    lines = [f"HTTP/{version} {status}", "Connection: close", *headers]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length < 0 else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
