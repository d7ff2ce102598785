"""Where the calls of chat messages stand, in every shape that servers send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.errors import BodyError
from callgate.model import SurfaceName
from callgate.surfaces import messages
from callgate.surfaces.messages import Entry, entries
from tests.surfaces.chat_objects import Json, call, custom, request


def read(*tools: Any, **message: Any) -> list[Any]:
    told: Json = {"role": "assistant", **message}
    if tools:
        told["tool_calls"] = list(tools)
    return messages.calls_of(request(), "scope", [told], "gpt-4o")


def test_a_call_is_read_with_everything_that_identifies_it() -> None:
    [found] = read(call())

    assert (found.surface, found.origin) == (SurfaceName.CHAT, "api.openai.com:443")
    assert (found.scope, found.id, found.name, found.kind) == (
        "scope",
        "call_1",
        "look",
        "function",
    )
    assert (found.arguments, found.model) == ('{"x":1}', "gpt-4o")
    assert found.agent.startswith("key:")


def test_a_custom_tools_input_is_wrapped() -> None:
    [found] = read(custom(text='say "hi"'))

    assert (found.kind, found.name) == ("custom", "code")
    assert json.loads(found.arguments) == {"input": 'say "hi"'}


def test_a_legacy_call_has_an_id_of_what_it_says() -> None:
    [one] = read(function_call={"name": "look", "arguments": '{"x": 1}'})
    [same] = read(function_call={"name": "look", "arguments": '{"x":1}'})
    [other] = read(function_call={"name": "look", "arguments": '{"x":2}'})

    assert one.id == same.id != other.id
    assert one.id.startswith("function_call:")


@pytest.mark.parametrize(
    ("tool", "kind", "name"),
    [
        ({"id": "a", "function": {"name": "f"}}, "function", "f"),
        ({"id": "a", "type": "other", "function": {"name": "f"}}, "function", "f"),
        ({"id": "a", "type": "browse", "arguments": {"u": 1}}, "browse", "browse"),
        ({"id": "a", "type": "browse", "name": "b"}, "browse", "b"),
        ({"id": "a"}, "untyped", "untyped"),
        ({"id": "a", "type": 7}, "untyped", "untyped"),
    ],
)
def test_calls_of_other_types_are_calls(tool: Json, kind: str, name: str) -> None:
    [found] = read(tool)

    assert (found.kind, found.name) == (kind, name)


@pytest.mark.parametrize(
    ("arguments", "text"), [(None, ""), ({"a": 1}, '{"a":1}'), ("{", "{"), ([1], "[1]")]
)
def test_arguments_are_text_or_any_json(arguments: Any, text: str) -> None:
    [found] = read({"id": "a", "function": {"name": "f", "arguments": arguments}})

    assert found.arguments == text


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": {}},
        {"tool_calls": "x"},
        {"tool_calls": ["x"]},
        {"tool_calls": [{"function": {"name": "f"}}]},
        {"tool_calls": [{"id": 7, "function": {"name": "f"}}]},
        {"tool_calls": [{"id": "a", "function": "f"}]},
        {"tool_calls": [{"id": "a", "function": {}}]},
        {"tool_calls": [{"id": "a", "function": {"name": 7}}]},
        {"tool_calls": [{"id": "a", "type": "x", "name": 7}]},
        {"tool_calls": [{"id": "a", "function": {"name": "f"}, "custom": {"name": "f"}}]},
        {"function_call": "f"},
        {"function_call": {"arguments": "{}"}},
        {"tool_calls": [call("a"), call("a", "other")]},
        {"tool_calls": [{**call("a"), "Function": {"name": "g"}}]},
        {"tool_calls": [{"id": "a", "custom": {"name": "f", "INPUT": "x"}}]},
        {"function_call": {"name": "f", "argument\u017f": "{}"}},
    ],
)
def test_malformed_calls_are_refused(message: Json) -> None:
    with pytest.raises(BodyError):
        messages.calls_of(request(), "", [message])


def test_the_same_call_twice_is_one() -> None:
    assert len({one.key for one in read(call(), call())}) == 1


def test_arguments_are_replaced_in_their_form() -> None:
    told: Json = {
        "tool_calls": [
            call("a"),
            {"id": "b", "function": {"name": "f", "arguments": {"x": 1}}},
            custom("c"),
            call("d"),
        ],
        "function_call": {"name": "old", "arguments": "{}"},
    }
    legacy = list(entries(told))[-1].id
    new = {"a": '{"n":1}', "b": '{"n":2}', "c": '{"input":"n"}', legacy: '{"n":3}'}
    messages.replace_arguments(told, new)

    a, b, c, d = told["tool_calls"]
    assert a["function"]["arguments"] == '{"n":1}'
    assert b["function"]["arguments"] == {"n": 2}
    assert c["custom"]["input"] == "n"
    assert d == call("d")
    assert told["function_call"]["arguments"] == '{"n":3}'


@pytest.mark.parametrize(
    ("arguments", "text"),
    [('{"input":"a"}', "a"), ("{", "{"), ("[1]", "[1]"), ('{"input":1}', '{"input":1}')],
)
def test_custom_tools_get_their_input_back(arguments: str, text: str) -> None:
    assert messages.input_in(arguments) == text


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (None, "no"),
        ("", "no"),
        ("said", "said\nno"),
        (
            [{"type": "text", "text": "a"}],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "no"}],
        ),
    ],
)
def test_message_left_without_calls_tells_the_notice(content: Any, shown: Any) -> None:
    told: Json = {"content": content, "tool_calls": [call("a")]}

    assert messages.withhold(told, {"a": "no"})
    assert told == {"content": shown}


def test_hidden_calls_leave_and_their_siblings_stay() -> None:
    told: Json = {"content": None, "tool_calls": [call("a"), call("b")]}

    assert not messages.withhold(told, {"a": "no"})
    assert told == {"content": None, "tool_calls": [call("b")]}
    assert not messages.withhold(told, {"z": "no"})


def test_hidden_legacy_call_leaves() -> None:
    told: Json = {"content": None, "function_call": {"name": "f", "arguments": "{}"}}
    [entry] = entries(told)

    assert entry == Entry(told["function_call"], is_legacy=True)
    assert messages.withhold(told, {entry.id: "no"})
    assert told == {"content": "no"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("done", "done"),
        ([{"type": "text", "text": "done"}], "done"),
        ([{"type": "input_text", "text": "done"}], "done"),
        ([{"type": "text", "text": 7}], [{"type": "text", "text": 7}]),
        ([{"type": "image"}], [{"type": "image"}]),
        (["done"], ["done"]),
        ([], []),
        (None, None),
    ],
)
def test_text_of_a_result_is_told_whatever_its_form(content: Any, text: Any) -> None:
    assert messages.text_of(content) == text


@pytest.mark.parametrize(
    "document",
    [
        {"inner": {"tool_calls": [call()]}},
        {"list": [{"function_call": {"name": "f"}}]},
        {"Tool_Calls": [call()]},
    ],
)
def test_calls_in_unknown_places_are_refused(document: Json) -> None:
    with pytest.raises(BodyError):
        messages.refuse_strays(document, ())


def test_known_places_and_empty_ones_are_in_order() -> None:
    told: Json = {"tool_calls": [call()]}
    messages.refuse_strays({"m": told, "tool_calls": [], "function_call": "auto"}, {id(told)})
    odd: Json = {"TOOL_CALLS": [call()]}
    with pytest.raises(BodyError):
        messages.refuse_strays(odd, {id(odd)})
