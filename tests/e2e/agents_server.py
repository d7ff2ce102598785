"""Agents sessions as strict as the SDK's sources tell: calls wait until each has one result.

The agent does what the user's message says, a JSON list of `{"name", "arguments"}`: it asks for
all of them at once, and then says the results that it was given. A name `mcp.SERVER.TOOL` asks
for an approval instead. A call is told some time before its result is taken, as the SDK expects
(`lib/streaming/agents/_tools.py`). Starlette, in memory.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

type Json = dict[str, Any]

_NUMBERS = itertools.count(1)
_INPUT = "agent.session.input."
_EARLY_SECONDS = 0.15
"""Between telling a call and waiting for it."""


def _id(kind: str) -> str:
    return f"{kind}_{next(_NUMBERS)}"


def _is(node: Json, **types: type) -> bool:
    return all(isinstance(node.get(key), kind) for key, kind in types.items())


@dataclass
class Session:
    """One session: what it waits for, what was said, and who listens."""

    id: str
    agent: Json
    status: str = "idle"
    actions: list[Json] = field(default_factory=list)
    items: list[Json] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    turn: str = ""
    listeners: list[asyncio.Queue[bytes]] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def picture(self) -> Json:
        """As `AgentSession`."""
        return {
            "id": self.id,
            "object": "agent.session",
            "agent": self.agent,
            "created_at": 1,
            "last_active_at": 2,
            "environment": {"type": "none"},
            "metadata": {},
            "vault_ids": [],
            "status": self.status,
            "required_actions": list(self.actions),
        }

    def tell(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": _id("event"), **fields}
        raw = f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode()
        for listener in self.listeners:
            listener.put_nowait(raw)

    def tell_state(self, status: str) -> None:
        self.status = status
        self.tell(f"agent.session.{status}", session=self.picture())

    def tell_turn(self, state: str) -> None:
        turn = {
            "id": self.turn,
            "object": "agent.session.turn",
            "agent_id": self.agent["id"],
            "session_id": self.id,
            "created_at": 1,
            "status": "in_progress" if state == "created" else state,
        }
        about = {"session_id": self.id, "turn_id": self.turn}
        self.tell(f"agent.session.turn.{state}", turn=turn, **about)

    def tell_item(self, item: Json, step: str = "added") -> None:
        if step == "added":
            self.items.append(item)
        index = self.items.index(item)
        about = {"session_id": self.id, "turn_id": self.turn, "output_index": index}
        self.tell(f"agent.session.turn.item.{step}", item=item, **about)

    # -- turns ----------------------------------------------------------------------------

    def begin(self, text: str) -> None:
        """A user's message begins a turn."""
        self.turn, self.results = _id("turn"), []
        self.tell_turn("created")
        self.tell_state("in_progress")
        task = asyncio.ensure_future(self._ask(json.loads(text)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _ask(self, wanted: list[Json]) -> None:
        actions = [self._action(one) for one in wanted]
        for action in actions:
            if action["type"] == "function_call":
                item = {**action, "id": _id("fc"), "status": "in_progress"}
                self.tell_item(item)
                self.tell_item(item, "done")
        await asyncio.sleep(_EARLY_SECONDS)
        self.actions += actions
        if actions:
            self.tell_state("requires_action")
        else:
            self.say()

    def _action(self, wanted: Json) -> Json:
        kind, _, rest = wanted["name"].partition(".")
        arguments = json.loads(wanted["arguments"])
        if kind == "mcp" and rest:
            label, _, tool = rest.partition(".")
            asked = {"server_label": label, "name": tool, "message": "May I?"}
            asked |= {"type": "mcp_tool_call", "arguments": arguments}
            about = {"request_id": _id("apr"), "turn_id": self.turn, "request": asked}
            return {"type": "mcp_approval_request", **about}
        about = {"call_id": _id("call"), "turn_id": self.turn, "name": wanted["name"]}
        return {"type": "function_call", **about, "arguments": arguments}

    def take(self, event: Json) -> str:
        """Take what the app says; returns what is wrong with it, or nothing."""
        match event.get("type"):
            case "agent.session.input.message":
                self.begin(event["input"][0]["content"][0]["text"])
            case "agent.session.input.tool_result":
                return self._take_result(event)
            case "agent.session.input.mcp_approval_request_result":
                return self._take_approval(event)
            case kind:
                return f"Unknown event type: {kind}"
        return ""

    def _take_result(self, event: Json) -> str:
        if not _is(event, call_id=str, turn_id=str, success=bool):
            return "call_id, turn_id and success are required"
        said = event.get("output" if event["success"] else "error")
        if not isinstance(said, str):
            return "an output, or an error, is required"
        waiting = self._waiting("call_id", event["call_id"])
        if waiting is None or waiting["turn_id"] != event["turn_id"]:
            return f"Unknown pending tool call: {event['call_id']}"
        about = {"turn_id": self.turn, "call_id": event["call_id"]}
        status = "completed" if event["success"] else "failed"
        output = {"output": said} if event["success"] else {"error": said}
        self.tell_item(
            {"id": _id("fco"), "type": "function_call_output", **about, "status": status, **output}
        )
        self._took(waiting, said)
        return ""

    def _take_approval(self, event: Json) -> str:
        response = event.get("response")
        if not isinstance(response, dict) or response.get("type") != "mcp_tool_call":
            return "response.type must be mcp_tool_call"
        if response.get("decision") not in ("approve", "deny", "cancel"):
            return "response.decision must be a decision"
        waiting = self._waiting("request_id", str(event.get("request_id")))
        if waiting is None:
            return f"Unknown approval request: {event.get('request_id')}"
        self._took(waiting, f"{waiting['request']['name']}: {response['decision']}")
        return ""

    def _waiting(self, key: str, id: str) -> Json | None:
        return next((action for action in self.actions if action.get(key) == id), None)

    def _took(self, action: Json, said: str) -> None:
        self.actions.remove(action)
        self.results.append(said)
        self.tell_state("requires_action" if self.actions else "in_progress")
        if not self.actions:
            self.say()

    def say(self) -> None:
        """The agent's last words, and the end of the turn."""
        text, id = "; ".join(self.results) or "nothing to do", _id("msg")
        message = {"id": id, "type": "message", "role": "assistant", "turn_id": self.turn}
        begun: Json = {**message, "status": "in_progress", "content": []}
        self.tell_item(begun)
        about = {"session_id": self.id, "turn_id": self.turn, "output_index": len(self.items) - 1}
        inside = {**about, "item_id": id, "content_index": 0}
        self.tell("agent.session.turn.output_text.delta", **inside, delta=text)
        part = {"type": "output_text", "text": text}
        begun |= {"status": "completed", "phase": "final_answer", "content": [part]}
        self.tell_item(begun, "done")
        self.tell_turn("completed")
        self.tell_state("idle")


class Api:
    """What one server keeps."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.agents: dict[str, Json] = {}

    def _session(self, request: Request) -> Session:
        return self.sessions[request.path_params["id"]]

    async def create(self, request: Request) -> Response:
        body = await request.json()
        given: Json = {"model": "gpt-x", "tools": [], **body.get("agent", {})}
        agent: Json = {
            "id": _id("agent"),
            "multi_agent": {"enabled": False},
            "reasoning": {},
            "service_tier": "auto",
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            **given,
        }
        session = Session(_id("sess"), agent)
        self.sessions[session.id] = session
        if not body.get("stream"):
            if body.get("input"):
                session.begin(body["input"])
            return JSONResponse(session.picture())
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        session.listeners.append(queue)
        session.tell("agent.session.created", session=session.picture())
        session.begin(body["input"])
        return _stream(session, queue)

    async def listing(self, request: Request) -> Response:
        return _list([session.picture() for session in self.sessions.values()])

    async def retrieve(self, request: Request) -> Response:
        return JSONResponse(self._session(request).picture())

    async def listen(self, request: Request) -> Response:
        session, queue = self._session(request), asyncio.Queue[bytes]()
        session.listeners.append(queue)
        return _stream(session, queue)

    async def say(self, request: Request) -> Response:
        session = self._session(request)
        if problem := next(filter(None, map(session.take, (await request.json())["events"])), ""):
            error = {"message": problem, "type": "invalid_request_error", "param": None}
            return JSONResponse({"error": {**error, "code": "invalid_request_error"}}, 400)
        return Response(status_code=202)

    async def items(self, request: Request) -> Response:
        return _list(self._session(request).items)


def _list(data: list[Json]) -> Response:
    return JSONResponse({"object": "list", "data": data, "has_more": False})


def _stream(session: Session, queue: asyncio.Queue[bytes]) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield await queue.get()
        finally:
            session.listeners.remove(queue)

    return StreamingResponse(chunks(), media_type="text/event-stream")


def routes(api: Api) -> Iterator[Route]:
    base = "/v1/agents/sessions"
    yield Route(base, api.create, methods=["POST"])
    yield Route(base, api.listing, methods=["GET"])
    yield Route(f"{base}/{{id}}", api.retrieve, methods=["GET"])
    yield Route(f"{base}/{{id}}/events", api.listen, methods=["GET"])
    yield Route(f"{base}/{{id}}/events", api.say, methods=["POST"])
    yield Route(f"{base}/{{id}}/items", api.items, methods=["GET"])


def create_app(api: Api) -> Starlette:
    """One server with its own memory."""
    return Starlette(routes=list(routes(api)))
