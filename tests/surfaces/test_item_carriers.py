"""Where items of the Responses API stand, and where they must not."""

from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.surfaces.item_carriers import (
    model_of,
    refuse_stray_calls,
    refuse_stray_results,
    scope_of,
)
from tests.surfaces.item_objects import (
    EVERY_CALL,
    Object,
    approval,
    function_call,
    function_output,
    message,
    response,
    search_call,
    shell_output,
)


@pytest.mark.parametrize(
    ("holder", "scope"),
    [
        ({"id": "resp_1"}, "responses/resp_1"),
        ({"id": "resp_1", "conversation": None}, "responses/resp_1"),
        ({"id": "resp_1", "conversation": {"id": "conv_1"}}, "conversations/conv_1"),
        ({"id": "resp_1", "conversation": "conv_1"}, "conversations/conv_1"),
        ({"id": "resp_1", "conversation": {}}, "responses/resp_1"),
        ({"id": "a/b=="}, "responses/a/b=="),
        ({"id": ""}, ""),
        ({}, ""),
    ],
)
def test_the_scope_is_the_conversation_else_the_response(holder: Object, scope: str) -> None:
    assert scope_of(holder) == scope


@pytest.mark.parametrize(
    "holder",
    [
        {"id": 7},
        {"id": ".."},
        {"id": "."},
        {"id": "resp_1", "conversation": ".."},
        {"id": "resp_1", "conversation": {"id": 7}},
        {"id": "resp_1", "conversation": ["conv_1"]},
    ],
)
def test_an_id_that_is_none_makes_no_scope(holder: Object) -> None:
    with pytest.raises(BodyError):
        scope_of(holder)


def test_the_model_is_told_or_not() -> None:
    assert model_of(response()) == "gpt-5"
    assert model_of({"model": 7}) == ""


@pytest.mark.parametrize("item", EVERY_CALL, ids=lambda item: str(item["type"]))
@pytest.mark.parametrize("key", ["extra", "items", "required_action"])
def test_a_call_in_an_unknown_place_is_refused(item: Object, key: str) -> None:
    with pytest.raises(BodyError):
        refuse_stray_calls({**response(), key: [item]}, set())
    with pytest.raises(BodyError):
        refuse_stray_calls([{key: {"inner": item}}], set())


@pytest.mark.parametrize(
    "node",
    [
        {"type": "robot_call", "id": "c"},
        {"type": "robot", "call_id": "c"},
        {"call_id": "c", "name": "f", "arguments": "{}"},
        {"Output": []},
        {"a": {"TYPE": "function_call"}},
    ],
)
def test_what_may_be_a_call_is_refused_too(node: Object) -> None:
    with pytest.raises(BodyError):
        refuse_stray_calls({"extra": node}, set())


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        "x",
        response(message(), function_output()),
        response(tools=[{"type": "function", "parameters": {"x": function_call()}}]),
        response(metadata={"Type": "x", "call_id": "y"}),
        response(prompt={"id": "p", "variables": {"Item": "x"}}),
        response(usage={"input_tokens": 1}, reasoning={"effort": None}),
        {"required_input": [{"type": "function_call_output", "call_id": "c", "name": "f"}]},
        {"call_id": "c", "output": "x"},
        {"type": "response.function_call_arguments.done", "call_id": "c", "arguments": "{}"},
        {"item": search_call(None, "server")},
        {"type": 7},
    ],
)
def test_harmless_fields_are_no_calls(document: Json) -> None:
    refuse_stray_calls(document, set())


def test_what_was_read_is_no_stray() -> None:
    item = function_call()
    refuse_stray_calls(response(item), {id(item)})
    answer = function_output()
    refuse_stray_results({"input": [answer]}, {id(answer)})


@pytest.mark.parametrize(
    "item",
    [
        function_output(),
        shell_output(),
        {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True},
        {"call_id": "c", "output": "x"},
        {"type": "robot_output", "call_id": "c"},
    ],
)
def test_a_result_in_an_unknown_place_is_refused(item: Object) -> None:
    with pytest.raises(BodyError):
        refuse_stray_results({"type": "response.more", "event": {"inputs": [item]}}, set())


@pytest.mark.parametrize(
    "document",
    [
        function_output(),
        {"extra": function_call()},
        {"extra": approval()},
        {"extra": {"type": "response.output", "call_id": "c"}},
        {"extra": {"type": "program_output", "call_id": "c"}},
        {"tools": [function_output()]},
        {"text": {"format": {"type": "json_schema", "schema": {"x": function_output()}}}},
    ],
)
def test_what_is_no_result_is_not_refused_as_one(document: Json) -> None:
    refuse_stray_results(document, set())
