"""The one place that touches mitmproxy's HTTP layers.

Bodies: mitmproxy's own `body_size_limit` answers with an HTML page and closes; here a body
beyond the limit is dropped as it comes, the flow is marked, and the hooks answer in the API's
own form.

Streams: mitmproxy calls `flow.response.stream` synchronously, so nothing could be awaited. A
layer pauses for a hook whose `blocking` *is* True; for one that is merely true it goes on, and
gets the hook's completion all the same. So while a stream holds something, it has one
`CallgateWaitHook` under way, and neither other streams nor its own events wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseProtocolError,
    ResponseTrailers,
)

from callgate.stream import GatedStream

REQUEST_TOO_LARGE = "callgate_request_too_large"
RESPONSE_TOO_LARGE = "callgate_response_too_large"


@dataclass
class CallgateWaitHook(commands.StartHook):
    """Asks the addon to return when the stream may have something to send."""

    gated: GatedStream


class GuardedStream(HttpStream):
    """An HttpStream with bounded buffers, and with streams that are gated event by event."""

    max_bytes: int
    _waits: bool = False
    _is_closed: bool = False

    @property
    def _gated(self) -> GatedStream | None:
        flow = getattr(self, "flow", None)
        stream: object = flow.response.stream if flow and flow.response else None
        return stream if isinstance(stream, GatedStream) else None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Take completions of `CallgateWaitHook`; drop what comes after the stream was ended."""
        if isinstance(event, events.HookCompleted):
            self._waits = False
            yield from self._flush()
        elif not (self._is_closed and isinstance(event, _FROM_SERVER)):
            yield from super()._handle_event(event)

    def state_stream_response_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Send what the gate lets through; the end waits for the last verdict."""
        gated = self._gated
        if gated is None:
            yield from super().state_stream_response_body(event)
        elif isinstance(event, ResponseData):
            gated.feed(event.data)
            yield from self._flush()
        elif isinstance(event, ResponseEndOfMessage):
            gated.finish()
            yield from self._flush()

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        """Client or API gone: stop judging, what is held is never sent."""
        if gated := self._gated:
            gated.cancel()
        self._is_closed = True
        yield from super().handle_protocol_error(event)

    def _flush(self) -> layer.CommandGenerator[None]:
        gated = self._gated
        if gated is None or self._is_closed:
            return
        if out := gated.take():
            yield SendHttp(ResponseData(self.stream_id, out), self.context.client)
        if gated.is_over:
            yield from self._end(gated)
        elif gated.is_holding and not self._waits:
            self._waits = True
            hook = CallgateWaitHook(gated)
            hook.blocking = self  # type: ignore[assignment]  # as mitmproxy's layers do
            yield hook

    def _end(self, gated: GatedStream) -> layer.CommandGenerator[None]:
        self._is_closed = True
        if gated.is_aborted:
            gone = RequestProtocolError(self.stream_id, "ended by Callgate", ErrorCode.CANCEL)
            yield SendHttp(gone, self.context.server)
        yield from self.send_response(already_streamed=True)

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


_FROM_SERVER = (ResponseData, ResponseTrailers, ResponseEndOfMessage, ResponseProtocolError)


def guard(http: HttpLayer, max_bytes: int) -> None:
    """Make one HttpLayer build guarded streams; nothing is patched globally."""

    def make_stream(stream_id: int) -> layer.CommandGenerator[None]:
        stream = GuardedStream(http.context.fork(), stream_id)
        stream.max_bytes = max_bytes
        http.streams[stream_id] = stream
        yield from http.event_to_child(stream, events.Start())

    http.make_stream = make_stream  # type: ignore[method-assign]


def check_compatible() -> None:
    """Raise RuntimeError when this mitmproxy does not build streams as `guard` assumes."""
    wanted = ("make_stream", "event_to_child")
    missing = [name for name in wanted if not hasattr(HttpLayer, name)]
    states = (
        "state_consume_request_body",
        "state_consume_response_body",
        "state_stream_response_body",
        "handle_protocol_error",
        "send_response",
    )
    missing += [name for name in states if not hasattr(HttpStream, name)]
    if missing:
        raise RuntimeError(f"this version of mitmproxy lacks {', '.join(missing)}; use 12.2")
