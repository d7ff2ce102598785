"""TLS in front of a plain HTTP server, keeping every byte that clients send to it."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from types import TracebackType
from typing import Self, override


class Relay:
    """Context manager: forwards a free loopback port, in TLS, to a plain one."""

    def __init__(self, context: ssl.SSLContext, backend_port: int) -> None:
        self.received = bytearray()
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            @override
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", backend_port)) as backend:
                    client: ssl.SSLSocket = self.request
                    for side in (client, backend):
                        side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    answers = threading.Thread(
                        target=_pump, args=(backend, client, bytearray()), daemon=True
                    )
                    # A socket in TLS may be read and written by one thread each.
                    answers.start()
                    _pump(client, backend, relay.received)
                    answers.join()

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def host(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

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


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


def _pump(source: socket.socket, target: socket.socket, log: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            log += data
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
