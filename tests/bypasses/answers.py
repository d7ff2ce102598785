"""Every way on which an app's result of a tool call goes back to the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from callgate.outcome import Refuse
from tests.bypasses import places
from tests.bypasses.exchanges import CHAT, RESPONSES, sent
from tests.bypasses.places import ITEMS, Call, Show
from tests.deciding import RUN_PATH, Bench
from tests.surfaces import agent_objects as agents
from tests.surfaces import chat_objects as chat
from tests.surfaces import realtime_objects as realtime
from tests.surfaces import response_objects as responses
from tests.test_sockets import SESSION, Line

type Json = dict[str, Any]
type Send = Callable[[Bench, Call], Awaitable[str]]
"""Sends a result of the call, and gives the code of the refusal; empty where it passes."""

SUBMIT = f"{RUN_PATH}/submit_tool_outputs"


async def _code(made: Bench, document: object, target: str) -> str:
    outcome = await sent(made, document, target)
    return outcome.error.code if isinstance(outcome, Refuse) else ""


async def submit(made: Bench, call: Call) -> str:
    document = {"tool_outputs": [{"tool_call_id": call[0], "output": "done"}]}
    return await _code(made, document, SUBMIT)


async def streaming_submit(made: Bench, call: Call) -> str:
    outputs = [{"tool_call_id": call[0], "output": "done"}]
    return await _code(made, {"tool_outputs": outputs, "stream": True}, SUBMIT)


async def history(made: Bench, call: Call) -> str:
    quoted = {"role": "assistant", "content": None, "tool_calls": [chat.call(*call)]}
    result = {"role": "tool", "tool_call_id": call[0], "content": "done"}
    return await _code(made, {"model": "m", "messages": [quoted, result]}, CHAT)


async def streaming_history(made: Bench, call: Call) -> str:
    quoted = {"role": "assistant", "content": "", "tool_calls": [chat.call(*call)]}
    parts = [{"type": "text", "text": "done"}]
    result = {"role": "tool", "tool_call_id": call[0], "content": parts}
    return await _code(made, {"model": "m", "stream": True, "messages": [quoted, result]}, CHAT)


def output(id: str) -> Json:
    return {"type": "function_call_output", "call_id": id, "output": "done"}


async def continued(made: Bench, call: Call) -> str:
    document = {"input": [output(call[0])], "previous_response_id": "resp_1"}
    return await _code(made, document, RESPONSES)


async def quoted(made: Bench, call: Call) -> str:
    return await _code(made, {"input": [responses.call(*call), output(call[0])]}, RESPONSES)


async def in_conversation(made: Bench, call: Call) -> str:
    document = {"input": [output(call[0])], "conversation": "conv_1"}
    return await _code(made, document, RESPONSES)


async def added_item(made: Bench, call: Call) -> str:
    return await _code(made, {"items": [responses.call(*call), output(call[0])]}, ITEMS)


async def new_conversation(made: Bench, call: Call) -> str:
    document = {"items": [responses.call(*call), output(call[0])]}
    return await _code(made, document, "/v1/conversations")


async def compacted(made: Bench, call: Call) -> str:
    document = {"model": "m", "input": [responses.call(*call), output(call[0])]}
    return await _code(made, document, f"{RESPONSES}/compact")


async def tool_result(made: Bench, call: Call) -> str:
    result: Json = {"type": "agent.session.input.tool_result", "call_id": call[0]}
    result |= {"turn_id": "turn_1", "success": True, "output": "done"}
    return await _code(made, {"events": [result]}, agents.EVENTS)


async def _said(line: Line, *messages: Json) -> str:
    line.got.clear()
    passed = [await line.from_app(one) for one in messages]
    line.flush()
    codes = [said["error"]["code"] for said in line.got if "error" in said]
    assert bool(codes) is (passed[-1] is None)
    return codes[-1] if codes else ""


async def on_response_socket(made: Bench, call: Call) -> str:
    document = {"input": [output(call[0])], "previous_response_id": "resp_1"}
    return await _said(Line(made, RESPONSES), {"type": "response.create", **document})


async def on_realtime_socket(made: Bench, call: Call) -> str:
    line = Line(made, realtime.TARGET)
    item = realtime.call(*call)
    line.from_api(SESSION, realtime.whole(item), realtime.done(item))
    await line.settled()
    return await _said(line, {"type": "conversation.item.create", "item": output(call[0])})


WAYS: dict[str, tuple[Show | None, Send]] = {
    "assistants-submit": (places.run, submit),
    "assistants-submit-stream": (places.run_stream, streaming_submit),
    "chat-messages": (places.completion, history),
    "chat-messages-stream": (places.chunks, streaming_history),
    "responses-continued": (places.response, continued),
    "responses-quoted": (places.events, quoted),
    "responses-compact": (places.response, compacted),
    "responses-socket": (places.response_socket, on_response_socket),
    "conversations-response": (places.conversation, in_conversation),
    "conversations-item": (places.conversation, added_item),
    "conversations-new": (places.conversation, new_conversation),
    "agents-events": (places.session, tool_result),
    "realtime-socket": (None, on_realtime_socket),
}
"""By surface and form: where the call was told before, and how its result is sent."""

QUOTING: dict[str, Send] = {
    "chat": history,
    "responses": quoted,
    "compact": compacted,
    "conversation": new_conversation,
}
"""Requests that quote the call themselves, whoever told it."""
