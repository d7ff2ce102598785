"""The Realtime and Live APIs: which requests mean what, and what the app's messages carry."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from openai.types.live import ErrorEvent
from openai.types.realtime import RealtimeClientEvent, RealtimeErrorEvent
from pydantic import TypeAdapter

from callgate.errors import BodyError
from callgate.exchange import segments
from callgate.surfaces import sse
from callgate.surfaces.base import Hidden, HostedTool, Outgoing, Substitute, Turn, message
from callgate.surfaces.realtime import Live, Realtime
from tests.surfaces.realtime_objects import RECORDED, A, B, Json, done, endpoint, request

CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)


def read(document: object, target: str = "/v1/realtime", method: str = "GET") -> Outgoing:
    where = replace(endpoint(target, method), scope="sessions/sess_1")
    return where.surface.read_request(where, request(target), json.loads(json.dumps(document)))


def created(**item: object) -> Json:
    return {"type": "conversation.item.create", "item": item}


OUTPUT = created(type="function_call_output", call_id="call_a", output="4711")


@pytest.mark.parametrize(
    "target",
    [
        "/v1/realtime?model=gpt-realtime",
        "/openai/realtime?api-version=2025-04-01-preview&deployment=d",
        "/openai/v1/Realtime?model=d",
        "/v1/realtime?call_id=rtc_1",
        "/v1/realtime?intent=transcription",
        "/realtime/",
        "/v1/realtime/translations",
        "/v1/live/sessions",
        "/v1/live/sessions/live_1/attach",
        "/v1/live/sessions/live_1/fork",
    ],
)
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_sockets_are_read_both_ways(target: str, method: str) -> None:
    found = endpoint(target, method)
    assert (found.is_socket, found.reads_request, found.reads_response) == (True, True, True)
    assert found.hides == ""


@pytest.mark.parametrize(
    ("target", "reads_request"),
    [
        ("/v1/realtime?model=gpt-realtime", False),
        ("/v1/realtimertc", False),
        ("/v1/realtime/calls", False),
        ("/v1/realtime/calls/rtc_1/accept", True),
        ("/v1/realtime/calls/rtc_1/refer", False),
        ("/v1/realtime/client_secrets", True),
        ("/v1/realtime/translations/calls", False),
        ("/v1/realtime/translations/client_secrets", True),
        ("/v1/realtime/sessions", True),
        ("/openai/realtimeapi/realtime/transcription_sessions", True),
        ("/v1/live/sessions", True),
        ("/v1/live/sessions/live_1/fork", True),
        ("/v1/live/sessions/live_1/accept", True),
        ("/v1/live/sessions/live_1/refer", False),
    ],
)
def test_what_goes_past_every_proxy_says_so(target: str, reads_request: bool) -> None:
    found = endpoint(target, "POST")
    assert found.hides
    assert (found.is_socket, found.reads_response) == (False, False)
    assert found.reads_request == reads_request


@pytest.mark.parametrize(
    "target",
    [
        "/v1/realtime/calls/rtc_1/hangup",
        "/v1/realtime/calls/rtc_1/reject",
        "/v1/live/sessions/live_1/hangup",
        "/v1/live/sessions/live_1/reject",
    ],
)
def test_ending_a_call_hides_nothing(target: str) -> None:
    found = endpoint(target, "POST")
    assert (found.hides, found.is_socket, found.reads_request) == ("", False, False)
    assert found.parameters["session"]


def test_recording_of_a_session_passes_unread() -> None:
    found = endpoint("/v1/live/sessions/live_1/content", "GET")
    assert (found.hides, found.reads_request, found.reads_response) == ("", False, False)


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/v1/models"), ("HEAD", "/v1/realtime"), ("GET", "/v1/agents/sessions")],
)
def test_other_requests_are_not_its(method: str, target: str) -> None:
    for surface in (Realtime(), Live()):
        assert surface.endpoint(method, segments(target)) is None


def test_connection_is_opened_for_reading() -> None:
    assert endpoint().surface.open_events(endpoint(), request(), message).scope == ""


def test_words_stand_in_every_path() -> None:
    for surface in (Realtime(), Live()):
        for pattern, _ in surface.operations:
            assert all(word in "/".join(pattern) for word in surface.words)


def recorded_messages() -> list[Json]:
    paths = sorted(RECORDED.glob("realtime__*.json")) if RECORDED.exists() else []
    frames = [one for path in paths for one in json.loads(path.read_text())["response_body"]]
    return [one["data"] for one in frames if one["direction"] == "sent"]


@pytest.mark.skipif(not RECORDED.exists(), reason="no recordings here")
def test_recorded_messages_carry_the_results_that_the_sdk_sees() -> None:
    by_sdk = set()
    for document in recorded_messages():
        event = CLIENT_EVENT.validate_python(document)
        if event.type == "conversation.item.create" and event.item.type == "function_call_output":
            by_sdk.add((event.item.call_id, event.item.output, "item.output"))
    found = [result for one in recorded_messages() for result in read(one).results]
    assert {(one.call_id, one.output, one.path) for one in found} == by_sdk
    assert len(by_sdk) == 2


def test_result_continues_the_session() -> None:
    outgoing = read(OUTPUT)
    [result] = outgoing.results
    assert (result.call_id, result.output, result.path) == ("call_a", "4711", "item.output")
    assert (outgoing.answers, outgoing.reaches_back) == ("sessions/sess_1", True)
    assert read({"type": "response.create"}).answers == "sessions/sess_1"
    assert read({"type": "input_audio_buffer.append", "audio": "AAAA"}).answers == ""


def test_response_with_input_of_its_own_quotes_calls_and_results() -> None:
    item = {"type": "function_call_output", "call_id": "call_a", "output": "1"}
    outgoing = read({"type": "response.create", "response": {"input": [A, item]}})
    assert [one.path for one in outgoing.results] == ["response.input[1].output"]
    [echo] = outgoing.echoes
    assert (echo.id, echo.name, echo.scope) == ("call_a", "look", "quoted")


def test_live_results_are_read() -> None:
    parts = [{"type": "input_text", "text": "1"}]
    item = {"type": "custom_tool_call_output", "call_id": "call_a", "output": parts}
    for kind in ("response.item.create", "decision.item.create"):
        [result] = read({"type": kind, "item": item}, "/v1/live/sessions").results
        assert result.output == "1"


@pytest.mark.parametrize(
    "document",
    [[], 5, {"type": "x", "items": [OUTPUT["item"]]}, {"type": "x", "item": 5}],
)
def test_message_that_can_not_be_told_is_an_error(document: object) -> None:
    with pytest.raises(BodyError):
        read(document)


# -- hosted tools ---------------------------------------------------------------------------

FUNCTION = {"type": "function", "name": "look", "parameters": {}}
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.test"}


def settings(*tools: object) -> list[tuple[Json, str]]:
    """Every message and body that can enable tools."""
    listed = json.loads(json.dumps(tools))
    return [
        ({"type": "session.update", "session": {"tools": listed}}, "session.tools"),
        ({"type": "response.create", "response": {"tools": listed}}, "response.tools"),
        ({"session": {"tools": listed}}, "session.tools"),
        ({"model": "m", "tools": listed}, "tools"),
        (
            {"type": "session.start", "session": {"delegation": {"responses": {"tools": listed}}}},
            "session.delegation.responses.tools",
        ),
    ]


@pytest.mark.parametrize("place", range(5))
def test_servers_that_the_api_calls_are_named(place: int) -> None:
    document, path = settings(FUNCTION, MCP)[place]
    tools = read(document).hosted_tools
    assert list(tools) == [HostedTool("mcp.docs", f"{path}[1].type", can_ask=True)]


@pytest.mark.parametrize("place", range(5))
def test_servers_can_be_told_to_ask_and_be_taken_out(place: int) -> None:
    other = {**MCP, "server_label": "web"}
    document, _ = settings(FUNCTION, MCP, other)[place]
    Realtime().ask_before(document, ["mcp.docs"])
    assert json.dumps(document).count('"require_approval": "always"') == 1
    Realtime().remove_hosted_tools(document, ["mcp.docs"])
    assert [one.name for one in read(document).hosted_tools] == ["mcp.web"]
    assert '"look"' in json.dumps(document)


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ({"type": "web_search"}, "web_search"),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, "code_interpreter"),
        ({"type": "shell", "environment": {"type": "container_auto"}}, "shell"),
        ({"type": "shell", "environment": {"type": "local"}}, ""),
        ({"type": "shell"}, ""),
        ({"type": "custom", "name": "x"}, ""),
        ({"name": "beta", "parameters": {}}, ""),
    ],
)
def test_tools_that_the_api_runs_are_told_from_the_apps(tool: Json, name: str) -> None:
    found = read(settings(tool)[0][0]).hosted_tools
    assert [one.name for one in found] == ([name] if name else [])
    assert not any(one.can_ask for one in found)


@pytest.mark.parametrize("tools", [{}, "all", [5], [{"type": 5}]])
def test_tools_that_can_not_be_told_are_an_error(tools: object) -> None:
    with pytest.raises(BodyError):
        read({"type": "session.update", "session": {"tools": tools}})


def test_session_without_tools_enables_none() -> None:
    assert read({"type": "session.update", "session": {"tools": None}}).hosted_tools == []
    assert read({"type": "session.update", "session": {"delegation": None}}).hosted_tools == []


# -- changes --------------------------------------------------------------------------------


def test_result_is_replaced() -> None:
    document = json.loads(json.dumps(OUTPUT))
    Realtime().replace_results(document, [Substitute("call_a", "no"), Substitute("call_b", "no")])
    assert [(one.call_id, one.output) for one in read(document).results] == [("call_a", "no")]


def test_calls_of_a_body_can_be_changed_too() -> None:
    node: Json = json.loads(json.dumps(done(A, B)))
    turn = Turn("sessions/sess_1", node)
    Realtime().replace_arguments(turn, {"call_a": '{"x":"new"}'})
    Realtime().withhold(turn, Hidden({"call_b": "blocked"}, {}))
    first, second = node["response"]["output"]
    assert first["arguments"] == '{"x":"new"}'
    assert second["content"] == [{"type": "output_text", "text": "blocked"}]


ERROR = {"message": "denied", "type": "permission_error", "param": "item.output", "code": "x"}


def test_error_names_the_message_that_is_refused() -> None:
    cause: Any = {**OUTPUT, "event_id": "event_mine"}
    raw = Realtime().error_event(ERROR, message, cause)
    event = RealtimeErrorEvent.model_validate_json(raw, strict=True)
    assert (event.error.message, event.error.code) == ("denied", "x")
    assert (event.error.param, event.error.event_id) == ("item.output", "event_mine")
    live = ErrorEvent.model_validate_json(Live().error_event(ERROR, message, cause), strict=True)
    assert live.error.client_event_id == "event_mine"
    assert event.event_id.startswith("event_")


def test_error_without_a_cause_names_none() -> None:
    raw = Realtime().error_event(ERROR, message)
    assert RealtimeErrorEvent.model_validate_json(raw, strict=True).error.event_id is None
    assert Realtime().error_event(ERROR, sse.event).startswith(b"event: error\n")


# -- what these APIs have not ---------------------------------------------------------------


def test_answers_have_no_calls() -> None:
    where = endpoint()
    documents: list[Any] = [{"error": {"message": "no"}}, [], None]
    for document in documents:
        assert where.surface.read_response(where, request(), document) == []
    with pytest.raises(BodyError):
        where.surface.read_response(where, request(), {"data": [A]})


def test_only_the_connection_shows_calls_and_takes_results() -> None:
    surface = Realtime()
    assert surface.lookups(request(), "sessions/sess_1") == []
    with pytest.raises(ValueError, match="own connection"):
        surface.settlement(request(), "sessions/sess_1", (), is_streaming=False)
    with pytest.raises(ValueError, match="inherits"):
        surface.owner(request(), "asst_1")
    with pytest.raises(ValueError, match="inherits"):
        surface.inherit_tools({}, {})


def test_what_users_and_operators_say_is_heard() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}

    assert read(created(**item)).said == ("hi",)
    assert read(OUTPUT).said == ()
    update = {"type": "session.update", "session": {"instructions": "be nice"}}
    assert read(update).said == ("be nice",)
