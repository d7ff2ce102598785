"""Completions as the API sends them, and what the openai SDK makes of them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
from openai._models import construct_type
from openai.types.chat import ChatCompletion

from callgate.exchange import Request, segments
from callgate.surfaces import sse
from callgate.surfaces.base import Change, Endpoint, Group, Passing, Turn
from callgate.surfaces.chat import Chat
from callgate.surfaces.chat_events import ChatEvents

CHAT = Chat()
CREATE = "/v1/chat/completions"
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded"

type Json = dict[str, Any]
type Shown = list[tuple[str, str, str]]
"""Id, name and arguments of calls, as an app would run them."""


def request(method: str = "POST", target: str = CREATE) -> Request:
    key = ("authorization", "Bearer sk-" + "x" * 20)
    return Request(method, "https", "api.openai.com", 443, target, (key,))


def endpoint(method: str = "POST", target: str = CREATE) -> Endpoint:
    found = CHAT.endpoint(method, segments(target))
    assert found is not None
    return found


def read(document: Any, method: str = "POST", target: str = CREATE) -> list[Turn]:
    return CHAT.read_response(endpoint(method, target), request(method, target), document)


def call(id: str = "call_1", name: str = "look", arguments: str = '{"x":1}') -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def custom(id: str = "call_c", name: str = "code", text: str = "print(1)") -> Json:
    return {"id": id, "type": "custom", "custom": {"name": name, "input": text}}


def choice(*calls: Json, index: int = 0, **message: Any) -> Json:
    told = {"role": "assistant", "content": None, "refusal": None, **message}
    if calls:
        told["tool_calls"] = list(calls)
    return {"index": index, "message": told, "finish_reason": "tool_calls", "logprobs": None}


def completion(*choices: Json, id: str = "chatcmpl-1") -> Json:
    return {
        "id": id,
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": list(choices),
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def sdk_calls(document: Json) -> Shown:
    """The calls that an app finds in a completion through the SDK's types."""
    parsed: Any = construct_type(type_=ChatCompletion, value=document)
    found: Shown = []
    for one in parsed.choices:
        found += [_told(tool) for tool in one.message.tool_calls or ()]
        if legacy := one.message.function_call:
            found.append(("", legacy.name, legacy.arguments))
    return found


def _told(tool: Any) -> tuple[str, str, str]:
    inner: Any = getattr(tool, "function", None) or getattr(tool, "custom", None)
    text = getattr(inner, "arguments", None) or getattr(inner, "input", None)
    return tool.id, inner.name, text or ""


# -- streams --------------------------------------------------------------------------------


def chunk(*choices: Json, usage: Any = None) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "choices": list(choices),
        "usage": usage,
    }


def delta(index: int = 0, finish: str | None = None, **said: Any) -> Json:
    return {"index": index, "delta": said, "finish_reason": finish, "logprobs": None}


def piece(index: int, **said: Any) -> Json:
    """A piece of a call; `name` and `arguments` belong to its function."""
    inner = {key: said.pop(key) for key in ("name", "arguments") if key in said}
    return {"index": index, **said, **({"function": inner} if inner else {})}


def pieces(call: Json, index: int = 0, choice: int = 0) -> list[Json]:
    """A call as OpenAI tells it: name first, then its arguments bit by bit."""
    function = call["function"]
    text = function["arguments"]
    first = piece(index, id=call["id"], type="function", name=function["name"], arguments="")
    bits = [text[start : start + 4] for start in range(0, len(text), 4)]
    return [
        chunk(delta(choice, tool_calls=[one]))
        for one in (first, *(piece(index, arguments=bit) for bit in bits))
    ]


def stream(*chunks: Json, done: bool = True) -> bytes:
    events = [f"data: {json.dumps(one)}\n\n".encode() for one in chunks]
    return b"".join([*events, b"data: [DONE]\n\n"] if done else events)


def parts(raw: bytes, cuts: Sequence[int] = ()) -> list[Passing | Group]:
    reader, events = sse.SseReader(1 << 20), ChatEvents(request(), sse.event)
    places = [0, *sorted(cuts), len(raw)]
    found: list[Passing | Group] = []
    for start, end in itertools.pairwise(places):
        for event in reader.feed(raw[start:end]):
            found += events.feed(event)
    if last := reader.finish():
        found += events.feed(last)
    return [*found, *events.finish()]


def out(found: list[Passing | Group], change: Change | None = None, comment: bytes = b"") -> bytes:
    return b"".join(
        part.raw
        if isinstance(part, Passing)
        else b"".join(part.render(change or Change(), comment))
        for part in found
    )


def judged(found: list[Passing | Group]) -> Shown:
    return [
        (call.id, call.name, call.arguments)
        for part in found
        if not isinstance(part, Passing)
        for turn in part.turns
        for call in turn.calls
    ]


def groups(found: list[Passing | Group]) -> Iterator[Group]:
    return (part for part in found if not isinstance(part, Passing))


class _Bytes(httpx.AsyncByteStream):
    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._raw


def sdk_stream(raw: bytes) -> Json:
    """The completion that the SDK's own stream helper puts together."""

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=raw)

    async def run() -> Json:
        async with (
            openai.AsyncOpenAI(
                api_key="x",
                base_url="https://api.test/v1",
                http_client=openai.DefaultAsyncHttpxClient(transport=httpx.MockTransport(answer)),
            ) as client,
            client.chat.completions.stream(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
            ) as events,
        ):
            async for _ in events:
                pass
            told: Json = (await events.get_final_completion()).model_dump()
            return told

    return asyncio.run(run())
