"""Real WebSockets through the real gate: Realtime messages, and events of Responses."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.e2e.gate import Gate, StartGate
from tests.e2e.reception import client_of
from tests.e2e.websocket import WebSocket, websocket

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""
MODES = ("observe", "enforce", "withhold")
LONG = "€" * 3000
"""Longer than the pieces that mitmproxy cuts messages into, and no byte of ASCII."""

type Json = dict[str, Any]


@dataclass
class Api:
    """Asks for the tool that the app names, and keeps what the app sends."""

    host: str = ""
    received: list[Json] = field(default_factory=list)

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        is_realtime = "realtime" in connection.request.path
        if is_realtime:
            created = {"type": "session.created", "session": {"id": "sess_1"}}
            await connection.send(json.dumps(created))
        async for message in connection:
            told = json.loads(message)
            self.received.append(told)
            if told["type"] == "response.create":
                for event in asked(told["metadata"], is_realtime=is_realtime):
                    await connection.send(json.dumps(event, ensure_ascii=False))


def asked(wanted: Json, *, is_realtime: bool) -> Iterator[Json]:
    id, name = wanted["id"], wanted["tool"]
    arguments = json.dumps({"text": wanted["text"]}, ensure_ascii=False)
    item = {
        "id": f"item_{id}",
        "type": "function_call",
        "call_id": id,
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }
    said = {"item_id": item["id"], "output_index": 0, "response_id": "resp_1"}
    response = {"id": f"resp_{id}", "object": "response", "status": "completed", "model": "m"}
    if not is_realtime:
        created = {**response, "status": "in_progress", "output": []}
        yield {"type": "response.created", "response": created}
    begun = {**item, "arguments": "", "status": "in_progress"}
    yield {"type": "response.output_item.added", **said, "item": begun}
    done = {"type": "response.function_call_arguments.done", **said, "arguments": arguments}
    yield {**done, "call_id": id, "name": name} if is_realtime else done
    yield {"type": "response.output_item.done", **said, "item": item}
    kind = "response.done" if is_realtime else "response.completed"
    yield {"type": kind, "response": {**response, "output": [item]}}


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, api: Api) -> dict[str, Gate]:
    return {mode: start_shared_gate(api.host, mode=mode, policy=POLICY) for mode in MODES}


@contextmanager
def line(gate: Gate, api: Api, path: str) -> Iterator[WebSocket]:
    headers = {"Authorization": "Bearer sk-" + "app"}
    url = f"wss://{api.host}/v1/{path}"
    with websocket(gate, url, additional_headers=headers, max_size=None) as connection:
        yield connection


def ask(connection: WebSocket, tool: str, text: str = LONG) -> str:
    id = f"call_{time.monotonic_ns()}"
    wanted = {"id": id, "tool": tool, "text": text}
    connection.send(json.dumps({"type": "response.create", "model": "m", "metadata": wanted}))
    return id


def heard(connection: WebSocket, id: str) -> list[Json]:
    """Messages up to the one that ends the turn."""
    messages = []
    while True:
        message = json.loads(connection.recv())
        messages.append(message)
        is_end = message["type"] in ("response.done", "response.completed")
        if is_end and message["response"]["id"] == f"resp_{id}":
            return messages


def result_of(path: str, id: str, output: str) -> Json:
    item = {"type": "function_call_output", "call_id": id, "output": output}
    if path.startswith("realtime"):
        return {"type": "conversation.item.create", "event_id": "evt_1", "item": item}
    before = f"resp_{id}"
    return {
        "type": "response.create",
        "previous_response_id": before,
        "input": [item],
        "model": "m",
    }


pytestmark = pytest.mark.conforms(over="WebSocket")
PATHS = pytest.mark.parametrize(
    "path",
    [
        pytest.param("realtime?model=m", marks=pytest.mark.conforms(surface="realtime")),
        pytest.param("responses", marks=pytest.mark.conforms(surface="responses")),
    ],
)


@pytest.mark.conforms(promise="found")
@PATHS
@pytest.mark.parametrize("mode", MODES)
def test_allowed_call_arrives_as_it_was_sent(
    gates: dict[str, Gate], api: Api, path: str, mode: str
) -> None:
    with line(gates[mode], api, path) as connection:
        id = ask(connection, "get_weather")
        got = heard(connection, id)

    wanted = {"id": id, "tool": "get_weather", "text": LONG}
    sent = list(asked(wanted, is_realtime="realtime" in path))
    assert got[-len(sent) :] == sent


@pytest.mark.conforms(promise="result refused")
@PATHS
def test_result_of_a_denied_call_does_not_reach_the_api(
    gates: dict[str, Gate], api: Api, path: str
) -> None:
    with line(gates["enforce"], api, path) as connection:
        id = ask(connection, "run_shell")
        assert "run_shell" in json.dumps(heard(connection, id))
        connection.send(json.dumps(result_of(path, id, "ran")))
        error = json.loads(connection.recv())
        again = ask(connection, "get_weather")
        heard(connection, again)

    assert error["type"] == "error"
    assert error["error"]["code"] == "tool_call_denied"
    assert id not in json.dumps([m for m in api.received if m.get("metadata", {}).get("id") != id])


@pytest.mark.conforms(promise="withheld")
@PATHS
def test_withheld_call_is_in_no_message(gates: dict[str, Gate], api: Api, path: str) -> None:
    with line(gates["withhold"], api, path) as connection:
        got = json.dumps(heard(connection, ask(connection, "run_shell")))

    assert "run_shell" not in got
    assert "function_call" not in got
    assert "Tool call blocked by Callgate: POLICY_DENIED" in got


@pytest.mark.conforms(promise="sanitized")
@PATHS
@pytest.mark.parametrize("mode", ["enforce", "withhold"])
def test_redacted_arguments_are_the_same_in_every_message(
    gates: dict[str, Gate], api: Api, path: str, mode: str
) -> None:
    key = "AKIA" + "Q3EGRPNZ5TYWB7VD"
    with line(gates[mode], api, path) as connection:
        got = heard(connection, ask(connection, "send_message", f"key {key}"))

    told = [message["arguments"] for message in got if "arguments" in message]
    told += [message["item"]["arguments"] for message in got if "item" in message][1:]
    told += [item["arguments"] for item in got[-1]["response"]["output"]]
    assert len(told) == 3
    assert set(told) == {told[0]}
    assert json.loads(told[0])["text"].startswith("key ")
    assert key not in json.dumps(got)


@PATHS
def test_pending_call_is_held_until_it_is_approved_and_pings_go_on(
    gates: dict[str, Gate], api: Api, path: str
) -> None:
    gate = gates["withhold"]
    with line(gate, api, path) as connection:
        id = ask(connection, "refund_order")
        approval = gate.pending_approval()
        connection.ping()
        assert gate.run("approvals", "approve", approval).returncode == 0
        got = heard(connection, id)

    assert "refund_order" in json.dumps(got)
    assert LONG in json.dumps(got, ensure_ascii=False)


@pytest.mark.parametrize("path", ["realtime/calls", "realtime/client_secrets"])
def test_sessions_that_no_proxy_sees_are_refused(
    gates: dict[str, Gate], api: Api, path: str
) -> None:
    with client_of(gates["enforce"]) as client:
        answer = client.post(f"https://{api.host}/v1/{path}", json={})

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "realtime_uninspectable"
