"""Bounded buffers inside mitmproxy's own HTTP layer, fed with bytes as its server does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from mitmproxy import connection, http, options
from mitmproxy.proxy import commands, context, events
from mitmproxy.proxy.layers.http import (
    HttpLayer,
    HTTPMode,
    HttpStream,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from callgate import streaming
from callgate.stream import GatedStream

LIMIT = 64


class Wire:
    """One client connection and one server connection around an HttpLayer."""

    def __init__(
        self,
        on_request: Callable[[http.HTTPFlow], None] = lambda flow: None,
        alpn: bytes | None = None,
    ) -> None:
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
        client.alpn = alpn
        self.context = context.Context(client, opts)
        self.context.server.address = ("api.test", 80)
        self.server: connection.Connection = self.context.server
        self.layer = HttpLayer(self.context, HTTPMode.transparent)
        streaming.guard(self.layer, LIMIT)
        self.sent: dict[connection.Connection, bytes] = {}
        self.flows: list[http.HTTPFlow] = []
        self.closed: list[connection.Connection] = []
        self.wakeups: list[commands.RequestWakeup] = []
        self.api_alpn: bytes | None = None
        self._on_request = on_request
        self.feed(events.Start())

    def feed(self, event: events.Event) -> None:
        for command in self.layer.handle_event(event):
            if isinstance(command, commands.SendData):
                old = self.sent.get(command.connection, b"")
                self.sent[command.connection] = old + command.data
            elif isinstance(command, commands.OpenConnection):
                command.connection.state = connection.ConnectionState.OPEN
                command.connection.alpn = self.api_alpn
                self.server = command.connection
                self.feed(events.OpenConnectionCompleted(command, None))
            elif isinstance(command, commands.StartHook):
                if isinstance(command, HttpRequestHook):
                    self.flows.append(command.flow)
                    self._on_request(command.flow)
                if isinstance(command, HttpResponseHook) and self._refuses(command.flow):
                    command.flow.response = http.Response.make(502, b"refused")
                if self.hook(command):
                    self.feed(events.HookCompleted(command))
            elif isinstance(command, commands.RequestWakeup):
                self.wakeups.append(command)
            elif isinstance(command, commands.CloseConnection):
                self.closed.append(command.connection)

    def hook(self, command: commands.StartHook) -> bool:
        """Tell whether the hook is completed at once."""
        return True

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


# -- gated streams --------------------------------------------------------------------------


class Gated(GatedStream):
    """A stream whose one event waits until the test lets it go."""

    def __init__(self) -> None:
        self.fed: list[bytes] = []
        self.ready = b""
        self.holds = True
        self.ended = self.was_cancelled = False
        self.is_aborted = self.is_broken_off = False
        self.can_tell = False

    def feed(self, data: bytes) -> None:
        self.fed.append(data)

    def finish(self) -> None:
        self.ended = True

    def cancel(self) -> None:
        self.was_cancelled = True

    def break_off(self, why: str) -> bool:
        if self.can_tell:
            self.ready, self.holds, self.ended = b"it broke", False, True
            self.is_aborted = self.is_broken_off = True
        return self.can_tell

    def take(self) -> bytes:
        out, self.ready = self.ready, b""
        return out

    @property
    def is_holding(self) -> bool:
        return self.holds

    @property
    def is_over(self) -> bool:
        return self.ended and not self.holds


class StreamWire(Wire):
    """Answers with a gated stream; wait hooks stay open until the test completes them."""

    def __init__(self, framing: bytes = b"transfer-encoding: chunked") -> None:
        self.gated = Gated()
        self.waiting: list[streaming.CallgateWaitHook] = []
        self.finished: list[http.HTTPFlow] = []
        super().__init__()
        self.from_client(b"POST / HTTP/1.1\r\nhost: api.test\r\ncontent-length: 0\r\n\r\n")
        self.from_server(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)

    def hook(self, command: commands.StartHook) -> bool:
        if isinstance(command, streaming.CallgateWaitHook):
            self.waiting.append(command)
            return False
        if isinstance(command, HttpResponseHeadersHook):
            assert command.flow.response is not None
            command.flow.response.stream = self.gated  # type: ignore[assignment]
        if isinstance(command, HttpResponseHook):
            self.finished.append(command.flow)
        return True

    def chunk(self, data: bytes) -> None:
        self.from_server(b"%x\r\n%s\r\n" % (len(data), data))

    def look_again(self) -> None:
        self.feed(events.HookCompleted(self.waiting.pop()))

    @property
    def got(self) -> bytes:
        return self.sent.get(self.context.client, b"")


def test_body_that_is_not_chunked_goes_out_as_it_is() -> None:
    wire = StreamWire(b"connection: close")
    wire.gated.ready = b"text"
    wire.from_server(b"text")
    assert wire.got.endswith(b"\r\n\r\ntext")


def test_held_events_go_out_when_the_gate_says_so_and_one_hook_waits() -> None:
    wire = StreamWire()
    wire.chunk(b"call")
    wire.chunk(b"more")
    assert wire.gated.fed == [b"call", b"more"]
    assert len(wire.waiting) == 1
    assert b"call" not in wire.got
    wire.gated.ready = b"call"
    wire.look_again()
    assert b"4\r\ncall\r\n" in wire.got
    assert len(wire.waiting) == 1, "the stream still holds something"


def test_text_goes_out_while_something_is_held() -> None:
    wire = StreamWire()
    wire.chunk(b"call")
    wire.gated.ready = b"text"
    wire.chunk(b"text")
    assert b"text" in wire.got


def test_end_of_the_stream_waits_for_the_last_verdict() -> None:
    wire = StreamWire()
    wire.chunk(b"call")
    wire.from_server(b"0\r\n\r\n")
    assert wire.gated.ended
    assert wire.finished == []
    assert not wire.got.endswith(b"0\r\n\r\n")
    wire.gated.holds = False
    wire.gated.ready = b"call"
    wire.look_again()
    assert wire.got.endswith(b"4\r\ncall\r\n0\r\n\r\n")
    assert len(wire.finished) == 1


def test_aborted_stream_ends_once_and_late_data_is_dropped() -> None:
    wire = StreamWire()
    wire.gated.ready = b"error"
    wire.gated.holds, wire.gated.ended, wire.gated.is_aborted = False, True, True
    wire.chunk(b"call")
    assert wire.got.endswith(b"5\r\nerror\r\n0\r\n\r\n")
    assert wire.server in wire.closed
    before = wire.got
    wire.feed(events.ConnectionClosed(wire.server))
    assert wire.got == before
    assert len(wire.finished) == 1


@pytest.mark.parametrize("who", ["client", "server"])
def test_gone_peer_stops_the_judging_and_nothing_held_is_sent(who: str) -> None:
    wire = StreamWire()
    wire.chunk(b"call")
    gone = wire.context.client if who == "client" else wire.server
    gone.state = connection.ConnectionState.CLOSED
    wire.feed(events.ConnectionClosed(gone))
    assert wire.gated.was_cancelled
    wire.gated.ready = b"call"
    wire.look_again()
    assert b"call" not in wire.got


def test_stream_that_the_api_breaks_off_ends_with_what_the_gate_says_of_it() -> None:
    wire = StreamWire()
    wire.gated.can_tell = True
    wire.chunk(b"call")
    wire.server.state = connection.ConnectionState.CLOSED
    wire.feed(events.ConnectionClosed(wire.server))
    assert wire.got.endswith(b"8\r\nit broke\r\n0\r\n\r\n")
    assert b"call" not in wire.got
    assert len(wire.finished) == 1
    wire.look_again()
    assert wire.got.endswith(b"0\r\n\r\n")


class RefusingWire(Wire):
    """Refuses on the response's headers; `response` answers."""

    def hook(self, command: commands.StartHook) -> bool:
        if isinstance(command, HttpResponseHeadersHook):
            command.flow.metadata[streaming.REFUSED] = True
        if isinstance(command, HttpResponseHook):
            command.flow.response = http.Response.make(502, b"refused")
        return True


@pytest.mark.parametrize("rest", [b"2\r\nxx\r\n", b"2\r\nxx\r\n0\r\n\r\n", b""])
def test_refused_response_is_answered_before_its_body_has_come(rest: bytes) -> None:
    wire = RefusingWire()
    wire.from_client(post(0))
    wire.from_server(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    got = wire.sent[wire.context.client]
    assert got.startswith(b"HTTP/1.1 502 ")
    assert got.endswith(b"refused")
    assert wire.server in wire.closed
    wire.from_server(rest)
    assert wire.sent[wire.context.client] == got
    wire.server.state = connection.ConnectionState.CLOSED
    wire.feed(events.ConnectionClosed(wire.server))
    assert wire.sent[wire.context.client] == got
    wire.from_client(post(0))
    assert len(wire.flows) == 2


def test_stream_that_is_not_gated_passes() -> None:
    wire = StreamWire()
    flow = wire.flows[0]
    assert flow.response is not None
    flow.response.stream = True
    wire.chunk(b"plain")
    assert b"5\r\nplain\r\n" in wire.got


# -- whole bodies that wait ------------------------------------------------------------------


class HeldWire(Wire):
    """Holds its answer until the test completes the hook that judges it."""

    def __init__(self, version: bytes = b"HTTP/1.1") -> None:
        self.judging: list[streaming.CallgateJudgeHook] = []
        self.cancelled: list[bool] = []
        super().__init__()
        self.from_client(b"GET / %s\r\nhost: api.test\r\n\r\n" % version)
        self.from_server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    def hook(self, command: commands.StartHook) -> bool:
        if isinstance(command, streaming.CallgateJudgeHook):
            self.judging.append(command)
            return False
        if isinstance(command, HttpResponseHeadersHook):
            command.flow.metadata[streaming.HELD] = True
        return True

    def goes_on(self) -> None:
        """It is still not known what becomes of it."""
        hook = self.judging[-1]
        task = SimpleNamespace(cancel=lambda: self.cancelled.append(True))
        hook.flow.metadata[streaming.JUDGING] = task
        self.feed(events.HookCompleted(hook))

    def is_judged(self) -> None:
        hook = self.judging[-1]
        hook.flow.metadata.pop(streaming.JUDGING, None)
        self.feed(events.HookCompleted(hook))

    @property
    def got(self) -> bytes:
        return self.sent.get(self.context.client, b"")


def test_held_body_goes_out_when_it_is_judged() -> None:
    wire = HeldWire()
    assert wire.got == b""
    flow = wire.judging[0].flow
    assert flow.response is not None
    assert flow.response.content == b"{}"
    flow.response.content = b'{"judged":true}'
    wire.is_judged()
    assert wire.got.endswith(b'{"judged":true}')
    assert b"102" not in wire.got


def test_client_of_a_held_body_is_told_that_it_is_worked_on() -> None:
    wire = HeldWire()
    wire.goes_on()
    wire.goes_on()
    assert wire.got == b"HTTP/1.1 102 Processing\r\n\r\n" * 2
    wire.is_judged()
    assert wire.got.endswith(b"200 OK\r\ncontent-length: 2\r\n\r\n{}")


def test_client_that_knows_no_interim_answers_gets_none() -> None:
    wire = HeldWire(b"HTTP/1.0")
    wire.goes_on()
    assert wire.got == b""


def test_held_body_of_a_client_that_is_gone_is_not_sent() -> None:
    wire = HeldWire()
    wire.context.client.state = connection.ConnectionState.CLOSED
    wire.feed(events.ConnectionClosed(wire.context.client))
    wire.goes_on()
    assert len(wire.judging) == 1
    assert wire.got == b""


def test_held_body_of_a_client_that_is_gone_is_not_judged_any_more() -> None:
    wire = HeldWire()
    wire.goes_on()
    assert wire.cancelled == []
    wire.context.client.state = connection.ConnectionState.CLOSED
    wire.feed(events.ConnectionClosed(wire.context.client))
    wire.goes_on()
    assert wire.cancelled == [True]
    assert streaming.JUDGING not in wire.judging[0].flow.metadata


class Http2Wire(HeldWire):
    """The client speaks HTTP/2."""

    def __init__(self) -> None:
        self.judging = []
        self.front = h2.connection.H2Connection()
        self.cancelled = []
        Wire.__init__(self, alpn=b"h2")
        self.front.initiate_connection()
        head = [
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":authority", b"api.test"),
            (b":path", b"/"),
        ]
        self.front.send_headers(1, head, end_stream=True)
        self.from_client(self.front.data_to_send())
        self.from_server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    def told(self) -> list[object]:
        return self.front.receive_data(self.sent.pop(self.context.client))  # type: ignore[return-value]


def test_client_of_a_held_body_is_told_over_http2_as_well() -> None:
    wire = Http2Wire()
    wire.goes_on()
    wire.goes_on()
    interim = [e for e in wire.told() if isinstance(e, h2.events.InformationalResponseReceived)]
    assert [dict(e.headers or ())[b":status"] for e in interim] == [b"102", b"102"]
    wire.is_judged()
    kinds = [type(event) for event in wire.told()]
    assert h2.events.ResponseReceived in kinds
    assert h2.events.StreamEnded in kinds


def test_stream_that_was_reset_meanwhile_is_told_nothing() -> None:
    wire = Http2Wire()
    wire.told()
    stream = next(iter(wire.layer.streams.values()))
    assert isinstance(stream, streaming.GuardedStream)
    front = wire.layer.connections[wire.context.client]
    front.h2_conn.reset_stream(1)  # type: ignore[attr-defined]
    front.h2_conn.data_to_send()  # type: ignore[attr-defined]
    wire.goes_on()
    assert wire.context.client not in wire.sent


# -- back-pressure ---------------------------------------------------------------------------


class Transport:
    def __init__(self) -> None:
        self.steps: list[str] = []

    def pause_reading(self) -> None:
        self.steps.append("pause")

    def resume_reading(self) -> None:
        self.steps.append("resume")


@pytest.mark.parametrize(
    ("alpn", "is_known", "steps"),
    [
        (b"http/1.1", True, ["pause", "read", "resume"]),
        (None, True, ["pause", "read", "resume"]),
        (b"h2", True, ["read"]),
        (None, False, ["read"]),
    ],
)
def test_server_is_not_read_from_meanwhile_but_over_http2(
    alpn: bytes | None, is_known: bool, steps: list[str]
) -> None:
    transport = Transport()
    client = connection.Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2))
    source = connection.Server(address=("api.test", 443))
    source.alpn = alpn
    io = SimpleNamespace(writer=SimpleNamespace(transport=transport))
    handler = SimpleNamespace(transports={source: io})
    handlers: Any = {client.id: handler} if is_known else {}
    with streaming.paused(handlers, client, source):
        transport.steps.append("read")
    assert transport.steps == steps


class Writer:
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("is_forgotten", [True, False])
def test_connection_that_mitmproxy_has_forgotten_to_close_is_closed(is_forgotten: bool) -> None:
    writer = Writer()
    client = connection.Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2))
    source, other = (connection.Server(address=("api.test", port)) for port in (443, 444))
    opening = SimpleNamespace(writer=None)
    left = {source: SimpleNamespace(writer=writer)} if is_forgotten else {}
    handlers: Any = {client.id: SimpleNamespace(transports={**left, other: opening})}
    for one in (source, other):
        streaming.hang_up(handlers, client, one)
    streaming.hang_up({}, client, source)
    assert writer.is_closed is is_forgotten


def test_client_of_a_server_connection_that_nobody_reads_any_more_is_let_go() -> None:
    client = connection.Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2))
    source = connection.Server(address=("api.test", 443))
    told: list[str] = []
    transports = {
        source: SimpleNamespace(writer=SimpleNamespace(close=lambda: told.append("closed"))),
        client: SimpleNamespace(handler=SimpleNamespace(cancel=told.append)),
    }
    handlers: Any = {client.id: SimpleNamespace(transports=transports)}
    streaming.hang_up(handlers, client, source)
    assert told == ["closed", "the server's connection has ended"]


def test_messages_are_made_without_a_look_at_each_type(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []

    def look(message: object) -> None:
        looked.append(message)

    monkeypatch.setattr(http.MessageData, "__post_init__", look)
    http.Response.make(200, b"{}")
    assert len(looked) == 1

    streaming.without_debug_checks()

    assert http.Response.make(200, b"{}").content == b"{}"
    assert len(looked) == 1


@pytest.mark.parametrize("app_alpn", [None, b"h2"], ids=["HTTP/1 app", "HTTP/2 app"])
def test_trailers_over_http2_are_dropped_both_ways(app_alpn: bytes | None) -> None:
    wire = Wire(alpn=app_alpn)
    wire.api_alpn = b"h2"
    api = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    app = h2.connection.H2Connection()
    if app_alpn:
        app.initiate_connection()
        path = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "api")]
        app.send_headers(1, path)
        app.send_headers(1, [("x-http-method-override", "DELETE")], end_stream=True)
        wire.from_client(app.data_to_send())
    else:
        wire.from_client(b"GET / HTTP/1.1\r\nhost: api.test\r\n\r\n")
    asked = api.receive_data(wire.sent[wire.server])
    api.send_headers(1, [(":status", "200")])
    api.send_data(1, b"ok")
    api.send_headers(1, [("callgate-decision", "allow")], end_stream=True)
    wire.from_server(api.data_to_send())

    told = wire.sent[wire.context.client]
    if app_alpn:
        heard = app.receive_data(told)
        body = [event.data or b"" for event in heard if isinstance(event, h2.events.DataReceived)]
        assert b"".join(body) == b"ok"
    else:
        assert told.endswith(b"\r\n\r\nok")
        heard = []
    for happened in (asked, heard):
        assert not [e for e in happened if isinstance(e, h2.events.TrailersReceived)]
    assert [e for e in asked if isinstance(e, h2.events.StreamEnded)]
    assert wire.layer.streams == {}


@pytest.mark.parametrize("hook", [streaming.CallgateWaitHook, streaming.CallgateJudgeHook])
def test_hooks_have_the_one_argument_that_mitmproxys_server_takes(hook: type) -> None:
    assert len(dataclasses.fields(hook)) == 1
