"""The openai SDK of this environment through a gate: turns of an app, and every byte it was given.

A turn asks with a user message or with results, and is what the model said to that.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, override

import http_sf
import httpx
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.resources.responses.responses import AsyncResponsesConnection

from tests.e2e.gate import Gate
from tests.e2e.reception import annotated_calls
from tests.e2e.websocket import OPTIONS, SECONDS

TOOLS: Any = [{"type": "function", "name": "any", "parameters": {"type": "object"}}]
"""Some servers look for calls only where there are tools; which ones is the same to them."""

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the SDK read it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the SDK made of one turn of the model."""

    calls: Sequence[Call]
    text: str

    @property
    def names(self) -> list[str]:
        return [call.name for call in self.calls]


class Conversation(Protocol):
    """An app's conversation with a model."""

    def ask(self, message: str) -> Said:
        """Say something as the user."""

    def answer(self, *outputs: str) -> Said:
        """Give the results of the calls of the last turn, in their order."""


@dataclass(frozen=True, slots=True)
class App:
    """The SDK, and what its connections received."""

    openai: openai.OpenAI
    received: bytearray

    @property
    def decisions(self) -> dict[str, str]:
        """Decisions by call id, of all annotations."""
        received = bytes(self.received)
        calls = [*annotated_calls(received), *_header_calls(received)]
        return {id: call["decision"] for annotated in calls for id, call in annotated.items()}


@contextmanager
def app(gate: Gate, base_url: str) -> Iterator[App]:
    """An app that goes through the gate."""
    received = bytearray()
    trust = ssl.create_default_context(cafile=gate.ca)
    transport = _Recording(received, verify=trust, proxy=gate.proxy)
    client: Any  # openai names the type of another httpx, and takes either
    with httpx.Client(transport=transport, trust_env=False, timeout=60) as client:
        sdk = openai.OpenAI(
            api_key="sk-" + "app",
            base_url=base_url,
            http_client=client,
            max_retries=0,
            default_headers={"Accept-Encoding": "identity"},
        )
        yield App(sdk, received)


class _Recording(httpx.HTTPTransport):
    def __init__(self, received: bytearray, **options: Any) -> None:
        super().__init__(**options)
        self._received = received

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        for name, value in response.headers.raw:
            self._received += name.lower() + b": " + value + b"\n"
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Tee(response.stream, self._received)
        return response


class _Tee(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, received: bytearray) -> None:
        self._stream = stream
        self._received = received

    @override
    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            self._received.extend(data)
            yield data

    @override
    def close(self) -> None:
        self._stream.close()


def _header_calls(received: bytes) -> Iterator[dict[str, dict[str, str]]]:
    for line in received.splitlines():
        value = line.removeprefix(b"callgate-calls: ")
        if value != line:
            members: Any = http_sf.parse(value, tltype="list")
            yield {str(id): {k: str(v) for k, v in p.items()} for id, p in members}


@dataclass(slots=True)
class Chat:
    """Chat Completions; the whole history is sent in every turn."""

    sdk: openai.OpenAI
    model: str
    is_streamed: bool = False
    history: list[Any] = field(default_factory=list)
    _calls: Sequence[Call] = ()

    def ask(self, message: str) -> Said:
        """See `Conversation.ask`."""
        return self._turn({"role": "user", "content": message})

    def answer(self, *outputs: str) -> Said:
        """See `Conversation.answer`."""
        pairs = zip(self._calls, outputs, strict=True)
        return self._turn(
            *({"role": "tool", "tool_call_id": call.id, "content": o} for call, o in pairs)
        )

    def _turn(self, *messages: Json) -> Said:
        self.history += messages
        fields: Any = {"model": self.model, "messages": self.history}
        if self.is_streamed:
            state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
            with self.sdk.chat.completions.create(**fields, stream=True) as stream:
                for chunk in stream:
                    state.handle_chunk(chunk)
            told: Any = state.get_final_completion().choices[0].message
        else:
            told = self.sdk.chat.completions.create(**fields).choices[0].message
        self.history.append(told.model_dump(exclude_none=True, exclude={"parsed"}))
        self._calls = [
            Call(call.id, call.function.name, call.function.arguments)
            for call in told.tool_calls or ()
        ]
        return Said(self._calls, told.content or "")


@dataclass(slots=True)
class Responses:
    """Responses; goes on by `previous_response_id`, a conversation, or by the whole history."""

    sdk: openai.OpenAI
    model: str
    is_streamed: bool = False
    is_background: bool = False
    is_stateless: bool = False
    conversation: str = ""
    last: Any = None
    """The response of the last turn."""
    _history: list[Any] = field(default_factory=list)

    def ask(self, message: str) -> Said:
        """See `Conversation.ask`."""
        return self._turn({"role": "user", "content": message})

    def answer(self, *outputs: str) -> Said:
        """See `Conversation.answer`."""
        return self._turn(*results(self.last, outputs))

    def _turn(self, *items: Json) -> Said:
        self._history += items
        fields: Any = {"model": self.model, "input": list(items), "tools": TOOLS}
        if self.is_stateless:
            fields["input"] = self._history
        elif self.conversation:
            fields["conversation"] = self.conversation
        elif self.last:
            fields["previous_response_id"] = self.last.id
        self.last = self._response(fields)
        self._history += [
            item.model_dump(exclude_none=True, exclude={"parsed_arguments"})
            for item in self.last.output
        ]
        return said_in(self.last)

    def _response(self, fields: Any) -> Any:
        if self.is_streamed:
            with self.sdk.responses.stream(**fields) as stream:
                return stream.get_final_response()
        if not self.is_background:
            return self.sdk.responses.create(**fields)
        response = self.sdk.responses.create(**fields, background=True)
        ends = time.monotonic() + SECONDS
        while response.status in ("queued", "in_progress") and time.monotonic() < ends:
            time.sleep(0.02)
            response = self.sdk.responses.retrieve(response.id)
        return response


class SocketError(Exception):
    """An `error` event instead of an answer."""

    def __init__(self, error: Json) -> None:
        super().__init__(error)
        self.code: str = error["code"]


@dataclass(slots=True)
class Socket:
    """Realtime or Responses over a WebSocket that the SDK opened."""

    connection: AsyncRealtimeConnection | AsyncResponsesConnection
    runner: asyncio.Runner
    model: str
    received: bytearray
    _last: Any = None

    def ask(self, message: str) -> Said:
        """See `Conversation.ask`."""
        part = {"type": "input_text", "text": message}
        return self._turn({"type": "message", "role": "user", "content": [part]})

    def answer(self, *outputs: str) -> Said:
        """See `Conversation.answer`."""
        return self._turn(*results(self._last, outputs))

    def _turn(self, *items: Json) -> Said:
        if isinstance(self.connection, AsyncRealtimeConnection):
            for item in items:
                self._send({"type": "conversation.item.create", "item": item})
                self._heard("conversation.item.added")
            self._send({"type": "response.create"})
        else:
            before = {"previous_response_id": self._last.id} if self._last else {}
            asked = {"model": self.model, "input": list(items), **before}
            self._send({"type": "response.create", **asked})
        self._last = self._heard("response.completed", "response.done").response
        return said_in(self._last)

    def _send(self, message: Json) -> None:
        self.runner.run(self.connection.send_raw(json.dumps(message)))

    def _heard(self, *types: str) -> Any:
        """The next event of these types."""
        while True:
            data = self.runner.run(asyncio.wait_for(self.connection.recv_bytes(), SECONDS))
            event: Any = self.connection.parse_event(data)
            if getattr(getattr(event, "item", None), "role", "") != "user":
                self.received += data + b"\n"  # no echo of what the app itself said
            if event.type == "error":
                raise SocketError(json.loads(data)["error"])
            if event.type in types:
                return event


@contextmanager
def realtime(gate: Gate, app: App, model: str) -> Iterator[Socket]:
    """A conversation on a Realtime connection through the gate."""
    connecting = _asyncio(app).realtime.connect(
        model=model, websocket_connection_options=_options(gate)
    )
    with _socket(connecting, app, model) as socket:
        yield socket


@contextmanager
def responses(gate: Gate, app: App, model: str) -> Iterator[Socket]:
    """A conversation on a Responses connection through the gate."""
    connecting = _asyncio(app).responses.connect(websocket_connection_options=_options(gate))
    with _socket(connecting, app, model) as socket:
        yield socket


def _asyncio(app: App) -> openai.AsyncOpenAI:
    """Of the SDK's two WebSockets the one that needs no second thread: see `websocket`."""
    return openai.AsyncOpenAI(api_key=app.openai.api_key, base_url=app.openai.base_url)


def _options(gate: Gate) -> Any:
    trust = ssl.create_default_context(cafile=gate.ca)
    return {"ssl": trust, "proxy": gate.proxy, **OPTIONS}


@contextmanager
def _socket(connecting: Any, app: App, model: str) -> Iterator[Socket]:
    with asyncio.Runner() as runner:
        connection = runner.run(connecting.enter())
        try:
            yield Socket(connection, runner, model, app.received)
        finally:
            runner.run(connection.close())


def results(response: Any, outputs: Sequence[str]) -> list[Json]:
    """The items that answer the calls of a response, in their order."""
    pairs = zip(said_in(response).calls, outputs, strict=True)
    return [
        {"type": "function_call_output", "call_id": call.id, "output": output}
        for call, output in pairs
    ]


def said_in(response: Any) -> Said:
    """Calls and text of a Responses or Realtime response."""
    calls = [
        Call(item.call_id, item.name, item.arguments)
        for item in response.output
        if item.type == "function_call"
    ]
    parts = [p for item in response.output if item.type == "message" for p in item.content]
    return Said(calls, "".join(part.text or "" for part in parts))
