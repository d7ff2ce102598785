"""A proxy as companies have them: `CONNECT` for users with a password, and it keeps a list."""

from __future__ import annotations

import base64
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class ConnectProxy:
    """Context manager: serves on a free loopback port until left."""

    user = "ann:p@ss:word"

    def __init__(self) -> None:
        self.connected: list[str] = []
        """`host:port` of every tunnel that was granted."""
        self.refused = 0
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def url(self, user: str = "ann:p%40ss:word") -> str:
        return f"http://{user}@127.0.0.1:{self._server.server_port}"

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


class _Handler(BaseHTTPRequestHandler):
    owner: ConnectProxy

    def do_CONNECT(self) -> None:
        wanted = "Basic " + base64.b64encode(ConnectProxy.user.encode()).decode()
        if self.headers.get("Proxy-Authorization") != wanted:
            self.owner.refused += 1
            self.send_error(407)
            return
        host, _, port = self.path.rpartition(":")
        self.owner.connected.append(self.path)
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
            back.start()
            _pump(self.connection, far)
            back.join(30)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
