"""Bounded buffers inside mitmproxy's own HTTP layer, fed with bytes as its server does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mitmproxy import connection, http, options
from mitmproxy.proxy import commands, context, events
from mitmproxy.proxy.layers.http import (
    HttpLayer,
    HTTPMode,
    HttpStream,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook, HttpResponseHook

from callgate import streaming

LIMIT = 64


class Wire:
    """One client connection and one server connection around an HttpLayer."""

    def __init__(self, on_request: Callable[[http.HTTPFlow], None] = lambda flow: None) -> None:
        opts = options.Options()
        for name, kind, value in (
            ("store_streamed_bodies", bool, False),
            ("stream_large_bodies", str, ""),
            ("body_size_limit", str, ""),
            ("validate_inbound_headers", bool, True),
            ("connection_strategy", str, "lazy"),
            ("keep_host_header", bool, False),
            ("proxy_debug", bool, False),
            ("normalize_outbound_headers", bool, True),
        ):
            opts.add_option(name, kind, value, "")
        client = connection.Client(
            peername=("127.0.0.1", 1),
            sockname=("127.0.0.1", 2),
            state=connection.ConnectionState.OPEN,
        )
        self.context = context.Context(client, opts)
        self.context.server.address = ("api.test", 80)
        self.server: connection.Connection = self.context.server
        self.layer = HttpLayer(self.context, HTTPMode.transparent)
        streaming.bound(self.layer, LIMIT)
        self.sent: dict[connection.Connection, bytes] = {}
        self.flows: list[http.HTTPFlow] = []
        self._on_request = on_request
        self.feed(events.Start())

    def feed(self, event: events.Event) -> None:
        for command in self.layer.handle_event(event):
            if isinstance(command, commands.SendData):
                old = self.sent.get(command.connection, b"")
                self.sent[command.connection] = old + command.data
            elif isinstance(command, commands.OpenConnection):
                command.connection.state = connection.ConnectionState.OPEN
                self.server = command.connection
                self.feed(events.OpenConnectionCompleted(command, None))
            elif isinstance(command, commands.StartHook):
                if isinstance(command, HttpRequestHook):
                    self.flows.append(command.flow)
                    self._on_request(command.flow)
                if isinstance(command, HttpResponseHook) and self._refuses(command.flow):
                    command.flow.response = http.Response.make(502, b"refused")
                self.feed(events.HookCompleted(command))

    @staticmethod
    def _refuses(flow: http.HTTPFlow) -> bool:
        return streaming.RESPONSE_TOO_LARGE in flow.metadata

    def from_client(self, data: bytes) -> None:
        self.feed(events.DataReceived(self.context.client, data))

    def from_server(self, data: bytes) -> None:
        self.feed(events.DataReceived(self.server, data))


def post(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nhost: api.test\r\ncontent-length: %d\r\n\r\n" % size


def refuse(flow: http.HTTPFlow) -> None:
    if streaming.REQUEST_TOO_LARGE in flow.metadata:
        flow.response = http.Response.make(403, b"refused")


def test_body_up_to_the_limit_reaches_the_hook_whole() -> None:
    wire = Wire()
    wire.from_client(post(LIMIT) + b"x" * LIMIT)
    assert wire.flows[0].request.raw_content == b"x" * LIMIT
    assert streaming.REQUEST_TOO_LARGE not in wire.flows[0].metadata
    assert wire.sent[wire.server].endswith(b"x" * LIMIT)


def test_larger_request_is_dropped_marked_and_can_be_answered() -> None:
    wire = Wire(refuse)
    wire.from_client(post(LIMIT * 3))
    for _ in range(3):
        wire.from_client(b"x" * LIMIT)
    assert wire.flows[0].request.raw_content == b""
    assert b"403" in wire.sent[wire.context.client]
    assert wire.sent[wire.context.client].endswith(b"refused")
    assert wire.server not in wire.sent


def test_larger_chunked_request_is_dropped_as_well() -> None:
    wire = Wire(refuse)
    wire.from_client(b"POST / HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(10):
        wire.from_client(b"10\r\n" + b"x" * 16 + b"\r\n")
    wire.from_client(b"0\r\n\r\n")
    assert wire.sent[wire.context.client].endswith(b"refused")


def test_larger_response_is_dropped_marked_and_can_be_replaced() -> None:
    wire = Wire()
    wire.from_client(b"GET / HTTP/1.1\r\nhost: api.test\r\n\r\n")
    wire.from_server(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (LIMIT * 2))
    wire.from_server(b"y" * LIMIT)
    wire.from_server(b"y" * LIMIT)
    assert b"502" in wire.sent[wire.context.client]
    assert wire.sent[wire.context.client].endswith(b"refused")
    assert b"yy" not in wire.sent[wire.context.client]


def test_connection_goes_on_after_a_refused_body() -> None:
    wire = Wire(refuse)
    wire.from_client(post(LIMIT * 2) + b"x" * LIMIT * 2)
    wire.from_client(post(1) + b"z")
    assert wire.flows[1].request.raw_content == b"z"


def test_installed_mitmproxy_is_compatible() -> None:
    streaming.check_compatible()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (HttpLayer, "make_stream"),
        (HttpStream, "state_consume_response_body"),
    ],
)
def test_other_mitmproxy_is_said_to_be_incompatible(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(owner, name)
    with pytest.raises(RuntimeError, match=name):
        streaming.check_compatible()
