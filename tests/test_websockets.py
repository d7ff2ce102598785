"""mitmproxy's messages through guarded sockets: what is dropped, changed and injected."""

from __future__ import annotations

import json
from typing import cast

import pytest
from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import tflow
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from callgate.enforcement import Enforcement
from callgate.exchange import Request, segments
from callgate.model import Mode
from callgate.surfaces import endpoint_for
from callgate.websockets import WebSockets
from tests.deciding import KEY, bench
from tests.test_sockets import SESSION, TARGET, TEXT, calls, result


class Servers:
    """Takes what is injected."""

    def __init__(self) -> None:
        self.injected: list[tuple[bool, bytes, bool]] = []

    def inject_websocket(
        self, flow: http.HTTPFlow, to_client: bool, message: bytes, is_text: bool
    ) -> None:
        self.injected.append((to_client, message, is_text))


class Wire:
    def __init__(self, mode: Mode = Mode.ENFORCE) -> None:
        self.servers = Servers()
        self.sockets = WebSockets(cast(Proxyserver, self.servers))
        self.flow = tflow.twebsocketflow(messages=False)
        endpoint = endpoint_for("GET", segments(TARGET))
        assert endpoint is not None
        upgrade = Request("GET", "https", "api.openai.com", 443, TARGET, (KEY,))
        self.sockets.open(self.flow, bench(mode=mode).enforcement, endpoint, upgrade)

    async def send(
        self, document: object, *, from_client: bool, kind: Opcode = Opcode.TEXT
    ) -> WebSocketMessage:
        return await self.pass_on(
            WebSocketMessage(kind, from_client, json.dumps(document).encode())
        )

    async def pass_on(self, message: WebSocketMessage) -> WebSocketMessage:
        assert self.flow.websocket is not None
        self.flow.websocket.messages.append(message)
        await self.sockets.message(self.flow)
        return message


async def test_connection_that_could_not_be_guarded_carries_nothing() -> None:
    wire = Wire()
    wire.sockets.close(wire.flow)
    endpoint = endpoint_for("GET", segments(TARGET))
    assert endpoint is not None
    broken = cast(Enforcement, object())
    with pytest.raises(AttributeError):
        wire.sockets.open(wire.flow, broken, endpoint, Request("GET", "https", "h", 443, "/", ()))
    for from_client in (True, False):
        with pytest.raises(RuntimeError, match="could not be guarded"):
            await wire.send(TEXT, from_client=from_client)


async def test_message_without_calls_goes_on_as_it_is() -> None:
    wire = Wire()
    sent = await wire.send(SESSION, from_client=False)
    asked = await wire.send({"type": "response.create"}, from_client=True)

    assert not sent.dropped
    assert not asked.dropped
    assert wire.servers.injected == []


async def test_only_the_newest_message_is_kept_in_memory() -> None:
    wire = Wire()
    for _ in range(5):
        await wire.send(TEXT, from_client=False)

    assert wire.flow.websocket is not None
    assert len(wire.flow.websocket.messages) == 1


@pytest.mark.parametrize("kind", [Opcode.TEXT, Opcode.BINARY])
async def test_refused_message_is_dropped_and_its_error_injected_in_kind(kind: Opcode) -> None:
    wire = Wire()
    for one in (SESSION, *calls("wipe")):
        await wire.send(one, from_client=False, kind=kind)
    wire.servers.injected.clear()
    refused = await wire.send(result("call_1", "wiped"), from_client=True)

    assert refused.dropped
    [(to_client, content, is_text)] = wire.servers.injected
    assert to_client
    assert is_text is (kind is Opcode.TEXT)
    assert json.loads(content)["type"] == "error"


async def test_changed_message_goes_on_changed() -> None:
    wire = Wire()
    text = {"type": "session.update", "session": {"tools": []}}
    message = await wire.send(text, from_client=True)

    assert json.loads(message.content) == text


async def test_injected_message_passes_and_is_counted() -> None:
    wire = Wire()
    await wire.send(SESSION, from_client=False)
    for one in calls("look"):
        assert (await wire.send(one, from_client=False)).dropped
    injected = WebSocketMessage(Opcode.TEXT, False, b"{}", injected=True)
    assert not (await wire.pass_on(injected)).dropped


async def test_connection_that_is_not_guarded_is_left_alone() -> None:
    wire = Wire()
    wire.sockets.close(wire.flow)
    wire.sockets.close(wire.flow)
    message = WebSocketMessage(Opcode.TEXT, False, b"no JSON")

    assert not (await wire.pass_on(message)).dropped
