"""mitmproxy's WebSocket flows ↔ guarded sockets.

A hook that waits would hold both directions, pings too; so what is held is dropped, and
injected when it may go on.
"""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver

from callgate.enforcement import Enforcement
from callgate.exchange import Request
from callgate.sockets import GuardedSocket
from callgate.surfaces.base import Endpoint


class WebSockets:
    """The open connections, by flow."""

    def __init__(self, servers: Proxyserver) -> None:
        """Messages are injected through `servers`."""
        self._servers = servers
        self._open: dict[str, GuardedSocket | None] = {}
        self._is_text: dict[str, bool] = {}

    def open(
        self, flow: http.HTTPFlow, enforcement: Enforcement, endpoint: Endpoint, upgrade: Request
    ) -> None:
        """Begin to guard a connection; where that raises, no message passes on it."""
        self._open[flow.id] = None

        def send(content: bytes) -> None:
            self._servers.inject_websocket(flow, True, content, self._is_text.get(flow.id, True))

        self._open[flow.id] = GuardedSocket(enforcement, endpoint, upgrade, send)

    async def message(self, flow: http.HTTPFlow) -> None:
        """Let the newest message go on, changed or not, or drop it.

        Raises RuntimeError on a connection that should be guarded and is not.
        """
        if flow.id not in self._open or flow.websocket is None:
            return
        socket = self._open[flow.id]
        if socket is None:
            raise RuntimeError("this connection could not be guarded")
        message = flow.websocket.messages[-1]
        # mitmproxy keeps all of them, for as long as the connection lasts
        del flow.websocket.messages[:-1]
        if message.injected:
            socket.passed()
        elif not message.from_client:
            self._is_text[flow.id] = message.is_text
            if not socket.from_api(message.content):
                message.drop()
        elif (content := await socket.from_app(message.content)) is None:
            message.drop()
        elif content != message.content:
            message.content = content

    def close(self, flow: http.HTTPFlow) -> None:
        """Forget a connection; idempotent."""
        if socket := self._open.pop(flow.id, None):
            socket.close()
        self._is_text.pop(flow.id, None)
