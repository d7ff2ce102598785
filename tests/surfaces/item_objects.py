"""Items, responses and requests of the Responses API, as OpenAI sends and takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai.types.responses import Response, ResponseItem
from pydantic import TypeAdapter

from callgate.canonical import Json, parse
from callgate.exchange import Request

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded"
NOTICE = "Tool call blocked by Callgate: POLICY_DENIED (trace 1)"
CREATE = "/v1/responses"

type Object = dict[str, Json]


def function_call(call_id: Json = "call_1", name: Json = "get_weather", **changes: Json) -> Object:
    return {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": '{"city":"Oslo"}',
        **changes,
    }


def function_output(id: Json = "call_1", output: Json = "12 degrees", **changes: Json) -> Object:
    return {"type": "function_call_output", "call_id": id, "output": output, **changes}


def custom_call(call_id: Json = "call_2", text: Json = "SELECT 1", **changes: Json) -> Object:
    item: Object = {
        "id": f"ctc_{call_id}",
        "type": "custom_tool_call",
        "call_id": call_id,
        "name": "run_sql",
    }
    return {**item, "status": "completed", "input": text, **changes}


def shell_call(call_id: Json = "call_3", *commands: Json, **changes: Json) -> Object:
    action: Object = {"commands": [*commands], "timeout_ms": 1000, "max_output_length": None}
    item: Object = {
        "id": f"sh_{call_id}",
        "type": "shell_call",
        "call_id": call_id,
        "status": "completed",
    }
    return {**item, "action": action, "environment": {"type": "local"}, **changes}


def shell_output(id: Json = "call_3", stdout: str = "", stderr: str = "", code: int = 0) -> Object:
    outcome: Object = {"type": "exit", "exit_code": code}
    chunk: Object = {"stdout": stdout, "stderr": stderr, "outcome": outcome}
    return {"type": "shell_call_output", "call_id": id, "output": [chunk]}


def local_shell_call(call_id: Json = "call_4", *command: Json) -> Object:
    action: Object = {"type": "exec", "command": [*command], "env": {}, "timeout_ms": 1000}
    item: Object = {"id": f"lsh_{call_id}", "type": "local_shell_call", "call_id": call_id}
    return {**item, "status": "completed", "action": {**action, "working_directory": "/tmp"}}


def patch_call(call_id: Json = "call_5", **changes: Json) -> Object:
    operation: Object = {"type": "update_file", "path": "a.txt", "diff": "@@\n-a\n+b"}
    item: Object = {"id": f"apc_{call_id}", "type": "apply_patch_call", "call_id": call_id}
    return {**item, "status": "completed", "operation": operation, **changes}


def computer_call(call_id: Json = "call_6") -> Object:
    item: Object = {
        "id": f"cu_{call_id}",
        "type": "computer_call",
        "call_id": call_id,
        "status": "completed",
    }
    return {**item, "actions": [{"type": "screenshot"}], "pending_safety_checks": []}


def approval(id: Json = "mcpr_1", name: Json = "search", **changes: Json) -> Object:
    item: Object = {"id": id, "type": "mcp_approval_request", "name": name}
    return {**item, "server_label": "docs", "arguments": '{"q":"x"}', **changes}


def search_call(call_id: Json = "call_7", execution: Json = "client") -> Object:
    item: Object = {"id": f"tsc_{call_id}", "type": "tool_search_call", "call_id": call_id}
    return {**item, "execution": execution, "status": "completed", "arguments": {"q": "mail"}}


def message(text: str = "Hello", id: str = "msg_1") -> Object:
    part: Object = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item: Object = {"id": id, "type": "message", "role": "assistant", "status": "completed"}
    return {**item, "content": [part]}


def reasoning() -> Object:
    return {"id": "rs_1", "type": "reasoning", "summary": []}


EVERY_CALL: list[Object] = [
    function_call(),
    custom_call(),
    shell_call("call_3", "ls"),
    local_shell_call("call_4", "ls", "-l"),
    patch_call(),
    computer_call(),
    approval(),
    search_call(),
]


def response(*output: Json, **changes: Json) -> Object:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1757992441.0,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-5",
        "output": [*output],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        **changes,
    }


def listing(*data: Json) -> Object:
    return {"object": "list", "data": [*data], "first_id": "a", "last_id": "b", "has_more": False}


def request(target: str = CREATE, method: str = "POST", host: str = "api.openai.com") -> Request:
    headers = (("authorization", "Bearer sk-" + "x" * 20),)
    return Request(method, "https", host, 443, target, headers)


def copied(value: Json) -> Json:
    return parse(json.dumps(value))


def sdk_response(node: Json) -> Response:
    """What the SDK makes of a response, without any leniency."""
    return Response.model_validate_json(json.dumps(node), strict=True)


_ITEM: TypeAdapter[Any] = TypeAdapter(ResponseItem)


def sdk_item(node: Json) -> Any:
    """What the SDK makes of an item, without any leniency."""
    return _ITEM.validate_json(json.dumps(node), strict=True)


_EXECUTABLE = frozenset(
    str.split(
        "function_call custom_tool_call shell_call local_shell_call apply_patch_call "
        "computer_call mcp_approval_request tool_search_call"
    )
)


def sdk_calls(node: Json) -> list[tuple[str, str]]:
    """Types and ids of the calls that the SDK's own types find in a response."""
    shown: list[Any] = list(Response.construct(**json.loads(json.dumps(node))).output)
    return [
        (item.type, item.id if item.type == "mcp_approval_request" else item.call_id)
        for item in shown
        if item.type in _EXECUTABLE
    ]


def recordings() -> Iterator[Any]:
    """Recorded exchanges with a body that is no stream."""
    for path in sorted(RECORDED.glob("responses__*.json")) if RECORDED.exists() else ():
        exchange = json.loads(path.read_text())
        if isinstance(exchange["response_body"], dict):
            yield pytest.param(exchange, id=path.stem[11:70])
