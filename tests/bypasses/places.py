"""Every place where a tool call reaches an app: surface by surface, whole, streamed, by message.

A call is told with one id, name and arguments everywhere, so that one technique can be tried at
each place. What comes back is all that the app got: bytes of bodies, events or messages.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from callgate import canonical
from callgate.errors import JsonError
from callgate.exchange import Response
from callgate.outcome import Refuse
from tests.bypasses.exchanges import CHAT, RESPONSES, asked, place, streamed
from tests.deciding import DONE, RUN_PATH, Bench, told
from tests.surfaces import agent_objects as agents
from tests.surfaces import chat_objects as chat
from tests.surfaces import objects
from tests.surfaces import realtime_objects as realtime
from tests.surfaces import response_objects as responses
from tests.test_sockets import SESSION, Line

type Call = tuple[str, str, str]
"""Id, name, arguments as text."""
type Show = Callable[[Bench, Sequence[Call]], Awaitable[bytes]]

ITEMS = "/v1/conversations/conv_1/items"


async def shown(made: Bench, document: object, target: str, method: str = "POST") -> bytes:
    """What the app gets of a whole body."""
    request = asked(target, method=method)
    body = json.dumps(document).encode()
    response = Response(200, (("content-type", "application/json"),), body)
    outcome = await made.enforcement.check_response(place(made, request), request, response)
    if isinstance(outcome, Refuse):
        return json.dumps(outcome.error.as_json()).encode()
    return body if outcome.body is None else outcome.body


async def messaged(made: Bench, messages: Sequence[object], target: str) -> bytes:
    """What the app gets on a WebSocket."""
    line = Line(made, target)
    line.from_api(*messages)
    await line.settled()
    return json.dumps(line.got).encode()


def _run(calls: Sequence[Call]) -> dict[str, Any]:
    return objects.run(*(objects.call(*one) for one in calls))


def _steps(calls: Sequence[Call]) -> dict[str, Any]:
    return objects.step(*(objects.call(*one) for one in calls))


def _items(calls: Sequence[Call]) -> list[dict[str, Any]]:
    return [responses.call(*one) for one in calls]


def _actions(calls: Sequence[Call]) -> list[dict[str, Any]]:
    return [agents.action(id, name, arguments=_object(text)) for id, name, text in calls]


def _object(text: str) -> Any:
    """Arguments as sessions have them; what is no plain JSON stays text."""
    try:
        value = canonical.parse(text)
    except JsonError:
        return text
    return value


def heard(got: bytes) -> str:
    """All that the app got, and the arguments that came in pieces put together."""
    lines = [line.removeprefix(b"data: ") for line in got.splitlines()]
    documents = [json.loads(line) for line in lines if line[:2] in (b"[{", b'{"')]
    return got.decode() + "".join(part for one in documents for part in _pieces(one))


def _pieces(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _pieces(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("arguments", "delta") and isinstance(value, str):
                yield value
            yield from _pieces(value)


async def run(made: Bench, calls: Sequence[Call]) -> bytes:
    return await shown(made, _run(calls), RUN_PATH, "GET")


async def list_of_runs(made: Bench, calls: Sequence[Call]) -> bytes:
    return await shown(made, {"data": [_run(calls)]}, "/v1/threads/thread_1/runs", "GET")


async def steps(made: Bench, calls: Sequence[Call]) -> bytes:
    return await shown(made, {"data": [_steps(calls)]}, f"{RUN_PATH}/steps", "GET")


async def run_stream(made: Bench, calls: Sequence[Call]) -> bytes:
    raw = told("thread.run.requires_action", _run(calls)) + DONE
    return await streamed(made, raw, f"{RUN_PATH}/submit_tool_outputs")


async def step_stream(made: Bench, calls: Sequence[Call]) -> bytes:
    begun = told("thread.run.step.created", _steps([]))
    parts = [
        {"index": index, **objects.call(id, name, bit)} if not at else _more(index, bit)
        for index, (id, name, text) in enumerate(calls)
        for at, bit in enumerate((text[:3], text[3:]))
    ]
    deltas = [
        told("thread.run.step.delta", {"id": "step_1", "delta": {"step_details": _listed(part)}})
        for part in parts
    ]
    last = told("thread.run.requires_action", _run(calls))
    return await streamed(made, b"".join([begun, *deltas, last, DONE]), f"{RUN_PATH}/cancel")


def _listed(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_calls", "tool_calls": [part]}


def _more(index: int, text: str) -> dict[str, Any]:
    return {"index": index, "type": "function", "function": {"arguments": text}}


async def completion(made: Bench, calls: Sequence[Call]) -> bytes:
    document = chat.completion(chat.choice(*(chat.call(*one) for one in calls)))
    return await shown(made, document, CHAT)


async def second_choice(made: Bench, calls: Sequence[Call]) -> bytes:
    other = chat.choice(content="hello")
    document = chat.completion(other, chat.choice(*(chat.call(*one) for one in calls), index=1))
    return await shown(made, document, CHAT)


async def chunks(made: Bench, calls: Sequence[Call]) -> bytes:
    told = [part for i, one in enumerate(calls) for part in chat.pieces(chat.call(*one), i)]
    end = chat.chunk(chat.delta(finish="tool_calls"))
    return await streamed(made, chat.stream(*told, end))


async def response(made: Bench, calls: Sequence[Call]) -> bytes:
    return await shown(made, responses.response(*_items(calls)), RESPONSES)


async def background(made: Bench, calls: Sequence[Call]) -> bytes:
    return await shown(
        made, responses.response(*_items(calls)), f"{RESPONSES}/resp_1?include=x", "GET"
    )


async def events(made: Bench, calls: Sequence[Call]) -> bytes:
    raw = responses.stream(*responses.script(*_items(calls)))
    return await streamed(made, raw, RESPONSES)


async def response_socket(made: Bench, calls: Sequence[Call]) -> bytes:
    return await messaged(made, responses.script(*_items(calls)), RESPONSES)


async def conversation(made: Bench, calls: Sequence[Call]) -> bytes:
    return await shown(made, {"object": "list", "data": _items(calls)}, ITEMS, "GET")


async def session(made: Bench, calls: Sequence[Call]) -> bytes:
    return await shown(made, agents.session(*_actions(calls)), agents.SESSION, "GET")


async def session_stream(made: Bench, calls: Sequence[Call]) -> bytes:
    documents = [agents.state("requires_action", *_actions(calls))]
    raw = b"".join(told(str(one["type"]), one) for one in documents)
    return await streamed(made, raw, agents.EVENTS)


async def realtime_socket(made: Bench, calls: Sequence[Call]) -> bytes:
    items = [realtime.call(*one) for one in calls]
    messages: list[object] = [SESSION]
    for item in items:
        messages += [
            realtime.about("response.output_item.added", realtime.begun(item)),
            realtime.delta(item, item["arguments"]),
            realtime.whole(item),
            realtime.about("response.output_item.done", item),
        ]
    messages.append(realtime.done(*items))
    return await messaged(made, messages, realtime.TARGET)


async def unknown_path(made: Bench, calls: Sequence[Call]) -> bytes:
    document = chat.completion(chat.choice(*(chat.call(*one) for one in calls)))
    return await shown(made, document, "/v1/unheard-of")


async def unknown_stream(made: Bench, calls: Sequence[Call]) -> bytes:
    told = [
        chat.chunk(chat.delta(tool_calls=[{"index": index, **chat.call(*one)}]))
        for index, one in enumerate(calls)
    ]
    return await streamed(made, chat.stream(*told), "/v1/unheard-of")


PLACES: dict[str, Show] = {
    "assistants-run": run,
    "assistants-list": list_of_runs,
    "assistants-steps": steps,
    "assistants-stream": run_stream,
    "assistants-steps-stream": step_stream,
    "chat-body": completion,
    "chat-second-choice": second_choice,
    "chat-stream": chunks,
    "responses-body": response,
    "responses-background": background,
    "responses-stream": events,
    "responses-socket": response_socket,
    "conversations-items": conversation,
    "agents-session": session,
    "agents-stream": session_stream,
    "realtime-socket": realtime_socket,
    "unknown-body": unknown_path,
    "unknown-stream": unknown_stream,
}
"""By surface and carrier."""
