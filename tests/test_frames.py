"""WebSocket messages as they come in frames and pieces, and what is injected between them."""

from __future__ import annotations

import pytest
from mitmproxy import connection, http, options
from mitmproxy.proxy import commands, context, events
from mitmproxy.proxy.layers import websocket
from mitmproxy.test import tflow
from mitmproxy.websocket import WebSocketMessage
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, TextMessage
from wsproto.frame_protocol import Opcode

from callgate import frames

LIMIT = 100_000


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket.Fragmentizer, "FRAGMENT_SIZE", 4000)
    monkeypatch.setattr(websocket, "WebsocketLayer", websocket.WebsocketLayer)
    monkeypatch.setattr(frames.Messages, "max_bytes", 0)
    frames.install(LIMIT)


class Wire:
    """An app and an API at both ends of mitmproxy's layer."""

    def __init__(self) -> None:
        self.flow: http.HTTPFlow = tflow.twebsocketflow(messages=False)
        client, server = self.flow.client_conn, self.flow.server_conn
        for one in (client, server):
            one.state = connection.ConnectionState.OPEN
        made = context.Context(client, options.Options())
        made.server = server
        self.app = Connection(ConnectionType.CLIENT)
        self.api = Connection(ConnectionType.SERVER)
        self._ends = {client: self.app, server: self.api}
        self.closed: list[connection.Connection] = []
        self.hooks: list[str] = []
        self.layer = websocket.WebsocketLayer(made, self.flow)
        self._feed(events.Start())

    def _feed(self, event: events.Event) -> None:
        for command in self.layer.handle_event(event):
            if isinstance(command, commands.SendData):
                self._ends[command.connection].receive_data(command.data)
            elif isinstance(command, commands.CloseConnection):
                self.closed.append(command.connection)
            elif isinstance(command, commands.StartHook):
                self.hooks.append(command.name)
                self._feed(events.HookCompleted(command))

    def from_api(self, raw: bytes) -> None:
        self._feed(events.DataReceived(self.flow.server_conn, raw))

    def from_app(self, raw: bytes) -> None:
        self._feed(events.DataReceived(self.flow.client_conn, raw))

    def inject(self, text: str) -> None:
        message = WebSocketMessage(Opcode.TEXT, False, text.encode(), injected=True)
        self._feed(websocket.WebSocketMessageInjected(self.flow, message))

    def heard(self, end: Connection) -> list[str | bytes]:
        """The whole messages that have come to an end."""
        whole: list[str | bytes] = []
        parts: list[str | bytes] = []
        for event in end.events():
            if isinstance(event, Message):
                parts.append(event.data)
                if event.message_finished:
                    whole.append(type(event.data)().join(parts))
                    parts = []
        return whole


def test_message_that_is_injected_into_a_begun_one_stands_alone() -> None:
    wire = Wire()
    raw = wire.api.send(TextMessage("a message of the API's, in two segments"))
    wire.from_api(raw[:9])
    wire.inject("held until now")
    assert wire.heard(wire.app) == ["held until now"]
    wire.from_api(raw[9:])
    assert wire.heard(wire.app) == ["a message of the API's, in two segments"]


def test_message_that_is_injected_between_fragments_stands_alone() -> None:
    wire = Wire()
    wire.from_api(wire.api.send(TextMessage('{"type": "call"}', message_finished=False)))
    wire.inject("held until now")
    wire.from_api(wire.api.send(TextMessage(" ", message_finished=True)))
    assert wire.heard(wire.app) == ["held until now", '{"type": "call"} ']


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_fragments_in_pieces_come_together(step: int) -> None:
    wire = Wire()
    raw = b"".join(
        wire.app.send(TextMessage(part, message_finished=part == "!")) for part in ("gr", "ü€", "!")
    )
    raw += wire.app.send(BytesMessage(b"\x00\xff"))
    for start in range(0, len(raw), step):
        wire.from_app(raw[start : start + step])
    assert wire.heard(wire.api) == ["grü€!", b"\x00\xff"]


def test_fragments_stay_fragments() -> None:
    wire = Wire()
    for part, is_last in (("one", False), ("two", True)):
        wire.from_api(wire.api.send(TextMessage(part, message_finished=is_last)))
    assert [event.data for event in wire.app.events() if isinstance(event, Message)] == [
        "one",
        "two",
    ]


@pytest.mark.parametrize("piece", [b"x" * 1000, b""], ids=["content", "frames"])
def test_message_without_end_closes_both_connections(piece: bytes) -> None:
    wire = Wire()
    wire.from_app(wire.app.send(BytesMessage(piece, message_finished=False)))
    endless = wire.app.send(BytesMessage(piece, message_finished=False)) * 100
    for _ in range(100):
        wire.from_app(endless)
        if wire.closed:
            break
    assert wire.closed == [wire.flow.server_conn, wire.flow.client_conn]
    assert [event.code for event in wire.app.events() if isinstance(event, CloseConnection)] == [
        1009
    ]
    assert wire.heard(wire.api) == []
    assert wire.hooks == ["websocket_start", "websocket_end"]
    wire.from_app(endless)
    wire.inject("too late")
    assert wire.heard(wire.app) == []


def test_message_as_large_as_may_be_passes() -> None:
    wire = Wire()
    wire.from_app(wire.app.send(BytesMessage(b"x" * (LIMIT - 64))))
    wire.from_app(wire.app.send(BytesMessage(b"x" * (LIMIT - 64))))
    assert [len(one) for one in wire.heard(wire.api)] == [LIMIT - 64] * 2


def test_changed_messages_go_out_in_one_frame() -> None:
    text = "€" * 5000
    [frame] = websocket.Fragmentizer([], True)(text.encode())
    assert frame.data == text


def test_mitmproxy_that_cuts_frames_otherwise_is_said_to_be_incompatible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(websocket.Fragmentizer, "FRAGMENT_SIZE")
    with pytest.raises(RuntimeError, match="FRAGMENT_SIZE"):
        frames.install(LIMIT)
