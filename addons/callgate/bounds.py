"""Bounds of what one connection may take, and errors in the API's own form.

mitmproxy reads heads of any length for any time, waits for more behind an empty line, keeps what
a client sends ahead, gives up on interim responses and trailers of HTTP/1.1 servers, and says in
HTML what went wrong.
"""

from __future__ import annotations

import json
import re

import h11
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server

from callgate.exchange import ApiError

HEAD_BYTES = 128 << 10
"""Of a head, of a chunk's line, and of what a client sends before it has its answer."""

HEAD_SECONDS = 60.0
"""For a head, from its first bytes; an idle connection has mitmproxy's ten minutes."""

_WHY_CHARACTERS = 300
"""mitmproxy quotes all that it could not read."""

_UNTRUSTED = "Certificate verify failed"
"""mitmproxy/proxy/layers/tls.py: `ServerTLSLayer`."""

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d\b")


def install() -> None:
    """Have mitmproxy build the connections of this module.

    Raises RuntimeError when this mitmproxy builds them in another way.
    """
    ours = (
        (layers, "Http1Server", BoundedServer),
        (layers, "Http1Client", BoundedClient),
        (layers, "Http2Server", TellingServer),
        (_http1, "make_error_response", _assembled),
    )
    if missing := [name for place, name, _ in ours if not hasattr(place, name)]:
        raise RuntimeError(f"this version of mitmproxy lacks {', '.join(missing)}; use 12.2")
    for place, name, part in ours:
        setattr(place, name, part)


class _Bounded(Http1Connection):
    """An HTTP/1 connection whose buffer does not grow for ever."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super()._handle_event(event)
        is_read = self.state not in (self.passthrough, self.done)
        if isinstance(event, events.DataReceived) and is_read and len(self.buf) > HEAD_BYTES:
            yield from self._end(f"more than {HEAD_BYTES >> 10} KiB that are no body", 431)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Read the body and drop what trails it (RFC 9110 6.5.1 lets anybody do so)."""
        if not isinstance(self.body_reader, _WithoutTrailers):
            self.body_reader = _WithoutTrailers(self.body_reader)  # type: ignore[assignment]
        yield from super().read_body(event)

    def _end(self, why: str, status: int) -> layer.CommandGenerator[None]:
        """Close the connection because of what came on it."""
        yield commands.CloseConnection(self.conn)
        self.state = self.done
        if self.stream_id is not None:
            failed = self.ReceiveProtocolError(self.stream_id, why, self.ReceiveProtocolError.code)
            yield ReceiveHttp(failed)


class _WithoutTrailers:
    """A reader of a body that tells of no trailers."""

    def __init__(self, reader: object) -> None:
        self._reader = reader

    def __call__(self, buffer: object) -> object:
        event = self._reader(buffer)  # type: ignore[operator]
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event

    def read_eof(self) -> object:
        return self._reader.read_eof()  # type: ignore[attr-defined]


class BoundedClient(_Bounded, Http1Client):
    """The side of the API: interim responses are passed over."""

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """Wait for the head of the response itself."""
        if isinstance(event, events.DataReceived) and self.request:
            while _INTERIM.match(bytes(self.buf)[:16]) and self.buf.maybe_extract_lines():
                pass
        yield from super().read_headers(event)


class BoundedServer(_Bounded, Http1Server):
    """The side of the app: a head that does not come is not waited for."""

    _patience: commands.RequestWakeup | None = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            if event.command is self._patience and self._is_in_head:
                yield from self._end("the request's head did not come in time", 408)
            return
        yield from super()._handle_event(event)
        if not self._is_in_head:
            self._patience = None
        elif self._patience is None:
            self._patience = commands.RequestWakeup(HEAD_SECONDS)
            yield self._patience

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """Wait for a head; an empty line before it is passed over (RFC 9112 2.2)."""
        if isinstance(event, events.DataReceived) and bytes(self.buf)[:2] == b"\r\n":
            self.buf.maybe_extract_lines()
        yield from super().read_headers(event)

    @property
    def _is_in_head(self) -> bool:
        return self.state == self.read_headers and bool(self.buf)

    def _end(self, why: str, status: int) -> layer.CommandGenerator[None]:
        if self.state == self.read_headers:
            yield commands.SendData(self.conn, _assembled(status, why))
            yield commands.CloseConnection(self.conn)
            self.state = self.done
        else:
            yield from super()._end(why, status)

    def send(self, event: HttpEvent) -> layer.CommandGenerator[None]:
        """Send, and take an interim response for no answer yet."""
        yield from super().send(event)
        if isinstance(event, ResponseHeaders) and event.response.status_code == 100:
            self.response = None


class TellingServer(Http2Server):
    """The side of an app that speaks HTTP/2."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        status = event.code.http_status_code() if isinstance(event, _FAILED) else None
        if not isinstance(event, _FAILED) or status is None or not self._is_unanswered(event):
            yield from super()._handle_event(event)
            return
        id, response = event.stream_id, error_response(status, event.message)
        del response.headers["connection"]
        yield from super()._handle_event(ResponseHeaders(id, response, end_stream=False))
        yield from super()._handle_event(ResponseData(id, response.raw_content or b""))
        yield from super()._handle_event(ResponseEndOfMessage(id))

    def _is_unanswered(self, event: HttpEvent) -> bool:
        id = event.stream_id
        if self.is_closed(id) or not self.is_open_for_us(id):
            return False
        return not self.h2_conn.streams[id].state_machine.headers_sent


_FAILED = ResponseProtocolError


def error_response(status: int, why: str) -> http.Response:
    """The connection's last response, in the form that OpenAI's SDKs raise."""
    is_ours = status >= 500
    why = why[:_WHY_CHARACTERS]
    if why.startswith(_UNTRUSTED):
        why += "; --upstream-ca has the gate trust a private CA too"
    error = ApiError(
        f"Callgate could not get the API's response: {why}" if is_ours else why,
        "upstream_failed" if is_ours else "request_not_readable",
        type="api_error" if is_ours else "invalid_request_error",
    )
    headers = {"content-type": "application/json", "connection": "close"}
    return http.Response.make(status, json.dumps(error.as_json()), headers)


def _assembled(status_code: int, message: str = "") -> bytes:
    assembled: bytes = http1.assemble_response(error_response(status_code, message))
    return assembled
