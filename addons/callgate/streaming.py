"""The one place that touches mitmproxy's HTTP layers.

mitmproxy's own `body_size_limit` answers with an HTML page and closes; here a body beyond the
limit is dropped as it comes, the flow is marked, and the hooks answer in the API's own form.
"""

from __future__ import annotations

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http._events import RequestData, ResponseData

REQUEST_TOO_LARGE = "callgate_request_too_large"
RESPONSE_TOO_LARGE = "callgate_response_too_large"


class BoundedStream(HttpStream):
    """An HttpStream that never buffers more than `max_bytes` of a body."""

    max_bytes: int

    def state_consume_request_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Drop what exceeds the limit."""
        if isinstance(event, RequestData) and (
            len(self.request_body_buf) + len(event.data) > self.max_bytes
            or REQUEST_TOO_LARGE in self.flow.metadata
        ):
            self.flow.metadata[REQUEST_TOO_LARGE] = True
            self.request_body_buf.clear()
            return
        yield from super().state_consume_request_body(event)

    def state_consume_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Drop what exceeds the limit."""
        if isinstance(event, ResponseData) and (
            len(self.response_body_buf) + len(event.data) > self.max_bytes
            or RESPONSE_TOO_LARGE in self.flow.metadata
        ):
            self.flow.metadata[RESPONSE_TOO_LARGE] = True
            self.response_body_buf.clear()
            return
        yield from super().state_consume_response_body(event)


def bound(http: HttpLayer, max_bytes: int) -> None:
    """Make one HttpLayer build bounded streams; nothing is patched globally."""

    def make_stream(stream_id: int) -> layer.CommandGenerator[None]:
        stream = BoundedStream(http.context.fork(), stream_id)
        stream.max_bytes = max_bytes
        http.streams[stream_id] = stream
        yield from http.event_to_child(stream, events.Start())

    http.make_stream = make_stream  # type: ignore[method-assign]


def check_compatible() -> None:
    """Raise RuntimeError when this mitmproxy does not build streams as `bound` assumes."""
    wanted = ("make_stream", "event_to_child")
    missing = [name for name in wanted if not hasattr(HttpLayer, name)]
    states = ("state_consume_request_body", "state_consume_response_body")
    missing += [name for name in states if not hasattr(HttpStream, name)]
    if missing:
        raise RuntimeError(f"this version of mitmproxy lacks {', '.join(missing)}; use 12.2")
