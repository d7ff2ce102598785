"""Paths, requests and answers of agent sessions, and requests of Callgate's own."""

from __future__ import annotations

import json

import pytest

from callgate import surfaces
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import segments
from callgate.model import ToolResult
from callgate.surfaces import sse
from callgate.surfaces.agents import Agents
from callgate.surfaces.base import (
    Endpoint,
    Hidden,
    HostedTool,
    Outgoing,
    Passing,
    Substitute,
    Turn,
)
from callgate.surfaces.sse import SseEvent
from tests.surfaces.agent_objects import (
    EVENTS,
    ITEMS,
    NOTICE,
    SESSION,
    SESSIONS,
    Object,
    action,
    approval,
    copied,
    item,
    listing,
    message,
    request,
    sdk_event,
    session,
    told,
)

AGENTS = Agents()
RESULT: Object = {
    "type": "agent.session.input.tool_result",
    "call_id": "call_1",
    "turn_id": "turn_1",
    "success": True,
    "output": "12",
}


def endpoint(target: str = SESSION, method: str = "GET") -> Endpoint:
    found = AGENTS.endpoint(method, segments(target))
    assert found is not None
    return found


def outgoing(document: Json, target: str = EVENTS) -> Outgoing:
    return AGENTS.read_request(endpoint(target, "POST"), request(target, "POST"), document)


def read(document: Json, target: str = SESSION, method: str = "GET") -> list[Turn]:
    return AGENTS.read_response(endpoint(target, method), request(target, method), document)


# -- paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "operation", "scope"),
    [
        ("POST", SESSIONS, "sessions.create", ""),
        ("GET", SESSIONS, "sessions.list", ""),
        ("GET", SESSION, "sessions.retrieve", "sessions/sess_1"),
        ("POST", "/openai/v1/AGENTS/Sessions/sess_1", "sessions.update", "sessions/sess_1"),
        ("DELETE", SESSION, "sessions.update", "sessions/sess_1"),
        ("POST", EVENTS, "events.create", "sessions/sess_1"),
        ("GET", EVENTS, "events.stream", "sessions/sess_1"),
        ("GET", ITEMS, "items.list", "sessions/sess_1"),
        ("GET", f"{SESSION}/turns/turn_1/items", "items.list", "sessions/sess_1"),
        ("GET", f"{SESSION}/subagents/sub_1/items", "items.list", "sessions/sess_1"),
        ("GET", f"{SESSION}/subagents/sub_1/turns/t/items", "items.list", "sessions/sess_1"),
        ("GET", f"{SESSION}/subagents/sub_1/turns", "turns.list", "sessions/sess_1"),
        ("GET", f"{SESSION}/traces", "traces.list", "sessions/sess_1"),
        ("GET", f"{SESSION}/artifacts/a/content", "artifacts.content", ""),
        ("POST", "/v1/agents", "agents.create", ""),
        ("POST", "/v1/agents/agent_1", "agents.update", ""),
        ("POST", "/v1/agents/automations", "automations.create", ""),
        ("POST", "/v1/agents/environments", "environments.create", ""),
    ],
)
def test_path_is_told_by_its_end(method: str, path: str, operation: str, scope: str) -> None:
    found = surfaces.endpoint_for(method, segments(path))
    assert found is not None
    assert found.surface.name == "agents"
    assert (found.operation, found.scope) == (operation, scope)
    assert found.parameters == ({"session": "sess_1"} if scope else {})


@pytest.mark.parametrize(
    ("path", "reads_request", "reads_response"),
    [(EVENTS, True, True), (SESSIONS, True, True), ("/v1/agents", True, False)],
)
def test_bodies_are_read_where_calls_or_tools_travel(
    path: str, reads_request: bool, reads_response: bool
) -> None:
    found = endpoint(path, "POST")
    assert (found.reads_request, found.reads_response) == (reads_request, reads_response)
    assert not endpoint(ITEMS).reads_request


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/agents/completions"),
        ("HEAD", SESSION),
        ("GET", "/v1/agent"),
        ("GET", f"{SESSION}/robots"),
    ],
)
def test_other_paths_are_not_the_surfaces(method: str, path: str) -> None:
    assert AGENTS.endpoint(method, segments(path)) is None


def test_unknown_parts_of_a_session_count_as_paths_that_may_carry_calls() -> None:
    assert surfaces.mentions_calls(f"{SESSION}/robots")
    assert surfaces.mentions_calls("/v1/Agents/%73essions/x")
    assert not surfaces.mentions_calls("/v1/agents")
    assert surfaces.unread(segments(SESSION)) == ""


# -- requests -------------------------------------------------------------------------------


def test_results_are_of_the_session_and_stand_alone() -> None:
    found = outgoing({"events": [RESULT]})
    assert found.results == [ToolResult("call_1", "12", "events[0].output")]
    assert (found.answers, found.answers_each) == ("sessions/sess_1", True)
    assert not found.reaches_back


def test_message_answers_nothing() -> None:
    found = outgoing({"events": [{"type": "agent.session.input.cancel"}]})
    assert (found.results, found.answers) == ([], "")


def test_declined_request_is_no_result() -> None:
    response: Object = {"type": "mcp_tool_call", "decision": "deny"}
    kind = "agent.session.input.mcp_approval_request_result"
    declined: Object = {"type": kind, "request_id": "apr_1", "response": response}
    assert outgoing({"events": [declined]}).results == []


def test_result_in_the_input_of_a_new_session_is_refused() -> None:
    with pytest.raises(BodyError):
        outgoing({"input": [RESULT]}, SESSIONS)
    with pytest.raises(BodyError, match="object"):
        outgoing([])


def test_results_are_replaced_and_none_is_added() -> None:
    document: Json = {"events": [dict(RESULT)]}
    AGENTS.replace_results(document, [Substitute("call_1", NOTICE), Substitute("call_9", NOTICE)])
    assert document == {"events": [{**RESULT, "output": NOTICE}]}


def test_hosted_tools_are_found_and_removed() -> None:
    search: Json = {"type": "web_search"}
    document: Json = {"agent": {"tools": [search]}, "stream": True}
    found = outgoing(document, SESSIONS)
    assert found.hosted_tools == [HostedTool("web_search", "agent.tools[0].type")]
    assert found.is_streaming
    AGENTS.remove_hosted_tools(document, ["web_search"])
    assert document == {"agent": {"tools": []}, "stream": True}
    AGENTS.ask_before(document, ["web_search"])
    assert outgoing({"tools": [search]}, "/v1/agents").hosted_tools


def test_session_inherits_the_tools_of_its_agent() -> None:
    given: Json = {"agent_id": "agent/1"}
    assert outgoing(given, SESSIONS).inherits_tools_of == "agent/1"
    assert outgoing(given, SESSION).inherits_tools_of == ""
    where, look = AGENTS.owner(request(f"{SESSIONS}?api-version=1", "POST"), "agent/1")
    assert (look.method, look.target) == ("GET", "/v1/agents/agent%2F1?api-version=1")
    owner: Json = {"id": "agent/1", "tools": [{"type": "web_search"}]}
    assert AGENTS.read_request(where, look, owner).hosted_tools
    AGENTS.inherit_tools(given, owner)
    assert outgoing(given, SESSIONS).hosted_tools


# -- answers --------------------------------------------------------------------------------


CALL = ("function", "call_1", "look", '{"city":"Oslo"}')


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_session_tells_what_it_waits_for(method: str) -> None:
    [turn] = read(session(action()), SESSION, method)
    assert told([turn]) == [CALL]
    assert turn.is_polled


def test_lists_tell_calls_of_sessions_and_of_items() -> None:
    other = session(action("call_2"), id="sess_2")
    turns = read(listing(session(action()), other, session()), SESSIONS)
    assert [turn.calls[0].scope for turn in turns] == ["sessions/sess_1", "sessions/sess_2"]
    assert told(read(listing(message(), item()), ITEMS)) == [CALL]


@pytest.mark.parametrize(
    ("document", "target"),
    [
        (listing(item()), f"{SESSION}/turns"),
        ({"item": item()}, SESSION),
        ([action()], SESSION),
        (listing("x"), ITEMS),
        ({"sessions": [session(action())]}, SESSIONS),
    ],
)
def test_calls_in_other_places_are_refused(document: Json, target: str) -> None:
    with pytest.raises(BodyError):
        read(document, target)


@pytest.mark.parametrize(
    ("document", "target"),
    [
        (listing({"id": "turn_1", "object": "agent.session.turn"}), f"{SESSION}/turns"),
        (listing({"otlp": {"x": action()}}), f"{SESSION}/traces"),
        ({"id": "sess_1", "deleted": True}, SESSION),
        (None, SESSION),
    ],
)
def test_bodies_without_calls_are_no_turns(document: Json, target: str) -> None:
    assert read(document, target) == []


def test_answers_are_changed_in_place() -> None:
    document = copied(session(action(), action("call_2")))
    [turn] = read(document)
    AGENTS.replace_arguments(turn, {"call_2": "{}"})
    AGENTS.withhold(turn, Hidden({"call_1": NOTICE}, {}))
    assert document == session(action("call_2", arguments={}))


def test_stream_of_a_session_is_read_in_the_scope_of_its_path() -> None:
    events = AGENTS.open_events(endpoint(EVENTS), request(EVENTS), sse.event)
    data = json.dumps({"type": "agent.session.turn.item.added", "item": item()})
    [group] = events.feed(SseEvent(b"", "", data))
    assert not isinstance(group, Passing)
    assert group.turns[0].calls[0].scope == "sessions/sess_1"


def test_error_is_an_event_of_the_apis() -> None:
    raw = AGENTS.error_event(
        {"message": "no", "type": "permission_error", "code": "x", "param": None}, sse.event
    )
    assert raw.startswith(b"event: error\n")
    told = sdk_event(json.loads(raw.partition(b"data: ")[2]))
    assert (told.type, told.error.code, told.error.message) == ("error", "x", "no")


# -- the API's own --------------------------------------------------------------------------


def test_calls_are_looked_up_in_the_session_then_in_its_items() -> None:
    asked = request(f"{EVENTS}?include_obfuscation=false&api-version=1", "POST")
    looks = AGENTS.lookups(asked, "sessions/sess_1")
    assert [(where.operation, look.method, look.target) for where, look in looks] == [
        ("sessions.retrieve", "GET", f"{SESSION}?api-version=1"),
        ("items.list", "GET", f"{ITEMS}?api-version=1&limit=100&order=desc"),
    ]
    assert {where.scope for where, _ in looks} == {"sessions/sess_1"}


def test_denied_calls_are_answered_by_events_of_the_session() -> None:
    [call, asked] = read(session(action(), approval()))
    for turn, key in ((call, "error"), (asked, "response")):
        id = turn.calls[0].id
        notices = [Substitute(id, NOTICE)]
        sent = AGENTS.settlement(request(SESSIONS), turn.scope, notices, is_streaming=False)
        assert (sent.method, sent.target) == ("POST", EVENTS)
        [event] = json.loads(sent.body)["events"]
        assert key in event
    with pytest.raises(ValueError, match="not a request"):
        AGENTS.lookups(request("/v1/robots"), "sessions/sess_1")


def test_what_is_said_belongs_to_the_session() -> None:
    user: Json = {"role": "user", "content": "hello"}
    message: Json = {"type": "agent.session.input.message", "input": [user]}
    found = outgoing({"events": [message]})

    assert (found.said, found.conversation) == (("hello",), "sessions/sess_1")
    assert outgoing({"instructions": "be nice", "input": "x"}, "/v1/agents").said == ()


def test_new_session_is_what_requests_go_on_with() -> None:
    assert AGENTS.begins(endpoint(SESSIONS, "POST"), {"id": "s"}) == "sessions/s"
    assert AGENTS.begins(endpoint(SESSIONS, "POST"), []) == ""
    assert AGENTS.begins(endpoint(EVENTS, "POST"), {"id": "s"}) == ""
