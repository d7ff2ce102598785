"""Sessions, items and events of the Agents API, as OpenAI sends and takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from openai.types.beta import AgentSession, AgentSessionEvent
from openai.types.beta.agent_session_item import AgentSessionItem
from pydantic import TypeAdapter

from callgate.canonical import Json, parse
from callgate.exchange import Request
from callgate.model import ToolCall
from callgate.surfaces.base import Turn

type Object = dict[str, Json]

NOTICE = "Tool call blocked by Callgate: POLICY_DENIED (trace 1)"
SESSIONS = "/v1/agents/sessions"
SESSION = f"{SESSIONS}/sess_1"
EVENTS = f"{SESSION}/events"
ITEMS = f"{SESSION}/items"

_EVENT: TypeAdapter[Any] = TypeAdapter(AgentSessionEvent)
_ITEM: TypeAdapter[Any] = TypeAdapter(AgentSessionItem)


def request(target: str = SESSION, method: str = "GET") -> Request:
    headers = (("authorization", "Bearer sk-" + "x" * 20),)
    return Request(method, "https", "api.openai.com", 443, target, headers)


def copied(value: Json) -> Json:
    return parse(json.dumps(value))


# -- calls ----------------------------------------------------------------------------------


def action(call_id: Json = "call_1", name: Json = "look", **changes: Json) -> Object:
    """A function call that a session requires."""
    about: Object = {"type": "function_call", "call_id": call_id, "turn_id": "turn_1"}
    return {**about, "name": name, "arguments": {"city": "Oslo"}, **changes}


def item(call_id: Json = "call_1", name: Json = "look", **changes: Json) -> Object:
    """The item of a function call."""
    return {**action(call_id, name), "id": f"fc_{call_id}", "status": "in_progress", **changes}


def output(call_id: str = "call_1", **changes: Json) -> Object:
    about: Object = {"id": f"fco_{call_id}", "type": "function_call_output", "call_id": call_id}
    return {**about, "turn_id": "turn_1", "status": "failed", "error": "no", **changes}


def approval(id: Json = "apr_1", **changes: Json) -> Object:
    """The approval of an MCP call that a session requires."""
    asked: Object = {"type": "mcp_tool_call", "server_label": "docs", "name": "wipe"}
    asked |= {"arguments": {"all": True}, "message": "May I?", **changes}
    about: Object = {"type": "mcp_approval_request", "request_id": id, "turn_id": "turn_1"}
    return {**about, "request": asked}


def access(id: Json = "acc_1", **changes: Json) -> Object:
    """The approval of a browser's way to an origin."""
    asked: Object = {"type": "browser_origin_access", "origin": "https://a.b", "reason": None}
    about: Object = {"type": "computer_use_approval_request", "request_id": id}
    return {**about, "turn_id": "turn_1", "request": {**asked, **changes}}


def login(id: Json = "log_1") -> Object:
    asked: Object = {"type": "browser_authentication", "credential_origin": "https://a.b"}
    asked |= {"fields": [], "options": [], "reason": "mail"}
    about: Object = {"type": "computer_use_approval_request", "request_id": id}
    return {**about, "turn_id": "turn_1", "request": asked}


CONNECTION: Object = {"type": "environment_connection", "environment_id": "env_1"}


def message(text: str = "Hello", id: str = "msg_1", **changes: Json) -> Object:
    part: Object = {"type": "output_text", "text": text}
    about: Object = {"id": id, "type": "message", "role": "assistant", "turn_id": "turn_1"}
    return {**about, "status": "completed", "phase": "final_answer", "content": [part], **changes}


# -- sessions -------------------------------------------------------------------------------


def session(*actions: Json, **changes: Json) -> Object:
    tool: Object = {"type": "function", "name": "look", "description": "", "parameters": {}}
    tool["defer_loading"] = False
    agent: Object = {
        "id": "agent_1",
        "model": "gpt-x",
        "multi_agent": {"enabled": False},
        "reasoning": {},
        "service_tier": "auto",
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tools": [tool],
    }
    return {
        "id": "sess_1",
        "object": "agent.session",
        "agent": agent,
        "created_at": 1,
        "last_active_at": 2,
        "environment": {"type": "none"},
        "metadata": {},
        "vault_ids": [],
        "status": "requires_action" if actions else "idle",
        "required_actions": [*actions],
        **changes,
    }


def listing(*data: Json) -> Object:
    return {"object": "list", "data": [*data], "first_id": "a", "last_id": "b", "has_more": False}


# -- events ---------------------------------------------------------------------------------


def event(kind: str, **fields: Json) -> Object:
    return {"type": f"agent.session.{kind}", "event_id": "event_1", **fields}


def of_turn(kind: str, **fields: Json) -> Object:
    return event(f"turn.{kind}", session_id="sess_1", turn_id="turn_1", **fields)


def added(node: Json, **fields: Json) -> Object:
    return of_turn("item.added", item=node, output_index=0, **fields)


def done(node: Json, **fields: Json) -> Object:
    return of_turn("item.done", item=node, output_index=0, **fields)


def delta(text: str = "Hi") -> Object:
    return of_turn(
        "output_text.delta", item_id="msg_1", output_index=1, content_index=0, delta=text
    )


def state(status: str, *actions: Json, **changes: Json) -> Object:
    told = "idle" if status == "created" else status
    return event(status, session=session(*actions, **{"status": told, **changes}))


# -- what is read ---------------------------------------------------------------------------


def calls_of(turns: Iterable[Turn]) -> list[ToolCall]:
    return [call for turn in turns for call in turn.calls]


def told(turns: Iterable[Turn]) -> list[tuple[str, str, str, str]]:
    """Kind, id, name and arguments of each call."""
    return [(call.kind, call.id, call.name, call.arguments) for call in calls_of(turns)]


def sdk_session(node: Json) -> AgentSession:
    """What the SDK makes of a session, without any leniency."""
    return AgentSession.model_validate_json(json.dumps(node), strict=True)


def sdk_item(node: Json) -> Any:
    return _ITEM.validate_json(json.dumps(node), strict=True)


def sdk_event(node: Json) -> Any:
    return _EVENT.validate_json(json.dumps(node), strict=True)
