"""The gateway's routes, and what they answer when something breaks."""

from __future__ import annotations

import pytest
from starlette.types import Message

from callgate.errors import StoreError
from callgate.gateway.decisions import Decisions
from tests.deciding import ScriptedScanner
from tests.gateway.front import KEY, front


async def test_health_needs_no_key_and_says_when_the_store_fails() -> None:
    made = front()
    assert (await made.get("/health", key=None)).json()["status"] == "ok"
    made.store.failure = StoreError("gone")
    assert (await made.get("/health", key=None)).status_code == 503


async def test_nothing_else_is_served() -> None:
    made = front()
    assert (await made.get("/v1/models")).status_code == 404
    assert (await made.post("/v1/chat/completions", {})).status_code == 404
    assert (await made.get("/v1/scan")).status_code == 404
    async with made.client() as client:
        answer = await client.options("/v1/scan")
    assert answer.status_code == 405
    assert answer.json()["error"]


async def test_client_that_goes_away_asks_nothing() -> None:
    made = front()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer " + KEY.encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/scan", "headers": headers}
    await made.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert await made.store.records() == []


async def test_scanner_that_fails_is_a_denial() -> None:
    made = front(scanners=[ScriptedScanner(RuntimeError("no"))])
    assert (await made.scan("mcp://look"))["reason_codes"] == ["SCANNER_UNAVAILABLE"]
    answer = await made.post("/execute", {"tool": "look", "arguments": {}})
    assert (answer.status_code, answer.json()["data"]["action"]) == (403, "deny")


async def test_fault_of_its_own_is_a_denial_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Decisions, asked: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Decisions, "decide", broken)
    made = front()
    told = await made.scan("mcp://look")
    assert (told["decision"], told["reason_codes"]) == ("DENY", ["SCANNER_UNAVAILABLE"])
    answer = await made.post("/execute", {"tool": "look", "arguments": {}})
    assert answer.status_code == 500
