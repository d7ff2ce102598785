"""A model that does what it reads: an API in memory for `Origin`, on several surfaces.

The newest text decides. Where it holds `CALL name {arguments}` that tool is asked for, else the
model says a word.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from tests.e2e.origin import NOT_FOUND, Reply, Seen

type Json = dict[str, Any]

_CALL = re.compile(r"CALL (\w+) (\{.*?\})", re.DOTALL)
_STREAM = (("Content-Type", "text/event-stream"),)


class Steered:
    """See `Origin.answer`."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._calls: dict[str, Json | None] = {}
        """What a run waits for, by thread."""

    def __call__(self, seen: Seen) -> Reply:
        body: Json = json.loads(seen.body) if seen.body else {}
        parts = seen.target.strip("/").split("/")[1:]
        match parts:
            case ["chat", "completions"]:
                return self._chat(body)
            case ["responses"]:
                return self._response(body)
            case ["conversations"]:
                return _reply({"id": self._id("conv"), "object": "conversation"})
            case ["threads"]:
                return _reply({"id": self._id("thread"), "object": "thread"})
            case ["threads", "runs"]:
                thread = self._id("thread")
                return _reply(self._run(thread, body["thread"]["messages"][-1]["content"]))
            case ["threads", thread, "messages"]:
                self._calls[thread] = self._asked(body["content"])
                return _reply({"id": self._id("msg"), "object": "thread.message"})
            case ["threads", thread, "runs"]:
                return _reply(self._run(thread))
            case ["threads", thread, "runs", _]:
                return _reply(self._run(thread))
            case ["threads", thread, "runs", _, "submit_tool_outputs"]:
                return _reply(self._run(thread, body["tool_outputs"][-1]["output"]))
        return NOT_FOUND

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers)}"

    def _asked(self, text: str) -> Json | None:
        found = _CALL.search(text)
        return {"id": self._id("call"), "name": found[1], "arguments": found[2]} if found else None

    def _run(self, thread: str, text: str | None = None) -> Json:
        if text is not None:
            self._calls[thread] = self._asked(text)
        run: Json = {"id": f"run_{thread}", "object": "thread.run", "thread_id": thread}
        call = self._calls.get(thread)
        if call is None:
            return {**run, "status": "completed", "required_action": None}
        item = {"id": call["id"], "type": "function", "function": _without_id(call)}
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [item]}}
        return {**run, "status": "requires_action", "required_action": action}

    def _chat(self, body: Json) -> Reply:
        call = self._asked(body["messages"][-1]["content"])
        message: Json = {"role": "assistant", "content": None if call else "fine"}
        if call:
            item = {"id": call["id"], "type": "function", "function": _without_id(call)}
            message["tool_calls"] = [item]
        head: Json = {"id": self._id("chatcmpl"), "created": 1, "model": "m"}
        reason = "tool_calls" if call else "stop"
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            return _reply({**head, "object": "chat.completion", "choices": [choice]})
        head["object"] = "chat.completion.chunk"
        for index, item in enumerate(message.get("tool_calls", ())):
            item["index"] = index
        told = [
            {**head, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        ]
        return _events([("", one) for one in told], b"data: [DONE]\n\n")

    def _response(self, body: Json) -> Reply:
        given = body["input"]
        newest = given if isinstance(given, str) else given[-1]
        text = newest if isinstance(newest, str) else newest.get("output") or newest["content"]
        call = self._asked(text)
        item: Json = {"type": "message", "role": "assistant", "id": self._id("msg"), "content": []}
        if call:
            function = {"name": call["name"], "arguments": call["arguments"]}
            item = {"type": "function_call", "id": self._id("fc"), "call_id": call["id"]} | function
        response: Json = {
            "id": self._id("resp"),
            "object": "response",
            "status": "completed",
            "model": "m",
            "conversation": {"id": body["conversation"]} if "conversation" in body else None,
            "output": [item],
        }
        if not body.get("stream"):
            return _reply(response)
        begun = {**response, "status": "in_progress", "output": []}
        place: Json = {"output_index": 0, "item": item}
        told: list[Json] = [
            {"type": "response.created", "response": begun},
            {"type": "response.output_item.added", **place},
            {"type": "response.output_item.done", **place},
            {"type": "response.completed", "response": response},
        ]
        return _events([(one["type"], one) for one in told])


def _without_id(call: Json) -> Json:
    return {"name": call["name"], "arguments": call["arguments"]}


def _reply(document: Json) -> Reply:
    return Reply(json.dumps(document).encode())


def _events(told: list[tuple[str, Json]], end: bytes = b"") -> Reply:
    lines = [
        (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"
        for name, data in told
    ]
    return Reply("".join(lines).encode() + end, headers=_STREAM)
