"""Streams of the three APIs that tell the same: a word, then one call of `pay`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.surfaces import chat_objects, response_objects

RUNS = "/v1/threads/thread_1/runs"
NAME = "pay"

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """The bytes of one stream, and the request that begins it."""

    path: str
    body: Mapping[str, object]
    word: bytes
    pieces: bytes
    """All of the call but what completes it."""
    last: bytes
    """What completes the call, and the end."""

    @property
    def call(self) -> bytes:
        """Everything behind the word."""
        return self.pieces + self.last


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _assistants(id: str, arguments: str) -> Story:
    of_run = {"thread_id": "thread_1", "assistant_id": "asst_1", "created_at": 1}
    call = {"id": id, "type": "function", "function": {"name": NAME, "arguments": arguments}}
    step = {
        **of_run,
        "id": "step_1",
        "object": "thread.run.step",
        "run_id": "run_1",
        "type": "tool_calls",
        "status": "in_progress",
        "step_details": {"type": "tool_calls", "tool_calls": []},
    }
    details = {"type": "tool_calls", "tool_calls": [{**call, "index": 0}]}
    piece = {
        "id": "step_1",
        "object": "thread.run.step.delta",
        "delta": {"step_details": details},
    }
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    run = {
        **of_run,
        "id": "run_1",
        "object": "thread.run",
        "status": "requires_action",
        "required_action": action,
    }
    message = {
        **of_run,
        "id": "msg_1",
        "object": "thread.message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    text = {"index": 0, "type": "text", "text": {"value": "hello", "annotations": []}}
    said = {"id": "msg_1", "object": "thread.message.delta", "delta": {"content": [text]}}
    return Story(
        RUNS,
        {"assistant_id": "asst_1", "stream": True},
        _event("thread.message.created", message) + _event("thread.message.delta", said),
        _event("thread.run.step.created", step) + _event("thread.run.step.delta", piece),
        _event("thread.run.requires_action", run) + b"event: done\ndata: [DONE]\n\n",
    )


def _chat(id: str, arguments: str) -> Story:
    o = chat_objects
    word = o.chunk(o.delta(role="assistant", content="hello"))
    return Story(
        "/v1/chat/completions",
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": True},
        o.stream(word, done=False),
        o.stream(*o.pieces(o.call(id, NAME, arguments)), done=False),
        o.stream(o.chunk(o.delta(finish="tool_calls"))),
    )


def _responses(id: str, arguments: str) -> Story:
    o = response_objects
    events = o.script(o.said(), o.call(id, NAME, arguments))
    begin, end = 1 + len(o.told(o.said())), len(events) - 2
    return Story(
        "/v1/responses",
        {"model": "gpt-4o", "input": "hi", "stream": True},
        o.stream(*events[:begin]),
        o.stream(*events[begin:end]),
        o.stream(*events[end:]),
    )


STORIES: dict[str, Callable[[str, str], Story]] = {
    "assistants": _assistants,
    "chat": _chat,
    "responses": _responses,
}
"""By API: call id and arguments to the stream."""
