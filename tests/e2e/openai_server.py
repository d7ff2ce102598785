"""Chat Completions, Responses and Conversations as strict as OpenAI's: one result for every call.

The model does what the last user message says, a JSON list of `{"name", "arguments"}`: it asks
for all of them at once, and then says the results that it was given. Starlette, in memory.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

type Json = dict[str, Any]

_NUMBERS = itertools.count(1)


class Api:
    """What one server keeps."""

    def __init__(self) -> None:
        self.responses: dict[str, Json] = {}
        self.inputs: dict[str, list[Json]] = {}
        self.conversations: dict[str, list[Json]] = {}

    # -- chat -----------------------------------------------------------------------------

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        messages = body["messages"]
        if problem := _unpaired(messages):
            return _bad(problem, "messages")
        last = next(i for i, m in reversed(list(enumerate(messages))) if m["role"] == "user")
        results = [m["content"] for m in messages[last + 1 :] if m["role"] == "tool"]
        wanted = json.loads(messages[last]["content"])
        is_asking = wanted and len(messages) == last + 1
        calls = [
            {
                "id": f"call_{next(_NUMBERS)}",
                "type": "function",
                "function": {"name": one["name"], "arguments": one["arguments"]},
            }
            for one in (wanted if is_asking else ())
        ]
        message: Json = {
            "role": "assistant",
            "content": None if calls else "; ".join(map(str, results)),
        }
        if calls:
            message["tool_calls"] = calls
        told: Json = {
            "id": f"chatcmpl-{next(_NUMBERS)}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "tool_calls" if calls else "stop",
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        if body.get("stream"):
            return _events(_chunks(told))
        return JSONResponse(told)

    # -- responses ------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        body = await request.json()
        given = body["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        before = body.get("previous_response_id")
        talk = body.get("conversation")
        history = [*self.inputs.get(before, ()), *self.conversations.get(talk, ()), *items]
        if problem := _unanswered(history):
            return _bad(problem, "input")
        asked = [i for i in history if i.get("role") == "user"]
        results = [i["output"] for i in history if str(i.get("type")).endswith("_output")]
        wanted = json.loads(asked[-1]["content"]) if asked[-1] is history[-1] else []
        output: list[Json] = [
            {
                "id": f"fc_{next(_NUMBERS)}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{next(_NUMBERS)}",
                "name": one["name"],
                "arguments": one["arguments"],
            }
            for one in wanted
        ]
        output = output or [_said("; ".join(map(str, results)))]
        told: Json = {
            "id": f"resp_{next(_NUMBERS)}",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": body["model"],
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": body.get("tools", []),
            "previous_response_id": before,
            "conversation": {"id": talk} if talk else None,
        }
        self.responses[told["id"]] = told
        self.inputs[told["id"]] = [*history, *output]
        if talk:
            self.conversations[talk] = [*history, *output]
        if body.get("stream"):
            return _events(_told(told))
        return JSONResponse(told)

    async def retrieve(self, request: Request) -> Response:
        found = self.responses.get(request.path_params["id"])
        return JSONResponse(found) if found else _bad("not found", None, 404)

    async def converse(self, request: Request) -> Response:
        body = await request.json()
        id = f"conv_{next(_NUMBERS)}"
        self.conversations[id] = list(body.get("items", ()))
        return JSONResponse({"id": id, "object": "conversation", "created_at": 1, "metadata": {}})

    async def items(self, request: Request) -> Response:
        kept = self.conversations[request.path_params["id"]]
        if request.method == "POST":
            kept += (new := (await request.json())["items"])
        else:
            new = kept
        ends = {"first_id": None, "last_id": None, "has_more": False}
        return JSONResponse({"object": "list", "data": new, **ends})


def create_app() -> Starlette:
    """One server with its own memory."""
    api = Api()
    return Starlette(
        routes=[
            Route("/v1/chat/completions", api.chat, methods=["POST"]),
            Route("/v1/responses", api.create, methods=["POST"]),
            Route("/v1/responses/{id}", api.retrieve),
            Route("/v1/conversations", api.converse, methods=["POST"]),
            Route("/v1/conversations/{id}/items", api.items, methods=["GET", "POST"]),
        ]
    )


def _bad(message: str, param: str | None, status: int = 400) -> Response:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return JSONResponse({"error": error}, status)


def _unpaired(messages: list[Json]) -> str:
    open_calls: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return "a tool message must be a response to a preceeding message with 'tool_calls'"
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            return f"The following tool_call_ids did not have response messages: {open_calls[0]}"
        open_calls += [call["id"] for call in message.get("tool_calls") or ()]
    return f"no response messages: {open_calls[0]}" if open_calls else ""


def _unanswered(items: list[Json]) -> str:
    calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
    outputs = [i["call_id"] for i in items if i.get("type") == "function_call_output"]
    for id in calls:
        if id not in outputs:
            return f"No tool output found for function call {id}."
    for id in outputs:
        if id not in calls:
            return f"No tool call found for function call output with call_id {id}."
    return ""


def _said(text: str) -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": f"msg_{next(_NUMBERS)}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def _events(documents: Iterator[Json | str]) -> Response:
    def chunks() -> Iterator[bytes]:
        for document in documents:
            if isinstance(document, str):
                yield f"data: {document}\n\n".encode()
            else:
                name = f"event: {document['type']}\n" if "type" in document else ""
                yield f"{name}data: {json.dumps(document)}\n\n".encode()

    return StreamingResponse(chunks(), media_type="text/event-stream")


def _chunks(told: Json) -> Iterator[Json | str]:
    message, finish = told["choices"][0]["message"], told["choices"][0]["finish_reason"]

    def chunk(finish: str | None = None, **delta: Any) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**told, "object": "chat.completion.chunk", "choices": [choice], "usage": None}

    yield chunk(role="assistant", content="")
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        head = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        yield chunk(tool_calls=[head])
        for start in range(0, len(function["arguments"]), 7):
            piece = function["arguments"][start : start + 7]
            yield chunk(tool_calls=[{"index": index, "function": {"arguments": piece}}])
    if message["content"]:
        yield chunk(content=message["content"])
    yield chunk(finish)
    yield "[DONE]"


def _told(response: Json) -> Iterator[Json | str]:
    number = itertools.count()

    def event(kind: str, **fields: Any) -> Json:
        return {"type": kind, "sequence_number": next(number), **fields}

    begun = {**response, "status": "in_progress", "output": []}
    yield event("response.created", response=begun)
    for index, item in enumerate(response["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "message":
            part = item["content"][0]
            empty = {**item, "status": "in_progress", "content": []}
            inside = {**at, "content_index": 0}
            yield event("response.output_item.added", output_index=index, item=empty)
            yield event("response.content_part.added", **inside, part={**part, "text": ""})
            yield event("response.output_text.delta", **inside, delta=part["text"], logprobs=[])
            yield event("response.output_text.done", **inside, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **inside, part=part)
        else:
            empty = {**item, "status": "in_progress", "arguments": ""}
            yield event("response.output_item.added", output_index=index, item=empty)
            for start in range(0, len(item["arguments"]), 7):
                piece = item["arguments"][start : start + 7]
                yield event("response.function_call_arguments.delta", **at, delta=piece)
            yield event("response.function_call_arguments.done", **at, arguments=item["arguments"])
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=response)
