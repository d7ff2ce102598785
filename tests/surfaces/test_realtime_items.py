"""Items of Realtime conversations: which are calls, what stands in for them, what answers them."""

from __future__ import annotations

import pytest

from callgate.errors import BodyError
from callgate.surfaces import realtime_items as items
from callgate.surfaces.base import Change, Substitute
from callgate.surfaces.fields import Object
from tests.surfaces.realtime_objects import A, Json, request, sdk_event

TEXT: Object = {"type": "output_text"}


def called(item: Object) -> tuple[str, str, str, str]:
    call = items.call_of(request(), "sessions/s", item, "m")
    return call.id, call.kind, call.name, call.arguments


def answers(*documents: Json) -> list[tuple[str, object, str, bool]]:
    found = [one for document in documents for one in items.items_of(document)]
    return [(r.call_id, r.output, r.path, r.takes_no_notice) for r in items.results_of(found)]


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        (A, ("call_a", "function", "look", '{"x": "y"}')),
        ({**A, "namespace": "eyes"}, ("call_a", "function", "eyes.look", '{"x": "y"}')),
        ({**A, "arguments": None}, ("call_a", "function", "look", "")),
        ({**A, "arguments": {"b": 1, "a": 2}}, ("call_a", "function", "look", '{"a":2,"b":1}')),
        ({**A, "arguments": {"n": 2**60}}, ("call_a", "function", "look", f'{{"n":{2**60}}}')),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"},
            ("c", "custom", "sh", '{"input":"ls"}'),
        ),
        (
            {"type": "shell_call", "id": "i", "call_id": "c", "action": {"commands": ["ls"]}},
            ("c", "shell_call", "shell", '{"action":{"commands":["ls"]}}'),
        ),
        (
            {"type": "mcp_approval_request", "id": "r", "name": "n", "arguments": "{}"},
            ("r", "mcp_approval_request", "mcp..n", "{}"),
        ),
        (
            {"call_id": "c", "name": "look", "arguments": "{}"},
            ("c", "untyped", "look", '{"arguments":"{}"}'),
        ),
    ],
)
def test_call_reads_as_it_stands(item: Object, wanted: tuple[str, str, str, str]) -> None:
    assert items.is_call(item)
    assert called(item) == wanted


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "user"},
        {"type": "mcp_call", "name": "search", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c"},
        {"id": "item_1"},
        {"type": "shell_call", "call_id": "c", "environment": {"type": "container_reference"}},
        {"type": "tool_search_call", "call_id": None, "execution": "server"},
    ],
)
def test_other_items_ask_nothing(item: Object) -> None:
    assert not items.is_call(item)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call", "name": "look"},
        {"type": "function_call", "name": "look", "call_id": ""},
        {"type": "function_call", "call_id": "c"},
        {"type": "function_call", "call_id": "c", "name": []},
        {"type": "mcp_approval_request", "call_id": "c", "name": "n"},
    ],
)
def test_call_that_can_not_be_told_is_an_error(item: Object) -> None:
    with pytest.raises(BodyError):
        called(item)


def test_type_that_is_no_text_is_an_error() -> None:
    with pytest.raises(BodyError):
        items.is_call({"type": 5})


@pytest.mark.parametrize(
    "document",
    [
        {"item": 5},
        {"response": {"output": {}}},
        {"response": {"input": [5]}},
        {"session": {"input": "hello"}},
    ],
)
def test_items_that_are_none_are_an_error(document: Json) -> None:
    with pytest.raises(BodyError):
        items.items_of(document)


def test_items_are_found_in_every_place() -> None:
    document: Json = {
        "item": {"n": 1},
        "response": {"output": [{"n": 2}], "input": [{"n": 3}]},
        "session": {"input": [{"n": 4}]},
    }
    found = items.items_of(document)
    assert [(one.path, one.item["n"]) for one in found] == [
        ("item", 1),
        ("response.output[0]", 2),
        ("response.input[0]", 3),
        ("session.input[0]", 4),
    ]
    assert items.items_of({"item": None, "response": "resp_1"}) == []


@pytest.mark.parametrize(
    "document",
    [
        {"delta": [A]},
        {"delta": {"type": "mcp_approval_request"}},
        {"delta": {"call_id": "c"}},
        {"delta": {"type": "function_call_output"}},
        {"event": {"type": "response.custom_tool_call_input.delta"}},
        {"ITEM": {}},
        {"response": {"Output": []}},
    ],
)
def test_call_where_the_api_has_none_is_an_error(document: Json) -> None:
    with pytest.raises(BodyError):
        items.refuse_strays(document, [])


def test_what_only_looks_alike_is_none() -> None:
    schema = {"properties": {"call_id": {"type": "string", "default": {"call_id": "c"}}}}
    document: Json = {
        "type": "session.updated",
        "call_id": "of an event",
        "session": {"tools": [{"type": "function", "name": "look", "parameters": schema}]},
        "event": {"type": "response.output_text.delta", "part": {"type": "mcp_call"}},
        "item": {"type": "function_call_output", "call_id": "c"},
    }
    items.refuse_strays(document, items.items_of(document))


def test_stand_in_is_a_message_of_the_same_id() -> None:
    item: Object = {**A, "object": "realtime.item"}
    for is_begun in (True, False):
        new = items.stand_in(item, "blocked", TEXT, is_begun=is_begun)
        event = sdk_event({"type": "conversation.item.added", "event_id": "e", "item": new})
        assert (event.item.id, event.item.object) == ("item_call_a", "realtime.item")
        assert event.item.status == ("in_progress" if is_begun else "completed")
        assert [part.text for part in event.item.content] == ([] if is_begun else ["blocked"])


def test_arguments_are_put_where_the_call_has_them() -> None:
    shell: Object = {"type": "shell_call", "call_id": "s", "action": {"commands": ["rm"]}}
    document: Object = {
        "item": {"type": "message", "id": "m"},
        "response": {
            "output": [
                {**A, "arguments": ""},
                {**A, "call_id": "b", "arguments": {"x": 1}},
                {**A, "id": "known", "call_id": None},
                shell,
                {**shell, "call_id": "t"},
                {**A, "call_id": "other"},
            ]
        },
    }
    new = '{"x":2}'
    change = Change({"call_a": new, "b": new, "c": new, "s": '{"action":1}', "t": "[]"})
    items.edit_items(document, change, {"known": "c"}, TEXT)
    listed = [one.item for one in items.items_of(document)][1:]
    assert [one.get("arguments") for one in listed[:3]] == ["", {"x": 2}, new]
    assert [one["action"] for one in listed[3:5]] == [1, {"commands": ["rm"]}]
    assert listed[5]["arguments"] == A["arguments"]


@pytest.mark.parametrize(
    ("item", "result"),
    [
        (
            {"type": "function_call_output", "call_id": "c", "output": "1"},
            ("c", "1", "item.output", False),
        ),
        (
            {"call_id": "c", "output": [{"type": "input_text", "text": "1"}]},
            ("c", "1", "item.output", False),
        ),
        (
            {"type": "x_output", "call_id": "c", "output": [{"type": "image"}]},
            ("c", [{"type": "image"}], "item.output", False),
        ),
        (
            {"type": "x_output", "call_id": "c", "caller": {"type": "program"}},
            ("c", None, "item.output", True),
        ),
        (
            {"type": "local_shell_call_output", "id": "c", "output": "1"},
            ("c", "1", "item.output", False),
        ),
        (
            {"type": "mcp_approval_response", "approval_request_id": "r", "approve": True},
            ("r", True, "item.approve", False),
        ),
        (
            {"type": "mcp_approval_response", "approval_request_id": "r"},
            ("r", None, "item.approve", False),
        ),
    ],
)
def test_answers_are_results(item: Json, result: object) -> None:
    assert answers({"item": item}) == [result]


def test_declining_is_no_result_and_neither_is_a_message() -> None:
    declined = {"type": "mcp_approval_response", "approval_request_id": "r", "approve": False}
    assert answers({"item": declined}, {"item": {"type": "message"}}, {"item": {}}) == []


@pytest.mark.parametrize(
    "item", [{"type": "function_call_output"}, {"type": "mcp_approval_response", "approve": 1}]
)
def test_answer_to_nobody_is_an_error(item: Json) -> None:
    with pytest.raises(BodyError):
        answers({"item": item})


def test_hidden_call_is_replaced_by_its_stand_in() -> None:
    document: Json = {"item": {**A}}
    items.edit_items(document, Change(hidden={"call_a": "blocked"}), {}, TEXT)
    assert document["item"] == items.stand_in({**A}, "blocked", TEXT, is_begun=False)


def test_message_of_one_item_has_no_room_for_another() -> None:
    document: Json = {"item": {"type": "function_call_output", "call_id": "c", "output": "1"}}
    items.replace_results(document, [Substitute("c", "no"), Substitute("d", "no")])
    assert answers(document) == [("c", "no", "item.output", False)]


def test_results_are_replaced_and_missing_ones_added_where_there_is_room() -> None:
    approval = {"type": "mcp_approval_response", "approval_request_id": "r", "approve": True}
    document: Json = {
        "type": "response.create",
        "response": {
            "input": [
                {"type": "function_call_output", "call_id": "a", "output": "secret"},
                {"type": "function_call_output", "call_id": "other", "output": "1"},
                {**A, "call_id": "a"},
                approval,
            ]
        },
    }
    added = [Substitute("b", "no"), Substitute("s", "no", "mcp_approval_request")]
    items.replace_results(document, [Substitute("a", "no"), Substitute("r", "no"), *added])
    assert [one[:2] for one in answers(document)] == [("a", "no"), ("other", "1"), ("b", "no")]
    listed = document["response"]["input"]
    assert [one.get("approve") for one in listed] == [None, None, None, False, None, False]
    assert listed[3]["reason"] == listed[5]["reason"] == "no"
    assert listed[2]["arguments"] == A["arguments"]
