"""WebSocket messages: put together within bounds, apart from what is injected, sent whole.

mitmproxy keeps a message that never ends, puts an injected message behind the begun part of
another one, which nobody would have read then, and cuts changed messages without regard for
characters.
"""

from __future__ import annotations

import sys

import wsproto.events
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import websocket
from wsproto.connection import ConnectionState
from wsproto.frame_protocol import CloseReason

_FRAME_BYTES = 64
"""What a frame takes beside its content: they may be empty."""

_TOO_BIG = wsproto.events.CloseConnection(CloseReason.MESSAGE_TOO_BIG, "the message is too big")


def install(max_bytes: int) -> None:
    """Have mitmproxy build WebSockets of this module, whose messages take at most so many bytes.

    Raises RuntimeError when this mitmproxy builds them in another way.
    """
    if not hasattr(websocket.Fragmentizer, "FRAGMENT_SIZE"):
        raise RuntimeError("this version of mitmproxy lacks FRAGMENT_SIZE; use 12.2")
    websocket.Fragmentizer.FRAGMENT_SIZE = sys.maxsize
    Messages.max_bytes = max_bytes
    websocket.WebsocketLayer = Messages  # type: ignore[misc]


class Messages(websocket.WebsocketLayer):
    """Both directions of one WebSocket."""

    max_bytes = sys.maxsize

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Pass on what has come whole; a message that is too big closes the connection (1009)."""
        if isinstance(event, websocket.WebSocketMessageInjected):
            source = self.client_ws if event.message.from_client else self.server_ws
            begun, source.frame_buf = source.frame_buf, [b""]
            yield from super().relay_messages(event)
            source.frame_buf = begun
            return
        yield from super().relay_messages(event)
        for source in (self.client_ws, self.server_ws):
            if sum(_FRAME_BYTES + len(frame) for frame in source.frame_buf) > self.max_bytes:
                yield from self._end()
                return
            if isinstance(source.frame_buf[-1], bytes):  # to add to them is to copy them
                source.frame_buf[-1] = bytearray(source.frame_buf[-1])  # type: ignore[call-overload]

    def _end(self) -> layer.CommandGenerator[None]:
        for one in (self.server_ws, self.client_ws):
            one.frame_buf = [b""]
            if one.state is ConnectionState.OPEN:
                yield one.send2(_TOO_BIG)
            yield commands.CloseConnection(one.conn)
        self._handle_event = self.done
        yield websocket.WebsocketEndHook(self.flow)
        self.flow.live = False
