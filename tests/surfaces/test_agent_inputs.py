"""What apps say to agent sessions: results and approvals, and what Callgate says instead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.beta.agent_session_input_param import AgentSessionInputParam
from pydantic import TypeAdapter

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.model import ToolResult
from callgate.surfaces import agent_inputs as inputs
from callgate.surfaces import agent_sessions
from callgate.surfaces.base import Substitute
from tests.surfaces.agent_objects import NOTICE, Object, access, action, approval, login

_EVENT: TypeAdapter[Any] = TypeAdapter(AgentSessionInputParam)


def result(call_id: Json = "call_1", **fields: Json) -> Object:
    about: Object = {"type": "agent.session.input.tool_result", "call_id": call_id}
    return {**about, "turn_id": "turn_1", "success": True, **fields}


def decided(response: Json, kind: str = "mcp_approval_request") -> Object:
    about: Object = {"type": f"agent.session.input.{kind}_result", "request_id": "apr_1"}
    return {**about, "response": response}


def decision(word: Json) -> Object:
    return decided({"type": "mcp_tool_call", "decision": word})


def form(**fields: Json) -> Object:
    return decided({"type": "browser_authentication", **fields}, "computer_use_approval_request")


def said(*events: Json) -> Object:
    return {"events": [*events]}


def read(*events: Json) -> list[ToolResult]:
    return found(said(*events))


def found(document: Object) -> list[ToolResult]:
    answers = list(inputs.answers_of(document))
    inputs.refuse_strays(document, answers)
    return [answer.result for answer in answers if not answer.is_refusal]


MESSAGE: Object = {
    "type": "agent.session.input.message",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "call_id"}]}],
}
CANCEL: Object = {"type": "agent.session.input.cancel"}


@pytest.mark.parametrize(
    ("fields", "output", "key"),
    [
        ({"output": "12"}, "12", "output"),
        ({"success": False, "error": "no"}, "no", "error"),
        ({"output": None, "error": "no"}, "no", "error"),
        ({"success": False, "output": "12"}, "12", "output"),
        ({"output": [{"type": "input_text", "text": "12"}]}, "12", "output"),
        ({"output": [{"type": "input_image", "text": "12"}]}, ..., "output"),
        ({"output": [{"type": "input_text", "text": 5}]}, ..., "output"),
        ({"output": ["12"]}, ["12"], "output"),
        ({"output": "12", "error": "no"}, ["12", "no"], "output"),
        ({}, None, "output"),
        ({"success": False}, None, "error"),
    ],
)
def test_result_is_an_output_or_an_error(fields: Object, output: object, key: str) -> None:
    expected = fields["output"] if output is ... else output
    assert read(MESSAGE, result(**fields)) == [ToolResult("call_1", expected, f"events[1].{key}")]


def test_every_result_of_a_request_is_found() -> None:
    assert [one.call_id for one in read(result(), CANCEL, result("call_2"))] == ["call_1", "call_2"]


@pytest.mark.parametrize("word", ["deny", "cancel"])
def test_declining_is_always_in_order(word: str) -> None:
    assert read(decision(word)) == []
    assert read(form(action="cancel")) == []


def test_what_is_not_declined_is_judged_by_what_was_asked() -> None:
    path = "events[0].response"
    assert read(decision("approve")) == [ToolResult("apr_1", "approve", f"{path}.decision")]
    assert read(decision(None)) == [ToolResult("apr_1", [], f"{path}.decision")]
    both = form(action="submit", decision="deny")
    assert read(both) == [ToolResult("apr_1", ["deny", "submit"], f"{path}.decision")]


def test_what_a_person_filled_in_is_not_told() -> None:
    secret: Json = [{"field_id": "f", "value": "hunter" + "2"}]
    [told] = read(form(action="submit", fields=secret))
    assert told == ToolResult("apr_1", "submit", "events[0].response.action")


@pytest.mark.parametrize(
    "document",
    [
        said("x"),
        {"events": {}},
        said({"type": None}),
        said(result(None)),
        said(result("")),
        said(result(request_id="r")),
        said(decided(None)),
        said({**decided({}), "request_id": 5}),
        said({**result(), "Call_id": "call_2"}),
        said({"type": "agent.session.input.other_result"}),
        said({"type": "agent.session.input.other", "call_id": "call_1"}),
        said({"type": "agent.session.input.message", "input": [result()]}),
        {"events": [], "more": {"request_id": "r"}},
        {"Events": [result()]},
    ],
)
def test_answers_that_can_not_be_told_are_refused(document: Object) -> None:
    with pytest.raises(BodyError):
        found(document)


def test_request_without_events_answers_nothing() -> None:
    assert list(inputs.answers_of({"agent": {}})) == []
    inputs.refuse_strays({"agent": {"tools": [{"parameters": {"call_id": {}}}]}}, [])


# -- what is said instead -------------------------------------------------------------------


def replaced(*events: Json) -> Json:
    document = said(*events)
    inputs.replace_results(document, [Substitute("call_1", "new"), Substitute("apr_1", "new")])
    return document["events"]


def test_results_say_something_else_in_the_same_place() -> None:
    assert replaced(result(output="12")) == [result(output="new")]
    failed = result(success=False, error="12", output="13")
    assert replaced(failed) == [result(success=False, error="new")]
    assert replaced(result("call_2", output="12"), MESSAGE) == [
        result("call_2", output="12"),
        MESSAGE,
    ]


def test_approvals_become_refusals() -> None:
    assert replaced(decision("approve")) == [decision("deny")]
    given = form(action="submit", fields=[{"field_id": "f", "value": "v"}])
    assert replaced(given) == [form(action="cancel")]


@pytest.mark.parametrize(
    ("asked", "denial"),
    [
        (action(), result(success=False, error=NOTICE)),
        (approval("apr_1"), decision("deny")),
        (
            access("apr_1"),
            decided(
                {"type": "browser_origin_access", "decision": "deny"},
                "computer_use_approval_request",
            ),
        ),
        (login("apr_1"), form(action="cancel")),
    ],
)
def test_calls_are_denied_in_the_words_of_the_api(asked: Object, denial: Object) -> None:
    id = str(asked.get("call_id") or asked["request_id"])
    scope = agent_sessions.answer_scope("sessions/sess_1", asked)
    [event] = inputs.denials(scope, {id: NOTICE})
    assert event == denial
    _EVENT.validate_json(json.dumps(event), strict=True)
    assert [one.output for one in read(event)] == ([NOTICE] if "error" in denial else [])


def test_turn_that_was_not_told_is_left_out_of_a_denial() -> None:
    [event] = inputs.denials("sessions/s/turns/", {"call_1": NOTICE})
    assert isinstance(event, dict)
    assert "turn_id" not in event


@pytest.mark.parametrize("scope", ["sessions/s", "sessions/s/robot_call/robot_call"])
def test_nobody_knows_how_to_answer_other_calls(scope: str) -> None:
    with pytest.raises(ValueError, match="nobody knows"):
        inputs.denials(scope, {"call_1": NOTICE})


def test_users_and_the_operator_are_heard_and_no_tool() -> None:
    user: Object = {"role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    events: list[Json] = [{"type": "agent.session.input.message", "input": [user]}, 5]

    assert list(inputs.said_in({"events": [*events, result(output="from a tool")]})) == ["hello"]
    assert list(inputs.said_in({"agent": {"instructions": "be nice"}, "input": "hi"})) == [
        "be nice",
        "hi",
    ]
    assert list(inputs.said_in({"input": [user]})) == ["hello"]
