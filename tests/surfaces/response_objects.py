"""Streams of the Responses API as it sends them, and what the openai SDK makes of them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai

from callgate.exchange import Request, segments
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Endpoint, Group, Passing, message
from callgate.surfaces.response_events import ResponseEvents
from callgate.surfaces.responses import Responses
from callgate.surfaces.sse import SseEvent

CREATE = "/v1/responses"
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded"

type Json = dict[str, Any]
type Shown = list[tuple[str, str, str]]
"""Call id, name and arguments, as an app would run them."""


def request(target: str = CREATE, method: str = "POST") -> Request:
    key = ("authorization", "Bearer sk-" + "x" * 20)
    return Request(method, "https", "api.openai.com", 443, target, (key,))


def endpoint(target: str = CREATE, method: str = "POST") -> Endpoint:
    found = Responses().endpoint(method, segments(target))
    assert found is not None
    return found


def call(id: str = "call_1", name: str = "look", arguments: str = '{"x":1}', **more: Any) -> Json:
    return {
        "id": f"fc_{id}",
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": id,
        "name": name,
        **more,
    }


def said(text: str = "hello", id: str = "msg_1") -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": id,
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def response(*output: Json, status: str = "completed", **more: Any) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": "gpt-4o",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **more,
    }


def told(item: Json, index: int = 0) -> list[Json]:
    """The events of one item, as OpenAI tells it."""
    at = {"output_index": index, "item_id": item["id"]}
    empty = {**item, "status": "in_progress"}
    if item["type"] == "message":
        text = item["content"][0]["text"]
        part = {**item["content"][0], "text": ""}
        middle = [
            {"type": "response.content_part.added", **at, "content_index": 0, "part": part},
            *(
                {
                    "type": "response.output_text.delta",
                    **at,
                    "content_index": 0,
                    "delta": bit,
                    "logprobs": [],
                }
                for bit in (text[:2], text[2:])
            ),
            {
                "type": "response.output_text.done",
                **at,
                "content_index": 0,
                "text": text,
                "logprobs": [],
            },
        ]
        empty["content"] = []
    else:
        key = "input" if item["type"] == "custom_tool_call" else "arguments"
        kind = "custom_tool_call_input" if key == "input" else "function_call_arguments"
        text = item[key]
        middle = [
            {"type": f"response.{kind}.delta", **at, "delta": text[start : start + 3]}
            for start in range(0, len(text), 3)
        ]
        middle.append({"type": f"response.{kind}.done", **at, key: text})
        empty[key] = ""
    return [
        {"type": "response.output_item.added", "output_index": index, "item": empty},
        *middle,
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def script(*output: Json, end: str = "completed") -> list[Json]:
    """A whole response, event by event."""
    events = [
        {"type": "response.created", "response": response(status="in_progress")},
        *(event for index, item in enumerate(output) for event in told(item, index)),
        {"type": f"response.{end}", "response": response(*output, status=end)},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def stream(*events: Json, named: bool = True) -> bytes:
    return b"".join(sse.event(one["type"] if named else "", json.dumps(one)) for one in events)


def parts(raw: bytes, cuts: Sequence[int] = (), target: str = CREATE) -> list[Passing | Group]:
    reader = sse.SseReader(1 << 20)
    events = ResponseEvents(endpoint(target), request(target), sse.event)
    found: list[Passing | Group] = []
    for start, end in itertools.pairwise([0, *sorted(cuts), len(raw)]):
        for event in reader.feed(raw[start:end]):
            found += events.feed(event)
    if last := reader.finish():
        found += events.feed(last)
    return [*found, *events.finish()]


def messages(*documents: Json) -> list[Passing | Group]:
    """The same over a WebSocket."""
    events = ResponseEvents(endpoint(method="GET"), request(method="GET"), message)
    found: list[Passing | Group] = []
    for document in documents:
        data = json.dumps(document)
        found += events.feed(SseEvent(data.encode(), "", data))
    return [*found, *events.finish()]


def events_out(
    found: list[Passing | Group], change: Change | None = None, comment: bytes = b""
) -> Iterator[bytes]:
    for part in found:
        if isinstance(part, Passing):
            yield part.raw
        else:
            yield from part.render(change or Change(), comment)


def out(found: list[Passing | Group], change: Change | None = None, comment: bytes = b"") -> bytes:
    return b"".join(events_out(found, change, comment))


def judged(found: list[Passing | Group]) -> Shown:
    calls = {
        (call.id, call.name, call.arguments): None
        for part in found
        if not isinstance(part, Passing)
        for turn in part.turns
        for call in turn.calls
    }
    return list(calls)


def data_of(raw: bytes) -> list[Any]:
    return [
        json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: {")
    ]


def calls_in(items: Sequence[Any]) -> Shown:
    return [
        (item.call_id, item.name, str(getattr(item, "arguments", "") or getattr(item, "input", "")))
        for item in items
        if item.type in ("function_call", "custom_tool_call")
    ]


def sdk_stream(raw: bytes) -> tuple[Shown, Shown, str]:
    """Calls by `output_item.done` and by the final response, and the text, as the SDK has them."""

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=raw)

    async def run() -> tuple[Shown, Shown, str]:
        eager: Shown = []
        async with (
            openai.AsyncOpenAI(
                api_key="x",
                base_url="https://api.test/v1",
                http_client=openai.DefaultAsyncHttpxClient(transport=httpx.MockTransport(answer)),
            ) as client,
            client.responses.stream(model="gpt-4o", input="hi") as events,
        ):
            async for event in events:
                if event.type == "response.output_item.done":
                    eager += calls_in([event.item])
            final = await events.get_final_response()
        return eager, calls_in(final.output), final.output_text

    return asyncio.run(run())
