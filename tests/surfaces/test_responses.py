"""Paths, requests and answers of the Responses API, and bodies that SDKs still accept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIError, OpenAI
from openai.types.conversations import ConversationItemList
from openai.types.responses import ResponseItemList

from callgate import canonical, surfaces
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import segments
from callgate.model import ToolResult
from callgate.surfaces import base, sse
from callgate.surfaces.base import Endpoint, Hidden, HostedTool, Outgoing, Substitute, Turn
from callgate.surfaces.responses import Responses
from tests.surfaces.item_objects import (
    CREATE,
    EVERY_CALL,
    NOTICE,
    Object,
    approval,
    computer_call,
    copied,
    custom_call,
    function_call,
    function_output,
    listing,
    message,
    reasoning,
    recordings,
    request,
    response,
    sdk_calls,
    sdk_item,
    sdk_response,
    shell_call,
    shell_output,
)

RESPONSES = Responses()
RESPONSE = "/v1/responses/resp_1"
INPUT_ITEMS = f"{RESPONSE}/input_items"
CONVERSATION = "/v1/conversations/conv_1/items"
MCP: Object = {"type": "mcp", "server_label": "docs", "require_approval": "never"}


def endpoint(target: str = CREATE, method: str = "POST") -> Endpoint:
    found = RESPONSES.endpoint(method, segments(target))
    assert found is not None
    return found


def outgoing(document: Json, target: str = CREATE, method: str = "POST") -> Outgoing:
    return RESPONSES.read_request(endpoint(target, method), request(target, method), document)


def told(message: Json) -> Outgoing:
    """What a message of the app's carries on a WebSocket."""
    return outgoing(message, CREATE, "GET")


def read(document: Json, target: str = CREATE, method: str = "POST") -> list[Turn]:
    """The turns of an answer; they share nothing with the document that was given."""
    sent = request(target, method)
    return RESPONSES.read_response(endpoint(target, method), sent, copied(document))


def only(turns: list[Turn]) -> Turn:
    [turn] = turns
    return turn


def ids(turn: Turn) -> list[str]:
    return [call.id for call in turn.calls]


# -- paths ----------------------------------------------------------------------------------

OPERATIONS = [
    ("POST", "/responses", "responses.create", ""),
    ("GET", "/responses", "responses.list", ""),
    ("GET", "/responses/resp_1", "responses.retrieve", "responses/resp_1"),
    ("DELETE", "/responses/resp_1", "responses.retrieve", "responses/resp_1"),
    ("POST", "/responses/resp_1/cancel", "responses.cancel", "responses/resp_1"),
    ("GET", "/responses/resp_1/input_items", "responses.input_items", "responses/resp_1"),
    ("POST", "/responses/compact", "responses.compact", ""),
    ("POST", "/responses/input_tokens", "responses.input_tokens", ""),
    ("POST", "/conversations", "conversations.create", ""),
    ("GET", "/conversations/conv_1/items", "items.list", "conversations/conv_1"),
    ("POST", "/conversations/conv_1/items", "items.create", "conversations/conv_1"),
    ("GET", "/conversations/conv_1/items/fc_1", "items.retrieve", "conversations/conv_1"),
    ("POST", "/decisions", "decisions.create", ""),
]
BASES = ["", "/v1", "/openai", "/openai/v1", "/api/projects/my-project", "/responses/x"]


@pytest.mark.parametrize(("method", "path", "operation", "scope"), OPERATIONS)
@pytest.mark.parametrize("prefix", BASES)
def test_operations_are_found_behind_any_base_path(
    prefix: str, method: str, path: str, operation: str, scope: str
) -> None:
    found = endpoint(f"{prefix}{path}?beta=true&api-version=v1", method.lower())
    assert (found.operation, found.scope) == (operation, scope)
    assert found.surface is RESPONSES
    assert found.reads_response
    assert endpoint(f"{prefix}{path.upper()}/", method).operation == operation


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("HEAD", CREATE),
        ("CONNECT", RESPONSE),
        ("GET", "/v1/models"),
        ("GET", "/v1/conversations/conv_1/unheard_of"),
        ("POST", "/v1/chat/completions"),
        ("GET", f"{RESPONSE}/unheard_of"),
        ("GET", "/"),
    ],
)
def test_other_requests_are_not_of_this_surface(method: str, target: str) -> None:
    assert RESPONSES.endpoint(method, segments(target)) is None


def test_requests_that_can_carry_results_are_read() -> None:
    reading = {
        operation
        for method, path, operation, _ in OPERATIONS
        if endpoint(path, method).reads_request
    }
    assert reading == {
        "responses.create",
        "responses.list",
        "responses.compact",
        "responses.input_tokens",
        "conversations.create",
        "items.create",
        "decisions.create",
    }


def test_a_websocket_is_opened_at_the_path_of_the_list() -> None:
    assert endpoint(CREATE, "GET").is_socket
    assert endpoint(CREATE, "CONNECT").is_socket
    assert not endpoint(CREATE, "POST").is_socket
    assert not endpoint(RESPONSE, "GET").is_socket


def test_ids_are_told() -> None:
    assert endpoint(RESPONSE, "GET").parameters == {"response": "resp_1"}
    item = endpoint(f"{CONVERSATION}/fc_1", "GET")
    assert item.parameters == {"conversation": "conv_1", "item": "fc_1"}


@pytest.mark.parametrize(
    ("target", "mentions"),
    [
        ("/v1/responses/resp_1/unheard_of", True),
        ("/v1//RESPONSES", True),
        ("/v1/%2572esponses/resp_1/x", True),
        ("/openai/deployments/my-responses-model/embeddings", False),
        ("/v1/files/list-of-responses.jsonl", False),
        ("/v1/models", False),
    ],
)
def test_paths_of_other_apis_are_not_mistaken(
    monkeypatch: pytest.MonkeyPatch, target: str, mentions: bool
) -> None:
    monkeypatch.setattr(surfaces, "SURFACES", (RESPONSES,))
    assert surfaces.mentions_calls(target) is mentions


# -- requests -------------------------------------------------------------------------------


def test_a_request_tells_results_and_the_calls_that_it_quotes() -> None:
    found = outgoing(
        {
            "model": "gpt-5",
            "stream": True,
            "input": [
                {"role": "user", "content": "Hello"},
                reasoning(),
                function_call(),
                function_output(),
                custom_call(),
                {"type": "custom_tool_call_output", "call_id": "call_2", "output": "1"},
            ],
        }
    )
    assert [result.call_id for result in found.results] == ["call_1", "call_2"]
    assert found.results[0] == ToolResult("call_1", "12 degrees", "input[3].output")
    assert [(call.id, call.scope) for call in found.echoes] == [
        ("call_1", "quoted"),
        ("call_2", "quoted"),
    ]
    assert (found.answers, found.reaches_back, found.is_streaming) == ("", True, True)
    assert not found.inherits_tools_of


@pytest.mark.parametrize("document", [{}, {"input": "Hello"}, {"input": None}, {"input": []}])
def test_a_request_without_items_has_no_results(document: Json) -> None:
    found = outgoing(document)
    assert not found.results
    assert not found.echoes
    assert not found.is_streaming


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        ({"previous_response_id": "resp_0"}, "responses/resp_0"),
        ({"previous_response_id": None}, ""),
        ({"conversation": "conv_1"}, "conversations/conv_1"),
        ({"conversation": {"id": "conv_1"}}, "conversations/conv_1"),
        ({"conversation": None, "previous_response_id": "resp_0"}, "responses/resp_0"),
    ],
)
@pytest.mark.parametrize("target", [CREATE, f"{CREATE}/compact", f"{CREATE}/input_tokens"])
def test_a_request_says_what_it_goes_on_with(changes: Object, scope: str, target: str) -> None:
    assert outgoing({"input": "Hello", **changes}, target).answers == scope


def test_items_of_a_conversation_answer_it() -> None:
    found = outgoing({"items": [function_call(), function_output()]}, CONVERSATION)
    assert found.answers == "conversations/conv_1"
    assert [result.path for result in found.results] == ["items[1].output"]
    begun = outgoing({"items": [function_output()]}, "/v1/conversations")
    assert begun.answers == ""
    assert len(begun.results) == 1


def test_decisions_are_read_like_other_inputs() -> None:
    found = outgoing({"input": [function_output()], "questions": []}, "/v1/decisions")
    assert [result.call_id for result in found.results] == ["call_1"]


@pytest.mark.parametrize(
    "document",
    [
        [],
        "x",
        {"input": {}},
        {"input": 7},
        {"input": ["x"]},
        {"items": {}},
        {"input": [function_output(None)]},
        {"input": [function_call(name=None)]},
        {"input": [{"type": 7}]},
        {"previous_response_id": 7},
        {"previous_response_id": ".."},
        {"conversation": {"id": ["conv_1"]}},
        {"tools": {}},
        {"tools": ["function"]},
        {"more": [function_output()]},
        {"response": {"event": {"input": [function_output()]}}},
    ],
)
def test_a_request_that_can_not_be_read_is_refused(document: Json) -> None:
    with pytest.raises(BodyError):
        outgoing(document)


def test_hosted_tools_are_found_in_the_request_and_in_its_items() -> None:
    found = outgoing(
        {
            "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}, MCP],
            "input": [
                {"type": "additional_tools", "role": "developer", "tools": [{"type": "shell"}]},
                {
                    "type": "additional_tools",
                    "role": "developer",
                    "tools": [{"type": "code_interpreter"}],
                },
            ],
        }
    )
    assert list(found.hosted_tools) == [
        HostedTool("web_search", "tools[1].type"),
        HostedTool("mcp.docs", "tools[2].type", can_ask=True),
        HostedTool("code_interpreter", "input[1].tools[0].type"),
    ]


def test_hosted_tools_are_removed_or_made_to_ask() -> None:
    document: Object = {"tools": [MCP, {"type": "web_search"}], "response": {"tools": [{**MCP}]}}
    RESPONSES.remove_hosted_tools(document, ["web_search"])
    RESPONSES.ask_before(document, ["mcp.docs"])
    asking: Object = {**MCP, "require_approval": "always"}
    assert document == {"tools": [asking], "response": {"tools": [asking]}}


@pytest.mark.parametrize("document", [[], "x", None])
def test_only_objects_are_changed(document: Json) -> None:
    with pytest.raises(BodyError):
        RESPONSES.remove_hosted_tools(document, ["x"])
    with pytest.raises(BodyError):
        RESPONSES.ask_before(document, ["x"])
    with pytest.raises(BodyError):
        RESPONSES.replace_results(document, [])


# -- requests: messages on a WebSocket ------------------------------------------------------


@pytest.mark.parametrize("wraps", [True, False])
def test_a_response_is_created_like_by_a_request(wraps: bool) -> None:
    body: Object = {"previous_response_id": "resp_0", "tools": [MCP], "input": [function_output()]}
    created: Object = {"type": "response.create", "stream_id": "a"}
    found = told({**created, "response": body} if wraps else {**created, **body})
    before = "response." if wraps else ""
    assert found.answers == "responses/resp_0"
    assert [result.path for result in found.results] == [f"{before}input[0].output"]
    assert [tool.path for tool in found.hosted_tools] == [f"{before}tools[0].type"]


@pytest.mark.parametrize("kind", ["response.inject", "response.steer"])
def test_what_is_added_to_a_running_response_need_not_answer_all_its_calls(kind: str) -> None:
    body: Object = {"previous_response_id": "resp_1", "response_id": "resp_1"}
    found = told({"type": kind, **body, "input": [function_output()]})
    assert [result.call_id for result in found.results] == ["call_1"]
    assert (found.answers, found.reaches_back) == ("", True)


def test_messages_of_unknown_types_may_say_anything_but_results() -> None:
    assert told({"type": "response.cancel", "response_id": "resp_1"}) == Outgoing(
        results=[], hosted_tools=[], echoes=[], reaches_back=True
    )


@pytest.mark.parametrize(
    "document",
    [
        {"type": "response.more", "input": [function_output()]},
        {"type": "response.more", "item": function_output()},
        {"type": "response.more", "call_id": "call_1", "text": "x"},
        {"type": "response.more", "output": "x"},
        {"input": [function_output()]},
        {"type": "response.create", "item": function_output()},
        [],
    ],
)
def test_results_in_messages_that_nobody_knows_are_refused(document: Json) -> None:
    with pytest.raises(BodyError):
        told(document)


# -- requests: replacing results ------------------------------------------------------------


def replaced(document: Object, outputs: Mapping[str, str], kind: str = "function") -> Object:
    RESPONSES.replace_results(document, [Substitute(id, t, kind) for id, t in outputs.items()])
    return document


def test_a_result_is_replaced_and_a_missing_one_added() -> None:
    document: Object = {"input": [function_output(), message()]}
    assert replaced(document, {"call_1": "a", "call_2": "b"}) == {
        "input": [function_output("call_1", "a"), function_output("call_2", "b"), message()]
    }
    found = outgoing(document)
    assert {result.call_id: result.output for result in found.results} == {
        "call_1": "a",
        "call_2": "b",
    }


def test_a_text_input_becomes_the_users_message() -> None:
    assert replaced({"input": "Hello"}, {"call_1": "a"}) == {
        "input": [
            function_output("call_1", "a"),
            {"type": "message", "role": "user", "content": "Hello"},
        ]
    }


@pytest.mark.parametrize(
    ("document", "changed"),
    [
        ({}, {"input": [function_output()]}),
        ({"input": None}, {"input": [function_output()]}),
        ({"items": []}, {"items": [function_output()]}),
        (
            {"type": "response.create", "response": {}},
            {"type": "response.create", "response": {"input": [function_output()]}},
        ),
        (
            {"response": {"input": [message()]}},
            {"response": {"input": [function_output(), message()]}},
        ),
        (
            {"input": [message()], "response": {}},
            {"input": [function_output(), message()], "response": {}},
        ),
    ],
)
def test_a_missing_result_goes_where_the_input_is(document: Object, changed: Object) -> None:
    assert replaced(document, {"call_1": "12 degrees"}) == changed


def test_a_missing_picture_is_the_apps_to_give() -> None:
    assert replaced({"input": "Hello"}, {"c": NOTICE}, "computer_call") == {"input": "Hello"}
    assert replaced({"input": "Hello"}, {}) == {"input": "Hello"}


def test_a_refused_approval_is_not_refused_twice() -> None:
    no: Object = {"type": "mcp_approval_response", "approval_request_id": "m", "approve": False}
    document = replaced({"input": [no]}, {"m": NOTICE}, "mcp_approval_request")
    assert document == {"input": [{**no, "reason": NOTICE}]}


# -- answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_every_call_of_a_response_is_found(method: str) -> None:
    target = CREATE if method == "POST" else RESPONSE
    turn = only(read(response(reasoning(), message(), *EVERY_CALL), target, method))
    assert ids(turn) == [id for _, id in sdk_calls(response(*EVERY_CALL))]
    assert turn.scope == "responses/resp_1"
    assert {call.scope for call in turn.calls} == {turn.scope}
    assert {call.model for call in turn.calls} == {"gpt-5"}
    assert (turn.is_waiting, turn.is_told, turn.is_polled) == (True, False, False)
    assert turn.unanswerable == {"call_6"}


def test_a_response_in_a_conversation_has_its_scope() -> None:
    node = response(function_call(), conversation={"id": "conv_1"})
    assert only(read(node)).scope == "conversations/conv_1"


def test_a_response_that_tells_no_id_has_the_scope_of_its_path() -> None:
    assert only(read(response(function_call(), id=None), RESPONSE, "GET")).scope == (
        "responses/resp_1"
    )
    assert only(read(response(function_call(), id=None))).scope == ""


def test_a_response_in_the_background_is_polled() -> None:
    node = response(function_call(), background=True)
    assert only(read(node, RESPONSE, "GET")).is_polled
    assert not only(read(node)).is_polled
    assert not only(read(node, f"{RESPONSE}/cancel")).is_polled


def test_a_list_of_responses_has_a_turn_for_each() -> None:
    document = listing(
        response(function_call()), response(message()), response(custom_call(), id="resp_2")
    )
    turns = read(document, CREATE, "GET")
    assert [(turn.scope, ids(turn)) for turn in turns] == [
        ("responses/resp_1", ["call_1"]),
        ("responses/resp_2", ["call_2"]),
    ]


def test_a_compaction_and_instructions_quote_calls() -> None:
    compacted: Object = {"id": "resp_1", "object": "response.compaction"}
    turn = only(read({**compacted, "output": [function_call()]}, f"{CREATE}/compact"))
    assert (turn.scope, turn.is_told, turn.is_waiting) == ("quoted", True, False)
    node = response(custom_call(), instructions=[function_call(), message()])
    quoted, issued = read(node)
    assert (ids(quoted), quoted.is_told) == (["call_1"], True)
    assert (ids(issued), issued.is_told) == (["call_2"], False)


def test_input_items_quote_calls() -> None:
    turn = only(read(listing(message(), function_call(), function_output()), INPUT_ITEMS, "GET"))
    assert (turn.scope, ids(turn)) == ("quoted", ["call_1"])
    assert (turn.is_told, turn.is_waiting) == (True, False)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_conversation_waits_for_the_calls_without_an_output(method: str) -> None:
    node = listing(shell_output(), approval(), function_call(), shell_call("call_3", "ls"))
    waiting, answered = read(node, CONVERSATION, method)
    assert (ids(waiting), waiting.is_waiting) == (["mcpr_1", "call_1"], True)
    assert (ids(answered), answered.is_waiting) == (["call_3"], False)
    assert {waiting.scope, answered.scope} == {"conversations/conv_1"}
    assert waiting.is_told
    assert answered.is_told


def test_one_item_of_a_conversation_is_read() -> None:
    turn = only(read(function_call(), f"{CONVERSATION}/fc_1", "GET"))
    assert (turn.scope, ids(turn), turn.is_told) == ("conversations/conv_1", ["call_1"], True)


@pytest.mark.parametrize(
    ("document", "target", "method"),
    [
        (response(message()), CREATE, "POST"),
        ({"error": {"message": "no", "type": "x", "param": None, "code": None}}, RESPONSE, "GET"),
        ({"id": "resp_1", "object": "response.deleted", "deleted": True}, RESPONSE, "DELETE"),
        ({"object": "response.input_tokens", "input_tokens": 7}, f"{CREATE}/input_tokens", "POST"),
        ({"id": "conv_1", "object": "conversation"}, "/v1/conversations", "POST"),
        ({"error": {"message": "no"}}, CONVERSATION, "GET"),
        ({"error": {"message": "no"}}, CREATE, "GET"),
        ({"error": {"message": "no"}}, INPUT_ITEMS, "GET"),
        (message(), f"{CONVERSATION}/msg_1", "GET"),
        (function_output(output=[{"type": "input_text", "text": "x"}]), CONVERSATION + "/i", "GET"),
        (listing(), CONVERSATION, "GET"),
        ([], CREATE, "POST"),
        ("x", CREATE, "POST"),
        (None, CREATE, "POST"),
    ],
)
def test_other_answers_have_no_calls(document: Json, target: str, method: str) -> None:
    assert read(document, target, method) == []


@pytest.mark.parametrize(
    ("document", "target", "method"),
    [
        (response(output={}), CREATE, "POST"),
        (response("x"), CREATE, "POST"),
        (response({"type": 7}), CREATE, "POST"),
        (response(function_call(), function_call(arguments="{}")), CREATE, "POST"),
        (response(function_call(None)) | {"output": [{"type": "function_call"}]}, CREATE, "POST"),
        (response(function_call(), id=7), CREATE, "POST"),
        (response(function_call(), id=".."), CREATE, "POST"),
        (response(function_call(), conversation=7), CREATE, "POST"),
        (response(data=[function_call()]), CREATE, "POST"),
        (response(Output=[message()]), CREATE, "POST"),
        (response(told=[function_call()]), CREATE, "POST"),
        (listing(function_call()), RESPONSE, "GET"),
        (listing("x"), CONVERSATION, "GET"),
        (listing("x"), CREATE, "GET"),
        (listing(function_call()), CREATE, "GET"),
        (listing({"type": "function_call_output", "CALL_ID": "c"}), CONVERSATION, "GET"),
        (function_call(), RESPONSE, "GET"),
        ([response(function_call())], CREATE, "POST"),
        ({"response": response(function_call())}, CREATE, "POST"),
    ],
)
def test_calls_that_can_not_be_told_are_refused(document: Json, target: str, method: str) -> None:
    with pytest.raises(BodyError):
        read(document, target, method)


# -- answers: changing ----------------------------------------------------------------------


def withheld(turn: Turn, *denied: str, pending: tuple[str, ...] = ()) -> Object:
    hidden = Hidden(dict.fromkeys(denied, NOTICE), dict.fromkeys(pending, "awaits approval"))
    RESPONSES.withhold(turn, hidden)
    return turn.node


def test_a_message_takes_the_place_of_a_denied_call() -> None:
    node = withheld(only(read(response(message(), function_call(), custom_call()))), "call_1")
    shown = sdk_response(node)
    assert [item.type for item in shown.output] == ["message", "message", "custom_tool_call"]
    assert shown.output_text == f"Hello{NOTICE}"
    assert shown.status == "completed"
    assert str(shown.output[1].id).startswith("msg_callgate_")


def test_pending_calls_leave_a_response_that_looks_still_at_work() -> None:
    calls = response(message(), *EVERY_CALL, background=True, completed_at=1757992449.0)
    turn = only(read(calls, RESPONSE, "GET"))
    node = withheld(turn, "call_1", pending=("call_2",))
    assert node == response(message(), background=True, status="in_progress", completed_at=None)
    assert sdk_response(node).output_text == "Hello"
    again = withheld(only(read(response(function_call(), background=True), RESPONSE, "GET")))
    assert again == response(background=True, status="in_progress")


def test_denied_calls_leave_histories_with_their_results() -> None:
    document = copied(listing(message(), function_call(), function_output(), custom_call()))
    _, answered = RESPONSES.read_response(
        endpoint(CONVERSATION, "GET"), request(CONVERSATION, "GET"), document
    )
    withheld(answered, "call_1")
    shown = ConversationItemList.model_validate_json(json.dumps(document)).data
    assert [item.type for item in shown] == ["message", "message", "custom_tool_call"]
    # what pages the list
    assert [item.id for item in shown] == ["msg_1", "fc_call_1", "ctc_call_2"]


def test_denied_calls_leave_input_items_and_instructions() -> None:
    document = copied(listing(function_call(id=None)))
    turn = only(
        RESPONSES.read_response(endpoint(INPUT_ITEMS, "GET"), request(INPUT_ITEMS, "GET"), document)
    )
    withheld(turn, "call_1")
    [item] = ResponseItemList.model_validate_json(json.dumps(document)).data
    assert item.type == "message"
    node = copied(response(instructions=[function_call()]))
    withheld(only(RESPONSES.read_response(endpoint(), request(), node)), "call_1")
    assert isinstance(node, dict)
    assert "get_weather" not in json.dumps(node)
    assert sdk_response(node).instructions


def test_a_denied_item_is_a_message_itself() -> None:
    document = copied(function_call())
    where = endpoint(f"{CONVERSATION}/fc_1", "GET")
    turn = only(RESPONSES.read_response(where, request(CONVERSATION, "GET"), document))
    withheld(turn, "call_1")
    assert sdk_item(document).type == "message"
    assert sdk_item(document).id == "fc_call_1"


def test_arguments_are_replaced_wherever_the_item_stands() -> None:
    arguments = {"call_1": '{"city":"[CITY]"}', "call_2": '{"input":"[SQL]"}', "other": "{}"}
    turn = only(read(response(message(), function_call(), custom_call(), computer_call())))
    RESPONSES.replace_arguments(turn, arguments)
    shown: list[Any] = list(sdk_response(turn.node).output)
    assert (shown[1].arguments, shown[2].input) == ('{"city":"[CITY]"}', "[SQL]")
    document = copied(listing(function_call()))
    where = endpoint(CONVERSATION, "GET")
    turn = only(RESPONSES.read_response(where, request(CONVERSATION, "GET"), document))
    RESPONSES.replace_arguments(turn, arguments)
    assert "[CITY]" in json.dumps(document)


@given(st.data())
def test_the_app_never_sees_a_hidden_call_and_always_the_others(data: st.DataObject) -> None:
    output = data.draw(
        st.lists(
            st.sampled_from([*EVERY_CALL, message(), reasoning()]),
            unique_by=lambda item: json.dumps(item),
        )
    )
    node = response(*output, background=True)
    wanted = [id for _, id in sdk_calls(node)]
    denied = data.draw(st.sets(st.sampled_from(wanted))) if wanted else set()
    pending = data.draw(st.sets(st.sampled_from(wanted))) - denied if wanted else set()
    turns = read(node, RESPONSE, "GET")
    assert [id for turn in turns for id in ids(turn)] == wanted
    if not (denied or pending):
        return
    shown = sdk_response(withheld(only(turns), *sorted(denied), pending=tuple(pending)))
    left = [id for _, id in sdk_calls(json.loads(shown.model_dump_json()))]
    assert left == ([] if pending else [id for id in wanted if id not in denied])
    assert (shown.status == "in_progress") is bool(pending)


SMALL: st.SearchStrategy[Json] = st.sampled_from(
    [None, "", "x", 7, [], {}, "function_call", "message", {"type": "local"}, [function_call()]]
)
KEYS = st.sampled_from(
    str.split(
        "type id call_id name arguments input action operation environment execution status "
        "output data instructions object response Output Type"
    )
)


@given(
    st.lists(st.sampled_from([*EVERY_CALL, message(), function_output()]), max_size=3),
    st.dictionaries(KEYS, SMALL, max_size=3),
    st.dictionaries(KEYS, SMALL, max_size=2),
)
def test_whatever_a_server_answers_the_sdk_shows_no_call_that_was_not_found(
    output: list[Object], of_item: Object, of_response: Object
) -> None:
    listed: list[Json] = [*({**item, **of_item} for item in output[:1]), *output[1:]]
    node: Object = {**response(*listed), **of_response}
    try:
        turns = read(node)
    except BodyError:
        return
    try:
        shown = sdk_calls(node)
    except (AttributeError, TypeError):
        return  # the SDK shows none
    kinds = {"function_call": "function", "custom_tool_call": "custom"}
    found = {(call.kind, call.id) for turn in turns for call in turn.calls}
    for kind, id in shown:
        mine = {found_id for found_kind, found_id in found if found_kind == kinds.get(kind, kind)}
        assert id in mine if id else mine  # without a call id it has its item's


# -- recorded traffic -----------------------------------------------------------------------


@pytest.mark.parametrize("exchange", list(recordings()))
def test_recorded_calls_are_those_that_the_sdk_finds(exchange: Any) -> None:
    target = exchange["url"].split("api.openai.com", 1)[1]
    method, body = exchange["method"], exchange["response_body"]
    turns = read(body, target, method)
    found = [(call.kind, call.id) for turn in turns for call in turn.calls]
    kinds = {"function_call": "function", "custom_tool_call": "custom"}
    shown = sdk_calls({"output": body.get("data", []), **body})
    wanted = [(kinds.get(kind, kind), id) for kind, id in shown]
    assert found == wanted
    if wanted:
        withheld(turns[0], *(id for _, id in wanted))
        assert sdk_calls({"output": turns[0].node.get("told"), **turns[0].node}) == []


@pytest.mark.parametrize("exchange", list(recordings()))
def test_recorded_results_and_quoted_calls_are_found(exchange: Any) -> None:
    body = exchange["request_body"]
    if not isinstance(body, dict):
        return
    target = exchange["url"].split("api.openai.com", 1)[1]
    found = outgoing(copied(body), target)
    told: Any = body.get("input")
    kinds = [item.get("type", "message") for item in told if not isinstance(told, str)]
    assert len(found.echoes) == sum(kind.endswith("_call") for kind in kinds)
    assert len(found.results) == sum(kind.endswith(("_output", "_response")) for kind in kinds)
    assert {result.output for result in found.results if isinstance(result.output, list)} == set()


# -- errors ---------------------------------------------------------------------------------

ERROR: Object = {"message": "no", "type": "permission_error", "param": None, "code": "x"}


def test_the_sdk_raises_an_error_in_a_stream() -> None:
    raw = RESPONSES.error_event(ERROR, sse.event)
    assert raw.startswith(b"event: error\n")

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=raw)

    transport = httpx2.MockTransport(answer)
    client = OpenAI(api_key="x", http_client=httpx2.Client(transport=transport))
    with pytest.raises(APIError) as raised:
        list(client.responses.create(model="gpt-5", input="Hello", stream=True))
    assert (raised.value.message, raised.value.code) == ("no", "x")


@pytest.mark.parametrize(
    ("cause", "lane"),
    [
        ({"type": "response.create", "stream_id": "a"}, {"stream_id": "a"}),
        ({"type": "response.create", "stream_id": None}, {}),
        ({"type": "response.create"}, {}),
        (None, {}),
        ("x", {}),
    ],
)
def test_an_error_on_a_websocket_names_the_lane(cause: Json, lane: Object) -> None:
    raw = RESPONSES.error_event(ERROR, base.message, cause)
    assert canonical.parse(raw) == {"type": "error", "status": 403, "error": ERROR, **lane}


# -- the API's own --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "scope", "target", "operation"),
    [
        ("/v1/responses", "responses/resp_1", "/v1/responses/resp_1", "responses.retrieve"),
        (
            "/openai/responses?api-version=v1&include[]=x&stream=true",
            "responses/a=b c",
            "/openai/responses/a%3Db%20c?api-version=v1",
            "responses.retrieve",
        ),
        (
            "/v1/responses/compact?beta=true",
            "conversations/conv_1",
            "/v1/conversations/conv_1/items?beta=true&limit=100&order=desc",
            "items.list",
        ),
        (
            "/v1/conversations/conv_1/items?limit=1",
            "conversations/conv_1",
            "/v1/conversations/conv_1/items?limit=100&order=desc",
            "items.list",
        ),
    ],
)
def test_the_api_is_asked_about_a_scope(sent: str, scope: str, target: str, operation: str) -> None:
    [(where, asked)] = RESPONSES.lookups(request(sent), scope)
    assert (asked.method, asked.target, asked.body) == ("GET", target, b"")
    assert (where.operation, where.scope) == (operation, scope)
    found = RESPONSES.endpoint("GET", segments(target))
    assert found is not None
    assert found.operation == operation


def test_an_id_never_leads_to_another_path() -> None:
    [(_, asked)] = RESPONSES.lookups(request(), "responses/../../models?x#y")
    assert asked.target == "/v1/responses/..%2F..%2Fmodels%3Fx%23y"


@pytest.mark.parametrize("scope", ["", "quoted", "responses/", "conversations/", "threads/x"])
def test_other_scopes_are_not_asked_about(scope: str) -> None:
    assert RESPONSES.lookups(request(), scope) == []


def test_what_does_not_apply_is_an_error() -> None:
    with pytest.raises(ValueError, match="inherit no tools"):
        RESPONSES.owner(request(), "x")
    with pytest.raises(ValueError, match="inherit no tools"):
        RESPONSES.inherit_tools({}, {})
    with pytest.raises(ValueError, match="next request"):
        RESPONSES.settlement(request(), "responses/resp_1", (), is_streaming=False)
    with pytest.raises(ValueError, match="not a request"):
        RESPONSES.lookups(request("/v1/models"), "responses/resp_1")


def test_a_stream_is_opened() -> None:
    events = RESPONSES.open_events(endpoint(), request(), sse.event)
    assert events.scope == ""
    assert events.held_bytes == 0


def test_what_an_input_says_is_heard() -> None:
    found = endpoint()
    prompt: Json = {"variables": {"to": "bob", "n": 5}}
    body: Json = {"instructions": "be nice", "input": "hello", "prompt": prompt}

    def said(document: Json) -> tuple[str, ...]:
        return tuple(RESPONSES.read_request(found, request(), document).said)

    assert said(body) == ("be nice", "hello", "bob")
    assert said({"input": [{"role": "user", "content": "hi"}], "prompt": "p"}) == ("hi",)


def test_response_or_conversation_is_what_requests_go_on_with() -> None:
    def begun(document: Json, target: str = CREATE) -> str:
        return RESPONSES.begins(endpoint(target), document)

    assert begun({"id": "r", "output": []}) == "responses/r"
    assert begun({"id": "r", "output": [], "conversation": "c"}) == "conversations/c"
    assert begun({"id": "c"}, "/v1/conversations") == "conversations/c"
    assert begun({"id": 5}, "/v1/conversations") == begun({"id": "r"}) == begun([]) == ""
