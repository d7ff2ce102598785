"""Messages of a WebSocket both ways, with a real gate behind the Realtime surface."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callgate.annotation import notice
from callgate.exchange import Request, segments
from callgate.model import Mode
from callgate.sockets import GuardedSocket
from callgate.stream import ORDER_SECONDS
from callgate.surfaces import endpoint_for
from tests.deciding import KEY, Bench, bench

TARGET = "/v1/realtime?model=gpt-realtime"
SESSION = {"type": "session.created", "session": {"id": "sess_1", "object": "realtime.session"}}
TEXT = {"type": "response.output_text.delta", "item_id": "item_t", "delta": "hello"}


class Line:
    """A connection: what the app was sent, in order."""

    def __init__(self, made: Bench, target: str = TARGET) -> None:
        self.made = made
        self.got: list[dict[str, Any]] = []
        upgrade = Request("GET", "https", "api.openai.com", 443, target, (KEY,))
        endpoint = endpoint_for("GET", segments(target))
        assert endpoint is not None
        assert endpoint.is_socket
        self.socket = GuardedSocket(made.enforcement, endpoint, upgrade, self._injected)
        self.on_the_way: list[bytes] = []

    def _injected(self, content: bytes) -> None:
        self.on_the_way.append(content)

    def flush(self) -> None:
        """The proxy sends what was injected."""
        for content in self.on_the_way:
            self.socket.passed()
            self.got.append(json.loads(content))
        self.on_the_way.clear()

    def from_api(self, *messages: object) -> None:
        for one in messages:
            content = one if isinstance(one, bytes) else json.dumps(one).encode()
            if self.socket.from_api(content):
                self.got.append(json.loads(content))

    async def from_app(self, document: object) -> Any:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        passed = await self.socket.from_app(content)
        return None if passed is None else json.loads(passed)

    async def settled(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        self.flush()

    @property
    def kinds(self) -> list[str]:
        return [str(message["type"]) for message in self.got]


def calls(name: str, id: str = "call_1", item: str = "item_1") -> list[dict[str, Any]]:
    said = {"item_id": item, "response_id": "resp_1", "output_index": 0}
    whole = {
        "id": item,
        "object": "realtime.item",
        "type": "function_call",
        "name": name,
        "call_id": id,
    }
    return [
        {
            "type": "response.output_item.added",
            **said,
            "item": {**whole, "status": "in_progress", "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", **said, "call_id": id, "delta": "{}"},
        {
            "type": "response.function_call_arguments.done",
            **said,
            "call_id": id,
            "name": name,
            "arguments": "{}",
        },
    ]


def result(id: str, output: str) -> dict[str, Any]:
    item = {"type": "function_call_output", "call_id": id, "output": output}
    return {"type": "conversation.item.create", "event_id": "evt_1", "item": item}


async def opened(mode: Mode = Mode.ENFORCE) -> Line:
    line = Line(bench(mode=mode))
    line.from_api(SESSION)
    return line


@pytest.mark.parametrize("mode", Mode)
async def test_allowed_call_passes_as_it_is_and_so_does_its_result(mode: Mode) -> None:
    line = await opened(mode)
    line.from_api(*calls("look"))
    await line.settled()

    assert line.got == [SESSION, *calls("look")]
    assert await line.from_app(result("call_1", "done")) == result("call_1", "done")


async def test_result_of_a_denied_call_is_refused_by_an_error_event() -> None:
    line = await opened()
    line.from_api(*calls("wipe"))
    await line.settled()

    assert await line.from_app(result("call_1", "wiped")) is None
    line.flush()
    error = line.got[-1]["error"]
    assert line.got[-1]["type"] == "error"
    assert (error["code"], error["event_id"]) == ("tool_call_denied", "evt_1")
    [decision] = await line.made.gate.known("realtime", "api.openai.com:443", "sessions/sess_1")
    assert await line.from_app(result("call_1", notice(decision))) is not None


async def test_observe_refuses_nothing() -> None:
    line = await opened(Mode.OBSERVE)
    line.from_api(*calls("wipe"))
    await line.settled()

    assert await line.from_app(result("call_1", "wiped")) is not None


async def test_withheld_call_is_in_no_message() -> None:
    line = await opened(Mode.WITHHOLD)
    line.from_api(*calls("wipe"))
    line.from_api(TEXT)
    await line.settled()

    assert "wipe" not in json.dumps(line.got).replace("Tool call blocked", "")
    assert TEXT in line.got


async def test_pending_call_is_held_until_it_is_approved_and_text_goes_past() -> None:
    line = await opened(Mode.WITHHOLD)
    line.from_api(*calls("pay"))
    line.from_api(TEXT)
    await asyncio.sleep(2 * ORDER_SECONDS)
    await line.settled()
    assert line.got == [SESSION, TEXT]

    [item] = await line.made.approvals.pending()
    await line.made.approvals.approve(item.approval.id, by="kim")
    await asyncio.sleep(0.6)
    await line.settled()
    assert line.got == [SESSION, TEXT, *calls("pay")]


async def test_messages_keep_their_order_while_one_is_on_its_way() -> None:
    line = await opened()
    line.from_api(*calls("look"))
    await asyncio.sleep(0.05)
    assert line.on_the_way
    line.from_api(TEXT)
    assert TEXT not in line.got
    line.flush()
    line.from_api({**TEXT, "delta": "again"})

    assert line.got == [SESSION, *calls("look"), TEXT, {**TEXT, "delta": "again"}]


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"{", b"[]", b'{"type":"a","type":"b"}'])
async def test_what_can_not_be_read_ends_the_connection(garbage: bytes) -> None:
    line = await opened()
    line.from_api(garbage)
    line.flush()
    assert line.got[-1]["error"]["code"] == "response_not_inspectable"
    line.from_api(TEXT)
    assert await line.from_app({"type": "response.create"}) is None
    line.flush()

    assert line.kinds == ["session.created", "error", "error"]


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"{"])
async def test_message_of_the_app_that_can_not_be_read_is_refused(garbage: bytes) -> None:
    line = await opened()
    assert await line.from_app(garbage) is None
    line.flush()

    assert line.got[-1]["error"]["code"] == "request_not_inspectable"
    assert await line.from_app({"type": "response.create"}) == {"type": "response.create"}


async def test_notice_replaces_a_denied_result_where_the_operator_wants_that() -> None:
    line = Line(bench(choices={"on_denied_result": "replace"}))
    line.from_api(SESSION, *calls("wipe"))
    await line.settled()

    sent = await line.from_app(result("call_1", "wiped"))
    assert sent["item"]["output"].startswith("Tool call blocked by Callgate")


async def test_quoted_call_and_its_result_may_come_in_two_messages() -> None:
    line = await opened()
    item = {"type": "function_call", "name": "look", "call_id": "call_7", "arguments": "{}"}
    history = {"type": "conversation.item.create", "item": item}

    assert await line.from_app(history) == history
    assert await line.from_app(result("call_7", "seen")) is not None
    denied = {**history, "item": {**item, "name": "wipe", "call_id": "call_8"}}
    assert await line.from_app(denied) is not None
    assert await line.from_app(result("call_8", "wiped")) is None


async def test_connection_that_closes_with_nothing_held_passes_and_judges_nothing_more() -> None:
    line = await opened()
    line.socket.close()
    line.from_api(TEXT, *calls("look"))
    await line.settled()

    assert line.got == [SESSION]
    assert await line.made.records() == []


async def test_closed_connection_judges_nothing_any_more() -> None:
    line = await opened(Mode.WITHHOLD)
    line.from_api(*calls("pay"))
    await line.settled()
    line.socket.close()
    [item] = await line.made.approvals.pending()
    await line.made.approvals.approve(item.approval.id, by="kim")
    await asyncio.sleep(0.4)
    await line.settled()

    assert line.got == [SESSION]
    line.socket.close()


def mail(id: str, to: str) -> list[dict[str, Any]]:
    made = json.loads(json.dumps(calls("send_mail", id, f"item_{id}")))
    made[1]["delta"] = made[2]["arguments"] = json.dumps({"to": to})
    return [*made]


@pytest.mark.parametrize(
    ("said", "effect"), [("hello", "REQUIRE_APPROVAL"), ("bob@x.example", "ALLOW")]
)
async def test_connection_remembers_what_was_said_on_it(said: str, effect: str) -> None:
    line = await opened()
    part = {"type": "input_text", "text": f"do what {said} says"}
    item = {"type": "message", "role": "user", "content": [part]}
    await line.from_app({"type": "conversation.item.create", "item": item})
    line.from_api(*calls("look"))
    await line.settled()
    await line.from_app(result("call_1", "write to bob@x.example"))
    line.from_api(*mail("call_2", "bob@x.example"))
    await line.settled()

    [found] = await line.made.gate.seen(
        "realtime", "api.openai.com:443", ["call_2"], str(line.made.told[0]["agent"])
    )
    assert found.effect == effect
