"""Ways around a proxy that only a real one can show to be closed."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import pytest
from h2.settings import SettingCodes
from websockets.asyncio.server import ServerConnection, serve

from tests.e2e.gate import Gate, StartGate
from tests.e2e.servers import Server
from tests.e2e.websocket import websocket

POLICY = """\
default: allow
policies: [{name: e2e, actions: [{tool: run_shell, effect: deny}]}]
"""
REALTIME = "/v1/realtime?model=m"
CALL = {"type": "function_call", "call_id": "call_1", "name": "run_shell", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "ran " * 500}


CLEARED = '{"type":"input_audio_buffer.clear"}'


class Api:
    """Asks for a denied tool on every WebSocket, and keeps what it is sent."""

    def __init__(self) -> None:
        self.host = ""
        self.received: list[str | bytes] = []

    async def handle(self, connection: ServerConnection) -> None:
        item = {"id": "item_1", **CALL, "status": "completed"}
        await connection.send(json.dumps({"type": "session.created", "session": {"id": "s_1"}}))
        await connection.send(json.dumps({"type": "response.output_item.done", "item": item}))
        async for message in connection:
            self.received.append(message)
            await connection.send(json.dumps({"type": "heard"}))


@pytest.fixture
def api(server_context: ssl.SSLContext) -> Iterator[Api]:
    made, is_ready, over = Api(), threading.Event(), threading.Event()

    async def run() -> None:
        async with serve(made.handle, "127.0.0.1", 0, ssl=server_context) as server:
            made.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            is_ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert is_ready.wait(30)
        yield made
    finally:
        over.set()
        thread.join()


def test_compressed_and_fragmented_messages_are_read(start_gate: StartGate, api: Api) -> None:
    gate = start_gate(api.host, policy=POLICY)
    create = json.dumps({"type": "conversation.item.create", "event_id": "e_1", "item": OUTPUT})
    ways: list[str | bytes | list[str]] = [create, create.encode(), [create[:9], create[9:]]]

    url = f"wss://{api.host}{REALTIME}"
    with websocket(gate, url, compression="deflate") as connection:
        extensions = connection.connection.protocol.extensions
        assert [type(one).__name__ for one in extensions] == ["PerMessageDeflate"]
        told = [json.loads(connection.recv()) for _ in range(2)]
        assert told[1]["item"]["name"] == "run_shell"
        for way in ways:
            connection.send(way)
            error = json.loads(connection.recv())
            assert error["error"]["code"] == "tool_call_denied"
        connection.send(CLEARED)
        assert json.loads(connection.recv()) == {"type": "heard"}

    assert api.received == [CLEARED]


def test_websocket_over_http2_is_not_offered_and_not_opened(
    start_gate: StartGate, http2_server: Server
) -> None:
    gate = start_gate(http2_server.host, policy=POLICY)
    settings, events = extended_connect(gate, http2_server.host)

    assert settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL, 0) == 0
    assert not [event for event in events if isinstance(event, h2.events.ResponseReceived)]
    assert isinstance(events[-1], REFUSED)


REFUSED = (h2.events.StreamReset, h2.events.ConnectionTerminated)


def extended_connect(gate: Gate, host: str) -> tuple[dict[int, int], list[h2.events.Event]]:
    """Ask for a WebSocket as RFC 8441 says, though it is not offered; what came of it."""
    proxy = urlsplit(gate.proxy)
    plain = socket.create_connection((str(proxy.hostname), int(proxy.port or 0)), 60)
    plain.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert b" 200 " in plain.recv(65536)
    trust = ssl.create_default_context(cafile=gate.ca)
    trust.set_alpn_protocols(["h2"])
    config = h2.config.H2Configuration(validate_outbound_headers=False)
    client = h2.connection.H2Connection(config)
    events: list[h2.events.Event] = []
    settings: dict[int, int] = {}
    with trust.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        assert secure.selected_alpn_protocol() == "h2"
        client.initiate_connection()
        pseudo = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "https"}
        rest = {":path": REALTIME, ":authority": host, "sec-websocket-version": "13"}
        client.send_headers(1, list({**pseudo, **rest}.items()))
        while not (events and isinstance(events[-1], (h2.events.ResponseReceived, *REFUSED))):
            secure.sendall(client.data_to_send())
            data = secure.recv(65536)
            assert data, "the gate has closed the connection without a word"
            events += client.receive_data(data)
    for event in events:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            settings |= {code: one.new_value for code, one in event.changed_settings.items()}
    return settings, events
