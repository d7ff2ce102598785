"""Runs and steps as the API sends them, complete enough for the SDK's own types."""

from __future__ import annotations

import json
from collections.abc import Sequence

from openai.types.beta.threads import Run
from openai.types.beta.threads.runs import RunStep

from callgate.canonical import Json, parse
from callgate.exchange import Request, segments
from callgate.surfaces.assistants import Assistants
from callgate.surfaces.base import Endpoint, Turn

type Object = dict[str, Json]

RUN = "/v1/threads/thread_1/runs/run_1"


def call(id: Json = "call_1", name: str = "send", arguments: Json = '{"to":"kim"}') -> Object:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def run(*calls: Json, **changes: Json) -> Object:
    """A run that waits for the outputs of these calls."""
    listed: list[Json] = list(calls)
    return {
        "id": "run_1",
        "object": "thread.run",
        "created_at": 1761861679,
        "assistant_id": "asst_1",
        "thread_id": "thread_1",
        "status": "requires_action",
        "required_action": {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": listed},
        },
        "model": "gpt-4o",
        "instructions": "",
        "tools": [],
        "metadata": {},
        "parallel_tool_calls": True,
        **changes,
    }


def approval_run(*calls: Json, **changes: Json) -> Object:
    """A run of Azure AI Foundry that waits for a person to approve calls of an MCP server."""
    listed: list[Json] = list(calls)
    action: Object = {
        "type": "submit_tool_approval",
        "submit_tool_approval": {"tool_calls": listed},
    }
    return run(**{"required_action": action, **changes})


def mcp_call(id: Json = "call_1", name: str = "search") -> Object:
    return {"id": id, "type": "mcp", "name": name, "arguments": "{}", "server_label": "docs"}


def step(*calls: Json, **changes: Json) -> Object:
    listed: list[Json] = list(calls)
    return {
        "id": "step_1",
        "object": "thread.run.step",
        "created_at": 1761861679,
        "assistant_id": "asst_1",
        "thread_id": "thread_1",
        "run_id": "run_1",
        "type": "tool_calls",
        "status": "in_progress",
        "step_details": {"type": "tool_calls", "tool_calls": listed},
        **changes,
    }


def listing(*nodes: Json) -> Object:
    return {"object": "list", "data": list(nodes), "has_more": False}


def request(target: str = RUN, method: str = "GET", host: str = "api.openai.com") -> Request:
    headers = (("authorization", "Bearer sk-" + "x" * 20),)
    return Request(method, "https", host, 443, target, headers)


def endpoint(target: str = RUN, method: str = "GET") -> Endpoint:
    found = Assistants().endpoint(method, segments(target))
    assert found is not None
    return found


def read(document: Json, target: str = RUN, method: str = "GET") -> list[Turn]:
    """The turns of a response; they share nothing with the document that was given."""
    copy = parse(json.dumps(document))
    sent = request(target, method)
    return Assistants().read_response(endpoint(target, method), sent, copy)


def only(turns: Sequence[Turn]) -> Turn:
    [turn] = turns
    return turn


def sdk_run(node: Object) -> Run:
    """What the SDK makes of a run, without any leniency."""
    return Run.model_validate_json(json.dumps(node), strict=True)


def sdk_step(node: Object) -> RunStep:
    """What the SDK makes of a step, without any leniency."""
    return RunStep.model_validate_json(json.dumps(node), strict=True)
