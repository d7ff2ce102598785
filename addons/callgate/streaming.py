"""The one place that touches mitmproxy's HTTP layers.

Bodies: mitmproxy's own `body_size_limit` answers with an HTML page and closes; here a body
beyond the limit is dropped as it comes, the flow is marked, and the hooks answer in the API's
own form.

Streams: mitmproxy calls `flow.response.stream` synchronously, so nothing could be awaited. A
layer pauses for a hook whose `blocking` *is* True; for one that is merely true it goes on, and
gets the hook's completion all the same. So while a stream holds something, it has one
`CallgateWaitHook` under way, and neither other streams nor its own events wait for it. Whole
bodies are held in the same way (`CallgateJudgeHook`), with `102 Processing` for impatient
clients (RFC 2518 10.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import h2.exceptions
from mitmproxy import connection, http
from mitmproxy.proxy import commands, events, layer, server
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server

from callgate.stream import GatedStream

REQUEST_TOO_LARGE = "callgate_request_too_large"
RESPONSE_TOO_LARGE = "callgate_response_too_large"
HELD = "callgate_held"
"""The whole body waits for its verdicts, however long a person takes."""

JUDGING = "callgate_judging"
"""The task that judges a whole body, when it takes long."""

REFUSED = "callgate_refused"
"""What answers the app is known from the response's headers: its body is not waited for."""

INTERIM_SECONDS = 15.0
"""Between two interim answers to a client that waits."""
_INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Wait:
    """A stream that holds something, and the connections that it goes between."""

    gated: GatedStream
    client: connection.Client
    server: connection.Server


@dataclass
class CallgateWaitHook(commands.StartHook):
    """Asks the addon to return when the stream may have something to send.

    mitmproxy's server takes hooks of one argument only.
    """

    wait: Wait


@dataclass
class CallgateJudgeHook(commands.StartHook):
    """Asks the addon to return when it is known what becomes of a whole body.

    Or after `INTERIM_SECONDS`, with `JUDGING` in the flow's metadata: then it is asked again.
    """

    flow: http.HTTPFlow


class GuardedStream(HttpStream):
    """An HttpStream with bounded buffers, and with streams that are gated event by event."""

    http_layer: HttpLayer
    max_bytes: int
    _waits: bool = False
    _judged: CallgateJudgeHook | None = None
    _is_closed: bool = False
    _is_chunked: bool | None = None

    @property
    def _gated(self) -> GatedStream | None:
        flow = getattr(self, "flow", None)
        stream: object = flow.response.stream if flow and flow.response else None
        return stream if isinstance(stream, GatedStream) else None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Take completions of `CallgateWaitHook`; drop what comes after the stream was ended.

        And trailers, which RFC 9110 6.5.1 lets anybody do: they are headers that nobody strips,
        and mitmproxy has no way to send them over HTTP/1.
        """
        if isinstance(event, events.HookCompleted):
            yield from self._completed(event.command)
        elif not isinstance(event, _TRAILERS) and not (
            self._is_closed and isinstance(event, _FROM_SERVER)
        ):
            yield from super()._handle_event(event)

    def state_wait_for_response_headers(
        self, event: ResponseHeaders
    ) -> layer.CommandGenerator[None]:
        """Answer a response that is refused at once: its body may never end."""
        yield from super().state_wait_for_response_headers(event)
        if REFUSED in self.flow.metadata and self.server_state == self.state_consume_response_body:
            self._is_closed = True
            gone = RequestProtocolError(self.stream_id, "refused by Callgate", ErrorCode.CANCEL)
            yield SendHttp(gone, self.context.server)
            yield from self.send_response()

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
        """Client or API gone: stop judging, what is held is never sent.

        Of a stream that the API breaks off the app is told in the API's own form: not every
        SDK raises its own error for a connection that breaks.
        """
        gated = self._gated
        if gated and isinstance(event, ResponseProtocolError) and gated.break_off(event.message):
            yield from self._flush()
            return
        if gated:
            gated.cancel()
        self._is_closed = True
        self._judged = None
        yield from super().handle_protocol_error(event)

    def _completed(self, hook: commands.Command) -> layer.CommandGenerator[None]:
        if isinstance(hook, CallgateWaitHook):
            self._waits = False
            yield from self._flush()
        elif hook is self._judged and JUDGING in self.flow.metadata:
            yield from self._keep_alive()
            yield from self._judge()
        elif hook is self._judged:
            self._judged = None
            yield from self.send_response()
        elif judging := self.flow.metadata.pop(JUDGING, None):
            # the client is gone: a person may take an hour, and the whole body waits with it
            judging.cancel()

    def _judge(self) -> layer.CommandGenerator[None]:
        # not mitmproxy's RequestWakeup: it can not be taken back, and would keep every flow
        # for its time
        self._judged = CallgateJudgeHook(self.flow)
        self._judged.blocking = self  # type: ignore[assignment]  # as mitmproxy's layers do
        yield self._judged

    def _keep_alive(self) -> layer.CommandGenerator[None]:
        """Tell the client that its answer is being worked on."""
        front = self.http_layer.connections.get(self.context.client)
        if isinstance(front, Http2Server):
            try:
                front.h2_conn.send_headers(self.stream_id, [(b":status", b"102")])
            except h2.exceptions.ProtocolError:
                return
            yield commands.SendData(self.context.client, front.h2_conn.data_to_send())
        elif self.flow.request.http_version == "HTTP/1.1":
            yield commands.SendData(self.context.client, _INTERIM)

    def _flush(self) -> layer.CommandGenerator[None]:
        gated = self._gated
        if gated is None or self._is_closed:
            return
        if out := gated.take():
            yield self._body(out)
        if gated.is_over:
            yield from self._end(gated)
        elif gated.is_holding and not self._waits:
            self._waits = True
            hook = CallgateWaitHook(Wait(gated, self.context.client, self.context.server))
            hook.blocking = self  # type: ignore[assignment]  # as mitmproxy's layers do
            yield hook

    def _body(self, data: bytes) -> commands.Command:
        """What sends bytes of the body to the client.

        Over HTTP/1 framed as `Http1Server` does, whose layers would cost a tenth of the event.
        """
        front = self.http_layer.connections.get(self.context.client)
        if not isinstance(front, Http1Server) or not self.flow.response:
            return SendHttp(ResponseData(self.stream_id, data), self.context.client)
        if self._is_chunked is None:
            coding = self.flow.response.headers.get("transfer-encoding", "")
            self._is_chunked = "chunked" in coding.lower()
        framed = b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data
        return commands.SendData(self.context.client, framed)

    def _end(self, gated: GatedStream) -> layer.CommandGenerator[None]:
        self._is_closed = True
        if gated.is_aborted and not gated.is_broken_off:
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
        if isinstance(event, ResponseEndOfMessage) and HELD in self.flow.metadata:
            response = self.flow.response
            response.data.content = bytes(self.response_body_buf)  # type: ignore[union-attr]
            self.response_body_buf.clear()
            yield from self._judge()
            return
        yield from super().state_consume_response_body(event)


_FROM_SERVER = (ResponseData, ResponseEndOfMessage, ResponseProtocolError)
_TRAILERS = (RequestTrailers, ResponseTrailers)


def guard(http_layer: HttpLayer, max_bytes: int) -> None:
    """Make one HttpLayer build guarded streams; nothing is patched globally."""

    def make_stream(stream_id: int) -> layer.CommandGenerator[None]:
        stream = GuardedStream(http_layer.context.fork(), stream_id)
        stream.http_layer, stream.max_bytes = http_layer, max_bytes
        http_layer.streams[stream_id] = stream
        yield from http_layer.event_to_child(stream, events.Start())

    http_layer.make_stream = make_stream  # type: ignore[method-assign]


_under_way: set[asyncio.Future[None]] = set()
"""What judges long: the event loop itself would forget it."""


async def patiently(flow: http.HTTPFlow, judge: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Have a whole body judged, once; see `CallgateJudgeHook` for when to return."""
    judging = flow.metadata.pop(JUDGING, None) or asyncio.ensure_future(judge())
    if judging.done():
        return
    _under_way.add(judging)
    judging.add_done_callback(_under_way.discard)
    await asyncio.wait((judging,), timeout=INTERIM_SECONDS)
    if not judging.done():
        flow.metadata[JUDGING] = judging


@contextmanager
def paused(
    handlers: Mapping[Any, server.ConnectionHandler],
    client: connection.Client,
    source: connection.Server,
) -> Iterator[None]:
    """Read nothing from a server meanwhile; its kernel tells it to wait.

    Not over HTTP/2, where other streams come on the same connection.
    """
    handler = handlers.get(client.id)
    io = handler.transports.get(source) if handler and source.alpn != b"h2" else None
    transport = getattr(io.writer, "transport", None) if io else None
    if transport is None:
        yield
        return
    transport.pause_reading()
    try:
        yield
    finally:
        transport.resume_reading()


def hang_up(
    handlers: Mapping[Any, server.ConnectionHandler],
    client: connection.Client,
    source: connection.Server,
) -> None:
    """Close a connection to a server whose task has ended, if mitmproxy has not.

    A client that leaves has the task cancelled twice, by the flow and by the client's own end;
    where the second comes while the first is dealt with, the socket would stay open for good.
    And a task that ended by itself (without memory to receive into) has told nobody: the client
    would wait for ever.
    """
    handler = handlers.get(client.id)
    io = handler.transports.get(source) if handler else None
    if handler is None or io is None or io.writer is None:
        return
    io.writer.close()
    front = handler.transports.get(client)
    if front and front.handler:
        front.handler.cancel("the server's connection has ended")


def without_debug_checks() -> None:
    """Have mitmproxy leave out what it checks of its own messages unless Python runs with `-O`.

    The types of all fields of every request and response: a twelfth of the CPU of a request.
    """
    if hasattr(http.MessageData, "__post_init__"):
        http.MessageData.__post_init__ = _unchecked  # type: ignore[method-assign]


def _unchecked(message: http.MessageData) -> None:
    """Nothing."""


def check_compatible() -> None:
    """Raise RuntimeError when this mitmproxy does not build streams as `guard` assumes."""
    wanted = ("make_stream", "event_to_child")
    missing = [name for name in wanted if not hasattr(HttpLayer, name)]
    states = (
        "state_wait_for_response_headers",
        "state_consume_request_body",
        "state_consume_response_body",
        "state_stream_response_body",
        "handle_protocol_error",
        "send_response",
    )
    missing += [name for name in states if not hasattr(HttpStream, name)]
    if missing:
        raise RuntimeError(f"this version of mitmproxy lacks {', '.join(missing)}; use 12.2")
