"""Agents (`/agents/sessions`): sessions that go on by themselves, and require actions of the app.

Source: openai SDK `resources/beta/agents`, `lib/streaming/agents`. A session shows what it
waits for in `required_actions`, in the items of its turns, and in a stream of events that stays
open; the app answers call by call, by events of its own. Paths and bodies are read here, calls
in `agent_items` and `agent_sessions`, streams in `agent_events`, answers in `agent_inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request, segments
from callgate.model import SurfaceName
from callgate.surfaces import agent_inputs, agent_items, agent_sessions, agent_tools
from callgate.surfaces.agent_events import AgentEvents
from callgate.surfaces.base import (
    Endpoint,
    Frame,
    Hidden,
    Outgoing,
    Substitute,
    Surface,
    Turn,
)
from callgate.surfaces.fields import Object, made_id
from callgate.surfaces.paths import Operations, locate, query_of, quoted, with_query

_SESSION = ("agents", "sessions", "*")
_SUBAGENT = (*_SESSION, "subagents", "*")
_OPERATIONS: Operations = (
    (("agents", "sessions"), {"POST": "sessions.create", "GET": "sessions.list"}),
    (_SESSION, {"POST": "sessions.update", "GET": "sessions.retrieve"}),
    ((*_SESSION, "events"), {"POST": "events.create", "GET": "events.stream"}),
    ((*_SESSION, "items"), {"GET": "items.list"}),
    ((*_SESSION, "turns"), {"GET": "turns.list"}),
    ((*_SESSION, "turns", "*"), {"GET": "turns.retrieve"}),
    ((*_SESSION, "turns", "*", "items"), {"GET": "items.list"}),
    ((*_SESSION, "subagents"), {"GET": "subagents.list"}),
    (_SUBAGENT, {"GET": "subagents.retrieve"}),
    ((*_SUBAGENT, "items"), {"GET": "items.list"}),
    ((*_SUBAGENT, "turns"), {"GET": "turns.list"}),
    ((*_SUBAGENT, "turns", "*"), {"GET": "turns.retrieve"}),
    ((*_SUBAGENT, "turns", "*", "items"), {"GET": "items.list"}),
    ((*_SESSION, "traces"), {"GET": "traces.list"}),
    ((*_SESSION, "artifacts"), {"GET": "artifacts.list"}),
    ((*_SESSION, "artifacts", "*"), {"GET": "artifacts.retrieve"}),
    ((*_SESSION, "artifacts", "*", "content"), {"GET": "artifacts.content"}),
    (("agents", "automations"), {"POST": "automations.create", "GET": "automations.list"}),
    (("agents", "automations", "*"), {"POST": "automations.update", "GET": "automations.retrieve"}),
    (("agents", "environments"), {"POST": "environments.create", "GET": "environments.list"}),
    (("agents",), {"POST": "agents.create", "GET": "agents.list"}),
    (("agents", "*"), {"POST": "agents.update", "GET": "agents.retrieve"}),
)
_READS_REQUEST = frozenset(
    str.split(
        "sessions.create sessions.update events.create automations.create automations.update "
        "agents.create agents.update"
    )
)
_OF_OTHERS = frozenset(("completions",))
"""No agents: other makers have chats at `agents/completions`."""

_CARRYING = ("sessions.", "events.", "items.", "turns.", "subagents.", "traces.")
"""Operations whose answers can carry calls; the others tell of definitions and files."""


class Agents(Surface):
    """See `Surface`; the scope of a call is `sessions/ID`."""

    name = SurfaceName.AGENTS
    words = ("agents", "sessions")

    def endpoint(self, method: str, segments: Sequence[str]) -> Endpoint | None:
        """See `Surface.endpoint`; matches by the end of the path, whatever stands before."""
        place = locate(_OPERATIONS, method, segments)
        if place is None or (len(place.ids) == 1 and place.ids[0].lower() in _OF_OTHERS):
            return None
        return self._endpoint(place.operation, place.ids)

    def _endpoint(self, operation: str, ids: Sequence[str]) -> Endpoint:
        carries = operation.startswith(_CARRYING)
        return Endpoint(
            surface=self,
            operation=operation,
            scope=f"sessions/{ids[0]}" if carries and ids else "",
            reads_request=operation in _READS_REQUEST,
            reads_response=carries,
            parameters={"session": ids[0]} if carries and ids else {},
        )

    # -- requests -------------------------------------------------------------------------

    def read_request(self, endpoint: Endpoint, request: Request, document: Json) -> Outgoing:
        """See `Surface.read_request`."""
        body = _object(document)
        answers = list(agent_inputs.answers_of(body))
        agent_inputs.refuse_strays(body, answers)
        results = [answer.result for answer in answers if not answer.is_refusal]
        is_new = endpoint.operation in ("sessions.create", "automations.create")
        return Outgoing(
            results=results,
            hosted_tools=list(agent_tools.hosted_in(body)),
            answers=endpoint.scope if answers else "",
            answers_each=True,
            is_streaming=body.get("stream") not in (None, False),
            inherits_tools_of=agent_tools.inherited_from(body) if is_new else "",
            said=tuple(agent_inputs.said_in(body)) if endpoint.reads_response else (),
            conversation=endpoint.scope,
        )

    def replace_results(self, document: Json, outputs: Sequence[Substitute]) -> None:
        """See `Surface.replace_results`; none are missing where each is given by itself."""
        agent_inputs.replace_results(_object(document), outputs)

    def remove_hosted_tools(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.remove_hosted_tools`."""
        agent_tools.remove(_object(document), names)

    def ask_before(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.ask_before`; no hosted tool of this API can be told to ask."""

    # -- answers --------------------------------------------------------------------------

    def read_response(self, endpoint: Endpoint, request: Request, document: Json) -> list[Turn]:
        """See `Surface.read_response`: a session, or a list of sessions or of items."""
        turns: list[Turn] = []
        read: set[int] = set()
        listed = document.get("data") if isinstance(document, dict) else None
        if endpoint.operation == "items.list" and isinstance(listed, list):
            read |= {id(item) for item in listed}
            turns += agent_sessions.item_turns(request, endpoint.scope, listed, is_polled=True)
        nodes = [document, *(listed if isinstance(listed, list) else ())]
        for node in nodes:
            if isinstance(node, dict) and id(node) not in read and "required_actions" in node:
                read.add(id(node["required_actions"]))
                turns += agent_sessions.session_turns(request, node, endpoint.scope, is_polled=True)
        agent_items.refuse_stray_calls(document, read)
        return turns

    def begins(self, endpoint: Endpoint, document: Json) -> str:
        """See `Surface.begins`: a new session."""
        is_new = endpoint.operation == "sessions.create" and isinstance(document, dict)
        return agent_sessions.scope_of(_object(document).get("id")) if is_new else ""

    def replace_arguments(self, turn: Turn, arguments: Mapping[str, str]) -> None:
        """See `Surface.replace_arguments`."""
        agent_sessions.replace_arguments(turn, arguments)

    def withhold(self, turn: Turn, hidden: Hidden) -> None:
        """See `Surface.withhold`."""
        agent_sessions.withhold(turn, hidden)

    def open_events(self, endpoint: Endpoint, request: Request, frame: Frame) -> AgentEvents:
        """See `Surface.open_events`."""
        return AgentEvents(endpoint, request, frame)

    def error_event(self, error: Mapping[str, Json], frame: Frame, cause: Json = None) -> bytes:
        """See `Surface.error_event`; the SDK's own streams hand an error out, and then raise
        because the stream ends before the turn does."""
        seed = canonical.dump(dict(error))
        told: Object = {
            "type": "error",
            "event_id": made_id("event", seed),
            "session_id": "",
            "error": dict(error),
        }
        return frame("error", canonical.dump(told).decode())

    # -- the API's own --------------------------------------------------------------------

    def owner(self, request: Request, id: str) -> tuple[Endpoint, Request]:
        """See `Surface.owner`: the saved agent."""
        target = with_query(f"{_base(request)}/agents/{quoted(id)}", query_of(request.query))
        return self._endpoint("agents.update", (id,)), request.with_target("GET", target)

    def inherit_tools(self, document: Json, owner: Json) -> None:
        """See `Surface.inherit_tools`."""
        agent_tools.inherit(_object(document), owner)

    def lookups(self, request: Request, scope: str) -> list[tuple[Endpoint, Request]]:
        """See `Surface.lookups`: the session, then its newest items."""
        session = agent_sessions.answered_by(scope).session
        path, query = f"{_base(request)}/agents/sessions/{quoted(session)}", query_of(request.query)
        return [
            (
                self._endpoint("sessions.retrieve", (session,)),
                request.with_target("GET", with_query(path, query)),
            ),
            (
                self._endpoint("items.list", (session,)),
                request.with_target(
                    "GET", with_query(f"{path}/items", query, "limit=100", "order=desc")
                ),
            ),
        ]

    def settlement(
        self, request: Request, scope: str, notices: Sequence[Substitute], *, is_streaming: bool
    ) -> Request:
        """See `Surface.settlement`: failed results with the notices; a request is declined."""
        session = agent_sessions.answered_by(scope).session
        path = f"{_base(request)}/agents/sessions/{quoted(session)}/events"
        body = canonical.dump(
            {"events": agent_inputs.denials(scope, {one.call_id: one.text for one in notices})}
        )
        return request.with_target("POST", with_query(path, query_of(request.query)), body)


def _object(document: Json) -> Object:
    if not isinstance(document, dict):
        raise BodyError("the body must be a JSON object")
    return document


def _base(request: Request) -> str:
    """What stands before `/agents` in the path of a request of this surface."""
    place = locate(_OPERATIONS, "GET", segments(request.target))
    if place is None:
        raise ValueError(f"not a request of the agents surface: {request.target[:80]!r}")
    return place.base
